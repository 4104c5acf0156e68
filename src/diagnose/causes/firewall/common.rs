//! What the causes of this box share: the rule that keeps whoever asks out, told with its evidence and what can be done.

use super::super::Found;
use super::{accepting, forwarded};
use crate::diagnose::Scene;
use crate::diagnose::dispute::{refusing, rule_at_work};
use crate::diagnose::verdict::{Advice, Evidence};
use crate::diagnose::ways::{main_part, rule_of, rules_of};
use crate::facts::Reading;
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::xt::{Match, Xt};
use crate::facts::ruleset::{Backend, ChainId, ChainRules, Rule};
use crate::firewall::keeper::{Keeper, keeper};
use crate::firewall::{Client, Fate, Leg, Packet, Part, Pass, Place, file, see, words};
use crate::text::arg;

/// What keeps whoever asks out.
#[derive(Debug)]
pub(super) struct Blocked<'s> {
    /// The packet.
    pub(super) packet: Packet,
    /// The sources that are kept out, most of those that ask.
    pub(super) part: &'s Part,
    /// The rule or policy.
    pub(super) place: &'s Place,
}

/// What keeps whoever asks out of this host, or this host's clients from an answer. What stops traffic to and from
/// containers is told in their box.
pub(super) fn blocked<'s>(scene: &'s Scene<'_, '_>) -> Option<Blocked<'s>> {
    let of_container = |blocked: &Blocked<'_>| {
        forwarded::is_on_the_way(scene, blocked) || forwarded::is_from_container(scene, blocked)
    };
    held_up(scene).filter(|blocked| !of_container(blocked))
}

/// The same, containers or not.
pub(super) fn held_up<'s>(scene: &'s Scene<'_, '_>) -> Option<Blocked<'s>> {
    let ways = scene.ways()?;
    if scene.subject.local == Some(true) {
        let part = main_part(&ways.asked)?;
        return kept_out(scene, ways.packet, part);
    }
    kept_out(scene, Packet { client: Client::Here, ..ways.packet }, main_part(&ways.here)?)
        .filter(|blocked| blocked.place.leg == Leg::Reply)
}

/// What keeps this host's own packets from leaving.
pub(super) fn leaving<'s>(scene: &'s Scene<'_, '_>) -> Option<Blocked<'s>> {
    let ways = scene.ways()?;
    let own = scene.subject.local == Some(false) || ways.packet.client == Client::Here;
    kept_out(scene, Packet { client: Client::Here, ..ways.packet }, main_part(&ways.here)?).filter(|_| own)
}

fn kept_out<'s>(scene: &Scene<'_, '_>, packet: Packet, part: &'s Part) -> Option<Blocked<'s>> {
    let place = refusing(part)?;
    // Where the kernel did something else, the box says so and nothing is blamed.
    let own = packet.client == Client::Here;
    (!own || scene.dispute().is_none()).then_some(Blocked { packet, part, place })
}

impl Blocked<'_> {
    /// It answers with an error, rather than let the packet vanish.
    pub(super) fn answers(&self) -> bool {
        matches!(self.part.fate, Fate::Rejected { .. })
    }

    /// `rejects` or `drops`.
    pub(super) fn verb(&self) -> &'static str {
        if self.answers() { "rejects" } else { "drops" }
    }

    /// The rule; none for a policy.
    pub(super) fn rule<'f>(&self, scene: &Scene<'f, '_>) -> Option<&'f Rule> {
        rule_of(scene.look, &self.place.chain, self.place.rule?)
    }

    /// Its comment.
    pub(super) fn comment<'f>(&self, scene: &Scene<'f, '_>) -> Option<&'f str> {
        let rule = self.rule(scene)?;
        let xt = rule.exprs.iter().find_map(|e| match e {
            Expr::Xt(Xt::Match(Match::Comment(comment))) => Some(comment.as_str()),
            _ => None,
        });
        rule.comment.as_deref().or(xt)
    }

    /// Who keeps it.
    pub(super) fn keeper(&self, scene: &Scene<'_, '_>) -> Keeper {
        keeper(&self.place.chain, self.rule(scene))
    }

    /// The rule's own words, or `policy drop`.
    pub(super) fn text(&self, scene: &Scene<'_, '_>) -> String {
        text(scene, self.place)
    }

    /// Its chain, as its tool names it.
    pub(super) fn chain_words(&self) -> String {
        chain_words(&self.place.chain)
    }

    /// An accepting rule that the packet passed before, in another table of the same hook.
    pub(super) fn accepted_before(&self) -> Option<&Pass> {
        let elsewhere = |by: &Place| {
            by.hook == self.place.hook && by.leg == self.place.leg && by.base.table != self.place.base.table
        };
        self.part.passed.iter().find(|pass| elsewhere(&pass.by) && pass.by.rule.is_some())
    }

    /// A finding about this rule: who it keeps out, its evidence, and how to let the packet in.
    pub(super) fn found(&self, scene: &Scene<'_, '_>, verb: &str) -> Found {
        let who = self.who();
        let mut summary = format!("{} in {} {verb} {who}", self.text(scene), self.chain_words());
        if self.place.leg == Leg::Reply {
            summary = format!("{} in {} {verb} the answers to {who}", self.text(scene), self.chain_words());
        }
        self.told(scene, summary)
    }

    /// The same with other words.
    pub(super) fn told(&self, scene: &Scene<'_, '_>, summary: impl Into<String>) -> Found {
        let mut found = Found::new(place_words(self.place), summary).seen(evidence_of(scene, self.place));
        if let Some(count) = counted(scene, self.place) {
            found = found.seen(count);
        }
        if let Some(seen) = self.confirmed(scene) {
            found = found.seen(seen);
        }
        if let Some(line) = from_file(scene, self.place) {
            found = found.seen(line);
        }
        found.advise_all(accepting::advice(scene, self))
    }

    /// The kernel's own word that a rule refused the attempt from here, where the same rule should have.
    fn confirmed(&self, scene: &Scene<'_, '_>) -> Option<Evidence> {
        let own = refusing(main_part(&scene.ways()?.here)?)?;
        let dial = scene.look.dialled(&scene.subject.endpoint()?)?;
        let says = rule_at_work(dial).filter(|_| own == self.place && self.answers())?;
        let see = if dial.icmp.is_some() { "nstat -az IcmpOutMsgs" } else { "nstat -az TcpOutRsts" };
        Some(Evidence::new("counter", says, see))
    }

    /// Who is kept out.
    pub(super) fn who(&self) -> String {
        match self.packet.client {
            Client::Here => "this host's own packets".to_owned(),
            Client::Any | Client::Address(_) => self.part.sources.words(),
        }
    }
}

/// A rule's own words, or those of a policy.
pub(super) fn text(scene: &Scene<'_, '_>, place: &Place) -> String {
    let Some(handle) = place.rule else { return "the policy drop".to_owned() };
    match rule_of(scene.look, &place.chain, handle) {
        Some(rule) => words::brief(&place.chain, rule, scene.look.facts()),
        None => format!("the rule with handle {handle}"),
    }
}

/// A chain, as its tool names it.
pub(super) fn chain_words(chain: &ChainId) -> String {
    let table = &chain.table;
    match table.backend {
        Backend::Legacy => format!("{} (legacy {} {})", chain.name, table.family.word(), table.name),
        Backend::Nftables => format!("{} {} {}", table.family.word(), table.name, chain.name),
    }
}

/// A rule by its chain and handle.
pub(super) fn place_words(place: &Place) -> String {
    match place.rule {
        Some(handle) => format!("{} handle {handle}", chain_words(&place.chain)),
        None => format!("policy of {}", chain_words(&place.chain)),
    }
}

/// A rule as evidence.
pub(super) fn evidence_of(scene: &Scene<'_, '_>, place: &Place) -> Evidence {
    let via: Vec<String> = place.via.iter().map(|(chain, _)| chain.name.clone()).collect();
    let led = if via.is_empty() { String::new() } else { format!(", reached from {}", via.join(", ")) };
    let says = format!("{}: {}{led}", place_words(place), text(scene, place));
    let source = if place.chain.table.backend == Backend::Legacy { "iptables-legacy" } else { "nftables" };
    Evidence::new(source, says, see_chain(scene, &place.chain))
}

/// How often the kernel has counted it: its own word that the rule is at work.
fn counted(scene: &Scene<'_, '_>, place: &Place) -> Option<Evidence> {
    let rule = rule_of(scene.look, &place.chain, place.rule?)?;
    let packets = rule.exprs.iter().find_map(|e| match e {
        Expr::Counter { packets, .. } => Some(*packets),
        _ => None,
    })?;
    (packets > 0).then(|| {
        let plural = if packets == 1 { "" } else { "s" };
        Evidence::new("counter", format!("it has met {packets} packet{plural} so far"), see_chain(scene, &place.chain))
    })
}

/// The line of the file it was loaded from.
fn from_file(scene: &Scene<'_, '_>, place: &Place) -> Option<Evidence> {
    let files = scene.look.rule_files()?;
    let line = match place.rule {
        Some(handle) => {
            let rule = rule_of(scene.look, &place.chain, handle)?;
            file::line_of(files, &place.chain, rule, scene.look.facts())
        }
        None => file::policy_line(files, &place.chain),
    }?;
    let says = format!("{}:{}: {}", line.path, line.line, line.text);
    Some(Evidence::new("file", says, format!("sed -n {}p {}", line.line, arg(&line.path))))
}

/// The command that shows a chain with its rules.
pub(super) fn see_chain(scene: &Scene<'_, '_>, chain: &ChainId) -> String {
    see::chain(chain, scene.look.facts().ruleset.value())
}

/// The rules of a chain.
pub(super) fn rules<'f>(scene: &Scene<'f, '_>, chain: &ChainId) -> Option<&'f [Rule]> {
    rules_of(scene.look, chain)
}

/// What takes a rule away, and what puts it back.
pub(super) fn take_away(scene: &Scene<'_, '_>, place: &Place) -> Option<Advice> {
    let facts = scene.look.facts();
    // Those of legacy tables come with their table; all others are where they are, and not copied: they may be many.
    let legacy = (place.chain.table.backend == Backend::Legacy).then(|| rules_of(scene.look, &place.chain)).flatten();
    let of_legacy = legacy.map(|rules| ChainRules { generation: 0, rules: rules.to_vec(), more: false });
    let rules = facts.chains.get(&place.chain).and_then(Reading::value).or(of_legacy.as_ref());
    let ruleset = facts.ruleset.value();
    let handle = place.rule?;
    let run = see::delete(&place.chain, handle, rules, ruleset)?;
    let undo = see::put_back(&place.chain, rule_of(scene.look, &place.chain, handle)?, rules, facts);
    Some(Advice::new("take the rule away", run, undo.as_deref()))
}

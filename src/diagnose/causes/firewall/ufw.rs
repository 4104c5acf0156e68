//! ufw: which of its rules or defaults refuses, in its own words.

use super::super::Found;
use super::common::{Blocked, place_words};
use crate::diagnose::Scene;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::firewalls::{Ufw, UfwRule};
use crate::facts::ruleset::Hook;
use crate::firewall::Client;
use crate::firewall::keeper::Program;
use crate::fixes::ufw as maker;

/// The rule is one of ufw's, or the policy it set.
pub(super) fn keeps(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> bool {
    blocked.keeper(scene).program == Program::Ufw || (blocked.place.rule.is_none() && made_policy(scene, blocked))
}

/// ufw's own chains hang on the chain whose policy refuses.
fn made_policy(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> bool {
    let table = &blocked.place.base.table;
    scene.look.ruleset().is_some_and(|rules| {
        rules
            .chains
            .iter()
            .any(|c| c.id.table == *table && matches!(c.id.name.as_str(), "ufw-before-input" | "ufw6-before-input"))
    })
}

/// It refuses because there were too many.
pub(super) fn limits(blocked: &Blocked<'_>) -> bool {
    let names = blocked.place.via.iter().map(|(chain, _)| chain).chain([&blocked.place.chain]);
    names.into_iter().any(|chain| chain.name.ends_with("user-limit"))
}

/// The finding, in ufw's words.
pub(super) fn told(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Found {
    let port = format!("{}/{}", blocked.packet.to.port(), blocked.packet.transport.word());
    let ufw = scene.look.ufw();
    let rule = ufw.and_then(|ufw| deciding(ufw, blocked));
    let summary = match (rule, ufw) {
        (Some(rule), _) if rule.action == "limit" => {
            format!("ufw limits {}: {} came too often", rule.spec, blocked.who())
        }
        (Some(rule), _) => {
            let does = if rule.action == "deny" { "denies" } else { "rejects" };
            format!("ufw {does} {} (rule {})", rule.spec, rule.number)
        }
        (None, Some(ufw)) if !ufw.incoming.is_empty() => {
            format!("ufw lets no rule of its own allow {port}, and its default for incoming is {}", ufw.incoming)
        }
        (None, _) => {
            format!("ufw {} {port}: {} in {}", blocked.verb(), blocked.text(scene), place_words(blocked.place))
        }
    };
    let mut found = blocked.told(scene, summary);
    if let Some(rule) = rule {
        let says = format!("{}:{}: {} {}", rule.file, rule.line, rule.action, rule.spec);
        found = found.seen(Evidence::new("ufw", says, "ufw status numbered"));
    } else if let Some(ufw) = ufw {
        found = found.seen(Evidence::new("ufw", format!("default: {} (incoming)", ufw.incoming), "ufw status verbose"));
    }
    found.advice = match blocked.place.hook {
        Hook::Input => advice(ufw, blocked, rule),
        Hook::Forward => {
            let what =
                format!("allow proto {} to any port {}", blocked.packet.transport.word(), blocked.part.to.port());
            let undo = format!("ufw route delete {what}");
            vec![Advice::new("let it through to where it is sent", format!("ufw route {what}"), Some(&undo))]
        }
        _ => Vec::new(),
    };
    found
}

/// The rule of ufw that is about this port and refuses.
fn deciding<'a>(ufw: &'a Ufw, blocked: &Blocked<'_>) -> Option<&'a UfwRule> {
    let port = blocked.packet.to.port().to_string();
    let about = |rule: &UfwRule| {
        let words: Vec<&str> = rule.spec.split_whitespace().collect();
        let named = words.windows(2).any(|pair| matches!(pair, ["port", number] if *number == port));
        let alone = words.first().is_some_and(|word| word.split('/').next() == Some(port.as_str()));
        // Who else a rule is about is not looked into: only one for everybody is blamed.
        let everybody = !words.windows(2).any(|pair| matches!(pair, ["from", who] if *who != "any"));
        (named || alone) && everybody
    };
    let wanted: &[&str] = if limits(blocked) { &["limit"] } else { &["deny", "reject"] };
    let user = blocked.place.chain.name.contains("user");
    let v6 = blocked.packet.to.is_ipv6();
    ufw.rules
        .iter()
        .find(|rule| user && rule.v6 == v6 && !rule.routed && wanted.contains(&rule.action.as_str()) && about(rule))
}

/// What ufw can be told to let it in, narrowest first.
fn advice(ufw: Option<&Ufw>, blocked: &Blocked<'_>, rule: Option<&UfwRule>) -> Vec<Advice> {
    let (number, transport) = (blocked.packet.to.port(), blocked.packet.transport);
    let mut all = Vec::new();
    if let Client::Address(client) = blocked.packet.client {
        all.push(Advice::of(maker::allow_client(client, number, transport)));
    }
    match rule {
        Some(rule) if maker::is_plain(rule) => {
            // Without it, the default decides.
            if ufw.is_some_and(|ufw| ufw.incoming == "allow") {
                all.push(Advice::of(maker::delete(rule)));
            }
            all.push(Advice::of(maker::allow(number, transport, Some(rule))));
        }
        Some(rule) => {
            let (undo, run) =
                (format!("ufw {} {}", rule.action, rule.spec), format!("ufw delete {} {}", rule.action, rule.spec));
            all.push(Advice::new("take the rule away", run, Some(&undo)));
        }
        None => all.push(Advice::of(maker::allow(number, transport, None))),
    }
    all
}

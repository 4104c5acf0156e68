//! What a line of the tree of rules says.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::app::chart::{Chart, Origin};
use crate::app::rules::book::{base, brief, packets, rules, whole};
use crate::app::rules::line::{Does, Line, Node, Reach};
use crate::facts::Reading;
use crate::facts::ruleset::{Backend, Base, ChainId, ChainKind, Hook, Policy, Rule, TableId};
use crate::firewall::keeper::keeper;
use crate::firewall::{Leg, Place};
use crate::ui::theme::{BAD, GOOD, Mark, QUIET, STRONG, WARN};
use crate::ui::words::{Row, wrap};

/// What the tree puts before each line, beside its depth.
const FOLD: usize = 2;

/// Which columns there is room for, by their widths; 0: there is none.
#[derive(Debug, Clone, Copy)]
pub(in crate::ui) struct Columns {
    width: usize,
    word: usize,
    handle: usize,
    packets: usize,
    moved: usize,
}

impl Columns {
    pub(in crate::ui) fn of(width: usize) -> Self {
        let from = |least: usize, wide: usize| if width >= least { wide } else { 0 };
        Self { width, word: from(56, 10), handle: from(84, 8), packets: from(44, 8), moved: from(44, 7) }
    }

    /// For a small place: the text, and what was counted.
    pub(in crate::ui) fn brief(width: usize) -> Self {
        Self { width, word: 0, handle: 0, packets: if width >= 44 { 8 } else { 0 }, moved: 0 }
    }

    /// The columns' names.
    pub(super) fn head(self) -> Row {
        let names = [("", self.word), ("handle", self.handle), ("packets", self.packets), ("moved", self.moved)];
        let right: usize = names.iter().map(|(_, width)| width).sum();
        let row = Row::new().cell("in the order of the packet's way", self.width.saturating_sub(right), QUIET);
        names.into_iter().fold(row, |row, (name, width)| right_aligned(row, name, (width, QUIET)))
    }

    /// A line, as wide as the tree leaves it.
    pub(in crate::ui) fn row(self, chart: &Chart, line: &Line) -> Row {
        let mark = mark(line);
        let own = Own::of(chart, line);
        let sign = if signed(&line.node) { Row::of(mark.sign, mark.style).say(" ") } else { Row::new() };
        let before = usize::from(line.depth) * 2 + FOLD + sign.width();
        // A line without a word has its column for its text.
        let word = if mark.word.is_empty() { 0 } else { self.word };
        let after = word + self.handle + self.packets + self.moved;
        let room = self.width.saturating_sub(before + after);
        let style = if line.reach == Reach::NotReached { QUIET } else { Style::new() };
        let mut text = Row::new();
        if line.decides && self.word == 0 {
            text = text.put("decides: ", mark.style);
        }
        let text = text.then(own.text).under(style).cut(room).to(room);
        let row = sign.then(text);
        let end = row.width();
        let row = if word == 0 { row } else { row.say(" ").put(mark.word, mark.style).to(end + word) };
        let cells = [
            (&own.handle, self.handle, QUIET),
            (&own.packets, self.packets, style),
            (&own.moved, self.moved, WARN.patch(STRONG)),
        ];
        cells.into_iter().fold(row, |row, (text, width, style)| right_aligned(row, text, (width, style)))
    }
}

/// Does something become of a packet there?
fn signed(node: &Node) -> bool {
    matches!(node, Node::Chain(..) | Node::Rule { .. } | Node::Policy(_))
}

/// Adds a column whose text ends at its right edge.
fn right_aligned(row: Row, text: &str, (width, style): (usize, Style)) -> Row {
    if width == 0 {
        return row;
    }
    let before = width.saturating_sub(text.width());
    row.say(" ".repeat(before)).put(text, style)
}

/// What became of the packet at a line: sign and word.
fn mark(line: &Line) -> Mark {
    let of = |sign, word, style| Mark { sign, word, style };
    let chain = matches!(line.node, Node::Chain(..));
    let mark = match line.does {
        Some(Does::Rejects) => of("✘", "rejects", BAD),
        Some(Does::Drops) => of("✘", "drops", BAD),
        Some(Does::Parts) => of("✘", "some pass", WARN),
        Some(Does::Unclear) => of("?", "unclear", WARN),
        Some(Does::Sends(_)) => of("→", "sends on", WARN),
        Some(Does::Accepts) if chain => of("✔", "passes", GOOD),
        Some(Does::Accepts) => of("✔", "accepts", GOOD),
        Some(Does::Leads) => of("·", "leads on", Style::new()),
        None if line.reach == Reach::NotReached && matches!(line.node, Node::Rule { .. } | Node::Policy(_)) => {
            of("–", "unreached", QUIET)
        }
        None => of(" ", "", Style::new()),
    };
    if line.decides { Mark { word: "decides", style: mark.style.patch(STRONG), ..mark } } else { mark }
}

/// What a line says of its own.
#[derive(Debug, Default)]
struct Own {
    text: Row,
    handle: String,
    packets: String,
    moved: String,
}

impl Own {
    fn of(chart: &Chart, line: &Line) -> Self {
        let chain = |number: &usize| chart.rules.chain(*number);
        let lit = if line.does.is_some() { STRONG } else { Style::new() };
        match &line.node {
            Node::Hook(leg, hook) => Self::text(hooked(*leg, *hook)),
            Node::Chain(number, count) => {
                chain(number).map(|id| Self::chain(chart, id, (*count, line.depth, lit))).unwrap_or_default()
            }
            Node::Rule { chain: number, at } => {
                let rule = chain(number).and_then(|id| Some((id, rules(&chart.case.here, id)?.get(*at)?)));
                rule.map(|(id, rule)| Self::rule(chart, id, (rule, lit))).unwrap_or_default()
            }
            Node::Policy(number) => chain(number)
                .and_then(|id| base(&chart.case.here, id))
                .map(|b| Self::policy(b, lit))
                .unwrap_or_default(),
            Node::More(count) => Self::text(Row::of(format!("… {} more rules", grouped(*count as u64)), QUIET)),
            Node::Aside(count) => {
                let chains = if *count == 1 { "1 chain" } else { &format!("{count} chains") };
                let heading = if line.reach == Reach::Untold { "other chains" } else { "not on this way" };
                Self::text(Row::of(heading, STRONG).put(format!("  {chains}"), QUIET))
            }
            Node::Table(table, count) => {
                let row = Row::new().say(table_words(table)).put(format!("  {count}"), QUIET);
                Self::text(row)
            }
            Node::Note(number) => {
                Self::text(Row::of(chain(number).map(|id| note(chart, id)).unwrap_or_default(), QUIET))
            }
        }
    }

    fn text(text: Row) -> Self {
        Self { text, ..Self::default() }
    }

    fn chain(chart: &Chart, id: &ChainId, (count, depth, lit): (Option<usize>, u16, Style)) -> Self {
        let base = base(&chart.case.here, id);
        let row = match base {
            Some(_) if depth < 2 => Row::of(chain_words(id), lit),
            _ => Row::new().put("chain ", QUIET).put(&id.name, lit),
        };
        let mut about: Vec<String> = Vec::new();
        if let Some(base) = base {
            about.push(format!("policy {}", policy(base.policy)));
            about.extend((depth >= 2).then(|| format!("at {}", base.hook.word())));
            about.extend([format!("priority {}", base.priority), kind(base.kind).to_owned()]);
        }
        about.extend(count.map(|n| if n == 1 { "1 rule".into() } else { format!("{} rules", grouped(n as u64)) }));
        Self::text(row.put(format!("  {}", about.join(", ")), QUIET))
    }

    fn rule(chart: &Chart, id: &ChainId, (rule, lit): (&Rule, Style)) -> Self {
        let counted = packets(rule);
        let moved = counted.map_or(0, |now| chart.rules.counting.moved(id, rule.handle, now));
        Self {
            text: Row::of(brief(&chart.case.here, id, rule), lit),
            handle: rule.handle.to_string(),
            packets: counted.map(short).unwrap_or_default(),
            moved: if moved == 0 { String::new() } else { format!("+{}", short(moved)) },
        }
    }

    fn policy(base: &Base, lit: Style) -> Self {
        let packets = base.packets.map(short).unwrap_or_default();
        Self { packets, ..Self::text(Row::of(format!("policy {}", policy(base.policy)), lit)) }
    }
}

fn hooked(leg: Leg, hook: Hook) -> Row {
    let where_to = match hook {
        Hook::Ingress => "as it comes in from a device",
        Hook::Prerouting => "before routing",
        Hook::Input => "to this host",
        Hook::Forward => "through this host",
        Hook::Output => "from this host",
        Hook::Postrouting => "after routing",
        Hook::Egress => "as it goes out to a device",
    };
    let whose = if leg == Leg::Reply { "the answer, " } else { "" };
    Row::of(hook.word(), STRONG).put(format!("  {whose}{where_to}"), QUIET)
}

fn kind(kind: ChainKind) -> &'static str {
    match kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
        ChainKind::Route => "route",
    }
}

fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
    }
}

fn table_words(table: &TableId) -> String {
    let legacy = if table.backend == Backend::Legacy { " (legacy)" } else { "" };
    format!("{} {}{legacy}", table.family.word(), table.name)
}

/// A chain by its whole name.
pub(super) fn chain_words(id: &ChainId) -> String {
    let legacy = if id.table.backend == Backend::Legacy { " (legacy)" } else { "" };
    format!("{} {} {}{legacy}", id.table.family.word(), id.table.name, id.name)
}

/// A rule or policy by its whole name.
pub(super) fn place_words(place: &Place) -> String {
    let at = match (place.rule, place.chain.table.backend) {
        (None, _) => "policy".to_owned(),
        (Some(handle), Backend::Nftables) => format!("handle {handle}"),
        (Some(number), Backend::Legacy) => format!("rule {number}"),
    };
    let leg = if place.leg == Leg::Reply { ", for the answer" } else { "" };
    format!("{} {at}{leg}", chain_words(&place.chain))
}

/// Why a chain shows no rules.
fn note(chart: &Chart, id: &ChainId) -> String {
    let reading = match id.table.backend {
        Backend::Nftables => chart.case.here.chains.get(id),
        Backend::Legacy => return "no rules".into(),
    };
    match reading {
        None | Some(Reading::NotAsked) if chart.origin == Origin::Recording => "not in the recording".into(),
        None | Some(Reading::NotAsked | Reading::Pending) => "reading …".into(),
        Some(Reading::Known(_)) => "no rules".into(),
        Some(Reading::Absent) => "the chain is gone".into(),
        Some(blind @ (Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. })) => {
            format!("cannot be read: {}", blind.blind().unwrap_or_default())
        }
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number in few characters.
fn short(number: u64) -> String {
    match number {
        0..1_000_000 => grouped(number),
        1_000_000..1_000_000_000 => format!("{}.{}M", number / 1_000_000, number / 100_000 % 10),
        _ => format!("{}G", grouped(number / 1_000_000_000)),
    }
}

/// The selected line in full, in so many rows.
pub(super) fn foot(chart: &Chart, width: usize, height: usize) -> Vec<Row> {
    let Some(line) = chart.rules.selected() else { return Vec::new() };
    let own = Own::of(chart, line);
    let selected = selected_rule(chart, line);
    let text = selected.map_or_else(|| own.text.plain(), |(id, rule)| whole(&chart.case.here, id, rule));
    let edge = edge(chart, line, &own);
    let rest = width.saturating_sub(edge.width());
    let mut rows = vec![edge.put("─".repeat(rest), QUIET).cut(width)];
    let mut lines = wrap(&text, width);
    let room = height.saturating_sub(1);
    if lines.len() > room {
        lines.truncate(room);
        if let Some(last) = lines.last_mut() {
            *last = crate::text::fit(&format!("{last} ……"), width.min(last.width() + 2));
        }
    }
    rows.extend(lines.into_iter().map(|line| Row::new().say(line)));
    rows
}

fn selected_rule<'a>(chart: &'a Chart, line: &Line) -> Option<(&'a ChainId, &'a Rule)> {
    let Node::Rule { chain, at } = line.node else { return None };
    let id = chart.rules.chain(chain)?;
    Some((id, rules(&chart.case.here, id)?.get(at)?))
}

/// Where the selected line is, how often it counted and who keeps it.
fn edge(chart: &Chart, line: &Line, own: &Own) -> Row {
    let Some(id) = chart.rules.selected_chain() else { return Row::new() };
    let rule = selected_rule(chart, line).map(|(_, rule)| rule);
    let name = match (&line.node, id.table.backend) {
        (Node::Rule { .. }, Backend::Nftables) => format!("{} handle {}", chain_words(id), own.handle),
        (Node::Rule { .. }, Backend::Legacy) => format!("{} rule {}", chain_words(id), own.handle),
        (_, _) => chain_words(id),
    };
    let mut row = Row::of("─ ", QUIET).say(name);
    if !own.packets.is_empty() {
        row = row.put(format!(" · {} packets", own.packets), QUIET);
    }
    if !own.moved.is_empty() {
        row = row.put(format!(" {}", own.moved), WARN);
    }
    row.put(format!(" · {} ", kept_by(id, rule)), QUIET)
}

/// Who keeps a rule or a chain.
pub(super) fn kept_by(id: &ChainId, rule: Option<&Rule>) -> String {
    let keeper = keeper(id, rule);
    if keeper.program.by_hand() {
        format!("by hand with {}", keeper.words())
    } else {
        format!("kept by {}", keeper.words())
    }
}

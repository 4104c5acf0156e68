//! What is looked up in lists: listeners, the journal, hops, and targets to choose from.

use super::clock;
use super::say::{Say, count};
use crate::app::chart::{Chart, Origin, took};
use crate::app::picker::{Choice, Picker};
use crate::app::table::{Fate, Owners, Row, Table, View};
use crate::facts::Reading;
use crate::facts::journal::Entry;
use crate::facts::socket::{Listener, Owner, Transport};
use jiff::tz::TimeZone;

/// Rows of a list that are told; a filter finds the others.
pub const MOST: usize = 100;
/// Entries of a journal that are told.
const LAST: usize = 20;

/// `tcp 0.0.0.0:22, 0 of 128 waiting, sshd[812] of ssh.service`
pub fn socket(row: &Row, owners: &Owners) -> String {
    format!("{}{}", listener(&row.listener), owned(owners.get(&row.listener.inode)))
}

fn listener(listener: &Listener) -> String {
    let queue = match listener.transport {
        Transport::Tcp => format!(", {} of {} waiting", listener.queue, listener.backlog),
        Transport::Udp => String::new(),
    };
    format!("{} {}{queue}", listener.transport.word(), listener.shown())
}

fn owned(reading: Option<&Reading<Owner>>) -> String {
    match reading {
        Some(Reading::Known(known)) => {
            let owner = &known.value;
            let unit = owner.unit.as_ref().filter(|_| !owner.processes.is_empty());
            format!(", {}{}", owner.shown(), unit.map(|unit| format!(" of {unit}")).unwrap_or_default())
        }
        Some(blind @ (Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. })) => {
            format!(", owner not known: {}", blind.blind().unwrap_or_default())
        }
        None | Some(Reading::NotAsked | Reading::Pending | Reading::Absent) => ", owner not known".into(),
    }
}

/// The listener table.
pub fn listeners(table: &Table, owners: &Owners, reading: &Reading<Vec<Listener>>, say: &mut Say) {
    match reading {
        Reading::Known(_) => {}
        Reading::NotAsked | Reading::Pending => return say.line("The listeners are not in the recording."),
        Reading::Absent => return say.line("This host has no socket table."),
        Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. } => {
            let why = reading.blind().unwrap_or_default();
            return say.line(format!("The listeners cannot be read: {why}."));
        }
    }
    if let Some(wrong) = table.wrong() {
        return say.line(super::say::sentence(&format!("the filter is wrong: {wrong}")));
    }
    if table.view == View::Changes {
        say.line("What changed since the watch began:");
    }
    let filter = table.filter.trim();
    let of = if filter.is_empty() { String::new() } else { format!(", {} of them with {filter}", table.len()) };
    say.line(format!("{} on this host{of}, by {}:", count(table.total(), "listener"), table.sort.word()));
    for row in table.window(0, MOST) {
        let fate = match row.fate {
            Fate::New(_) => "new: ",
            Fate::Gone => "gone: ",
            Fate::Changed(_) => "changed: ",
            Fate::Stands => "",
        };
        let was = if let Fate::Changed(inode) = row.fate {
            format!("; before{}", owned(owners.get(&inode)))
        } else {
            String::new()
        };
        say.at(1, format!("{fate}{}{was}", socket(row, owners)));
    }
    let more = table.len().saturating_sub(MOST);
    if more > 0 {
        say.at(1, format!("and {more} more: a filter finds them"));
    }
}

/// The sockets on the diagnosed port.
pub fn target_sockets(chart: &Chart, say: &mut Say) {
    let wanted = chart.diagnosis.subject.address();
    for socket in chart.listeners_of_target() {
        let takes = wanted.is_none_or(|ip| socket.takes(ip));
        let takes = if takes { "takes it" } else { "does not take it" };
        let owner = owned(chart.case.here.owners.get(&socket.inode));
        say.at(1, format!("{}{owner}: {takes}.", listener(socket)));
    }
}

/// The end of the journal of the unit that serves the target, or its lines that hold a text.
pub fn journal(chart: &Chart, needle: &str, zone: &TimeZone, say: &mut Say) {
    let Some(unit) = &chart.journal_of else { return say.line("No unit is known to serve this target.") };
    let entries = match chart.case.here.journals.get(unit) {
        Some(Reading::Known(known)) => known.value.entries.as_slice(),
        Some(Reading::Absent) => &[],
        Some(blind @ (Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. })) => {
            let why = blind.blind().unwrap_or_default();
            return say.line(format!("The journal of {unit} cannot be read: {why}."));
        }
        None | Some(Reading::NotAsked | Reading::Pending) => {
            return say.line(format!("The journal of {unit} is not in the recording."));
        }
    };
    let lower = needle.to_lowercase();
    let fits = |entry: &&Entry| lower.is_empty() || entry.message.to_lowercase().contains(&lower);
    let found: Vec<&Entry> = entries.iter().filter(fits).collect();
    let with = if needle.is_empty() { String::new() } else { format!(" that hold {needle}") };
    if found.is_empty() {
        return say.line(format!("The journal of {unit} has no lines{with} in this boot."));
    }
    let shown = found.len().min(LAST);
    say.line(format!("Journal of {unit}, the last {shown} of {}{with}:", count(found.len(), "line")));
    for entry in found.iter().skip(found.len() - shown) {
        let weight = entry.severity().map(|word| format!("{word}: ")).unwrap_or_default();
        say.at(1, format!("{} {weight}{}: {}", clock(entry.at_us, zone), entry.identifier, entry.message));
    }
}

/// The hops to a target elsewhere.
pub fn hops(chart: &Chart, say: &mut Say) {
    if chart.hops.looks == 0 {
        let none = if chart.origin == Origin::Recording { "are not in the recording" } else { "are not known" };
        return say.line(format!("The hops to the target {none}."));
    }
    say.line(format!("Hops to {}:", super::diagnosis::at(chart)));
    for (distance, seen) in &chart.hops.seen {
        let who: Vec<String> = seen.from.iter().map(ToString::to_string).collect();
        let who = if who.is_empty() { "says nothing".into() } else { who.join(", ") };
        let last = seen.last.map(|last| format!(", last after {}", took(last))).unwrap_or_default();
        say.at(1, format!("{distance}: {who}, answered {} of {}{last}", seen.answered, seen.asked));
    }
    match chart.path().and_then(|path| path.end.as_ref()) {
        Some(end) => {
            let (answer, after) = (end.answer.name(), took(end.after));
            say.at(1, format!("{}: {answer} for the target, after {after}", end.distance));
        }
        None => say.at(1, "nobody answers for the target"),
    }
    let (looks, packets) = (count(chart.hops.looks as usize, "look"), count(chart.hops.packets, "packet"));
    say.line(format!("{looks}, {packets} sent."));
}

/// Targets to choose from; each with its number.
pub fn targets(picker: &Picker, say: &mut Say) {
    say.line("Which connection is refused? Type a port, host:port, a unit, a URL or unix:/path; or # and a number:");
    for (choice, number) in picker.rows().iter().take(MOST).zip(1..) {
        let words = match choice {
            Choice::Typed(text) => text.clone(),
            Choice::Recent(text) => format!("{text}, asked for before"),
            Choice::Failed(unit, state) => format!("{unit}, {state}"),
            Choice::Listener(socket) => {
                format!("{}{}", listener(socket), owned(picker.facts.owners.get(&socket.inode)))
            }
        };
        say.at(1, format!("#{number} {words}"));
    }
    let more = picker.rows().len().saturating_sub(MOST);
    if more > 0 {
        say.at(1, format!("and {more} more"));
    }
}

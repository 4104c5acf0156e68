//! What goes between the two sides: one order, then answers, one way; progress and the end the other way. A line of JSON
//! each, bounded, and nothing in it that is not understood.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use crate::apply::Progress;
use crate::error::Error;
use crate::fixes::Plan;
use crate::sources::procfs::Session;
use crate::target::From;
use crate::text;

/// Both sides speak this one: they are the same program.
pub const PROTOCOL: u32 = 1;
/// The longest order, in bytes. A plan has a few kilobytes.
pub const LONGEST: usize = 1 << 20;
/// The longest time a change may wait to be confirmed, in seconds.
const LONGEST_WAIT: u64 = 86_400;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Order {
    /// The protocol it is written in.
    pub protocol: u32,
    /// What.
    pub job: Job,
}

/// A thing that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Job {
    /// A plan is carried out.
    Apply(Box<Wanted>),
    /// A kept entry is taken back; the last one that stands, without a number.
    Undo {
        /// Its number.
        entry: Option<u64>,
    },
}

/// A plan that is to be carried out, and on what terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wanted {
    /// The plan as it was shown.
    pub plan: Plan,
    /// The target as it was asked.
    pub target: String,
    /// Who asked.
    pub from: From,
    /// Seconds that a change that works waits for its confirmation.
    pub revert_after: u64,
    /// A change that works is kept without one.
    pub keep: bool,
    /// It may cut off the session it is made from.
    pub force: bool,
    /// That session: root may have been reached by a way on which nothing tells of it.
    pub session: Option<Session>,
}

/// What the side that is root says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// It is there, and waits for an order.
    Ready {
        /// The protocol it understands.
        protocol: u32,
    },
    /// What happens.
    Progress(Progress),
    /// It is over.
    Over(Over),
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// The change stands.
    Kept {
        /// Its number in the log.
        entry: u64,
    },
    /// It was put back.
    Reverted {
        /// Its number in the log.
        entry: u64,
        /// Why.
        why: String,
        /// What was left as it is.
        left: Vec<String>,
    },
    /// An entry was taken back.
    Undone {
        /// Its number in the log.
        entry: u64,
        /// What it was.
        title: String,
        /// What was left as it is.
        left: Vec<String>,
    },
    /// Nothing was changed.
    Failed {
        /// What was ordered was wrong; otherwise something broke.
        input: bool,
        /// What happened, and then what can be done about it, a line each.
        report: String,
    },
}

impl Order {
    /// Understands an order. What is in it and not understood makes it wrong, at any depth.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::input(format!("this is no order: {why}"));
        let tree: serde_json::Value = serde_json::from_str(line).map_err(|e| wrong(&e.to_string()))?;
        match tree.get("protocol").and_then(serde_json::Value::as_u64) {
            Some(protocol) if protocol == u64::from(PROTOCOL) => {}
            Some(other) => return Err(wrong(&format!("it is of protocol {other}, and this is {PROTOCOL}"))),
            None => return Err(wrong("it names no protocol")),
        }
        let order: Self = serde_json::from_value(tree.clone()).map_err(|e| wrong(&e.to_string()))?;
        let understood = serde_json::to_value(&order).map_err(|e| wrong(&e.to_string()))?;
        if understood != tree {
            return Err(wrong("there is more in it than is understood"));
        }
        match &order.job {
            Job::Apply(wanted) if wanted.revert_after > LONGEST_WAIT => Err(wrong("it would wait longer than a day")),
            Job::Apply(_) | Job::Undo { .. } => Ok(order),
        }
    }
}

impl Job {
    /// The command that does the same for root.
    pub fn command(&self) -> String {
        match self {
            Self::Apply(wanted) => {
                let from = match wanted.from {
                    From::Unsaid => String::new(),
                    From::Here => " --from here".into(),
                    From::Any => " --from any".into(),
                    From::Address(address) => format!(" --from {address}"),
                };
                let force = if wanted.force { " --force" } else { "" };
                format!("unrefuse fix {}{from} --plan {}{force}", text::arg(&wanted.target), text::arg(&wanted.plan.id))
            }
            Self::Undo { entry: Some(entry) } => format!("unrefuse undo {entry}"),
            Self::Undo { entry: None } => "unrefuse undo".into(),
        }
    }

    /// What it does, in a few words.
    pub fn title(&self) -> String {
        match self {
            Self::Apply(wanted) => text::line(&wanted.plan.title),
            Self::Undo { .. } => "take back a change".into(),
        }
    }
}

impl Over {
    /// Of an error: nothing was changed.
    pub fn failed(error: &Error) -> Self {
        Self::Failed { input: error.exit_code() == 2, report: error.report() }
    }

    /// The error of an order that changed nothing.
    pub fn error(input: bool, report: &str) -> Error {
        let mut lines = report.lines();
        let what = lines.next().unwrap_or_default();
        let error = if input { Error::input(what) } else { Error::broken(what) };
        lines.fold(error, |error, line| error.hint(text::line(line)))
    }
}

/// Lines of bounded length, of a reader that may be left in the middle of one.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    most: usize,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Of a reader; a line has at most this many bytes.
    pub fn new(reader: R, most: usize) -> Self {
        Self { reader, line: Vec::new(), most }
    }

    /// The next one; none at the end. Whoever stops waiting for it loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                let torn = io::Error::new(io::ErrorKind::UnexpectedEof, "it ends in the middle of a line");
                return if self.line.is_empty() { Ok(None) } else { Err(torn) };
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            if self.line.len() + part.len() > self.most {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            self.line.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                let line = String::from_utf8(std::mem::take(&mut self.line));
                return line.map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixes::action::{Action, Edit, Hunk, Verb};

    fn order() -> Order {
        let edit = Edit {
            file: "/etc/x.conf".into(),
            hunks: vec![Hunk { line: 3, old: vec!["port 1".into()], new: vec!["port 2".into()] }],
        };
        let plan = Plan::new("listen-port", "move it")
            .step("move it", Action::Edit(edit))
            .step("restart", Action::Unit { unit: "x.service".into(), verb: Verb::Restart });
        let wanted = Wanted {
            plan,
            target: "80 $(reboot)".into(),
            from: From::Any,
            revert_after: 60,
            keep: false,
            force: false,
            session: None,
        };
        Order { protocol: PROTOCOL, job: Job::Apply(Box::new(wanted)) }
    }

    #[test]
    fn an_order_arrives_as_it_was_given() {
        for order in [order(), Order { protocol: PROTOCOL, job: Job::Undo { entry: Some(7) } }] {
            let line = serde_json::to_string(&order).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(Order::parse(&line).unwrap(), order);
        }
    }

    #[test]
    fn what_is_not_understood_makes_an_order_wrong_at_any_depth() {
        let wrong = |change: fn(&mut serde_json::Value)| {
            let mut tree = serde_json::to_value(order()).unwrap();
            change(&mut tree);
            Order::parse(&tree.to_string()).unwrap_err().report()
        };
        let edit = "/job/apply/plan/steps/0/action/edit";
        assert!(wrong(|t| t["more"] = 1.into()).contains("unknown field"));
        assert!(wrong(|t| t["job"]["apply"]["uid"] = 0.into()).contains("unknown field"));
        assert!(wrong(|t| t["job"]["apply"]["plan"]["shell"] = "x".into()).contains("more in it"));
        let deep = |t: &mut serde_json::Value| t.pointer_mut(edit).unwrap()["then_run"] = "x".into();
        let mut tree = serde_json::to_value(order()).unwrap();
        deep(&mut tree);
        assert!(Order::parse(&tree.to_string()).unwrap_err().report().contains("more in it"));
        assert!(wrong(|t| t["protocol"] = 2.into()).contains("protocol 2"));
        assert!(wrong(|t| *t = serde_json::Value::Null).contains("names no protocol"));
        assert!(wrong(|t| t["job"]["apply"]["revert-after"] = u64::MAX.into()).contains("longer than a day"));
        assert!(wrong(|t| t["job"] = serde_json::json!({"run": "sh"})).contains("unknown variant"));
        assert!(Order::parse("{").unwrap_err().report().contains("no order"));
    }

    #[test]
    fn the_command_by_hand_is_safe_to_paste() {
        assert_eq!(order().job.command(), "unrefuse fix '80 $(reboot)' --from any --plan listen-port");
        assert_eq!(Job::Undo { entry: None }.command(), "unrefuse undo");
    }

    #[test]
    fn an_error_survives_the_way() {
        let error = Error::broken("the log cannot be written").hint("is the disk full?");
        let Over::Failed { input, report } = Over::failed(&error) else { panic!("not failed") };
        assert_eq!(Over::error(input, &report).report(), error.report());
    }

    #[tokio::test]
    async fn lines_are_bounded_and_torn_ones_are_told() {
        let mut lines = Lines::new(&b"one\ntwo\n"[..], 3);
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("one"));
        assert_eq!(lines.next().await.unwrap().as_deref(), Some("two"));
        assert_eq!(lines.next().await.unwrap(), None);
        assert!(Lines::new(&b"four\n"[..], 3).next().await.is_err());
        assert!(Lines::new(&b"to"[..], 3).next().await.is_err());
        let endless = tokio::io::BufReader::new(tokio::io::repeat(b'x'));
        assert!(Lines::new(endless, LONGEST).next().await.is_err());
    }
}

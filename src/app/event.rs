//! What can happen while the screen is up, what the user can ask for, and what is then to be done.

use super::find::FindCommand;
use super::fixing::{End, FixCommand};
use super::pointer::{Mouse, Pointed};
use crate::apply::{Answer, Progress};
use crate::error::Error;
use crate::facts::{Case, Question};
use crate::fixes::Plan;
use crate::sources::Arrival;
use crate::sources::live::Change;
use crate::target::{From, Target};

/// Something happened.
#[derive(Debug)]
pub struct Event {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// The user asked for something by a key.
    Command(Command),
    /// A character was typed into a text line.
    Typed(char),
    /// A text was pasted.
    Pasted(String),
    /// Something was done with the mouse.
    Pointed(Pointed),
    /// This was chosen in the actions.
    Chosen(Command),
    /// This line of the pane with the keys holds the text that is looked for; or none does.
    Found(Option<usize>),
    /// A report was written to a file with this name, or why not.
    Exported(Result<String, String>),
    /// The terminal has this size now.
    Resized(Size),
    /// That much of each pane is on the screen now.
    Shown(Shown),
    /// An answer.
    Arrived(Arrival),
    /// A watched answer changed.
    Changed(Change),
    /// A time that was asked for has come.
    Woke(Wake),
    /// The system told us something.
    Signalled(Signal),
    /// What the plan with this number would change is known, or why it cannot be applied.
    Prepared(u64, Result<Vec<String>, String>),
    /// A fix goes on.
    Fixing(Progress),
    /// A fix is over.
    Fixed(End),
    /// Both ends of the connection were asked again, or why not.
    Looked(Result<Box<Case>, String>),
    /// Somebody is to be asked for a password on the terminal, or no longer.
    Asking(bool),
    /// Something to tell the user in passing.
    Notice(String),
    /// The terminal is gone.
    HungUp,
}

/// What the user can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// Move the selection, or scroll.
    Move(Step),
    /// Open what is selected.
    Open,
    /// Back.
    Back,
    /// Something about the diagnosis.
    Chart(ChartCommand),
    /// Something about the listener table.
    Table(TableCommand),
    /// Something about the rules.
    Rules(RulesCommand),
    /// Something about a text to be found.
    Find(FindCommand),
    /// Something about a fix.
    Fix(FixCommand),
    /// Another screen.
    Go(Goal),
    /// Something about the line being typed.
    Edit(Edit),
    /// Something about the session.
    Session(Session),
}

/// What can be asked for while a diagnosis is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChartCommand {
    /// Look again.
    Retest,
    /// Look again and again.
    Continuous,
    /// What the selected box asks, and what answers mean.
    Explain,
    /// The hops to the target.
    Hops,
    /// The boxes on the left.
    Left,
    /// The boxes on the right.
    Right,
    /// The next pane.
    NextPane,
    /// The pane before.
    PreviousPane,
    /// The listener table.
    Listeners,
    /// The rules of the packet filter.
    Rules,
    /// The journal.
    Journal,
    /// Only its warnings and worse, or all of it.
    Worse,
    /// Type the address of a client.
    Client,
    /// Copy the command that shows the same.
    Copy,
    /// Copy what to do about it.
    CopyFix,
    /// Write a report to a file.
    Export,
}

/// What can be asked for where listeners are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableCommand {
    /// Type a filter.
    Filter,
    /// Sort by the next column.
    Sort,
    /// Hold it still, or let it go.
    Freeze,
    /// Only what changed since the watch began, or all again.
    Changes,
}

/// What can be asked for where rules are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RulesCommand {
    /// Show what is in the selected line.
    Unfold,
    /// No longer; or go to the line it is in.
    Fold,
}

/// Where else to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// Choose another target.
    Picker,
    /// All listeners.
    Listeners,
}

/// What can be done to the line being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    /// Remove the last character.
    Erase,
    /// Remove everything.
    Clear,
}

/// What concerns the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Session {
    /// Help.
    Help,
    /// Every action that works now, by its name.
    Actions,
    /// Stop for a while (Ctrl-Z).
    Suspend,
    /// Take the mouse, or leave it to the terminal.
    Mouse,
    /// Paint everything again.
    Redraw,
    /// Leave.
    Quit,
}

/// How far to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// One up.
    Up,
    /// One down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    Top,
    /// To the end.
    Bottom,
}

/// Size of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// How many rows of a pane are on the screen, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Rows on the screen; 0: the pane is not shown.
    pub rows: usize,
    /// Rows there are.
    pub of: usize,
}

impl Extent {
    /// The first row may be at most this one.
    pub fn last_top(self) -> usize {
        self.of.saturating_sub(self.rows)
    }
}

/// What of the panes is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// The detail of the selected box.
    pub detail: Extent,
    /// The listener table.
    pub listeners: Extent,
    /// The rules of the packet filter.
    pub rules: Extent,
    /// The journal.
    pub journal: Extent,
    /// The target picker.
    pub picker: Extent,
    /// The page that lies over the screen.
    pub page: Extent,
    /// A fix.
    pub fix: Extent,
    /// The actions of the actions.
    pub actions: Extent,
    /// Boxes in a column of the flowchart, where they stand in several; else 0.
    pub column: usize,
}

/// Times that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// Continuous retest of the case with this number.
    Continuous(u64),
    /// A retest because something changed on the host.
    AfterChange(u64),
    /// New rows are no longer new.
    Fade,
    /// What was said in passing, with this number, was there long enough.
    Toast(u64),
    /// The countdown of a fix that waits to be confirmed.
    Countdown,
    /// The hops are looked at again, for the case with this number.
    Hops(u64),
    /// Counters of rules on the screen are looked at again, for the case with this number.
    Counters(u64),
}

/// What the system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
    /// SIGINT from elsewhere; the key is a command.
    Interrupt,
    /// SIGTSTP: we are to stop for a while.
    Stop,
    /// SIGCONT: we were stopped and go on.
    Continue,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask a question; the answer comes back with this number.
    Ask(Question, u64),
    /// Tell of changes of this answer.
    Watch(Question),
    /// No longer.
    Unwatch(Question),
    /// Wake us after so many milliseconds.
    WakeAfter(u64, Wake),
    /// Read what this plan would change; the answer comes back with this number.
    Prepare(Box<Plan>, u64),
    /// Carry out a plan, and ask the target again.
    Apply {
        /// The plan.
        plan: Box<Plan>,
        /// What was asked.
        target: Target,
        /// Who asked.
        from: From,
    },
    /// Keep what is applied, or put it back.
    Answer(Answer),
    /// Take back the last change.
    Undo,
    /// Ask both ends of the connection again.
    LookAtBothEnds,
    /// Put a text on the clipboard.
    Copy(String),
    /// Remember a target as recent.
    Remember(String),
    /// Remember that the hint for the first time was shown.
    Hinted,
    /// Write a text to a new file in the current directory.
    Export {
        /// The first part of its name.
        stem: String,
        /// The last part.
        extension: &'static str,
        /// The text.
        text: String,
    },
    /// Let the whole job stop (the key); we are then told to by a signal, as every other program of it.
    StopJob,
    /// Give the terminal back, stop, and take it again when continued.
    Suspend,
    /// Take the mouse, or leave it to the terminal.
    Mouse(Mouse),
    /// Take the terminal anew and paint everything.
    Redraw,
    /// Leave the terminal to whoever asks for a password.
    LendTerminal,
    /// Take it back.
    TakeTerminal,
    /// Leave.
    Quit(Leave),
}

/// Why the screen ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The user wanted to.
    Wanted,
    /// A signal ended it.
    Signalled(Signal),
    /// The terminal went away.
    TerminalGone,
}

impl Leave {
    /// What the program ends with: a signal is no good end.
    pub fn ended(self) -> Result<(), Error> {
        match self {
            Self::Signalled(Signal::HangUp) => Err(Error::broken("ended by SIGHUP")),
            Self::Signalled(Signal::Terminate) => Err(Error::broken("ended by SIGTERM")),
            Self::Wanted
            | Self::TerminalGone
            | Self::Signalled(Signal::Interrupt | Signal::Stop | Signal::Continue) => Ok(()),
        }
    }
}

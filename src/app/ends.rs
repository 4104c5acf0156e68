//! Both ends of a connection on the screen: they were asked before it began, and are asked again on a key.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::chart::Origin;
use super::event::Effect;
use super::state::{Screen, Stale, State};
use crate::error::Error;
use crate::facts::Case;

/// Asks both ends.
type Ask = dyn Fn(Terminal) -> Pin<Box<dyn Future<Output = Result<Case, Error>> + Send>> + Send + Sync;

/// May somebody be asked for a password?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// Yes: the terminal is left to whoever asks.
    Lent,
    /// No: the screen has it.
    Ours,
}

/// How both ends are asked again.
#[derive(Clone)]
pub struct Again(Arc<Ask>);

impl Again {
    /// By this.
    pub fn new<F>(ask: impl Fn(Terminal) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Case, Error>> + Send + 'static,
    {
        Self(Arc::new(move |terminal| Box::pin(ask(terminal))))
    }

    /// Asks them.
    pub async fn ask(&self, terminal: Terminal) -> Result<Case, Error> {
        (self.0)(terminal).await
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}

/// Can the ends be asked again, and are they just now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// There is one end only, or nobody can be asked.
    Still,
    /// They can.
    Askable,
    /// They are being asked, for the chart with this number.
    Asked(u64),
}

/// Asks both ends again, where they can be; none where this is no matter of two ends.
pub(super) fn ask_again(state: &mut State) -> Option<Vec<Effect>> {
    let Screen::Chart(chart) = &mut state.screen else { return None };
    if chart.origin != Origin::Recording || chart.case.client.is_none() {
        return None;
    }
    match state.ends {
        Ends::Still => None,
        Ends::Asked(_) => Some(Vec::new()),
        Ends::Askable => {
            chart.retest.begins(state.now_ms, chart.diagnosis.outcome);
            state.ends = Ends::Asked(chart.number);
            Some(vec![Effect::LookAtBothEnds])
        }
    }
}

/// They were asked.
pub(super) fn looked(state: &mut State, looked: Result<Box<Case>, String>) -> Vec<Effect> {
    let Ends::Asked(number) = state.ends else { return Vec::new() };
    state.ends = Ends::Askable;
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    // Another target was opened meanwhile.
    if chart.number != number {
        return Vec::new();
    }
    match looked {
        Ok(case) => {
            let before = chart.retest.before();
            chart.replace(*case, state.now_ms);
            state.stale = Stale::Yes;
            super::happened::tried(state, before);
        }
        Err(why) => state.notice = Some(why),
    }
    Vec::new()
}

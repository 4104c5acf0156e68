//! Would it do anything now? What the help and the actions offer, beyond what holds where the keys go.

use super::chart::{Chart, Origin};
use super::ends::Ends;
use super::event::{ChartCommand, Command, Goal, RulesCommand};
use super::find::FindCommand;
use super::fixing::{self, FixCommand};
use super::state::{Screen, State};

/// Would this command do anything now, on what is shown?
pub fn works(state: &State, command: Command) -> bool {
    let Screen::Chart(chart) = &state.screen else { return true };
    match command {
        Command::Chart(command) => on_chart(state, chart, command),
        Command::Find(FindCommand::Next | FindCommand::Previous) => chart.find.is_some(),
        Command::Rules(RulesCommand::Fold | RulesCommand::Unfold) => !chart.rules.lines().is_empty(),
        Command::Fix(FixCommand::Show) => state.fixing.is_some() || fixing::some(chart),
        Command::Fix(FixCommand::Undo) | Command::Go(Goal::Listeners) => chart.origin == Origin::Host,
        Command::Find(FindCommand::Begin)
        | Command::Go(Goal::Picker)
        | Command::Fix(FixCommand::Yes | FixCommand::No)
        | Command::Move(_)
        | Command::Open
        | Command::Back
        | Command::Table(_)
        | Command::Edit(_)
        | Command::Session(_) => true,
    }
}

fn on_chart(state: &State, chart: &Chart, command: ChartCommand) -> bool {
    let ends = state.ends != Ends::Still && chart.case.client.is_some();
    match command {
        ChartCommand::Retest => chart.origin == Origin::Host || ends,
        ChartCommand::Continuous => chart.origin == Origin::Host,
        ChartCommand::Copy => chart.see().is_some(),
        ChartCommand::CopyFix => chart.advice().is_some(),
        ChartCommand::Hops => super::hops::lead_there(chart),
        ChartCommand::Client => super::panes::no_client(chart).is_none(),
        ChartCommand::Left => state.shown.column > 0,
        ChartCommand::Right
        | ChartCommand::Explain
        | ChartCommand::NextPane
        | ChartCommand::PreviousPane
        | ChartCommand::Listeners
        | ChartCommand::Rules
        | ChartCommand::Journal
        | ChartCommand::Worse
        | ChartCommand::Export => true,
    }
}

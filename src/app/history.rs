//! What the last attempts got: the strip that shows whether a target comes and goes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::facts::connect::Outcome;

/// The last outcomes, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    last: VecDeque<(Outcome, Duration)>,
}

impl History {
    /// How many are kept.
    pub const MOST: usize = 60;

    /// Adds one.
    pub fn push(&mut self, outcome: Outcome, after: Duration) {
        if self.last.len() == Self::MOST {
            self.last.pop_front();
        }
        self.last.push_back((outcome, after));
    }

    /// The last `most` outcomes, oldest first.
    pub fn last(&self, most: usize) -> impl Iterator<Item = Outcome> + '_ {
        self.last.iter().skip(self.last.len().saturating_sub(most)).map(|(outcome, _)| *outcome)
    }

    /// How long the last `most` of them took, oldest first.
    pub fn times(&self, most: usize) -> impl Iterator<Item = Duration> + '_ {
        self.last.iter().skip(self.last.len().saturating_sub(most)).map(|(_, after)| *after)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// True before the first attempt.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// How many of them were open.
    pub fn open(&self) -> usize {
        self.last.iter().filter(|(outcome, _)| *outcome == Outcome::Open).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut history = History::default();
        history.push(Outcome::Open, Duration::ZERO);
        for _ in 0..History::MOST {
            history.push(Outcome::Refused, Duration::ZERO);
        }
        assert_eq!((history.len(), history.open()), (History::MOST, 0));
        history.push(Outcome::Open, Duration::ZERO);
        assert_eq!(history.last(2).collect::<Vec<_>>(), [Outcome::Refused, Outcome::Open]);
    }
}

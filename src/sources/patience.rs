//! How long anything is waited for on a machine that is far slower than others: an emulated one, or one under heavy load.

use std::sync::OnceLock;
use std::time::Duration;

/// How many times as long: a number from 1 to 30 in this variable of the environment.
const VARIABLE: &str = "UNREFUSE_PATIENCE";

/// The time as long as this machine needs it.
pub fn patient(usual: Duration) -> Duration {
    static TIMES: OnceLock<u32> = OnceLock::new();
    usual * *TIMES.get_or_init(|| times(std::env::var(VARIABLE).ok().as_deref()))
}

fn times(word: Option<&str>) -> u32 {
    word.and_then(|word| word.parse().ok()).filter(|times| (1..=30).contains(times)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sensible_number_counts() {
        assert_eq!(times(None), 1);
        assert_eq!(times(Some("12")), 12);
        for odd in ["", "0", "31", "-3", "x"] {
            assert_eq!(times(Some(odd)), 1, "{odd}");
        }
    }
}

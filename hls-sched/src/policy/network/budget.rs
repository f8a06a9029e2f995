//! How many repetitions an origin is owed: retries must not become the load that keeps a server down.

use std::time::Duration;

/// A full bucket.
const FULL: u32 = 100;
/// What a repetition costs, and one after a time-out, which held a connection for long.
const COST: u32 = 5;
const COST_OF_TIMEOUT: u32 = 10;
/// How long a repetition waits at least while the bucket is empty.
const TRICKLE: Duration = Duration::from_secs(2);

/// A bucket of tokens for one origin: each repetition takes some, each success brings one, and a repetition that succeeds
/// brings back what it took (AWS SDKs, "standard" retry mode, scaled). About one request in five may be a repetition in the
/// long run; where more are needed they come slowly.
#[derive(Debug)]
pub(crate) struct Budget {
    tokens: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: FULL }
    }
}

impl Budget {
    /// Takes what a repetition costs; returns how long it has to wait at least.
    pub(crate) fn take(&mut self, timed_out: bool) -> Duration {
        let cost = if timed_out { COST_OF_TIMEOUT } else { COST };
        let short = self.tokens < cost;
        self.tokens = self.tokens.saturating_sub(cost);
        if short { TRICKLE } else { Duration::ZERO }
    }

    pub(crate) fn succeeded(&mut self, was_repeated: bool) {
        let gain = if was_repeated { COST } else { 1 };
        self.tokens = (self.tokens + gain).min(FULL);
    }

    /// An outage is over: what failed in it says nothing about what comes.
    pub(crate) fn refill(&mut self) {
        self.tokens = FULL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_five_may_be_repeated_for_ever_and_more_only_slowly() {
        for (errors_in_100, waits) in [(10, false), (16, false), (40, true)] {
            let (mut budget, mut waited) = (Budget::default(), 0);
            for n in 0..10_000_u32 {
                match (n * 37) % 100 < errors_in_100 {
                    // The repetition fails as often as not: half of what it took is lost.
                    true => waited += u32::from(!budget.take(false).is_zero()),
                    false => budget.succeeded(false),
                }
            }
            assert_eq!(waited > 0, waits, "{errors_in_100} %: {waited}");
        }
    }

    #[test]
    fn a_repetition_that_succeeds_costs_nothing() {
        let mut budget = Budget::default();
        for _ in 0..1000 {
            assert_eq!(budget.take(false), Duration::ZERO);
            budget.succeeded(true);
        }
    }
}

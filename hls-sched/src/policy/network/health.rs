//! How well an origin serves: what its last answers say.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hls_fetch::Class;

/// Results that the rates look back on.
const LAST: usize = 10;
/// Share of a new sample in the short average of response times, and in the long one.
const SHORT: f64 = 0.3;
const LONG: f64 = 1.0 / 100.0;
/// Samples before the averages say anything.
const ENOUGH: u64 = 5;
/// Goodput is an average over about this long.
const GOODPUT_OVER: Duration = Duration::from_secs(5);

/// How one origin (scheme, host and port) has served lately.
///
/// All rates are of the last ten attempts: old troubles don't count for ever, and one failure is no trend.
#[derive(Clone, Debug, Default)]
pub struct Health {
    results: VecDeque<bool>,
    response_short: f64,
    response_long: f64,
    responses: u64,
    goodput: f64,
    goodput_at: Option<Instant>,
    resets: u64,
    timeouts: u64,
    throttles: u64,
}

impl Health {
    /// Share of the last ten attempts that succeeded, from 0 to 1; 1 while there are none.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        if self.results.is_empty() {
            return 1.0;
        }
        self.results.iter().filter(|right| **right).count() as f64 / self.results.len() as f64
    }

    /// Whether fewer requests at once are in order: less than 0.7 of the last ten attempts succeeded.
    #[must_use]
    pub fn should_reduce_concurrency(&self) -> bool {
        self.results.len() >= LAST / 2 && self.success_rate() < 0.7
    }

    /// Whether answers need more time than usual: they begin after more than five seconds on average.
    #[must_use]
    pub fn should_increase_timeouts(&self) -> bool {
        self.responses > 0 && self.response_short > 5.0
    }

    /// Whether the network, or the origin, is in a bad way: less than half of the last ten attempts succeeded.
    #[must_use]
    pub fn is_poor(&self) -> bool {
        self.results.len() >= LAST / 2 && self.success_rate() < 0.5
    }

    /// Time to the head of an answer, averaged over the last few; `None` before the first.
    #[must_use]
    pub fn response_time(&self) -> Option<Duration> {
        (self.responses > 0).then(|| Duration::from_secs_f64(self.response_short))
    }

    /// How much longer answers take now than over a long time: 1 is as long; `None` while too few have been seen.
    #[must_use]
    pub fn slowdown(&self) -> Option<f64> {
        (self.responses >= ENOUGH && self.response_long > 0.0)
            .then(|| self.response_short / self.response_long.max(0.01))
    }

    /// Bytes per second over the last seconds.
    #[must_use]
    pub fn goodput(&self) -> u64 {
        self.goodput as u64
    }

    /// Connections lost, refused or cut.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Attempts that were given up for silence or a stall.
    #[must_use]
    pub fn timeouts(&self) -> u64 {
        self.timeouts
    }

    /// Answers that asked for fewer requests (429 and 503).
    #[must_use]
    pub fn throttles(&self) -> u64 {
        self.throttles
    }

    pub(crate) fn succeeded(&mut self) {
        self.note(true);
    }

    pub(crate) fn failed(&mut self, class: Class, timed_out: bool) {
        match class {
            Class::Network if timed_out => self.timeouts += 1,
            Class::Network => self.resets += 1,
            Class::Throttled => self.throttles += 1,
            Class::Server => {}
            // What the origin answered well, if not as wished, says nothing about the network.
            _ => return,
        }
        self.note(false);
    }

    fn note(&mut self, right: bool) {
        if self.results.len() == LAST {
            self.results.pop_front();
        }
        self.results.push_back(right);
    }

    pub(crate) fn answered(&mut self, after: Duration) {
        let seconds = after.as_secs_f64();
        self.responses += 1;
        // The first samples are averaged evenly, or the very first one would weigh for ever.
        let average = |old: f64, share: f64| {
            let share = share.max(1.0 / self.responses as f64);
            old + (seconds - old) * share
        };
        (self.response_short, self.response_long) =
            (average(self.response_short, SHORT), average(self.response_long, LONG));
    }

    /// `bytes` came since the last call.
    pub(crate) fn received(&mut self, bytes: u64, now: Instant) {
        let since = self.goodput_at.replace(now);
        let Some(elapsed) = since.map(|since| now.saturating_duration_since(since).as_secs_f64()) else {
            return;
        };
        if elapsed > 0.0 {
            let share = 1.0 - (-elapsed / GOODPUT_OVER.as_secs_f64()).exp();
            self.goodput += (bytes as f64 / elapsed - self.goodput) * share;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_results_decide() {
        // Successes and failures in this order; what follows from them.
        for (results, reduce, poor) in [
            ("", false, false),
            ("----", false, false),
            ("-----", true, true),
            ("+++++++++++++", false, false),
            ("+++++++---", false, false),
            ("++++++----", true, false),
            ("-----+++++", true, false),
            ("++++------", true, true),
            // What is further back has no say.
            ("----------++++++++++", false, false),
        ] {
            let mut health = Health::default();
            for result in results.chars() {
                match result {
                    '+' => health.succeeded(),
                    _ => health.failed(Class::Network, false),
                }
            }
            assert_eq!((health.should_reduce_concurrency(), health.is_poor()), (reduce, poor), "{results}");
        }
    }

    #[test]
    fn what_is_not_the_networks_fault_does_not_count() {
        let mut health = Health::default();
        for class in Class::ALL {
            health.failed(class, false);
        }
        assert_eq!(health.results.len(), 3);
        assert_eq!((health.resets(), health.throttles(), health.timeouts()), (1, 1, 0));
    }

    #[test]
    fn slow_answers_want_longer_timeouts() {
        let mut health = Health::default();
        for _ in 0..100 {
            health.answered(Duration::from_millis(100));
        }
        assert!(!health.should_increase_timeouts());
        assert!(health.slowdown().is_some_and(|slowdown| (0.9..1.1).contains(&slowdown)));
        for _ in 0..20 {
            health.answered(Duration::from_secs(8));
        }
        assert!(health.should_increase_timeouts());
        assert!(health.slowdown().is_some_and(|slowdown| slowdown > 2.0));
    }

    #[test]
    fn goodput_follows_what_comes() {
        let (mut health, start) = (Health::default(), Instant::now());
        for tick in 0..300 {
            health.received(100_000, start + Duration::from_millis(100) * tick);
        }
        assert!((950_000..1_050_000).contains(&health.goodput()), "{}", health.goodput());
    }
}

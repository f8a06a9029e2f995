//! What is known of each origin, and what follows from it: how many requests at once, when again, whether it is there at all.

mod breaker;
mod budget;
mod health;
mod limit;
mod patience;

use std::time::{Duration, Instant};

use hls_fetch::Class;

pub use health::Health;
pub(crate) use patience::Patience;

use crate::assemble::Place;
use breaker::Breaker;
use budget::Budget;
use limit::{Limiter, Look};

/// An origin, by the number that the driver gives it.
pub type OriginId = u16;

/// Requests at once over all origins at most, unless a number is asked for.
pub(crate) const MOST_IN_ALL: usize = 32;
/// After it was asked for fewer requests, an origin gets none twice for so long.
const NO_HEDGE_AFTER_THROTTLE: Duration = Duration::from_secs(60);

/// How an attempt failed, as far as it matters for what comes next.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The class of the error.
    pub class: Class,
    /// It ended by a time-out or a stall.
    pub timed_out: bool,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// No connection could be opened on this machine: nothing was sent, and one that is open already may serve.
    pub unsent: bool,
}

impl Failure {
    /// A failure of this class, at once, and without a word on when to come again.
    #[must_use]
    pub fn new(class: Class) -> Self {
        Self { class, timed_out: false, retry_after: None, unsent: false }
    }
}

/// One origin.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) health: Health,
    pub(crate) breaker: Breaker,
    budget: Budget,
    limiter: Limiter,
    /// Attempts under way, but those that have been told to end.
    pub(crate) in_flight: usize,
    received: u64,
    seen: u64,
    throttled: Option<Instant>,
}

impl Origin {
    pub(crate) fn new(fixed: Option<usize>) -> Self {
        Self {
            health: Health::default(),
            breaker: Breaker::default(),
            budget: Budget::default(),
            limiter: Limiter::new(fixed),
            in_flight: 0,
            received: 0,
            seen: 0,
            throttled: None,
        }
    }

    /// Requests at once.
    pub(crate) fn limit(&self) -> usize {
        self.limiter.limit()
    }

    /// Whether one more request may be sent now.
    pub(crate) fn has_room(&self) -> bool {
        self.breaker.admits() && self.in_flight < self.limiter.limit()
    }

    /// Whether a unit may be asked for twice.
    pub(crate) fn bears_hedges(&self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < NO_HEDGE_AFTER_THROTTLE;
        self.has_room() && self.health.success_rate() >= 0.9 && !self.throttled.is_some_and(is_recent)
    }

    pub(crate) fn receive(&mut self, bytes: u64) {
        self.received += bytes;
    }

    /// A unit came whole.
    pub(crate) fn succeeded(&mut self, was_repeated: bool, now: Instant) {
        self.health.succeeded();
        self.budget.succeeded(was_repeated);
        self.breaker.succeeded(now);
    }

    /// An attempt that was sent as the `in_flight`-th at once failed.
    pub(crate) fn failed(&mut self, place: Place, failure: Failure, in_flight: usize, now: Instant) {
        self.health.failed(failure.class, failure.timed_out);
        self.limiter.disturbed();
        if failure.class == Class::Throttled {
            self.throttled = Some(now);
            self.limiter.throttled(in_flight, now);
        } else if self.health.should_reduce_concurrency() {
            self.limiter.failing(now);
        }
        match failure.class.is_transient() {
            true => self.breaker.failed(place, now),
            // It answered, if not as wished.
            false => self.breaker.answered(),
        }
    }

    /// The delay of a repetition, at least.
    pub(crate) fn repeat(&mut self, timed_out: bool) -> Duration {
        self.budget.take(timed_out)
    }

    /// Several times a second.
    pub(crate) fn tick(&mut self, in_flight: usize, now: Instant, draw: impl FnOnce(Duration) -> Duration) {
        self.health.received(self.received - self.seen, now);
        self.seen = self.received;
        let look = Look {
            received: self.received,
            in_flight,
            response_time: self.health.response_time().unwrap_or_default(),
            slowdown: self.health.slowdown().unwrap_or(1.0),
        };
        self.limiter.update(now, look, draw);
    }

    /// What became of a canary.
    pub(crate) fn canary(&mut self, alive: bool, now: Instant, draw: impl FnOnce(Duration) -> Duration) {
        let was_open = self.breaker.is_open();
        self.breaker.canary(alive, now, draw);
        if alive && was_open {
            self.limiter.begin_anew();
            self.budget.refill();
        }
    }
}

//! What is known of each origin, and what follows from it: how many requests at once, when again, whether it is there at all.

mod bearing;
mod breaker;
mod budget;
mod health;
mod limit;
mod patience;

use std::time::{Duration, Instant};

use hls_fetch::Class;

pub use health::Health;
pub(crate) use patience::{Patience, SHORTEST};

use crate::failure::Failure;
use crate::place::Place;
use breaker::Breaker;
use budget::Budget;
use limit::{Limiter, Look};

/// An origin, by the number that the driver gives it.
pub type OriginId = u16;

/// Requests at once over all origins at most, unless a number is asked for.
pub(crate) const MOST_IN_ALL: usize = 32;
/// After it was asked for fewer requests, an origin gets none twice for so long.
const NO_HEDGE_AFTER_THROTTLE: Duration = Duration::from_secs(60);

/// A second 503 within so many answers is no accident.
const ANSWERS_APART: u32 = 10;

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
    /// Answers since the last 503 without a time to come again.
    unavailable: Option<u32>,
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
            unavailable: None,
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

    /// A request that was sent as the `in_flight`-th at once was taken: its answer has begun.
    pub(crate) fn took(&mut self, in_flight: usize, now: Instant) {
        self.limiter.took(in_flight, now);
        self.answered_once();
    }

    /// An attempt that was sent as the `in_flight`-th at once failed; returns the class by which it is tried again.
    pub(crate) fn failed(&mut self, place: Place, failure: Failure, in_flight: usize, now: Instant) -> Class {
        self.health.failed(failure.class, failure.timed_out);
        self.limiter.disturbed();
        let mut class = failure.class;
        match failure.class {
            Class::Throttled => match self.asks_for_fewer(&failure, in_flight) {
                true => {
                    let mostly = self.health.is_poor();
                    self.throttled = Some(now);
                    self.limiter.throttled(in_flight, mostly, now);
                    // Where others are answered well, no more time is lost over it than over any other error.
                    class = if mostly { class } else { Class::Server };
                }
                false => class = Class::Server,
            },
            Class::Network if failure.turned_away => self.limiter.turned_away(now),
            Class::Network if self.health.should_reduce_concurrency() => self.limiter.failing(now),
            Class::Server if self.health.is_poor() => self.limiter.failing(now),
            _ => {}
        }
        self.answered_once();
        match failure.class.is_transient() {
            true => self.breaker.failed(place, now),
            // It answered, if not as wished.
            false => self.breaker.answered(),
        }
        class
    }

    /// Whether a 429 or 503 is about the number of requests. A 503 alone is not: one backend of many may have sent it.
    fn asks_for_fewer(&mut self, failure: &Failure, in_flight: usize) -> bool {
        if failure.too_many || failure.retry_after.is_some() || self.limiter.is_beyond(in_flight) {
            return true;
        }
        self.unavailable.replace(0).is_some_and(|answers| answers < ANSWERS_APART)
    }

    fn answered_once(&mut self) {
        self.unavailable = self.unavailable.map(|answers| answers.saturating_add(1));
    }

    /// The delay of a repetition, at least.
    pub(crate) fn repeat(&mut self, timed_out: bool) -> Duration {
        let least = self.budget.take(timed_out);
        // Where most requests are answered well, repetitions are not what keeps the server down.
        if self.health.is_poor() { least } else { Duration::ZERO }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit after these answers, each to a request that was sent as the fourth at once: whole, and refused in some ways.
    fn limit_after(answers: &[Option<Failure>]) -> usize {
        let (mut origin, now) = (Origin::new(None), Instant::now());
        for (index, answer) in (0..).zip(answers) {
            match answer {
                None => {
                    origin.took(4, now);
                    origin.succeeded(false, now);
                }
                Some(failure) => {
                    origin.failed(Place { track: 0, index }, *failure, 4, now);
                }
            }
        }
        origin.limit()
    }

    #[test]
    fn what_asks_for_fewer_requests() {
        let unavailable = Failure::new(Class::Throttled);
        let later = Failure { retry_after: Some(Duration::from_secs(1)), ..unavailable };
        let too_many = Failure { too_many: true, ..unavailable };
        let away = Failure { turned_away: true, ..Failure::new(Class::Network) };
        let good = || vec![None; 8];
        let after_good = |failures: &[Failure]| {
            let failures = failures.iter().map(|failure| Some(*failure));
            limit_after(&good().into_iter().chain(failures).collect::<Vec<_>>())
        };
        for (what, failures, limit) in [
            ("one 503", &[unavailable][..], 4),
            ("a second one", &[unavailable, unavailable], 2),
            ("503 with a time", &[later], 2),
            ("429", &[too_many], 2),
            ("429 again within the same two seconds", &[too_many, too_many], 2),
            ("turned away", &[away], 2),
            ("an error of the server", &[Failure::new(Class::Server)], 4),
            ("a lost connection", &[Failure::new(Class::Network)], 4),
        ] {
            assert_eq!(after_good(failures), limit, "{what}");
        }
        // A second 503 that comes ten answers later is another one.
        let mut apart = good();
        apart.push(Some(unavailable));
        apart.extend([None; 10]);
        apart.push(Some(unavailable));
        assert_eq!(limit_after(&apart), 4);
    }

    #[test]
    fn a_lone_503_is_tried_again_as_an_error_of_the_server() {
        let (mut origin, now) = (Origin::new(None), Instant::now());
        let place = Place { track: 0, index: 0 };
        let unavailable = Failure::new(Class::Throttled);
        assert_eq!(origin.failed(place, unavailable, 1, now), Class::Server);
        let too_many = Failure { too_many: true, ..unavailable };
        let last = (0..10).map(|_| origin.failed(place, too_many, 1, now)).last();
        assert_eq!(last, Some(Class::Throttled), "nothing else is answered");
    }
}

//! Counts what moves.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counters that attempts add to.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) received: AtomicU64,
    pub(crate) retries: AtomicU64,
}

impl Meters {
    pub(crate) fn receive(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}

/// The rate over the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

const WINDOW: Duration = Duration::from_secs(5);

impl Rate {
    /// Adds a reading of a counter that only grows, and returns the rate per second.
    pub(crate) fn sample(&mut self, now: Instant, counter: u64) -> u64 {
        while self.samples.len() > 1 && self.samples.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, counter));
        let Some((since, from)) = self.samples.front() else { return 0 };
        let seconds = (now - *since).as_secs_f64();
        if seconds < 0.05 { 0 } else { ((counter - from) as f64 / seconds) as u64 }
    }
}

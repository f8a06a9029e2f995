//! What is to be seen of an attempt from outside while it runs.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::policy::planner::Sample;

/// Written by the attempt, read by the loop that drives the job.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    received: AtomicU64,
    /// Bytes of the unit, and one; 0: not known.
    expected: AtomicU64,
    /// Milliseconds until the answer began, and one; 0: it has not.
    answered: AtomicU64,
    waits: AtomicBool,
    requests: AtomicU32,
    shares: AtomicBool,
}

impl Gauge {
    /// Waits for the server while `future` runs.
    pub(crate) async fn waiting<F: Future>(&self, future: F) -> F::Output {
        self.waits.store(true, Ordering::Relaxed);
        let output = future.await;
        self.waits.store(false, Ordering::Relaxed);
        output
    }

    /// A request is sent.
    pub(crate) fn asks(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The answer to a request that was sent at `asked` has begun; its unit has so many bytes.
    pub(crate) fn answered(&self, asked: Instant, expected: Option<u64>) {
        let after = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.answered.store(after.saturating_add(1), Ordering::Relaxed);
        self.expects(expected);
    }

    /// A unit whose answer is one that others had asked for, too, has so many bytes.
    pub(crate) fn expects(&self, expected: Option<u64>) {
        self.expected.store(expected.map_or(0, |bytes| bytes.saturating_add(1)), Ordering::Relaxed);
    }

    /// Whether it reads what others wait for, too.
    pub(crate) fn shares(&self, shares: bool) {
        self.shares.store(shares, Ordering::Relaxed);
    }

    pub(crate) fn receive(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    pub(crate) fn sample(&self) -> Sample {
        let known = |value: &AtomicU64| value.load(Ordering::Relaxed).checked_sub(1);
        Sample {
            received: self.received.load(Ordering::Relaxed),
            answered: known(&self.answered).map(std::time::Duration::from_millis),
            waits: self.waits(),
            expected: known(&self.expected),
            shared: self.shares.load(Ordering::Relaxed),
        }
    }
}

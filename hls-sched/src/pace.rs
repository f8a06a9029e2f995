//! One true cap over all connections and tracks.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// A cell of the limiter: finer ones over-deliver, since the limiter counts whole nanoseconds for each.
const CELL: u64 = 1024;
/// Cells taken at once.
const MOST_CELLS: u32 = 64;

/// Lets bytes through at a rate; first come, first served, or large reads would starve behind small ones.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Bytes per second; 0 is no limit.
    rate: AtomicU64,
    /// The sizes of the first reads of a transfer, as they were last seen.
    reads: [AtomicU64; FORESEEN],
    /// Bytes let through so far.
    granted: AtomicU64,
    gate: Mutex<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    limiter: Option<(u64, Limiter)>,
    /// Bytes paid for and not used.
    credit: u64,
}

impl Pacer {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        let rate = AtomicU64::new(rate.unwrap_or(0));
        Self { rate, reads: Default::default(), granted: AtomicU64::new(0), gate: Mutex::default() }
    }

    pub(crate) fn set_rate(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.rate.load(Ordering::Relaxed) > 0
    }

    /// The cap, and the bytes let through so far.
    pub(crate) fn state(&self) -> (Option<u64>, u64) {
        let rate = self.rate.load(Ordering::Relaxed);
        ((rate > 0).then_some(rate), self.granted.load(Ordering::Relaxed))
    }

    /// Waits until `bytes` more may be taken.
    pub(crate) async fn pay(&self, bytes: u64) {
        if bytes == 0 || !self.is_limited() {
            return;
        }
        let mut gate = self.gate.lock().await;
        self.granted.fetch_add(bytes, Ordering::Relaxed);
        let from_credit = gate.credit.min(bytes);
        gate.credit -= from_credit;
        let owed = bytes - from_credit;
        let mut cells = owed.div_ceil(CELL);
        gate.credit += cells * CELL - owed;
        while cells > 0 {
            let rate = self.rate.load(Ordering::Relaxed);
            if rate == 0 {
                return;
            }
            let limiter = gate.limiter_for(rate);
            let n = NonZeroU32::new(cells.min(u64::from(MOST_CELLS)) as u32).unwrap_or(NonZeroU32::MIN);
            match limiter.check_n(n) {
                Ok(Ok(())) => cells -= u64::from(n.get()),
                Ok(Err(early)) => {
                    let wait = early.wait_time_from(limiter.clock().now());
                    // In steps, so that a new rate is noticed.
                    tokio::time::sleep(wait.min(std::time::Duration::from_millis(500))).await;
                }
                // The burst is never below what is asked for.
                Err(_) => return,
            }
        }
    }

    /// Gives back what was paid for and not used.
    pub(crate) async fn refund(&self, bytes: u64) {
        if bytes > 0 && self.is_limited() {
            self.granted.fetch_sub(bytes, Ordering::Relaxed);
            self.gate.lock().await.credit += bytes;
        }
    }

    /// The account of one transfer.
    pub(crate) fn account(&self) -> Account<'_> {
        Account { pacer: self, paid: 0, received: 0, taken: 0, last: FIRST_READ / 2, length: None }
    }
}

impl Gate {
    fn limiter_for(&mut self, rate: u64) -> &Limiter {
        if self.limiter.as_ref().is_none_or(|(of, _)| *of != rate) {
            let cells = u32::try_from((rate / CELL).max(1)).unwrap_or(u32::MAX);
            let cells = NonZeroU32::new(cells).unwrap_or(NonZeroU32::MIN);
            // A twentieth of a second's worth, or what is taken at once.
            let burst = NonZeroU32::new((cells.get() / 20).max(MOST_CELLS)).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(cells).allow_burst(burst);
            self.limiter = None;
            self.limiter.insert((rate, RateLimiter::direct_with_clock(quota, MonotonicClock))).1.clock();
        }
        match &self.limiter {
            Some((_, limiter)) => limiter,
            None => unreachable!("made just above"),
        }
    }
}

/// How many transfers a cap needs at once.
///
/// Under a cap, more transfers than it takes to reach it only hold connections idle, each with a buffer that empties in one
/// burst. So a capped job begins with one and takes more while they don't reach the cap together.
#[derive(Debug)]
pub(crate) struct Width {
    most: usize,
    width: usize,
    since: Option<(Instant, u64)>,
    below: u32,
}

const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Width {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, width: 1, since: None, below: 0 }
    }

    /// The width from now on, for a cap and a counter of bytes let through.
    pub(crate) fn update(&mut self, now: Instant, rate: Option<u64>, granted: u64) -> usize {
        let Some(rate) = rate else { return self.most };
        let (since, before) = *self.since.get_or_insert((now, granted));
        let elapsed = now.saturating_duration_since(since);
        if elapsed < LOOK_EVERY || granted == 0 {
            return self.width;
        }
        self.since = Some((now, granted));
        let reached = granted.saturating_sub(before) as f64 / elapsed.as_secs_f64();
        // One look may fall between two segments.
        self.below = if reached < 0.97 * rate as f64 { self.below + 1 } else { 0 };
        if self.below >= 2 {
            self.below = 0;
            self.width = (self.width + self.width.div_ceil(2)).min(self.most);
        }
        self.width
    }
}

/// What one transfer has paid for, and what it has to pay before it may be read from again.
///
/// The client reads ahead: when a chunk is taken, the next one has been read from the socket already and the one after it is
/// read at once, each up to 408 KiB. So a transfer pays for bytes before they leave the socket, or a cap could not hold within
/// a second. How large a read will be is foreseen from the reads of the transfers before; where there is none, from how the
/// client's buffer grows: 8 KiB, doubling. What was foreseen wrongly is settled with the next payment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a> {
    pacer: &'a Pacer,
    paid: u64,
    received: u64,
    /// Chunks taken.
    taken: usize,
    last: u64,
    length: Option<u64>,
}

const FIRST_READ: u64 = 8 << 10;
const LARGEST_READ: u64 = 408 << 10;
/// Reads of a transfer that are foreseen one by one; later ones are like the one before.
const FORESEEN: usize = 16;

impl Account<'_> {
    /// To pay before the request is sent: its answer brings the first read with it.
    pub(crate) fn before_request(&mut self) -> u64 {
        self.up_to(self.foreseen(0))
    }

    /// To pay before the body is read from.
    pub(crate) fn before_read(&mut self) -> u64 {
        self.up_to(self.foreseen(0) + self.foreseen(1))
    }

    pub(crate) fn answered(&mut self, length: Option<u64>) {
        self.length = length;
    }

    pub(crate) fn received(&mut self, bytes: u64) {
        self.received += bytes;
        self.last = bytes;
        // The last chunk is as large as what was left, which says nothing about reads.
        if self.length.is_none_or(|length| self.received < length)
            && let Some(read) = self.pacer.reads.get(self.taken)
        {
            read.store(bytes, Ordering::Relaxed);
        }
        self.taken += 1;
    }

    /// Paid for and not used; to give back at the end.
    pub(crate) fn unused(&self) -> u64 {
        self.paid.saturating_sub(self.received)
    }

    /// The size of the next read but `further`.
    fn foreseen(&self, further: u32) -> u64 {
        let seen = self
            .pacer
            .reads
            .get(self.taken + further as usize)
            .map_or(self.last, |r| r.load(Ordering::Relaxed));
        match seen {
            0 => (self.last << (further + 1)).clamp(FIRST_READ, LARGEST_READ),
            seen => seen,
        }
    }

    fn up_to(&mut self, ahead: u64) -> u64 {
        let target = (self.received + ahead).min(self.length.unwrap_or(u64::MAX));
        let due = target.saturating_sub(self.paid);
        self.paid += due;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    #[tokio::test(start_paused = false)]
    async fn a_cap_holds_for_many_readers_at_once() {
        let pacer = std::sync::Arc::new(Pacer::new(Some(4 << 20)));
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..8_u64 {
            let pacer = std::sync::Arc::clone(&pacer);
            tasks.spawn(async move {
                for _ in 0..16 {
                    pacer.pay((8 << 10) * (n + 1)).await;
                }
            });
        }
        tasks.join_all().await;
        let bytes = 16.0 * 36.0 * f64::from(8 << 10);
        let rate = bytes / start.elapsed().as_secs_f64() / f64::from(4 << 20);
        assert!((0.85..1.1).contains(&rate), "{rate} of the cap");
    }

    #[tokio::test]
    async fn a_rate_can_be_changed_and_taken_off() {
        let pacer = std::sync::Arc::new(Pacer::new(Some(1024)));
        let paying = tokio::spawn({
            let pacer = std::sync::Arc::clone(&pacer);
            async move { pacer.pay(10 << 20).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        pacer.set_rate(None);
        tokio::time::timeout(Duration::from_secs(2), paying).await.expect("set free").expect("paid");
    }

    #[test]
    fn a_cap_gets_the_transfers_it_needs() {
        let start = Instant::now();
        // Each transfer brings 300 bytes per second.
        let run = |rate: Option<u64>, most: usize| {
            let (mut width, mut granted, mut n) = (Width::new(most), 1, 0);
            for step in 0..200 {
                n = width.update(start + LOOK_EVERY * step / 5, rate, granted);
                granted += (30 * n as u64).min(rate.unwrap_or(u64::MAX) / 10);
            }
            n
        };
        assert_eq!([run(None, 8), run(Some(200), 8), run(Some(1000), 8), run(Some(9000), 8)], [8, 1, 5, 8]);
    }

    proptest! {
        /// Transfers one after the other, with reads that double and run one ahead as the client makes them: all is paid for in
        /// the end, and what is read before it is paid for is bounded by what two reads can bring.
        #[test]
        fn nothing_stays_unpaid(
            lengths in proptest::collection::vec(1..5_000_000_u64, 1..5),
            known: bool,
            limits in proptest::collection::vec(1..LARGEST_READ, 1..50),
        ) {
            let pacer = Pacer::new(None);
            let mut limits = limits.into_iter().cycle();
            let mut buffer = FIRST_READ;
            for length in lengths {
                let mut account = pacer.account();
                let mut read = 0;
                let mut next = |read: &mut u64| {
                    // The socket may hold less than there is room for; then the buffer does not grow.
                    let n = buffer.min(limits.next().unwrap_or(1)).min(length - *read);
                    if n == buffer {
                        buffer = (buffer * 2).min(LARGEST_READ);
                    }
                    *read += n;
                    n
                };
                let mut paid = account.before_request();
                let mut waiting = next(&mut read);
                account.answered(known.then_some(length));
                while waiting > 0 {
                    paid += account.before_read();
                    // The chunk is taken, and the one behind it is read at once.
                    account.received(waiting);
                    waiting = next(&mut read);
                    prop_assert!(read <= paid + 2 * LARGEST_READ);
                }
                paid += account.before_read();
                prop_assert!(paid >= length);
                prop_assert_eq!(account.unused(), paid.saturating_sub(length));
            }
        }

        /// Where every transfer is like the one before, nothing leaves a socket unpaid after the first one.
        #[test]
        fn what_was_seen_is_foreseen(reads in proptest::collection::vec(1..LARGEST_READ, 1..FORESEEN)) {
            let pacer = Pacer::new(None);
            let length = reads.iter().sum::<u64>() + 1;
            for round in 0..3 {
                let mut account = pacer.account();
                let mut paid = account.before_request();
                prop_assert!(round == 0 || paid >= reads[0]);
                account.answered(Some(length));
                let mut read = reads[0];
                for (n, taken) in reads.iter().enumerate() {
                    paid += account.before_read();
                    account.received(*taken);
                    read += reads.get(n + 1).copied().unwrap_or(1);
                    prop_assert!(round == 0 || paid >= read, "{n}: {paid} for {read}");
                }
            }
        }
    }
}

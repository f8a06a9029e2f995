//! One true cap over all connections and tracks.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// A cell of the limiter: finer ones over-deliver, since the limiter counts whole nanoseconds for each.
const CELL: u64 = 1024;
/// Cells taken at once.
const MOST_CELLS: u32 = 64;

/// A second, and what may lie between a read's leave and the read.
const WINDOW: Duration = Duration::from_millis(1020);

/// What a second may bring at most, for a cap in bytes per second: a tenth more, and what one read may bring at once.
fn room(rate: u64) -> u64 {
    rate.saturating_add(rate / 10).saturating_add(400 << 10)
}

/// Lets bytes through at a rate; first come, first served, or large reads would starve behind small ones.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Bytes per second; 0 is no limit.
    rate: AtomicU64,
    /// Bytes let through so far.
    granted: AtomicU64,
    held_ms: AtomicU64,
    gate: tokio::sync::Mutex<Gate>,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Gate {
    limiter: Option<(u64, Limiter)>,
}

/// Reads of the last second.
#[derive(Debug, Default)]
struct Ledger {
    recent: VecDeque<Entry>,
    next: u64,
    /// Paid for and not read.
    credit: u64,
    /// Read and not paid for.
    debt: u64,
    /// What the first reads of the last answers brought: the next one may find a connection whose buffer has grown, too.
    firsts: VecDeque<u64>,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    number: u64,
    /// As foreseen while the read is under way, then as it was.
    bytes: u64,
    /// By how much it may exceed that.
    surprise: u64,
}

impl Pacer {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self {
            rate: AtomicU64::new(rate.unwrap_or(0)),
            granted: AtomicU64::new(0),
            held_ms: AtomicU64::new(0),
            gate: tokio::sync::Mutex::default(),
            ledger: Mutex::default(),
        }
    }

    pub(crate) fn set_rate(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.rate.load(Ordering::Relaxed) > 0
    }

    /// The cap, the bytes let through so far, and for how long it has held reads back, all added up.
    pub(crate) fn state(&self) -> (Option<u64>, u64, Duration) {
        let rate = self.rate.load(Ordering::Relaxed);
        let held = Duration::from_millis(self.held_ms.load(Ordering::Relaxed));
        ((rate > 0).then_some(rate), self.granted.load(Ordering::Relaxed), held)
    }

    async fn hold_back(&self, time: Duration) {
        self.held_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
        tokio::time::sleep(time).await;
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a read may happen that probably has this size, and certainly not more than `at_most`; returns its number
    /// in the ledger.
    async fn reserve(&self, bytes: u64, at_most: u64) -> u64 {
        let mut gate = self.gate.lock().await;
        self.granted.fetch_add(bytes, Ordering::Relaxed);
        let mut owed = bytes;
        loop {
            // What others paid for and did not read may come at any moment.
            owed = self.ledger().settle_credit(owed);
            if owed == 0 {
                break;
            }
            let rate = self.rate.load(Ordering::Relaxed);
            if rate == 0 {
                break;
            }
            let limiter = gate.limiter_for(rate);
            let cells = owed.div_ceil(CELL).min(u64::from(MOST_CELLS)) as u32;
            match limiter.check_n(NonZeroU32::new(cells).unwrap_or(NonZeroU32::MIN)) {
                Ok(Ok(())) => self.ledger().credit += u64::from(cells) * CELL,
                Ok(Err(early)) => {
                    let wait = early.wait_time_from(limiter.clock().now());
                    // In steps, so that a new rate is noticed.
                    self.hold_back(wait.min(Duration::from_millis(50))).await;
                }
                // The burst is never below what is asked for.
                Err(_) => break,
            }
        }
        // Entered last: what counts for the second is when the read happens, not when it was asked for.
        loop {
            let rate = self.rate.load(Ordering::Relaxed);
            let now = tokio::time::Instant::now().into_std();
            let entered = self.ledger().enter(bytes, at_most.saturating_sub(bytes), rate, now);
            match entered {
                Ok(number) => return number,
                Err(until) => self.hold_back((until - now).min(Duration::from_millis(20))).await,
            }
        }
    }

    /// A read turned out to be of this size.
    fn settle(&self, number: u64, foreseen: u64, read: u64) {
        self.ledger().settle(number, foreseen, read);
        self.granted.fetch_add(read, Ordering::Relaxed);
        self.granted.fetch_sub(foreseen, Ordering::Relaxed);
    }

    /// The account of one transfer.
    pub(crate) fn account(&self) -> Account<'_> {
        let (first, is_known) = {
            let ledger = self.ledger();
            (ledger.usual_first(), !ledger.firsts.is_empty())
        };
        Account {
            pacer: self,
            open: VecDeque::new(),
            next: first,
            seen: [first; 2],
            is_first: true,
            is_known,
            entered: 0,
            length: None,
        }
    }
}

impl Ledger {
    /// Enters a read, or says when there may be room for it. Room is kept for two surprises, the largest: that more
    /// reads under way all exceed what was foreseen is too rare to hold all of them back for it.
    fn enter(&mut self, bytes: u64, surprise: u64, rate: u64, now: Instant) -> Result<u64, Instant> {
        while self.recent.front().is_some_and(|entry| now.saturating_duration_since(entry.at) >= WINDOW) {
            self.recent.pop_front();
        }
        let sum: u64 = self.recent.iter().map(|entry| entry.bytes).sum();
        let open = self.recent.iter().map(|entry| entry.surprise);
        let (first, second) = open
            .chain([surprise])
            .fold((0, 0), |(first, second), surprise| (first.max(surprise), second.max(surprise.min(first))));
        let surprises = first + second;
        match self.recent.front() {
            Some(oldest) if rate > 0 && sum + bytes + surprises > room(rate) => Err(oldest.at + WINDOW),
            _ => {
                self.next += 1;
                self.recent.push_back(Entry { at: now, number: self.next, bytes, surprise });
                Ok(self.next)
            }
        }
    }

    /// What the first read of an answer is foreseen to bring.
    fn usual_first(&self) -> u64 {
        let mean = self.firsts.iter().sum::<u64>().checked_div(self.firsts.len() as u64);
        mean.unwrap_or(FIRST_READ).clamp(FIRST_READ, LARGEST_READ)
    }

    fn note_first(&mut self, bytes: u64) {
        self.firsts.truncate(FIRSTS - 1);
        self.firsts.push_front(bytes);
    }

    /// What has to be paid for a read once credit and debt are used up.
    fn settle_credit(&mut self, bytes: u64) -> u64 {
        let owed = bytes + std::mem::take(&mut self.debt);
        let from_credit = self.credit.min(owed);
        self.credit -= from_credit;
        owed - from_credit
    }

    /// A read happens only now.
    fn happens(&mut self, number: u64, now: Instant) {
        let index = self.recent.iter().position(|entry| entry.number == number);
        let entry = index.and_then(|index| self.recent.remove(index));
        self.recent.extend(entry.map(|entry| Entry { at: now, ..entry }));
    }

    fn settle(&mut self, number: u64, foreseen: u64, read: u64) {
        if let Some(entry) = self.recent.iter_mut().find(|entry| entry.number == number) {
            (entry.bytes, entry.surprise) = (read, 0);
        }
        self.credit += foreseen.saturating_sub(read);
        self.debt += read.saturating_sub(foreseen);
    }
}

impl Gate {
    fn limiter_for(&mut self, rate: u64) -> &Limiter {
        let kept = self.limiter.take().filter(|(of, _)| *of == rate);
        &self.limiter.insert(kept.unwrap_or_else(|| (rate, limiter(rate)))).1
    }
}

fn limiter(rate: u64) -> Limiter {
    let cells = u32::try_from((rate / CELL).max(1)).unwrap_or(u32::MAX);
    let cells = NonZeroU32::new(cells).unwrap_or(NonZeroU32::MIN);
    // What nobody could take for a moment is made up for: two seconds' worth. The ledger keeps it from coming at once.
    let burst = NonZeroU32::new(cells.get().saturating_mul(2).max(MOST_CELLS)).unwrap_or(NonZeroU32::MIN);
    let limiter = RateLimiter::direct_with_clock(Quota::per_second(cells).allow_burst(burst), MonotonicClock);
    // A limiter begins with a whole burst, which nobody has been kept from.
    let _ = limiter.check_n(burst);
    limiter
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
    held: Duration,
    below: u32,
}

const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Width {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, width: 1, since: None, held: Duration::ZERO, below: 0 }
    }

    /// The width from now on, for a cap, a counter of bytes let through, and a counter of the time for which the cap held
    /// something back.
    pub(crate) fn update(&mut self, now: Instant, rate: Option<u64>, granted: u64, held: Duration) -> usize {
        let Some(rate) = rate else { return self.most };
        let (since, before) = *self.since.get_or_insert((now, granted));
        let elapsed = now.saturating_duration_since(since);
        if elapsed < LOOK_EVERY || granted == 0 {
            return self.width;
        }
        self.since = Some((now, granted));
        let held = held.saturating_sub(std::mem::replace(&mut self.held, held));
        let reached = granted.saturating_sub(before) as f64 / elapsed.as_secs_f64();
        // One look may fall between two segments.
        let is_below = reached < 0.9 * rate as f64 && held < elapsed / 4;
        self.below = if is_below { self.below + 1 } else { 0 };
        if self.below >= 2 {
            self.below = 0;
            self.width = (self.width + self.width.div_ceil(2)).min(self.most);
        }
        self.width
    }
}

/// The reads of one transfer, each entered and paid for before it can happen.
///
/// The client reads ahead: when a chunk is taken, the next one has been read from the socket already and the one after it is
/// read at once, each up to 408 KiB. Paying for what arrived would come too late, and a cap could not hold within a second. So a
/// read is foreseen: as large as the one before, or twice as large while the client's buffer grows. What was foreseen wrongly
/// is settled as soon as it is seen. Until then the second it falls into keeps room for a larger one.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pacer: &'a Pacer,
    /// Reads under way: number, size foreseen.
    open: VecDeque<(u64, u64)>,
    /// The size foreseen for the read after those.
    next: u64,
    /// The last two reads.
    seen: [u64; 2],
    is_first: bool,
    /// There were answers before: a connection may be used again.
    is_known: bool,
    /// Bytes foreseen or seen.
    entered: u64,
    length: Option<u64>,
}

const FIRST_READ: u64 = 8 << 10;
/// First reads that are looked back on: tracks differ.
const FIRSTS: usize = 4;
const LARGEST_READ: u64 = 408 << 10;

impl Account<'_> {
    /// Waits until the request may be sent: its answer brings the first read with it.
    pub(crate) async fn before_request(&mut self) {
        self.enter().await;
    }

    /// Waits until the body may be read from: that triggers the read after the one that has happened already.
    pub(crate) async fn before_read(&mut self) {
        self.enter().await;
    }

    async fn enter(&mut self) {
        let left = self.length.map_or(u64::MAX, |length| length.saturating_sub(self.entered));
        let bytes = self.next.min(left);
        if bytes == 0 || !self.pacer.is_limited() {
            return;
        }
        // Two reads may have doubled the buffer since; what the connection has read before is not known.
        let seen = if self.is_first && self.is_known { LARGEST_READ } else { self.seen[0].max(self.seen[1]) };
        let largest = seen.saturating_mul(4).clamp(bytes, LARGEST_READ).min(left);
        let number = self.pacer.reserve(bytes, largest).await;
        self.open.push_back((number, bytes));
        self.entered += bytes;
    }

    pub(crate) fn answered(&mut self, length: Option<u64>) {
        self.length = length;
        let now = tokio::time::Instant::now().into_std();
        self.open.iter().for_each(|(number, _)| self.pacer.ledger().happens(*number, now));
    }

    pub(crate) fn received(&mut self, bytes: u64) {
        let Some((number, foreseen)) = self.open.pop_front() else { return };
        self.pacer.settle(number, foreseen, bytes);
        if std::mem::take(&mut self.is_first) {
            self.pacer.ledger().note_first(bytes);
        }
        self.entered = (self.entered + bytes).saturating_sub(foreseen);
        self.seen = [self.seen[1], bytes];
        let grows = bytes > foreseen;
        self.next = (bytes << u32::from(grows)).clamp(FIRST_READ, LARGEST_READ);
    }
}

impl Drop for Account<'_> {
    /// What was foreseen and did not happen is given back.
    fn drop(&mut self) {
        for (number, foreseen) in self.open.drain(..) {
            self.pacer.settle(number, foreseen, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn a_cap_holds_for_all_readers_together() {
        let pacer = std::sync::Arc::new(Pacer::new(Some(4 << 20)));
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let pacer = std::sync::Arc::clone(&pacer);
            tasks.spawn(async move {
                let mut account = pacer.account();
                account.before_request().await;
                for n in 0..30_u64 {
                    account.before_read().await;
                    account.received((n % 3 + 1) * (30 << 10));
                }
            });
        }
        tasks.join_all().await;
        let bytes = 8.0 * 1800.0 * 1024.0;
        let rate = bytes / start.elapsed().as_secs_f64() / f64::from(4 << 20);
        assert!((0.8..1.1).contains(&rate), "{rate} of the cap");
    }

    #[tokio::test]
    async fn a_rate_can_be_changed_and_taken_off() {
        let pacer = std::sync::Arc::new(Pacer::new(Some(1024)));
        let paying = tokio::spawn({
            let pacer = std::sync::Arc::clone(&pacer);
            async move { pacer.reserve(10 << 20, 10 << 20).await }
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
                n = width.update(start + LOOK_EVERY * step / 5, rate, granted, Duration::ZERO);
                granted += (30 * n as u64).min(rate.unwrap_or(u64::MAX) / 10);
            }
            n
        };
        assert_eq!([run(None, 8), run(Some(200), 8), run(Some(1000), 8), run(Some(9000), 8)], [8, 1, 3, 8]);
    }

    proptest! {
        /// Whatever is entered and settled, no second holds more than the cap and its margin, or one read where that is more.
        #[test]
        fn no_second_exceeds_its_share(
            reads in proptest::collection::vec((1..LARGEST_READ, 0..LARGEST_READ, 0..400_u64, 0..100_u64), 1..200),
            rate in 1..10_000_000_u64,
        ) {
            let (mut ledger, mut now) = (Ledger::default(), Instant::now());
            let mut happened: Vec<(Instant, u64)> = Vec::new();
            for (bytes, surprise, wait, percent) in reads {
                now += Duration::from_millis(wait);
                let number = loop {
                    match ledger.enter(bytes, surprise, rate, now) {
                        Ok(number) => break number,
                        Err(until) => {
                            prop_assert!(until > now, "it would wait for ever");
                            now = until;
                        }
                    }
                };
                let read = (bytes + surprise) * percent / 100;
                ledger.settle(number, bytes, read);
                happened.push((now, read));
                let second: u64 = happened.iter().filter(|(at, _)| now - *at < WINDOW).map(|(_, n)| n).sum();
                prop_assert!(second <= room(rate).max(read));
            }
        }

        /// What is paid is what is read, however wrongly it was foreseen.
        #[test]
        fn credit_and_debt_even_out(reads in proptest::collection::vec((1..LARGEST_READ, 1..LARGEST_READ), 1..100)) {
            let mut ledger = Ledger::default();
            let (mut paid, mut total) = (0, 0);
            for (foreseen, read) in reads {
                paid += ledger.settle_credit(foreseen);
                ledger.settle(0, foreseen, read);
                total += read;
            }
            prop_assert_eq!(paid + ledger.debt, total + ledger.credit);
        }
    }
}

//! When a live playlist is loaded again.

use std::time::{Duration, Instant};

/// Shorter target durations are not believed: a playlist that lies must not make its readers spin.
const SHORTEST_TARGET: Duration = Duration::from_secs(1);
/// Nor are longer ones: whatever is reckoned with a target duration stays within what times can hold.
const LONGEST_TARGET: Duration = Duration::from_secs(3600);
/// Between the begins of two loads there is so much time, whatever was decided and whatever a server answers.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
/// A server that asks to be left alone for longer is asked all the same: what its window holds is lost otherwise.
const LONGEST_ASKED: Duration = Duration::from_secs(120);
/// Longer waits than this miss what a short window holds, whatever the target duration says.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Who wakes does not look again so soon after the last load: somebody may just have set the clock of the machine.
const AFTER_WAKING: Duration = Duration::from_secs(1);

/// What a load has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Whether there was something new.
    pub changed: bool,
    /// The target duration that it names.
    pub target: Option<Duration>,
    /// How long its last segment is.
    pub last_segment: Option<Duration>,
    /// How long all of its segments are.
    pub window: Duration,
}

/// Decides when a playlist is loaded again (rfc8216bis-22, section 6.3.4): after one that had changed, the duration of its last
/// segment later; after one that had not, half a target duration; both from the moment the load began. Never more than two
/// loads in a target duration.
#[derive(Clone, Debug)]
pub struct Clock {
    target: Duration,
    /// When the load that runs began, or the last one.
    began: Instant,
    due: Instant,
    changed: Instant,
    failures: u32,
    /// Something has been loaded, or is being.
    has_asked: bool,
}

impl Clock {
    /// A clock whose first load began at `began`.
    #[must_use]
    pub fn new(began: Instant) -> Self {
        Self { target: SHORTEST_TARGET, began, due: began, changed: began, failures: 0, has_asked: true }
    }

    /// Begins before anything has been loaded: the first load is due at once.
    #[must_use]
    pub fn before_any(now: Instant) -> Self {
        Self { has_asked: false, ..Self::new(now) }
    }

    /// When the next load begins: no way around the shortest time between two of them.
    #[must_use]
    pub fn due(&self) -> Instant {
        if self.has_asked { self.due.max(self.began + SHORTEST_WAIT) } else { self.due }
    }

    /// When the load that runs began, or the last one.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// A load begins.
    pub fn begin(&mut self, now: Instant) {
        self.began = now;
        self.has_asked = true;
    }

    /// A load has brought a playlist.
    pub fn loaded(&mut self, load: Reloaded, now: Instant) {
        self.failures = 0;
        let named = load.target.or(load.last_segment).unwrap_or(SHORTEST_TARGET);
        self.target = named.clamp(SHORTEST_TARGET, LONGEST_TARGET);
        if load.changed {
            self.changed = now;
        }
        let half = self.shortest();
        let wait = match load.last_segment.filter(|_| load.changed) {
            // A window of fewer than three segments is looked at as often as may be: it has slid by before one more of them is made.
            Some(last) if load.window >= last.saturating_mul(5) / 2 => {
                last.min(load.window / 3).min(LONGEST_WAIT).max(half)
            }
            _ => half,
        };
        self.due = self.began + wait;
    }

    /// A load has failed; `retry_after` is what the server asked for.
    pub fn failed(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        // Not later each time: what the window holds when the server is back leaves it as fast as ever.
        self.due =
            (self.began + self.shortest()).max(now + retry_after.unwrap_or_default().min(LONGEST_ASKED));
    }

    /// The last load was one too many.
    pub fn make_up(&mut self) {
        self.due = self.due.max(self.began + self.target.min(LONGEST_WAIT));
    }

    /// The next load begins as soon as any may: it waits at the server.
    pub fn ask_now(&mut self, now: Instant) {
        self.due = now;
    }

    /// The next load begins as soon as it may.
    pub fn hasten(&mut self) {
        self.due = self.due.min(self.began + self.shortest());
    }

    /// This machine slept, or this process was stopped, `unwatched` of it by this clock: the window has slid meanwhile, so the next
    /// load begins at once. That nothing new was heard of in that time says nothing about the stream.
    pub fn woke(&mut self, unwatched: Duration, now: Instant) {
        self.due = self.due.min(now.max(self.began + AFTER_WAKING));
        self.changed = (self.changed + unwatched).min(now);
    }

    /// How many loads in a row have failed.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The target duration, as far as it is believed.
    #[must_use]
    pub fn target(&self) -> Duration {
        self.target
    }

    /// Whether the playlist has not changed for longer than a server in good health lets it (section 6.3.4: one and a half
    /// target durations), with as much again for the way.
    #[must_use]
    pub fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.changed) > self.target * 7 / 2
    }

    /// How long nothing new has been heard of.
    #[must_use]
    pub fn unchanged_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.changed)
    }

    /// The shortest time between two loads.
    fn shortest(&self) -> Duration {
        (self.target / 2).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn load(changed: bool, target: u64, last: u64, segments: u64) -> Reloaded {
        let last_segment = Some(ms(last));
        Reloaded { changed, target: Some(ms(target)), last_segment, window: ms(last * segments) }
    }

    #[test]
    fn from_the_begin_of_a_load_by_what_it_brought() {
        for (load, wait) in [
            (load(true, 6000, 6000, 10), 6000),
            (load(true, 6000, 4000, 10), 4000),
            (load(false, 6000, 6000, 10), 3000),
            // A short window is looked at more often, but not more than twice in a target duration.
            (load(true, 6000, 6000, 3), 6000),
            (load(true, 6000, 6000, 2), 3000),
            (load(true, 6000, 6000, 1), 3000),
            // Lies.
            (load(true, 0, 1, 3), 500),
            (load(false, 0, 0, 0), 500),
            (load(true, 3_600_000, 2000, 6), 30_000),
            (load(false, 3_600_000, 2000, 6), 30_000),
            (load(true, u64::MAX, 2000, 6), 30_000),
            (load(true, 2000, u64::MAX / 8, 6), 30_000),
        ] {
            let start = Instant::now();
            let mut clock = Clock::new(start);
            clock.begin(start);
            clock.loaded(load, start + ms(700));
            assert_eq!(clock.due() - start, ms(wait), "{load:?}");
        }
    }

    #[test]
    fn after_a_failure_the_window_does_not_wait() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.loaded(load(true, 4000, 4000, 6), start);
        let waits: Vec<_> = (0..4)
            .map(|_| {
                let now = clock.due();
                clock.begin(now);
                clock.failed(None, now + ms(100));
                (clock.due() - now).as_millis()
            })
            .collect();
        assert_eq!(waits, [2000; 4]);
        let now = clock.due();
        clock.begin(now);
        clock.failed(Some(ms(9000)), now + ms(100));
        assert_eq!(clock.due() - now, ms(9100));
        clock.loaded(load(true, 4000, 4000, 6), now);
        assert_eq!(clock.failures(), 0);
    }

    #[test]
    fn who_wakes_looks_at_once() {
        for (began_ago, unwatched, wait) in [
            // The machine slept: this clock stood still, and would have waited.
            (1500, 0, 0),
            (200, 0, 800),
            // This process was stopped for an hour: the load is overdue.
            (3_600_000, 3_600_000, 0),
        ] {
            let start = Instant::now();
            let mut clock = Clock::new(start);
            clock.begin(start);
            clock.loaded(load(true, 6000, 6000, 6), start);
            let now = start + ms(began_ago);
            clock.woke(ms(unwatched), now);
            assert_eq!(clock.due().saturating_duration_since(now), ms(wait), "{began_ago}");
            assert_eq!(clock.unchanged_for(now), ms(began_ago - unwatched), "{began_ago}");
            assert!(!clock.is_stale(now));
        }
    }

    #[test]
    fn nothing_makes_it_spin() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        assert_eq!(clock.due() - start, SHORTEST_WAIT);
        let mut now = start;
        for decide in [
            |clock: &mut Clock, now| clock.ask_now(now),
            |clock: &mut Clock, now| {
                clock.loaded(load(true, 0, 0, 9), now);
                clock.ask_now(now);
            },
            |clock: &mut Clock, now| {
                clock.woke(ms(0), now);
                clock.ask_now(now);
                clock.hasten();
            },
            |clock: &mut Clock, now| clock.failed(None, now),
        ] {
            clock.begin(now);
            decide(&mut clock, now);
            assert!(clock.due() >= now + SHORTEST_WAIT);
            now = clock.due();
        }
    }

    #[test]
    fn no_number_of_a_server_is_too_large() {
        let start = Instant::now();
        for target in [1 << 63, u64::MAX, 2_640_000_000_000_000_000, 3601] {
            let mut clock = Clock::new(start);
            let huge = Duration::from_secs(target);
            let load = Reloaded { changed: true, target: Some(huge), last_segment: Some(huge), window: huge };
            clock.loaded(load, start);
            clock.make_up();
            clock.hasten();
            assert!(!clock.is_stale(start + Duration::from_secs(12_600)));
            assert!(clock.is_stale(start + Duration::from_secs(12_601)));
            assert_eq!(clock.target(), LONGEST_TARGET);
            assert!(clock.due() <= start + LONGEST_WAIT);
            clock.failed(Some(Duration::MAX), start);
            assert!(clock.due() <= start + LONGEST_ASKED);
        }
    }

    #[test]
    fn silence_is_noticed() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.loaded(load(true, 2000, 2000, 6), start);
        clock.loaded(load(false, 2000, 2000, 6), start + ms(6000));
        assert!(!clock.is_stale(start + ms(7000)));
        assert!(clock.is_stale(start + ms(7001)));
        assert_eq!(clock.unchanged_for(start + ms(7001)), ms(7001));
    }
}

//! How many requests at once an origin gets: as many as bring more, and no more than it bears.

use std::time::{Duration, Instant};

/// Requests at once to begin with.
const START: usize = 4;
/// Requests at once to one origin at most, unless a number is asked for.
pub(crate) const MOST: usize = 16;
/// What is measured is measured for so long at least.
const SHORTEST_LOOK: Duration = Duration::from_millis(400);
const STEADY_LOOK: Duration = Duration::from_millis(1500);
const LONGEST_LOOK: Duration = Duration::from_secs(8);
/// New connections are slow at first: they get this many answer times before they are measured.
const SETTLE: u32 = 3;
/// A plateau is looked at again after this long.
const HOLD: Duration = Duration::from_secs(30);
/// After a cut, nothing changes for this long.
const COOL_DOWN: Duration = Duration::from_secs(2);
/// A limit that the origin has set is tried again after this long, then after twice that, and so on.
const CEILING_HOLD: Duration = Duration::from_secs(60);
const LONGEST_CEILING_HOLD: Duration = Duration::from_secs(960);

/// What is to be seen of an origin at one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Bytes received in all.
    pub(crate) received: u64,
    /// Requests under way, without those that pause on our side.
    pub(crate) in_flight: usize,
    /// Time to the head of an answer, as far as known.
    pub(crate) response_time: Duration,
    /// How much longer that is than it used to be.
    pub(crate) slowdown: f64,
}

/// The number of requests at once for one origin.
///
/// It begins with four, doubles while that brings more bytes per second, and then tries one more now and then. What brings
/// nothing is taken back. 429 and 503 halve it, and the number at which they came becomes a ceiling that is not touched
/// again for a minute or more.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    most: usize,
    fixed: bool,
    phase: Phase,
    /// Measured at the limit before.
    before: Option<Measured>,
    look: Option<Measuring>,
    quiet_until: Option<Instant>,
    hold_until: Option<Instant>,
    ceiling: Option<Ceiling>,
    /// Steps in a row that brought nothing.
    in_vain: u32,
    /// A step is due from the next measurement on: it waits for one good one.
    troubled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Doubling.
    Climb,
    /// One more now and then.
    Probe,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    limit: usize,
    rate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Measuring {
    from: Instant,
    received: u64,
    /// Ticks seen, and how many requests were under way in them.
    ticks: u32,
    in_flight: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ceiling {
    limit: usize,
    until: Instant,
    hold: Duration,
}

impl Limiter {
    /// `fixed`: this many whatever happens; else what serves best, up to [`MOST`].
    pub(crate) fn new(fixed: Option<usize>) -> Self {
        Self {
            limit: fixed.unwrap_or(START).max(1),
            most: fixed.unwrap_or(MOST).max(1),
            fixed: fixed.is_some(),
            phase: Phase::Climb,
            before: None,
            look: None,
            quiet_until: None,
            hold_until: None,
            ceiling: None,
            in_vain: 0,
            troubled: false,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Looks at the origin; to be called several times a second. `draw` spreads what several programs would do at once.
    pub(crate) fn update(&mut self, now: Instant, look: Look, draw: impl FnOnce(Duration) -> Duration) {
        if self.fixed || self.quiet_until.is_some_and(|until| now < until) {
            return;
        }
        self.quiet_until = None;
        if self.hold_until.is_some_and(|until| now < until) {
            return;
        }
        if self.hold_until.take().is_some() {
            (self.before, self.look, self.in_vain) = (None, None, 0);
        }
        let measuring = self.look.get_or_insert(Measuring {
            from: now + look.response_time * if self.before.is_some() { SETTLE } else { 1 },
            received: look.received,
            ticks: 0,
            in_flight: 0,
        });
        if now < measuring.from {
            measuring.received = look.received;
            return;
        }
        measuring.ticks += 1;
        measuring.in_flight += look.in_flight as u64;
        let elapsed = now.saturating_duration_since(measuring.from);
        let steady = if self.phase == Phase::Climb { SHORTEST_LOOK } else { STEADY_LOOK };
        if elapsed < steady.max(look.response_time * 2).min(LONGEST_LOOK) {
            return;
        }
        let measuring = *measuring;
        self.look = None;
        // What was not used can't be judged: the writer, a cap or the end of the stream holds it back.
        let used = measuring.in_flight as f64 / f64::from(measuring.ticks.max(1));
        if used < 0.75 * self.limit as f64 {
            self.before = None;
            return;
        }
        let rate = (look.received - measuring.received) as f64 / elapsed.as_secs_f64();
        let measured = Measured { limit: self.limit, rate };
        if std::mem::take(&mut self.troubled) {
            self.before = None;
            return;
        }
        self.judge(measured, look.slowdown, now, draw);
    }

    fn judge(
        &mut self,
        measured: Measured,
        slowdown: f64,
        now: Instant,
        draw: impl FnOnce(Duration) -> Duration,
    ) {
        if let Some(before) = self.before.filter(|before| before.limit > measured.limit) {
            // One fewer is kept where it brings as much.
            if measured.rate < 0.97 * before.rate {
                self.limit = before.limit;
            }
            self.hold(now, draw);
            return;
        }
        let Some(before) = self.before.filter(|before| before.limit < measured.limit) else {
            self.before = Some(measured);
            if slowdown > 2.0 && measured.limit > START {
                self.limit = (self.limit * 9 / 10).max(START);
                self.before = None;
            } else if slowdown <= 1.5 || self.phase == Phase::Climb {
                self.step(now);
            }
            return;
        };
        // If each request brought as much as before, the rate would grow as their number does.
        let hoped = measured.limit as f64 / before.limit as f64 - 1.0;
        let gain = measured.rate / before.rate.max(1.0) - 1.0;
        let share = gain / hoped;
        // Where others are on the link, each doubling brings less than the one before, and still brings something.
        if if self.phase == Phase::Climb { gain >= 0.05 } else { share >= 0.4 } {
            self.in_vain = 0;
            self.before = Some(measured);
            self.step(now);
            return;
        }
        self.limit = before.limit;
        self.before = Some(before);
        self.in_vain += 1;
        if self.phase == Phase::Climb {
            // Half the step may still bring something.
            self.phase = Phase::Probe;
            let half = before.limit + (measured.limit - before.limit) / 2;
            if share > 0.05 && half > before.limit {
                self.limit = half;
            }
        }
        if self.in_vain >= 2 {
            self.in_vain = 0;
            match self.limit > START {
                true => self.limit -= 1,
                false => self.hold(now, draw),
            }
        }
    }

    fn hold(&mut self, now: Instant, draw: impl FnOnce(Duration) -> Duration) {
        self.hold_until = Some(now + HOLD * 3 / 4 + draw(HOLD / 2));
    }

    fn step(&mut self, now: Instant) {
        let most = match self.ceiling {
            Some(ceiling) if now < ceiling.until => ceiling.limit.min(self.most),
            Some(ceiling) => (ceiling.limit + 1).min(self.most),
            None => self.most,
        };
        let next = match self.phase {
            Phase::Climb => self.limit * 2,
            Phase::Probe => self.limit + (self.limit / 8).max(1),
        };
        self.limit = next.min(most).max(self.limit.min(most));
    }

    /// The origin asked for fewer requests, answering one that was sent as the `in_flight`-th.
    pub(crate) fn throttled(&mut self, in_flight: usize, now: Instant) {
        if self.fixed {
            return;
        }
        let below = in_flight.saturating_sub(1).max(1);
        let known = self.ceiling;
        let limit = known.filter(|known| known.limit < below && now < known.until).map_or(below, |k| k.limit);
        let again = known.is_some_and(|known| now >= known.until);
        let hold = match known {
            Some(known) if again => (known.hold * 2).min(LONGEST_CEILING_HOLD),
            Some(known) => known.hold,
            None => CEILING_HOLD,
        };
        self.ceiling = Some(Ceiling { limit, until: now + hold, hold });
        if self.quiet_until.is_none_or(|until| until <= now) {
            // What it had borne before is borne again: no need to begin from the half of it.
            self.limit = if again { limit } else { (self.limit / 2).max(1).min(limit) };
            self.quiet(now);
        }
        self.limit = self.limit.min(limit);
        self.phase = Phase::Climb;
    }

    /// Too many attempts fail.
    pub(crate) fn failing(&mut self, now: Instant) {
        if !self.fixed && self.quiet_until.is_none_or(|until| until <= now) {
            self.limit = (self.limit * 9 / 10).max(1);
            self.phase = Phase::Probe;
            self.quiet(now);
        }
    }

    /// An attempt failed: what is being measured says nothing of how well more would do.
    pub(crate) fn disturbed(&mut self) {
        self.troubled = true;
    }

    /// The origin was gone and is back: whatever was known of it may have changed.
    pub(crate) fn begin_anew(&mut self) {
        if !self.fixed {
            let ceiling = self.ceiling;
            *self = Self { ceiling, ..Self::new(None) };
            self.limit = ceiling.map_or(START, |ceiling| ceiling.limit.min(START));
        }
    }

    fn quiet(&mut self, now: Instant) {
        self.quiet_until = Some(now + COOL_DOWN);
        (self.before, self.look, self.hold_until) = (None, None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a limiter against an origin that brings `rate(requests)` bytes per second; returns the limit at each second.
    fn run(
        seconds: u32,
        rate: impl Fn(usize) -> f64,
        mut each: impl FnMut(&mut Limiter, Instant),
    ) -> Vec<usize> {
        let (mut limiter, start, mut received) = (Limiter::new(None), Instant::now(), 0.0);
        let mut limits = Vec::new();
        for tick in 0..seconds * 10 {
            let now = start + Duration::from_millis(100) * tick;
            let n = limiter.limit();
            received += rate(n) / 10.0;
            let look = Look {
                received: received as u64,
                in_flight: n,
                response_time: Duration::from_millis(100),
                slowdown: 1.0,
            };
            limiter.update(now, look, |most| most);
            each(&mut limiter, now);
            if tick % 10 == 9 {
                limits.push(limiter.limit());
            }
        }
        limits
    }

    #[test]
    fn it_climbs_where_that_brings_more() {
        let limits = run(10, |n| n as f64 * 2e6, |_, _| ());
        assert_eq!(limits[3], 16, "{limits:?}");
        assert!(limits[9] == 16, "{limits:?}");
    }

    #[test]
    fn it_stays_where_more_bring_nothing() {
        // The link is full with four, with six, with eight.
        for full in [4, 6, 8] {
            let limits = run(300, |n| n.min(full) as f64 * 1e6, |_, _| ());
            let late: Vec<_> = limits[200..].to_vec();
            let mean = late.iter().sum::<usize>() as f64 / late.len() as f64;
            assert!((full as f64 - 0.5..full as f64 + 2.0).contains(&mean), "{full}: {limits:?}");
            let rate = late.iter().map(|n| (*n).min(full)).sum::<usize>() as f64 / late.len() as f64;
            assert!(rate >= 0.95 * full as f64, "{full}: {limits:?}");
        }
    }

    #[test]
    fn it_finds_the_number_that_an_origin_bears_and_leaves_it_at_that() {
        let mut throttled = 0;
        let limits = run(
            100,
            |n| n as f64 * 1e6,
            |limiter, now| {
                if limiter.limit() > 6 {
                    throttled += 1;
                    limiter.throttled(7, now);
                }
            },
        );
        assert!(throttled <= 3, "{throttled}: {limits:?}");
        assert!(limits[10..].iter().all(|n| (5..=6).contains(n)), "{limits:?}");
    }

    #[test]
    fn a_number_that_was_asked_for_stays() {
        let (mut limiter, now) = (Limiter::new(Some(40)), Instant::now());
        limiter.throttled(3, now);
        limiter.failing(now);
        assert_eq!(limiter.limit(), 40);
    }

    #[test]
    fn failures_cut_it_and_not_more_than_once_in_a_while() {
        let (mut limiter, now) = (Limiter::new(None), Instant::now());
        (0..10).for_each(|_| limiter.failing(now));
        assert_eq!(limiter.limit(), 3);
        (0..10).for_each(|n| limiter.failing(now + COOL_DOWN * n));
        assert_eq!(limiter.limit(), 1);
    }
}

//! How many requests at once an origin gets: as many as bring more, and no more than it bears.

use std::time::{Duration, Instant};

use super::bearing::{Bearing, Refused};

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
/// After a cut there is no other one for so long, and twice as long each time that it helped nothing.
const COOL_DOWN: Duration = Duration::from_secs(2);
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(64);
/// After a refusal no more is asked for until so much time has passed, or so many requests have been taken.
const QUIET: Duration = Duration::from_secs(1);
const GOOD_ANSWERS: u32 = 3;
/// What is measured while attempts fail is measured again so often before it is believed that a step brought nothing.
const TROUBLED_LOOKS: u32 = 3;

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
/// nothing is taken back. A server that asks for fewer requests halves it. From there it comes back by doubling to where it
/// was, or to the number that the origin bears ([`Bearing`]), as soon as the origin takes requests; only then more bytes per
/// second are what counts. What comes while transfers from before a cut still run would say that fewer are as good.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    most: usize,
    fixed: bool,
    phase: Phase,
    /// Measured at the limit before.
    before: Option<Measured>,
    look: Option<Measuring>,
    hold_until: Option<Instant>,
    bearing: Bearing,
    /// Before it was cut it was this.
    was: usize,
    /// The last cut, and how long after it there is no other one.
    cut: Option<(Instant, Duration)>,
    /// The last refusal, and how many requests have been taken since.
    refused: Option<(Instant, u32)>,
    /// The last step on the way back, and how many requests have been taken since.
    came_back: Option<(Instant, usize)>,
    /// Steps in a row that brought nothing.
    in_vain: u32,
    /// Attempts failed during the measurement, and how many measurements in a row that has been so.
    troubled: bool,
    troubled_looks: u32,
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
            hold_until: None,
            bearing: Bearing::default(),
            was: START,
            cut: None,
            refused: None,
            came_back: None,
            in_vain: 0,
            troubled: false,
            troubled_looks: 0,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Looks at the origin; to be called several times a second. `draw` spreads what several programs would do at once.
    pub(crate) fn update(&mut self, now: Instant, look: Look, draw: impl FnOnce(Duration) -> Duration) {
        if self.fixed || self.is_quiet(now) {
            return;
        }
        if self.limit < self.home(now) {
            self.come_back(now, look.response_time);
            return;
        }
        if self.limit >= self.was {
            self.was = START;
        }
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
        // Failures make a measurement come out low: one that says that a step was worth it is right all the same.
        let troubled = std::mem::take(&mut self.troubled);
        let brought = |before: Measured| before.limit < measured.limit && measured.rate >= 1.05 * before.rate;
        if troubled && self.troubled_looks < TROUBLED_LOOKS && !self.before.is_none_or(brought) {
            self.troubled_looks += 1;
            return;
        }
        self.troubled_looks = 0;
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
        let most = self.bearing.most(now).min(self.most);
        let next = match self.phase {
            Phase::Climb => self.limit * 2,
            Phase::Probe => self.limit + (self.limit / 8).max(1),
        };
        self.limit = next.min(most).max(self.limit.min(most));
    }

    /// Where it comes back to after a cut.
    fn home(&self, now: Instant) -> usize {
        self.was.min(self.bearing.most(now)).min(self.most)
    }

    /// As fast as from the first four, from however few.
    fn come_back(&mut self, now: Instant, response_time: Duration) {
        let step = SHORTEST_LOOK.max(response_time.min(QUIET));
        let is_due = |(at, taken)| now.saturating_duration_since(at) >= step || taken >= 2 * self.limit;
        if self.came_back.is_none_or(is_due) {
            self.came_back = Some((now, 0));
            self.limit = (self.limit * 2).min(self.home(now));
        }
        self.look = None;
    }

    fn is_quiet(&self, now: Instant) -> bool {
        self.refused
            .is_some_and(|(at, taken)| taken < GOOD_ANSWERS && now.saturating_duration_since(at) < QUIET)
    }

    /// The origin took a request that was sent as the `in_flight`-th at once.
    pub(crate) fn took(&mut self, in_flight: usize, now: Instant) {
        if let Some((_, taken)) = &mut self.refused {
            *taken = taken.saturating_add(1);
        }
        if let Some((_, taken)) = &mut self.came_back {
            *taken = taken.saturating_add(1);
        }
        self.bearing.took(in_flight, now);
    }

    /// Whether a request that was sent as the `in_flight`-th at once is one more than the origin is known to bear.
    pub(crate) fn is_beyond(&self, in_flight: usize) -> bool {
        self.bearing.is_beyond(in_flight)
    }

    /// The origin asked for fewer requests, answering one that was sent as the `in_flight`-th at once. `mostly`: that is what
    /// it answers to most of them.
    pub(crate) fn throttled(&mut self, in_flight: usize, mostly: bool, now: Instant) {
        if self.fixed {
            return;
        }
        let shows = self.bearing.refused(in_flight, now);
        if shows != Refused::Again {
            // What it had borne before is borne again: no need to begin from the half of it.
            self.halve(shows == Refused::Borne && !mostly, now);
        }
        if let Some(bound) = self.bearing.bound()
            && self.limit > bound
        {
            self.limit = bound;
            (self.look, self.hold_until) = (None, None);
            self.before = self.before.filter(|before| before.limit < bound);
        }
    }

    /// No connection was let in.
    pub(crate) fn turned_away(&mut self, now: Instant) {
        if !self.fixed {
            self.halve(false, now);
        }
    }

    fn halve(&mut self, in_vain: bool, now: Instant) {
        if !self.may_cut(now) {
            return;
        }
        let waits = self.cut.map_or(COOL_DOWN, |(_, waits)| waits);
        let waits = if in_vain { (waits * 2).min(LONGEST_COOL_DOWN) } else { COOL_DOWN };
        self.cut = Some((now, waits));
        self.refused = Some((now, 0));
        self.phase = Phase::Climb;
        self.was = self.was.max(self.limit);
        self.limit = (self.limit / 2).max(1);
        self.came_back = None;
        // A step that has not been judged yet is judged when it is back.
        (self.look, self.hold_until) = (None, None);
    }

    fn may_cut(&self, now: Instant) -> bool {
        self.cut.is_none_or(|(at, waits)| now.saturating_duration_since(at) >= waits)
    }

    /// Too many attempts end by a time-out or a lost connection.
    pub(crate) fn failing(&mut self, now: Instant) {
        if self.fixed || !self.may_cut(now) {
            return;
        }
        self.cut = Some((now, COOL_DOWN));
        self.limit = (self.limit * 9 / 10).max(1);
        // It is no longer known that it bears more than that.
        self.was = self.limit.max(START);
        self.phase = Phase::Probe;
        self.refused = Some((now, 0));
        (self.before, self.look, self.hold_until) = (None, None, None);
    }

    /// An attempt failed: what is being measured says little of how well more would do.
    pub(crate) fn disturbed(&mut self) {
        self.troubled = true;
    }

    /// The origin was gone and is back: whatever was known of it may have changed.
    pub(crate) fn begin_anew(&mut self) {
        if !self.fixed {
            let bearing = self.bearing;
            *self = Self { bearing, ..Self::new(None) };
            self.limit = bearing.bound().map_or(START, |bound| bound.min(START));
        }
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
                limiter.took(limiter.limit().min(6), now);
                if limiter.limit() > 6 {
                    throttled += 1;
                    limiter.throttled(7, false, now);
                }
            },
        );
        assert!(throttled <= 5, "{throttled}: {limits:?}");
        assert!(limits[10..].iter().all(|n| (5..=6).contains(n)), "{limits:?}");
    }

    #[test]
    fn a_number_that_was_asked_for_stays() {
        let (mut limiter, now) = (Limiter::new(Some(40)), Instant::now());
        limiter.throttled(3, true, now);
        limiter.turned_away(now);
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

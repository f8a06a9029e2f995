//! Whether an origin is there at all: an outage is waited for, and costs no unit an attempt.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::place::Place;

/// So many failures in a row are suspicious.
const IN_A_ROW: usize = 5;
/// So are half of this many, within this time.
const RECENT: usize = 20;
const WITHIN: Duration = Duration::from_secs(30);
/// The first wait, and the longest: a canary is one byte, and what it finds late is time lost.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// An origin that has just been found alive is not suspected again at once.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

/// Opens when an origin is gone and closes when it is back.
///
/// That something fails again and again may be the fault of what is asked for. So before the breaker opens, and before it
/// closes, something is asked for that is known to be there (a *canary*): only where that fails too, the origin is gone.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    /// Results of late, newest last.
    recent: VecDeque<(Instant, bool)>,
    in_a_row: usize,
    units: BTreeSet<Place>,
    trusted_until: Option<Instant>,
    /// When it was last found to be back.
    back: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// A canary is due, or under way.
    Suspect {
        asked: bool,
        wait: Duration,
    },
    Open {
        until: Instant,
        wait: Duration,
    },
}

impl Breaker {
    /// Whether requests may be sent.
    pub(crate) fn admits(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether the origin is known to be gone.
    pub(crate) fn is_open(&self) -> bool {
        match self.state {
            State::Closed => false,
            State::Suspect { wait, .. } => !wait.is_zero(),
            State::Open { .. } => true,
        }
    }

    /// Whether the origin is gone, or was at some time since then.
    pub(crate) fn was_gone_since(&self, since: Instant) -> bool {
        self.is_open() || self.back.is_some_and(|back| back >= since)
    }

    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.note(now, true);
        self.answered();
    }

    /// The origin said no: it is there.
    pub(crate) fn answered(&mut self) {
        self.in_a_row = 0;
        self.units.clear();
    }

    /// A request failed in a way that an outage would explain.
    pub(crate) fn failed(&mut self, place: Place, now: Instant) {
        self.note(now, false);
        self.in_a_row += 1;
        self.units.insert(place);
        let failures = self.recent.iter().filter(|(_, right)| !right).count();
        // A page or a proxy in the way fails for many units; a file that is broken fails for itself alone.
        let many = self.recent.len() >= RECENT && failures * 2 >= self.recent.len();
        if (self.in_a_row >= IN_A_ROW || many) && self.units.len() > 1 {
            self.suspect(now);
        }
    }

    /// Asks for a canary, unless the origin has just been found alive; returns whether one will come.
    pub(crate) fn suspect(&mut self, now: Instant) -> bool {
        if self.state == State::Closed && self.trusted_until.is_none_or(|until| until <= now) {
            self.state = State::Suspect { asked: false, wait: Duration::ZERO };
        }
        self.state != State::Closed
    }

    /// Whether a canary is to be sent now.
    pub(crate) fn wants_canary(&mut self, now: Instant) -> bool {
        match self.state {
            State::Open { until, wait } if until <= now => {
                self.state = State::Suspect { asked: true, wait };
                true
            }
            State::Suspect { asked: false, wait } => {
                self.state = State::Suspect { asked: true, wait };
                true
            }
            _ => false,
        }
    }

    /// When [`wants_canary`](Self::wants_canary) has to be asked.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        match self.state {
            State::Open { until, .. } => Some(until),
            _ => None,
        }
    }

    /// What became of a canary. `draw` spreads the next one: others wait for the same origin.
    pub(crate) fn canary(&mut self, alive: bool, now: Instant, draw: impl FnOnce(Duration) -> Duration) {
        let State::Suspect { wait, .. } = self.state else { return };
        if alive {
            let back = if wait.is_zero() { self.back } else { Some(now) };
            *self = Self { trusted_until: Some(now + TRUSTED_FOR), back, ..Self::default() };
            return;
        }
        let wait = if wait.is_zero() { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
        let until = now + wait / 4 + draw(wait * 3 / 4);
        self.state = State::Open { until, wait };
    }

    fn note(&mut self, now: Instant, right: bool) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((now, right));
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WITHIN) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: u64) -> Place {
        Place { track: 0, index }
    }

    #[test]
    fn many_units_that_fail_are_suspicious_and_one_is_not() {
        let now = Instant::now();
        for (units, suspicious) in [(1, false), (2, true), (5, true)] {
            let mut breaker = Breaker::default();
            for n in 0..IN_A_ROW as u64 {
                breaker.failed(place(n % units), now);
            }
            assert_eq!(!breaker.admits(), suspicious, "{units} units");
        }
        // A success in between says that it is not the origin.
        let mut breaker = Breaker::default();
        for n in 0..60 {
            breaker.failed(place(n), now);
            breaker.succeeded(now);
            breaker.succeeded(now);
        }
        assert!(breaker.admits());
        // As many failures as successes say that something is wrong.
        for n in 0..60 {
            breaker.failed(place(n), now);
            breaker.failed(place(n + 1), now);
        }
        assert!(!breaker.admits());
    }

    #[test]
    fn it_opens_for_longer_and_longer_and_closes_when_the_origin_is_back() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        assert!(breaker.suspect(now));
        let mut waits = Vec::new();
        for _ in 0..6 {
            assert!(breaker.wants_canary(now) && !breaker.wants_canary(now));
            breaker.canary(false, now, |most| most);
            let until = breaker.next_wake().unwrap();
            waits.push((until - now).as_secs());
            assert!(breaker.is_open() && !breaker.admits());
            now = until;
        }
        assert_eq!(waits, [5, 10, 20, 20, 20, 20]);
        assert!(breaker.wants_canary(now));
        breaker.canary(true, now, |most| most);
        assert!(breaker.admits());
        // It has just been seen.
        assert!(!breaker.suspect(now + Duration::from_secs(4)));
        assert!(breaker.suspect(now + Duration::from_secs(5)));
    }
}

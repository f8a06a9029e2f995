//! How many requests at once an origin bears, as far as its refusals and the requests that it took show.

use std::time::{Duration, Instant};

/// A number that was refused is tried again after so long, and so many good answers: longer each time that it is refused again.
const HOLDS: [(Duration, u32); 5] = [
    (Duration::from_millis(500), 0),
    (Duration::from_millis(1500), 0),
    (Duration::from_secs(30), 64),
    (Duration::from_secs(120), 256),
    (Duration::from_secs(480), 1024),
];
/// What each further request leaves of the weight of those before.
const FADES: f32 = 0.9;
/// Where more than this part of the requests among fewer is refused as well, it is hardly the number that explains it: then it
/// takes more refusals than these to set a bound, and three for each that was taken.
const DOUBTFUL: f32 = 0.05;
const FEW: f32 = 3.0;
/// Numbers that are told apart.
const LEVELS: usize = 64;

/// What a refusal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many at once, or more, were taken since: the number is not the reason, as far as one refusal can show.
    Borne,
    /// The number may be the reason, and bounds what is asked for from now on.
    TooMany,
    /// The bound was tried once more and stands.
    Again,
}

/// Tells refusals that come of too many requests at once from those that come whatever is asked for.
///
/// Where a number is the reason, every request beyond it is refused and every other one is taken. So a request that was sent
/// as the n-th at once and refused sets a bound below n, unless of those that were sent as the n-th or a later one more than
/// a third have been taken lately. A request beyond the bound that is taken lifts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearing {
    /// How many requests were taken and refused of late, by the number that they were sent as.
    lately: [Weights; LEVELS],
    bound: Option<Bound>,
}

/// Requests, those of late counting for more.
#[derive(Clone, Copy, Debug, Default)]
struct Weights {
    taken: f32,
    refused: f32,
}

#[derive(Clone, Copy, Debug)]
struct Bound {
    limit: usize,
    since: Instant,
    /// How often it was tried and stood.
    tried: usize,
    /// Good answers since.
    answers: u32,
}

impl Bound {
    fn is_due(&self, now: Instant) -> bool {
        let (time, answers) = HOLDS.get(self.tried).or(HOLDS.last()).copied().unwrap_or_default();
        self.answers >= answers && now.saturating_duration_since(self.since) >= time
    }
}

fn sum(of: &[Weights]) -> Weights {
    of.iter().fold(Weights::default(), |sum, one| Weights {
        taken: sum.taken + one.taken,
        refused: sum.refused + one.refused,
    })
}

impl Default for Bearing {
    fn default() -> Self {
        Self { lately: [Weights::default(); LEVELS], bound: None }
    }
}

impl Bearing {
    /// The most requests at once that may be tried now.
    pub(crate) fn most(&self, now: Instant) -> usize {
        self.bound.map_or(usize::MAX, |bound| bound.limit + usize::from(bound.is_due(now)))
    }

    /// The most that are known to be borne.
    pub(crate) fn bound(&self) -> Option<usize> {
        self.bound.map(|bound| bound.limit)
    }

    /// Whether a request that is sent as the `level`-th at once is beyond what is known to be borne.
    pub(crate) fn is_beyond(&self, level: usize) -> bool {
        self.bound.is_some_and(|bound| level > bound.limit)
    }

    /// A request that was sent as the `level`-th at once was taken.
    pub(crate) fn took(&mut self, level: usize, now: Instant) {
        self.note(level, Weights { taken: 1.0, refused: 0.0 });
        let Some(bound) = &mut self.bound else { return };
        bound.answers = bound.answers.saturating_add(1);
        if level > bound.limit {
            match bound.tried {
                0 => self.bound = None,
                // It was refused more than once: on from here one by one.
                _ => *bound = Bound { limit: level, since: now, tried: 0, answers: 0 },
            }
        }
    }

    /// What became of a request. It fades what is known of its number and of those beyond: together they are what is judged.
    fn note(&mut self, level: usize, more: Weights) {
        let level = level.min(LEVELS - 1);
        for one in self.lately.iter_mut().skip(level) {
            *one = Weights { taken: one.taken * FADES, refused: one.refused * FADES };
        }
        if let Some(one) = self.lately.get_mut(level) {
            *one = Weights { taken: one.taken + more.taken, refused: one.refused + more.refused };
        }
    }

    /// A request that was sent as the `level`-th at once was refused.
    pub(crate) fn refused(&mut self, level: usize, now: Instant) -> Refused {
        let level = level.max(1);
        self.note(level, Weights { taken: 0.0, refused: 1.0 });
        let (fewer, as_many) = self.lately.split_at(level.min(LEVELS - 1));
        let (fewer, as_many) = (sum(fewer), sum(as_many));
        let is_doubtful = fewer.refused > DOUBTFUL * (fewer.taken + fewer.refused);
        let is_borne = match is_doubtful {
            true => as_many.refused < FEW || as_many.taken * 3.0 > as_many.refused,
            false => as_many.taken * 2.0 > as_many.refused,
        };
        let below = (level - 1).max(1);
        match &mut self.bound {
            Some(bound) if level > bound.limit => {
                // Those that were under way when the bound was set say nothing new.
                let is_due = bound.is_due(now);
                if is_due {
                    let tried = if is_doubtful { 0 } else { bound.tried + 1 };
                    *bound = Bound { tried, since: now, answers: 0, ..*bound };
                }
                if is_due { Refused::Again } else { Refused::TooMany }
            }
            _ if is_borne => Refused::Borne,
            bound => {
                *bound = Some(Bound { limit: below, since: now, tried: 0, answers: 0 });
                Refused::TooMany
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_number_that_is_refused_bounds_and_one_that_is_taken_lifts_it() {
        let now = Instant::now();
        let mut bearing = Bearing::default();
        assert_eq!(bearing.most(now), usize::MAX);
        (1..=6).for_each(|level| bearing.took(level, now));
        assert_eq!(bearing.refused(8, now), Refused::TooMany);
        assert_eq!((bearing.most(now), bearing.bound()), (7, Some(7)));
        assert_eq!(bearing.refused(7, now), Refused::TooMany);
        assert_eq!(bearing.bound(), Some(6));
        // It is tried once more soon, and refused: then later and later.
        let mut at = now;
        for (wait, answers) in [(1, 0), (2, 0), (30, 64), (120, 256), (480, 1024), (480, 1024)] {
            (0..answers).for_each(|_| bearing.took(6, at));
            assert_eq!(bearing.most(at + S * wait * 2 / 5), 6);
            at += S * wait;
            assert_eq!(bearing.most(at), 7, "{wait}");
            assert_eq!(bearing.refused(7, at), Refused::Again);
            assert_eq!(bearing.most(at), 6);
        }
        // The server bears more now: what was refused so often is left one by one.
        bearing.took(7, at);
        assert_eq!((bearing.most(at), bearing.most(at + S * 2)), (7, 8));
        bearing.took(8, at);
        assert_eq!(bearing.most(at), usize::MAX);
    }

    #[test]
    fn refusals_that_come_whatever_is_asked_for_set_no_bound() {
        let now = Instant::now();
        let mut bearing = Bearing::default();
        for n in 0..1000 {
            let level = [4, 3, 4, 2, 4, 4, 1][n % 7];
            match n % 4 {
                2 => assert_eq!(bearing.refused(level, now), Refused::Borne, "{n}"),
                _ => bearing.took(level, now),
            }
        }
        assert_eq!(bearing.bound(), None);
        // Now it bears only two at once: that shows before long.
        let until = (0..100).find(|_| {
            bearing.took(2, now);
            bearing.refused(4, now) == Refused::TooMany
        });
        assert!(until.is_some_and(|n| n < 20), "{until:?}");
        assert_eq!(bearing.bound(), Some(3));
        (0..20).for_each(|_| {
            bearing.refused(3, now);
        });
        assert_eq!(bearing.most(now), 2);
    }

    #[test]
    fn one_request_at_once_is_always_borne() {
        let now = Instant::now();
        let mut bearing = Bearing::default();
        for level in [0, 1, 1, 200] {
            bearing.refused(level, now);
        }
        assert_eq!(bearing.most(now), 1);
    }
}

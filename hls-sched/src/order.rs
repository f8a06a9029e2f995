//! Whether each segment goes on where the one before it ends, by their own timestamps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hls_media::{Configuration, Summary};
use hls_state::Fingerprint;

use crate::assemble::Place;
use crate::doubt::Doubt;
use crate::habits::Habits;
use crate::plan::{Track, Unit};

/// Segments that are remembered of a track: those behind and in front of what is under way.
const MANY: usize = 1024;

/// How exactly it is known how much is missing in a segment, in seconds.
const KNOWN: f64 = 0.4;

/// What came of the segments of a job so far.
#[derive(Debug, Default)]
pub(crate) struct Order {
    known: Mutex<BTreeMap<Place, Arc<Came>>>,
    /// How often timestamps do not go on over a discontinuity.
    restarts: AtomicU64,
    habits: Mutex<Habits>,
}

/// A segment that has come.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) place: Place,
    pub(crate) hash: Fingerprint,
    summary: Summary,
    /// Seconds that are known to be missing in it.
    lacks: f64,
}

/// A neighbour that does not fit, and how that shows.
#[derive(Clone, Debug)]
pub(crate) struct Misfit {
    pub(crate) neighbour: Arc<Came>,
    pub(crate) doubt: Doubt,
}

impl Order {
    fn with<T>(&self, with: impl FnOnce(&mut BTreeMap<Place, Arc<Came>>) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The neighbours of a segment that have come and do not fit it.
    pub(crate) fn misfits(
        &self,
        place: Place,
        (track, unit): (&Track, &Unit),
        (summary, lacks): (&Summary, f64),
        init: Option<&Configuration>,
    ) -> Vec<Misfit> {
        // What is missing in a segment is missing once.
        let is_known = |seconds: f64, of: &Came| {
            seconds > 0.0 && seconds <= lacks + of.lacks + KNOWN && lacks + of.lacks > 0.0
        };
        let neighbour = |index: Option<u64>| {
            let place = Place { index: index?, ..place };
            let other = track.unit(place.index).filter(|other| !other.is_init && !other.is_gap)?;
            let is_same = timeline(track, &other) == timeline(track, unit);
            self.with(|known| known.get(&place).cloned()).filter(|_| is_same)
        };
        let doubt = |neighbour: &Came, [before, after]: [&Summary; 2]| match before.jump(after, init) {
            Some(seconds) => (!is_known(seconds, neighbour)).then_some(Doubt::Apart { seconds }),
            None => {
                let is_break = self.habits().is_break(place.track, &before.counters(after));
                is_break.then_some(Doubt::Counters)
            }
        };
        let before = neighbour(place.index.checked_sub(1)).and_then(|neighbour| {
            let doubt = doubt(&neighbour, [&neighbour.summary, summary])?;
            Some(Misfit { neighbour, doubt })
        });
        let after = neighbour(place.index.checked_add(1)).and_then(|neighbour| {
            let doubt = doubt(&neighbour, [summary, &neighbour.summary])?;
            Some(Misfit { neighbour, doubt })
        });
        before.into_iter().chain(after).collect()
    }

    fn habits(&self) -> MutexGuard<'_, Habits> {
        self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Two segments that came before it was known that the one does not go on from the other.
    pub(crate) fn late(&self, track: u8) -> Option<[Arc<Came>; 2]> {
        let after = self.habits().late(track)?;
        let before = Place { index: after.index.checked_sub(1)?, ..after };
        self.with(|known| Some([known.get(&before).cloned()?, known.get(&after).cloned()?]))
    }

    /// How often timestamps do not go on over a discontinuity.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Counts the discontinuities beside a segment that has come, over which timestamps do not go on.
    fn count_restarts(&self, place: Place, (track, unit): (&Track, &Unit), summary: &Summary) {
        let neighbour = |index: Option<u64>| {
            let place = Place { index: index?, ..place };
            let other = track.unit(place.index).filter(|other| !other.is_init && !other.is_gap)?;
            let is_other = timeline(track, &other) != timeline(track, unit);
            self.with(|known| known.get(&place).cloned()).filter(|_| is_other)
        };
        let before = neighbour(place.index.checked_sub(1)).and_then(|came| came.summary.jump(summary, None));
        let after = neighbour(place.index.checked_add(1)).and_then(|came| summary.jump(&came.summary, None));
        let restarts = [before, after].into_iter().flatten().count() as u64;
        self.restarts.fetch_add(restarts, Ordering::Relaxed);
    }

    /// A segment has come and is kept.
    pub(crate) fn came(
        &self,
        place: Place,
        of: (&Track, &Unit),
        hash: Fingerprint,
        (summary, lacks): (&Summary, f64),
    ) -> Arc<Came> {
        self.count_restarts(place, of, summary);
        let came = Arc::new(Came { place, hash, summary: summary.clone(), lacks });
        // Of two that come at once, one sees the other.
        let [before, after] = self.with(|known| {
            let beside = [place.index.checked_sub(1), place.index.checked_add(1)]
                .map(|index| known.get(&Place { index: index?, ..place }).map(Arc::clone));
            known.insert(place, Arc::clone(&came));
            let of_track = Place { index: 0, ..place }..=Place { index: u64::MAX, ..place };
            if known.range(of_track.clone()).count() > MANY
                && let Some(first) = known.range(of_track).next().map(|(place, _)| *place)
            {
                known.remove(&first);
            }
            beside
        });
        let (track, unit) = of;
        let goes_on = |other: &Arc<Came>| {
            track
                .unit(other.place.index)
                .is_some_and(|other| timeline(track, &other) == timeline(track, unit))
        };
        if let Some(before) = before.filter(goes_on) {
            self.habits().learn(place, before.summary.counters(summary));
        }
        if let Some(after) = after.filter(goes_on) {
            self.habits().learn(after.place, summary.counters(&after.summary));
        }
        came
    }

    /// A segment of a track that has come.
    pub(crate) fn any(&self, track: u8) -> Option<Arc<Came>> {
        let of_track = Place { track, index: 0 }..=Place { track, index: u64::MAX };
        self.with(|known| known.range(of_track).next_back().map(|(_, came)| Arc::clone(came)))
    }

    /// A segment that came is not what the server has.
    pub(crate) fn forget(&self, place: Place) {
        self.with(|known| known.remove(&place));
    }
}

/// The number of the timeline of a segment: what shares it goes on from one segment to the next.
fn timeline(track: &Track, unit: &Unit) -> Option<u64> {
    match unit.live {
        Some(live) => Some(live.timeline()),
        None => {
            let number = usize::try_from(unit.number).ok()?;
            Some(track.media().segment(number)?.discontinuity_sequence())
        }
    }
}

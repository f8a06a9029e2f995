//! Whether each segment goes on where the one before it ends, by their own timestamps.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hls_media::{Configuration, Odd, Summary};
use hls_state::Fingerprint;

use crate::place::Place;
use crate::policy::doubt::Doubt;
use crate::policy::habits::{Habits, Signs};
use crate::policy::plan::{Track, Unit};

/// Segments that are remembered of a track: those behind and in front of what is under way.
const MANY: usize = 1024;

/// How exactly it is known how much is missing in a segment, in seconds.
const KNOWN: f64 = 0.4;

/// How much the packets last that are missing in a segment by their counters, in seconds, as far as anybody knows.
const LOST: f64 = 1.0;

/// What came of the segments of a job so far.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Of each track, by place.
    known: Mutex<BTreeMap<u8, BTreeMap<u64, Arc<Came>>>>,
    /// How many segments have come.
    arrivals: AtomicU64,
    /// A segment came that is not what the server has.
    is_deceived: AtomicBool,
    /// How often timestamps do not go on over a discontinuity.
    restarts: AtomicU64,
    habits: Mutex<Habits>,
    /// Segments that are not what the server has, as was found before they were in their place.
    disowned: Mutex<HashSet<(Place, Fingerprint)>>,
    /// Segments that were taken back, and how many bytes they had.
    taken_back: Mutex<Vec<(Place, u64)>>,
}

/// A segment that has come.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) place: Place,
    pub(crate) hash: Fingerprint,
    timeline: Option<u64>,
    summary: Arc<Summary>,
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
    /// The segments of a track that have come.
    fn of_track<T>(&self, track: u8, with: impl FnOnce(&mut BTreeMap<u64, Arc<Came>>) -> T) -> T {
        with(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(track).or_default())
    }

    /// The segments before and behind a place that have come.
    fn neighbours(&self, place: Place) -> [Option<Arc<Came>>; 2] {
        let (before, after) = (place.index.checked_sub(1), place.index.checked_add(1));
        self.of_track(place.track, |known| [before, after].map(|index| known.get(&index?).cloned()))
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
            let loses = loses(summary) || loses(&of.summary);
            let is_lacked = seconds <= lacks + of.lacks + KNOWN && lacks + of.lacks > 0.0;
            seconds > 0.0 && (is_lacked || loses && seconds <= LOST)
        };
        let own = timeline(track, unit);
        let doubt = |neighbour: &Came, [before, after]: [&Summary; 2]| match before.jump(after, init) {
            Some(seconds) => (!is_known(seconds, neighbour)).then_some(Doubt::Apart { seconds }),
            None if before.breaks_off(after) => Some(Doubt::Counters),
            None => {
                let doubt = self.habits().broken(place.track, &Signs::between(before, after, init))?;
                Some(doubt).filter(
                    |doubt| !matches!(doubt, Doubt::Apart { seconds } if is_known(*seconds, neighbour)),
                )
            }
        };
        let [before, after] = self.neighbours(place).map(|came| came.filter(|came| came.timeline == own));
        let before = before.and_then(|neighbour| {
            let doubt = doubt(&neighbour, [&neighbour.summary, summary])?;
            Some(Misfit { neighbour, doubt })
        });
        let after = after.and_then(|neighbour| {
            let doubt = doubt(&neighbour, [summary, &neighbour.summary])?;
            Some(Misfit { neighbour, doubt })
        });
        before.into_iter().chain(after).collect()
    }

    /// Returns what a segment shows by itself.
    pub(crate) fn signs(
        (track, unit): (&Track, &Unit),
        summary: &Summary,
        init: Option<&Configuration>,
    ) -> Signs {
        Signs::of(summary, (timeline(track, unit), unit.duration), init)
    }

    /// Returns what is odd about a segment by itself, as those that came so far let expect.
    pub(crate) fn odd(&self, track: u8, signs: &Signs) -> Option<Doubt> {
        self.habits().broken(track, signs)
    }

    /// Returns how many segments have come so far: where that has not changed, their neighbours are the same.
    pub(crate) fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::SeqCst)
    }

    /// Another segment that has the same bytes: a neighbour, or any of a track in which nothing but its bytes tells a segment from
    /// others, or any at all where a segment came already that was not what the server has. Advertisements and loops bring the same
    /// bytes again, but seldom twice in a row under two names.
    pub(crate) fn twin(
        &self,
        place: Place,
        (track, unit): (&Track, &Unit),
        hash: Fingerprint,
        summary: &Summary,
    ) -> Option<Misfit> {
        let is_near = |came: &Came| came.place.index.abs_diff(place.index) == 1 && !summary.is_empty();
        let is_other = |came: &&Arc<Came>| {
            let other = || track.unit(came.place.index);
            came.hash == hash
                && came.place != place
                && other().is_some_and(|other| (&other.url, other.range) != (&unit.url, unit.range))
        };
        let is_deceived = self.is_deceived.load(Ordering::Relaxed) && !summary.is_empty();
        let neighbour = match summary.is_told_by_bytes() || is_deceived {
            true => self.of_track(place.track, |known| known.values().find(is_other).cloned())?,
            false => {
                self.neighbours(place).into_iter().flatten().find(|came| is_near(came) && is_other(&came))?
            }
        };
        Some(Misfit { neighbour, doubt: Doubt::Twin })
    }

    fn habits(&self) -> MutexGuard<'_, Habits> {
        self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Segments that came before it was known what is odd about them: one, or two that follow one another.
    pub(crate) fn late(&self, track: u8) -> Option<(Vec<Arc<Came>>, Doubt)> {
        let (place, doubt) = self.habits().late(track)?;
        // What other rules say is about a segment alone.
        let is_border = matches!(doubt, Doubt::Counters | Doubt::Apart { .. });
        let before = place.index.checked_sub(1).filter(|_| is_border);
        let came = self.of_track(track, |known| {
            let came = before.into_iter().chain([place.index]).map(|index| known.get(&index).cloned());
            came.collect::<Option<Vec<_>>>()
        })?;
        Some((came, doubt))
    }

    /// Notes that a segment came that is not what the server has.
    pub(crate) fn was_deceived(&self) {
        self.is_deceived.store(true, Ordering::Relaxed);
    }

    /// Notes that a segment that was looked at late was not what the server has: so may others be.
    pub(crate) fn was_wrong(&self, track: u8) {
        self.habits().was_wrong(track);
    }

    /// How often timestamps do not go on over a discontinuity.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Counts the discontinuities beside a segment that has come, over which timestamps do not go on.
    fn count_restarts(&self, own: &Came, [before, after]: &[Option<Arc<Came>>; 2]) {
        let is_other = |came: &&Arc<Came>| came.timeline != own.timeline;
        let before = before.as_ref().filter(is_other).and_then(|came| came.summary.jump(&own.summary, None));
        let after = after.as_ref().filter(is_other).and_then(|came| own.summary.jump(&came.summary, None));
        let restarts = [before, after].into_iter().flatten().count() as u64;
        self.restarts.fetch_add(restarts, Ordering::Relaxed);
    }

    /// Notes that a segment has come and is kept.
    pub(crate) fn came(
        &self,
        place: Place,
        of: (&Track, &Unit),
        hash: Fingerprint,
        (summary, lacks): (&Arc<Summary>, f64),
        (init, is_told): (Option<&Configuration>, bool),
        signs: Signs,
    ) -> Arc<Came> {
        let (own, summary) = (timeline(of.0, of.1), Arc::clone(summary));
        let came = Arc::new(Came { place, hash, timeline: own, summary, lacks });
        // Of two that come at once, one sees the other.
        self.of_track(place.track, |known| {
            known.insert(place.index, Arc::clone(&came));
            if known.len() > MANY {
                known.pop_first();
            }
        });
        self.arrivals.fetch_add(1, Ordering::SeqCst);
        let beside = self.neighbours(place);
        self.count_restarts(&came, &beside);
        let [before, after] = beside.map(|came| came.filter(|came| came.timeline == own));
        let mut habits = self.habits();
        habits.learn(place, signs, is_told);
        // That packets are missing in a segment has been told, and at its ends they are missing too.
        let is_told = is_told || loses(&came.summary);
        if let Some(before) = before {
            let signs = Signs::between(&before.summary, &came.summary, init);
            habits.learn(place, signs, is_told || loses(&before.summary));
        }
        if let Some(after) = after {
            let signs = Signs::between(&came.summary, &after.summary, init);
            habits.learn(after.place, signs, is_told || loses(&after.summary));
        }
        drop(habits);
        came
    }

    /// A segment of a track that has come.
    pub(crate) fn any(&self, track: u8) -> Option<Arc<Came>> {
        self.of_track(track, |known| known.last_key_value().map(|(_, came)| Arc::clone(came)))
    }

    /// Notes that a segment of so many bytes was taken back, and has to be fetched again.
    pub(crate) fn took_back(&self, place: Place, bytes: u64) {
        self.taken_back.lock().unwrap_or_else(PoisonError::into_inner).push((place, bytes));
    }

    /// Returns the segments that were taken back since the last call, and how many bytes they had.
    pub(crate) fn taken_back(&self) -> Vec<(Place, u64)> {
        std::mem::take(&mut self.taken_back.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// These bytes of a segment, which are not in their place yet, are not what the server has.
    pub(crate) fn disown(&self, place: Place, hash: Fingerprint) {
        self.disowned.lock().unwrap_or_else(PoisonError::into_inner).insert((place, hash));
    }

    /// Tells whether these bytes of a segment have been disowned.
    pub(crate) fn is_disowned(&self, place: Place, hash: Fingerprint) -> bool {
        self.disowned.lock().unwrap_or_else(PoisonError::into_inner).contains(&(place, hash))
    }

    /// Tells whether a segment is still taken for what the server has.
    pub(crate) fn holds(&self, came: &Came) -> bool {
        self.of_track(came.place.track, |known| {
            known.get(&came.place.index).is_some_and(|now| now.hash == came.hash)
        })
    }

    /// Forgets a segment that is not what the server has. Returns false where somebody else has done so, or another one has come.
    pub(crate) fn forget(&self, place: Place, hash: Fingerprint) -> bool {
        self.of_track(place.track, |known| {
            let is_held = known.get(&place.index).is_some_and(|now| now.hash == hash);
            if is_held {
                known.remove(&place.index);
            }
            is_held
        })
    }
}

/// Tells whether packets are missing in a segment, as it says itself.
fn loses(summary: &Summary) -> bool {
    summary.oddities.iter().any(|oddity| matches!(oddity.odd, Odd::Continuity | Odd::Length))
}

/// The number of the timeline of a segment: what shares it goes on from one segment to the next.
pub(crate) fn timeline(track: &Track, unit: &Unit) -> Option<u64> {
    match unit.live {
        Some(live) => Some(live.timeline()),
        None => {
            let number = usize::try_from(unit.number).ok()?;
            Some(track.media().segment(number)?.discontinuity_sequence())
        }
    }
}

//! Segments that arrived whole and are odd all the same: doubted once, and believed when another connection brings the same
//! bytes, for then the server has no others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hls_media::{Configuration, Summary};
use hls_state::Fingerprint;

use crate::assemble::Place;
use crate::error::Error;
use crate::event::Event;

/// What is missing of a segment has to be more than the rounding of `EXTINF` and the delay between picture and sound.
const LEAST_MISSING: Duration = Duration::from_millis(500);
/// Bytes that differ each time are not remembered without end.
const MANY: usize = 8;

/// Why a segment may not be what the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It plays for less than seven tenths of what the playlist says.
    Short { lasts: Duration, said: Duration },
    /// Packets are missing in it, or are others, by the continuity counters.
    Discontinuous { at: u64 },
}

impl Doubt {
    /// Looks at a segment that the playlist says to play for `said`.
    pub(crate) fn of(summary: &Summary, init: Option<&Configuration>, said: Duration) -> Option<Self> {
        let lasts = summary.duration(init).filter(|lasts| is_short(*lasts, said));
        let short = lasts.map(|lasts| Self::Short { lasts, said });
        short.or_else(|| summary.broken_at.map(|at| Self::Discontinuous { at }))
    }

    fn code(self) -> &'static str {
        match self {
            Self::Short { .. } => "segment.short",
            Self::Discontinuous { .. } => "segment.discontinuous",
        }
    }

    fn message(self, name: &str) -> String {
        match self {
            Self::Short { lasts, said } => {
                let (lasts, said) = (lasts.as_secs_f64(), said.as_secs_f64());
                format!("{name} lasts {lasts:.1} s, and the playlist says {said:.1} s")
            }
            Self::Discontinuous { at } => {
                format!("packets of {name} are missing or damaged at byte {at}, by its continuity counters")
            }
        }
    }

    /// It is asked for again over another connection.
    pub(crate) fn error(self, name: &str) -> Error {
        Error::content(self.code(), self.message(name)).why("every attempt brought other bytes")
    }

    /// It is what the server has.
    pub(crate) fn warning(self, name: &str) -> Event {
        let message =
            format!("{}; the server sends these same bytes again, so they are kept", self.message(name));
        Event::Warning { kind: self.code(), message }
    }
}

fn is_short(lasts: Duration, said: Duration) -> bool {
    said.saturating_sub(lasts) >= LEAST_MISSING && lasts.as_secs_f64() < 0.7 * said.as_secs_f64()
}

/// What came of the segments that are doubted.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<HashMap<Place, Seen>>);

#[derive(Debug, Default)]
struct Seen {
    hashes: Vec<Fingerprint>,
    is_told: bool,
}

/// How often these bytes have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    /// The second time, which is to be told.
    Again,
    /// It has been told.
    Known,
}

impl Doubts {
    /// Bytes with this hash came for a segment that is doubted.
    pub(crate) fn note(&self, place: Place, hash: Fingerprint) -> Arrival {
        let mut doubts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = doubts.entry(place).or_default();
        if seen.hashes.contains(&hash) {
            return if std::mem::replace(&mut seen.is_told, true) { Arrival::Known } else { Arrival::Again };
        }
        if seen.hashes.len() >= MANY {
            seen.hashes.remove(0);
        }
        seen.hashes.push(hash);
        Arrival::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_short() {
        let check = |lasts, said, expect| {
            let [lasts, said] = [lasts, said].map(Duration::from_millis);
            assert_eq!(is_short(lasts, said), expect, "{lasts:?} of {said:?}");
        };
        check(2000, 4000, true);
        check(2799, 4000, true);
        check(2800, 4000, false);
        check(4500, 4000, false);
        check(500, 1000, true);
        check(501, 1000, false);
        check(0, 499, false);
        check(4000, 0, false);
    }

    #[test]
    fn the_same_bytes_are_told_once() {
        let (doubts, [a, b]) = (Doubts::default(), [1, 2].map(Fingerprint));
        let [here, there] = [0, 1].map(|index| Place { track: 0, index });
        let arrivals = [(here, a), (there, a), (here, b), (here, a), (here, a), (there, a)]
            .map(|(place, hash)| doubts.note(place, hash));
        use Arrival::{Again, First, Known};
        assert_eq!(arrivals, [First, First, First, Again, Known, Again]);
    }
}

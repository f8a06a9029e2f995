//! Segments that could not be had, where the job may end without them.

use std::collections::BTreeMap;

use hls_fetch::Class;

use crate::error::{Error, Kind};
use crate::event::Gap;
use crate::place::Place;
use crate::policy::doubt::WAS_ANOTHER;
use crate::policy::plan::{Track, Unit};

/// After so many failures in a row that are not plainly about one segment, the server is in trouble, not the segment.
const MOST_IN_A_ROW: u32 = 3;

/// Decides what may be missing, and keeps account of it.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    allowed: bool,
    missing: BTreeMap<Place, Gap>,
    in_a_row: u32,
}

impl Gaps {
    pub(crate) fn new(allowed: bool) -> Self {
        Self { allowed, ..Self::default() }
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// A segment has come whole.
    pub(crate) fn verified(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether the job goes on without a segment that failed for good.
    pub(crate) fn admits(&mut self, error: &Error) -> bool {
        if !self.allowed || !could_be_missing(error) {
            return false;
        }
        if error.class() != Class::Permanent {
            self.in_a_row += 1;
        }
        self.in_a_row <= MOST_IN_A_ROW
    }

    pub(crate) fn note(&mut self, place: Place, gap: Gap) {
        self.missing.insert(place, gap);
    }

    pub(crate) fn count(&self) -> u64 {
        self.missing.len() as u64
    }

    /// Returns all of them, in order.
    pub(crate) fn into_list(self) -> Vec<Gap> {
        self.missing.into_values().collect()
    }

    /// Returns all of them, in order.
    pub(crate) fn list(&self) -> impl Iterator<Item = &Gap> {
        self.missing.values()
    }
}

impl Gap {
    pub(crate) fn new(track: &Track, place: Place, unit: &Unit, code: &str, reason: String) -> Self {
        Self {
            track: place.track,
            index: unit.number,
            sequence: unit.sequence,
            count: unit.live.map_or(1, |live| live.count),
            at: unit.live.and_then(|live| live.at).map(hls_parse::DateTime::from_unix_micros),
            start: track.start_of(unit),
            duration: unit.duration,
            code: code.to_owned(),
            reason,
        }
    }
}

/// Whether a failure is about a segment and not about this machine, the right to have it, or safety.
pub(crate) fn could_be_missing(error: &Error) -> bool {
    match error.kind() {
        // It is about another segment, which is in its output, or about all of them.
        Kind::Content if matches!(error.code(), WAS_ANOTHER | "playlist.changed") => false,
        Kind::Refused => error.class() != Class::Auth,
        Kind::Temporary | Kind::Content => true,
        _ => false,
    }
}

/// Returns the code and the reason of a unit that was planned as missing.
pub(crate) fn why_missing(unit: &Unit) -> (&'static str, &'static str) {
    if unit.is_unreadable {
        return ("live.encrypted", "it is encrypted in a way that is not supported");
    }
    match unit.live.is_some_and(|live| live.is_lost) {
        true => ("live.lost", "it had left the playlist before it could be had"),
        false => ("segment.gap", "the playlist says that it is missing (EXT-X-GAP)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_in_trouble_is_no_gap() {
        let error = |kind, class| Error::new(kind, "x", "x").of_class(class);
        let missing = || error(Kind::Refused, Class::Permanent);
        let cut = || error(Kind::Temporary, Class::Network);
        assert!(!Gaps::new(false).admits(&missing()));
        for (kind, class) in [
            (Kind::Refused, Class::Auth),
            (Kind::Local, Class::Network),
            (Kind::Blocked, Class::Security),
            (Kind::Internal, Class::Content),
        ] {
            assert!(!Gaps::new(true).admits(&error(kind, class)), "{kind:?}");
        }
        let mut gaps = Gaps::new(true);
        assert!((0..10).all(|_| gaps.admits(&missing())));
        assert_eq!([0; 4].map(|_| gaps.admits(&cut())), [true, true, true, false]);
        gaps.verified();
        assert!(gaps.admits(&cut()));
    }
}

//! Whether an attempt that was cut says something about the network, or only about the file it asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::place::Place;
use crate::policy::network::OriginId;

/// Ends of attempts that are looked back on, over all origins.
const LAST: usize = 64;
/// So many other units have to be whole before a file is blamed.
const ENOUGH: usize = 3;
/// So many of them for each other unit that was cut: that may be the network, or another file that is cut for ever.
const FOR_EACH_CUT: usize = 16;
/// So often a unit is cut before it is asked whether that is its file: a poor network does so once and again. Five more tries
/// are left then, which makes seven requests.
const OWN_CUTS: u32 = 2;

/// How the last attempts ended.
#[derive(Debug, Default)]
pub(super) struct Ends {
    last: VecDeque<End>,
    /// How often each unit was cut that is not whole yet.
    cuts: BTreeMap<Place, u32>,
}

#[derive(Debug)]
struct End {
    origin: OriginId,
    place: Place,
    /// Bytes of a unit that came whole at its first attempt; `None`: the attempt was cut.
    whole: Option<u64>,
}

impl Ends {
    /// A unit of `bytes` came whole at its first attempt.
    pub(super) fn whole(&mut self, origin: OriginId, place: Place, bytes: u64) {
        self.note(End { origin, place, whole: Some(bytes) });
    }

    /// An attempt for a unit lost its connection.
    pub(super) fn cut(&mut self, origin: OriginId, place: Place) {
        let cuts = self.cuts.entry(place).or_default();
        *cuts = cuts.saturating_add(1);
        self.note(End { origin, place, whole: None });
    }

    /// A unit is not fetched any more.
    pub(super) fn settled(&mut self, place: Place) {
        self.cuts.remove(&place);
    }

    /// Returns whether other units of the origin come whole, so that the file of this one is cut and not the network bad.
    /// Units smaller than `bytes`, which an attempt for this one has brought, are no evidence.
    pub(super) fn is_the_file(&self, origin: OriginId, place: Place, bytes: u64) -> bool {
        let others = || self.last.iter().filter(|end| end.origin == origin && end.place != place);
        let whole = others().filter(|end| end.whole.is_some_and(|size| size >= bytes)).count();
        let cut =
            others().filter(|end| end.whole.is_none()).map(|end| end.place).collect::<BTreeSet<_>>().len();
        let own = self.cuts.get(&place).copied().unwrap_or(0);
        whole >= ENOUGH.max(cut * FOR_EACH_CUT) && own >= OWN_CUTS
    }

    fn note(&mut self, end: End) {
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_other_units_tells_a_bad_network_from_a_cut_file() {
        // Other units: `+` whole, `-` cut, `.` whole and smaller than what this one's attempt brought, `o` whole from
        // another origin, `x` one that is cut again and again. Last, whether the file is to blame.
        for (others, is_the_file) in [
            ("", false),
            ("++", false),
            ("+++", true),
            ("........", false),
            ("oooooo", false),
            ("+++-", false),
            ("++++++++++++-", false),
            ("++++++++++++++++-", true),
            ("++++++++xx++++++++xxxxx", true),
            ("++++++++xx++++++++xxxxx-", false),
            ("--++++++++++++++++++++++++++++++++", true),
            ("-+++-++++-++++-++++-++++-++++-++++", false),
        ] {
            let mut ends = Ends::default();
            for (index, other) in (1..).zip(others.chars()) {
                let place = Place { track: 0, index };
                match other {
                    '+' => ends.whole(0, place, 500_000),
                    '.' => ends.whole(0, place, 60_000),
                    'o' => ends.whole(1, place, 500_000),
                    'x' => ends.cut(0, Place { track: 1, index: 0 }),
                    _ => ends.cut(0, place),
                }
            }
            // Its own attempts are no evidence.
            let place = Place { track: 0, index: 0 };
            ends.cut(0, place);
            assert!(!ends.is_the_file(0, place, 300_000), "{others}: it was cut once");
            ends.cut(0, place);
            assert_eq!(ends.is_the_file(0, place, 300_000), is_the_file, "{others}");
        }
    }
}

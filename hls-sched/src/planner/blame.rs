//! Whether an attempt that was cut says something about the network, or only about the file it asked for.

use std::collections::VecDeque;

use crate::assemble::Place;
use crate::network::OriginId;

/// Ends of attempts that are looked back on, over all origins.
const LAST: usize = 32;
/// So many other units have to be whole before a file is blamed.
const ENOUGH: usize = 3;
/// One cut among so many whole ones is no bad network. Where one attempt in nine fails, six failures in a row are a
/// coincidence of 1 in 500,000.
const WHOLE_PER_CUT: usize = 8;

/// How the last attempts ended.
#[derive(Debug, Default)]
pub(super) struct Ends(VecDeque<End>);

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
        self.note(End { origin, place, whole: None });
    }

    /// Returns whether other units of the origin come whole, so that the file of this one is cut and not the network bad.
    /// Units smaller than `bytes`, which an attempt for this one has brought, are no evidence.
    pub(super) fn is_the_file(&self, origin: OriginId, place: Place, bytes: u64) -> bool {
        let others = || self.0.iter().filter(|end| end.origin == origin && end.place != place);
        let whole = others().filter(|end| end.whole.is_some_and(|size| size >= bytes)).count();
        let cut = others().filter(|end| end.whole.is_none()).count();
        whole >= ENOUGH && whole >= cut * WHOLE_PER_CUT
    }

    fn note(&mut self, end: End) {
        if self.0.len() == LAST {
            self.0.pop_front();
        }
        self.0.push_back(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_other_units_tells_a_bad_network_from_a_cut_file() {
        // Other units: `+` whole, `-` cut, `.` whole and smaller than what this one's attempt brought, `o` whole from
        // another origin. Last, whether the file is to blame.
        for (others, is_the_file) in [
            ("", false),
            ("++", false),
            ("+++", true),
            ("........", false),
            ("oooooo", false),
            ("+++-", false),
            ("++++++++-", true),
            ("+++++++-", false),
            ("----------------------------++++++++++++++++++++++++++++++++", true),
        ] {
            let mut ends = Ends::default();
            for (index, other) in (1..).zip(others.chars()) {
                let place = Place { track: 0, index };
                match other {
                    '+' => ends.whole(0, place, 500_000),
                    '.' => ends.whole(0, place, 60_000),
                    'o' => ends.whole(1, place, 500_000),
                    _ => ends.cut(0, place),
                }
            }
            // Its own attempts are no evidence.
            let place = Place { track: 0, index: 0 };
            ends.cut(0, place);
            assert_eq!(ends.is_the_file(0, place, 300_000), is_the_file, "{others}");
        }
    }
}

//! Whether the packets of a track go on from one segment to the next, by what they have done so far.
//!
//! Continuity counters tell of a packet that is missing at the begin or the end of a segment, where its multiplexer counts
//! through. Many begin anew with each segment, and nothing says which do: so a stream that has gone on over some borders, and
//! nearly always, is expected to do so over the others too.

use std::collections::HashMap;

use crate::assemble::Place;

/// As many borders make a habit. That they agree by accident is one in four thousand.
const LEAST: u32 = 3;
/// Of so many borders one may be another.
const FEW: u32 = 3;
/// Borders that came before the habit was known are looked at again so often in a track: it costs two segments each time.
const MOST_LATE: u32 = 1;
/// So many of them are remembered.
const MANY: usize = 16;

/// The streams of two segments, and whether each goes on from the one to the other.
pub(crate) type Counters = Vec<(u16, bool)>;

/// What the streams of a job do where one segment ends and the next one begins.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    known: HashMap<(u8, u16), Habit>,
    /// Segments that do not go on from the one before, which told nothing at the time.
    early: Vec<(Place, Counters)>,
    looked: HashMap<u8, u32>,
}

#[derive(Debug, Default)]
struct Habit {
    on: u32,
    broken: u32,
}

impl Habits {
    /// Whether a border is another than those so far let expect.
    pub(crate) fn is_break(&self, track: u8, counters: &[(u16, bool)]) -> bool {
        let tells = |habit: &Habit| habit.on >= LEAST && habit.on / FEW >= habit.broken;
        let is_broken =
            |(pid, goes_on): &(u16, bool)| !goes_on && self.known.get(&(track, *pid)).is_some_and(tells);
        counters.iter().any(is_broken)
    }

    /// The border in front of this segment is kept as it is.
    pub(crate) fn learn(&mut self, after: Place, counters: Counters) {
        let was_told = self.is_break(after.track, &counters);
        for (pid, goes_on) in &counters {
            let habit = self.known.entry((after.track, *pid)).or_default();
            let count = if *goes_on { &mut habit.on } else { &mut habit.broken };
            *count = count.saturating_add(1);
        }
        let is_broken = counters.iter().any(|(_, goes_on)| !goes_on);
        if is_broken && !was_told && self.early.len() < MANY {
            self.early.push((after, counters));
        }
    }

    /// A segment that does not go on from the one before, as is known by now.
    pub(crate) fn late(&mut self, track: u8) -> Option<Place> {
        let is_late =
            |(place, counters): &(Place, Counters)| place.track == track && self.is_break(track, counters);
        let at = self.early.iter().position(is_late)?;
        let (place, _) = self.early.remove(at);
        let looked = self.looked.entry(track).or_default();
        *looked += 1;
        (*looked <= MOST_LATE).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: u64) -> Place {
        Place { track: 0, index }
    }

    /// `+` goes on, `-` does not.
    fn habits(borders: &str) -> Habits {
        let mut habits = Habits::default();
        for (index, border) in (1..).zip(borders.chars()) {
            habits.learn(place(index), vec![(256, border == '+')]);
        }
        habits
    }

    #[test]
    fn what_is_expected() {
        let check = |borders, expect| {
            assert_eq!(habits(borders).is_break(0, &[(256, false)]), expect, "{borders}");
        };
        check("", false);
        check("++", false);
        check("+++", true);
        check("-+++", true);
        check("--+++", false);
        check("--++++++", true);
        check("+-+-+-+-", false);
        check("----------------+", false);
        let counts = habits("+++");
        assert!(!counts.is_break(0, &[(256, true)]), "it goes on");
        assert!(!counts.is_break(0, &[(257, false)]), "another stream");
        assert!(!counts.is_break(1, &[(256, false)]), "another track");
        assert!(counts.is_break(0, &[(257, true), (256, false)]), "one of two");
    }

    #[test]
    fn what_came_before_it_was_known_is_looked_at_once() {
        let mut known = habits("-++");
        assert_eq!(known.late(0), None);
        known.learn(place(4), vec![(256, true)]);
        assert_eq!((known.late(1), known.late(0), known.late(0)), (None, Some(place(1)), None));
        // What was told at its time is not looked at again.
        known.learn(place(5), vec![(256, false)]);
        assert_eq!(known.late(0), None);
    }

    #[test]
    fn a_few_are_looked_at_and_no_more() {
        let mut known = habits(&format!("{}{}", "-".repeat(40), "+".repeat(200)));
        let late = std::iter::from_fn(|| known.late(0)).count();
        assert_eq!(late, MOST_LATE as usize);
    }
}

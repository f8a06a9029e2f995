//! What one segment of a track has in common with the next, by what they have had in common so far.
//!
//! Continuity counters tell of a packet that is missing at the begin or the end of a segment, where its multiplexer counts
//! through. Timestamps tell of a single frame, where they are exact. Parameter sets tell of a segment of another rendition.
//! Many streams do none of that, and nothing says which do: so what has held at some borders, and nearly always, is expected
//! at the others too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use hls_media::{Configuration, Container, Summary};

use crate::place::Place;
use crate::policy::doubt::Doubt;

/// As many borders make a habit. That they agree by accident is one in four thousand for counters.
const LEAST: u32 = 3;
/// As many make one of times, which agree by accident even less.
const LEAST_OF_TIME: u32 = 2;
/// Of so many borders one may be another.
const FEW: u32 = 3;
/// Borders that came before the habit was known are looked at again so often in a track, where they turn out to be right: it
/// costs two segments each time.
const MOST_LATE: u32 = 1;
/// So many of them are remembered.
const MANY: usize = 16;
/// More ways to be coded are no habit.
const MOST_VALUES: usize = 4;
/// So much is remembered of all streams and timelines.
const MOST_KNOWN: usize = 4096;
/// Rounding moves times by no more than this, in seconds.
const ROUNDING: f64 = 0.01;
/// The longest frame of sound that is in use: 2,048 samples at 32 kHz.
const FRAME: f64 = 0.064;

/// What streams have in common from one segment to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    /// Continuity counters go on.
    Counters,
    /// It begins exactly when the one before ends.
    Time,
    /// It is coded in the same way as the others of its timeline.
    Coding { timeline: Option<u64> },
    /// Each fragment in it begins exactly when the one before ends.
    Inside,
    /// It begins with the begin of a packet of the elementary stream.
    Begin,
    /// The last packet of the elementary stream is whole.
    End,
    /// It lasts as long as the playlist says.
    Length,
    /// It has the same streams as the others of its timeline.
    Streams { timeline: Option<u64> },
    /// Its text ends with as many line ends as that of the others.
    Ending,
}

impl Rule {
    /// Returns how many segments or borders make a habit.
    fn least(self) -> u32 {
        if matches!(self, Self::Time | Self::Inside) { LEAST_OF_TIME } else { LEAST }
    }
}

/// What a rule says of a stream.
#[derive(Clone, Copy, Debug)]
struct Sign {
    rule: Rule,
    stream: u32,
    /// What it is; 1 where the rule holds that has only two ways.
    value: u64,
    /// What is odd where others are usual. `None`: it never is.
    doubt: Option<Doubt>,
}

impl Sign {
    fn holds(rule: Rule, stream: u32, doubt: Option<Doubt>) -> Self {
        Self { rule, stream, value: u64::from(doubt.is_none()), doubt }
    }
}

/// What shows in a segment, or where it ends and the next one begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs(Vec<Sign>);

impl Signs {
    /// What two segments show that follow one another.
    pub(crate) fn between(before: &Summary, after: &Summary, init: Option<&Configuration>) -> Self {
        let counters = before.counters(after).into_iter().map(|(pid, holds)| {
            Sign::holds(Rule::Counters, u32::from(pid), (!holds).then_some(Doubt::Counters))
        });
        let times = before.ahead(after, init).into_iter().map(|(stream, seconds)| {
            let doubt = (seconds.abs() > ROUNDING).then_some(Doubt::Apart { seconds });
            Sign::holds(Rule::Time, stream, doubt)
        });
        Self(times.chain(counters).collect())
    }

    /// What one segment shows by itself.
    pub(crate) fn of(
        summary: &Summary,
        (timeline, said): (Option<u64>, Duration),
        init: Option<&Configuration>,
    ) -> Self {
        let begins = summary
            .begins()
            .iter()
            .map(|(stream, begins)| Sign::holds(Rule::Begin, *stream, (!begins).then_some(Doubt::Inside)));
        let ends = summary.ends().iter().map(|(stream, is_whole)| {
            Sign::holds(Rule::End, *stream, (!is_whole).then_some(Doubt::Unfinished))
        });
        let codings = summary.codings().iter().map(|(stream, value)| {
            let (rule, doubt) = (Rule::Coding { timeline }, Some(Doubt::Coding));
            Sign { rule, stream: *stream, value: *value, doubt }
        });
        let inside = summary.inside(init).into_iter().map(|(track, seconds)| {
            let doubt = (seconds.abs() > ROUNDING).then_some(Doubt::Within { seconds });
            Sign::holds(Rule::Inside, track, doubt)
        });
        let streams = summary.streams(init).map(|value| {
            let (rule, doubt) = (Rule::Streams { timeline }, Some(Doubt::Streams));
            Sign { rule, stream: 0, value, doubt }
        });
        let ending = summary.ending().map(|lines| {
            let (value, doubt) = (u64::from(lines), Some(Doubt::Ending));
            Sign { rule: Rule::Ending, stream: 0, value, doubt }
        });
        let all = lengths(summary, said, init).chain(streams).chain(ending).chain(inside);
        Self(all.chain(begins).chain(ends).chain(codings).collect())
    }
}

/// Whether the pictures or the sound alone last as long as the playlist says.
fn lengths(
    summary: &Summary,
    said: Duration,
    init: Option<&Configuration>,
) -> impl Iterator<Item = Sign> + use<> {
    let length = move |(stream, lasts, exact): (u32, Option<Duration>, f64)| {
        let seconds = lasts?.as_secs_f64() - said.as_secs_f64();
        let doubt = (seconds.abs() > exact).then_some(Doubt::Lasts { seconds });
        Some(Sign::holds(Rule::Length, stream, doubt))
    };
    // Sound ends with a frame, before or behind the pictures. Multiplexers of transport streams put several into a packet, and
    // what they say of how long the last segment is leaves out some of them.
    let pictures = summary.length_of_pictures(init);
    let (sound, exact) = match summary.container {
        // Beside pictures it may end as it likes.
        _ if pictures.is_some() => (None, FRAME),
        Container::MpegTs => (summary.length_of_sound(init), 3.0 * FRAME),
        _ => {
            let frame = summary.frame().map_or(FRAME, |frame| frame.as_secs_f64() + 0.2 * ROUNDING);
            (summary.length_of_sound(init), frame)
        }
    };
    [(0, pictures, ROUNDING), (1, sound, exact)].into_iter().filter_map(length)
}

/// What the streams of a job have in common from one segment to the next.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    known: BTreeMap<(u8, u32, Rule), Habit>,
    /// Segments that are other than they should be, which nothing told at the time.
    early: Vec<(Place, Signs)>,
    /// Tracks in which something else is usual since the early ones were looked at.
    changed: BTreeSet<u8>,
    looked: HashMap<u8, u32>,
}

/// How often each value came.
#[derive(Debug, Default)]
struct Habit(Vec<(u64, u32)>);

impl Habit {
    fn learn(&mut self, value: u64) {
        let has_room = self.0.len() < MOST_VALUES;
        match self.0.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count = count.saturating_add(1),
            None if has_room => self.0.push((value, 1)),
            None => {}
        }
    }

    /// The value that came at least so often, and nearly always.
    fn usual(&self, least: u32) -> Option<u64> {
        let (value, count) = self.0.iter().max_by_key(|(_, count)| *count)?;
        let others = self.0.iter().map(|(_, count)| *count).sum::<u32>() - count;
        (*count >= least && count / FEW >= others).then_some(*value)
    }
}

impl Habits {
    /// What is other than those so far let expect.
    pub(crate) fn broken(&self, track: u8, signs: &Signs) -> Option<Doubt> {
        let is_odd = |sign: &Sign| self.usual(track, sign).is_some_and(|usual| usual != sign.value);
        signs.0.iter().find_map(|sign| sign.doubt.filter(|_| is_odd(sign)))
    }

    fn usual(&self, track: u8, sign: &Sign) -> Option<u64> {
        self.known.get(&(track, sign.stream, sign.rule))?.usual(sign.rule.least())
    }

    /// What a segment shows, by itself or with the one before it, is kept as it is. `is_told`: what is odd about it has been doubted.
    pub(crate) fn learn(&mut self, place: Place, signs: Signs, is_told: bool) {
        if self.known.len() >= MOST_KNOWN {
            self.known.retain(|(_, _, rule), _| !matches!(rule, Rule::Coding { .. } | Rule::Streams { .. }));
        }
        let mut is_open = false;
        for sign in &signs.0 {
            let (key, least) = ((place.track, sign.stream, sign.rule), sign.rule.least());
            let habit = self.known.entry(key).or_default();
            let before = habit.usual(least);
            is_open |= sign.doubt.is_some() && before != Some(sign.value);
            habit.learn(sign.value);
            if habit.usual(least) != before {
                self.changed.insert(place.track);
            }
        }
        if !is_told && is_open && self.early.len() < MANY {
            self.early.push((place, signs));
            self.changed.insert(place.track);
        }
    }

    /// A segment that is other than it should be, as is known by now.
    pub(crate) fn late(&mut self, track: u8) -> Option<(Place, Doubt)> {
        let looked = self.looked.get(&track).copied().unwrap_or_default();
        if looked >= MOST_LATE || !self.changed.contains(&track) {
            return None;
        }
        let mut late = self.early.iter().enumerate().filter(|(_, (place, _))| place.track == track);
        let Some((at, doubt)) = late.find_map(|(at, (_, signs))| Some((at, self.broken(track, signs)?)))
        else {
            self.changed.remove(&track);
            return None;
        };
        let (place, _) = self.early.remove(at);
        self.looked.insert(track, looked + 1);
        Some((place, doubt))
    }

    /// Notes that a segment that was looked at late was wrong: it does not count.
    pub(crate) fn was_wrong(&mut self, track: u8) {
        if let Some(looked) = self.looked.get_mut(&track) {
            *looked = looked.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: u64) -> Place {
        Place { track: 0, index }
    }

    fn signs(all: &[(u32, bool)]) -> Signs {
        let sign = |(pid, holds): &(u32, bool)| {
            Sign::holds(Rule::Counters, *pid, (!holds).then_some(Doubt::Counters))
        };
        Signs(all.iter().map(sign).collect())
    }

    /// `+` goes on, `-` does not.
    fn habits(borders: &str) -> Habits {
        let mut habits = Habits::default();
        for (index, border) in (1..).zip(borders.chars()) {
            habits.learn(place(index), signs(&[(256, border == '+')]), false);
        }
        habits
    }

    #[test]
    fn what_is_expected() {
        let is_break =
            |habits: &Habits, track, all: &[(u32, bool)]| habits.broken(track, &signs(all)).is_some();
        let check = |borders, expect| {
            assert_eq!(is_break(&habits(borders), 0, &[(256, false)]), expect, "{borders}");
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
        assert!(!is_break(&counts, 0, &[(256, true)]), "it goes on");
        assert!(!is_break(&counts, 0, &[(257, false)]), "another stream");
        assert!(!is_break(&counts, 1, &[(256, false)]), "another track");
        assert!(is_break(&counts, 0, &[(257, true), (256, false)]), "one of two");
        let other = Signs(vec![Sign::holds(Rule::End, 256, Some(Doubt::Unfinished))]);
        assert_eq!(counts.broken(0, &other), None, "another rule");
    }

    #[test]
    fn what_came_before_it_was_known_is_looked_at_once() {
        let mut known = habits("-++");
        assert_eq!(known.late(0), None);
        known.learn(place(4), signs(&[(256, true)]), false);
        let found = Some((place(1), Doubt::Counters));
        assert_eq!((known.late(1), known.late(0), known.late(0)), (None, found, None));
        // What was told at its time is not looked at again.
        known.learn(place(5), signs(&[(256, false)]), true);
        assert_eq!(known.late(0), None);
        // What was judged before it was known, and came behind that, is.
        let mut known = habits("+++");
        known.learn(place(5), signs(&[(256, false)]), false);
        assert_eq!(known.late(0), Some((place(5), Doubt::Counters)));
    }

    #[test]
    fn a_few_are_looked_at_and_no_more() {
        let mut known = habits(&format!("{}{}", "-".repeat(40), "+".repeat(200)));
        let late = std::iter::from_fn(|| known.late(0)).count();
        assert_eq!(late, MOST_LATE as usize);
    }
}

//! One timeline for all clocks of all inputs.

use std::time::Duration;

use super::{
    clock::{FLICKS, MPEG, flicks, scaled, ticks, unwrapped},
    clocks::{Decided, Shared, shared},
    index::{Indexed, IndexedTrack, Span},
};

/// A timestamp may lie so far outside of what has its clock.
const AROUND: i64 = FLICKS * 60;

/// Says when in the output something is that was timed by a clock of the inputs.
///
/// The first picture or sound is at 0. What has another clock begins where the first of its tracks can go on without an overlap
/// in any; tracks that share a clock keep their distance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// What to add to the presentation times of each epoch of each input, in flicks.
    shifts: Vec<Vec<i64>>,
    /// Of each clock the number of the timeline, the first and the last timestamp, in flicks, and what to add to them.
    clocks: Vec<Clock>,
    pub(crate) decided: Vec<Decided>,
    end: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    number: u64,
    first: i64,
    last: i64,
    shift: i64,
}

impl Timeline {
    /// Puts the clocks of inputs that belong together onto one timeline.
    pub fn new(inputs: &[Indexed]) -> Self {
        let (shared, decided) = shared(inputs);
        let shifts = inputs.iter().map(|input| vec![0; input.epochs.len()]).collect();
        let mut timeline = Self { shifts, clocks: Vec::new(), decided, end: 0 };
        let mut ends: Vec<Vec<Option<i64>>> =
            inputs.iter().map(|input| vec![None; input.tracks.len()]).collect();
        for (turn, one) in shared.iter().enumerate() {
            timeline.place(inputs, one, turn == 0, &mut ends);
        }
        timeline.clocks.sort_by_key(|clock| clock.number);
        timeline.end = ends.iter().flatten().flatten().max().copied().unwrap_or(0);
        timeline
    }

    /// Places what shares a clock behind all that was placed.
    fn place(&mut self, inputs: &[Indexed], one: &Shared, is_first: bool, ends: &mut [Vec<Option<i64>>]) {
        let floats = |input: usize| inputs.get(input).is_some_and(|i| i.tracks.iter().any(|t| t.info.floats));
        let clocked = || one.0.iter().filter(|(stretch, _)| !floats(stretch.input) || one.0.len() == 1);
        let earliest =
            clocked().map(|(stretch, base)| stretch.first.saturating_add(*base)).min().unwrap_or(0);
        // How far each track has to be moved to go on where it has ended.
        let moves = clocked().flat_map(|(stretch, base)| {
            let ends = ends.get(stretch.input);
            stretch.tracks.iter().filter_map(move |(track, first, _)| {
                Some(ends?.get(*track).copied().flatten()?.saturating_sub(first.saturating_add(*base)))
            })
        });
        let behind = || ends.iter().flatten().flatten().max().copied().unwrap_or(0).saturating_sub(earliest);
        let shift = if is_first { earliest.saturating_neg() } else { moves.max().unwrap_or_else(behind) };
        let gap = one.0.iter().map(|(stretch, _)| stretch.gap).max().unwrap_or(0);
        let shift = if is_first { shift } else { shift.saturating_add(gap) };
        let begin = earliest.saturating_add(shift);
        for (stretch, base) in &one.0 {
            let input = stretch.input;
            let own = match floats(input) && one.0.len() > 1 {
                true => begin.saturating_sub(stretch.first),
                false => shift.saturating_add(*base),
            };
            for (epoch, wraps) in &stretch.epochs {
                let slot = self.shifts.get_mut(input).and_then(|shifts| shifts.get_mut(*epoch));
                slot.into_iter().for_each(|slot| *slot = own.saturating_add(*wraps));
            }
            for (track, _, last) in &stretch.tracks {
                let Some(end) = ends.get_mut(input).and_then(|ends| ends.get_mut(*track)) else { continue };
                let last = last.saturating_add(own);
                *end = Some(end.map_or(last, |end| end.max(last)));
            }
        }
        let Some((stretch, base)) = one.0.first() else { return };
        let last = stretch.tracks.iter().map(|(_, _, last)| *last).max().unwrap_or(stretch.first);
        let input = inputs.get(stretch.input);
        for (epoch, _) in &stretch.epochs {
            let Some(epoch) = input.and_then(|input| input.epochs.get(*epoch)) else { continue };
            let shift = shift.saturating_add(*base);
            self.clocks.push(Clock { number: epoch.timeline, first: stretch.first, last, shift });
        }
    }

    /// Returns when in the output a timestamp of 90 kHz and 33 bits is, in microseconds, by the clock of a timeline (the
    /// discontinuity sequence number), or of the one before it where no input has that; by another clock, where only that one
    /// has such timestamps. It is negative before the begin.
    pub fn micros(&self, timeline: u64, timestamp: u64) -> i64 {
        let at = |clock: &Clock| {
            let ticks = unwrapped((timestamp & 0x1_ffff_ffff) as i64, ticks(clock.first, MPEG));
            flicks(ticks, MPEG)
        };
        let fits = |clock: &&Clock| {
            (clock.first.saturating_sub(AROUND)..=clock.last.saturating_add(AROUND)).contains(&at(clock))
        };
        let told = self.clocks.iter().rev().find(|clock| clock.number <= timeline).or(self.clocks.first());
        let Some(told) = told else { return 0 };
        let clock = Some(told).filter(fits).or_else(|| self.clocks.iter().find(fits)).unwrap_or(told);
        scaled(at(clock).saturating_add(clock.shift), 1_000_000, FLICKS)
    }

    /// Returns how long all of it is.
    pub fn lasts(&self) -> Duration {
        duration(self.end.max(0)).unwrap_or_default()
    }

    pub(crate) fn shift(&self, input: usize, epoch: usize) -> i64 {
        self.shifts.get(input).and_then(|shifts| shifts.get(epoch)).copied().unwrap_or(0)
    }
}

/// Makes a duration of flicks, where they are not negative.
pub(crate) fn duration(flicks: i64) -> Option<Duration> {
    let flicks = u64::try_from(flicks).ok()?;
    let (seconds, rest) = (flicks / FLICKS as u64, flicks % FLICKS as u64);
    Some(Duration::new(seconds, u32::try_from(rest * 1_000_000_000 / FLICKS as u64).ok()?))
}

/// The presentation time that a track begins with in ticks of its media: without what only the decoder needs.
pub(crate) fn opening(track: &IndexedTrack, span: &Span) -> i64 {
    let opens_at = track.info.opens_at.map_or(i64::MIN, |at| at.saturating_sub(track.info.shift));
    // Only the very begin can be left out by an edit list.
    if span.first == 0 { span.min_pts.max(opens_at).min(span.end) } else { span.min_pts }
}

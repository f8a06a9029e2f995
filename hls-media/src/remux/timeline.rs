//! One timeline for all clocks of all inputs.

use std::time::Duration;

use super::{
    clock::{FLICKS, MPEG, flicks, scaled, unwrapped, whole_wraps},
    index::{Indexed, IndexedTrack, Span, in_flicks},
};

/// Says when in the output something is that was timed by a clock of the inputs.
///
/// The first picture or sound is at 0. Each timeline begins where the last track of the one before ends: nothing
/// overlaps, and tracks that share a clock keep their distance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// What to add to the presentation times of each epoch of each input, in flicks.
    shifts: Vec<Vec<i64>>,
    /// The first timestamp of each timeline number, in flicks, and what to add to it.
    clocks: Vec<(u64, i64, i64)>,
}

impl Timeline {
    /// Puts the clocks of inputs that belong together onto one timeline.
    pub fn new(inputs: &[Indexed]) -> Self {
        let mut shifts = inputs.iter().map(|input| vec![0; input.epochs.len()]).collect::<Vec<_>>();
        let mut numbers = inputs.iter().flat_map(|i| i.epochs.iter().map(|e| e.timeline)).collect::<Vec<_>>();
        numbers.sort_unstable();
        numbers.dedup();
        let (mut clocks, mut ends) = (Vec::new(), vec![0_i64; inputs.len()]);
        for (turn, number) in numbers.into_iter().enumerate() {
            let announced = inputs.iter().map(|input| {
                let found = input.epochs.iter().position(|e| e.timeline == number && !e.is_implied)?;
                Some((found, first(input, found)?))
            });
            let announced = announced.collect::<Vec<_>>();
            let position = ends.iter().copied().max().unwrap_or(0);
            // What has no clock of its own comes last, when it is known where the others begin.
            let floats =
                |n: usize| inputs.get(n).is_some_and(|input| input.tracks.iter().any(|t| t.info.floats));
            let wraps =
                |n: usize| inputs.get(n).is_some_and(|input| input.tracks.iter().any(|t| t.info.wraps));
            let clocked = || announced.iter().enumerate().filter(|(n, _)| !floats(*n));
            let reference = clocked().find_map(|(_, found)| found.map(|(_, first)| first));
            let mut bases = vec![0_i64; inputs.len()];
            if let Some(reference) = reference {
                for (n, found) in clocked() {
                    if let (Some((_, first)), true, Some(base)) = (found, wraps(n), bases.get_mut(n)) {
                        *base = whole_wraps(*first, reference);
                    }
                }
            }
            let firsts =
                clocked().filter_map(|(n, found)| Some(found.as_ref()?.1.saturating_add(*bases.get(n)?)));
            let earliest = firsts.min();
            // Time that is missing before this timeline, by the playlist.
            let gap = inputs
                .iter()
                .zip(&announced)
                .filter_map(|(input, found)| Some(in_flicks(input.epochs.get(found.as_ref()?.0)?.gap)));
            let position = if turn == 0 { 0 } else { position.saturating_add(gap.max().unwrap_or(0)) };
            let shared = position.saturating_sub(earliest.unwrap_or(0));
            clocks.push((number, earliest.unwrap_or(0), shared));
            for (n, (input, found)) in inputs.iter().zip(&announced).enumerate() {
                let (Some(shifts), Some(end)) = (shifts.get_mut(n), ends.get_mut(n)) else { continue };
                if let Some((epoch, first)) = found {
                    let base = bases.get(n).copied().unwrap_or(0);
                    let shift =
                        if floats(n) { position.saturating_sub(*first) } else { shared.saturating_add(base) };
                    if let Some(slot) = shifts.get_mut(*epoch) {
                        *slot = shift;
                    }
                    *end = (*end).max(last(input, *epoch).saturating_add(shift));
                }
                // Jumps that nobody told of are each input's own.
                for (epoch, jump) in
                    input.epochs.iter().enumerate().filter(|(_, e)| e.timeline == number && e.is_implied)
                {
                    let Some(first) = first(input, epoch) else { continue };
                    let shift = end.saturating_add(in_flicks(jump.gap)).saturating_sub(first);
                    if let Some(slot) = shifts.get_mut(epoch) {
                        *slot = shift;
                    }
                    *end = (*end).max(last(input, epoch).saturating_add(shift));
                }
            }
        }
        Self { shifts, clocks }
    }

    /// Returns when in the output a timestamp of 90 kHz and 33 bits is, in microseconds, by the clock of a timeline (the
    /// discontinuity sequence number), or of the one before it where no input has that. It is negative before the begin.
    pub fn micros(&self, timeline: u64, timestamp: u64) -> i64 {
        let known = self.clocks.iter().rev().find(|(number, ..)| *number <= timeline);
        let Some((_, first, shift)) = known.or(self.clocks.first()) else { return 0 };
        let reference = super::clock::ticks(*first, MPEG);
        let ticks = unwrapped((timestamp & 0x1_ffff_ffff) as i64, reference);
        scaled(flicks(ticks, MPEG).saturating_add(*shift), 1_000_000, FLICKS)
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

fn spans(input: &Indexed, epoch: usize) -> impl Iterator<Item = (&IndexedTrack, &Span)> {
    input.tracks.iter().flat_map(move |track| {
        track.recorded.spans.iter().filter(move |span| span.epoch == epoch).map(move |span| (track, span))
    })
}

/// When the first track of an input begins in an epoch, in flicks.
fn first(input: &Indexed, epoch: usize) -> Option<i64> {
    let begins = spans(input, epoch).map(|(track, span)| {
        flicks(opening(track, span).saturating_add(track.info.shift), track.info.timescale)
    });
    begins.min()
}

/// When the last one ends.
fn last(input: &Indexed, epoch: usize) -> i64 {
    let ends = spans(input, epoch)
        .map(|(track, span)| flicks(span.end.saturating_add(track.info.shift), track.info.timescale));
    ends.max().unwrap_or(i64::MIN / 2)
}

//! Which parts of which inputs share a clock: by their timestamps first, then by the times of the playlists, and last by
//! discontinuity numbers, which are wrong in many streams.

use super::{
    clock::{FLICKS, flicks, whole_wraps},
    index::{Indexed, IndexedTrack, Span, in_flicks},
    timeline::opening,
};

/// A mark in the playlist means nothing where timestamps go on as exactly as this.
const GOES_ON: i64 = FLICKS / 4;
/// Timestamps of tracks that share a clock differ by no more than this from what the playlists say, or twice the longest segment.
const SKEW: i64 = 3 * FLICKS;
const MOST_SKEW: i64 = 30 * FLICKS;

/// A part of an input whose timestamps are of one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) input: usize,
    /// Its epochs, and what has to be added to the timestamps of each so that wraps are no jumps.
    pub(super) epochs: Vec<(usize, i64)>,
    /// The discontinuity number; `None`: nobody told of it.
    pub(super) number: Option<u64>,
    /// When it begins and ends by the playlist, and by its timestamps.
    playlist: (i64, i64),
    pub(super) first: i64,
    /// For each of its tracks: when it begins and ends.
    pub(super) tracks: Vec<(usize, i64, i64)>,
    /// Time that is missing before it.
    pub(super) gap: i64,
    wraps: bool,
}

impl Stretch {
    /// Returns when the last of its tracks ends, by its timestamps.
    fn end(&self) -> i64 {
        self.tracks.iter().map(|(_, _, end)| *end).max().unwrap_or(self.first)
    }

    /// Tells whether this stretch lies beside at least half of another one, or half of it does, by their timestamps, this one's
    /// moved by `base`.
    fn is_beside(&self, other: &Self, base: i64) -> bool {
        let (first, end) = (self.first.saturating_add(base), self.end().saturating_add(base));
        let shared = end.min(other.end()).saturating_sub(first.max(other.first));
        let shorter = end.saturating_sub(first).min(other.end().saturating_sub(other.first));
        shared > 0 && shared.saturating_mul(2) >= shorter
    }
}

/// Stretches of several inputs that share a clock, each with what has to be added to its timestamps to bring them onto that of the
/// first one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shared(pub(super) Vec<(Stretch, i64)>);

/// Something about clocks that had to be decided against what a stream says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    /// The discontinuity numbers of an input contradict its timestamps.
    Numbers { input: usize },
    /// The timestamps of an input are so far off those of the others that the playlist was followed, in flicks.
    Baseline { input: usize, by: i64 },
}

/// Finds the stretches of all inputs that share clocks, in their order.
pub(super) fn shared(inputs: &[Indexed]) -> (Vec<Shared>, Vec<Decided>) {
    let floats = |n: &usize| inputs.get(*n).is_some_and(|input| input.tracks.iter().any(|t| t.info.floats));
    let has_video = |n: &usize| {
        inputs.get(*n).is_some_and(|input| {
            input.tracks.iter().any(|t| &t.info.handler == b"vide" && !t.recorded.spans.is_empty())
        })
    };
    let all = || (0..inputs.len()).filter(|n| !floats(n));
    let Some(reference) =
        all().find(has_video).or_else(|| all().next()).or((!inputs.is_empty()).then_some(0))
    else {
        return Default::default();
    };
    let longest =
        inputs.iter().flat_map(|input| &input.input.units).map(|unit| in_flicks(unit.duration)).max();
    let skew = longest.unwrap_or(0).saturating_mul(2).clamp(SKEW, MOST_SKEW);
    let of = |n: usize| inputs.get(n).map(|input| stretches(n, input, inputs.len() == 1)).unwrap_or_default();
    let mut shared = of(reference).into_iter().map(|one| Shared(vec![(one, 0)])).collect::<Vec<_>>();
    let mut decided = Vec::new();
    for n in (0..inputs.len()).filter(|n| *n != reference) {
        let (mut by, mut is_misnumbered) = (None, false);
        for one in of(n) {
            match partner(&one, &shared, reference, skew, floats(&n)) {
                Some(Partner { at, base, off }) => {
                    let Some(found) = shared.get_mut(at) else { continue };
                    by = by.or(off);
                    let number = found.0.first().and_then(|(first, _)| first.number);
                    is_misnumbered |= number.zip(one.number).is_some_and(|(a, b)| a != b);
                    found.0.push((one, base));
                }
                None => {
                    let begin = |shared: &Shared| shared.0.first().map_or(0, |(first, _)| first.playlist.0);
                    let at =
                        shared.iter().position(|other| begin(other) > one.playlist.0).unwrap_or(shared.len());
                    shared.insert(at, Shared(vec![(one, 0)]));
                }
            }
        }
        decided.extend(is_misnumbered.then_some(Decided::Numbers { input: n }));
        decided.extend(by.map(|by| Decided::Baseline { input: n, by }));
    }
    (shared, decided)
}

struct Partner {
    at: usize,
    base: i64,
    /// How far off its timestamps are, where the playlist was followed against them.
    off: Option<i64>,
}

/// Finds what a stretch shares its clock with.
fn partner(one: &Stretch, shared: &[Shared], reference: usize, skew: i64, floats: bool) -> Option<Partner> {
    let others = || {
        shared.iter().enumerate().filter_map(|(at, shared)| {
            shared.0.first().map(|(other, _)| (at, other)).filter(|(_, other)| other.input == reference)
        })
    };
    let overlap = |other: &Stretch| {
        one.playlist.1.min(other.playlist.1).saturating_sub(one.playlist.0.max(other.playlist.0))
    };
    let same_number = |other: &Stretch| one.number.is_some() && one.number == other.number;
    // By how much its timestamps are later than those of another one, against what the playlists say; and what wraps add.
    let apart = |other: &Stretch, by_playlist: bool| {
        let (mine, its) = if by_playlist { (one.playlist.0, other.playlist.0) } else { (0, 0) };
        let (mine, its) = (one.first.saturating_sub(mine), other.first.saturating_sub(its));
        let base = if one.wraps { whole_wraps(mine, its) } else { 0 };
        (mine.saturating_add(base).saturating_sub(its), base)
    };
    if !floats {
        let close = others().map(|(at, other)| (at, other, apart(other, true)));
        let close = close.filter(|(_, _, (off, _))| off.saturating_abs() <= skew).collect::<Vec<_>>();
        let least = close.iter().map(|(_, _, (off, _))| off.saturating_abs()).min();
        let among = close.iter().filter(|(_, _, (off, _))| Some(off.saturating_abs() - FLICKS / 2) <= least);
        if let Some((at, _, (_, base))) = among.max_by_key(|(_, other, _)| overlap(other)) {
            return Some(Partner { at: *at, base: *base, off: None });
        }
        let near =
            others().filter(|(_, other)| same_number(other)).map(|(at, other)| (at, apart(other, false)));
        if let Some((at, (_, base))) = near.into_iter().find(|(_, (off, _))| off.saturating_abs() <= skew) {
            return Some(Partner { at, base, off: None });
        }
    }
    let by_number = others().find(|(_, other)| same_number(other));
    let by_time = || others().filter(|(_, other)| overlap(other) > 0).max_by_key(|(_, other)| overlap(other));
    let (at, other) = by_number.or_else(by_time)?;
    let (off, base) = apart(other, true);
    // A rendition that begins late lies beside the others by its timestamps. Those of a clock of its own have no such relation, or
    // come again where an earlier part of it is already.
    let is_free = |(earlier, moved): &(Stretch, i64)| {
        earlier.input != one.input
            || earlier.end().saturating_add(*moved) <= one.first.saturating_add(base).saturating_add(FLICKS)
    };
    let is_free = shared.get(at).is_some_and(|shared| shared.0.iter().all(is_free));
    if !floats && is_free && one.is_beside(other, base) {
        return Some(Partner { at, base, off: None });
    }
    Some(Partner { at, base: base.saturating_sub(off), off: (!floats).then_some(off) })
}

/// Returns the stretches of an input. Epochs of which each goes on where the one before ends are one stretch. `is_alone`: there is
/// no other input.
fn stretches(number: usize, input: &Indexed, is_alone: bool) -> Vec<Stretch> {
    let wraps = input.tracks.iter().any(|track| track.info.wraps);
    let begin = |epoch: usize| {
        let unit = input.epochs.get(epoch).map_or(usize::MAX, |epoch| epoch.unit as usize);
        let all = input.input.units.iter().take(unit).map(|unit| in_flicks(unit.duration));
        all.fold(0, i64::saturating_add)
    };
    let mut stretches: Vec<Stretch> = Vec::new();
    // Time in which none of its tracks has anything, such as an advertisement without sound where sound alone is taken.
    let mut empty = 0_i64;
    for (at, epoch) in input.epochs.iter().enumerate() {
        let tracks = spans(input, at);
        let playlist = (begin(at), begin(at + 1));
        let Some(first) = tracks.iter().map(|(_, first, _)| *first).min() else {
            // Of an epoch, the playlist has what is missing behind it too, but not what is missing in front.
            if empty == 0 {
                empty = in_flicks(epoch.gap);
            }
            empty = empty.saturating_add(playlist.1.saturating_sub(playlist.0));
            continue;
        };
        let hole = std::mem::take(&mut empty);
        // In front of all there is no hole, and beside another input something else may be there.
        let is_hole = hole > 0 && is_alone && !stretches.is_empty();
        let gap = if is_hole { hole } else { in_flicks(epoch.gap) };
        if let Some(last) = stretches.last_mut().filter(|_| !epoch.is_implied)
            && let Some(base) = goes_on(last, &tracks, wraps, gap)
        {
            last.epochs.push((at, base));
            last.playlist.1 = playlist.1;
            for (track, first, end) in tracks {
                let (first, end) = (first.saturating_add(base), end.saturating_add(base));
                match last.tracks.iter_mut().find(|(known, _, _)| *known == track) {
                    Some((_, _, known)) => *known = end.max(*known),
                    None => last.tracks.push((track, first, end)),
                }
            }
            continue;
        }
        stretches.push(Stretch {
            input: number,
            epochs: vec![(at, 0)],
            number: (!epoch.is_implied).then_some(epoch.timeline),
            playlist,
            first,
            tracks,
            gap,
            wraps,
        });
    }
    stretches
}

/// Whether tracks go on where a stretch ends; returns what wraps add.
fn goes_on(last: &Stretch, tracks: &[(usize, i64, i64)], wraps: bool, gap: i64) -> Option<i64> {
    let off = tracks.iter().filter_map(|(track, first, _)| {
        let (_, _, end) = last.tracks.iter().find(|(known, _, _)| known == track)?;
        let expected = end.saturating_add(gap);
        let base = if wraps { whole_wraps(*first, expected) } else { 0 };
        Some((first.saturating_add(base).saturating_sub(expected), base))
    });
    // Of all tracks, the one that is off the most: a single one that goes on proves nothing.
    off.max_by_key(|(off, _)| off.saturating_abs())
        .filter(|(off, _)| off.saturating_abs() <= GOES_ON)
        .map(|(_, base)| base)
}

/// When each track of an input begins and ends in an epoch, in flicks.
fn spans(input: &Indexed, epoch: usize) -> Vec<(usize, i64, i64)> {
    let of = |(number, track): (usize, &IndexedTrack)| {
        let span: &Span = track.recorded.spans.iter().find(|span| span.epoch == epoch)?;
        let placed = |ticks: i64| flicks(ticks.saturating_add(track.info.shift), track.info.timescale);
        Some((number, placed(opening(track, span)), placed(span.end)))
    };
    input.tracks.iter().enumerate().filter_map(of).collect()
}

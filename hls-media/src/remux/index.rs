//! The first pass: where the samples of an input are, and when.

use std::time::Duration;

use super::{
    clock::{FLICKS, flicks},
    demuxer::Demuxer,
    error::RemuxError,
    input::{Input, MayLack, Takes, Unit},
    report::{Irregularity, LeftOut, Noted, Notes},
    sample::{Sample, Sink, TrackInfo},
    sound::is_bare,
    table::Table,
};

/// A round ends when one of its tracks has that much time, or all of them together have that many bytes.
pub(crate) const ROUND: i64 = FLICKS / 2;
const ROUND_BYTES: u64 = 2 << 20;
/// What is off by less is no hole and no overlap: timestamps are rounded in many places.
const NOTICED: i64 = FLICKS / 100;
/// Media that goes back by more from one unit to the next, or ahead, has another clock that nobody told of.
const BACK: i64 = FLICKS / 2;
const SHORT_BACK: i64 = FLICKS / 10;
const AHEAD: i64 = FLICKS * 10;

/// Indexes one input: takes all its bytes, and keeps some bytes for each sample.
///
/// See the [module](crate::remux) for what to do with it.
#[derive(Debug)]
pub struct Index {
    input: Input,
    demuxer: Demuxer,
    recorder: Recorder,
}

impl Index {
    /// Begins with an input.
    pub fn new(input: Input) -> Self {
        Self { demuxer: Demuxer::new(&input), recorder: Recorder::new(&input), input }
    }

    /// Takes more bytes of the input, from its begin.
    ///
    /// # Errors
    ///
    /// Where the bytes are damaged, or hold what can't be put into an MP4. Nothing can be pushed after that.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RemuxError> {
        self.demuxer.push(bytes, &self.input.units, &mut self.recorder)
    }

    /// Says that the next unit, which is [somewhere](super::Unit::SOMEWHERE), begins with what is pushed next.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn begin_unit(&mut self) -> Result<(), RemuxError> {
        self.demuxer.next_unit(&self.input.units, &mut self.recorder)
    }

    /// Ends an input of which it is known by now where its units begin. `None`: these are other ones.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_with(mut self, units: Vec<Unit>) -> Result<Option<Indexed>, RemuxError> {
        let placed = |unit: &Unit| Unit { offset: Unit::SOMEWHERE, ..unit.clone() };
        if !units.iter().map(placed).eq(self.input.units.iter().cloned()) {
            return Ok(None);
        }
        self.input.units = units;
        self.finish().map(Some)
    }

    /// Ends the input.
    ///
    /// # Errors
    ///
    /// Where the end is missing, or where there is nothing in it.
    pub fn finish(mut self) -> Result<Indexed, RemuxError> {
        self.demuxer.finish(&mut self.recorder)?;
        let left_out = self.demuxer.left_out().to_vec();
        self.recorder.finish(self.input, self.demuxer.tracks(), left_out)
    }
}

/// What the first pass has found in an input.
#[derive(Debug)]
pub struct Indexed {
    pub(crate) input: Input,
    pub(crate) tracks: Vec<IndexedTrack>,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) rounds: Vec<Round>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) notes: Notes,
    /// When each unit begins, in flicks of its epoch, and whether video says so.
    pub(crate) begins: Vec<Option<(i64, bool)>>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Indexed {
    /// Returns the memory that the table of samples takes, in bytes.
    pub fn footprint(&self) -> usize {
        let tables = self.tracks.iter().map(|track| track.recorded.table.footprint()).sum::<usize>();
        tables + self.rounds.len() * size_of::<Round>() + self.chunks.len() * size_of::<Chunk>()
    }

    /// Returns the number of samples in all tracks.
    pub fn samples(&self) -> u64 {
        self.tracks.iter().map(|track| track.recorded.table.len()).sum()
    }

    /// The epoch that a unit belongs to.
    pub(crate) fn epoch_of(&self, unit: u32) -> usize {
        self.epochs.partition_point(|epoch| epoch.unit <= unit).saturating_sub(1)
    }
}

/// A track of an input.
#[derive(Debug)]
pub(crate) struct IndexedTrack {
    pub(crate) info: TrackInfo,
    pub(crate) recorded: Recorded,
}

/// The samples of a track.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) table: Table,
    pub(crate) spans: Vec<Span>,
    entry: Option<u8>,
}

/// The samples of a track in one epoch; times in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) epoch: usize,
    /// The number of its first sample.
    pub(crate) first: u64,
    pub(crate) first_dts: i64,
    pub(crate) min_pts: i64,
    pub(crate) end: i64,
    pub(crate) last_dts: i64,
    /// Of the last sample, as far as it is known or can be guessed from those before.
    pub(crate) last_duration: u32,
    /// Nothing has told yet how long a sample lasts.
    is_guessed: bool,
    /// The last step between samples, where it was longer than usual.
    unusual: i64,
}

/// Units that share a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// The first unit.
    pub(crate) unit: u32,
    pub(crate) timeline: u64,
    /// Nobody told of it, but timestamps jump.
    pub(crate) is_implied: bool,
    /// Time that is missing before its first unit.
    pub(crate) gap: Duration,
}

/// Samples that stand together in the output, those of each track in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) epoch: usize,
    /// When its first sample is presented, in flicks.
    pub(crate) begin: i64,
    /// The number of chunks.
    pub(crate) chunks: u32,
    pub(crate) samples: u32,
    /// A checksum of the sizes.
    pub(crate) check: u32,
    /// Where it is in the output already; `None`: behind the one before.
    pub(crate) at: Option<u64>,
}

/// Samples of one track in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) track: u8,
    pub(crate) entry: u8,
    pub(crate) samples: u32,
    pub(crate) bytes: u32,
}

/// Takes a sample into the checksum of a round.
pub(crate) fn checked(check: u32, track: usize, size: u32) -> u32 {
    (check.rotate_left(5) ^ size ^ (track as u32) << 28).wrapping_mul(0x9e37_79b1)
}

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    takes: Takes,
    epochs: Vec<Epoch>,
    tracks: Vec<Recorded>,
    rounds: Vec<Round>,
    chunks: Vec<Chunk>,
    /// The round that is under way: its chunks, and when each track began.
    round: Option<Round>,
    open: Vec<(Chunk, i64)>,
    open_bytes: u64,
    notes: Notes,
    begins: Vec<Option<(i64, bool)>>,
    /// The unit of the sample that is furthest.
    latest: u32,
    /// The epoch that is under way and the time that it has come to; when each track began in the unit that it began last.
    reaches: Option<(usize, i64)>,
    unit_begins: Vec<i64>,
    /// For each unit, the time that is missing directly before it.
    gaps: Vec<Duration>,
    /// Where the next round is in the output, where all of them are there and end where they are said to.
    at: Option<u64>,
    /// The tracks in the order in which their data lie in such a round; empty: in their own.
    laid: Vec<usize>,
}

impl Recorder {
    pub(crate) fn new(input: &Input) -> Self {
        let units = &input.units;
        let begins = vec![None; units.len().max(1)];
        let mut recorder = Self { takes: input.takes, begins, ..Self::default() };
        let mut gap = Duration::ZERO;
        for (unit, number) in units.iter().zip(0..) {
            recorder.gaps.push(gap);
            if unit.is_gap {
                gap = gap.saturating_add(unit.duration);
                continue;
            }
            if recorder.epochs.last().is_none_or(|epoch| epoch.timeline != unit.timeline) {
                let timeline = unit.timeline;
                recorder.epochs.push(Epoch { unit: number, timeline, is_implied: false, gap });
            }
            gap = Duration::ZERO;
        }
        if let Some(first) = recorder.epochs.first_mut() {
            // What is missing before the very first sample is no part of the file.
            (first.unit, first.gap) = (0, Duration::ZERO);
        } else {
            let timeline = units.first().map_or(0, |unit| unit.timeline);
            recorder.epochs.push(Epoch { unit: 0, timeline, is_implied: false, gap: Duration::ZERO });
        }
        recorder
    }

    pub(crate) fn finish(
        mut self,
        input: Input,
        infos: &[TrackInfo],
        left_out: Vec<LeftOut>,
    ) -> Result<Indexed, RemuxError> {
        self.end_round();
        let Self { takes, epochs, tracks, rounds, chunks, notes, begins, .. } = self;
        if tracks.iter().all(|recorded| recorded.spans.is_empty()) {
            return Err(RemuxError::Empty);
        }
        let mut left_out = left_out;
        let mut infos = infos.to_vec();
        for (number, info) in infos.iter_mut().enumerate().filter(|(_, info)| takes.takes(&info.handler)) {
            let full = info.entries.iter().rev().find(|entry| !is_bare(entry)).cloned();
            let is_skipped = |noted: &Noted| {
                noted.track == number && matches!(noted.what, Irregularity::Skipped { bytes } if bytes > 0)
            };
            let what = match (full, info.entries.is_empty()) {
                (Some(full), _) => {
                    info.entries
                        .iter_mut()
                        .filter(|entry| is_bare(entry))
                        .for_each(|entry| entry.clone_from(&full));
                    continue;
                }
                // Bytes have come, and none of them are of a frame.
                (None, true) if notes.kept.iter().any(is_skipped) => "a track in which no frame can be found",
                (None, true) => continue,
                (None, false) => "AAC that does not say which channels it has",
            };
            if input.may_lack != MayLack::Tracks || !info.entries.is_empty() {
                return Err(RemuxError::unsupported(what));
            }
            left_out.push(LeftOut { what: what.to_owned(), pid: None, is_missed: true });
        }
        let tracks =
            infos.iter().cloned().zip(tracks).map(|(info, recorded)| IndexedTrack { info, recorded });
        let tracks = tracks.collect::<Vec<_>>();
        Ok(Indexed { input, tracks, epochs, rounds, chunks, notes, begins, left_out })
    }

    /// What comes now is in the output already, from here on, in rounds that end where [`end_round`](Self::end_round) says, and in
    /// which the data of the tracks lie in the order of `laid`.
    pub(crate) fn place(&mut self, at: u64, laid: &[usize]) {
        self.end_round();
        self.at = Some(at);
        self.laid = laid.to_vec();
    }

    /// The epoch of a sample. Where timestamps jump with the first sample of a unit, it begins one.
    fn epoch(&mut self, track: usize, timescale: u32, sample: &Sample) -> usize {
        let found = self.epochs.partition_point(|epoch| epoch.unit <= sample.unit).saturating_sub(1);
        let is_first = sample.unit > self.latest;
        self.latest = self.latest.max(sample.unit);
        let last = self.tracks.get(track).and_then(|recorded| recorded.spans.last());
        let dts = flicks(sample.dts, timescale);
        if !is_first {
            if let (None, Some(slot)) = (last, self.unit_begins.get_mut(track)) {
                *slot = dts;
            }
            return last.map_or(found, |last| found.max(last.epoch));
        }
        let (before, begun) = match last.filter(|last| last.epoch == found) {
            Some(last) => {
                let expected = last.last_dts.saturating_add(i64::from(last.last_duration));
                (Some(flicks(expected, timescale)), self.unit_begins.get(track).copied())
            }
            // The other tracks of the epoch tell where it is.
            None => (self.reaches.filter(|(epoch, _)| *epoch == found).map(|(_, at)| at), None),
        };
        if let Some(slot) = self.unit_begins.get_mut(track) {
            *slot = dts;
        }
        let Some(before) = before else { return last.map_or(found, |last| found.max(last.epoch)) };
        let missing = self.gaps.get(sample.unit as usize).copied().unwrap_or_default();
        let ahead = dts.saturating_sub(before);
        // Of a short unit, most of it is a jump.
        let back = begun.map_or(BACK, |begun| (before.saturating_sub(begun) / 5 * 3).clamp(SHORT_BACK, BACK));
        if (-back..=AHEAD.saturating_add(in_flicks(missing))).contains(&ahead) {
            return found;
        }
        // Some units have one track each: the first one of sound begins with that of the pictures in front of it.
        if last.is_none_or(|last| last.epoch != found) && self.is_beside(found, dts) {
            return found;
        }
        let timeline = self.epochs.get(found).map_or(0, |epoch| epoch.timeline);
        self.epochs.insert(found + 1, Epoch { unit: sample.unit, timeline, is_implied: true, gap: missing });
        self.notes.add(Noted {
            track,
            unit: sample.unit,
            epoch: found + 1,
            at: flicks(sample.pts, timescale),
            what: Irregularity::Jump { by_micros: ahead / (FLICKS / 1_000_000) },
        });
        found + 1
    }

    /// Tells whether a time is within the last unit of a track, in an epoch.
    fn is_beside(&self, epoch: usize, at: i64) -> bool {
        self.tracks.iter().zip(&self.unit_begins).any(|(recorded, begin)| {
            let is_here = recorded.spans.last().is_some_and(|last| last.epoch == epoch);
            is_here
                && at >= begin.saturating_sub(SHORT_BACK)
                && self.reaches.is_some_and(|(_, end)| at <= end)
        })
    }

    fn note(&mut self, track: usize, info: &TrackInfo, sample: &Sample, off: i64) {
        let off = flicks(off, info.timescale);
        if off.abs() < NOTICED {
            return;
        }
        let lasts =
            Duration::from_nanos((off.unsigned_abs() as u128 * 1_000_000_000 / FLICKS as u128) as u64);
        let what = if off > 0 { Irregularity::Hole { lasts } } else { Irregularity::Overlap { lasts } };
        let at = flicks(sample.pts.saturating_add(info.shift), info.timescale);
        let epoch = self.tracks.get(track).and_then(|t| t.spans.last()).map_or(0, |span| span.epoch);
        self.notes.add(Noted { track, unit: sample.unit, epoch, at, what });
    }

    fn begin_round(&mut self, epoch: usize, begin: i64) {
        self.round.get_or_insert(Round { epoch, begin, chunks: 0, samples: 0, check: 0, at: self.at });
    }

    pub(crate) fn end_round(&mut self) {
        if let Some(round) = self.round.take() {
            let laid = &self.laid;
            let rank = |track: u8| laid.iter().position(|laid| *laid == usize::from(track));
            self.open.sort_by_key(|(chunk, _)| (rank(chunk.track), chunk.track));
            self.rounds.push(Round { chunks: self.open.len() as u32, ..round });
            self.chunks.extend(self.open.drain(..).map(|(chunk, _)| chunk));
        }
        self.at = self.at.map(|at| at + self.open_bytes);
        self.open_bytes = 0;
    }

    fn add_to_round(&mut self, track: usize, info: &TrackInfo, sample: &Sample, epoch: usize) {
        let number = track as u8;
        let of = |open: &mut Vec<(Chunk, i64)>| open.iter().position(|(chunk, _)| chunk.track == number);
        // A chunk has one sample entry.
        let place = of(&mut self.open);
        if place.and_then(|place| self.open.get(place)).is_some_and(|(chunk, _)| chunk.entry != sample.entry)
        {
            self.end_round();
        }
        let begin = flicks(sample.pts.saturating_add(info.shift), info.timescale);
        self.begin_round(epoch, begin);
        let place = of(&mut self.open).unwrap_or_else(|| {
            self.open.push((Chunk { track: number, entry: sample.entry, samples: 0, bytes: 0 }, sample.dts));
            self.open.len() - 1
        });
        let (Some((chunk, first)), Some(round)) = (self.open.get_mut(place), &mut self.round) else { return };
        chunk.samples += 1;
        chunk.bytes = chunk.bytes.saturating_add(sample.size);
        round.samples += 1;
        round.check = checked(round.check, track, sample.size);
        self.open_bytes += u64::from(sample.size);
        let end = sample.dts.saturating_add(i64::from(sample.duration));
        let lasts = flicks(end.saturating_sub(*first), info.timescale);
        let is_full = !(-ROUND..ROUND).contains(&lasts) || self.open_bytes >= ROUND_BYTES;
        if is_full && self.at.is_none() {
            self.end_round();
        }
    }
}

impl Sink for Recorder {
    fn data(&mut self, _: usize, _: &[u8]) {}

    fn sample(&mut self, track: usize, info: &TrackInfo, sample: Sample) -> Result<(), RemuxError> {
        if self.tracks.len() <= track {
            self.tracks.resize_with(track + 1, Recorded::default);
            self.unit_begins.resize(track + 1, 0);
        }
        if !self.takes.takes(&info.handler) {
            return Ok(());
        }
        let epoch = self.epoch(track, info.timescale, &sample);
        let at = flicks(sample.dts.saturating_add(i64::from(sample.duration)), info.timescale);
        self.reaches = Some(match self.reaches {
            Some((known, reached)) if known == epoch => (epoch, reached.max(at)),
            _ => (epoch, at),
        });
        let Some(recorded) = self.tracks.get_mut(track) else { return Ok(()) };
        let number = recorded.table.len();
        recorded.entry = Some(sample.entry);
        recorded.table.push(&sample);
        let presented = flicks(sample.pts.saturating_add(info.shift), info.timescale);
        let is_video = &info.handler == b"vide";
        if let Some(begin) = self.begins.get_mut(sample.unit as usize) {
            if begin.is_none_or(|(_, by_video)| is_video && !by_video) {
                *begin = Some((presented, is_video));
            }
        }
        let guess = if sample.duration > 0 { sample.duration } else { info.timescale / 25 };
        let mut off = None;
        match recorded.spans.last_mut().filter(|span| span.epoch == epoch) {
            None => recorded.spans.push(Span {
                epoch,
                first: number,
                first_dts: sample.dts,
                min_pts: sample.pts,
                end: sample.pts.saturating_add(i64::from(guess)),
                last_dts: sample.dts,
                last_duration: guess,
                is_guessed: sample.duration == 0,
                unusual: 0,
            }),
            Some(span) => {
                let step = sample.dts.saturating_sub(span.last_dts);
                let usual = i64::from(span.last_duration);
                // Without durations, time between pictures may be anything that is not too long, or that comes twice. Of a guess
                // nothing can be off.
                let second = i64::from(info.timescale);
                let most = if span.is_guessed { 10 * second } else { (usual * 4).max(second / 4) };
                let comes_twice = (step - span.unusual).abs() <= step / 8;
                let is_usual = step > 0 && (step <= most || comes_twice);
                span.unusual = if is_usual { 0 } else { step };
                span.is_guessed &= !is_usual;
                if sample.duration > 0 || !is_usual {
                    off = Some(step - usual);
                }
                span.last_duration = match sample.duration {
                    0 if is_usual => u32::try_from(step).unwrap_or(guess),
                    0 => span.last_duration,
                    duration => duration,
                };
                span.last_dts = sample.dts;
                span.min_pts = span.min_pts.min(sample.pts);
                span.end = span.end.max(sample.pts.saturating_add(i64::from(span.last_duration)));
            }
        }
        if let Some(off) = off {
            self.note(track, info, &sample, off);
        }
        self.add_to_round(track, info, &sample, epoch);
        Ok(())
    }

    fn skipped(&mut self, track: usize, _offset: u64, bytes: u64) {
        let (unit, epoch) = (self.latest, self.epochs.len() - 1);
        let at = self.tracks.get(track).and_then(|t| t.spans.last()).map_or(0, |span| span.last_dts);
        self.notes.add(Noted { track, unit, epoch, at, what: Irregularity::Skipped { bytes } });
    }
}

/// Makes flicks of a duration.
pub(crate) fn in_flicks(duration: Duration) -> i64 {
    let whole = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).saturating_mul(FLICKS);
    whole.saturating_add(i64::from(duration.subsec_nanos()) * 7056 / 10_000)
}

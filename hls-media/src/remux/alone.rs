//! A unit of a transport stream made into samples by itself: their data, and behind it a record of them.
//!
//! A unit that is whole needs no other one for that, so that each can be placed in the output as it comes, and all stays
//! as it is from then on. What runs through all units, such as clocks, is seen to by [`Film`](super::Film).

use super::{
    clock::flicks,
    error::RemuxError,
    index::ROUND,
    input::{MayLack, Takes, Wants},
    pairing::pair,
    program::Codec,
    record::{self, Beside, Heard, Writer},
    report::LeftOut,
    sample::{Sample, Sink, TrackInfo},
    sound::Extension,
    transport::Transport,
};

/// A round ends with so many bytes at the latest, since memory for it is needed for each unit that is under way.
const ROUND_BYTES: usize = 256 << 10;

/// Makes what an output holds of one unit of a transport stream.
///
/// The same bytes give the same, however they are cut.
#[derive(Debug)]
pub struct UnitRemuxer {
    transport: Transport,
    collector: Collector<Writer>,
}

/// The tracks that a unit has. Units of one output have to have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitTracks(pub(crate) Vec<Codec>);

/// The end of a unit.
#[derive(Debug)]
pub struct UnitEnd {
    /// The rest of what the output holds of it, in parts that follow one another.
    pub rest: Vec<Vec<u8>>,
    /// Its tracks.
    pub tracks: UnitTracks,
    /// How long tables for it are, in bytes.
    pub tables: u64,
    /// Streams of it that are no tracks.
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug)]
pub(super) struct Collector<N> {
    takes: Takes,
    tracks: Vec<Track>,
    heard: Heard,
    pub(super) notes: N,
    /// Bytes of the round that is under way.
    open: usize,
    /// What is ready of the output, in parts that follow one another.
    pub(super) out: Vec<Vec<u8>>,
    has_samples: bool,
    tables: u64,
    /// Something was no part of any sample.
    has_skipped: bool,
}

#[derive(Debug, Default)]
struct Track {
    data: Vec<u8>,
    /// How much of it belongs to samples that have ended.
    whole: usize,
    /// In the round that is under way: when its first sample is decoded, and which sample entry all have.
    begun: Option<(i64, u8)>,
    /// Of the last sample: from decoding to presentation, from the one before, and when.
    offset: i64,
    step: i64,
    last_dts: i64,
}

impl UnitRemuxer {
    /// Begins a unit. `codecs` is the `CODECS` of the playlist.
    #[must_use]
    pub fn new(takes: Takes, may_lack: MayLack, codecs: Option<&str>) -> Self {
        let extension = codecs.map(Extension::of).unwrap_or_default();
        let collector = Collector::new(takes, Writer::default());
        Self { transport: Transport::alone(extension, Wants { takes, may_lack }), collector }
    }

    /// Takes more bytes of the unit. Returns what is ready of the output, in parts that follow one another; it may be nothing.
    ///
    /// # Errors
    ///
    /// Where the bytes are damaged, or hold what can't be put into an MP4.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, RemuxError> {
        self.transport.push(bytes, &mut self.collector)?;
        Ok(std::mem::take(&mut self.collector.out))
    }

    /// Ends the unit, and returns the rest of what the output holds of it.
    ///
    /// # Errors
    ///
    /// [`RemuxError::NotAlone`] where the unit can't be understood without others, and as [`push`](Self::push).
    pub fn finish(mut self) -> Result<UnitEnd, RemuxError> {
        let is_whole = self.transport.finish_alone(&mut self.collector)?;
        self.collector.end_round();
        if !is_whole || self.collector.has_skipped || !self.collector.has_samples {
            return Err(RemuxError::NotAlone);
        }
        let (mut rest, tracks) = (self.collector.out, self.transport.codecs());
        let left_out = self.transport.left_out().to_vec();
        let beside = Beside { program: self.transport.program(), left_out };
        rest.push(self.collector.notes.finish(self.transport.tracks(), tracks, &beside));
        let tracks = UnitTracks(tracks.to_vec());
        Ok(UnitEnd { rest, tracks, tables: self.collector.tables, left_out: beside.left_out })
    }
}

impl UnitTracks {
    /// Takes the tracks of another unit of the same output too.
    ///
    /// # Errors
    ///
    /// [`RemuxError::Changes`]: a track goes on with another codec.
    pub fn join(&mut self, other: &Self) -> Result<(), RemuxError> {
        // A language makes no pair that codecs do not make.
        let of = |tracks: &Self| tracks.0.iter().map(|codec| (*codec, None)).collect::<Vec<_>>();
        let paired = pair(&of(self), |_| true, &of(other), 0)?;
        let new = other.0.iter().zip(paired).filter(|(_, place)| place.is_none());
        self.0.extend(new.map(|(codec, _)| *codec));
        Ok(())
    }

    /// Reads them from the record of a unit; `None`: it is none.
    #[must_use]
    pub fn of_record(record: &[u8]) -> Option<Self> {
        record::Reader::new(record).map(|(_, tracks)| Self(tracks.codecs))
    }
}

/// What is kept of samples whose data is collected.
pub(super) trait Notes {
    fn sample(&mut self, track: usize, is_video: bool, sample: &Sample, heard: Heard);
    fn damaged(&mut self, track: usize, bytes: u64);
    fn end_round(&mut self);
}

impl Notes for Writer {
    fn sample(&mut self, track: usize, is_video: bool, sample: &Sample, heard: Heard) {
        self.sample(track, is_video, sample, heard);
    }

    fn damaged(&mut self, track: usize, bytes: u64) {
        self.damaged(track, bytes);
    }

    fn end_round(&mut self) {
        self.end_round();
    }
}

impl<N: Notes> Collector<N> {
    pub(super) fn new(takes: Takes, notes: N) -> Self {
        Self {
            takes,
            tracks: Vec::new(),
            heard: Heard::default(),
            notes,
            open: 0,
            out: Vec::new(),
            has_samples: false,
            tables: 0,
            has_skipped: false,
        }
    }

    pub(super) fn end_round(&mut self) {
        if self.open == 0 {
            return;
        }
        for track in self.tracks.iter_mut().filter(|track| track.whole > 0) {
            // A place, and samples that are as many as in no other.
            self.tables += 8 + 12;
            let has_room = |last: &&mut Vec<u8>| last.capacity() - last.len() >= track.whole;
            if let Some(last) = self.out.last_mut().filter(has_room) {
                last.extend(track.data.drain(..track.whole));
            } else {
                // Their memory is handed on as it is: to copy it would take a tenth of all the work. The next round is about
                // as long.
                let rest = track.data.get(track.whole..).unwrap_or(&[]);
                let mut next = Vec::with_capacity(track.whole + track.whole / 8);
                next.extend_from_slice(rest);
                let mut part = std::mem::replace(&mut track.data, next);
                part.truncate(track.whole);
                self.out.push(part);
            }
            track.whole = 0;
        }
        self.tracks.iter_mut().for_each(|track| track.begun = None);
        self.open = 0;
        self.notes.end_round();
    }
}

impl<N: Notes> Sink for Collector<N> {
    fn data(&mut self, track: usize, bytes: &[u8]) {
        if self.tracks.len() <= track {
            self.tracks.resize_with(track + 1, Track::default);
        }
        if let Some(track) = self.tracks.get_mut(track) {
            track.data.extend_from_slice(bytes);
        }
    }

    fn heard(&mut self, stamp: Option<i64>, samples: u32, rate: u32) {
        self.heard = Heard { stamp, samples, rate };
    }

    fn sample(&mut self, number: usize, info: &TrackInfo, sample: Sample) -> Result<(), RemuxError> {
        let Some(track) = self.tracks.get_mut(number) else { return Ok(()) };
        if !self.takes.takes(&info.handler) {
            track.data.truncate(track.whole);
            return Ok(());
        }
        // A chunk has one sample entry.
        if track.begun.is_some_and(|(_, entry)| entry != sample.entry) {
            self.end_round();
        }
        let Some(track) = self.tracks.get_mut(number) else { return Ok(()) };
        // Its size, and an offset or a duration that is like none before; of a picture it may be both.
        let offset = sample.pts.wrapping_sub(sample.dts);
        let step = sample.dts.wrapping_sub(track.last_dts);
        self.tables += 4 + if sample.is_sync { 4 } else { 0 };
        self.tables += if offset != track.offset { 8 } else { 0 } + if step != track.step { 8 } else { 0 };
        (track.offset, track.step, track.last_dts) = (offset, step, sample.dts);
        self.notes.sample(number, &info.handler == b"vide", &sample, self.heard);
        track.whole = track.data.len();
        self.has_samples = true;
        self.open += sample.size as usize;
        let (first, _) = *track.begun.get_or_insert((sample.dts, sample.entry));
        let end = sample.dts.saturating_add(i64::from(sample.duration));
        let lasts = flicks(end.saturating_sub(first), info.timescale);
        if !(-ROUND..ROUND).contains(&lasts) || self.open >= ROUND_BYTES {
            self.end_round();
        }
        Ok(())
    }

    fn skipped(&mut self, _: usize, _: u64, _: u64) {
        self.has_skipped = true;
    }

    fn damaged(&mut self, track: usize, _: u64, bytes: u64) {
        self.notes.damaged(track, bytes);
    }
}

/// How long the end of a unit in an output is that says how long its record is, in bytes.
pub const UNIT_END: usize = record::END;

/// Returns how long the record of a unit is, by its last [`UNIT_END`] bytes; that end is counted. `None`: it has none.
#[must_use]
pub fn record_len(end: &[u8]) -> Option<u64> {
    record::len(end)
}

//! An MP4 whose data is in its place already, unit by unit: what is still to be written is in front of it.

use std::ops::Range;

use super::{
    clock::{MpegClock, SampleClock, scaled},
    error::RemuxError,
    index::Recorder,
    input::Input,
    moov::{Front, ftyp},
    pairing::pair,
    plan::Plan,
    program::Codec,
    record::{Event, Heard, Reader, Tracks},
    report::{LeftOut, Report},
    run::RunRemuxer,
    sample::{Sample, Sink as _, TrackInfo},
    text::TextTrack,
};

/// About how many bytes of tables are handed out at once.
const PIECE: usize = 256 << 10;
/// The header of the box around the data: with a length of 64 bits.
const DATA_HEADER: u64 = 16;
/// No tables are longer than this, nor is any room for them.
const LARGEST_ROOM: u64 = 1 << 30;
/// A header of 32 bits.
const HEADER: u64 = 8;

/// Puts the units that a [`UnitRemuxer`](super::UnitRemuxer) has made onto one timeline.
#[derive(Debug)]
pub struct Film {
    input: Input,
    recorder: Recorder,
    clock: MpegClock,
    tracks: Vec<Track>,
    infos: Vec<TrackInfo>,
    codecs: Vec<Codec>,
    timeline: Option<u64>,
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Default)]
struct Track {
    clock: SampleClock,
    rate: u32,
    /// The sample entry of the last sample: nearly all have the one before's.
    entry: Option<Entry>,
}

/// A sample entry and its number, which holds as long as there are no more of them.
#[derive(Debug)]
struct Entry {
    entry: Vec<u8>,
    number: u8,
    of: usize,
}

impl Film {
    /// Begins with what the playlist knows of the units; where they begin is of no concern here.
    #[must_use]
    pub fn new(input: Input) -> Self {
        let (recorder, clock) = (Recorder::new(&input), MpegClock::default());
        let (tracks, infos, codecs) = (Vec::new(), Vec::new(), Vec::new());
        Self { input, recorder, clock, tracks, infos, codecs, timeline: None, left_out: Vec::new() }
    }

    /// Takes the record of a unit, which lies in the output from `at` on with `len` bytes, the record included. Units come
    /// in their order; those that are missing are left out.
    ///
    /// # Errors
    ///
    /// Where it is no record, or that of another unit, or a track of it has another codec than in the units before.
    pub fn unit(&mut self, number: usize, at: u64, len: u64, record: &[u8]) -> Result<(), RemuxError> {
        let differs = RemuxError::Differs { input: 0 };
        let (mut reader, tracks) = Reader::new(record).ok_or_else(|| differs.clone())?;
        let places = self.begin(&tracks, at)?;
        let mut data = 0_u64;
        while let Some(event) = reader.next()? {
            data += self.event(&tracks, &places, event, Some(number))?;
        }
        self.recorder.end_round();
        if data + record.len() as u64 != len { Err(differs) } else { Ok(()) }
    }

    /// Takes units that are no pieces, of which the first begins in the place of the unit that is next, and whose data lies in the
    /// output from `at` on. Returns the rest of that data.
    ///
    /// # Errors
    ///
    /// As [`RunRemuxer::push`](super::RunRemuxer::push), and where a track has another codec than in the units before.
    pub fn run(&mut self, run: RunRemuxer, at: u64) -> Result<Vec<u8>, RemuxError> {
        let (rest, run) = run.finish()?;
        let (tracks, events): (Tracks, Vec<Event>) = run.into();
        let places = self.begin(&tracks, at)?;
        for event in events {
            self.event(&tracks, &places, event, None)?;
        }
        self.recorder.end_round();
        Ok(rest)
    }

    fn begin(&mut self, tracks: &Tracks, at: u64) -> Result<Vec<usize>, RemuxError> {
        let places = self.places(tracks, at)?;
        for one in &tracks.beside.left_out {
            if !self.left_out.contains(one) {
                self.left_out.push(one.clone());
            }
        }
        self.recorder.place(at, &places);
        Ok(places)
    }

    /// Takes an event of a unit, whose number the sample has where it is not said; returns how long the data of it is.
    fn event(
        &mut self,
        tracks: &Tracks,
        places: &[usize],
        event: Event,
        unit: Option<usize>,
    ) -> Result<u64, RemuxError> {
        let differs = || RemuxError::Differs { input: 0 };
        let (track, mut sample, heard) = match event {
            Event::Sample { track, sample, heard } => (track, sample, heard),
            Event::Damaged { track, bytes } => {
                self.recorder.skipped(places.get(track).copied().unwrap_or(0), 0, bytes);
                return Ok(0);
            }
            Event::RoundEnd => {
                self.recorder.end_round();
                return Ok(0);
            }
        };
        if let Some(number) = unit {
            sample.unit = u32::try_from(number).unwrap_or(u32::MAX);
        }
        let timeline = self.input.units.get(sample.unit as usize).map_or(0, |unit| unit.timeline);
        if self.timeline.replace(timeline).is_some_and(|before| before != timeline) {
            self.clock.reset();
            self.tracks.iter_mut().for_each(|track| track.clock.reset());
        }
        let entries = tracks.infos.get(track).map(|info| &info.entries);
        let entry = entries.and_then(|entries| entries.get(usize::from(sample.entry)));
        let (entry, place) = entry.zip(places.get(track).copied()).ok_or_else(differs)?;
        let len = u64::from(sample.size);
        self.sample(place, entry, sample, heard)?;
        Ok(len)
    }

    /// Returns the tracks that those of a unit go on with, and makes the new ones.
    fn places(&mut self, tracks: &Tracks, at: u64) -> Result<Vec<usize>, RemuxError> {
        let of = |codecs: &[Codec], infos: &[TrackInfo]| {
            codecs.iter().zip(infos).map(|(codec, info)| (*codec, info.language)).collect::<Vec<_>>()
        };
        let (known, streams) = (of(&self.codecs, &self.infos), of(&tracks.codecs, &tracks.infos));
        let paired = pair(&known, |_| true, &streams, at)?;
        let mut places = Vec::new();
        for ((info, codec), place) in tracks.infos.iter().zip(&tracks.codecs).zip(paired) {
            places.push(place.unwrap_or(self.infos.len()));
            if place.is_none() {
                self.infos.push(TrackInfo { entries: Vec::new(), ..info.clone() });
                self.tracks.push(Track::default());
                self.codecs.push(*codec);
            }
        }
        Ok(places)
    }

    fn sample(
        &mut self,
        number: usize,
        entry: &[u8],
        mut sample: Sample,
        heard: Heard,
    ) -> Result<(), RemuxError> {
        let bad = RemuxError::Differs { input: 0 };
        let (Some(info), Some(track)) = (self.infos.get_mut(number), self.tracks.get_mut(number)) else {
            return Err(bad);
        };
        sample.entry = match &track.entry {
            Some(last) if last.of == info.entries.len() && last.entry == entry => last.number,
            _ => {
                let number = info.entry(entry.to_vec())?;
                track.entry = Some(Entry { entry: entry.to_vec(), number, of: info.entries.len() });
                number
            }
        };
        if &info.handler == b"vide" {
            (sample.dts, sample.pts) = self.clock.take(sample.dts, sample.pts);
            return self.recorder.sample(number, info, sample);
        }
        if info.timescale == 0 {
            info.timescale = heard.rate;
        }
        if track.rate != heard.rate && track.rate != 0 {
            track.clock.change_rate(track.rate, heard.rate);
        }
        track.rate = heard.rate;
        if let Some(stamp) = heard.stamp {
            let (_, pts) = self.clock.take(stamp, stamp);
            track.clock.stamp(pts, heard.rate);
        }
        let begin = track.clock.frame(heard.samples).ok_or(bad)?;
        let scale = |time| scaled(time, i64::from(info.timescale), i64::from(heard.rate));
        sample.dts = scale(begin);
        sample.pts = sample.dts;
        let end = scale(begin.saturating_add(i64::from(heard.samples)));
        sample.duration = u32::try_from(end.saturating_sub(sample.dts)).unwrap_or(0);
        self.recorder.sample(number, info, sample)
    }

    /// Plans what is written in front. `texts` are subtitles to go along.
    ///
    /// # Errors
    ///
    /// As [`Remuxer::new`](super::Remuxer::new).
    pub fn finish(self, texts: &[TextTrack]) -> Result<FilmFront, RemuxError> {
        let indexed = self.recorder.finish(self.input, &self.infos, self.left_out)?;
        Ok(FilmFront { plan: Plan::new(vec![indexed], texts)? })
    }
}

/// How what belongs around the data was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The room was large enough; else the tables are behind the data.
    pub fits: bool,
    /// Bytes in front of the data that mean nothing. They were not written, and what was there before is still there.
    pub unused: Range<u64>,
}

/// What is written in front of the data.
#[derive(Debug)]
pub struct FilmFront {
    plan: Plan,
}

impl FilmFront {
    /// Returns how much room in front of the data is enough for `seconds` of a stream whose first unit lasts `of_unit` and
    /// has [`tables`](super::UnitEnd::tables) of that length, in bytes. Where nothing is known of a unit it is enough for 60
    /// pictures a second.
    #[must_use]
    pub fn room(seconds: f64, first: Option<(u64, f64)>) -> u64 {
        let pictures_and_sound = 60.0 * 14.0 + 94.0 * 4.0 + 9.0 * 20.0;
        let each = first.filter(|(_, of_unit)| *of_unit > 0.0);
        let each = each.map_or(pictures_and_sound, |(tables, of_unit)| tables as f64 / of_unit);
        // Playlists lie about what lasts how long, and streams are not the same all over.
        let all = seconds.clamp(0.0, 1e9) * each.min(8.0 * pictures_and_sound) * 1.3;
        (all as u64 + (16 << 10)).min(LARGEST_ROOM).next_multiple_of(4096)
    }

    /// Returns what is odd in the timing of the units.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.plan.report
    }

    /// Writes all that an MP4 needs around the data, which lies in the output from `room` to `end`: calls `write` with an
    /// offset and what belongs there.
    ///
    /// Where the output still `grows`, what is there now can be played from then on, whatever comes behind it; where the room
    /// is too small, nothing is written then.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn write<E>(
        mut self,
        room: u64,
        end: u64,
        grows: bool,
        mut write: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<Written, E> {
        let text = self.plan.text_len();
        let text = if text > 0 { HEADER + text } else { 0 };
        let brand = ftyp();
        let begin = brand.len() as u64;
        // Whatever they turn out to be, tables are not longer than this.
        let most = Front::tables(&self.plan, true).len();
        let is_large = end + most + text > u64::from(u32::MAX);
        let tables = if is_large { most } else { Front::tables(&self.plan, false).len() };
        let before = begin + tables + text + DATA_HEADER;
        let fits = before == room || before + HEADER <= room;
        let (tables_at, free_at) = if fits { (begin, begin + tables + text) } else { (end, begin) };
        let data_at = room.saturating_sub(DATA_HEADER);
        let written = Written { fits, unused: (free_at + HEADER).min(data_at)..data_at };
        if grows && !fits {
            return Ok(written);
        }
        self.plan.text_at = tables_at + tables + HEADER;
        let mut front = Front::tables(&self.plan, is_large);
        write(0, &brand)?;
        let (mut at, mut piece) = (tables_at, Vec::new());
        while front.write(&self.plan, &mut piece, PIECE) {
            write(at, &piece)?;
            at += piece.len() as u64;
            piece.clear();
        }
        if text > 0 {
            let header = [&u32::try_from(text).unwrap_or(u32::MAX).to_be_bytes()[..], b"mdat"].concat();
            write(at, &header)?;
            at += header.len() as u64;
            for text in &self.plan.texts {
                write(at, &text.data)?;
                at += text.data.len() as u64;
            }
        }
        let free = data_at.saturating_sub(free_at);
        if free > 0 {
            write(free_at, &free_header(free))?;
        }
        write(data_at, &data_header((!grows).then(|| end.saturating_sub(data_at))))?;
        Ok(written)
    }
}

/// The header of the box around the data, of 16 bytes; without a length it goes on to the end of the file.
fn data_header(len: Option<u64>) -> Vec<u8> {
    match len {
        Some(len) => [&[0, 0, 0, 1][..], b"mdat", &len.to_be_bytes()].concat(),
        None => [&[0, 0, 0, 8][..], b"free", &[0; 4], b"mdat"].concat(),
    }
}

/// The header of a box that is skipped, whatever is in it. No room is so large that 32 bits could not say it.
fn free_header(len: u64) -> Vec<u8> {
    [&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()[..], b"free"].concat()
}

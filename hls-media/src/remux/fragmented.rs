//! Fragmented MP4: samples of fragments, one after another.

use super::{
    clock::scaled,
    entry::EntryCodec,
    error::RemuxError,
    init::{self, Defaults, Init, InitTrack, Words, find, named},
    input::Wants,
    report::LeftOut,
    sample::{LARGEST_SAMPLE, Sample, Sink, TrackInfo},
};
use crate::{MediaError, fmp4::children};

/// Initialization sections and fragments are held whole; real ones have some kilobytes.
const LARGEST_BOX: u64 = 8 << 20;
/// More samples in a fragment than any real one has.
const MOST_SAMPLES: usize = 250_000;
const MOST_TRACKS: usize = 32;
/// A coarser time scale than this would round the times of what is spliced in.
const COARSE: u32 = 10_000;
/// Samples without bytes, for which a table grows and nothing is sent: so many, and one more for each so many bytes that came.
const MOST_EMPTY: u64 = 1000;
const BYTES_OF_EMPTY: u64 = 64;
/// Times beyond that, in ticks, are no times.
const LATEST: u64 = 1 << 60;

/// Takes fragmented MP4 apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fragmented {
    wants: Wants,
    left_out: Vec<LeftOut>,
    unit: u32,
    offset: u64,
    begin: u64,
    header: Vec<u8>,
    /// Of the box that is being passed.
    name: [u8; 4],
    remaining: u64,
    to_end: bool,
    /// The body of a box that is held whole.
    body: Option<Vec<u8>>,
    tracks: Vec<TrackInfo>,
    init: Vec<Binding>,
    /// The samples of the fragment, by where they are, and how far that is done.
    samples: Vec<Located>,
    next: usize,
    done: u32,
    fragment: (u64, u32),
    /// Samples without bytes so far.
    empty: u64,
}

/// What a track of the present initialization section is.
#[derive(Debug, Clone)]
struct Binding {
    id: u32,
    track: usize,
    defaults: Defaults,
    /// The number of each of its sample entries.
    entries: Vec<u8>,
    /// What an edit list makes different from the first section's, in ticks of this one.
    shift: i64,
    /// When the next sample is decoded, in ticks of this section.
    dts: i64,
    /// Ticks in a second of this section, and of the track.
    scale: (u32, u32),
}

impl Binding {
    /// Brings ticks of the section onto the time scale of the track.
    fn scaled(&self, ticks: i64) -> i64 {
        let (from, to) = self.scale;
        if from == to { ticks } else { scaled(ticks, i64::from(to), i64::from(from)) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Located {
    at: u64,
    dts: i64,
    offset: i32,
    duration: u32,
    size: u32,
    track: u8,
    entry: u8,
    is_sync: bool,
}

impl Fragmented {
    pub(crate) fn new(wants: Wants) -> Self {
        Self { wants, ..Self::default() }
    }

    /// Tracks that are no tracks of the output.
    pub(crate) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    pub(crate) fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    /// Begins a unit with what is pushed next.
    pub(crate) fn begin_unit(&mut self, unit: u32) {
        self.unit = unit;
    }

    pub(crate) fn push<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Result<(), RemuxError> {
        let mut input = input;
        while !input.is_empty() {
            if self.remaining > 0 || self.to_end {
                let most = if self.to_end { u64::MAX } else { self.remaining };
                let (part, rest) =
                    input.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(input.len()));
                input = rest;
                if let Some(body) = &mut self.body {
                    body.extend_from_slice(part);
                } else if &self.name == b"mdat" {
                    self.data(part, sink)?;
                }
                self.offset += part.len() as u64;
                self.remaining = self.remaining.saturating_sub(part.len() as u64);
                if self.remaining == 0 && !self.to_end {
                    self.end_box()?;
                }
                continue;
            }
            if self.header.is_empty() {
                self.begin = self.offset;
            }
            let wanted = if self.header.len() < 8 { 8 } else { 16 } - self.header.len();
            let (part, rest) = input.split_at(wanted.min(input.len()));
            self.header.extend_from_slice(part);
            self.offset += part.len() as u64;
            input = rest;
            if matches!(self.header.len(), 8 | 16) {
                self.begin_box()?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<(), RemuxError> {
        if self.remaining > 0 || !self.header.is_empty() {
            let name = self.name.escape_ascii().to_string();
            return Err(MediaError::BoxTruncated {
                offset: self.begin,
                name,
                missing: self.remaining.max(1),
            }
            .into());
        }
        self.end_fragment()
    }

    fn begin_box(&mut self) -> Result<(), RemuxError> {
        let mut words = Words(&self.header);
        let (Some(size), Some(name)) = (words.next(), words.next()) else { return Ok(()) };
        self.name = name.to_be_bytes();
        let (size, len) = match (size, words.next(), words.next()) {
            (1, Some(high), Some(low)) => (u64::from(high) << 32 | u64::from(low), 16),
            (1, ..) => return Ok(()),
            (size, ..) => (u64::from(size), 8),
        };
        let bad = |why| MediaError::BadBox { offset: self.begin, why };
        self.to_end = size == 0;
        if !self.to_end {
            self.remaining = size.checked_sub(len).ok_or(bad("is smaller than its header"))?;
        }
        self.header.clear();
        if matches!(&self.name, b"moov" | b"moof") {
            if self.remaining > LARGEST_BOX || self.to_end {
                return Err(RemuxError::TooLarge { offset: self.begin, what: "box" });
            }
            self.body = Some(Vec::new());
        }
        if self.remaining == 0 && !self.to_end { self.end_box() } else { Ok(()) }
    }

    fn end_box(&mut self) -> Result<(), RemuxError> {
        let Some(body) = self.body.take() else { return Ok(()) };
        match &self.name {
            b"moov" => {
                let Init { tracks, left_out } = init::read(&body, self.wants)?;
                self.left_out.extend(left_out);
                self.left_out.dedup();
                self.bind(tracks)
            }
            _ => self.fragment(&body),
        }
    }

    /// Takes the tracks of an initialization section: those of a later one go on with those of the first.
    fn bind(&mut self, found: Vec<InitTrack>) -> Result<(), RemuxError> {
        if found.len() > MOST_TRACKS {
            return Err(RemuxError::TooMany { what: "tracks" });
        }
        let offset = self.begin;
        let places = self.places(&found);
        let mut bindings: Vec<Binding> = Vec::new();
        for (InitTrack { id, info, defaults }, place) in found.into_iter().zip(places) {
            let track = match place {
                Some(track) => track,
                None if self.tracks.len() < MOST_TRACKS => {
                    let times = if info.timescale < COARSE { COARSE.div_ceil(info.timescale) } else { 1 };
                    let timescale = info.timescale.saturating_mul(times);
                    let ticks = |ticks: i64| ticks.saturating_mul(i64::from(times));
                    let (shift, opens_at) = (ticks(info.shift), info.opens_at.map(ticks));
                    let bare = TrackInfo { entries: Vec::new(), timescale, shift, opens_at, ..info.clone() };
                    self.tracks.push(bare);
                    self.tracks.len() - 1
                }
                None => return Err(RemuxError::TooMany { what: "tracks" }),
            };
            let Some(known) = self.tracks.get_mut(track) else { continue };
            let mut entries = Vec::new();
            for entry in info.entries {
                let (from, to) = (codec(known), EntryCodec::of(&entry));
                if let Some((from, to)) = from.zip(to).filter(|(from, to)| from != to) {
                    let (from, to) = (from.to_string(), to.to_string());
                    return Err(RemuxError::Changes { offset, what: "codec", from, to });
                }
                entries.push(known.entry(entry)?);
            }
            let scale = (info.timescale, known.timescale);
            let back = |ticks: i64| scaled(ticks, i64::from(scale.0), i64::from(scale.1));
            let earlier = self.init.iter().find(|binding| binding.track == track);
            let dts = earlier.map_or(0, |earlier| back(earlier.scaled(earlier.dts)));
            let shift = info.shift.saturating_sub(back(known.shift));
            bindings.push(Binding { id, track, defaults, entries, shift, dts, scale });
        }
        self.init = bindings;
        Ok(())
    }

    /// The tracks that those of a section go on with: of the same codec and language, or at least of the same codec. A track of the
    /// same kind is the last choice, and the codec changes there. `None`: a new one.
    fn places(&self, found: &[InitTrack]) -> Vec<Option<usize>> {
        let codecs = self.tracks.iter().map(codec).collect::<Vec<_>>();
        let mut places = vec![None; found.len()];
        for (by_codec, by_language) in [(true, true), (true, false), (false, false)] {
            for (number, InitTrack { info, .. }) in found.iter().enumerate() {
                if places.get(number) != Some(&None) {
                    continue;
                }
                let own = codec(info);
                let mut known = self.tracks.iter().zip(&codecs).enumerate();
                let place = known.position(|(track, (known, codec))| {
                    known.handler == info.handler
                        && (!by_codec || *codec == own)
                        && (!by_language || known.language == info.language)
                        && !places.contains(&Some(track))
                });
                if let Some(slot) = places.get_mut(number) {
                    *slot = place;
                }
            }
        }
        places
    }

    fn end_fragment(&mut self) -> Result<(), RemuxError> {
        if self.next < self.samples.len() {
            return Err(RemuxError::MissingData { offset: self.fragment.0 });
        }
        self.samples.clear();
        (self.next, self.done) = (0, 0);
        Ok(())
    }

    fn fragment(&mut self, moof: &[u8]) -> Result<(), RemuxError> {
        self.end_fragment()?;
        if self.init.is_empty() && self.tracks.is_empty() {
            return Err(MediaError::MissingBox { name: "moov" }.into());
        }
        self.fragment = (self.begin, self.unit);
        // Where the data of the track before ends, and what an absolute offset is to be taken from.
        let (mut end, mut first_base) = (self.begin, None);
        for child in children(moof) {
            if let (b"traf", traf) = named(&child?) {
                let read = TrackFragment::read(traf, self.begin, &mut first_base, end)?;
                let Some(read) = read else { continue };
                end = self.runs(traf, &read)?.unwrap_or(end);
            }
        }
        self.samples.sort_by_key(|sample| sample.at);
        let overlaps = self.samples.windows(2).any(|pair| match pair {
            [a, b] => a.at + u64::from(a.size) > b.at,
            _ => false,
        });
        if overlaps {
            return Err(RemuxError::MissingData { offset: self.begin });
        }
        Ok(())
    }

    /// Reads the runs of a track, and returns where the last one ends.
    fn runs(&mut self, traf: &[u8], fragment: &TrackFragment) -> Result<Option<u64>, RemuxError> {
        let offset = self.begin;
        let bad = || RemuxError::BadTimestamp { offset };
        let Some(binding) = self.init.iter_mut().find(|binding| binding.id == fragment.id) else {
            return Ok(None);
        };
        let is_video = self.tracks.get(binding.track).is_some_and(|info| &info.handler == b"vide");
        let defaults = fragment.defaults(&binding.defaults);
        let description = usize::try_from(defaults.description.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(&entry) = binding.entries.get(description) else {
            return Err(MediaError::BadBox { offset, why: "names a sample entry that is not there" }.into());
        };
        if let Some(time) = find(traf, *b"tfdt")?.and_then(decode_time) {
            if time > LATEST {
                return Err(bad());
            }
            binding.dts =
                i64::try_from(time).map_err(|_| bad())?.checked_add(binding.shift).ok_or_else(bad)?;
        }
        let (mut at, mut is_any) = (fragment.base, false);
        for child in children(traf) {
            let child = child?;
            let (b"trun", trun) = named(&child) else { continue };
            let missing = || MediaError::BadBox { offset, why: "has a run that is too short" };
            let mut words = Words(trun);
            let (flags, count) = (words.next().ok_or_else(missing)?, words.next().ok_or_else(missing)?);
            if flags & 1 != 0 {
                let ahead = words.next().ok_or_else(missing)? as i32;
                at = fragment
                    .base
                    .checked_add_signed(i64::from(ahead))
                    .ok_or(RemuxError::MissingData { offset })?;
            }
            let mut first = if flags & 4 != 0 { Some(words.next().ok_or_else(missing)?) } else { None };
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count > MOST_SAMPLES.saturating_sub(self.samples.len()) {
                return Err(RemuxError::TooMany { what: "samples in a fragment" });
            }
            for _ in 0..count {
                let mut field = |bit: u32, default: u32| {
                    if flags & bit != 0 { words.next().ok_or_else(missing) } else { Ok(default) }
                };
                let (duration, size) = (field(0x100, defaults.duration)?, field(0x200, defaults.size)?);
                let own = field(0x400, first.take().unwrap_or(defaults.flags))?;
                // In version 0 it is unsigned, which nobody needs and some get wrong.
                let ahead = field(0x800, 0)? as i32;
                if size as usize > LARGEST_SAMPLE {
                    return Err(RemuxError::TooLarge { offset, what: "sample" });
                }
                let dts = binding.scaled(binding.dts);
                let shown = binding.scaled(binding.dts.saturating_add(i64::from(ahead)));
                let ends = binding.scaled(binding.dts.saturating_add(i64::from(duration)));
                self.empty += u64::from(size == 0);
                if self.empty > MOST_EMPTY + self.offset / BYTES_OF_EMPTY {
                    return Err(RemuxError::TooMany { what: "samples without bytes" });
                }
                self.samples.push(Located {
                    at,
                    dts,
                    offset: i32::try_from(shown.saturating_sub(dts)).map_err(|_| bad())?,
                    duration: u32::try_from(ends.saturating_sub(dts)).map_err(|_| bad())?,
                    size,
                    track: u8::try_from(binding.track).unwrap_or(u8::MAX),
                    entry,
                    is_sync: !is_video || own & 0x1_0000 == 0,
                });
                at = at.checked_add(u64::from(size)).ok_or(RemuxError::MissingData { offset })?;
                binding.dts = binding
                    .dts
                    .checked_add(i64::from(duration))
                    .filter(|dts| *dts >> 61 == 0 || *dts < 0)
                    .ok_or_else(bad)?;
            }
            is_any = true;
        }
        Ok(is_any.then_some(at))
    }

    /// Passes data of a `mdat` box.
    fn data<S: Sink>(&mut self, part: &[u8], sink: &mut S) -> Result<(), RemuxError> {
        let (mut at, mut part) = (self.offset, part);
        while let Some(sample) = self.samples.get(self.next) {
            let begin = sample.at + u64::from(self.done);
            if begin < at {
                return Err(RemuxError::MissingData { offset: self.fragment.0 });
            }
            let gap = usize::try_from(begin - at).unwrap_or(usize::MAX);
            let Some(rest) = part.get(gap..) else { break };
            let (bytes, rest) = rest.split_at(rest.len().min((sample.size - self.done) as usize));
            let track = usize::from(sample.track);
            if !bytes.is_empty() {
                sink.data(track, bytes);
            }
            self.done += bytes.len() as u32;
            (at, part) = (begin + bytes.len() as u64, rest);
            if self.done < sample.size {
                break;
            }
            let &Located { dts, offset, duration, size, entry, is_sync, .. } = sample;
            let (begin, unit) = self.fragment;
            let pts = dts.saturating_add(i64::from(offset));
            let Some(info) = self.tracks.get(track) else { break };
            sink.sample(
                track,
                info,
                Sample { offset: begin, unit, dts, pts, duration, size, is_sync, entry },
            )?;
            self.next += 1;
            self.done = 0;
        }
        Ok(())
    }
}

/// The codec of a track, which all of its sample entries have.
fn codec(track: &TrackInfo) -> Option<EntryCodec> {
    track.entries.first().and_then(|entry| EntryCodec::of(entry))
}

/// The header of the fragment of a track.
struct TrackFragment {
    id: u32,
    base: u64,
    description: Option<u32>,
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
}

impl TrackFragment {
    /// Absolute offsets count from a file that is not there any more; the first of a fragment is taken for its begin,
    /// as it is in all that encoders write.
    fn read(
        traf: &[u8],
        begin: u64,
        first_base: &mut Option<u64>,
        end: u64,
    ) -> Result<Option<Self>, RemuxError> {
        let Some(tfhd) = find(traf, *b"tfhd")? else { return Ok(None) };
        let mut words = Words(tfhd);
        let read = || {
            let (flags, id) = (words.next()? & 0xff_ffff, words.next()?);
            let base = if flags & 1 != 0 {
                let absolute = u64::from(words.next()?) << 32 | u64::from(words.next()?);
                begin.saturating_add(absolute.saturating_sub(*first_base.get_or_insert(absolute)))
            } else if flags & 0x2_0000 != 0 {
                begin
            } else {
                end
            };
            let mut field = |bit: u32| if flags & bit != 0 { words.next().map(Some) } else { Some(None) };
            let (description, duration) = (field(2)?, field(8)?);
            Some(Self { id, base, description, duration, size: field(0x10)?, flags: field(0x20)? })
        };
        let mut read = read;
        Ok(Some(read().ok_or(MediaError::BadBox { offset: begin, why: "has a tfhd that is too short" })?))
    }

    fn defaults(&self, track: &Defaults) -> Defaults {
        Defaults {
            description: self.description.unwrap_or(track.description),
            duration: self.duration.unwrap_or(track.duration),
            size: self.size.unwrap_or(track.size),
            flags: self.flags.unwrap_or(track.flags),
        }
    }
}

fn decode_time(tfdt: &[u8]) -> Option<u64> {
    let mut words = Words(tfdt);
    let (head, high) = (words.next()?, words.next()?);
    Some(if head >> 24 == 1 { u64::from(high) << 32 | u64::from(words.next()?) } else { u64::from(high) })
}

#[cfg(test)]
mod tests {
    use super::super::{
        boxes::boxed,
        entry::tests::{esds, sound},
    };
    use super::*;

    /// Tracks by their names: a sample entry, and a language behind it.
    fn section(names: &str) -> Vec<InitTrack> {
        let tracks = names.split_whitespace().zip(1..).map(|(name, id)| {
            let (format, language) = name.split_once(':').unwrap_or((name, "und"));
            let (handler, entry) = match format {
                "aac" => (*b"soun", sound(b"mp4a", 0, &esds(0x40, true))),
                "aac2" => (*b"soun", sound(b"mp4a", 0, &esds(0x67, false))),
                "mp3" => (*b"soun", sound(b"mp4a", 0, &esds(0x6b, true))),
                "mp2" => (*b"soun", sound(b"mp4a", 0, &esds(0x69, true))),
                "vorbis" => (*b"soun", sound(b"mp4a", 0, &esds(0xdd, true))),
                "ac3" => (*b"soun", sound(b"ac-3", 0, &[])),
                "ec3" => (*b"soun", sound(b"ec-3", 0, &[])),
                "avc1" => (*b"vide", boxed(b"avc1", &[0; 78])),
                "avc3" => (*b"vide", boxed(b"avc3", &[0; 78])),
                "hvc1" => (*b"vide", boxed(b"hvc1", &[0; 78])),
                other => panic!("{other}"),
            };
            let known = if &handler == b"vide" { TrackInfo::video() } else { TrackInfo::sound() };
            let language = language.as_bytes().first_chunk().copied();
            let info = TrackInfo { timescale: 90_000, language, entries: vec![entry], ..known };
            InitTrack { id, info, defaults: Defaults::default() }
        });
        tracks.collect()
    }

    /// Where the tracks of the last section go, or what it says.
    fn places(sections: &[&str]) -> String {
        let mut fragmented = Fragmented::default();
        for names in sections {
            if let Err(error) = fragmented.bind(section(names)) {
                return error.to_string();
            }
        }
        fragmented.init.iter().map(|binding| binding.track.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tracks_of_a_later_section_go_on_with_those_of_their_codec() {
        let check = |sections: &[&str], expect: &str| assert_eq!(places(sections), expect, "{sections:?}");
        check(&["avc1 aac"], "0 1");
        check(&["avc1 aac", "avc1 aac"], "0 1");
        check(&["avc1 aac", "aac avc3"], "1 0");
        check(&["avc1 aac ac3", "avc1 ac3"], "0 2");
        check(&["avc1 aac ac3", "avc1 ac3 aac"], "0 2 1");
        check(&["avc1 aac ac3", "avc1 ac3", "avc1 aac2"], "0 1");
        check(&["avc1 ac3", "avc1 aac ac3"], "0 2 1");
        check(&["avc1", "avc1 aac", "aac"], "1");
        // Languages among those of one codec.
        check(&["aac:eng aac:deu", "aac:deu aac:eng"], "1 0");
        check(&["aac:eng aac:deu", "aac:deu"], "1");
        check(&["aac:eng aac:deu", "aac:fra aac:eng"], "1 0");
        check(&["aac:eng ac3:deu", "aac:deu ac3:eng"], "0 1");
        check(&["aac:eng aac:deu", "aac:eng aac:deu aac:fra"], "0 1 2");
    }

    #[test]
    fn a_codec_does_not_change() {
        let check = |sections: &[&str], from: &str, to: &str| {
            assert_eq!(
                places(sections),
                format!("codec changes at byte 0, from {from} to {to}"),
                "{sections:?}"
            );
        };
        check(&["avc1 aac", "avc1 mp3"], "AAC", "MPEG audio");
        check(&["avc1 mp3", "avc1 aac2"], "MPEG audio", "AAC");
        check(&["aac", "vorbis"], "AAC", "mp4a.dd");
        check(&["aac", "ac3"], "AAC", "ac-3");
        check(&["avc1 aac ac3", "avc1 aac ec3"], "ac-3", "ec-3");
        check(&["avc1 aac", "hvc1 aac"], "avc1", "hvc1");
        // MPEG-1 and MPEG-2 are one codec.
        assert_eq!(places(&["mp3", "mp2"]), "0");
    }
}

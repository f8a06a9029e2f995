//! Audio as an elementary stream: frames to samples, wherever packets end.

use std::{collections::VecDeque, ops::Range, time::Duration};

use super::{
    clock::{MpegClock, SampleClock, scaled},
    dts,
    error::RemuxError,
    latm::{self, Latm},
    opus,
    pictures::Stamp,
    sample::{Sample, Sink, TrackInfo},
    sound::{Extension, Sound, Syncframe},
};
use crate::{
    Container,
    audio::{Frame, frame},
};

/// Bytes that tell what begins at a frame boundary.
const HEADER: usize = dts::HEADER;
/// The longest header of packed audio.
const LONGEST: usize = 10;
/// A longer tag has pictures in it, and is not looked at.
const LONGEST_TAG: u64 = 64 << 10;
/// Blocks of 256 samples in a sample of E-AC-3.
const BLOCKS: u32 = 6;

/// How sounds follow one another.
#[derive(Debug, Clone)]
enum Framing {
    /// As in packed audio. `None`: of which codec is not known yet.
    Packed(Option<Container>),
    Latm(Box<Latm>),
    /// With the channel configuration code.
    Opus(u8),
    Dts,
}

/// Makes a sample of each frame.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    framing: Framing,
    extension: Extension,
    buffer: Vec<u8>,
    /// How much of `buffer` is done with, and how many bytes went before it.
    at: usize,
    before: u64,
    /// Bytes of a long tag still to come.
    to_skip: u64,
    stamps: VecDeque<(u64, Stamp)>,
    place: (u64, u32),
    clock: SampleClock,
    /// Packed audio has its timestamps in tags.
    tags: Option<MpegClock>,
    sound: Option<(Sound, u8)>,
    /// The last frame ended where it should.
    in_step: bool,
    lost: u64,
    /// Bytes before the first frame belong to none that is known.
    has_lost_front: bool,
}

/// Tells whether a frame of MPEG audio is no sound, but the index that encoders put in front: the tag of Xing and LAME behind side
/// information that is empty (ISO/IEC 11172-3, section 2.4.1.7).
fn is_index(frame: &[u8]) -> bool {
    let [0xff, b, _, d, ..] = frame else { return false };
    let is_layer_3 = b & 0xe6 == 0xe2;
    let (is_first, is_mono) = (b & 0x08 != 0, d >> 6 == 3);
    let side = match (is_first, is_mono) {
        (true, false) => 32,
        (false, true) => 9,
        _ => 17,
    };
    let empty = frame.get(4..4 + side).is_some_and(|side| side.iter().all(|byte| *byte == 0));
    let name = frame.get(4 + side..8 + side);
    is_layer_3 && empty && (name == Some(b"Xing") || name == Some(b"Info"))
}

/// What begins at a place.
enum Begin {
    Frame(usize),
    Tag(u64),
    Short,
    Nothing,
}

/// What is next in the buffer.
enum Next {
    Frame(usize),
    Tag(u64),
    /// More bytes are needed to tell.
    Wait,
    Nothing,
}

impl Frames {
    /// Frames of a transport stream.
    pub(crate) fn new(container: Container, extension: Extension) -> Self {
        Self { framing: Framing::Packed(Some(container)), ..Self::packed(extension) }.without_tags()
    }

    /// AAC in LATM.
    pub(crate) fn latm() -> Self {
        Self { framing: Framing::Latm(Box::default()), ..Self::packed(Extension::Unknown) }.without_tags()
    }

    /// Opus with this channel configuration code.
    pub(crate) fn opus(code: u8) -> Self {
        Self { framing: Framing::Opus(code), ..Self::packed(Extension::Unknown) }.without_tags()
    }

    /// DTS.
    pub(crate) fn dts() -> Self {
        Self { framing: Framing::Dts, ..Self::packed(Extension::Unknown) }.without_tags()
    }

    /// Frames with tags between them, of a codec that they tell themselves.
    pub(crate) fn packed(extension: Extension) -> Self {
        Self {
            framing: Framing::Packed(None),
            extension,
            buffer: Vec::new(),
            at: 0,
            before: 0,
            to_skip: 0,
            stamps: VecDeque::new(),
            place: (0, 0),
            clock: SampleClock::default(),
            tags: Some(MpegClock::default()),
            sound: None,
            in_step: false,
            lost: 0,
            has_lost_front: false,
        }
    }

    /// Says whether all that was pushed is in samples, without anything that came before it.
    pub(crate) fn is_whole(&self) -> bool {
        // Few frames of LATM say how they are configured.
        !self.has_lost_front && !matches!(self.framing, Framing::Latm(_))
    }

    fn without_tags(self) -> Self {
        Self { tags: None, ..self }
    }

    /// Takes when and where that begins which is pushed next.
    pub(crate) fn stamp(&mut self, stamp: Stamp) {
        self.stamps.push_back((self.before + self.buffer.len() as u64, stamp));
    }

    pub(crate) fn push<S: Sink>(
        &mut self,
        bytes: &[u8],
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        self.buffer.extend_from_slice(bytes);
        self.work(false, track, info, sink)
    }

    /// Ends the stream, or what of it shares a clock.
    pub(crate) fn finish<S: Sink>(
        &mut self,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        self.work(true, track, info, sink)?;
        let left = self.buffer.len() as u64;
        if (self.in_step || self.sound.is_none()) && left + self.lost > 0 {
            sink.skipped(track, self.place.0, left + self.lost);
        }
        self.before += left;
        self.buffer.clear();
        (self.in_step, self.lost, self.to_skip) = (false, 0, 0);
        self.stamps.clear();
        self.clock.reset();
        if let Some(clock) = &mut self.tags {
            clock.reset();
        }
        Ok(())
    }

    /// Lets time pass that has no bytes, where no timestamp tells of it.
    pub(crate) fn pass(&mut self, duration: Duration, info: &TrackInfo) {
        if info.floats {
            let samples =
                duration.as_secs_f64() * f64::from(self.sound.as_ref().map_or(0, |(sound, _)| sound.rate));
            self.clock.frame(samples as u32);
        }
    }

    fn work<S: Sink>(
        &mut self,
        at_end: bool,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        loop {
            let rest = self.buffer.len() - self.at;
            if self.to_skip > 0 {
                let skipped = usize::try_from(self.to_skip).unwrap_or(usize::MAX).min(rest);
                self.at += skipped;
                self.to_skip -= skipped as u64;
                if skipped == 0 {
                    break;
                }
                continue;
            }
            if rest == 0 {
                break;
            }
            match self.next(at_end) {
                Next::Wait => break,
                Next::Frame(len) => self.take(len, track, info, sink)?,
                Next::Tag(len) if len > LONGEST_TAG => self.to_skip = len,
                Next::Tag(len) => {
                    let len = len as usize;
                    if rest < len {
                        break;
                    }
                    self.take_tag(len);
                }
                Next::Nothing => {
                    self.at += 1;
                    self.lost += 1;
                }
            }
        }
        self.buffer.drain(..self.at);
        self.before += self.at as u64;
        self.at = 0;
        Ok(())
    }

    fn head(&self, ahead: usize) -> &[u8] {
        self.buffer.get(self.at.saturating_add(ahead)..).unwrap_or(&[])
    }

    fn next(&mut self, at_end: bool) -> Next {
        if self.head(0).len() < HEADER && !at_end {
            return Next::Wait;
        }
        if !self.tell_aac(at_end) {
            return Next::Wait;
        }
        let head = self.head(0);
        let len = match self.begin(head, at_end) {
            Begin::Frame(len) => len,
            Begin::Tag(len) => return Next::Tag(len),
            Begin::Short => return Next::Wait,
            Begin::Nothing => return Next::Nothing,
        };
        if head.len() < len {
            return if at_end { Next::Nothing } else { Next::Wait };
        }
        if self.tags.is_some() && head.get(..len).is_some_and(is_index) {
            return Next::Tag(len as u64);
        }
        // After a loss two bytes alone prove nothing: the next frame has to begin where this one ends.
        if !self.in_step {
            let behind = self.head(len);
            if behind.len() < HEADER && !at_end {
                return Next::Wait;
            }
            if !behind.is_empty() && matches!(self.begin(behind, at_end), Begin::Short | Begin::Nothing) {
                return Next::Nothing;
            }
        }
        if matches!(self.framing, Framing::Dts) {
            return self.with_extensions(len, at_end);
        }
        if head.starts_with(&[0x0b, 0x77]) && head.get(5).is_some_and(|byte| byte >> 3 > 10) {
            return self.access_unit(at_end);
        }
        Next::Frame(len)
    }

    /// Stream types of AAC are mixed up by multiplexers: the first frames tell whether it is ADTS or LATM. `false`: more bytes
    /// are needed to tell.
    fn tell_aac(&mut self, at_end: bool) -> bool {
        if self.sound.is_some() || self.tags.is_some() {
            return true;
        }
        let other = match self.framing {
            Framing::Packed(Some(Container::Adts)) => Framing::Latm(Box::default()),
            Framing::Latm(_) => Framing::Packed(Some(Container::Adts)),
            _ => return true,
        };
        if !matches!(self.begin(self.head(0), at_end), Begin::Nothing) {
            return true;
        }
        let own = std::mem::replace(&mut self.framing, other);
        let begins = |this: &Self, at| match this.begin(this.head(at), at_end) {
            Begin::Frame(len) => Some(len),
            _ => None,
        };
        // Two frames, one behind the other.
        let first = begins(self, 0);
        let is_known = at_end || first.is_none_or(|len| self.head(len).len() >= HEADER);
        let is_other = first.is_some_and(|len| begins(self, len).is_some());
        if !is_other {
            self.framing = own;
        }
        is_known
    }

    /// What is at the begin of some bytes.
    fn begin(&self, head: &[u8], at_end: bool) -> Begin {
        match &self.framing {
            Framing::Packed(known) => match frame(head.get(..LONGEST).unwrap_or(head)) {
                Frame::Tag { len } => Begin::Tag(len),
                Frame::Header { container, len: Some(len), .. }
                    if known.is_none_or(|known| known == container) =>
                {
                    Begin::Frame(len as usize)
                }
                _ => Begin::Nothing,
            },
            Framing::Latm(_) => latm::frame_len(head).map_or(Begin::Nothing, Begin::Frame),
            Framing::Opus(_) => match opus::header(head, at_end) {
                opus::Begin::Packet(header) => Begin::Frame(header.len + header.packet),
                opus::Begin::Short => Begin::Short,
                opus::Begin::None => Begin::Nothing,
            },
            Framing::Dts => match (dts::Core::read(head), dts::extension(head)) {
                (Some(core), _) => Begin::Frame(core.len),
                // Behind a core frame, or before the first one of them.
                (None, Some(len)) => Begin::Frame(len),
                (None, None) => Begin::Nothing,
            },
        }
    }

    /// A core frame of DTS and what belongs to it.
    fn with_extensions(&self, core: usize, at_end: bool) -> Next {
        let mut len = core;
        loop {
            let behind = self.head(len);
            if behind.len() < HEADER && !at_end {
                return Next::Wait;
            }
            let Some(more) = dts::extension(behind) else { return Next::Frame(len) };
            if behind.len() < more {
                return if at_end { Next::Nothing } else { Next::Wait };
            }
            len += more;
        }
    }

    /// All syncframes of E-AC-3 that sound at the same time, and as many after each other as make six blocks.
    fn access_unit(&self, at_end: bool) -> Next {
        let (mut len, mut blocks) = (0, 0);
        loop {
            let head = self.head(len);
            if head.len() < HEADER {
                return if at_end && len > 0 { Next::Frame(len) } else { Next::Wait };
            }
            match Syncframe::of(head).filter(|_| {
                matches!(
                    frame(head.get(..LONGEST).unwrap_or(head)),
                    Frame::Header { container: Container::Eac3, .. }
                )
            }) {
                Some(next) if next.leads && blocks >= BLOCKS => return Next::Frame(len),
                Some(next) => {
                    blocks += if next.leads { next.blocks } else { 0 };
                    if head.len() < next.len {
                        return if at_end && len > 0 { Next::Frame(len) } else { Next::Wait };
                    }
                    len += next.len;
                }
                None if len > 0 => return Next::Frame(len),
                None => return Next::Nothing,
            }
        }
    }

    fn take_tag(&mut self, len: usize) {
        let tag = self.buffer.get(self.at..self.at + len).unwrap_or(&[]);
        if let (Some(clock), Some(time)) = (&mut self.tags, timestamp(tag)) {
            let (dts, pts) = clock.take(time, time);
            let (offset, unit) = self.place;
            self.at += len;
            let at = self.before + self.at as u64;
            // Of two for the same frame the tag's holds, and the place of the other.
            let place = self.stamps.iter().rev().find(|(begin, _)| *begin <= at).map(|(_, stamp)| *stamp);
            let place = place.unwrap_or(Stamp { offset, unit, time: None });
            let index = self.stamps.partition_point(|(begin, _)| *begin <= at);
            self.stamps.insert(index, (at, Stamp { time: Some((dts, pts)), ..place }));
        } else {
            self.at += len;
        }
    }

    fn take<S: Sink>(
        &mut self,
        len: usize,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let bytes = self.buffer.get(self.at..self.at + len).unwrap_or(&[]);
        let mut blocks = Vec::new();
        let sound = match &mut self.framing {
            Framing::Packed(known) => match frame(bytes.get(..LONGEST).unwrap_or(bytes)) {
                Frame::Header { container, .. } => {
                    let sound = Sound::of(*known.get_or_insert(container), bytes)?;
                    sound.map(|sound| sound.with_layout_of(self.sound.as_ref().map(|(known, _)| known)))
                }
                _ => return Ok(()),
            },
            Framing::Latm(latm) => latm.take(bytes)?.map(|(multiplex, taken)| {
                blocks = taken;
                Sound::of_multiplex(multiplex)
            }),
            Framing::Opus(code) => match opus::header(bytes, true) {
                opus::Begin::Packet(header) => {
                    Sound::of_opus(bytes.get(header.len..).unwrap_or(&[]), header.len, *code)
                }
                _ => None,
            },
            Framing::Dts => Sound::of_dts(bytes),
        };
        let Some(sound) = sound else {
            self.at += 1;
            self.lost += 1;
            return Ok(());
        };
        let begin = self.before + self.at as u64;
        let mut time = None;
        while let Some((_, stamp)) = self.stamps.front().filter(|(at, _)| *at <= begin) {
            self.place = (stamp.offset, stamp.unit);
            time = stamp.time;
            self.stamps.pop_front();
        }
        let rate = sound.rate;
        if info.timescale == 0 {
            info.timescale = rate;
        }
        let entry = match &self.sound {
            Some((known, entry)) if known.is_like(&sound) => *entry,
            known => {
                if let Some((known, _)) = known {
                    self.clock.change_rate(known.rate, rate);
                }
                info.entry(sound.entry(self.extension))?
            }
        };
        if let Some((_, pts)) = time {
            self.clock.stamp(pts, rate);
        }
        if self.lost > 0 {
            if self.in_step {
                sink.damaged(track, self.place.0, self.lost);
            }
            self.has_lost_front |= self.sound.is_none();
            self.lost = 0;
        }
        self.at += len;
        self.in_step = true;
        let header = sound.header;
        let one = (time.map(|(_, pts)| pts), sound.samples, rate, entry);
        self.sound = Some((sound, entry));
        if blocks.is_empty() {
            return self.give(one, self.at - len + header..self.at, None, track, info, sink);
        }
        for (number, block) in blocks.iter().enumerate() {
            let one = if number == 0 { one } else { (None, one.1, one.2, one.3) };
            self.give(one, 0..0, Some(block), track, info, sink)?;
        }
        Ok(())
    }

    /// Gives a sound out, which is a part of the buffer where it is not said to be something else.
    fn give<S: Sink>(
        &mut self,
        (stamp, samples, rate, entry): (Option<i64>, u32, u32, u8),
        part: Range<usize>,
        other: Option<&Vec<u8>>,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let mut begin = self.clock.frame(samples);
        if begin.is_none() && self.tags.is_some() {
            info.floats = true;
            self.clock.stamp(0, rate);
            begin = self.clock.frame(samples);
        }
        let payload = match other {
            Some(other) => other,
            None => self.buffer.get(part).unwrap_or(&[]),
        };
        let Some(begin) = begin else {
            sink.skipped(track, self.place.0, payload.len() as u64);
            return Ok(());
        };
        let scale = |time| scaled(time, i64::from(info.timescale), i64::from(rate));
        let dts = scale(begin);
        let duration = u32::try_from(scale(begin + i64::from(samples)) - dts).unwrap_or(0);
        let (offset, unit) = self.place;
        let size = payload.len() as u32;
        sink.data(track, payload);
        sink.heard(stamp, samples, rate);
        sink.sample(track, info, Sample { offset, unit, dts, pts: dts, duration, size, is_sync: true, entry })
    }
}

/// Reads the timestamp that packed audio begins with (rfc8216bis-22, section 3.1.3).
fn timestamp(tag: &[u8]) -> Option<i64> {
    const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
    let at = tag.windows(OWNER.len()).position(|window| window == OWNER)?;
    let time = tag.get(at + OWNER.len()..)?.first_chunk::<8>()?;
    i64::try_from(u64::from_be_bytes(*time) & 0x1_ffff_ffff).ok()
}

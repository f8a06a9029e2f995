//! Audio as an elementary stream: frames to samples, wherever packets end.

use std::{collections::VecDeque, time::Duration};

use super::{
    clock::{MpegClock, SampleClock, scaled},
    error::RemuxError,
    pictures::Stamp,
    sample::{Sample, Sink, TrackInfo},
    sound::{Extension, Sound, Syncframe},
};
use crate::{
    Container,
    audio::{Frame, frame},
};

/// Bytes that tell what begins at a frame boundary.
const HEADER: usize = 10;
/// A longer tag has pictures in it, and is not looked at.
const LONGEST_TAG: u64 = 64 << 10;
/// Blocks of 256 samples in a sample of E-AC-3.
const BLOCKS: u32 = 6;

/// Makes a sample of each frame.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    /// `None`: not known yet.
    container: Option<Container>,
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
        Self { container: Some(container), ..Self::packed(extension) }.without_tags()
    }

    /// Frames with tags between them, of a codec that they tell themselves.
    pub(crate) fn packed(extension: Extension) -> Self {
        Self {
            container: None,
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
        }
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
        if self.in_step && left + self.lost > 0 {
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

    fn next(&self, at_end: bool) -> Next {
        let head = self.head(0);
        if head.len() < HEADER && !at_end {
            return Next::Wait;
        }
        let len = match frame(head.get(..HEADER).unwrap_or(head)) {
            Frame::Tag { len } => return Next::Tag(len),
            Frame::Header { container, len: Some(len), .. }
                if self.container.is_none_or(|known| known == container) =>
            {
                len as usize
            }
            _ => return Next::Nothing,
        };
        if head.len() < len {
            return if at_end { Next::Nothing } else { Next::Wait };
        }
        // After a loss two bytes alone prove nothing: the next frame has to begin where this one ends.
        if !self.in_step {
            let behind = self.head(len);
            match frame(behind.get(..HEADER).unwrap_or(behind)) {
                _ if behind.len() < HEADER && !at_end => return Next::Wait,
                _ if behind.is_empty() => {}
                Frame::Header { .. } | Frame::Tag { .. } => {}
                Frame::Short | Frame::None => return Next::Nothing,
            }
        }
        if head.starts_with(&[0x0b, 0x77]) && head.get(5).is_some_and(|byte| byte >> 3 > 10) {
            return self.access_unit(at_end);
        }
        Next::Frame(len)
    }

    /// All syncframes of E-AC-3 that sound at the same time, and as many after each other as make six blocks.
    fn access_unit(&self, at_end: bool) -> Next {
        let (mut len, mut blocks) = (0, 0);
        loop {
            let head = self.head(len);
            if head.len() < HEADER {
                return if at_end && len > 0 { Next::Frame(len) } else { Next::Wait };
            }
            match Syncframe::of(head)
                .filter(|_| matches!(frame(head), Frame::Header { container: Container::Eac3, .. }))
            {
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
        let container = match frame(bytes.get(..HEADER).unwrap_or(bytes)) {
            Frame::Header { container, .. } => *self.container.get_or_insert(container),
            _ => return Ok(()),
        };
        let Some(sound) = Sound::of(container, bytes)? else {
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
            self.lost = 0;
        }
        self.at += len;
        self.in_step = true;
        let (samples, header) = (sound.samples, sound.header);
        self.sound = Some((sound, entry));
        let mut begin = self.clock.frame(samples);
        if begin.is_none() && self.tags.is_some() {
            info.floats = true;
            self.clock.stamp(0, rate);
            begin = self.clock.frame(samples);
        }
        let Some(begin) = begin else {
            sink.skipped(track, self.place.0, len as u64);
            return Ok(());
        };
        let scale = |time| scaled(time, i64::from(info.timescale), i64::from(rate));
        let dts = scale(begin);
        let duration = u32::try_from(scale(begin + i64::from(samples)) - dts).unwrap_or(0);
        let payload = self.buffer.get(self.at - len + header..self.at).unwrap_or(&[]);
        let (offset, unit) = self.place;
        let size = payload.len() as u32;
        sink.data(track, payload);
        sink.heard(time.map(|(_, pts)| pts), samples, rate);
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

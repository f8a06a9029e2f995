//! MPEG-TS: packets to elementary streams.

use std::collections::HashSet;

use super::{
    clock::MpegClock,
    error::RemuxError,
    frames::Frames,
    pictures::{Pictures, Stamp},
    program::{self, Codec, Elementary, Sections},
    sample::{Sink, TrackInfo},
    sound::Extension,
};
use crate::ts::{Align, PACKET, Part};

const PIDS: usize = 0x2000;
/// More tracks than any real program has.
const MOST_TRACKS: usize = 32;
/// A header of a packet of an elementary stream, at its longest.
const LONGEST_HEADER: usize = 9 + 255;

/// Takes a transport stream apart.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    align: Align,
    unit: u32,
    extension: Extension,
    /// What to do with each PID.
    routes: Vec<Route>,
    map_pid: Option<u16>,
    association: Sections,
    map: Sections,
    last_map: Vec<u8>,
    streams: Vec<Stream>,
    codecs: Vec<Codec>,
    tracks: Vec<TrackInfo>,
    clock: MpegClock,
    /// Where it matters: the PIDs that had a payload before anything was known of them.
    early: Option<HashSet<u16>>,
    /// Something belongs to what came before, or to what comes behind.
    is_partial: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    None,
    Map,
    Stream(u8),
}

#[derive(Debug, Clone)]
struct Stream {
    pid: u16,
    track: usize,
    data: Data,
    /// The header of a packet of the elementary stream, as long as it is not whole.
    header: Vec<u8>,
    /// How much of that packet is still to come; `None`: up to the next one.
    remaining: Option<usize>,
    state: State,
    /// Where that packet begins.
    begin: (u64, u32),
    last: Option<[u8; PACKET]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Header,
    Body,
}

#[derive(Debug, Clone)]
enum Data {
    Pictures(Box<Pictures>),
    Frames(Box<Frames>),
}

impl Transport {
    pub(crate) fn new(extension: Extension) -> Self {
        Self {
            align: Align::default(),
            unit: 0,
            extension,
            routes: vec![Route::None; PIDS],
            map_pid: None,
            association: Sections::default(),
            map: Sections::default(),
            last_map: Vec::new(),
            streams: Vec::new(),
            codecs: Vec::new(),
            tracks: Vec::new(),
            clock: MpegClock::default(),
            early: None,
            is_partial: false,
        }
    }

    /// One that finds out whether what it is given can be taken apart by itself.
    pub(crate) fn alone(extension: Extension) -> Self {
        Self { early: Some(HashSet::new()), ..Self::new(extension) }
    }

    /// Ends what was given; `false`: there was more before it or behind it that belongs to its samples.
    pub(crate) fn finish_alone<S: Sink>(&mut self, sink: &mut S) -> Result<bool, RemuxError> {
        self.end_packets(sink)?;
        let is_whole = !self.is_partial && self.streams.iter().all(Stream::is_at_end);
        self.finish(sink)?;
        Ok(is_whole)
    }

    /// The codec of each track.
    pub(crate) fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    pub(crate) fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    /// Begins a unit with what is pushed next.
    pub(crate) fn begin_unit<S: Sink>(&mut self, unit: u32, sink: &mut S) -> Result<(), RemuxError> {
        self.settle(sink)?;
        self.unit = unit;
        Ok(())
    }

    /// Takes the last packet that is whole: what comes next changes it no more.
    fn settle<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        let mut align = std::mem::take(&mut self.align);
        let result = align.settle(|offset, part| self.part(offset, part, sink));
        self.align = align;
        result
    }

    pub(crate) fn push<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Result<(), RemuxError> {
        let mut align = std::mem::take(&mut self.align);
        let result = align.push(input, |offset, part| self.part(offset, part, sink));
        self.align = align;
        result
    }

    fn end_packets<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        let mut align = std::mem::take(&mut self.align);
        align.finish(|offset, part| self.part(offset, part, sink))
    }

    /// What is no packet is passed over; whether it may be there has been judged before.
    fn part<S: Sink>(&mut self, offset: u64, part: Part<'_>, sink: &mut S) -> Result<(), RemuxError> {
        match part {
            Part::Packet(packet) => return self.packet(offset, packet, sink),
            Part::Cut(_) => self.is_partial = true,
            // A tag in front belongs to nothing.
            Part::Strange(bytes) => self.is_partial |= offset == 0 && !bytes.starts_with(b"ID3"),
        }
        Ok(())
    }

    /// Ends what shares a clock: what comes next has another one.
    pub(crate) fn reset<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        self.settle(sink)?;
        for stream in &mut self.streams {
            stream.reset(&mut self.tracks, sink)?;
        }
        self.clock.reset();
        Ok(())
    }

    pub(crate) fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        self.end_packets(sink)?;
        self.reset(sink)
    }

    fn packet<S: Sink>(
        &mut self,
        offset: u64,
        packet: &[u8; PACKET],
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let [_, b, c, d, body @ ..] = packet;
        let pid = u16::from(b & 0x1f) << 8 | u16::from(*c);
        let route = self.routes.get(usize::from(pid)).copied().unwrap_or(Route::None);
        if let Some(early) = self.early.as_mut().filter(|_| route == Route::None && d & 0x10 != 0) {
            early.insert(pid);
        }
        // It says that it is damaged, or has no payload, or nobody wants it.
        if b & 0x80 != 0 || d & 0x10 == 0 || (route == Route::None && pid != 0) {
            return Ok(());
        }
        if d & 0xc0 != 0 && matches!(route, Route::Stream(_)) {
            return Err(RemuxError::Encrypted { what: "a scrambled transport stream".to_owned() });
        }
        let adaptation = if d & 0x20 == 0 { 0 } else { 1 + usize::from(body[0]) };
        let Some(payload) = body.get(adaptation..) else { return Ok(()) };
        let begins = b & 0x40 != 0;
        match route {
            Route::Stream(number) => {
                let Some(stream) = self.streams.get_mut(usize::from(number)) else { return Ok(()) };
                // Every packet may be sent twice, and then both are the same.
                if stream.last.is_some_and(|last| last[3] == packet[3] && last == *packet) {
                    stream.last = None;
                    return Ok(());
                }
                stream.last = Some(*packet);
                if begins {
                    stream.begin = (offset, self.unit);
                }
                self.is_partial |= !begins && stream.state == State::Idle && !payload.is_empty();
                stream.payload(begins, payload, &mut self.clock, &mut self.tracks, sink)
            }
            Route::Map => {
                let map = match self.map.push(begins, payload) {
                    Some(map) if map != self.last_map => map.to_vec(),
                    _ => return Ok(()),
                };
                if let Some(streams) = program::streams(&map)? {
                    self.last_map = map;
                    self.route(&streams, offset, sink)?;
                }
                Ok(())
            }
            Route::None => {
                let found = self.association.push(begins, payload).and_then(program::map_pid);
                if found.is_some() && found != self.map_pid {
                    self.set_route(self.map_pid, Route::None);
                    self.map_pid = found;
                    self.set_route(found, Route::Map);
                }
                Ok(())
            }
        }
    }

    fn set_route(&mut self, pid: Option<u16>, route: Route) {
        if let Some(slot) = pid.and_then(|pid| self.routes.get_mut(usize::from(pid))) {
            *slot = route;
        }
    }

    /// Takes the streams of a program map: known ones go on, and new ones take the places of those that have gone.
    fn route<S: Sink>(
        &mut self,
        elementary: &[Elementary],
        offset: u64,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let stays = |stream: &Stream, codecs: &[Codec]| {
            elementary.iter().any(|e| e.pid == stream.pid && codecs.get(stream.track) == Some(&e.codec))
        };
        for stream in &mut self.streams {
            if !stays(stream, &self.codecs) {
                stream.reset(&mut self.tracks, sink)?;
            }
            if let Some(slot) = self.routes.get_mut(usize::from(stream.pid)) {
                *slot = Route::None;
            }
        }
        let codecs = &self.codecs;
        self.streams.retain(|stream| stays(stream, codecs));
        for Elementary { pid, codec, language } in elementary {
            if self.streams.iter().any(|stream| stream.pid == *pid) || self.map_pid == Some(*pid) {
                continue;
            }
            let track = self.place(*codec, *language, offset)?;
            self.is_partial |= self.early.as_ref().is_some_and(|early| early.contains(pid));
            self.streams.push(Stream::new(*pid, track, *codec, self.extension));
        }
        for number in 0..self.streams.len() {
            let pid = self.streams.get(number).map(|stream| stream.pid);
            self.set_route(pid, Route::Stream(u8::try_from(number).unwrap_or(0)));
        }
        Ok(())
    }

    /// Finds the track that a stream goes on with, or makes one.
    fn place(&mut self, codec: Codec, language: Option<[u8; 3]>, offset: u64) -> Result<usize, RemuxError> {
        let free = |track: &usize| !self.streams.iter().any(|stream| stream.track == *track);
        let free = (0..self.tracks.len()).filter(free).collect::<Vec<_>>();
        let same = |track: &&usize| self.codecs.get(**track) == Some(&codec);
        let speaks = |track: &&usize| self.tracks.get(**track).is_some_and(|info| info.language == language);
        let found = free.iter().filter(same).find(speaks).or_else(|| free.iter().find(same));
        if let Some(track) = found {
            return Ok(*track);
        }
        let other = free.iter().filter_map(|track| self.codecs.get(*track));
        if let Some(other) = other.into_iter().find(|other| other.is_video() == codec.is_video()) {
            let (from, to) = (other.name().to_owned(), codec.name().to_owned());
            return Err(RemuxError::Changes { offset, what: "codec", from, to });
        }
        if self.tracks.len() >= MOST_TRACKS {
            return Err(RemuxError::TooMany { what: "tracks" });
        }
        let info = if codec.is_video() { TrackInfo::video() } else { TrackInfo::sound() };
        self.tracks.push(TrackInfo { language, ..info });
        self.codecs.push(codec);
        Ok(self.tracks.len() - 1)
    }
}

impl Stream {
    fn new(pid: u16, track: usize, codec: Codec, extension: Extension) -> Self {
        let data = match codec {
            Codec::Avc => Data::Pictures(Box::new(Pictures::avc())),
            Codec::Hevc => Data::Pictures(Box::new(Pictures::hevc())),
            Codec::Audio(container) => Data::Frames(Box::new(Frames::new(container, extension))),
        };
        let (header, state) = (Vec::new(), State::Idle);
        Self { pid, track, data, header, remaining: None, state, begin: (0, 0), last: None }
    }

    /// Whether the packet that is under way may end here.
    fn is_at_end(&self) -> bool {
        match self.state {
            State::Idle => true,
            State::Header => false,
            State::Body => self.remaining.is_none_or(|remaining| remaining == 0),
        }
    }

    fn payload<S: Sink>(
        &mut self,
        begins: bool,
        payload: &[u8],
        clock: &mut MpegClock,
        tracks: &mut [TrackInfo],
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        if begins {
            self.header.clear();
            self.state = State::Header;
        }
        match self.state {
            State::Idle => Ok(()),
            State::Body => self.body(payload, tracks, sink),
            State::Header => {
                // The common way: the whole header is in the first packet.
                let mut kept = std::mem::take(&mut self.header);
                let bytes = if kept.is_empty() {
                    payload
                } else {
                    kept.extend_from_slice(payload);
                    &kept
                };
                match PesHeader::read(bytes) {
                    Some(Ok(header)) => {
                        self.state = State::Body;
                        self.remaining = header.remaining;
                        self.begin(&header, clock, tracks, sink)?;
                        self.body(bytes.get(header.len..).unwrap_or(&[]), tracks, sink)?;
                    }
                    Some(Err(encrypted)) if encrypted => {
                        return Err(RemuxError::Encrypted {
                            what: "a scrambled elementary stream".to_owned(),
                        });
                    }
                    Some(Err(_)) => self.state = State::Idle,
                    None if bytes.len() > LONGEST_HEADER => self.state = State::Idle,
                    None => self.header = bytes.to_vec(),
                }
                Ok(())
            }
        }
    }

    fn begin<S: Sink>(
        &mut self,
        header: &PesHeader,
        clock: &mut MpegClock,
        tracks: &mut [TrackInfo],
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let time = header.time.map(|(dts, pts)| clock.take(dts, pts));
        let (offset, unit) = self.begin;
        let stamp = Stamp { offset, unit, time };
        let Some(info) = tracks.get_mut(self.track) else { return Ok(()) };
        match &mut self.data {
            Data::Pictures(pictures) => pictures.begin(stamp, self.track, info, sink),
            Data::Frames(frames) => {
                frames.stamp(stamp);
                Ok(())
            }
        }
    }

    fn body<S: Sink>(
        &mut self,
        bytes: &[u8],
        tracks: &mut [TrackInfo],
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let bytes = match &mut self.remaining {
            Some(remaining) => {
                let part = bytes.get(..*remaining).unwrap_or(bytes);
                *remaining -= part.len();
                part
            }
            None => bytes,
        };
        let Some(info) = tracks.get_mut(self.track) else { return Ok(()) };
        match &mut self.data {
            Data::Pictures(pictures) => pictures.push(bytes),
            Data::Frames(frames) => frames.push(bytes, self.track, info, sink),
        }
    }

    fn reset<S: Sink>(&mut self, tracks: &mut [TrackInfo], sink: &mut S) -> Result<(), RemuxError> {
        let Some(info) = tracks.get_mut(self.track) else { return Ok(()) };
        match &mut self.data {
            Data::Pictures(pictures) => pictures.finish(self.track, info, sink)?,
            Data::Frames(frames) => frames.finish(self.track, info, sink)?,
        }
        self.header.clear();
        (self.state, self.last) = (State::Idle, None);
        Ok(())
    }
}

/// The header of a packet of an elementary stream (section 2.4.3.6).
struct PesHeader {
    len: usize,
    remaining: Option<usize>,
    /// DTS and PTS.
    time: Option<(i64, i64)>,
}

impl PesHeader {
    /// `None`: it is not whole. An error: it is none; `true`: because what follows is scrambled.
    fn read(bytes: &[u8]) -> Option<Result<Self, bool>> {
        if !bytes.iter().zip([0, 0, 1]).all(|(byte, start)| *byte == start) {
            return Some(Err(false));
        }
        let &[_, _, _, _, a, b, marks, flags, len, ..] = bytes else { return None };
        if marks >> 6 != 2 {
            return Some(Err(false));
        }
        if marks & 0x30 != 0 {
            return Some(Err(true));
        }
        let len = 9 + usize::from(len);
        let header = bytes.get(..len)?;
        let pts = || timestamp(header.get(9..)?);
        let time = match flags >> 6 {
            2 => pts().map(|pts| (pts, pts)),
            3 => pts().map(|pts| (header.get(14..).and_then(timestamp).unwrap_or(pts), pts)),
            _ => None,
        };
        let whole = usize::from(a) << 8 | usize::from(b);
        let remaining = (whole > 0).then(|| (whole + 6).saturating_sub(len));
        Some(Ok(Self { len, remaining, time }))
    }
}

fn timestamp(bytes: &[u8]) -> Option<i64> {
    let &[a, b, c, d, e] = bytes.first_chunk::<5>()?;
    let parts = [(a >> 1 & 7, 30), (b, 22), (c >> 1, 15), (d, 7), (e >> 1, 0)];
    Some(parts.into_iter().map(|(part, shift)| i64::from(part) << shift).sum())
}

//! MPEG-TS: packets to elementary streams.

use std::collections::HashSet;

use super::{
    clock::MpegClock,
    error::RemuxError,
    frames::Frames,
    input::Wants,
    pairing::pair,
    pes,
    pictures::{Pictures, Stamp},
    program::{self, Codec, Elementary, Sections, What},
    record::Tracks,
    report::LeftOut,
    sample::{Sink, TrackInfo},
    sound::Extension,
};
use crate::ts::{Align, PACKET, Part};

const PIDS: usize = 0x2000;
/// More tracks than any real program has.
const MOST_TRACKS: usize = 32;

/// Takes a transport stream apart.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    align: Align,
    unit: u32,
    extension: Extension,
    wants: Wants,
    /// What to do with each PID.
    routes: Vec<Route>,
    association: Sections,
    /// The maps of all programs, and the PID of the one that was the first to come.
    maps: Vec<(u16, Sections)>,
    program: Option<u16>,
    last_map: Vec<u8>,
    /// Streams whose packets will tell what they are.
    unknown: Vec<(Elementary, u8)>,
    left_out: Vec<LeftOut>,
    streams: Vec<Stream>,
    codecs: Vec<Codec>,
    tracks: Vec<TrackInfo>,
    clock: MpegClock,
    /// Where it matters: the PIDs that had a payload before anything was known of them.
    early: Option<HashSet<u16>>,
    /// Something belongs to what came before, or to what comes behind.
    is_partial: bool,
    /// The next timestamp is of another clock.
    expects_reset: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    None,
    Map(u8),
    Stream(u8),
    Unknown(u8),
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
    /// The last packet, where it may come a second time.
    last: [u8; PACKET],
    may_repeat: bool,
    /// Its clock ends with the packet of the elementary stream that is under way.
    expects_reset: bool,
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
    pub(crate) fn new(extension: Extension, wants: Wants) -> Self {
        Self {
            align: Align::default(),
            unit: 0,
            extension,
            wants,
            routes: vec![Route::None; PIDS],
            association: Sections::default(),
            maps: Vec::new(),
            program: None,
            last_map: Vec::new(),
            unknown: Vec::new(),
            left_out: Vec::new(),
            streams: Vec::new(),
            codecs: Vec::new(),
            tracks: Vec::new(),
            clock: MpegClock::default(),
            early: None,
            is_partial: false,
            expects_reset: false,
        }
    }

    /// One that finds out whether what it is given can be taken apart by itself.
    pub(crate) fn alone(extension: Extension, wants: Wants) -> Self {
        Self { early: Some(HashSet::new()), ..Self::new(extension, wants) }
    }

    /// Begins behind a unit with these tracks: it may lack tables and parameter sets.
    pub(crate) fn prime<S: Sink>(&mut self, before: &Tracks, sink: &mut S) -> Result<(), RemuxError> {
        let Some((pid, map)) = &before.beside.program else { return Ok(()) };
        self.maps = vec![(*pid, Sections::default())];
        self.program = Some(*pid);
        self.set_route(Some(*pid), Route::Map(0));
        if let Some(streams) = program::streams(map)? {
            self.last_map.clone_from(map);
            self.route(&streams, 0, sink)?;
        }
        for stream in &mut self.streams {
            let same = before
                .codecs
                .iter()
                .zip(&before.infos)
                .find(|(codec, _)| self.codecs.get(stream.track) == Some(codec));
            let entry = same.and_then(|(_, info)| info.entries.last());
            if let (Data::Pictures(pictures), Some(entry)) = (&mut stream.data, entry) {
                pictures.prime(entry);
            }
        }
        Ok(())
    }

    /// The PID of the program map that holds, and the map.
    pub(crate) fn program(&self) -> Option<(u16, Vec<u8>)> {
        self.program.map(|pid| (pid, self.last_map.clone())).filter(|(_, map)| !map.is_empty())
    }

    /// Streams that are no tracks.
    pub(crate) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Ends what was given; `false`: there was more before it or behind it that belongs to its samples.
    pub(crate) fn finish_alone<S: Sink>(&mut self, sink: &mut S) -> Result<bool, RemuxError> {
        self.end_packets(sink)?;
        let is_whole = !self.is_partial && self.streams.iter().all(Stream::is_at_end);
        self.finish(sink)?;
        let are_whole = self.streams.iter().all(|stream| match &stream.data {
            Data::Pictures(_) => true,
            Data::Frames(frames) => frames.is_whole(),
        });
        Ok(is_whole && are_whole)
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

    /// Something is missing before what comes next, so that neither a packet nor a picture goes on there.
    pub(crate) fn break_off<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        self.settle(sink)?;
        self.streams.iter_mut().try_for_each(|stream| stream.reset(&mut self.tracks, sink))
    }

    /// What comes next has another clock by the playlist. A packet of an elementary stream that is under way still ends in it: some
    /// segmenters cut anywhere, and mark what goes on.
    pub(crate) fn expect_reset<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        self.settle(sink)?;
        self.streams.iter_mut().for_each(|stream| stream.expects_reset = true);
        self.expects_reset = true;
        Ok(())
    }

    /// Ends what shares a clock: what comes next has another one.
    pub(crate) fn reset<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        self.settle(sink)?;
        for stream in &mut self.streams {
            stream.reset(&mut self.tracks, sink)?;
        }
        self.clock.reset();
        self.expects_reset = false;
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
                if stream.may_repeat && stream.last[3] == packet[3] && stream.last == *packet {
                    stream.may_repeat = false;
                    return Ok(());
                }
                if stream.expects_reset && (begins || !stream.is_continued_by(packet)) {
                    stream.reset(&mut self.tracks, sink)?;
                }
                // Whichever stream has the first timestamp, be it a new one.
                if begins && std::mem::take(&mut self.expects_reset) {
                    self.clock.reset();
                }
                stream.last.copy_from_slice(packet);
                stream.may_repeat = true;
                if begins {
                    stream.begin = (offset, self.unit);
                }
                self.is_partial |= !begins && stream.state == State::Idle && !payload.is_empty();
                stream.payload(begins, payload, &mut self.clock, &mut self.tracks, sink)
            }
            Route::Unknown(number) => {
                if !begins {
                    return Ok(());
                }
                let Some((elementary, kind)) = self.unknown.get(usize::from(number)).cloned() else {
                    return Ok(());
                };
                self.is_partial |= self.early.as_ref().is_some_and(|early| early.contains(&pid));
                let what = program::told_by_packet(kind, payload);
                self.set_route(Some(pid), Route::None);
                self.add(&[&Elementary { what, ..elementary }], offset)?;
                self.set_stream_routes();
                if matches!(self.routes.get(usize::from(pid)), Some(Route::Stream(_))) {
                    return self.packet(offset, packet, sink);
                }
                Ok(())
            }
            Route::Map(number) => {
                let Some((_, sections)) = self.maps.get_mut(usize::from(number)) else { return Ok(()) };
                let is_other = self.program.is_some_and(|program| program != pid);
                let map = match sections.push(begins, payload) {
                    Some(map) if is_other && !self.left_out.iter().any(|one| one.pid == Some(pid)) => {
                        map.to_vec()
                    }
                    Some(map) if !is_other && map != self.last_map => map.to_vec(),
                    _ => return Ok(()),
                };
                if is_other {
                    self.pass_over(pid, &map);
                    return Ok(());
                }
                if let Some(streams) = program::streams(&map)? {
                    (self.last_map, self.program) = (map, Some(pid));
                    self.route(&streams, offset, sink)?;
                }
                Ok(())
            }
            Route::None => {
                let Some(found) = self.association.push(begins, payload).and_then(program::map_pids) else {
                    return Ok(());
                };
                if !found.iter().eq(self.maps.iter().map(|(pid, _)| pid)) {
                    for pid in self.maps.iter().map(|(pid, _)| *pid).collect::<Vec<_>>() {
                        self.set_route(Some(pid), Route::None);
                    }
                    // A number of a map has eight bits here, and no stream has more programs.
                    self.maps = found.iter().take(255).map(|pid| (*pid, Sections::default())).collect();
                    self.program = self.program.filter(|program| found.contains(program));
                    for (number, pid) in (0..=254).zip(found) {
                        self.set_route(Some(pid), Route::Map(number));
                    }
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
            let codec = codecs.get(stream.track).copied().map(What::Carried);
            elementary.iter().any(|e| e.pid == stream.pid && Some(&e.what) == codec.as_ref())
        };
        for stream in &mut self.streams {
            if !stays(stream, &self.codecs) {
                stream.reset(&mut self.tracks, sink)?;
            }
            if let Some(slot) = self.routes.get_mut(usize::from(stream.pid)) {
                *slot = Route::None;
            }
        }
        for (known, _) in std::mem::take(&mut self.unknown) {
            self.set_route(Some(known.pid), Route::None);
        }
        let codecs = &self.codecs;
        self.streams.retain(|stream| stays(stream, codecs));
        let mut new: Vec<&Elementary> = Vec::new();
        for one in elementary {
            let is_map = self.maps.iter().any(|(pid, _)| *pid == one.pid);
            let is_known = self.streams.iter().any(|stream| stream.pid == one.pid);
            if !is_map && !is_known && !new.iter().any(|other| other.pid == one.pid) {
                new.push(one);
            }
        }
        let is_early = |pid: u16| self.early.as_ref().is_some_and(|early| early.contains(&pid));
        self.is_partial |= new.iter().any(|one| one.carried().is_some() && is_early(one.pid));
        self.add(&new, offset)?;
        self.set_stream_routes();
        Ok(())
    }

    /// Returns the tracks that those of new streams go on with that an MP4 can hold.
    fn places(&self, new: &[&Elementary], offset: u64) -> Result<Vec<Option<usize>>, RemuxError> {
        let known = self.codecs.iter().zip(&self.tracks).map(|(codec, info)| (*codec, info.language));
        let is_free = |track| !self.streams.iter().any(|stream| stream.track == track);
        let streams = new.iter().filter_map(|one| one.carried()).collect::<Vec<_>>();
        pair(&known.collect::<Vec<_>>(), is_free, &streams, offset)
    }

    /// Adds a stream that goes on with a track, or has a new one.
    fn carry(&mut self, one: &Elementary, codec: Codec, track: Option<usize>) -> Result<(), RemuxError> {
        let track = match track {
            Some(track) => track,
            None if self.tracks.len() >= MOST_TRACKS => {
                return Err(RemuxError::TooMany { what: "tracks" });
            }
            None => {
                let info = if codec.is_video() { TrackInfo::video() } else { TrackInfo::sound() };
                self.tracks.push(TrackInfo { language: one.language, ..info });
                self.codecs.push(codec);
                self.tracks.len() - 1
            }
        };
        self.streams.push(Stream::new(one.pid, track, codec, self.extension));
        Ok(())
    }

    fn set_stream_routes(&mut self) {
        for number in 0..self.streams.len() {
            let pid = self.streams.get(number).map(|stream| stream.pid);
            self.set_route(pid, Route::Stream(u8::try_from(number).unwrap_or(0)));
        }
    }

    /// Adds streams of the program.
    fn add(&mut self, new: &[&Elementary], offset: u64) -> Result<(), RemuxError> {
        let mut tracks = self.places(new, offset)?.into_iter();
        for &one in new {
            match &one.what {
                What::Carried(codec) => self.carry(one, *codec, tracks.next().flatten())?,
                What::Media(kind, what) => {
                    if self.wants.needs(*kind) {
                        return Err(RemuxError::unsupported(what));
                    }
                    self.leave_out(one.pid, what, self.wants.misses(*kind));
                }
                What::Unknown(kind) => {
                    let number = u8::try_from(self.unknown.len()).unwrap_or(u8::MAX);
                    self.unknown.push((one.clone(), *kind));
                    self.set_route(Some(one.pid), Route::Unknown(number));
                }
                What::Data(what) => self.leave_out(one.pid, what, false),
            }
        }
        Ok(())
    }

    /// Notes a program that is not the first, where it has pictures or sound of its own.
    fn pass_over(&mut self, pid: u16, map: &[u8]) {
        let is_missed = |one: &Elementary| {
            matches!(one.what, What::Carried(_) | What::Media(..))
                && !self.streams.iter().any(|stream| stream.pid == one.pid)
        };
        // What can't be told is damaged, or has nothing that an MP4 holds.
        if program::streams(map).is_ok_and(|streams| streams.is_some_and(|all| all.iter().any(is_missed))) {
            self.leave_out(pid, "another program", true);
        }
    }

    fn leave_out(&mut self, pid: u16, what: &str, is_missed: bool) {
        let one = LeftOut { what: what.to_owned(), pid: Some(pid), is_missed };
        if !self.left_out.contains(&one) && self.left_out.len() < MOST_TRACKS {
            self.left_out.push(one);
        }
    }
}

impl Stream {
    fn new(pid: u16, track: usize, codec: Codec, extension: Extension) -> Self {
        let data = match codec {
            Codec::Avc => Data::Pictures(Box::new(Pictures::avc())),
            Codec::Hevc => Data::Pictures(Box::new(Pictures::hevc())),
            Codec::Audio(container) => Data::Frames(Box::new(Frames::new(container, extension))),
            Codec::Latm => Data::Frames(Box::new(Frames::latm())),
            Codec::Opus(code) => Data::Frames(Box::new(Frames::opus(code))),
            Codec::Dts => Data::Frames(Box::new(Frames::dts())),
        };
        let (header, state) = (Vec::new(), State::Idle);
        Self {
            pid,
            track,
            data,
            header,
            remaining: None,
            state,
            begin: (0, 0),
            last: [0; PACKET],
            may_repeat: false,
            expects_reset: false,
        }
    }

    /// Whether this packet is the next one by its counter.
    fn is_continued_by(&self, packet: &[u8; PACKET]) -> bool {
        self.state != State::Idle && self.last[3].wrapping_add(1) & 0x0f == packet[3] & 0x0f
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
                match pes::Header::read(bytes) {
                    Some(Ok(header)) => {
                        self.state = State::Body;
                        self.remaining = header.remaining;
                        self.begin(&header, clock);
                        self.body(bytes.get(header.len..).unwrap_or(&[]), tracks, sink)?;
                    }
                    Some(Err(encrypted)) if encrypted => {
                        return Err(RemuxError::Encrypted {
                            what: "a scrambled elementary stream".to_owned(),
                        });
                    }
                    Some(Err(_)) => self.state = State::Idle,
                    None if bytes.len() > pes::LONGEST_HEADER => self.state = State::Idle,
                    None => self.header = bytes.to_vec(),
                }
                Ok(())
            }
        }
    }

    fn begin(&mut self, header: &pes::Header, clock: &mut MpegClock) {
        let time = header.time.map(|(dts, pts)| clock.take(dts, pts));
        let (offset, unit) = self.begin;
        let stamp = Stamp { offset, unit, time };
        match &mut self.data {
            Data::Pictures(pictures) => pictures.begin(stamp),
            Data::Frames(frames) => frames.stamp(stamp),
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
            Data::Pictures(pictures) => pictures.push(bytes, self.track, info, sink),
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
        (self.state, self.may_repeat, self.expects_reset) = (State::Idle, false, false);
        Ok(())
    }
}

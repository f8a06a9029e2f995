//! Video in a transport stream: the bytes of an elementary stream to access units, wherever packets begin.

use std::{collections::VecDeque, ops::Range};

use super::{
    avc::{Avc, Role},
    error::RemuxError,
    hevc::Hevc,
    nal::{Geometry, Part, Slice, StartCodes},
    order::{Order, Untimed},
    sample::{LARGEST_SAMPLE, Sample, Sink, TrackInfo},
};
use crate::fmp4::children;

/// A packet of the elementary stream is looked through when so many bytes of it have come, and whenever there are twice as many: the
/// sooner its first picture is seen, the less is behind the one before when that is given out.
const FIRST_LOOK: usize = 64;
/// It is looked through when it has grown by this much, at the latest.
const LOOK_EVERY: usize = 256 << 10;
/// Enough of a NAL unit to tell what it begins.
const HEAD: usize = 40;
/// Access units that wait for a timestamp are no more than this, in bytes and in number.
const MOST_WAITING: usize = LARGEST_SAMPLE;
const MOST_UNTIMED: usize = 1000;

/// Where and when something in an elementary stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) offset: u64,
    pub(crate) unit: u32,
    /// DTS and PTS; `None`: not said.
    pub(crate) time: Option<(i64, i64)>,
}

#[derive(Debug, Clone)]
enum Codec {
    Avc(Avc),
    Hevc(Hevc),
}

/// Makes a sample of each access unit: a picture, or the two fields of a frame.
///
/// A timestamp belongs to the first access unit that begins in its packet (ISO/IEC 13818-1, section 2.4.3.7); the times of
/// others follow from their neighbours. Start codes become lengths. Delimiters and filler data are dropped, as
/// ISO/IEC 14496-15 wants it. Parameter sets go into a sample entry and stay in the stream as well: players that follow
/// sample entries switch by them, and those that only ever read the first one find the sets where they are needed.
#[derive(Debug, Clone)]
pub(crate) struct Pictures {
    codec: Codec,
    codes: StartCodes,
    buffer: Vec<u8>,
    /// Up to where start codes have been looked for.
    looked: usize,
    /// How long the buffer is when it is looked through again, and by how much it grows up to the time after that.
    look_at: usize,
    step_to_look: usize,
    /// Where the NAL unit begins that is not at its end.
    open: Option<Open>,
    /// Packets by where they begin in the buffer, and the one that the access unit began in.
    stamps: VecDeque<(usize, Stamp)>,
    packet: Option<Packet>,
    /// The NAL units since the access unit began.
    nals: Vec<Nal>,
    unit: AccessUnit,
    entry: Option<u8>,
    order: Order,
    /// Access units behind the last one whose time is known.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// The last access unit whose time is known, and how long a picture lasts by the times before.
    anchor: Option<Anchor>,
    step: i64,
}

#[derive(Debug, Clone, Copy)]
struct Packet {
    stamp: Stamp,
    is_taken: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    from: usize,
    /// What it begins has been told, so that it is the last of the NAL units already.
    is_told: bool,
}

#[derive(Debug, Clone)]
struct Nal {
    at: Range<usize>,
    is_kept: bool,
}

/// The access unit that is under way.
#[derive(Debug, Clone, Copy, Default)]
struct AccessUnit {
    has_picture: bool,
    /// It can begin no later than with this NAL unit that the next one begins.
    next_at: Option<usize>,
    /// A delimiter stands behind its picture, or a sequence parameter set does.
    is_delimited: bool,
    is_renewed: bool,
    /// How many of its NAL units have been taken into account.
    done: usize,
    is_sync: bool,
    changes: bool,
    slice: Option<Slice>,
    /// The second field has come.
    is_paired: bool,
}

/// An access unit whose time is not known yet.
#[derive(Debug, Clone)]
struct Waiting {
    offset: u64,
    unit: u32,
    data: Vec<u8>,
    is_sync: bool,
    entry: u8,
    place: Untimed,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    dts: i64,
    pts: i64,
    place: Untimed,
}

impl Pictures {
    pub(crate) fn avc() -> Self {
        Self::new(Codec::Avc(Avc::default()))
    }

    pub(crate) fn hevc() -> Self {
        Self::new(Codec::Hevc(Hevc::default()))
    }

    fn new(codec: Codec) -> Self {
        Self {
            codec,
            codes: StartCodes::default(),
            buffer: Vec::new(),
            looked: 0,
            look_at: 0,
            step_to_look: FIRST_LOOK,
            open: None,
            stamps: VecDeque::new(),
            packet: None,
            nals: Vec::new(),
            unit: AccessUnit::default(),
            entry: None,
            order: Order::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            anchor: None,
            step: 0,
        }
    }

    /// Takes the parameter sets of a sample entry.
    pub(crate) fn prime(&mut self, entry: &[u8]) {
        // A box header, and what all sample entries of pictures begin with.
        let boxes = entry.get(8 + 78..).unwrap_or(&[]);
        for (name, config) in children(boxes).map_while(Result::ok) {
            match (&mut self.codec, &name) {
                (Codec::Avc(avc), b"avcC") => avc.prime(config),
                (Codec::Hevc(hevc), b"hvcC") => hevc.prime(config),
                _ => {}
            }
        }
    }

    /// Begins a packet.
    pub(crate) fn begin(&mut self, stamp: Stamp) {
        (self.look_at, self.step_to_look) = (self.buffer.len() + FIRST_LOOK, FIRST_LOOK);
        self.stamps.push_back((self.buffer.len(), stamp));
    }

    pub(crate) fn push<S: Sink>(
        &mut self,
        bytes: &[u8],
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        if self.buffer.len() + bytes.len() > LARGEST_SAMPLE {
            let offset = self.packet.map_or(0, |packet| packet.stamp.offset);
            return Err(RemuxError::TooLarge { offset, what: "picture" });
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= self.look_at {
            self.look(track, info, sink)?;
            self.look_at = self.buffer.len() + self.step_to_look;
            self.step_to_look = (self.step_to_look * 2).min(LOOK_EVERY);
        }
        Ok(())
    }

    /// Ends all that shares a clock.
    pub(crate) fn finish<S: Sink>(
        &mut self,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        self.look(track, info, sink)?;
        self.close(self.buffer.len(), track, info, sink)?;
        self.end_unit(self.nals.len(), track, info, sink)?;
        self.settle(None, track, info, sink)?;
        self.buffer.clear();
        self.stamps.clear();
        (self.looked, self.look_at, self.packet, self.anchor) = (0, 0, None, None);
        self.order = Order::default();
        Ok(())
    }

    /// Finds NAL units in what has come.
    fn look<S: Sink>(&mut self, track: usize, info: &mut TrackInfo, sink: &mut S) -> Result<(), RemuxError> {
        while let Some(at) = self.codes.next(&self.buffer, self.looked) {
            let gone = self.close(at, track, info, sink)?;
            self.looked = at + 3 - gone;
            self.open = Some(Open { from: self.looked, is_told: false });
        }
        // A start code may have begun.
        self.looked = self.looked.max(self.buffer.len().saturating_sub(2));
        if let Some(Open { from, is_told: false }) = self.open
            && self.buffer.len() >= from + HEAD
        {
            let gone = self.tell(from, track, info, sink)?;
            self.looked -= gone;
            self.open = Some(Open { from: from - gone, is_told: true });
        }
        Ok(())
    }

    /// Ends the NAL unit that is under way, without the zeros that fill up behind it; returns how many bytes of the buffer are gone.
    fn close<S: Sink>(
        &mut self,
        to: usize,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<usize, RemuxError> {
        let Some(Open { from, is_told }) = self.open.take() else { return Ok(0) };
        let nal = self.buffer.get(from..to).unwrap_or(&[]);
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        if zeros == nal.len() {
            // One that has begun is no more than its begin.
            if is_told {
                self.nals.pop();
            }
            return Ok(0);
        }
        let gone = if is_told { 0 } else { self.tell(from, track, info, sink)? };
        if let Some(nal) = self.nals.last_mut() {
            nal.at.end = to - zeros - gone;
        }
        Ok(gone)
    }

    /// Takes a NAL unit of which the begin is there, and ends the access unit before it where it begins another one. Returns how many
    /// bytes of the buffer are gone; the caller has to move what it holds by as much.
    fn tell<S: Sink>(
        &mut self,
        from: usize,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<usize, RemuxError> {
        let at = from..self.buffer.len().min(from + HEAD);
        let nal = self.buffer.get(at.clone()).unwrap_or(&[]);
        let part = match &self.codec {
            Codec::Avc(_) => Avc::part(nal),
            Codec::Hevc(_) => Hevc::part(nal),
        };
        let number = self.nals.len();
        self.nals.push(Nal { at, is_kept: true });
        if !self.unit.has_picture {
            if let Part::Slice { .. } = part {
                self.begin_picture(number);
            }
            return Ok(0);
        }
        match part {
            Part::Delimiter | Part::Sequence | Part::Prefix => {
                self.unit.next_at.get_or_insert(number);
                self.unit.is_delimited |= part != Part::Prefix;
                self.unit.is_renewed |= part == Part::Sequence;
            }
            Part::Slice { begins } => {
                let begins = begins || self.unit.is_delimited || self.is_stamped_otherwise(from);
                if begins && !self.is_second_field(number) {
                    let gone = self.end_unit(self.unit.next_at.unwrap_or(number), track, info, sink)?;
                    self.buffer.drain(..gone);
                    self.begin_picture(self.nals.len().saturating_sub(1));
                    return Ok(gone);
                }
                self.unit.is_paired |= begins;
                (self.unit.next_at, self.unit.is_delimited) = (None, false);
                self.take_parts(number + 1);
            }
            Part::Other => {}
        }
        Ok(0)
    }

    /// Begins the picture of an access unit with a slice.
    fn begin_picture(&mut self, number: usize) {
        self.unit.has_picture = true;
        self.take_parts(number + 1);
        let nal = self.nals.get(number).and_then(|nal| self.buffer.get(nal.at.clone())).unwrap_or(&[]);
        self.unit.slice = self.slice(nal);
    }

    fn slice(&self, nal: &[u8]) -> Option<Slice> {
        match &self.codec {
            Codec::Avc(avc) => avc.slice(nal),
            Codec::Hevc(hevc) => hevc.slice(nal),
        }
    }

    /// Whether a slice is the other field of the frame that is under way (H.264, section 7.4.1.2.4).
    fn is_second_field(&self, number: usize) -> bool {
        let AccessUnit { slice, is_paired, is_renewed, .. } = self.unit;
        let Some((frame, is_bottom)) = slice.and_then(|slice| slice.field) else { return false };
        if is_paired || is_renewed {
            return false;
        }
        let nal = self.nals.get(number).and_then(|nal| self.buffer.get(nal.at.clone())).unwrap_or(&[]);
        let other = self.slice(nal);
        // A frame that restarts the order may have a second field that does not.
        other.is_some_and(|other| {
            other.field == Some((frame, !is_bottom)) && (!other.restarts || slice.is_some_and(|s| s.restarts))
        })
    }

    /// Whether the packet in which something begins has another timestamp than the access unit that is under way.
    fn is_stamped_otherwise(&self, at: usize) -> bool {
        let packet = self.stamps.iter().rev().find(|(begin, _)| *begin < at).map(|(_, stamp)| *stamp);
        let time = packet.and_then(|stamp| stamp.time);
        let own = self.first_packet().or(self.packet).and_then(|packet| packet.stamp.time);
        time.is_some() && own.is_some() && time != own
    }

    /// The packet that the access unit that is under way began in.
    fn first_packet(&self) -> Option<Packet> {
        let start = self.nals.first()?.at.start;
        let (_, stamp) = self.stamps.iter().rev().find(|(begin, _)| *begin < start)?;
        Some(Packet { stamp: *stamp, is_taken: false })
    }

    /// Takes NAL units into account that belong to the access unit for certain.
    fn take_parts(&mut self, to: usize) {
        for nal in self.nals.get_mut(self.unit.done..to).unwrap_or_default() {
            let bytes = self.buffer.get(nal.at.clone()).unwrap_or(&[]);
            let role = match &mut self.codec {
                Codec::Avc(avc) => avc.role(bytes),
                Codec::Hevc(hevc) => hevc.role(bytes),
            };
            match role {
                Role::Dropped => nal.is_kept = false,
                Role::Picture { is_sync } => self.unit.is_sync |= is_sync,
                Role::EntryPoint => self.unit.is_sync = true,
                Role::Parameters { changes } => self.unit.changes |= changes,
                Role::Other => {}
            }
        }
        self.unit.done = self.unit.done.max(to);
    }

    /// Ends the access unit before a NAL unit; returns how many bytes of the buffer are done with.
    fn end_unit<S: Sink>(
        &mut self,
        to: usize,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<usize, RemuxError> {
        if to == 0 {
            return Ok(0);
        }
        self.take_parts(to);
        let start = self.nals.first().map_or(0, |nal| nal.at.start);
        // The first three bytes are the start code.
        while let Some((_, stamp)) = self.stamps.front().filter(|(begin, _)| *begin < start) {
            self.packet = Some(Packet { stamp: *stamp, is_taken: false });
            self.stamps.pop_front();
        }
        let unit = std::mem::take(&mut self.unit);
        if unit.changes || self.entry.is_none() {
            self.take_entry(info)?;
        }
        let kept = self.nals.iter().take(to).filter(|nal| nal.is_kept).count();
        let bytes = self.nals.get(to - 1).map_or(0, |nal| nal.at.end) - start;
        let packet = self.packet.as_mut();
        let stamp = packet.map(|packet| (packet.stamp, std::mem::replace(&mut packet.is_taken, true)));
        let end = self.nals.get(to).map_or(self.buffer.len(), |nal| nal.at.start.saturating_sub(3));
        match (self.entry, stamp) {
            (Some(entry), Some((stamp, is_taken))) if unit.has_picture => {
                let time = stamp.time.filter(|_| !is_taken);
                let place = self.order.place(unit.slice, unit.is_sync);
                self.give(stamp, time, place, (unit.is_sync, entry), to, track, info, sink)?;
            }
            (_, stamp) if kept > 0 => {
                sink.skipped(track, stamp.map_or(0, |(stamp, _)| stamp.offset), bytes as u64);
            }
            _ => {}
        }
        self.nals.drain(..to);
        for nal in &mut self.nals {
            nal.at = nal.at.start - end..nal.at.end - end;
        }
        self.stamps.iter_mut().for_each(|(begin, _)| *begin = begin.saturating_sub(end));
        Ok(end)
    }

    /// Gives an access unit out, or keeps it until its time is known.
    #[allow(clippy::too_many_arguments)]
    fn give<S: Sink>(
        &mut self,
        stamp: Stamp,
        time: Option<(i64, i64)>,
        place: Untimed,
        (is_sync, entry): (bool, u8),
        to: usize,
        track: usize,
        info: &TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let Stamp { offset, unit, .. } = stamp;
        if let Some((dts, pts)) = time {
            let before = self.anchor;
            let step = self.step_to(Some(dts));
            self.order.told((place, dts, pts), before.map(|before| (before.place, before.pts)), step);
            self.settle(Some(dts), track, info, sink)?;
            self.anchor = Some(Anchor { dts, pts, place });
            let size = self.write(to, |bytes| sink.data(track, bytes));
            return sink.sample(
                track,
                info,
                Sample { offset, unit, dts, pts, duration: 0, size, is_sync, entry },
            );
        }
        let mut data = Vec::new();
        self.write(to, |bytes| data.extend_from_slice(bytes));
        self.waiting_bytes += data.len();
        self.waiting.push_back(Waiting { offset, unit, data, is_sync, entry, place });
        if self.waiting_bytes > MOST_WAITING || self.waiting.len() > MOST_UNTIMED {
            self.settle(None, track, info, sink)?;
        }
        Ok(())
    }

    /// Gives out what has waited: its times lie evenly between the last one that is known and `next`.
    fn settle<S: Sink>(
        &mut self,
        next: Option<i64>,
        track: usize,
        info: &TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let count = self.waiting.len() as i64;
        let step = self.step_to(next);
        let is_even =
            next.zip(self.anchor).is_some_and(|(next, anchor)| (next - anchor.dts) / (count + 1) == step);
        if is_even {
            self.step = step;
        }
        if count == 0 {
            return Ok(());
        }
        self.waiting_bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let Some(anchor) = self.anchor.filter(|_| step > 0) else {
            for Waiting { offset, data, .. } in waiting {
                sink.skipped(track, offset, data.len() as u64);
            }
            return Ok(());
        };
        let places =
            std::iter::once(anchor.place).chain(waiting.iter().map(|one| one.place)).collect::<Vec<_>>();
        let offsets = self.order.offsets(&places, anchor.pts - anchor.dts, step);
        let mut last = anchor;
        for ((number, one), offset) in (1..).zip(waiting).zip(offsets.into_iter().skip(1)) {
            let Waiting { offset: at, unit, data, is_sync, entry, place } = one;
            let dts = match next.filter(|_| is_even) {
                Some(next) => anchor.dts + (next - anchor.dts) * number / (count + 1),
                None => anchor.dts + step * number,
            };
            let pts = dts + offset;
            sink.data(track, &data);
            let size = data.len() as u32;
            sink.sample(
                track,
                info,
                Sample { offset: at, unit, dts, pts, duration: 0, size, is_sync, entry },
            )?;
            last = Anchor { dts, pts, place };
        }
        self.anchor = Some(last);
        Ok(())
    }

    /// How long a picture lasts, from the last one whose time is known to one that is decoded at `next`. Where there is a jump
    /// between them, the times go on as they did.
    fn step_to(&self, next: Option<i64>) -> i64 {
        let usual = if self.step > 0 { self.step } else { i64::from(self.geometry().lasts) };
        let told =
            next.zip(self.anchor).map(|(next, anchor)| (next - anchor.dts) / (self.waiting.len() as i64 + 1));
        told.filter(|step| (1..=180_000).contains(step) && (usual == 0 || *step < usual * 4)).unwrap_or(usual)
    }

    fn geometry(&self) -> Geometry {
        match &self.codec {
            Codec::Avc(avc) => avc.geometry,
            Codec::Hevc(hevc) => hevc.geometry(),
        }
    }

    fn take_entry(&mut self, info: &mut TrackInfo) -> Result<(), RemuxError> {
        let entry = match &self.codec {
            Codec::Avc(avc) => avc.entry(),
            Codec::Hevc(hevc) => hevc.entry(),
        };
        if let Some(entry) = entry {
            if info.entries.is_empty() {
                info.size = self.geometry().shown();
            }
            self.entry = Some(info.entry(entry)?);
        }
        Ok(())
    }

    /// Writes the first NAL units as a sample; returns how long it is.
    fn write(&self, to: usize, mut write: impl FnMut(&[u8])) -> u32 {
        let mut size = 0_u32;
        for nal in self.nals.iter().take(to).filter(|nal| nal.is_kept) {
            let nal = self.buffer.get(nal.at.clone()).unwrap_or(&[]);
            // No more than `LARGEST_SAMPLE`.
            let len = nal.len() as u32;
            write(&len.to_be_bytes());
            write(nal);
            size += 4 + len;
        }
        size
    }
}

//! Continuity counters of MPEG transport streams (ISO/IEC 13818-1, section 2.4.3), and what else their packets tell.

use crate::audio::{self, Frame, Frames};
use crate::border::Border;
use crate::coding::{Coding, Look, Size};
use crate::oddity::{Found, Odd, is_blank};
use crate::tables::{Tables, Told};
use crate::timestamps::{Timestamps, has_bad_times, is_pes};

/// Padding, whose counter means nothing.
const NULL: usize = 0x1fff;
/// PIDs in a page of the table of PIDs. A PID has 13 bits, and a segment has few of them.
const PAGE: usize = 128;
const PAGES: usize = 0x2000 / PAGE;
/// The counter of a PID is known.
const KNOWN: u8 = 0x80;
/// The last packet was a duplicate; a second one in a row may not be.
const TWICE: u8 = 0x40;
/// It is an elementary stream.
const STREAM: u8 = 0x20;
/// It holds tables.
const TABLE: u8 = 0x10;
/// More elementary streams than any real transport stream has.
const MANY: usize = 32;
/// The programs there are, and what they are called.
const TABLES: [usize; 2] = [0, 0x11];

/// Follows the counters of all elementary streams in one unit, their timestamps, and the checksums of tables.
///
/// The counters of tables are left out: many servers put the same table, counter and all, before each segment and within it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Continuity {
    pids: Pids,
    streams: Vec<Stream>,
    tables: Tables,
    timestamps: Timestamps,
    found: Found,
    border: Border,
    scrambled_at: Option<u64>,
}

/// What is known of each PID. Empty until the first packet.
#[derive(Debug, Clone, Default)]
struct Pids(Vec<Option<Box<[Pid; PAGE]>>>);

impl Pids {
    fn get(&self, pid: usize) -> Option<&Pid> {
        self.0.get(pid / PAGE)?.as_ref()?.get(pid % PAGE)
    }

    fn get_mut(&mut self, pid: usize) -> Option<&mut Pid> {
        let page = self.0.get_mut(pid / PAGE)?;
        page.get_or_insert_with(|| Box::new([Pid::default(); PAGE])).get_mut(pid % PAGE)
    }
}

/// What is known of a PID.
#[derive(Debug, Clone, Copy, Default)]
struct Pid {
    /// Its flags and its counter.
    state: u8,
    /// Where it is in the list of streams, counted from 1. 0: it is not there.
    stream: u8,
    /// The rest of the packet of its stream tells nothing.
    is_quiet: bool,
}

/// An elementary stream of which a packet began.
#[derive(Debug, Clone)]
struct Stream {
    pid: u16,
    /// Sound or anything else but pictures.
    is_sound: bool,
    /// A packet of it said how long it is.
    is_bounded: bool,
    /// How many bytes of the last packet are still to come. 0: none, or it does not say.
    rest: usize,
    /// Its first packet is to come.
    is_first: bool,
    /// It is pictures or sound, and no data that comes now and then.
    is_media: bool,
    /// How it is coded, by its first packet.
    look: Look,
    /// The frames of packed sound in it. `None`: it is something else, or they do not follow one another.
    frames: Option<Box<Frames>>,
    /// How long the frames are that had begun before the last timestamp, in nanoseconds.
    before: u64,
}

impl Stream {
    fn new(pid: u16, payload: &[u8]) -> Self {
        let frames = matches!(audio::frame(data(payload)), Frame::Header { .. }).then(Box::default);
        let is_media = frames.is_some() || matches!(payload.get(3), Some(0xc0..=0xef));
        Self {
            pid,
            is_sound: false,
            is_bounded: false,
            rest: 0,
            is_first: true,
            is_media,
            look: Look::begin(payload),
            frames,
            before: 0,
        }
    }

    /// Takes the header of a packet and what comes with it. Returns whether the one before it is too short.
    fn begin(&mut self, payload: &[u8]) -> bool {
        if !std::mem::take(&mut self.is_first) && matches!(self.look, Look::Seeks(_)) {
            self.look = Look::Nothing;
        }
        self.sound(data(payload));
        // Some multiplexers cut short the length of pictures, which has 16 bits.
        let is_sound = !matches!(payload.get(3), Some(0xe0..=0xef));
        let is_short = self.rest > 0 && is_sound;
        let len = payload.get(4..6).and_then(<[u8]>::first_chunk).map_or(0, |two| u16::from_be_bytes(*two));
        self.rest = match len {
            0 => 0,
            len => (usize::from(len) + 6).saturating_sub(payload.len()),
        };
        if len > 0 && !self.is_bounded {
            (self.is_bounded, self.is_sound) = (true, is_sound);
        }
        is_short
    }

    /// Returns how long the frames are that began since the last timestamp, in ticks of 90 kHz.
    fn lasts(&self) -> Option<i64> {
        let nanos = self.frames.as_ref()?.begun()?.saturating_sub(self.before);
        i64::try_from(u128::from(nanos) * 90_000 / 1_000_000_000).ok()
    }

    /// Takes bytes of the elementary stream.
    fn sound(&mut self, bytes: &[u8]) {
        if self.frames.as_mut().is_some_and(|frames| frames.push(bytes).is_err()) {
            self.frames = None;
        }
    }

    /// Tells whether the rest of the packet that has begun tells nothing.
    fn is_quiet(&self) -> bool {
        let is_counted = self.rest > 0 || self.is_bounded && self.is_sound;
        !is_counted && self.frames.is_none() && !matches!(self.look, Look::Seeks(_))
    }

    /// Takes more of a packet. Returns whether it has more bytes than it said.
    fn go_on(&mut self, payload: &[u8]) -> bool {
        if self.frames.is_some() {
            self.sound(payload);
        }
        if matches!(self.look, Look::Seeks(_)) {
            self.look.go_on(payload);
        }
        let is_long = self.rest == 0 && self.is_bounded && self.is_sound;
        self.rest = self.rest.saturating_sub(payload.len());
        is_long
    }
}

impl Continuity {
    /// Takes what follows the sync byte of the packet that begins at `offset`.
    #[inline]
    pub(crate) fn packet(&mut self, offset: u64, packet: &[u8]) {
        let [b, c, d, body @ ..] = packet else { return };
        let pid = usize::from(b & 0x1f) << 8 | usize::from(*c);
        // The way of nearly all packets: nothing but payload that goes on.
        if b & 0xc0 == 0
            && d & 0xf0 == 0x10
            && let Some(Pid { state, stream, is_quiet }) = self.pids.get_mut(pid)
            && *state & (KNOWN | TABLE) == KNOWN
        {
            let next = (*state & 0x0f).wrapping_add(1) & 0x0f;
            if d & 0x0f == next {
                *state = KNOWN | *state & STREAM | next;
                let (is_stream, stream, is_quiet) = (*state & STREAM != 0, *stream, *is_quiet);
                if is_stream && is_blank(body) {
                    self.found.add(Odd::Blank, offset);
                }
                if !is_quiet {
                    self.go_on(offset, stream, body);
                }
                return;
            }
        }
        self.other(offset, packet);
    }

    /// Takes a packet that is the first of its PID, begins something, or is odd.
    #[inline(never)]
    fn other(&mut self, offset: u64, packet: &[u8]) {
        let [b, c, d, body @ ..] = packet else { return };
        let pid = usize::from(b & 0x1f) << 8 | usize::from(*c);
        if pid == NULL {
            return;
        }
        if self.pids.0.is_empty() {
            self.pids.0.resize(PAGES, None);
            TABLES.into_iter().for_each(|pid| self.mark(pid, TABLE));
        }
        let Some(Pid { state, stream, .. }) = self.pids.get_mut(pid) else { return };
        let (is_damaged, begins, counter) = (b & 0x80 != 0, b & 0x40 != 0, d & 0x0f);
        let known = *state & KNOWN != 0;
        let next = (*state & 0x0f).wrapping_add(1) & 0x0f;
        let is_table = *state & TABLE != 0;
        let adaptation = if d & 0x20 == 0 { 0 } else { body.first().map_or(0, |len| usize::from(*len) + 1) };
        let has_payload = d & 0x10 != 0;
        let payload = body.get(adaptation..).filter(|_| has_payload).unwrap_or(&[]);
        let is_legal = d & 0x30 != 0 && adaptation <= body.len() && !(has_payload && payload.is_empty());
        if is_damaged || !is_legal {
            self.found.add(Odd::Continuity, offset);
            return;
        }
        // Without payload the counter stands still, or is anything in what some multiplexers write.
        if !has_payload {
            return;
        }
        let is_scrambled = d & 0xc0 != 0;
        if is_scrambled {
            self.scrambled_at.get_or_insert(offset);
            // Noise has other streams and counters.
            if *state & STREAM != 0 && (!known || counter == next) {
                self.found.add(Odd::Scrambled, offset);
            }
        }
        let announced = adaptation > 1 && body.get(1).is_some_and(|flags| flags & 0x80 != 0);
        if !known {
            self.border.take(pid, counter, (announced, begins));
        }
        if is_table {
            if !is_scrambled {
                self.table(offset, pid, begins, payload);
            }
            return;
        }
        if !known && !begins && adaptation == 0 && *state & STREAM != 0 && is_blank(body) {
            self.found.add(Odd::Blank, offset);
        }
        let is_duplicate = known && counter == *state & 0x0f && *state & TWICE == 0;
        if known && !announced && counter != next && !is_duplicate {
            self.found.add(Odd::Continuity, offset);
        }
        let starts_pes = begins && is_pes(payload);
        let is_stream = *state & STREAM != 0 || starts_pes;
        if begins && !starts_pes && is_stream && !is_scrambled && !may_start_pes(payload) {
            self.found.add(Odd::Start, offset);
        }
        if known || starts_pes {
            let twice = if is_duplicate && !announced { TWICE } else { 0 };
            *state = KNOWN | counter | twice | if is_stream { STREAM } else { 0 };
        }
        match starts_pes {
            _ if is_duplicate => {}
            true => self.begin(offset, pid, payload),
            false => {
                let stream = *stream;
                self.go_on(offset, stream, payload);
            }
        }
    }

    /// A packet of an elementary stream begins.
    fn begin(&mut self, offset: u64, pid: usize, payload: &[u8]) {
        if has_bad_times(payload) {
            self.found.add(Odd::Start, offset);
        }
        let Some(Pid { stream, is_quiet, .. }) = self.pids.get_mut(pid) else { return };
        if *stream == 0 && self.streams.len() < MANY {
            let Ok(pid) = u16::try_from(pid) else { return };
            self.streams.push(Stream::new(pid, payload));
            *stream = u8::try_from(self.streams.len()).unwrap_or(0);
        }
        let stream = usize::from(*stream).checked_sub(1).and_then(|at| self.streams.get_mut(at));
        let is_timed = self.timestamps.begin(pid, payload, stream.as_ref().and_then(|stream| stream.lasts()));
        let Some(stream) = stream else { return };
        if is_timed && let Some(begun) = stream.frames.as_ref().and_then(|frames| frames.begun()) {
            stream.before = begun;
        }
        if stream.begin(payload) {
            self.found.add(Odd::Length, offset);
        }
        *is_quiet = stream.is_quiet();
    }

    /// More of a packet of an elementary stream came, which is at `stream` in the list, counted from 1.
    #[inline]
    fn go_on(&mut self, offset: u64, stream: u8, payload: &[u8]) {
        let stream = usize::from(stream).checked_sub(1).and_then(|at| self.streams.get_mut(at));
        if stream.is_some_and(|stream| stream.go_on(payload)) {
            self.found.add(Odd::Length, offset);
        }
    }

    fn mark(&mut self, pid: usize, flag: u8) {
        if let Some(known) = self.pids.get_mut(pid).filter(|_| pid != NULL) {
            known.state |= flag;
        }
    }

    fn table(&mut self, offset: u64, pid: usize, begins: bool, payload: &[u8]) {
        let mut told = Vec::new();
        if !self.tables.push(pid, begins, payload, &mut |t| told.push(t)) {
            self.found.add(Odd::Table, offset);
        }
        for told in told {
            match told {
                Told::Map(pid) => self.mark(usize::from(pid), TABLE),
                Told::Stream(pid) => self.mark(usize::from(pid), STREAM),
            }
        }
    }

    /// What is odd about the packets.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// How the unit begins and ends, by its counters.
    pub(crate) fn border(&self) -> Border {
        let last = |pid: u16| {
            let known = self.pids.get(usize::from(pid)).filter(|pid| pid.state & KNOWN != 0);
            known.map(|pid| pid.state & 0x0f)
        };
        self.border.clone().ending(last)
    }

    /// Returns each elementary stream, and whether it begins with the begin of a packet; for PID 0, whether its table is there.
    pub(crate) fn begins(&self) -> Vec<(u32, bool)> {
        let is_stream =
            |pid: &u16| self.pids.get(usize::from(*pid)).is_some_and(|pid| pid.state & STREAM != 0);
        let streams = self.border.begins().filter(|(pid, _)| is_stream(pid));
        let table = (0, self.border.begins().any(|(pid, _)| pid == 0));
        streams.map(|(pid, begins)| (u32::from(pid), begins)).chain([table]).collect()
    }

    /// Returns the streams of pictures and sound that have packets.
    pub(crate) fn streams(&self) -> Vec<u32> {
        self.streams.iter().filter(|stream| stream.is_media).map(|stream| u32::from(stream.pid)).collect()
    }

    /// Returns each stream whose packets say how long they are, and whether the last one is whole.
    pub(crate) fn ends(&self) -> Vec<(u32, bool)> {
        let bounded = self.streams.iter().filter(|stream| stream.is_bounded);
        bounded.map(|stream| (u32::from(stream.pid), stream.rest == 0)).collect()
    }

    /// Returns how each stream of pictures and sound is coded, by its first packet; 0 where that does not tell.
    pub(crate) fn codings(&self) -> Vec<(u32, Coding)> {
        let coding = |stream: &Stream| match stream.look {
            Look::Found(coding, _) => coding,
            Look::Seeks(_) | Look::Nothing => 0,
        };
        let streams = self.streams.iter().filter(|stream| stream.is_media);
        streams.map(|stream| (u32::from(stream.pid), coding(stream))).collect()
    }

    /// Returns the columns and rows of the pictures. `None`: no parameter set says that, or several streams have pictures.
    pub(crate) fn size(&self) -> Option<Size> {
        let mut sizes = self.streams.iter().filter_map(|stream| match stream.look {
            Look::Found(_, size) => size,
            Look::Seeks(_) | Look::Nothing => None,
        });
        sizes.next().filter(|_| sizes.next().is_none())
    }

    /// Where the first packet is whose payload says that it is scrambled.
    pub(crate) fn scrambled_at(&self) -> Option<u64> {
        self.scrambled_at
    }

    /// Returns the timestamps of all streams, and when sound ends.
    pub(crate) fn timestamps(&self) -> Timestamps {
        let mut timestamps = self.timestamps.clone();
        for stream in &self.streams {
            timestamps.end(usize::from(stream.pid), stream.lasts());
        }
        timestamps
    }
}

/// Returns what is behind the header of a packet of an elementary stream.
fn data(payload: &[u8]) -> &[u8] {
    let header = payload.get(8).map_or(payload.len(), |len| 9 + usize::from(*len));
    payload.get(header..).unwrap_or(&[])
}

/// Whether what came of a payload may begin a packet of an elementary stream: the rest may be in the next one.
fn may_start_pes(payload: &[u8]) -> bool {
    payload.iter().zip([0, 0, 1]).all(|(byte, expect)| *byte == expect)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of PID 0x100: flags of the second byte, of the fourth, counter, and what follows.
    fn packet(b: u8, d: u8, counter: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![b | 1, 0, d | counter];
        packet.extend_from_slice(body);
        packet.resize(187, 0xff);
        packet
    }

    fn check(what: &str, packets: &[Vec<u8>], expect: Option<u64>) {
        let mut continuity = Continuity::default();
        let start = packet(0x40, 0x10, 15, &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]);
        for (number, packet) in std::iter::once(&start).chain(packets).enumerate() {
            continuity.packet(number as u64, packet);
        }
        let broken = continuity.found().list().first().map(|oddity| (oddity.odd, oddity.at));
        assert_eq!(broken, expect.map(|at| (Odd::Continuity, at)), "{what}");
    }

    fn plain(counter: u8) -> Vec<u8> {
        packet(0, 0x10, counter, &[])
    }

    #[test]
    fn counters() {
        check("all in order", &(0..40).map(|n| plain(n & 15)).collect::<Vec<_>>(), None);
        check("one is missing", &[plain(0), plain(2)], Some(2));
        check("a duplicate", &[plain(0), plain(0), plain(1)], None);
        check("two duplicates", &[plain(0), plain(0), plain(0)], Some(3));
        check("duplicates apart", &[plain(0), plain(0), plain(1), plain(1), plain(2)], None);
        check("no payload", &[packet(0, 0x20, 15, &[183, 0]), packet(0, 0x20, 7, &[183, 0]), plain(0)], None);
        check("an announced jump", &[packet(0, 0x30, 9, &[1, 0x80]), plain(10)], None);
        check("a jump not announced", &[packet(0, 0x30, 9, &[1, 0])], Some(1));
        check("it says that it is damaged", &[packet(0x80, 0x10, 0, &[])], Some(1));
        check("neither payload nor adaptation", &[packet(0, 0, 0, &[])], Some(1));
        check("an adaptation field too long", &[packet(0, 0x30, 0, &[200])], Some(1));
        let null = vec![0x1f, 0xff, 0x13];
        check("padding", &[null.clone(), null, plain(0)], None);
        let table = vec![0x40, 0, 0x10, 0, 0, 0xb0];
        check("a table, again and again", &[table.clone(), table.clone(), table], None);
    }

    #[test]
    fn what_begins_as_it_should() {
        let check = |what: &str, packets: &[Vec<u8>], expect: &[(u32, bool)]| {
            let mut continuity = Continuity::default();
            packets.iter().for_each(|packet| continuity.packet(0, packet));
            assert_eq!(continuity.begins(), expect, "{what}");
        };
        let start = packet(0x40, 0x10, 0, &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]);
        let again = packet(0x40, 0x10, 1, &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]);
        let table = vec![0x40, 0, 0x10, 0, 0, 0xb0];
        check("table and stream", &[table, start.clone()], &[(256, true), (0, true)]);
        check("a stream alone", &[start], &[(256, true), (0, false)]);
        check("inside a packet", &[plain(0), again], &[(256, false), (0, false)]);
    }

    #[test]
    fn the_last_packet_of_a_stream_is_whole_or_not() {
        // A packet of 6 + 400 bytes, which lies in three packets of the transport stream.
        let start = packet(0x40, 0x10, 0, &[0, 0, 1, 0xc0, 1, 144, 0x80, 0, 0]);
        let check = |what: &str, packets: &[Vec<u8>], expect: &[(u32, bool)]| {
            let mut continuity = Continuity::default();
            packets.iter().for_each(|packet| continuity.packet(0, packet));
            assert_eq!(continuity.ends(), expect, "{what}");
        };
        check("whole", &[start.clone(), plain(1), plain(2)], &[(256, true)]);
        check("one packet is missing", &[start.clone(), plain(1)], &[(256, false)]);
        check("two are missing", std::slice::from_ref(&start), &[(256, false)]);
        check(
            "a whole one, and another",
            &[start.clone(), plain(1), plain(2), start.clone()],
            &[(256, false)],
        );
        let odd = |packets: &[Vec<u8>]| {
            let mut continuity = Continuity::default();
            (0..).zip(packets).for_each(|(at, packet)| continuity.packet(at, packet));
            continuity.found().list().iter().map(|oddity| (oddity.odd, oddity.at)).collect::<Vec<_>>()
        };
        let again = |counter: u8| packet(0x40, 0x10, counter, &start[3..]);
        assert_eq!(odd(&[start.clone(), plain(1), plain(2), again(3)]), []);
        assert_eq!(odd(&[start.clone(), plain(1), again(2)]), [(Odd::Length, 2)]);
        assert_eq!(odd(&[start.clone(), plain(1), plain(2), plain(3)]), [(Odd::Length, 3)]);
        let unbounded = packet(0x40, 0x10, 0, &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]);
        check("pictures do not say how long they are", &[unbounded], &[]);
    }

    #[test]
    fn scrambled_packets_of_a_stream_are_odd() {
        let check = |what: &str, packets: &[Vec<u8>], expect: u64| {
            let mut continuity = Continuity::default();
            continuity.packet(0, &packet(0x40, 0x10, 15, &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]));
            packets.iter().for_each(|packet| continuity.packet(188, packet));
            let found = continuity.found().list().iter().find(|oddity| oddity.odd == Odd::Scrambled);
            assert_eq!(found.map_or(0, |oddity| oddity.count), expect, "{what}");
        };
        check("none", &[packet(0, 0x10, 0, &[7])], 0);
        check("two", &[packet(0, 0x90, 0, &[7]), packet(0, 0xd0, 1, &[7])], 2);
        check("noise", &[packet(0, 0x90, 9, &[7])], 0);
    }

    #[test]
    fn elementary_streams_begin_as_such() {
        let check = |what: &str, body: &[u8], expect: Option<u64>| {
            let mut continuity = Continuity::default();
            continuity.packet(0, &packet(0x40, 0x10, 15, &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]));
            continuity.packet(1, &packet(0x40, 0x10, 0, body));
            let found = continuity.found().list().first().map(|oddity| (oddity.odd, oddity.at));
            assert_eq!(found, expect.map(|at| (Odd::Start, at)), "{what}");
        };
        check("as one does", &[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0], None);
        check("zeros", &[0; 184], Some(1));
        check("another start", &[0, 1, 0, 0xe0], Some(1));
        check("a time without its marks", &[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0, 0, 0, 0, 0], Some(1));
        let mut continuity = Continuity::default();
        continuity.packet(0, &packet(0x40, 0x10, 15, &[0; 184]));
        assert_eq!(continuity.found().list(), &[], "of what is no elementary stream nothing is known");
    }
}

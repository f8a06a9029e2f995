//! A multiplexer of MPEG transport streams (ISO/IEC 13818-1) that knows the odd ways of real ones.

use super::source::Codec;
use crate::noise::Noise;
use crate::transport::{PACKET, crc};

/// Clock ticks in a second.
pub(super) const CLOCK: i64 = 90_000;
/// Timestamps have 33 bits.
pub(super) const WRAP: i64 = 1 << 33;

const PMT_PID: u16 = 0x1000;
const DATA_PID: u16 = 0x1ff;

/// How a producer writes its packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// The tables come again after so many packets of media; 0: only in front of each segment.
    pub(super) tables_every: usize,
    /// The association table names another programme first, of which nothing comes.
    pub(super) has_absent_programme: bool,
    /// One packet in sixteen is a null packet.
    pub(super) has_nulls: bool,
    /// There is a track of timed metadata.
    pub(super) has_data: bool,
    /// PES packets of pictures do not say how long they are.
    pub(super) is_unbounded: bool,
    /// Counters begin at 0 in each segment.
    pub(super) has_own_counters: bool,
    /// Zeros behind the last packet of each segment.
    pub(super) zeros: usize,
    /// There is no programme clock reference.
    pub(super) has_no_clock: bool,
    /// No segment has tables.
    pub(super) has_no_tables: bool,
}

/// A PES packet yet to be written.
#[derive(Clone, Debug)]
pub(super) struct Pes {
    pub(super) track: usize,
    pub(super) payload: Vec<u8>,
    /// Unwrapped, in ticks of the clock; `None`: no timestamp.
    pub(super) pts: Option<i64>,
    pub(super) dts: Option<i64>,
    pub(super) is_key: bool,
}

/// A track of a programme.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    pub(super) codec: Codec,
    /// AAC in LOAS instead of ADTS.
    pub(super) is_loas: bool,
}

impl Track {
    fn pid(number: usize) -> u16 {
        0x100 + number as u16
    }

    fn stream_type(self) -> u8 {
        match self.codec {
            Codec::Avc => 0x1b,
            Codec::Hevc => 0x24,
            Codec::Aac if self.is_loas => 0x11,
            Codec::Aac => 0x0f,
            Codec::Mp2 | Codec::Mp3 => 0x03,
            Codec::Ac3 => 0x81,
            Codec::Eac3 => 0x87,
            Codec::Opus => 0x06,
        }
    }

    fn descriptors(self) -> &'static [u8] {
        match self.codec {
            Codec::Ac3 => b"\x05\x04AC-3",
            Codec::Eac3 => b"\x05\x04EAC3",
            // A registration, and two channels (ETSI TS 102 005 and the mapping of Opus to MPEG-TS, 5.1).
            Codec::Opus => b"\x05\x04Opus\x7f\x02\x80\x02",
            _ => b"",
        }
    }

    fn stream_id(self, number: usize) -> u8 {
        match self.codec {
            Codec::Avc | Codec::Hevc => 0xe0,
            Codec::Ac3 | Codec::Eac3 | Codec::Opus => 0xbd,
            _ => 0xc0 + number as u8,
        }
    }
}

/// Writes segments one after the other.
pub(super) struct Multiplexer {
    manner: Manner,
    tracks: Vec<Track>,
    counters: std::collections::BTreeMap<u16, u8>,
    noise: Noise,
    version: u8,
}

impl Multiplexer {
    pub(super) fn new(manner: Manner, tracks: Vec<Track>, seed: u64) -> Self {
        Self { manner, tracks, counters: Default::default(), noise: Noise::new(seed), version: 0 }
    }

    /// Goes on with other tracks, of which the next tables tell.
    pub(super) fn change(&mut self, tracks: Vec<Track>) {
        self.version = (self.version + 1) & 0x1f;
        self.tracks = tracks;
    }

    /// Writes one segment.
    pub(super) fn segment(&mut self, packets: &[Pes]) -> Vec<u8> {
        if self.manner.has_own_counters {
            self.counters.clear();
        }
        let mut out = Vec::new();
        if !self.manner.has_no_tables {
            self.tables(&mut out);
        }
        let mut since_tables = 0;
        for (nth, pes) in packets.iter().enumerate() {
            if self.manner.has_data && nth % 9 == 4 {
                self.data(pes.pts.or(pes.dts), &mut out);
            }
            self.pes(pes, &mut since_tables, &mut out);
        }
        out.resize(out.len() + self.manner.zeros, 0);
        out
    }

    /// Writes the tables of the programme.
    pub(super) fn tables(&mut self, out: &mut Vec<u8>) {
        let mut association = vec![0, 1, 0xc1, 0, 0];
        if self.manner.has_absent_programme {
            association.extend([0, 9, 0xe0 | 0x0f, 0x77]);
        }
        association.extend([0, 1, 0xe0 | (PMT_PID >> 8) as u8, PMT_PID as u8]);
        self.table(0, 0, &association, out);
        let clock = if self.manner.has_no_clock { 0x1fff } else { Track::pid(0) };
        let mut map = vec![0, 1, 0xc1 | self.version << 1, 0, 0];
        map.extend([0xe0 | (clock >> 8) as u8, clock as u8, 0xf0, 0]);
        let mut entry = |kind: u8, pid: u16, descriptors: &[u8]| {
            map.extend([kind, 0xe0 | (pid >> 8) as u8, pid as u8, 0xf0, descriptors.len() as u8]);
            map.extend_from_slice(descriptors);
        };
        for (number, track) in self.tracks.iter().enumerate() {
            entry(track.stream_type(), Track::pid(number), track.descriptors());
        }
        if self.manner.has_data {
            entry(0x15, DATA_PID, b"");
        }
        self.table(PMT_PID, 2, &map, out);
    }

    fn table(&mut self, pid: u16, id: u8, body: &[u8], out: &mut Vec<u8>) {
        let length = body.len() + 4;
        let mut section = vec![id, 0xb0 | (length >> 8) as u8, length as u8];
        section.extend_from_slice(body);
        section.extend(crc(&section).to_be_bytes());
        let mut payload = vec![0];
        payload.extend(section);
        payload.resize(PACKET - 4, 0xff);
        let header = self.header(pid, true, 0x10);
        out.extend(header);
        out.extend(payload);
    }

    fn header(&mut self, pid: u16, starts: bool, control: u8) -> [u8; 4] {
        let counter = self.counters.entry(pid).or_default();
        let now = *counter;
        *counter = (now + 1) & 0x0f;
        [0x47, (pid >> 8) as u8 | if starts { 0x40 } else { 0 }, pid as u8, control | now]
    }

    /// An ID3 tag (rfc8216bis-22, section 3.1.2 and the timed metadata of HLS).
    fn data(&mut self, pts: Option<i64>, out: &mut Vec<u8>) {
        let Some(pts) = pts else { return };
        let payload = b"ID3\x04\0\0\0\0\0\x0fTXXX\0\0\0\x05\0\0\x03a\0bc".to_vec();
        let bytes = pes_bytes(0xbd, &payload, Some(pts), None, false);
        self.split(DATA_PID, &bytes, None, false, &mut 0, out);
    }

    fn pes(&mut self, pes: &Pes, since_tables: &mut usize, out: &mut Vec<u8>) {
        let Some(track) = self.tracks.get(pes.track).copied() else { return };
        let is_video = track.codec.is_video();
        let unbounded = is_video && self.manner.is_unbounded;
        let dts = if is_video { pes.dts } else { None };
        let bytes = pes_bytes(track.stream_id(pes.track), &pes.payload, pes.pts, dts, unbounded);
        let clock = pes.dts.or(pes.pts).filter(|_| pes.track == 0 && !self.manner.has_no_clock);
        self.split(Track::pid(pes.track), &bytes, clock, is_video && pes.is_key, since_tables, out);
    }

    /// Cuts a PES packet into transport packets.
    fn split(
        &mut self,
        pid: u16,
        bytes: &[u8],
        clock: Option<i64>,
        is_key: bool,
        since_tables: &mut usize,
        out: &mut Vec<u8>,
    ) {
        let mut rest = bytes;
        let mut starts = true;
        while !rest.is_empty() {
            if self.manner.tables_every > 0 && *since_tables >= self.manner.tables_every {
                *since_tables = 0;
                self.tables(out);
            }
            if self.manner.has_nulls && self.noise.below(16) == 0 {
                out.extend([0x47, 0x1f, 0xff, 0x10]);
                out.extend([0xff; PACKET - 4]);
            }
            let mut adaptation = Vec::new();
            if starts && (clock.is_some() || is_key) {
                let flags = if is_key { 0x40 } else { 0 } | if clock.is_some() { 0x10 } else { 0 };
                adaptation.push(flags);
                if let Some(clock) = clock {
                    // The clock runs a tenth of a second ahead of what is decoded.
                    let base = ((clock - CLOCK / 10).rem_euclid(WRAP) as u64) << 15 | 0x7e00;
                    adaptation.extend(&base.to_be_bytes()[2..]);
                }
            }
            let room = PACKET - 4;
            let taken = if adaptation.is_empty() { 0 } else { 1 + adaptation.len() };
            let length = rest.len().min(room - taken);
            let stuffing = room - taken - length;
            let has_field = taken > 0 || stuffing > 0;
            let header = self.header(pid, starts, if has_field { 0x30 } else { 0x10 });
            out.extend(header);
            if has_field {
                if adaptation.is_empty() && stuffing > 1 {
                    adaptation.push(0);
                }
                adaptation.resize(room - length - 1, 0xff);
                out.push(adaptation.len() as u8);
                out.extend(adaptation);
            }
            let (now, behind) = rest.split_at(length);
            out.extend_from_slice(now);
            rest = behind;
            starts = false;
            *since_tables += 1;
        }
    }
}

fn pes_bytes(id: u8, payload: &[u8], pts: Option<i64>, dts: Option<i64>, unbounded: bool) -> Vec<u8> {
    let dts = dts.filter(|dts| pts.is_some_and(|pts| pts != *dts));
    let mut fields = Vec::new();
    if let Some(pts) = pts {
        fields.extend(stamp(if dts.is_some() { 3 } else { 2 }, pts));
    }
    if let Some(dts) = dts {
        fields.extend(stamp(1, dts));
    }
    let flags = match fields.len() {
        0 => 0,
        5 => 0x80,
        _ => 0xc0,
    };
    let length = 3 + fields.len() + payload.len();
    let length = u16::try_from(length).ok().filter(|_| !unbounded).unwrap_or(0).to_be_bytes();
    let mut out = vec![0, 0, 1, id, length[0], length[1], 0x84, flags, fields.len() as u8];
    out.extend(fields);
    out.extend_from_slice(payload);
    out
}

fn stamp(mark: u8, ticks: i64) -> [u8; 5] {
    let t = ticks.rem_euclid(WRAP) as u64;
    [
        mark << 4 | ((t >> 30) as u8) << 1 | 1,
        (t >> 22) as u8,
        ((t >> 15) as u8) << 1 | 1,
        (t >> 7) as u8,
        (t as u8) << 1 | 1,
    ]
}

/// A frame of AAC-LC with an ADTS header (ISO/IEC 14496-3, 1.A.2).
pub(super) fn adts(frame: &[u8], rate: u32, channels: u8) -> Vec<u8> {
    let index: u8 = if rate == 48_000 { 3 } else { 4 };
    let length = frame.len() + 7;
    let mut out = vec![
        0xff,
        0xf1,
        1 << 6 | index << 2 | channels >> 2,
        channels << 6 | (length >> 11) as u8,
        (length >> 3) as u8,
        (length as u8) << 5 | 0x1f,
        0xfc,
    ];
    out.extend_from_slice(frame);
    out
}

/// A frame of Opus with a control header (the mapping of Opus to MPEG-TS, 4.2).
pub(super) fn opus(frame: &[u8]) -> Vec<u8> {
    let mut out = vec![0x7f, 0xe0];
    out.extend(std::iter::repeat_n(0xff, frame.len() / 255));
    out.push((frame.len() % 255) as u8);
    out.extend_from_slice(frame);
    out
}

//! MPEG transport streams: packets of noise, and real ones moved in time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::noise::Noise;

pub(crate) const PACKET: usize = 188;
const VIDEO_PID: u16 = 0x100;
const CLOCK: u64 = 90_000;

/// Makes a segment of noise, in whole packets: a PAT, a PMT, then video packets with running counters.
///
/// `counter` runs on from one segment to the next.
pub(crate) fn synthetic(seed: u64, index: usize, bytes: usize, counter: &mut u8) -> BytesMut {
    let mut segment = BytesMut::zeroed(bytes / PACKET * PACKET);
    let mut noise = Noise::new(seed ^ ((index as u64 + 1) << 32));
    for (n, packet) in segment.chunks_exact_mut(PACKET).enumerate() {
        match n {
            0 => table(packet, 0, index, &[0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]),
            1 => {
                let pmt = [2, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0];
                table(packet, 0x1000, index, &pmt);
            }
            _ => {
                header(packet, VIDEO_PID, n == 2, *counter);
                *counter = (*counter + 1) & 0x0f;
                noise.fill(&mut packet[4..]);
                if n == 2 {
                    packet[4..13].copy_from_slice(&[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]);
                }
            }
        }
    }
    segment
}

/// A segment of noise with timestamps.
pub(crate) struct Timed {
    pub(crate) seed: u64,
    /// Its place since the clock began, which the counters follow.
    pub(crate) nth: usize,
    /// Its size is this, rounded down to whole packets, and at least that of the tables and the beginnings.
    pub(crate) bytes: usize,
    pub(crate) start: Duration,
    pub(crate) duration: Duration,
    /// How many pieces it can be cut into, each of which begins with a packet of the elementary stream.
    pub(crate) pieces: usize,
    pub(crate) is_sound: bool,
}

impl Timed {
    /// So many timestamps lie evenly in the segment, so that those and their distance make up its duration.
    fn stamps(&self) -> usize {
        let pieces = self.pieces.max(1);
        pieces * 4_usize.div_ceil(pieces)
    }

    fn packets(&self) -> usize {
        (self.bytes / PACKET).max(2 + self.stamps())
    }

    /// The packet that this one of the timestamps is in.
    fn place(&self, stamp: usize) -> usize {
        2 + stamp * (self.packets() - 2) / self.stamps()
    }

    pub(crate) fn make(&self) -> BytesMut {
        let packets = self.packets();
        let mut segment = BytesMut::zeroed(packets * PACKET);
        let mut noise = Noise::new(self.seed ^ ((self.nth as u64 + 1) << 32));
        // As many as fit into four bits, whatever came before.
        let mut counter = ((self.nth * (packets - 2)) & 0x0f) as u8;
        let (kind, id) = if self.is_sound { (0x0f, 0xc0) } else { (0x1b, 0xe0) };
        let mut stamp = 0;
        for (n, packet) in segment.chunks_exact_mut(PACKET).enumerate() {
            match n {
                0 => table(packet, 0, self.nth, &[0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]),
                1 => {
                    let pmt = [2, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, kind, 0xe1, 0, 0xf0, 0];
                    table(packet, 0x1000, self.nth, &pmt);
                }
                _ => {
                    let starts = n == self.place(stamp);
                    header(packet, VIDEO_PID, starts, counter);
                    counter = (counter + 1) & 0x0f;
                    noise.fill(&mut packet[4..]);
                    if starts {
                        let time = self.start + self.duration * stamp as u32 / self.stamps() as u32;
                        packet[4..13].copy_from_slice(&[0, 0, 1, id, 0, 0, 0x80, 0x80, 5]);
                        packet[13..18].copy_from_slice(&[0x21, 0, 1, 0, 1]);
                        delay_stamp(&mut packet[13..18], ticks(time));
                        stamp += 1;
                    }
                }
            }
        }
        segment
    }

    /// Where each piece begins, and where the last one ends.
    pub(crate) fn cuts(&self) -> Vec<usize> {
        let each = self.stamps() / self.pieces.max(1);
        let inner = (1..self.pieces).map(|piece| self.place(piece * each) * PACKET);
        std::iter::once(0).chain(inner).chain([self.packets() * PACKET]).collect()
    }
}

/// Time on the clock of the stream, which wraps at 33 bits.
pub(crate) fn ticks(time: Duration) -> u64 {
    (time.as_micros() as u64 * 9 / 100) & 0x1_ffff_ffff
}

fn header(packet: &mut [u8], pid: u16, start: bool, counter: u8) {
    packet[0] = 0x47;
    packet[1] = (pid >> 8) as u8 | if start { 0x40 } else { 0 };
    packet[2] = pid as u8;
    packet[3] = 0x10 | (counter & 0x0f);
}

fn table(packet: &mut [u8], pid: u16, index: usize, section: &[u8]) {
    packet.fill(0xff);
    header(packet, pid, true, index as u8);
    packet[4] = 0;
    let end = 5 + section.len();
    packet[5..end].copy_from_slice(section);
    packet[end..end + 4].copy_from_slice(&crc(section).to_be_bytes());
}

/// CRC-32 of MPEG-2 (ISO 13818-1, annex A).
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 }
        })
    })
}

/// Moves every clock reference and time stamp of a segment by `seconds`.
pub(crate) fn delayed(segment: &[u8], seconds: f64) -> Bytes {
    let shift = (seconds * CLOCK as f64) as u64;
    let mut moved = segment.to_vec();
    for packet in moved.chunks_exact_mut(PACKET) {
        let start = packet[1] & 0x40 != 0;
        let adaptation = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
        if adaptation > 6 && packet[5] & 0x10 != 0 {
            delay_clock(&mut packet[6..11], shift);
        }
        let payload = &mut packet[4 + adaptation..];
        if start && payload.starts_with(&[0, 0, 1]) {
            let flags = payload[7];
            if flags & 0x80 != 0 {
                delay_stamp(&mut payload[9..14], shift);
            }
            if flags & 0x40 != 0 {
                delay_stamp(&mut payload[14..19], shift);
            }
        }
    }
    moved.into()
}

/// A program clock reference: 33 bits of 90 kHz before the rest.
fn delay_clock(field: &mut [u8], shift: u64) {
    let old = field.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    let moved = ((old >> 7) + shift) & 0x1_ffff_ffff;
    field.copy_from_slice(&((moved << 7) | (old & 0x7f)).to_be_bytes()[3..]);
}

/// A PTS or DTS: 33 bits in three groups with marker bits between.
fn delay_stamp(field: &mut [u8], shift: u64) {
    let b = |i: usize| u64::from(field[i]);
    let old = ((b(0) >> 1) & 7) << 30 | b(1) << 22 | (b(2) >> 1) << 15 | b(3) << 7 | b(4) >> 1;
    let moved = (old + shift) & 0x1_ffff_ffff;
    field[0] = (field[0] & 0xf1) | ((moved >> 30) << 1) as u8;
    field[1] = (moved >> 22) as u8;
    field[2] = ((moved >> 15) << 1) as u8 | 1;
    field[3] = (moved >> 7) as u8;
    field[4] = (moved << 1) as u8 | 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_a_known_table() {
        // The PAT that ffmpeg writes for one program.
        assert_eq!(crc(&[0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]), 0x2ab1_04b2);
    }

    #[test]
    fn counters_run_on_and_payloads_differ() {
        let mut counter = 0;
        let a = synthetic(1, 0, 1000, &mut counter);
        let b = synthetic(1, 1, 1000, &mut counter);
        assert_eq!((a.len(), b.len(), counter), (940, 940, 6));
        assert_eq!((a[3 * PACKET + 3], b[2 * PACKET + 3]), (0x11, 0x13));
        assert_ne!(a[3 * PACKET + 4..], b[3 * PACKET + 4..]);
    }

    #[test]
    fn timed_segments_say_how_long_they_are() {
        let timed = |nth, pieces| Timed {
            seed: 1,
            nth,
            bytes: 5000,
            start: Duration::from_secs(2),
            duration: Duration::from_millis(500),
            pieces,
            is_sound: false,
        };
        let segment = timed(0, 1).make();
        assert_eq!(segment.len(), 26 * PACKET);
        let starts: Vec<_> = segment.chunks_exact(PACKET).filter(|p| p[1] == 0x41).collect();
        assert_eq!(starts.len(), 4);
        // 2.125 s are 191,250 ticks: 5 times 2^15, and 0x6b12.
        assert_eq!(starts[1][13..18], [0x21, 0x00, 5 << 1 | 1, 0xd6, 0x25]);
        // 24 packets of the elementary stream came before.
        assert_eq!(timed(1, 1).make()[2 * PACKET + 3], 0x18);
        let cuts = timed(0, 3).cuts();
        assert_eq!(cuts, [0, 10 * PACKET, 18 * PACKET, 26 * PACKET]);
        let segment = timed(0, 3).make();
        assert!(cuts[1..3].iter().all(|cut| segment[cut + 1] == 0x41));
    }

    #[test]
    fn a_stamp_there_and_back() {
        let mut field = [0x21, 0x00, 0x07, 0xd8, 0x61];
        delay_stamp(&mut field, 1 << 31);
        assert_ne!(field, [0x21, 0x00, 0x07, 0xd8, 0x61]);
        delay_stamp(&mut field, (1 << 33) - (1 << 31));
        assert_eq!(field, [0x21, 0x00, 0x07, 0xd8, 0x61]);
    }
}

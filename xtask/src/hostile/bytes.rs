//! Packets, boxes and frames, as far as it takes to move, cut and damage them.

use std::ops::Range;

use anyhow::{Context, Result};

pub(crate) const PACKET: usize = 188;
const CLOCK: f64 = 90_000.0;
/// The PID of sound in the media of the workspace.
const SOUND: u16 = 0x101;

/// The number of the elementary stream or table of a packet (ISO/IEC 13818-1, section 2.4.3.2).
pub(crate) fn pid(packet: &[u8]) -> u16 {
    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2])
}

/// Where the payload of a packet begins.
pub(crate) fn payload(packet: &[u8]) -> usize {
    let adaptation = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
    (4 + adaptation).min(packet.len())
}

/// Has the continuity counters of each PID go on through all segments.
pub(crate) fn renumber(segments: &mut [Vec<u8>]) {
    let mut last = [0_u8; 1 << 13];
    for packet in segments.iter_mut().flat_map(|segment| segment.chunks_exact_mut(PACKET)) {
        let counter = &mut last[usize::from(pid(packet))];
        *counter = (*counter + u8::from(packet[3] & 0x10 != 0)) & 0x0f;
        packet[3] = packet[3] & 0xf0 | *counter;
    }
}

/// Moves every clock reference and timestamp of a transport stream, those of pictures and those of sound.
pub(crate) fn delayed(segment: &[u8], [pictures, sound]: [f64; 2]) -> Vec<u8> {
    let mut moved = segment.to_vec();
    for packet in moved.chunks_exact_mut(PACKET) {
        let shift = ((if pid(packet) == SOUND { sound } else { pictures }) * CLOCK).round() as u64;
        let (starts, at) = (packet[1] & 0x40 != 0, payload(packet));
        if at > 10 && packet[5] & 0x10 != 0 {
            let field = packet[6..11].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let base = ((field >> 7) + shift) & 0x1_ffff_ffff;
            packet[6..11].copy_from_slice(&(base << 7 | field & 0x7f).to_be_bytes()[3..]);
        }
        let begin = &mut packet[at..];
        if starts && begin.starts_with(&[0, 0, 1]) && begin.len() > 19 {
            for (flag, field) in [(0x80, 9..14), (0x40, 14..19)] {
                if begin[7] & flag != 0 {
                    delay(&mut begin[field], shift);
                }
            }
        }
    }
    moved
}

/// A PTS or DTS: 33 bits in three groups with marker bits between them.
fn delay(field: &mut [u8], shift: u64) {
    let bits = |at: usize| u64::from(field[at]);
    let old = (bits(0) >> 1 & 7) << 30 | bits(1) << 22 | (bits(2) >> 1) << 15 | bits(3) << 7 | bits(4) >> 1;
    let new = (old + shift) & 0x1_ffff_ffff;
    let head = field[0] & 0xf1 | (new >> 29) as u8 & 0x0e;
    let tail = [(new >> 22) as u8, (new >> 14) as u8 | 1, (new >> 7) as u8, (new << 1) as u8 | 1];
    field[0] = head;
    field[1..].copy_from_slice(&tail);
}

/// A box (ISO/IEC 14496-12, section 4.2) in a larger text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boxed {
    pub(crate) name: [u8; 4],
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Boxed {
    /// Its content.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start + 8..self.end
    }
}

/// The boxes in a row from the begin on.
pub(crate) fn boxes(bytes: &[u8]) -> impl Iterator<Item = Boxed> + '_ {
    within(bytes, 0..bytes.len())
}

fn within(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = Boxed> + '_ {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let head = bytes.get(at..at + 8).filter(|_| at + 8 <= range.end)?;
        let size = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let one = Boxed { name: head[4..].try_into().ok()?, start: at, end: at + size };
        at = one.end;
        (size >= 8 && one.end <= range.end).then_some(one)
    })
}

/// All boxes of a name, on any level.
pub(crate) fn all(bytes: &[u8], name: [u8; 4]) -> Vec<Boxed> {
    let whole = 0..bytes.len();
    let (mut found, mut open) = (Vec::new(), Vec::from([whole]));
    while let Some(range) = open.pop() {
        for one in within(bytes, range) {
            if one.name == name {
                found.push(one);
            }
            if [b"moof", b"traf", b"moov", b"trak", b"mdia"].contains(&&one.name) {
                open.push(one.range());
            }
        }
    }
    found.sort_by_key(|one| one.start);
    found
}

pub(crate) fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).context("a box is too short")?;
    Ok(u32::from_be_bytes(word.try_into()?))
}

/// A fragment with its number and the times of its tracks moved, without the index in front of it.
pub(crate) fn fragment(segment: &[u8], section: &[u8], seconds: [f64; 2], number: u32) -> Result<Vec<u8>> {
    let mut moved = Vec::new();
    for one in boxes(segment).filter(|one| one.name != *b"sidx") {
        moved.extend_from_slice(&segment[one.start..one.end]);
    }
    for one in all(&moved, *b"mfhd") {
        moved[one.start + 12..one.start + 16].copy_from_slice(&number.to_be_bytes());
    }
    let scales = all(section, *b"mdhd").into_iter().map(|one| word(section, one.start + 20));
    let scales = scales.collect::<Result<Vec<_>>>()?;
    let headers = all(&moved, *b"tfhd");
    for (header, time) in headers.iter().zip(all(&moved, *b"tfdt")) {
        let track = (word(&moved, header.start + 12)? as usize).wrapping_sub(1);
        let (scale, seconds) = scales.get(track).zip(seconds.get(track)).context("no such track")?;
        let field = moved.get_mut(time.start + 12..time.start + 20).context("a short time")?;
        let old = u64::from_be_bytes((&*field).try_into()?);
        field.copy_from_slice(&(old + (seconds * f64::from(*scale)).round() as u64).to_be_bytes());
    }
    Ok(moved)
}

/// Where the frames of ADTS (ISO/IEC 14496-3, section 1.A.3.2) are.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut at =
        if bytes.starts_with(b"ID3") { 10 + usize::from(bytes.get(9).copied().unwrap_or(0)) } else { 0 };
    let mut found = Vec::new();
    while let Some([0xff, second, _, a, b, c, _]) = bytes.get(at..at + 7) {
        let length = usize::from(a & 3) << 11 | usize::from(*b) << 3 | usize::from(c >> 5);
        if second & 0xf0 != 0xf0 || length < 7 {
            break;
        }
        found.push(at..at + length);
        at += length;
    }
    found
}

/// Where these bytes are found.
pub(crate) fn places(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    bytes.windows(what.len()).enumerate().filter(|(_, window)| *window == what).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use hls_testkit::Media;

    use super::*;

    #[test]
    fn counters_go_on_through_all_segments() {
        let mut segments = [Media::Ts.segments()[4].to_vec(), Media::Ts.segments()[0].to_vec()];
        renumber(&mut segments);
        let all = segments.concat();
        let video = all.chunks(PACKET).filter(|packet| pid(packet) == 0x100 && packet[3] & 0x10 != 0);
        assert!(video.zip(1_u8..=255).all(|(packet, n)| packet[3] & 0x0f == n & 0x0f));
    }

    #[test]
    fn timestamps_there_and_back() {
        let segment = Media::Ts.segments()[1];
        let wrapped = (1_u64 << 33) as f64 / CLOCK;
        assert_ne!(delayed(segment, [10.0; 2]), segment);
        assert_eq!(delayed(&delayed(segment, [10.0; 2]), [wrapped - 10.0; 2]), segment);
    }

    #[test]
    fn boxes_and_frames_fill_their_segments() -> Result<()> {
        let segment = Media::Fmp4.segments()[1];
        assert_eq!(boxes(segment).last().map(|one| one.end), Some(segment.len()));
        assert_eq!(all(segment, *b"trun").len(), 2);
        let moved = fragment(segment, Media::Fmp4.init().unwrap_or_default(), [2.0; 2], 7)?;
        assert!(all(&moved, *b"sidx").is_empty());
        let times = all(&moved, *b"tfdt").into_iter().map(|one| word(&moved, one.start + 16));
        assert_eq!(times.collect::<Result<Vec<_>>>()?, [25_600 + 25_600, 97_256 + 96_000]);
        let sound = Media::AudioAdts.segments()[1];
        let found = frames(sound);
        assert_eq!(found.last().map(|frame| frame.end), Some(sound.len()));
        Ok(())
    }
}

//! Samples that are a chain of units with their lengths: NAL units, OBUs, boxes. They are judged as they pass, however large they are.

use super::codec::Codec;

/// The longest header of a unit: OBUs have a byte, an extension, and a size of up to eight bytes.
const HEADER: usize = 10;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    /// More bytes are needed.
    Short,
    /// So many bytes of the unit are behind it.
    Unit(u64, Content),
    Wrong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Picture,
    /// A sequence parameter set.
    Sequence,
    Other,
    /// Nothing, or what tells nothing.
    Unknown,
}

/// What a sample that is a right chain holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holds {
    pub(super) picture: bool,
    /// A sequence parameter set in front of the first picture.
    pub(super) sequence: bool,
    known: bool,
}

/// Follows the units of a sample.
#[derive(Debug, Default)]
pub(super) struct Units {
    head: [u8; HEADER],
    held: usize,
    /// What is to come of the unit, and of the sample.
    skip: u64,
    left: u64,
    /// The first bytes of the sample.
    first: [u8; 4],
    seen: usize,
    is_wrong: bool,
    holds: Holds,
}

impl Units {
    pub(super) fn begin(len: u64) -> Self {
        Self { left: len, ..Self::default() }
    }

    pub(super) fn push(&mut self, codec: Codec, bytes: &[u8]) {
        for (slot, byte) in self.first.iter_mut().skip(self.seen).zip(bytes) {
            *slot = *byte;
        }
        self.seen = self.seen.saturating_add(bytes.len()).min(self.first.len());
        let mut bytes = bytes;
        while !bytes.is_empty() && !self.is_wrong {
            if self.skip > 0 {
                let part = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(part..).unwrap_or(&[]);
                self.skip -= part as u64;
                self.left = self.left.saturating_sub(part as u64);
                continue;
            }
            let (Some((&byte, rest)), Some(slot)) = (bytes.split_first(), self.head.get_mut(self.held))
            else {
                self.is_wrong = true;
                return;
            };
            *slot = byte;
            self.held += 1;
            self.left = self.left.saturating_sub(1);
            bytes = rest;
            let head = self.head.get(..self.held).unwrap_or(&[]);
            match header(codec, head, self.left) {
                Header::Short => {}
                Header::Unit(skip, content) if skip <= self.left => {
                    (self.held, self.skip) = (0, skip);
                    self.take(content);
                }
                Header::Unit(..) | Header::Wrong => self.is_wrong = true,
            }
        }
    }

    fn take(&mut self, content: Content) {
        let holds = &mut self.holds;
        holds.known |= content != Content::Unknown;
        holds.sequence |= content == Content::Sequence && !holds.picture;
        holds.picture |= content == Content::Picture;
    }

    /// What the sample holds. `None`: it is no chain that ends where the sample does.
    pub(super) fn finish(&self) -> Option<Holds> {
        let is_whole = !self.is_wrong && self.held == 0 && self.skip == 0 && self.left == 0;
        (is_whole && self.holds.known).then_some(self.holds)
    }

    /// Whether it begins with a start code (ISO/IEC 14496-10, annex B).
    pub(super) fn begins_with_a_start_code(&self) -> bool {
        self.first == [0, 0, 0, 1] || self.first.starts_with(&[0, 0, 1])
    }
}

/// Reads what there is of a header; so many bytes of the sample are behind it.
fn header(codec: Codec, head: &[u8], left: u64) -> Header {
    match codec {
        Codec::Nal { length, is_hevc, .. } => nal(head, length, is_hevc, left),
        Codec::Av1 => obu(head, left),
        Codec::WebVtt => cue(head),
        _ => Header::Wrong,
    }
}

fn nal(head: &[u8], length: usize, is_hevc: bool, left: u64) -> Header {
    let Some((lengths, nal)) = head.split_at_checked(length) else { return Header::Short };
    let len = lengths.iter().fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
    match nal {
        // Some encoders leave units empty.
        [] if len == 0 => Header::Unit(0, Content::Unknown),
        [] if len > left || is_hevc && len == 1 => Header::Wrong,
        [] => Header::Short,
        // The first bit is zero (ISO/IEC 14496-10, section 7.3.1).
        [a, ..] if a & 0x80 != 0 => Header::Wrong,
        [a] if !is_hevc => Header::Unit(len - 1, avc(a & 0x1f)),
        // The number of the temporal layer is one more than it is (ISO/IEC 23008-2, section 7.3.1.2).
        [_, b, ..] if is_hevc && b & 7 == 0 => Header::Wrong,
        [a, _, ..] if is_hevc => Header::Unit(len - 2, hevc(a >> 1)),
        _ => Header::Short,
    }
}

/// ISO/IEC 14496-10, table 7-1.
fn avc(kind: u8) -> Content {
    match kind {
        1..=5 | 19..=21 => Content::Picture,
        7 => Content::Sequence,
        6..=18 => Content::Other,
        _ => Content::Unknown,
    }
}

/// ISO/IEC 23008-2, table 7-1.
fn hevc(kind: u8) -> Content {
    match kind {
        0..=31 => Content::Picture,
        33 => Content::Sequence,
        34..=47 | 32 => Content::Other,
        _ => Content::Unknown,
    }
}

/// The header of an OBU, and its size (AV1, section 5.3). The last one may lack its size. Each sample has a frame (AV1 in ISOBMFF,
/// section 2.4).
fn obu(head: &[u8], left: u64) -> Header {
    let Some((&first, rest)) = head.split_first() else { return Header::Short };
    if first & 0x81 != 0 {
        return Header::Wrong;
    }
    let Some(size) = rest.get(usize::from(first >> 2 & 1)..) else { return Header::Short };
    let content = match first >> 3 & 0xf {
        3 | 6 | 7 => Content::Picture,
        _ => Content::Unknown,
    };
    if first & 2 == 0 {
        return Header::Unit(left, content);
    }
    let bits =
        size.iter().zip(0_u32..8).fold(0_u64, |sum, (byte, n)| sum | u64::from(byte & 0x7f) << (7 * n));
    match size.last() {
        Some(last) if last & 0x80 == 0 => Header::Unit(bits, content),
        _ if size.len() >= 8 => Header::Wrong,
        _ => Header::Short,
    }
}

/// The boxes that a sample of WebVTT may hold (ISO/IEC 14496-30, section 7.4).
fn cue(head: &[u8]) -> Header {
    let Some((size, name)) = head.split_first_chunk::<4>() else { return Header::Short };
    if name.len() < 4 {
        return Header::Short;
    }
    let is_known = matches!(name, b"vttc" | b"vtte" | b"vtta" | b"vttx" | b"free" | b"skip");
    match u32::from_be_bytes(*size).checked_sub(8) {
        Some(behind) if is_known => Header::Unit(u64::from(behind), Content::Other),
        _ => Header::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codec: Codec, sample: &[u8], expect: Option<(bool, bool)>) {
        for step in [1, 2, 3, sample.len().max(1)] {
            let mut units = Units::begin(sample.len() as u64);
            sample.chunks(step).for_each(|chunk| units.push(codec, chunk));
            let found = units.finish().map(|holds| (holds.picture, holds.sequence));
            assert_eq!(found, expect, "{codec:?} {sample:x?}, {step} bytes at a time");
        }
    }

    #[test]
    fn nal_units() {
        let avc = Codec::Nal { length: 4, is_hevc: false, has_sets: true };
        check(avc, &[0, 0, 0, 2, 0x65, 9], Some((true, false)));
        check(avc, &[0, 0, 0, 1, 0x67, 0, 0, 0, 1, 0x68, 0, 0, 0, 2, 0x65, 9], Some((true, true)));
        check(avc, &[0, 0, 0, 2, 0x65, 9, 0, 0, 0, 1, 0x67], Some((true, false)));
        check(avc, &[0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 0, 0, 0, 0, 3, 0x41, 1, 2], Some((true, false)));
        check(avc, &[0, 0, 0, 2, 6, 0x80], Some((false, false)));
        for wrong in [
            &[0, 0, 0, 2, 0x65][..],
            &[0, 0, 0, 2, 0x65, 9, 0],
            &[0, 0, 0, 2, 0x65, 9, 0, 0, 0, 7],
            &[0, 0, 0, 2, 0xe5, 9],
            &[0; 8],
            &[0; 9],
            &[0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x65, 1, 2, 3],
            &[0xff; 16],
            &[],
        ] {
            check(avc, wrong, None);
        }
        let short = Codec::Nal { length: 2, is_hevc: false, has_sets: true };
        check(short, &[0, 2, 0x65, 9, 0, 1, 0x41], Some((true, false)));
        let hevc = Codec::Nal { length: 4, is_hevc: true, has_sets: true };
        check(hevc, &[0, 0, 0, 3, 0x26, 1, 9], Some((true, false)));
        check(hevc, &[0, 0, 0, 2, 0x42, 1, 0, 0, 0, 2, 0x26, 1], Some((true, true)));
        check(hevc, &[0, 0, 0, 3, 0x26, 0, 9], None);
        check(hevc, &[0, 0, 0, 1, 0x26], None);
    }

    #[test]
    fn other_units() {
        check(Codec::Av1, &[0x12, 0, 0x0a, 1, 9, 0x32, 2, 8, 9], Some((true, false)));
        check(Codec::Av1, &[0x36, 8, 2, 8, 9, 0x30, 7, 7, 7], Some((true, false)));
        check(Codec::Av1, &[0x12, 0, 0x0a, 1, 9], None);
        check(Codec::Av1, &[0; 40], None);
        let long = [&[0x32, 0x80, 1][..], &[7; 128]].concat();
        check(Codec::Av1, &long, Some((true, false)));
        check(Codec::Av1, &long[1..], None);
        check(Codec::Av1, &long[..100], None);
        check(Codec::Av1, &[0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None);
        check(Codec::WebVtt, b"\0\0\0\x08vtte", Some((false, false)));
        check(Codec::WebVtt, b"\0\0\0\x0evttc\0\0\0\x06pa\0\0\0\x08vtta", Some((false, false)));
        check(Codec::WebVtt, b"\0\0\0\x08vttf", None);
        check(Codec::WebVtt, b"\0\0\0\x07vtte", None);
        check(Codec::WebVtt, b"00:01", None);
    }
}

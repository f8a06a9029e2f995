//! How a stream is coded, as far as its units say it themselves: two units of one stream say the same.

use crate::remux::{avc, hevc};

/// As many bytes of a parameter set tell profile, level and size.
const TOLD: usize = 12;
/// So far is looked for a parameter set: encoders put what they are called in front of the first one.
const REACH: usize = 2048;

/// The begin of a parameter set or of the header of a frame, as a number.
pub(crate) type Coding = u64;
/// Columns and rows.
pub(crate) type Size = (u32, u32);

/// Looks for how a stream is coded in the first packet of it: a sequence parameter set of H.264 (ISO/IEC 14496-10, section
/// 7.3.2.1.1) or H.265 (ISO/IEC 23008-2, section 7.3.2.2), a sequence header of MPEG-2 video (ISO/IEC 13818-2, section
/// 6.2.2.1), or the fixed header of ADTS (ISO/IEC 13818-7, section 6.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// These bytes of pictures do not tell, and more may.
    Seeks(Vec<u8>),
    /// And the columns and rows of its pictures that are shown.
    Found(Coding, Option<Size>),
    /// It does not tell.
    Nothing,
}

impl Look {
    /// Looks at the first bytes of a packet of a stream.
    pub(crate) fn begin(payload: &[u8]) -> Self {
        let header = payload.get(8).map_or(payload.len(), |len| 9 + usize::from(*len));
        let data = payload.get(header..).unwrap_or(&[]);
        match (payload.get(3), data) {
            // The private bit may mean anything.
            (Some(0xc0..=0xdf), [0xff, b, c, d, ..]) if b & 0xf6 == 0xf0 => {
                Self::Found(hash(0, &[*b, c & 0xfd, d & 0xc0]), None)
            }
            (Some(0xe0..=0xef), _) => {
                let mut look = Self::Seeks(Vec::new());
                look.go_on(data);
                look
            }
            _ => Self::Nothing,
        }
    }

    /// Looks at what comes behind that.
    pub(crate) fn go_on(&mut self, data: &[u8]) {
        let Self::Seeks(seen) = self else { return };
        let room = REACH.saturating_sub(seen.len()).min(data.len());
        seen.extend_from_slice(data.get(..room).unwrap_or_default());
        match of_pictures(seen) {
            Some((coding, size)) => *self = Self::Found(coding, size),
            None if seen.len() >= REACH => *self = Self::Nothing,
            None => {}
        }
    }
}

fn of_pictures(data: &[u8]) -> Option<(Coding, Option<Size>)> {
    let begins = data.windows(3).enumerate().filter(|(_, three)| **three == [0, 0, 1]);
    begins.filter_map(|(at, _)| data.get(at + 3..)).find_map(|unit| {
        let (told, size) = match unit {
            // Behind the rate of pictures is the bit rate, which may change.
            [0xb3, told @ ..] => {
                let size = told.first_chunk().map(|[a, b, c]| {
                    let [a, b, c] = [a, b, c].map(|byte| u32::from(*byte));
                    (a << 4 | b >> 4, (b & 15) << 8 | c)
                });
                (told.get(..4)?, size)
            }
            [0x42, 1, told @ ..] => (told.get(..TOLD)?, hevc::size(one(unit))),
            [kind, told @ ..] if kind & 0x9f == 7 => (told.get(..TOLD)?, avc::size(one(unit))),
            _ => return None,
        };
        Some((hash(0, told), size))
    })
}

/// Leaves out what is behind a unit.
fn one(unit: &[u8]) -> &[u8] {
    let end = unit.windows(3).position(|three| three == [0, 0, 1]);
    end.and_then(|end| unit.get(..end)).unwrap_or(unit)
}

/// Goes on with the FNV-1a hash of what came before, which is 0 where nothing did.
pub(crate) fn hash(before: u64, bytes: &[u8]) -> u64 {
    let begin = if before == 0 { 0xcbf2_9ce4_8422_2325 } else { before };
    bytes.iter().fold(begin, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packets_tell() {
        let packet = |id: u8, data: &[u8]| [&[0, 0, 1, id, 0, 0, 0x80, 0, 2, 0xff, 0xff][..], data].concat();
        let check = |id, data: &[u8], expect: Option<&[u8]>| {
            for first in [0, 20, data.len()] {
                let (first, rest) = data.split_at(first.min(data.len()));
                let mut look = Look::begin(&packet(id, first));
                look.go_on(rest);
                let found = if let Look::Found(coding, _) = look { Some(coding) } else { None };
                let whole_first = id >= 0xe0 || rest.is_empty();
                assert!(!whole_first || found == expect.map(|told| hash(0, told)), "{id:x} {data:x?}");
            }
        };
        let set: Vec<u8> = (100..112).collect();
        check(0xe0, &[&[0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67][..], &set].concat(), Some(&set));
        check(0xe0, &[&[0, 0, 1, 0x46, 1, 0x50, 0, 0, 1, 0x42, 1][..], &set].concat(), Some(&set));
        check(0xe0, &[&[0, 0, 1, 0xb3][..], &set].concat(), Some(&set[..4]));
        check(0xe0, &[0, 0, 1, 0x67, 1, 2, 3], None);
        check(0xe0, &[0, 0, 1, 0x65, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], None);
        check(0xc0, &[0xff, 0xf1, 0x4e, 0x80, 1, 2, 3], Some(&[0xf1, 0x4c, 0x80]));
        check(0xc0, &[0x56, 0xe0, 1, 2], None);
        check(0xbd, &[0xff, 0xf1, 0x4c, 0x80, 1, 2, 3], None);
        let named = [&[0, 0, 1, 6][..], &[7; 700], &[0, 0, 1, 0x67], &set].concat();
        check(0xe0, &named, Some(&set));
        check(0xe0, &[vec![7; REACH + 1], named].concat(), None);
        assert_eq!(Look::begin(&[0, 0, 1, 0xc0, 0, 0, 0x80, 0, 200, 1]), Look::Nothing);
    }
}

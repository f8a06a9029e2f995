//! NAL units: found in a byte stream, and what the two codecs that have them share.

use std::ops::Range;

use memchr::memmem::Finder;

/// Finds NAL units between start codes (H.264 and H.265, annex B).
#[derive(Debug, Clone)]
pub(crate) struct StartCodes(Finder<'static>);

impl Default for StartCodes {
    fn default() -> Self {
        Self(Finder::new(&[0, 0, 1]))
    }
}

impl StartCodes {
    /// Returns where the units are, in order, each with its header and without the zeros that fill up behind it.
    pub(crate) fn units<'a>(&'a self, stream: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut begin = self.0.find(stream).map(|at| at + 3);
        std::iter::from_fn(move || {
            loop {
                let from = begin?;
                let rest = stream.get(from..)?;
                let (unit, next) = match self.0.find(rest) {
                    Some(at) => (rest.get(..at)?, Some(from + at + 3)),
                    None => (rest, None),
                };
                begin = next;
                let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
                if zeros < unit.len() {
                    return Some(from..from + unit.len() - zeros);
                }
            }
        })
    }
}

/// Parameter sets of one kind by their number, as bytes of the stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sets(Vec<(u32, Vec<u8>)>);

impl Sets {
    /// Takes a set; `true`: it is new, or another one than before.
    pub(crate) fn put(&mut self, id: u32, set: &[u8]) -> bool {
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => {
                let Some((_, known)) = self.0.get_mut(at) else { return false };
                if known == set {
                    return false;
                }
                set.clone_into(known);
            }
            Err(at) => self.0.insert(at, (id, set.to_vec())),
        }
        true
    }

    /// Whether this very set is there, whatever its number.
    pub(crate) fn has(&self, set: &[u8]) -> bool {
        self.0.iter().any(|(_, known)| known == set)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.0.first().map(|(_, set)| &set[..])
    }

    /// Writes each set behind its length in two bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (_, set) in &self.0 {
            out.extend(u16::try_from(set.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(set);
        }
    }
}

/// What a sequence parameter set says of the pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Columns and rows that are shown.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The shape of a pixel, width to height; 0 to 0 where it is not said.
    pub(crate) pixel: (u32, u32),
    /// Chroma format, and bits of a sample of each kind.
    pub(crate) chroma: u32,
    pub(crate) depth_luma: u32,
    pub(crate) depth_chroma: u32,
    /// Pictures can be fields.
    pub(crate) has_fields: bool,
}

impl Geometry {
    /// Columns and rows of square pixels, for the track header.
    pub(crate) fn shown(&self) -> (u32, u32) {
        let (x, y) = self.pixel;
        let width = if x == 0 || y == 0 { self.width } else { (self.width * x).div_ceil(y) };
        (width.min(0xffff), self.height)
    }
}

/// The shapes of pixels that have a number (H.264, table E-1).
pub(crate) const PIXELS: [(u32, u32); 17] = [
    (0, 0),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// Makes the sample entry of a picture format (ISO/IEC 14496-12, section 12.1.3).
pub(crate) fn visual_entry(format: [u8; 4], geometry: &Geometry, config: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 6];
    body.extend([0, 1]);
    body.extend([0; 16]);
    for side in [geometry.width, geometry.height] {
        body.extend(u16::try_from(side).unwrap_or(u16::MAX).to_be_bytes());
    }
    // 72 dots to the inch, one picture in a sample.
    body.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend([0; 32]);
    body.extend([0, 0x18, 0xff, 0xff]);
    body.extend_from_slice(config);
    let (x, y) = geometry.pixel;
    if x != y {
        body.extend([0, 0, 0, 16]);
        body.extend(b"pasp");
        body.extend(x.to_be_bytes());
        body.extend(y.to_be_bytes());
    }
    super::boxes::boxed(&format, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let codes = StartCodes::default();
        let check = |stream: &[u8], expect: &[&[u8]]| {
            let found = codes.units(stream).map(|unit| &stream[unit]).collect::<Vec<_>>();
            assert_eq!(found, expect, "{stream:x?}");
        };
        check(&[], &[]);
        check(&[1, 2, 3], &[]);
        check(&[0, 0, 1], &[]);
        check(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 7], &[&[9, 0xf0], &[0x65, 7]]);
        check(&[5, 0, 0, 1, 9, 0, 0, 0, 0, 0, 1, 0, 0, 1, 8, 0], &[&[9], &[8]]);
        check(&[0, 0, 1, 0, 0, 3, 0, 0, 1, 4], &[&[0, 0, 3], &[4]]);
    }
}

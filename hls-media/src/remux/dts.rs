//! DTS: frame headers, and the box that describes them (ETSI TS 102 114, section 5.3 and annex E).

use super::{
    bits::{BitWriter, Bits},
    boxes::boxed,
};

/// So many bytes of a header are looked at.
pub(crate) const HEADER: usize = 12;
const CORE: [u8; 4] = [0x7f, 0xfe, 0x80, 0x01];
const EXTENSION: [u8; 4] = [0x64, 0x58, 0x20, 0x25];
const RATES: [u32; 16] =
    [0, 8000, 16_000, 32_000, 0, 0, 11_025, 22_050, 44_100, 0, 0, 12_000, 24_000, 48_000, 96_000, 192_000];
/// By the arrangement of channels (table 5-4): how many, and their places (table E-5).
const LAYOUTS: [(u16, u32); 10] =
    [(1, 1), (2, 2), (2, 2), (2, 2), (2, 2), (3, 3), (3, 0x12), (4, 0x13), (4, 6), (5, 7)];

/// A frame of the core codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Core {
    pub(crate) len: usize,
    pub(crate) rate: u32,
    pub(crate) samples: u32,
    pub(crate) channels: u16,
    places: u32,
    has_low: bool,
}

impl Core {
    /// Reads a frame header. Returns `None` for anything else, and for an unknown channel arrangement.
    pub(crate) fn read(head: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(head.strip_prefix(&CORE)?);
        bits.skip(7)?;
        let blocks = bits.read(7)?;
        let len = bits.read(14)? as usize + 1;
        let (arrangement, rate) = (bits.read(6)?, bits.read(4)?);
        bits.skip(5 + 1 + 1 + 1 + 1 + 1 + 3 + 1 + 1)?;
        let has_low = matches!(bits.read(2)?, 1 | 2);
        let rate = *RATES.get(rate as usize).filter(|rate| **rate > 0)?;
        let &(channels, places) = LAYOUTS.get(arrangement as usize)?;
        let (channels, places) = if has_low { (channels + 1, places | 8) } else { (channels, places) };
        let samples = (blocks + 1) * 32;
        (len >= 95 && blocks >= 5).then_some(Self { len, rate, samples, channels, places, has_low })
    }

    /// Whether both can share a sample entry.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        Self { len: self.len, ..*other } == *self
    }

    /// Makes the `ddts` box.
    pub(crate) fn specific(&self, has_extension: bool) -> Vec<u8> {
        let length = match self.samples {
            0..=512 => 0,
            513..=1024 => 1,
            1025..=2048 => 2,
            _ => 3,
        };
        // Table E-2: a core alone, or a core and lossless or high resolution parts behind it.
        let construction = if has_extension { 18 } else { 1 };
        let bits = BitWriter::default().put(self.rate, 32).put(0, 32).put(0, 32).put(24, 8);
        let bits = bits.put(length, 2).put(construction, 5).put(u32::from(self.has_low), 1).put(31, 6);
        let bits = bits.put(self.len as u32 & 0x3fff, 14).put(0, 1).put(0, 3).put(self.places, 16);
        boxed(b"ddts", &bits.put(0, 8).bytes())
    }
}

/// Returns the length of the extension substream that begins here, or `None` where none does.
pub(crate) fn extension(head: &[u8]) -> Option<usize> {
    let mut bits = Bits::new(head.strip_prefix(&EXTENSION)?);
    bits.skip(10)?;
    let is_long = bits.bit()?;
    bits.skip(if is_long { 12 } else { 8 })?;
    Some(bits.read(if is_long { 20 } else { 16 })? as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        // 5.1, 48 kHz, 512 samples, 2012 bytes.
        let bits =
            BitWriter::default().put(1, 1).put(31, 5).put(0, 1).put(15, 7).put(2011, 14).put(9, 6).put(13, 4);
        let head = [&CORE[..], &bits.put(24, 5).put(0, 10).put(1, 2).put(0, 3).bytes()].concat();
        let core = Core::read(&head).expect("a frame");
        assert_eq!((core.len, core.rate, core.samples, core.channels), (2012, 48_000, 512, 6));
        assert_eq!(core.specific(false)[8..12], 48_000_u32.to_be_bytes());
        assert_eq!(Core::read(&head[..8]), None);
        assert_eq!(Core::read(&[0; 12]), None);
        let bits = BitWriter::default().put(0, 10).put(0, 1).put(15, 8).put(999, 16).bytes();
        assert_eq!(extension(&[&EXTENSION[..], &bits].concat()), Some(1000));
        assert_eq!(extension(&head), None);
    }
}

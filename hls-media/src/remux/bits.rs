//! Bits of parameter sets and frame headers.

use std::borrow::Cow;

/// Reads bits, most significant first. What lies behind the end reads as nothing at all.
#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Reads up to 32 bits.
    pub(crate) fn read(&mut self, count: u32) -> Option<u32> {
        (0..count.min(32)).try_fold(0_u32, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// Goes on to the next whole byte.
    pub(crate) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// How many bits have been read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Goes to a place.
    pub(crate) fn seek(&mut self, at: usize) -> Option<()> {
        self.at = at;
        (at <= self.bytes.len() * 8).then_some(())
    }

    /// Reads bytes, wherever they begin.
    pub(crate) fn bytes(&mut self, len: usize) -> Option<Vec<u8>> {
        let (from, shift) = (self.at / 8, self.at % 8);
        self.skip(len.checked_mul(8)?)?;
        let bytes = self.bytes.get(from..)?;
        if shift == 0 {
            return Some(bytes.get(..len)?.to_vec());
        }
        let pairs = bytes.windows(2).take(len);
        let joined = pairs.filter_map(|pair| match pair {
            [a, b] => Some(a << shift | b >> (8 - shift)),
            _ => None,
        });
        Some(joined.collect::<Vec<_>>()).filter(|joined| joined.len() == len)
    }

    /// Exp-Golomb (H.264, section 9.1).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.read(zeros)?;
        ((1_u32 << zeros) - 1).checked_add(rest)
    }

    pub(crate) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) })
    }
}

/// Takes the bytes out that keep start codes from showing up in a NAL unit (H.264, section 7.4.1).
pub(crate) fn unescaped(nal: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(3, nal).is_none() {
        return Cow::Borrowed(nal);
    }
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    Cow::Owned(out)
}

/// Writes bits, most significant first.
#[derive(Debug, Clone, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    pub(crate) fn put(mut self, value: u32, count: u32) -> Self {
        for at in (0..count).rev() {
            if self.used % 8 == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> at & 1) as u8) << (7 - self.used % 8);
            }
            self.used += 1;
        }
        self
    }

    /// Fills the byte that is under way with zeros.
    pub(crate) fn align(mut self) -> Self {
        self.used = self.used.next_multiple_of(8);
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb() {
        // 1 010 011 00100 0001000: 0, 1, 2, 3, 7.
        let bytes = [0b1010_0110, 0b0100_0001, 0b0000_0000];
        let mut bits = Bits::new(&bytes);
        assert_eq!((0..5).map_while(|_| bits.ue()).collect::<Vec<_>>(), [0, 1, 2, 3, 7]);
        let mut bits = Bits::new(&bytes);
        assert_eq!((0..4).map_while(|_| bits.se()).collect::<Vec<_>>(), [0, 1, -1, 2]);
        assert_eq!(Bits::new(&[0; 9]).ue(), None);
        assert_eq!(Bits::new(&[1]).read(9), None);
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let bytes = BitWriter::default().put(5, 3).put(0x2b7, 11).put(1, 1).put(0xffff_ffff, 32).bytes();
        let mut bits = Bits::new(&bytes);
        let read = [3, 11, 1, 32].map(|count| bits.read(count));
        assert_eq!(read, [Some(5), Some(0x2b7), Some(1), Some(0xffff_ffff)]);
        assert_eq!(*unescaped(&[1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [1, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(*unescaped(&[1, 0, 0, 1, 0, 0]), [1, 0, 0, 1, 0, 0]);
    }
}

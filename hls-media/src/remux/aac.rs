//! AAC: what ADTS headers, program config elements and AudioSpecificConfig say (ISO/IEC 14496-3).

use super::bits::{BitWriter, Bits};

pub(crate) const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
/// By channel configuration (table 1.19); 0: a program config element says it.
const CHANNELS: [u16; 16] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];
/// A program config element has at most this many bits: all lists and the longest comment.
const LONGEST_LAYOUT: u32 = 31 + 11 + 16 * 5 * 4 + 7 * 4 + 8 + 255 * 8;

pub(crate) fn channels(configuration: u32) -> u16 {
    CHANNELS.get(configuration as usize).copied().unwrap_or(0)
}

/// A program config element, which says which channels there are (section 4.4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Its bits up to the alignment, each in a byte, and the comment behind it.
    bits: Vec<bool>,
    comment: Vec<u8>,
    pub(crate) channels: u16,
}

impl Layout {
    /// Reads the element behind its identifier.
    pub(crate) fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let mut copy = Copy { bits, copied: Vec::new() };
        copy.take(10)?;
        let counts = [copy.take(4)?, copy.take(4)?, copy.take(4)?];
        let (low, data, coupled) = (copy.take(2)?, copy.take(3)?, copy.take(4)?);
        for width in [4, 4, 3] {
            if copy.take(1)? == 1 {
                copy.take(width)?;
            }
        }
        let mut channels = low;
        for _ in 0..counts.iter().sum() {
            channels += 1 + copy.take(1)?;
            copy.take(4)?;
        }
        copy.take(4 * low)?;
        copy.take(4 * data)?;
        copy.take(5 * coupled)?;
        let Copy { bits, copied } = copy;
        bits.align();
        let count = bits.read(8)?;
        let comment = (0..count).map(|_| bits.read(8).map(|byte| byte as u8)).collect::<Option<Vec<_>>>()?;
        Some(Self { bits: copied, comment, channels: u16::try_from(channels).ok()? })
    }

    /// Finds the element at the begin of a raw data block (table 4.3), where encoders put it.
    pub(crate) fn in_block(block: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(block.get(..block.len().min(LONGEST_LAYOUT as usize / 8))?);
        (bits.read(3)? == 5).then(|| Self::read(&mut bits)).flatten()
    }

    fn write(&self, config: BitWriter) -> BitWriter {
        let config = self.bits.iter().fold(config, |config, bit| config.put(u32::from(*bit), 1)).align();
        let count = self.comment.len().min(255) as u32;
        self.comment.iter().fold(config.put(count, 8), |config, byte| config.put(u32::from(*byte), 8))
    }
}

/// Reads bits and keeps them.
struct Copy<'a, 'b> {
    bits: &'a mut Bits<'b>,
    copied: Vec<bool>,
}

impl Copy<'_, '_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| {
            let bit = self.bits.bit()?;
            self.copied.push(bit);
            Some(value << 1 | u32::from(bit))
        })
    }
}

/// Makes an AudioSpecificConfig (section 1.6.2.1) up to where extensions stand.
pub(crate) fn config(object: u32, rate_code: u32, channels: u32, layout: Option<&Layout>) -> BitWriter {
    let config = BitWriter::default().put(object, 5).put(rate_code, 4).put(channels, 4).put(0, 3);
    match layout {
        Some(layout) if channels == 0 => layout.write(config),
        _ => config,
    }
}

/// What an AudioSpecificConfig says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Samples in a second and in a frame, of the core codec.
    pub(crate) rate: u32,
    pub(crate) samples: u32,
    pub(crate) channels: u16,
    /// How many bits it has.
    pub(crate) len: usize,
}

impl Config {
    /// Reads one of AAC. `None`: it is of another codec, or damaged.
    pub(crate) fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let begin = bits.position();
        let mut object = object_type(bits)?;
        let rate = rate(bits)?;
        let configuration = bits.read(4)?;
        // Spectral band replication: the codec under it follows.
        let is_extended = matches!(object, 5 | 29);
        if is_extended {
            self::rate(bits)?;
            object = object_type(bits)?;
        }
        if !matches!(object, 1..=4 | 6 | 7 | 17 | 19..=23) {
            return None;
        }
        let is_short = bits.bit()?;
        if bits.bit()? {
            bits.skip(14)?;
        }
        let has_extension = bits.bit()?;
        let mut channels = self::channels(configuration);
        if configuration == 0 {
            channels = Layout::read(bits)?.channels;
        }
        if matches!(object, 6 | 20) {
            bits.skip(3)?;
        }
        if has_extension {
            if object == 22 {
                bits.skip(16)?;
            }
            if matches!(object, 17 | 19 | 20 | 23) {
                bits.skip(3)?;
            }
            bits.skip(1)?;
        }
        let samples = match (object, is_short) {
            (23, true) => 480,
            (23, false) => 512,
            (_, true) => 960,
            (_, false) => 1024,
        };
        // Parametric stereo makes two channels of one.
        Some(Self { rate, samples, channels, len: bits.position() - begin })
    }
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        object => Some(object),
    }
}

fn rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(4)? {
        15 => bits.read(24),
        code => RATES.get(code as usize).copied(),
    }
    .filter(|rate| *rate > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_goes_into_a_configuration_as_it_is() {
        // 2.1: a pair in front and low frequencies; main object type 1, 48 kHz, a comment of two bytes.
        let element =
            BitWriter::default().put(0, 4).put(1, 2).put(3, 4).put(1, 4).put(0, 4).put(0, 4).put(1, 2);
        let element = element.put(0, 3).put(0, 4).put(0, 3).put(1, 1).put(0, 4).put(0, 4).align();
        let element = element.put(2, 8).put(0x68, 8).put(0x6c, 8).bytes();
        let layout = Layout::read(&mut Bits::new(&element)).expect("a layout");
        assert_eq!(layout.channels, 3);
        let config = config(2, 3, 0, Some(&layout)).bytes();
        let read = Config::read(&mut Bits::new(&config)).expect("a configuration");
        assert_eq!((read.rate, read.samples, read.channels, read.len), (48_000, 1024, 3, config.len() * 8));
        for len in 0..config.len() {
            assert_eq!(Config::read(&mut Bits::new(&config[..len])), None, "{len}");
        }
        // Behind the identifier of a raw data block the same element is shifted by three bits.
        let bits = element.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1)));
        let shifted =
            bits.take(41).fold(BitWriter::default().put(5, 3), |block, bit| block.put(bit, 1)).align();
        let block = shifted.put(0, 8).bytes();
        assert_eq!(Layout::in_block(&block).map(|layout| layout.channels), Some(3));
        assert_eq!(Layout::in_block(&[0x20; 20]), None);
    }

    #[test]
    fn configurations() {
        let check = |bytes: &[u8], expect| {
            let read = Config::read(&mut Bits::new(bytes)).map(|c| (c.rate, c.samples, c.channels));
            assert_eq!(read, expect, "{bytes:x?}");
        };
        check(&[0x11, 0x90], Some((48_000, 1024, 2)));
        check(&[0x12, 0x0c], Some((44_100, 960, 1)));
        // Spectral band replication said in front: 24 kHz, doubled.
        check(&[0x2b, 0x11, 0x88, 0x00], Some((24_000, 1024, 2)));
        check(&[0xf8, 0x46, 0x30], None);
        check(&[0x11], None);
    }
}

//! AAC in LATM, as transport streams have it: AudioSyncStream (ISO/IEC 14496-3, section 1.7).

use super::{
    aac::Config,
    bits::{BitWriter, Bits},
    error::RemuxError,
};

/// The synchronisation word and the length.
pub(crate) const HEADER: usize = 3;

/// Returns the length of the frame that begins here, header included, or `None` where none does.
pub(crate) fn frame_len(head: &[u8]) -> Option<usize> {
    match head {
        [0x56, b, c, ..] if b & 0xe0 == 0xe0 => Some(HEADER + (usize::from(b & 0x1f) << 8 | usize::from(*c))),
        _ => None,
    }
}

/// What a multiplex configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Multiplex {
    pub(crate) config: Config,
    /// The AudioSpecificConfig.
    pub(crate) bytes: Vec<u8>,
    frames: u32,
    has_crc: bool,
    other_bits: usize,
}

/// A configuration, and raw data blocks that have it.
pub(crate) type Taken<'a> = (&'a Multiplex, Vec<Vec<u8>>);

/// Takes frames apart. Most of them say that the configuration is that of the one before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latm(Option<Multiplex>);

impl Latm {
    /// Takes a frame of AAC apart; returns its configuration and its raw data blocks. `None`: it is damaged, or the configuration is
    /// not known yet.
    pub(crate) fn take(&mut self, frame: &[u8]) -> Result<Option<Taken<'_>>, RemuxError> {
        let mut bits = Bits::new(frame.get(HEADER..).unwrap_or(&[]));
        let Some(is_same) = bits.bit() else { return Ok(None) };
        if !is_same {
            match Multiplex::read(&mut bits)? {
                Some(multiplex) => self.0 = Some(multiplex),
                None => return Ok(None),
            }
        }
        let Some(multiplex) = &self.0 else { return Ok(None) };
        Ok(multiplex.blocks(&mut bits).map(|blocks| (multiplex, blocks)))
    }
}

impl Multiplex {
    /// Reads StreamMuxConfig (table 1.42).
    fn read(bits: &mut Bits<'_>) -> Result<Option<Self>, RemuxError> {
        let unsupported = |what: &str| Err(RemuxError::unsupported(format!("AAC in LATM with {what}")));
        let Some((version, variant)) = version(bits) else { return Ok(None) };
        if variant {
            return unsupported("a syntax of its own");
        }
        let mut head = || {
            if version {
                value(bits)?;
            }
            Some((bits.bit()?, bits.read(6)?, bits.read(4)?, bits.read(3)?))
        };
        let Some((is_aligned, frames, programs, layers)) = head() else { return Ok(None) };
        if !is_aligned || programs > 0 || layers > 0 {
            return unsupported("several programs or layers");
        }
        let config_len = if version { value(bits) } else { Some(0) };
        let Some(config_len) = config_len else { return Ok(None) };
        let begin = bits.position();
        let mut whole = bits.clone();
        let Some(config) = Config::read(bits) else { return unsupported("another codec") };
        let len = if version { config_len as usize } else { config.len };
        let mut copy = BitWriter::default();
        for _ in 0..len {
            match whole.bit() {
                Some(bit) => copy = copy.put(u32::from(bit), 1),
                None => return Ok(None),
            }
        }
        let mut rest = || {
            bits.seek(begin + len)?;
            let kind = bits.read(3)?;
            bits.skip(if kind == 0 { 8 } else { 0 })?;
            let mut other_bits = 0;
            if bits.bit()? {
                if version {
                    other_bits = value(bits)? as usize;
                } else {
                    loop {
                        let goes_on = bits.bit()?;
                        other_bits = (other_bits << 8) + bits.read(8)? as usize;
                        if !goes_on || other_bits > 1 << 20 {
                            break;
                        }
                    }
                }
            }
            let has_crc = bits.bit()?;
            bits.skip(if has_crc { 8 } else { 0 })?;
            Some((kind, other_bits, has_crc))
        };
        match rest() {
            Some((0, other_bits, has_crc)) => {
                Ok(Some(Self { config, bytes: copy.bytes(), frames: frames + 1, has_crc, other_bits }))
            }
            Some(_) => unsupported("frames of a fixed length"),
            None => Ok(None),
        }
    }

    /// Reads the payload (tables 1.44 and 1.45).
    fn blocks(&self, bits: &mut Bits<'_>) -> Option<Vec<Vec<u8>>> {
        let mut blocks = Vec::new();
        for _ in 0..self.frames {
            let mut len = 0_usize;
            loop {
                let byte = bits.read(8)?;
                len += byte as usize;
                if byte != 255 {
                    break;
                }
            }
            blocks.push(bits.bytes(len)?);
        }
        bits.skip(self.other_bits)?;
        bits.skip(if self.has_crc { 8 } else { 0 })?;
        Some(blocks)
    }
}

/// Reads `audioMuxVersion`, and `audioMuxVersionA`.
fn version(bits: &mut Bits<'_>) -> Option<(bool, bool)> {
    let version = bits.bit()?;
    Some((version, version && bits.bit()?))
}

/// Reads `LatmGetValue` (table 1.43).
fn value(bits: &mut Bits<'_>) -> Option<u32> {
    let bytes = bits.read(2)?;
    (0..=bytes).try_fold(0_u32, |value, _| Some(value << 8 | bits.read(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of two raw data blocks with a configuration of 48 kHz and stereo, or without one.
    fn frame(with_config: bool) -> Vec<u8> {
        let mut bits = BitWriter::default().put(u32::from(!with_config), 1);
        if with_config {
            bits = bits.put(0, 1).put(1, 1).put(1, 6).put(0, 4).put(0, 3).put(0x1190, 16);
            bits = bits.put(0, 3).put(0xff, 8).put(0, 1).put(0, 1);
        }
        for block in [&[1_u8, 2, 3][..], &[4; 300]] {
            let full = block.len() / 255;
            bits = (0..full).fold(bits, |bits, _| bits.put(255, 8)).put((block.len() % 255) as u32, 8);
            bits = block.iter().fold(bits, |bits, byte| bits.put(u32::from(*byte), 8));
        }
        let body = bits.bytes();
        [&[0x56, 0xe0 | (body.len() >> 8) as u8, body.len() as u8][..], &body].concat()
    }

    #[test]
    fn frames_are_taken_apart() {
        let (first, second) = (frame(true), frame(false));
        assert_eq!(frame_len(&first), Some(first.len()));
        let mut latm = Latm::default();
        assert!(latm.take(&second).expect("supported").is_none(), "its configuration is not known");
        for frame in [&first, &second] {
            let (multiplex, blocks) = latm.take(frame).expect("supported").expect("a frame");
            assert_eq!((multiplex.config.rate, multiplex.config.channels), (48_000, 2));
            assert_eq!(multiplex.bytes, [0x11, 0x90]);
            assert_eq!(blocks, [vec![1, 2, 3], vec![4; 300]]);
        }
        for len in 0..second.len() {
            assert!(!matches!(latm.take(&second[..len]), Ok(Some(_))), "{len}");
        }
    }
}

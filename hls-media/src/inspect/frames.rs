//! Samples that are frames of sound, or that tell by their first bytes what they are.

use super::codec::Codec;
use crate::Container;
use crate::audio::{Frame, frame};
use crate::remux::aac::Layout;
use crate::remux::bits::Bits;

/// More bytes of a sample are not looked at here.
pub(super) const MOST: usize = 256 << 10;
/// A raw data block has at most 6144 bits for each channel (ISO/IEC 14496-3, section 4.5.3.2). Nothing real is four times as large.
const LARGEST_OF_CHANNEL: usize = 4 * 768;
const MOST_CHANNELS: usize = 48;
const DTS_CORE: [u8; 4] = [0x7f, 0xfe, 0x80, 0x01];
const DTS_EXTENSION: [u8; 4] = [0x64, 0x58, 0x20, 0x25];
/// The other orders of bytes, and words of 14 bits.
const DTS_OTHERS: [[u8; 4]; 3] =
    [[0xfe, 0x7f, 0x01, 0x80], [0x1f, 0xff, 0xe8, 0x00], [0xff, 0x1f, 0x00, 0xe8]];
/// 120 ms, in 48 kHz (RFC 6716, section 3.2.5, R5).
const LONGEST_PACKET: u32 = 5760;
const LARGEST_OPUS: usize = 1275;

/// How a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Right,
    /// It is right up to its end, where something is missing.
    Cut,
    /// A header of ADTS is in front of the frame.
    Adts,
    Wrong,
}

/// Judges a sample of `len` bytes, of which the first are there.
pub(super) fn judge(codec: Codec, sample: &[u8], len: u64) -> Is {
    let is_all = sample.len() as u64 == len;
    let right = |is_right| if is_right { Is::Right } else { Is::Wrong };
    match codec {
        Codec::Aac { is_narrow } if is_all => aac(sample, is_narrow),
        Codec::Aac { .. } => Is::Wrong,
        Codec::MpegAudio => chain(sample, is_all, |container| container == Container::Mp3),
        Codec::Dolby => chain(sample, is_all, |c| matches!(c, Container::Ac3 | Container::Eac3)),
        Codec::Dts => dts(sample, is_all),
        // Zeros would be right by their structure, and no encoder makes them.
        Codec::Opus { .. } if len > 8 && sample.iter().all(|byte| *byte == 0) => Is::Wrong,
        Codec::Opus { streams } => right(!is_all || is_opus(sample, streams)),
        Codec::Flac => right(matches!(sample, [0xff, 0xf8 | 0xf9, ..])),
        Codec::Vp9 => right(sample.first().is_some_and(|first| first & 0xc0 == 0x80)),
        Codec::Ttml => right(is_document(sample)),
        Codec::Text => {
            right(sample.first_chunk().is_some_and(|text| u64::from(u16::from_be_bytes(*text)) + 2 <= len))
        }
        Codec::Nal { .. } | Codec::Av1 | Codec::WebVtt => Is::Right,
    }
}

/// What the first element of a raw data block that says how it goes on has to be, behind data and fill elements (ISO/IEC 14496-3,
/// tables 4.3 to 4.6, 4.10 and 4.11).
fn begins_as_aac(block: &[u8], is_narrow: bool) -> Option<bool> {
    let mut bits = Bits::new(block);
    loop {
        match bits.read(3)? {
            // One channel: a tag, the gain, and how its windows are.
            0 => {
                bits.skip(4 + 8)?;
                return has_windows(&mut bits);
            }
            // Two channels, with windows in common or not.
            1 => {
                bits.skip(4)?;
                if !bits.bit()? {
                    bits.skip(8)?;
                }
                return has_windows(&mut bits);
            }
            // Coupling, and low frequencies.
            2 | 3 if is_narrow => return Some(false),
            // Data.
            4 => {
                bits.skip(4)?;
                let is_aligned = bits.bit()?;
                let count = bits.read(8)?;
                let more = if count == 255 { bits.read(8)? } else { 0 };
                if is_aligned {
                    bits.align();
                }
                bits.skip((count + more) as usize * 8)?;
            }
            6 => {
                let count = bits.read(4)? as usize;
                let more = if count == 15 { bits.read(8)? as usize } else { 1 };
                bits.skip((count + more).checked_sub(1)? * 8)?;
            }
            // A layout.
            5 if is_narrow => {
                return Some(Layout::read(&mut bits).is_some_and(|layout| layout.channels <= 2));
            }
            // The end.
            7 => return Some(block.len() <= 2),
            _ => return Some(true),
        }
    }
}

/// A bit that is zero, and no more bands than there are.
fn has_windows(bits: &mut Bits<'_>) -> Option<bool> {
    const SHORT: u32 = 2;
    const MOST_BANDS: u32 = 51;
    let is_reserved = bits.bit()?;
    let sequence = bits.read(2)?;
    bits.skip(1)?;
    Some(!is_reserved && (sequence == SHORT || bits.read(6)? <= MOST_BANDS))
}

/// A raw data block begins with an element and ends with the one that says so, behind which are less than eight zeros (ISO/IEC 14496-3,
/// tables 4.3 and 4.85). Some encoders fill up with more zeros.
fn aac(block: &[u8], is_narrow: bool) -> Is {
    let is_adts = matches!(frame(block), Frame::Header { container: Container::Adts, len: Some(len), .. } if len == block.len() as u64);
    if is_adts {
        return Is::Adts;
    }
    let largest = LARGEST_OF_CHANNEL * if is_narrow { 2 } else { MOST_CHANNELS };
    if block.len() > largest || !begins_as_aac(block, is_narrow).unwrap_or(false) {
        return Is::Wrong;
    }
    let Some(last) = block.iter().rposition(|byte| *byte != 0) else { return Is::Wrong };
    let at = |at: Option<usize>| at.and_then(|at| block.get(at)).copied().unwrap_or(0);
    let tail = u16::from_be_bytes([at(last.checked_sub(1)), at(Some(last))]);
    if tail >> tail.trailing_zeros() & 7 == 7 { Is::Right } else { Is::Cut }
}

/// Frames, each beginning where the one before ends, the last one ending with the sample.
fn chain(sample: &[u8], is_all: bool, is_wanted: impl Fn(Container) -> bool) -> Is {
    let mut rest = sample;
    while !rest.is_empty() {
        match frame(rest) {
            Frame::Header { container, len, .. } if is_wanted(container) => {
                let Some(len) = len else { return Is::Right };
                match usize::try_from(len).ok().and_then(|len| rest.get(len.max(1)..)) {
                    Some(behind) => rest = behind,
                    None if is_all => return Is::Cut,
                    None => return Is::Right,
                }
            }
            Frame::Short if rest.len() < sample.len() => return Is::Cut,
            _ if rest.len() < sample.len() && (!is_all || rest.iter().all(|byte| *byte == 0)) => {
                return Is::Right;
            }
            _ => return Is::Wrong,
        }
    }
    Is::Right
}

/// A core frame, extension substreams, or both (ETSI TS 102 114, sections 5.3 and 7.3).
fn dts(sample: &[u8], is_all: bool) -> Is {
    let mut rest = sample;
    while let Some(magic) = rest.first_chunk::<4>() {
        let len = match magic {
            &DTS_CORE => core_length(rest),
            &DTS_EXTENSION => crate::remux::dts::extension(rest),
            magic if DTS_OTHERS.contains(magic) => return Is::Right,
            _ if rest.len() < sample.len() && rest.iter().all(|byte| *byte == 0) => return Is::Right,
            _ => return Is::Wrong,
        };
        let Some(len) = len.filter(|len| *len > 0) else { return Is::Wrong };
        match rest.get(len..) {
            Some(behind) => rest = behind,
            None if is_all => return Is::Cut,
            None => return Is::Right,
        }
    }
    let is_filled = rest.len() < sample.len() && rest.iter().all(|byte| *byte == 0);
    if is_filled || sample.is_empty() { Is::Right } else { Is::Wrong }
}

fn core_length(core: &[u8]) -> Option<usize> {
    let [_, _, _, _, _, a, b, c, ..] = core else { return None };
    // Behind the syncword: type, deficit, checksum and blocks (14 bits), then 14 bits of this.
    Some((usize::from(a & 3) << 12 | usize::from(*b) << 4 | usize::from(c >> 4)) + 1)
}

/// Packets of all streams but the last one say their lengths (RFC 7845, section 3).
fn is_opus(sample: &[u8], streams: u8) -> bool {
    let mut rest = sample;
    for left in (0..streams.max(1)).rev() {
        let Some(behind) = opus(rest, left > 0) else { return false };
        rest = behind;
    }
    true
}

/// Reads a packet by the rules of RFC 6716, section 3.4; `says_its_length`: in the form of its appendix B. Returns what is behind it.
fn opus(packet: &[u8], says_its_length: bool) -> Option<&[u8]> {
    crate::remux::opus::samples(packet).filter(|samples| *samples <= LONGEST_PACKET)?;
    let (toc, mut rest) = packet.split_first()?;
    let (mut frames, mut padding, mut differ) = (1, 0_usize, false);
    match toc & 3 {
        0 => {}
        code @ (1 | 2) => (frames, differ) = (2, code == 2),
        _ => {
            let (counts, behind) = rest.split_first()?;
            rest = behind;
            (frames, differ) = (usize::from(counts & 0x3f), counts & 0x80 != 0);
            let mut is_padded = counts & 0x40 != 0;
            while is_padded {
                let (more, behind) = rest.split_first()?;
                rest = behind;
                is_padded = *more == 255;
                padding += usize::from(if is_padded { 254 } else { *more });
            }
        }
    }
    // Frames that differ say their lengths, all but the last one.
    let mut sum = 0;
    if differ {
        for _ in 1..frames {
            sum += opus_length(&mut rest)?;
        }
    }
    let (last, behind) = match says_its_length {
        true => {
            let last = opus_length(&mut rest)?;
            let all = if differ { sum + last } else { last * frames };
            (last, rest.get(all.checked_add(padding)?..)?)
        }
        false => {
            let left = rest.len().checked_sub(padding)?;
            if !differ && left % frames != 0 {
                return None;
            }
            (if differ { left.checked_sub(sum)? } else { left / frames }, &[][..])
        }
    };
    (last <= LARGEST_OPUS).then_some(behind)
}

fn opus_length(rest: &mut &[u8]) -> Option<usize> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    let first = usize::from(*first);
    if first < 252 {
        return Some(first);
    }
    let (second, behind) = rest.split_first()?;
    *rest = behind;
    Some(first + 4 * usize::from(*second))
}

/// Whether text begins as XML does, in any of its encodings.
fn is_document(sample: &[u8]) -> bool {
    let text = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    let text = text.trim_ascii_start();
    text.is_empty() || matches!(text, [b'<', ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, b'<', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codec: Codec, sample: &[u8], expect: Is) {
        assert_eq!(judge(codec, sample, sample.len() as u64), expect, "{codec:?} {sample:x?}");
    }

    #[test]
    fn raw_data_blocks() {
        let narrow = Codec::Aac { is_narrow: true };
        // Silence, as tools that fill gaps write it.
        for silence in [
            &[0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c][..],
            &[0x00, 0xc8, 0x00, 0x80, 0x23, 0x80],
            &[0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80],
            &[0x01, 0x18, 0x20, 0x07],
            &[0x01, 0x18, 0x20, 0x07, 0, 0, 0],
            &[0xe0],
            // Behind a fill element of two bytes.
            &[0xc4, 0, 0, 0x42, 0x20, 0x09, 0xc0],
        ] {
            check(narrow, silence, Is::Right);
        }
        check(narrow, &[0x21, 0x10, 0x04, 0x60, 0x8c, 0x18], Is::Cut);
        check(narrow, &[0; 200], Is::Wrong);
        check(narrow, &[0xff; 200], Is::Wrong);
        check(narrow, &[0x60, 1, 7], Is::Wrong);
        check(narrow, &[0x40, 1, 7], Is::Wrong);
        check(Codec::Aac { is_narrow: false }, &[0x60, 1, 7], Is::Right);
        // A reserved bit, and too many bands.
        check(narrow, &[0x21, 0x90, 0x04, 0x60, 0x8c, 0x1c], Is::Wrong);
        check(narrow, &[0x21, 0x1f, 0xc4, 0x60, 0x8c, 0x1c], Is::Wrong);
        check(narrow, &[&[0x21; 100_000][..], &[7]].concat(), Is::Wrong);
        let adts = [0xff, 0xf1, 0x50, 0x80, 0x01, 0xbf, 0xfc, 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c];
        check(narrow, &adts, Is::Adts);
    }

    #[test]
    fn frames_add_up() {
        let mp3 = [&[0xff, 0xfb, 0x90, 0x00][..], &[1; 413]].concat();
        check(Codec::MpegAudio, &mp3, Is::Right);
        check(Codec::MpegAudio, &mp3.repeat(2), Is::Right);
        check(Codec::MpegAudio, &mp3[..400], Is::Cut);
        check(Codec::MpegAudio, &mp3[1..], Is::Wrong);
        check(Codec::MpegAudio, &[&mp3[..], &[9]].concat(), Is::Wrong);
        let ac3 = [&[0x0b, 0x77, 0, 0, 0x14, 0x40][..], &[1; 762]].concat();
        let eac3 = [&[0x0b, 0x77, 0x01, 0xff, 0x34, 0x87][..], &[1; 1018]].concat();
        check(Codec::Dolby, &ac3, Is::Right);
        check(Codec::Dolby, &eac3.repeat(6), Is::Right);
        check(Codec::Dolby, &[&eac3[..], &eac3[1..]].concat(), Is::Wrong);
        check(Codec::Dolby, &ac3[..767], Is::Cut);
        check(Codec::Dolby, &mp3, Is::Wrong);
        check(Codec::MpegAudio, &ac3, Is::Wrong);
        check(Codec::Dolby, &[0; 768], Is::Wrong);
        let dts = [&[0x7f, 0xfe, 0x80, 0x01, 0xfc, 0x3c, 0x05, 0xf0][..], &[1; 88]].concat();
        check(Codec::Dts, &dts, Is::Right);
        check(Codec::Dts, &dts[..90], Is::Cut);
        check(Codec::Dts, &dts[1..], Is::Wrong);
        check(Codec::Dts, &[&dts[..], &[9]].concat(), Is::Wrong);
        check(Codec::Dts, &[&dts[..], &[0; 3]].concat(), Is::Right);
        // Of one that is too large only the first bytes are there.
        assert_eq!(judge(Codec::Dolby, &ac3[..100], 768), Is::Right);
        assert_eq!(judge(Codec::Dolby, &ac3[1..100], 768), Is::Wrong);
    }

    #[test]
    fn opus_packets() {
        let one = Codec::Opus { streams: 1 };
        let right = |sample: &[u8]| check(one, sample, Is::Right);
        let wrong = |sample: &[u8]| check(one, sample, Is::Wrong);
        right(&[0xfc, 1, 2, 3]);
        right(&[0xfc]);
        right(&[0xfd, 1, 2, 3, 4]);
        wrong(&[0xfd, 1, 2, 3]);
        right(&[0xfe, 2, 1, 2, 3]);
        wrong(&[0xfe, 9, 1, 2, 3]);
        right(&[0xff, 0x03, 1, 2, 3]);
        right(&[0xff, 0x43, 2, 1, 2, 3, 0, 0]);
        right(&[0xff, 0x83, 1, 1, 1, 2, 3, 4]);
        wrong(&[0xff, 0x02, 1, 2, 3]);
        wrong(&[0xff, 0]);
        wrong(&[0x1b, 0x03, 1, 2, 3]);
        wrong(&[0; 2000]);
        wrong(&[0; 160]);
        let two = Codec::Opus { streams: 2 };
        check(two, &[0xfc, 2, 1, 2, 0xfc, 9], Is::Right);
        check(two, &[0xfc, 9, 1, 2, 0xfc, 9], Is::Wrong);
    }

    #[test]
    fn what_first_bytes_tell() {
        check(Codec::Flac, &[0xff, 0xf8, 1], Is::Right);
        check(Codec::Flac, &[0xff, 0xfb, 1], Is::Wrong);
        check(Codec::Vp9, &[0x82], Is::Right);
        check(Codec::Vp9, &[0x12], Is::Wrong);
        check(Codec::Ttml, b"\xef\xbb\xbf <?xml", Is::Right);
        check(Codec::Ttml, b"\0\0\0\x08vtte", Is::Wrong);
        check(Codec::Text, b"\0\x02ab", Is::Right);
        check(Codec::Text, b"\0\x09ab", Is::Wrong);
    }
}

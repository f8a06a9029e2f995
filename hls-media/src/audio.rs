//! Packed audio: frames one after another, behind an ID3 tag that has the timestamp
//! (rfc8216bis-22, section 3.1.3).

use std::time::Duration;

use crate::{
    Container, MediaError, id3,
    oddity::{Found, Odd},
};

/// The longest header that has to be seen to know where a frame or a tag ends.
const HEADER: usize = 10;
/// A tag that is larger holds pictures, and is passed.
const LARGEST_TAG: u64 = 4 << 10;
/// Some encoders fill frames up with a few zeros.
const MOST_ZEROS: u64 = 16;
/// As many frames in a row are no accident.
const IN_A_ROW: usize = 3;

/// What begins at a frame boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A frame; its length is `None` where the header does not tell (MPEG audio in free format). `nanos` is how long it lasts.
    Header { container: Container, len: Option<u64>, nanos: u64 },
    /// An ID3 tag.
    Tag { len: u64 },
    /// Too few bytes to tell.
    Short,
    /// Something else.
    None,
}

/// Reads the header at a frame boundary.
pub(crate) fn frame(head: &[u8]) -> Frame {
    match head {
        [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] => {
            let size = [a, b, c, d].iter().fold(0_u64, |size, byte| (size << 7) | u64::from(**byte & 0x7f));
            let footer = if flags & 0x10 != 0 { 10 } else { 0 };
            Frame::Tag { len: 10 + size + footer }
        }
        // The old tag stands at the end of files.
        [b'T', b'A', b'G', _, ..] => Frame::Tag { len: 128 },
        [0xff, b, c, d, e, f, g, ..] if b & 0xf6 == 0xf0 => adts([*b, *c, *d, *e, *f, *g]),
        [0xff, b, c, ..] if b & 0xe0 == 0xe0 && b & 0x06 != 0 => mpeg(*b, *c),
        [0x0b, 0x77, c, d, e, f, ..] => dolby(*c, *d, *e, *f),
        _ if head.len() < HEADER && may_begin(head) => Frame::Short,
        _ => Frame::None,
    }
}

fn may_begin(head: &[u8]) -> bool {
    let begins = |magic: &[u8]| head.iter().zip(magic).all(|(a, b)| a == b);
    begins(b"ID3") || begins(b"TAG") || begins(&[0x0b, 0x77]) || begins(&[0xff])
}

fn nanos(samples: u64, rate: u64) -> u64 {
    (samples * 1_000_000_000).checked_div(rate).unwrap_or(0)
}

fn adts([b, c, d, e, f, g]: [u8; 6]) -> Frame {
    const RATES: [u64; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
    let len = (u64::from(d & 3) << 11) | (u64::from(e) << 3) | u64::from(f >> 5);
    let header = if b & 1 == 0 { 9 } else { 7 };
    let Some(&rate) = RATES.get(usize::from((c >> 2) & 0xf)).filter(|_| len >= header) else {
        return Frame::None;
    };
    let nanos = nanos(1024 * (u64::from(g & 3) + 1), rate);
    Frame::Header { container: Container::Adts, len: Some(len), nanos }
}

fn mpeg(b: u8, c: u8) -> Frame {
    const V1: [[u64; 15]; 3] = [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ];
    const V2: [[u64; 15]; 3] = [
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let (version, layer) = ((b >> 3) & 3, 4 - usize::from((b >> 1) & 3));
    let rates = match version {
        3 => [44_100, 48_000, 32_000],
        2 => [22_050, 24_000, 16_000],
        0 => [11_025, 12_000, 8_000],
        _ => return Frame::None,
    };
    let table = if version == 3 { V1 } else { V2 };
    let bitrate = table.get(layer - 1).and_then(|row| row.get(usize::from(c >> 4)));
    let (Some(&kilobits), Some(&rate)) = (bitrate, rates.get(usize::from((c >> 2) & 3))) else {
        return Frame::None;
    };
    let padding = u64::from((c >> 1) & 1);
    let len = match layer {
        1 => (12 * kilobits * 1000 / rate + padding) * 4,
        3 if version != 3 => 72 * kilobits * 1000 / rate + padding,
        _ => 144 * kilobits * 1000 / rate + padding,
    };
    let samples = match layer {
        1 => 384,
        3 if version != 3 => 576,
        _ => 1152,
    };
    Frame::Header {
        container: Container::Mp3,
        len: (kilobits > 0).then_some(len),
        nanos: nanos(samples, rate),
    }
}

fn dolby(c: u8, d: u8, e: u8, f: u8) -> Frame {
    const RATES: [u64; 3] = [48_000, 44_100, 32_000];
    const BLOCKS: [u64; 4] = [1, 2, 3, 6];
    const KILOBITS: [u64; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    match f >> 3 {
        0..=10 => {
            let Some(kilobits) = KILOBITS.get(usize::from(e & 0x3f) / 2) else { return Frame::None };
            let words = match e >> 6 {
                0 => kilobits * 2,
                1 => kilobits * 320 / 147 + u64::from(e & 1),
                2 => kilobits * 3,
                _ => return Frame::None,
            };
            // Higher revisions halve the rate (ETSI TS 102 366, annex C of the first edition).
            let rate = RATES.get(usize::from(e >> 6)).map_or(0, |rate| rate >> (f >> 3).saturating_sub(8));
            Frame::Header { container: Container::Ac3, len: Some(words * 2), nanos: nanos(1536, rate) }
        }
        11..=16 => {
            let words = (u64::from(c & 7) << 8 | u64::from(d)) + 1;
            // A dependent substream sounds together with the one before it, and half rates have all six blocks.
            let code = usize::from(e >> 4 & 3);
            let (blocks, rate) = match RATES.get(usize::from(e >> 6)) {
                Some(rate) => (BLOCKS.get(code).copied().unwrap_or(6), *rate),
                None => (6, RATES.get(code).map_or(0, |rate| rate / 2)),
            };
            let nanos = if c >> 6 == 1 { 0 } else { nanos(256 * blocks, rate) };
            Frame::Header { container: Container::Eac3, len: Some(words * 2), nanos }
        }
        _ => Frame::None,
    }
}

/// Finds a frame inside `head` that others follow, as where a unit begins within a frame. `is_end`: nothing comes behind it.
pub(crate) fn find_frames(head: &[u8], is_end: bool) -> Option<usize> {
    let read = |at: usize| match frame(head.get(at..).unwrap_or(&[])) {
        Frame::Header { container, len: Some(len), .. } => {
            Some((container, usize::try_from(len).ok()?.checked_add(at)?))
        }
        _ => None,
    };
    (1..head.len()).find(|at| {
        let Some((container, mut end)) = read(*at) else { return false };
        for _ in 0..IN_A_ROW {
            if end >= head.len() {
                return is_end && end == head.len();
            }
            match read(end).filter(|(known, _)| *known == container) {
                Some((_, next)) => end = next,
                None => return false,
            }
        }
        true
    })
}

/// Follows the chain of frames, each beginning where the one before ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frames {
    container: Option<Container>,
    offset: u64,
    /// Where the frame or tag that is being passed begins, and how much of it is still to come.
    begin: u64,
    remaining: u64,
    /// What is being passed is a frame.
    in_frame: bool,
    frames: u64,
    head: [u8; HEADER],
    head_len: usize,
    /// In free format no header tells where the next one is.
    unchecked: bool,
    nanos: u64,
    /// How long the last frame lasts.
    last_nanos: u64,
    /// How many zeros have come last of a frame, and how many of them are too many.
    zeros: u64,
    most_zeros: u64,
    /// The tag that the unit begins with.
    tag: Option<Vec<u8>>,
    is_in_tag: bool,
    /// What all frames of a stream say (ISO/IEC 13818-7, section 6.2.1).
    fixed: Option<[u8; 3]>,
    found: Found,
}

impl Frames {
    pub(crate) fn container(&self) -> Option<Container> {
        self.container
    }

    /// Begins inside a frame, of which so many bytes are still to come.
    pub(crate) fn inside(rest: u64) -> Self {
        Self { remaining: rest, ..Self::default() }
    }

    /// The timestamp of the first sample, in ticks of 90 kHz, where the tag in front has one.
    pub(crate) fn start(&self) -> Option<i64> {
        id3::read(self.tag.as_ref()?)?.time
    }

    /// What is odd about the frames.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// How long the frames are together. `None`: it can't be told.
    pub(crate) fn duration(&self) -> Option<Duration> {
        (self.nanos > 0 && !self.unchecked).then(|| Duration::from_nanos(self.nanos))
    }

    /// How long the last frame lasts.
    pub(crate) fn lasts(&self) -> Duration {
        Duration::from_nanos(self.last_nanos)
    }

    /// How long all frames are together whose first byte has come, in nanoseconds. `None`: it can't be told.
    pub(crate) fn begun(&self) -> Option<u64> {
        let (mut nanos, mut head) = (self.nanos, self.head.get(..self.head_len).unwrap_or(&[]));
        while !head.is_empty() {
            let Frame::Header { len: Some(len), nanos: lasts, .. } = frame(head) else {
                nanos = nanos.saturating_add(self.last_nanos);
                break;
            };
            nanos = nanos.saturating_add(lasts);
            head = usize::try_from(len).ok().and_then(|len| head.get(len..)).unwrap_or(&[]);
        }
        (!self.unchecked).then_some(nanos)
    }

    pub(crate) fn push(&mut self, input: &[u8]) -> Result<(), MediaError> {
        let mut input = input;
        while !input.is_empty() && !self.unchecked {
            if self.remaining > 0 {
                let skip = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
                let (part, rest) = input.split_at(skip);
                if let Some(tag) = self.tag.as_mut().filter(|_| self.is_in_tag) {
                    tag.extend_from_slice(part);
                }
                self.count_zeros(part);
                input = rest;
                self.remaining -= skip as u64;
                self.offset = self.offset.saturating_add(skip as u64);
                continue;
            }
            if self.head_len == 0 && input.len() >= HEADER {
                self.begin_frame(input, 0)?;
                continue;
            }
            let Some((&first, rest)) = input.split_first() else { break };
            if let Some(slot) = self.head.get_mut(self.head_len) {
                *slot = first;
            }
            self.head_len += 1;
            self.offset = self.offset.saturating_add(1);
            input = rest;
            if self.head_len == HEADER {
                self.begin_head()?;
            }
        }
        Ok(())
    }

    /// Ends the unit. `Some`: it ends inside a frame, which begins there.
    pub(crate) fn finish(&mut self) -> Result<Option<u64>, MediaError> {
        // The last frame may be shorter than the longest header.
        while self.head_len > 0 && !self.unchecked {
            match self.begin_head() {
                Err(MediaError::FrameTruncated { offset, .. }) if self.frames > 1 => return Ok(Some(offset)),
                result => result?,
            }
        }
        if self.remaining > 0 && self.in_frame && self.frames > 1 {
            return Ok(Some(self.begin));
        }
        if self.remaining > 0 {
            return Err(MediaError::FrameTruncated { offset: self.begin, missing: self.remaining });
        }
        if self.container.is_none() { Err(MediaError::NoFrames) } else { Ok(None) }
    }

    /// A raw data block of AAC ends with three bits that are set, in its last byte (ISO/IEC 14496-3, section 4.4.2.1).
    fn count_zeros(&mut self, part: &[u8]) {
        if self.container != Some(Container::Adts) || !self.in_frame {
            return;
        }
        let zeros = part.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == part.len() { self.zeros } else { 0 }.saturating_add(zeros as u64);
        if self.remaining == part.len() as u64 && self.zeros >= self.most_zeros {
            self.found.add(Odd::Blank, self.begin);
        }
    }

    /// Reads the header that was put together from several chunks; what is behind the frame stays.
    fn begin_head(&mut self) -> Result<(), MediaError> {
        let (head, len) = (self.head, self.head_len);
        let passed = head.get(..len).unwrap_or(&head);
        self.head_len = 0;
        self.begin_frame(passed, len as u64)?;
        let kept = usize::try_from(len as u64 - self.remaining.min(len as u64)).unwrap_or(0);
        if self.remaining >= len as u64 {
            self.remaining -= len as u64;
        } else {
            self.remaining = 0;
            self.head_len = kept;
            self.head.copy_within(len - kept..len, 0);
        }
        Ok(())
    }

    /// All frames of ADTS say the same of what they are.
    fn agrees(&mut self, container: Container, head: &[u8]) {
        let (Container::Adts, [_, b, c, d, ..]) = (container, head) else { return };
        // The private bit may mean anything.
        let says = [*b, c & 0xfd, d & 0xc0];
        if *self.fixed.get_or_insert(says) != says {
            self.found.add(Odd::Header, self.begin);
            self.fixed = Some(says);
        }
    }

    /// Reads a header of which `passed` bytes are already counted.
    fn begin_frame(&mut self, head: &[u8], passed: u64) -> Result<(), MediaError> {
        self.begin = self.offset.saturating_sub(passed);
        let found = frame(head);
        if std::mem::take(&mut self.is_in_tag)
            && self.tag.as_deref().and_then(id3::read).is_some_and(|told| !told.holds_together)
        {
            self.found.add(Odd::Id3, 0);
        }
        self.in_frame = matches!(found, Frame::Header { .. });
        self.frames = self.frames.saturating_add(u64::from(self.in_frame));
        match found {
            Frame::Header { container, len, nanos } => {
                if *self.container.get_or_insert(container) != container {
                    return Err(MediaError::FrameLost { offset: self.begin });
                }
                self.nanos = self.nanos.saturating_add(nanos);
                self.last_nanos = nanos;
                self.zeros = 0;
                self.most_zeros = len.unwrap_or(0).saturating_sub(HEADER as u64).clamp(1, MOST_ZEROS);
                self.agrees(container, head);
                match len {
                    Some(len) => self.remaining = len,
                    None => self.unchecked = true,
                }
                Ok(())
            }
            Frame::Tag { len } => {
                self.remaining = len;
                self.is_in_tag = self.begin == 0 && len <= LARGEST_TAG;
                if self.is_in_tag {
                    let passed = usize::try_from(passed).unwrap_or_default();
                    self.tag = Some(head.get(..passed).unwrap_or_default().to_vec());
                }
                Ok(())
            }
            Frame::Short => {
                let missing = (HEADER as u64).saturating_sub(head.len() as u64);
                Err(MediaError::FrameTruncated { offset: self.begin, missing })
            }
            Frame::None => Err(MediaError::FrameLost { offset: self.begin }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], container: Container, len: u64, micros: u64) {
        let Frame::Header { container: found, len: length, nanos } = frame(head) else { panic!("{head:x?}") };
        assert_eq!((found, length, nanos / 1000), (container, Some(len), micros), "{head:x?}");
    }

    #[test]
    fn headers() {
        check(&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc], Container::Adts, 16, 23219);
        check(&[0xff, 0xfb, 0x90, 0x00], Container::Mp3, 417, 26122);
        check(&[0xff, 0xfb, 0x92, 0x00], Container::Mp3, 418, 26122);
        check(&[0xff, 0xf3, 0x40, 0xc0], Container::Mp3, 104, 26122);
        check(&[0x0b, 0x77, 0, 0, 0x14, 0x40], Container::Ac3, 768, 32000);
        check(&[0x0b, 0x77, 0, 0, 0x55, 0x40], Container::Ac3, 836, 34829);
        check(&[0x0b, 0x77, 0x01, 0xff, 0x34, 0x87], Container::Eac3, 1024, 32000);
        assert_eq!(frame(b"ID3\x04\0\0\0\0\x02\x01"), Frame::Tag { len: 10 + 257 });
        assert_eq!(frame(b"nothing of that"), Frame::None);
        assert_eq!(frame(b"ID"), Frame::Short);
    }
}

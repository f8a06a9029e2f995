//! What demuxers find: tracks and samples, and whoever takes them.

use super::{error::RemuxError, sound::is_bare};

/// The largest sample that is believed, in bytes.
pub(crate) const LARGEST_SAMPLE: usize = 16 << 20;
/// More sample entries in one track than any real stream has.
const MOST_ENTRIES: usize = 200;

/// A track as its media describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackInfo {
    /// `vide`, `soun` and so on.
    pub(crate) handler: [u8; 4],
    /// Ticks in a second; 0 as long as it is not known.
    pub(crate) timescale: u32,
    /// ISO 639-2.
    pub(crate) language: Option<[u8; 3]>,
    /// Sample entries: whole boxes.
    pub(crate) entries: Vec<Vec<u8>>,
    /// The media header (`vmhd`, `smhd`, `nmhd`, `sthd`): a whole box.
    pub(crate) header: Vec<u8>,
    /// Columns and rows to show, of the first sample entry.
    pub(crate) size: (u32, u32),
    /// How pictures are turned before they are shown (ISO/IEC 14496-12, section 6.2.2). `None`: they are not.
    pub(crate) matrix: Option<[u8; 36]>,
    /// Timestamps have 33 bits, so that they say nothing of multiples of 26 hours.
    pub(crate) wraps: bool,
    /// No timestamp says when it begins: with the others, then.
    pub(crate) floats: bool,
    /// What the edit list says, in ticks: presentation time is media time and this much.
    pub(crate) shift: i64,
    /// In ticks: what is presented before this presentation time is there for decoding only.
    pub(crate) opens_at: Option<i64>,
}

impl TrackInfo {
    pub(crate) fn video() -> Self {
        // Flags of 1: from the specification, section 12.1.2.
        Self::new(*b"vide", 90_000, b"\0\0\0\x14vmhd\0\0\0\x01\0\0\0\0\0\0\0\0")
    }

    pub(crate) fn sound() -> Self {
        Self::new(*b"soun", 0, b"\0\0\0\x10smhd\0\0\0\0\0\0\0\0")
    }

    fn new(handler: [u8; 4], timescale: u32, header: &[u8]) -> Self {
        Self {
            handler,
            timescale,
            language: None,
            entries: Vec::new(),
            header: header.to_vec(),
            size: (0, 0),
            matrix: None,
            wraps: true,
            floats: false,
            shift: 0,
            opens_at: None,
        }
    }

    /// Returns the number of a sample entry, which is added where it is new.
    pub(crate) fn entry(&mut self, entry: Vec<u8>) -> Result<u8, RemuxError> {
        let known = match is_bare(&entry) {
            true => {
                self.entries.iter().rposition(|known| known.get(4..8) == entry.get(4..8) && !is_bare(known))
            }
            false => None,
        };
        let number = match known.or_else(|| self.entries.iter().position(|known| *known == entry)) {
            Some(number) => number,
            None if self.entries.len() < MOST_ENTRIES => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
            None => return Err(RemuxError::TooMany { what: "codec configurations" }),
        };
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }
}

/// One sample, in ticks of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Where it begins in its input, or at least where that is known from.
    pub(crate) offset: u64,
    /// The number of the unit that it began in.
    pub(crate) unit: u32,
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    /// 0: not known.
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) is_sync: bool,
    pub(crate) entry: u8,
}

/// Takes what a demuxer finds, in the order of the input.
pub(crate) trait Sink {
    /// Takes bytes of the sample that [`Sink::sample`] ends.
    fn data(&mut self, track: usize, bytes: &[u8]);
    /// Hears of the sound that [`Sink::sample`] is called with next: its own timestamp of 90 kHz, if it has one, how many
    /// samples it lasts, and how many of them are in a second.
    fn heard(&mut self, _stamp: Option<i64>, _samples: u32, _rate: u32) {}
    /// Takes a sample whose bytes have all been given.
    fn sample(&mut self, track: usize, info: &TrackInfo, sample: Sample) -> Result<(), RemuxError>;
    /// Hears of bytes that belong to no sample.
    fn skipped(&mut self, track: usize, offset: u64, bytes: u64);
    /// Hears of such bytes between samples of the same clock, which no other bytes could have made a sample of.
    fn damaged(&mut self, track: usize, offset: u64, bytes: u64) {
        self.skipped(track, offset, bytes);
    }
}

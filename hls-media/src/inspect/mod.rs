//! Whether a whole file is right, as far as its container can tell: timelines, gaps, tables, encryption.

mod ahead;
mod codec;
mod frames;
mod joint;
mod mp4;
mod samples;
mod tables;
mod transport;
mod units;

use std::fmt;

pub use self::ahead::Lookahead;
pub use self::joint::Joint;
pub use self::samples::Flaw;
use self::{mp4::Mp4, transport::Program};
use crate::{Container, Kind, MediaError, Odd, Summary, Verifier};

/// More are not told of one file.
const MOST_PROBLEMS: usize = 20;
/// A hole in a timeline, or a step back, is one from this on, in seconds.
const LEAST: f64 = 0.25;

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing is there for a while: something is missing.
    Hole {
        /// Where it is seen, in bytes.
        at: u64,
        /// How long it is.
        seconds: f64,
    },
    /// Timestamps go back: something is there twice, or a timeline begins anew.
    Back {
        /// Where it is seen, in bytes.
        at: u64,
        /// By how much.
        seconds: f64,
    },
    /// It begins so late by its timestamps that players show it as that much longer.
    Late {
        /// When.
        seconds: f64,
    },
    /// Bytes that are no packet, or packets, frames or cues that are cut.
    Odd {
        /// Where.
        at: u64,
    },
    /// Padding between what is seen and heard.
    Padding {
        /// Where it begins.
        at: u64,
        /// How many packets.
        packets: u64,
    },
    /// It is encrypted.
    Encrypted {
        /// By which sign.
        by: String,
    },
    /// A track holds nothing.
    EmptyTrack {
        /// Its number.
        track: u32,
    },
    /// There is neither picture nor sound.
    Nothing,
    /// Samples are not where the tables say.
    Outside {
        /// The number of the track.
        track: u32,
    },
    /// Tables contradict each other.
    Table {
        /// The number of the track.
        track: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// Samples are not what their sample entry says.
    Samples {
        /// The number of the track.
        track: u32,
        /// What is wrong with them.
        flaw: Flaw,
        /// Where the first of them begins, in bytes.
        at: u64,
        /// How many there are.
        count: u64,
    },
}

impl Problem {
    /// Where it is seen, in bytes.
    pub fn place(&self) -> Option<u64> {
        match self {
            Self::Hole { at, .. }
            | Self::Back { at, .. }
            | Self::Odd { at }
            | Self::Padding { at, .. }
            | Self::Samples { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// The number of the track that it is in.
    pub fn track(&self) -> Option<u32> {
        match self {
            Self::EmptyTrack { track }
            | Self::Outside { track }
            | Self::Table { track, .. }
            | Self::Samples { track, .. } => Some(*track),
            _ => None,
        }
    }

    /// A short name of its kind, for scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hole { .. } => "hole",
            Self::Back { .. } => "back",
            Self::Late { .. } => "late",
            Self::Odd { .. } => "odd",
            Self::Padding { .. } => "padding",
            Self::Encrypted { .. } => "encrypted",
            Self::EmptyTrack { .. } => "empty_track",
            Self::Nothing => "nothing",
            Self::Outside { .. } => "outside",
            Self::Table { .. } => "table",
            Self::Samples { flaw, .. } => flaw.name(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hole { at, seconds } => {
                write!(f, "{seconds:.2} s are missing at byte {at}, by its timestamps")
            }
            Self::Back { at, seconds } => {
                write!(
                    f,
                    "timestamps go back by {seconds:.2} s at byte {at}: something is there twice, or begins anew"
                )
            }
            Self::Late { seconds } => write!(f, "it begins at {seconds:.0} s by its timestamps"),
            Self::Odd { at } => write!(f, "bytes at {at} are no whole packet or frame"),
            Self::Padding { at, packets } => write!(f, "{packets} packets of padding at byte {at}"),
            Self::Encrypted { by } => write!(f, "it is encrypted ({by})"),
            Self::EmptyTrack { track } => write!(f, "track {track} holds nothing"),
            Self::Nothing => f.write_str("it holds neither pictures nor sound"),
            Self::Outside { track } => write!(f, "samples of track {track} are outside the data"),
            Self::Table { track, what } => write!(f, "track {track} {what}"),
            Self::Samples { track, flaw, at, count: 1 } => {
                write!(f, "track {track} has {flaw}: one sample, at byte {at}")
            }
            Self::Samples { track, flaw, at, count } => {
                write!(f, "track {track} has {flaw}: {count} samples, the first at byte {at}")
            }
        }
    }
}

/// Judges a file as its bytes pass, in little memory. What other tools write is right too: only what no player can make up
/// for, or what is missing, is a problem.
#[derive(Debug, Default)]
pub struct Inspector {
    verifier: Verifier,
    head: Vec<u8>,
    offset: u64,
    of: Of,
    /// The tables of an MP4, where they are known before.
    tables: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
enum Of {
    #[default]
    Unknown,
    Transport(Box<Program>),
    Mp4(Box<Mp4>),
    Other,
}

impl Inspector {
    /// Begins a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file whose first and last bytes were looked at already: samples in front of their tables are judged too.
    pub fn with_lookahead(ahead: Lookahead) -> Self {
        Self { tables: ahead.tables(), ..Self::default() }
    }

    fn begin(&mut self, container: Option<Container>) {
        let tables = self.tables.take();
        self.of = match container {
            Some(Container::MpegTs) => Of::Transport(Box::default()),
            Some(Container::Fmp4) => Of::Mp4(Box::new(Mp4::looking(tables.as_deref()))),
            _ => Of::Other,
        };
    }

    /// Takes more bytes of the file.
    ///
    /// # Errors
    /// As soon as the bytes can't be what they should be.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        self.verifier.push(bytes)?;
        if matches!(self.of, Of::Unknown) {
            self.head.extend_from_slice(bytes);
            let Some(lead) = self.verifier.lead() else { return Ok(()) };
            let head = std::mem::take(&mut self.head);
            self.begin(self.verifier.container());
            self.offset = lead;
            let behind = usize::try_from(lead).ok().and_then(|lead| head.get(lead..)).unwrap_or(&[]);
            self.pass(behind);
            return Ok(());
        }
        self.pass(bytes);
        Ok(())
    }

    fn pass(&mut self, bytes: &[u8]) {
        match &mut self.of {
            Of::Transport(program) => program.push(bytes),
            Of::Mp4(mp4) => mp4.push(bytes),
            Of::Unknown | Of::Other => {}
        }
        self.offset = self.offset.saturating_add(bytes.len() as u64);
    }

    /// Ends the file: what it is, and what is wrong with it.
    ///
    /// # Errors
    /// It is not whole, or no media.
    pub fn finish(mut self) -> Result<(Summary, Vec<Problem>), MediaError> {
        let summary = self.verifier.finish()?;
        if matches!(self.of, Of::Unknown) {
            let head = std::mem::take(&mut self.head);
            self.begin(Some(summary.container));
            self.pass(&head);
        }
        let is_out_of_step =
            |odd| matches!(odd, Odd::Sync | Odd::CutHead | Odd::CutTail | Odd::Frame | Odd::Cue);
        let odd = summary.oddities.iter().filter(|oddity| is_out_of_step(oddity.odd));
        let mut problems = odd.map(|oddity| Problem::Odd { at: oddity.at }).collect::<Vec<_>>();
        match self.of {
            Of::Transport(program) => {
                if summary.is_scrambled {
                    problems.push(Problem::Encrypted { by: "scrambled packets".to_owned() });
                }
                problems.extend(program.finish());
            }
            Of::Mp4(mp4) if summary.kind != Kind::Init => problems.extend(mp4.finish()),
            _ => {}
        }
        problems.truncate(MOST_PROBLEMS);
        Ok((summary, problems))
    }
}

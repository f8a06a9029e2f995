//! What timestamps say against one another, and against the playlist.

use std::{fmt, time::Duration};

/// No more findings of an input are kept; the rest is counted.
const MOST: usize = 500;

/// What is odd in the timing of the inputs. All of it is in the output as it is in the inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// By input, in the order in which they were met.
    pub findings: Vec<Finding>,
    /// How many more there are than were kept.
    pub more: u64,
    /// Streams of the inputs that are no tracks of the output.
    pub left_out: Vec<LeftOut>,
}

/// A stream of an input that is no track of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// What it is, such as `teletext`, or `data` for what is not for eyes and ears.
    pub what: String,
    /// Its number in a transport stream.
    pub pid: Option<u16>,
    /// It is audio, video or subtitles that somebody may miss.
    pub is_missed: bool,
}

/// Something odd.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The number of the input, from 0.
    pub input: usize,
    /// The number of its unit, from 0.
    pub unit: usize,
    /// The track in the output, from 1; `None`: the input as a whole.
    pub track: Option<u32>,
    /// When it is in the output.
    pub at: Duration,
    /// What it is.
    pub what: Irregularity,
}

/// What can be odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Irregularity {
    /// Nothing is presented for a while.
    Hole {
        /// How long.
        lasts: Duration,
    },
    /// A sample begins before the one before it ends.
    Overlap {
        /// How much.
        lasts: Duration,
    },
    /// Timestamps jump from one unit to the next, and the playlist tells of no discontinuity. What follows has been put
    /// behind what was before.
    Jump {
        /// How far, in microseconds; negative: back.
        by_micros: i64,
    },
    /// The timestamps have moved away from the sum of the durations in the playlist; this is the worst place.
    Drift {
        /// How much later the timestamps are, in microseconds.
        by_micros: i64,
    },
    /// A track begins later than the first one, or ends earlier than the last one.
    Apart {
        /// Whether at the begin; else at the end.
        at_begin: bool,
        /// How much.
        by: Duration,
    },
    /// The discontinuity numbers of an input contradict its timestamps, which were followed.
    Numbers,
    /// The timestamps of an input are so far off those of the others that its place in the playlist was followed.
    Baseline {
        /// How much later its timestamps are, in microseconds.
        by_micros: i64,
    },
    /// Bytes that no sample could be made of, such as a frame whose other half is missing.
    Skipped {
        /// How many.
        bytes: u64,
    },
}

impl fmt::Display for Irregularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |micros: i64| micros as f64 / 1_000_000.0;
        match self {
            Self::Hole { lasts } => write!(f, "a hole of {:.3} s", lasts.as_secs_f64()),
            Self::Overlap { lasts } => write!(f, "an overlap of {:.3} s", lasts.as_secs_f64()),
            Self::Jump { by_micros } => {
                write!(f, "timestamps jump by {:.3} s without a discontinuity", seconds(*by_micros))
            }
            Self::Drift { by_micros } => {
                write!(f, "timestamps are {:.3} s off the durations of the playlist", seconds(*by_micros))
            }
            Self::Apart { at_begin: true, by } => write!(f, "begins {:.3} s late", by.as_secs_f64()),
            Self::Apart { at_begin: false, by } => write!(f, "ends {:.3} s early", by.as_secs_f64()),
            Self::Numbers => f.write_str(
                "its discontinuity numbers contradict its timestamps, and the timestamps are right",
            ),
            Self::Baseline { by_micros } => {
                let by = seconds(*by_micros);
                write!(f, "its timestamps are {by:.3} s off those of the others, and the playlist is right")
            }
            Self::Skipped { bytes } => write!(f, "{bytes} bytes that are no part of a picture or sound"),
        }
    }
}

/// A finding before it is known where its time is in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) track: usize,
    pub(crate) unit: u32,
    pub(crate) epoch: usize,
    /// In flicks of the epoch.
    pub(crate) at: i64,
    pub(crate) what: Irregularity,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    pub(crate) kept: Vec<Noted>,
    pub(crate) more: u64,
}

impl Notes {
    pub(crate) fn add(&mut self, noted: Noted) {
        if self.kept.len() < MOST {
            self.kept.push(noted);
        } else {
            self.more += 1;
        }
    }
}

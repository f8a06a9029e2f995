//! Why something can't be made into one MP4.

use thiserror::Error;

use crate::MediaError;

/// Why inputs can't be made into one MP4.
///
/// Offsets count from the first byte of the input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RemuxError {
    /// The container is damaged, or none that is known.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The media is encrypted (SAMPLE-AES, CENC, or a scrambled transport stream).
    #[error("encrypted media ({what}) can't be put into an MP4")]
    Encrypted {
        /// What says so: a stream type, a sample entry.
        what: String,
    },
    /// A codec, or a way to use one, that can't be put into an MP4 here.
    #[error("{what} can't be put into an MP4")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// Text, such as WebVTT, where audio or video is expected.
    #[error("subtitles are no input of their own; their cues are")]
    Subtitles,
    /// An MP4 that has its samples in `moov`, in place of fragments.
    #[error("the MP4 is not fragmented")]
    NotFragmented,
    /// A unit that can't be understood without those before it or behind it.
    #[error("a segment that is not complete by itself")]
    NotAlone,
    /// There is no sample in any input.
    #[error("there is no audio or video")]
    Empty,
    /// A stream goes on with another codec or another time scale than it began with.
    #[error("{what} changes at byte {offset}, from {from} to {to}")]
    Changes {
        /// Where.
        offset: u64,
        /// What changes.
        what: &'static str,
        /// What it was.
        from: String,
        /// What it is from there on.
        to: String,
    },
    /// More codec configurations in a track, or tracks in an input, than any real stream has.
    #[error("too many {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// A picture, a tag or a box that is too large to be real.
    #[error("{what} at byte {offset} is too large")]
    TooLarge {
        /// Where.
        offset: u64,
        /// What it is.
        what: &'static str,
    },
    /// A timestamp that can't be right.
    #[error("a timestamp that can't be right at byte {offset}")]
    BadTimestamp {
        /// Where.
        offset: u64,
    },
    /// A sample lies outside of the data.
    #[error("the samples of the fragment at byte {offset} are not in its data")]
    MissingData {
        /// Where the `moof` box begins.
        offset: u64,
    },
    /// The second pass got other bytes than the first.
    #[error("input {input} is not what it was in the first pass")]
    Differs {
        /// The number of the input, from 0.
        input: usize,
    },
}

impl RemuxError {
    /// Returns the stable code, such as `remux.encrypted`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Media(_) => "remux.damaged",
            Self::Encrypted { .. } => "remux.encrypted",
            Self::Unsupported { .. } => "remux.unsupported",
            Self::Subtitles => "remux.subtitles",
            Self::NotFragmented => "remux.not_fragmented",
            Self::Empty => "remux.empty",
            Self::NotAlone => "remux.not_alone",
            Self::Changes { .. } => "remux.changes",
            Self::TooMany { .. } => "remux.too_many",
            Self::TooLarge { .. } => "remux.too_large",
            Self::BadTimestamp { .. } => "remux.bad_timestamp",
            Self::MissingData { .. } => "remux.missing_data",
            Self::Differs { .. } => "remux.differs",
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

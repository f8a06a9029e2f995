//! What one of the two models cannot say.

use thiserror::Error;

/// Why a playlist has no counterpart among the types of the other crate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InterchangeError {
    /// `m3u8-rs` holds one key of a segment; several formats are in effect (rfc8216bis-22, section 4.4.4.4).
    #[error("line {line}: keys of several formats apply at once")]
    KeyFormats {
        /// The line of the segment, counted from 1.
        line: u32,
    },
    /// `m3u8-rs` does not tell whether `EXT-X-MAP` stands before or behind an `EXT-X-KEY` of the same segment,
    /// which decides whether the initialisation section is encrypted (section 4.4.4.5).
    #[error("segment {index}: its map may stand before or behind its key")]
    MapOrder {
        /// The place of the segment, counted from 0.
        index: usize,
    },
    /// A key has a vector that can't be read; without it, another one would be taken (section 5.2).
    #[error("line {line}: initialisation vector that can't be read")]
    Vector {
        /// The line of the key, counted from 1.
        line: u32,
    },
    /// `m3u8-rs` gives skipped segments no numbers, so that all vectors and numbers would be wrong (section 4.4.5.2).
    #[error("segments are skipped")]
    Skipped,
    /// `m3u8-rs` has no variant without `BANDWIDTH`.
    #[error("line {line}: variant without BANDWIDTH")]
    Bandwidth {
        /// The line of the tag, counted from 1.
        line: u32,
    },
    /// A text has a quote or a line end in it, and would be read as something else.
    #[error("{what} has a quote or a line end in it")]
    Text {
        /// The tag or attribute.
        what: &'static str,
    },
    /// What was written out is no playlist.
    #[error(transparent)]
    Read(#[from] crate::Error),
    /// What was written out is the other kind of playlist.
    #[error("a playlist of the other kind")]
    OtherKind,
}

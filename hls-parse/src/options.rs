//! Limits and options of reading.

use url::Url;

use crate::{Error, Parsed, playlist};

/// How much a playlist may ask for; beyond it, reading fails with the line where it happened.
///
/// The defaults hold every playlist met in practice and keep a hostile one from filling the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the playlist, and again of all text that variables are replaced in: 64 MiB.
    pub bytes: usize,
    /// Bytes of one line: 1 MiB.
    pub line_bytes: usize,
    /// Bytes of one line or attribute once its variables are replaced: 64 KiB.
    pub expanded_bytes: usize,
    /// Media segments: 1,000,000.
    pub segments: usize,
    /// Variant streams, I-frame ones counted apart: 1,000.
    pub variants: usize,
    /// Renditions: 10,000.
    pub renditions: usize,
    /// Different key URLs, counted where one follows another: 100,000.
    pub keys: usize,
    /// Places where the keys in effect are others than before: 250,000.
    pub key_changes: usize,
    /// Initialisation sections, counted where one follows another: 100,000.
    pub maps: usize,
    /// Attributes that are kept of all tags: 500,000.
    pub attributes: usize,
    /// Parts of segments, those of the open segment included: 250,000.
    pub parts: usize,
    /// Date ranges with different IDs: 100,000.
    pub date_ranges: usize,
    /// Attributes of one date range: 256.
    pub date_range_attributes: usize,
    /// Tags of the kinds that come a few at a time, of each kind: preload hints, rendition reports, prefetched
    /// segments: 1,000.
    pub hints: usize,
    /// Markers of advertisements, and layouts of tiles: 250,000 of each.
    pub markers: usize,
    /// Bytes of a steering manifest: 1 MiB.
    pub steering_bytes: usize,
    /// Key formats in effect at the same time: 8.
    pub key_formats: usize,
    /// Variables: 1,000.
    pub variables: usize,
    /// Warnings that are kept; the others are counted: 1,000.
    pub warnings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            line_bytes: 1 << 20,
            expanded_bytes: 64 << 10,
            segments: 1_000_000,
            variants: 1_000,
            renditions: 10_000,
            keys: 100_000,
            key_changes: 250_000,
            maps: 100_000,
            attributes: 500_000,
            parts: 250_000,
            date_ranges: 100_000,
            date_range_attributes: 256,
            hints: 1_000,
            markers: 250_000,
            steering_bytes: 1 << 20,
            key_formats: 8,
            variables: 1_000,
            warnings: 1_000,
        }
    }
}

/// How to read a playlist, where the defaults of [`parse`](crate::parse) do not fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How much a playlist may ask for.
    pub limits: Limits,
    /// The variables of the multivariant playlist, for `EXT-X-DEFINE:IMPORT` in a media playlist
    /// (rfc8216bis-22, section 4.4.2.3): see [`Multivariant::variables`](crate::Multivariant::variables).
    pub import: Vec<(String, String)>,
    /// Reads on where a byte range or a media sequence number would be an error, and leaves it out.
    ///
    /// This is for looking at a playlist. Never download what it returns: the error becomes
    /// [`WarningKind::Fault`](crate::WarningKind::Fault), and which bytes are meant is not known.
    pub inspect: bool,
    /// Fails where the playlist breaks a rule that the draft calls a MUST, at the first one; see
    /// [`check`](crate::check).
    pub strict: bool,
}

impl Options {
    /// Reads a playlist; see [`parse`](crate::parse).
    ///
    /// # Errors
    ///
    /// As [`parse`](crate::parse).
    pub fn parse(&self, text: impl AsRef<[u8]>, base: &Url) -> Result<Parsed, Error> {
        playlist::read(text.as_ref(), base, self)
    }
}

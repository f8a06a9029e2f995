//! Parts of segments, for low latency.

use std::{fmt, sync::Arc, time::Duration};

use url::Url;

use crate::{ByteRange, Encryption, Error, Map, Media, span::Span};

/// What is kept of a part; see [`Record`](crate::media::Record).
#[derive(Debug, Clone)]
pub(crate) struct PartRecord {
    pub(crate) micros: u64,
    pub(crate) range_offset: u64,
    /// 0 where the part is the whole resource: no range is empty.
    pub(crate) range_length: u64,
    pub(crate) uri: Span,
    pub(crate) line: u32,
    /// Counted from 1; 0 is none.
    pub(crate) keys: u32,
    /// Counted from 1; 0 is none.
    pub(crate) map: u32,
    pub(crate) is_independent: bool,
    pub(crate) is_gap: bool,
}

/// A part of a segment (rfc8216bis-22, section 4.4.4.9); those who record save whole segments instead.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    pub(crate) media: &'a Media,
    pub(crate) record: &'a PartRecord,
    pub(crate) index: usize,
    pub(crate) media_sequence: u64,
}

impl<'a> Part<'a> {
    /// Returns the place in the segment, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the media sequence number of the segment that it is a part of.
    pub fn media_sequence(&self) -> u64 {
        self.media_sequence
    }

    /// Returns the duration to the microsecond; 0 where the tag has none that can be read.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.record.micros)
    }

    /// Returns the URI as the playlist has it, its variables replaced.
    pub fn uri(&self) -> &'a str {
        self.record.uri.get(&self.media.buffer)
    }

    /// Returns the URI resolved against where the playlist came from.
    ///
    /// # Errors
    ///
    /// Never for a part that reading returned, since reading checks every URI.
    pub fn url(&self) -> Result<Url, Error> {
        self.media.resolved(self.uri(), self.line())
    }

    /// Returns the part of the resource; `None` is all of it. Without an offset, it begins where the part
    /// before it in the same segment ends.
    pub fn byte_range(&self) -> Option<ByteRange> {
        ByteRange::new(self.record.range_offset, self.record.range_length)
    }

    /// Tells whether it begins with an independent frame.
    pub fn is_independent(&self) -> bool {
        self.record.is_independent
    }

    /// Tells whether it is missing and must not be requested.
    pub fn is_gap(&self) -> bool {
        self.record.is_gap
    }

    /// Returns what has to be done to get at the bytes.
    pub fn encryption(&self) -> &'a Encryption {
        self.media.encryption_at(self.record.keys)
    }

    /// Returns the initialisation section that applies.
    pub fn map(&self) -> Option<&'a Arc<Map>> {
        self.media.map_at(self.record.map)
    }

    /// Returns the number of the line, counted from 1.
    pub fn line(&self) -> u32 {
        self.record.line
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("media_sequence", &self.media_sequence)
            .field("index", &self.index)
            .field("duration", &self.duration())
            .finish_non_exhaustive()
    }
}

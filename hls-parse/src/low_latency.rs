//! What low-latency streams tell beside their segments: control, hints, reports.

use std::time::Duration;

use url::Url;

use crate::ByteRange;

/// What the server offers to those who reload (rfc8216bis-22, section 4.4.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerControl {
    /// CAN-SKIP-UNTIL, the skip boundary: segments that are further from the end may be skipped.
    pub can_skip_until: Option<Duration>,
    /// CAN-SKIP-DATERANGES: older date ranges are skipped too on demand.
    pub can_skip_date_ranges: bool,
    /// HOLD-BACK, the least distance from the end; see [`Media::hold_back`](crate::Media::hold_back).
    pub hold_back: Option<Duration>,
    /// PART-HOLD-BACK, the least distance from the end for those who play parts.
    pub part_hold_back: Option<Duration>,
    /// CAN-BLOCK-RELOAD: requests for what is not there yet wait for it.
    pub can_block_reload: bool,
}

/// What a delta update leaves out (section 4.4.5.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Skip {
    /// SKIPPED-SEGMENTS: how many of the oldest segments.
    pub segments: u64,
    /// RECENTLY-REMOVED-DATERANGES: the IDs of date ranges that are gone. `None` where date ranges are not
    /// skipped, so that those of the playlist are all there are.
    pub removed_date_ranges: Option<Vec<String>>,
    /// The line, counted from 1.
    pub line: u32,
}

/// What an `EXT-X-PRELOAD-HINT` announces (section 4.4.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HintType {
    /// The next part.
    Part,
    /// The initialisation section of what comes.
    Map,
}

/// A resource that will be needed soon, and can be asked for already (section 4.4.5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreloadHint {
    /// TYPE.
    pub kind: HintType,
    /// The URI as the playlist has it, its variables replaced.
    pub uri: String,
    /// The URI resolved.
    pub url: Url,
    /// BYTERANGE-START: the first byte, 0 where the tag has none.
    pub start: u64,
    /// BYTERANGE-LENGTH: how many bytes; `None` is up to the end, which is not known yet.
    pub length: Option<u64>,
    /// Whether the tag has a BYTERANGE attribute; otherwise the hint is the whole resource.
    pub is_range: bool,
    /// The line, counted from 1.
    pub line: u32,
}

/// The last byte of a range without end: the largest that JavaScript can count to (section 4.4.5.3).
const OPEN_END: u64 = (1 << 53) - 1;

impl PreloadHint {
    /// Returns the last byte to ask for; 2^53-1 where the hint has no length.
    pub fn last_byte(&self) -> u64 {
        let last =
            self.length.and_then(|length| ByteRange::new(self.start, length)).map(|range| range.end() - 1);
        last.unwrap_or(OPEN_END)
    }
}

/// How far another rendition is (section 4.4.5.4).
///
/// What the tag leaves out is as in the playlist that it stands in, and is filled in here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenditionReport {
    /// The URI as the playlist has it, its variables replaced.
    pub uri: String,
    /// The URI resolved.
    pub url: Url,
    /// LAST-MSN: the media sequence number of its last segment, one that has only parts so far included.
    pub last_media_sequence: Option<u64>,
    /// LAST-PART: the last part of that segment, counted from 0.
    pub last_part: Option<u64>,
    /// The line, counted from 1.
    pub line: u32,
}

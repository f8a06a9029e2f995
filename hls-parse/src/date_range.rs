//! Date ranges: spans of time with attributes.

use std::time::Duration;

use crate::{AttributeList, DateTime, Interstitial};

/// A span of time with attributes: all `EXT-X-DATERANGE` tags of one ID (rfc8216bis-22, section 4.4.5.1).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DateRange {
    /// ID.
    pub id: String,
    /// CLASS.
    pub class: Option<String>,
    /// START-DATE; `None` only in a delta update whose older copy has it.
    pub start: Option<DateTime>,
    /// CUE: when to begin, other than at `start`.
    pub cue: Cue,
    /// END-DATE.
    pub end_date: Option<DateTime>,
    /// DURATION.
    pub duration: Option<Duration>,
    /// PLANNED-DURATION: what is expected where the real duration is not known yet.
    pub planned_duration: Option<Duration>,
    /// SCTE35-CMD, decoded.
    pub scte35_cmd: Option<Vec<u8>>,
    /// SCTE35-OUT, decoded.
    pub scte35_out: Option<Vec<u8>>,
    /// SCTE35-IN, decoded.
    pub scte35_in: Option<Vec<u8>>,
    /// END-ON-NEXT: the range ends where the next of its class begins.
    pub end_on_next: bool,
    /// Where the range ends: END-DATE, or the start and the duration, or where END-ON-NEXT finds the next.
    /// `None` where that is not known; a planned duration does not count.
    pub end: Option<DateTime>,
    /// What an interstitial says (appendix D); only where CLASS is `com.apple.hls.interstitial`.
    ///
    /// An interstitial never belongs into a recording of the primary content.
    pub interstitial: Option<Box<Interstitial>>,
    /// Every attribute of all tags, `X-*` included, their variables replaced. Where tags contradict each
    /// other, the last one counts.
    pub attributes: AttributeList,
    /// The line of the first tag, counted from 1.
    pub line: u32,
}

/// When a date range is to be triggered (section 4.4.5.1, CUE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Cue {
    /// PRE: before playback begins.
    pub pre: bool,
    /// POST: after the primary content has ended.
    pub post: bool,
    /// ONCE: never again afterwards.
    pub once: bool,
}

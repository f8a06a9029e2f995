//! What is odd in a playlist, and how it was read.

use std::fmt;

use thiserror::Error;

use crate::{ErrorKind, Quote};

/// Something in a playlist that is wrong or odd, and how it was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The line, counted from 1.
    pub line: u32,
    /// What it is.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.kind)
    }
}

/// What is odd, and how it was read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// There is a byte order mark (rfc8216bis-22, section 4.1).
    #[error("byte order mark ignored")]
    ByteOrderMark,
    /// There are blank lines before `#EXTM3U`.
    #[error("blank lines before #EXTM3U ignored")]
    BlankBeforeHeader,
    /// There are bytes that are not UTF-8 (section 4.1).
    #[error("bytes that are not UTF-8 replaced")]
    NotUtf8,
    /// The header or a tag that has no value has text after it.
    #[error("text after the tag ignored")]
    TextAfterTag,
    /// A tag stands twice that may stand once; the last one counts.
    #[error("{0} stands more than once, the last one counts")]
    Repeated(&'static str),
    /// A media playlist has no target duration (section 4.4.3.1).
    #[error("EXT-X-TARGETDURATION is missing")]
    NoTargetDuration,
    /// A value can't be read as what it has to be.
    #[error("{tag} has a value that is ignored: {quote}")]
    BadValue {
        /// The tag or attribute.
        tag: &'static str,
        /// The value.
        quote: Quote,
    },
    /// A required attribute is missing.
    #[error("{tag} without {attribute}")]
    Missing {
        /// The tag.
        tag: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// A number is cut at the point, or has text after it.
    #[error("{tag} is read as a whole number: {quote}")]
    NotWhole {
        /// The tag or attribute.
        tag: &'static str,
        /// The value.
        quote: Quote,
    },
    /// A duration is negative, missing or no number, and is read as 0.
    #[error("duration read as 0: {0}")]
    NoDuration(Quote),
    /// A duration is beyond what can be held.
    #[error("duration cut to the largest possible")]
    HugeDuration,
    /// An `EXTINF` has text between the duration and the comma, as IPTV lists do.
    #[error("text between duration and title ignored")]
    TextAfterDuration,
    /// An `EXTINF` is followed by no URI.
    #[error("EXTINF without a URI ignored")]
    NoUri,
    /// A URI line has no `EXTINF` before it.
    #[error("URI without EXTINF read as a segment of 0 seconds")]
    NoExtinf,
    /// A URI line of a multivariant playlist has no `EXT-X-STREAM-INF` before it.
    #[error("URI without EXT-X-STREAM-INF ignored")]
    StrayUri,
    /// An `EXT-X-STREAM-INF` is followed by no URI.
    #[error("EXT-X-STREAM-INF without a URI ignored")]
    VariantWithoutUri,
    /// An `EXT-X-STREAM-INF` has a requirement that is not known, and is ignored as section 6.3.1 asks.
    #[error("variant with unknown requirement ignored: {0}")]
    UnknownRequirement(Quote),
    /// A URI of a multivariant playlist can't be resolved, and what it belongs to is ignored.
    #[error("URI can't be resolved, its line is ignored: {0}")]
    BadUri(Quote),
    /// A byte range without offset follows a range of another URI, and goes on behind it as players do
    /// (section 4.4.4.2 wants failure).
    #[error("byte range without an offset after another URI goes on numerically")]
    RangeAfterOtherUri,
    /// The byte range of a MAP has no offset, and is read from 0 (section 4.4.4.5 requires it).
    #[error("byte range of EXT-X-MAP without an offset starts at 0")]
    MapWithoutOffset,
    /// A MAP is encrypted, and its key has no IV (section 4.4.4.5 requires it).
    #[error("EXT-X-MAP is encrypted with a key that has no IV")]
    MapWithoutIv,
    /// An attribute stands twice in one tag; the last one counts.
    #[error("attribute stands more than once, the last one counts: {0}")]
    RepeatedAttribute(Quote),
    /// A part of an attribute list has no `=`.
    #[error("attribute without a value ignored: {0}")]
    AttributeWithoutValue(Quote),
    /// A quoted string is not closed, and is read to the end of the line.
    #[error("quoted string is not closed: {0}")]
    Unterminated(Quote),
    /// There is text between a closing quote and the next comma.
    #[error("text after a quoted string ignored: {0}")]
    TextAfterQuote(Quote),
    /// Two tags of a date range contradict each other; the last one counts (section 4.4.5.1).
    #[error("date range {id} has another {attribute} than before, the last one counts")]
    DateRangeConflict {
        /// The ID.
        id: Quote,
        /// The attribute.
        attribute: Quote,
    },
    /// The byte range of a part has no offset, and no part of its segment before to go on from
    /// (section 4.4.4.9); the part is left out.
    #[error("part with a byte range that can't be told ignored: {0}")]
    PartRange(Quote),
    /// A byte range in a delta update goes on behind a segment that is skipped (section 4.4.5.2).
    #[error("byte range depends on a skipped segment: {0}")]
    RangeAfterSkip(Quote),
    /// A tag of the other kind of playlist, harmless here.
    #[error("{0} does not belong in this kind of playlist")]
    OutOfPlace(&'static str),
    /// An error that [`Options::inspect`](crate::Options::inspect) read on after.
    #[error("{0}")]
    Fault(Box<ErrorKind>),
    /// More warnings were found than are kept.
    #[error("{0} more warnings")]
    More(u64),
}

/// Collects warnings up to a limit, and counts the others.
#[derive(Debug)]
pub(crate) struct Warnings {
    kept: Vec<Warning>,
    limit: usize,
    more: u64,
    last_line: u32,
}

impl Warnings {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, more: 0, last_line: 0 }
    }

    // The kind is made on demand: a hostile playlist has a warning on each line.
    pub(crate) fn add(&mut self, line: u32, kind: impl FnOnce() -> WarningKind) {
        if self.kept.len() < self.limit {
            self.kept.push(Warning { line, kind: kind() });
        } else {
            self.more += 1;
            self.last_line = line;
        }
    }

    pub(crate) fn into_vec(mut self) -> Vec<Warning> {
        self.kept.sort_by_key(|warning| warning.line);
        if self.more > 0 {
            self.kept.push(Warning { line: self.last_line, kind: WarningKind::More(self.more) });
        }
        self.kept
    }
}

//! How a recording begins, ends and is cut into files.

use std::time::Duration;

use hls_parse::DateTime;

use super::From;

/// When a recording goes on in another file, at the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// When it is this long.
    Duration(Duration),
    /// When it has this many bytes.
    Size(u64),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct LiveConfig {
    pub(crate) from: Option<From>,
    pub(crate) duration: Option<Duration>,
    pub(crate) until: Option<DateTime>,
    pub(crate) wait: bool,
    pub(crate) split: Option<Split>,
}

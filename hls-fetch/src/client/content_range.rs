//! What an answer says it is a part of (RFC 9110 section 14.4).

use crate::ByteRange;

/// A server that sends smaller pieces than this would be asked too often, in bytes.
const SMALLEST_PIECE: u64 = 4096;

/// What a `Content-Range` field says: `bytes first-last/total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let rest = value.trim().strip_prefix("bytes ")?;
        let (range, total) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let start: u64 = first.trim().parse().ok()?;
        let end = last.trim().parse::<u64>().ok()?.checked_add(1)?;
        let total = match total.trim() {
            "*" => None,
            n => Some(n.parse().ok()?),
        };
        (start < end && total.is_none_or(|t| end <= t)).then_some(Self { start, end, total })
    }

    /// Whether this is the first piece of what was asked for, and the rest can be asked for.
    pub(super) fn begins(&self, asked: &ByteRange) -> bool {
        let is_less =
            asked.end.is_some_and(|end| self.end < end) && self.total.is_some_and(|all| self.end < all);
        self.start == asked.start && is_less && self.end - self.start >= SMALLEST_PIECE
    }

    /// Whether the representation ends before the range that was asked for does (RFC 9110 section 14.1.2).
    pub(super) fn ends_before(&self, asked: &ByteRange) -> bool {
        self.total == Some(self.end) && asked.end.is_some_and(|end| self.end < end)
    }

    /// Whether this answers `asked`: the same first byte, and the same last one (or the end of the representation).
    pub(super) fn answers(&self, asked: &ByteRange) -> bool {
        self.start == asked.start
            && match asked.end {
                Some(end) => self.end == end || self.ends_before(asked),
                None => self.total.is_none_or(|t| t == self.end),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let asked = ByteRange::new(10, 10).unwrap();
        for (value, parses, answers) in [
            ("bytes 10-19/100", true, true),
            ("bytes 10-19/*", true, true),
            ("bytes 10-18/100", true, false),
            ("bytes 9-19/100", true, false),
            ("bytes 10-19/15", false, false),
            ("bytes 10-17/18", true, true),
            ("bytes 10-17/19", true, false),
            ("bytes 10-20/21", true, false),
            ("bytes */100", false, false),
            ("bytes 19-10/100", false, false),
            ("items 10-19/100", false, false),
            ("bytes 10-18446744073709551615/*", false, false),
        ] {
            let got = ContentRange::parse(value);
            assert_eq!(got.is_some(), parses, "{value}");
            assert_eq!(got.is_some_and(|c| c.answers(&asked)), answers, "{value}");
        }
    }
}

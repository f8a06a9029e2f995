//! Byte ranges, asked for and answered (RFC 9110 section 14).

/// A half-open range of bytes of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte; always above `start`. `None`: to the end.
    pub end: Option<u64>,
}

impl ByteRange {
    /// `length` bytes from `start`, or `None` where that is empty or ends beyond 2^64.
    #[must_use]
    pub fn new(start: u64, length: u64) -> Option<Self> {
        let end = start.checked_add(length)?;
        (length > 0).then_some(Self { start, end: Some(end) })
    }

    /// Everything from `start` on.
    #[must_use]
    pub fn from(start: u64) -> Self {
        Self { start, end: None }
    }

    /// The number of bytes, where the end is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.end.map(|end| end.saturating_sub(self.start))
    }

    /// The value of the `Range` header field.
    #[must_use]
    pub fn header(&self) -> String {
        match self.end {
            Some(end) => format!("bytes={}-{}", self.start, end.saturating_sub(1)),
            None => format!("bytes={}-", self.start),
        }
    }
}

/// What a `Content-Range` field says: `bytes first-last/total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    pub(crate) fn parse(value: &str) -> Option<Self> {
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

    /// Whether this answers `asked`: the same first byte, and the same last one (or the end of the representation).
    pub(crate) fn answers(&self, asked: &ByteRange) -> bool {
        self.start == asked.start
            && match asked.end {
                Some(end) => self.end == end,
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
            ("bytes */100", false, false),
            ("bytes 19-10/100", false, false),
            ("items 10-19/100", false, false),
            ("bytes 10-18446744073709551615/*", false, false),
        ] {
            let got = ContentRange::parse(value);
            assert_eq!(got.is_some(), parses, "{value}");
            assert_eq!(got.is_some_and(|c| c.answers(&asked)), answers, "{value}");
        }
        assert_eq!(ByteRange::new(u64::MAX, 1), None);
        assert_eq!(ByteRange::new(1, 0), None);
        assert_eq!(asked.header(), "bytes=10-19");
    }
}

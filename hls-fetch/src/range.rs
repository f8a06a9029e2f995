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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(ByteRange::new(10, 10).map(|r| r.header()).as_deref(), Some("bytes=10-19"));
        assert_eq!(ByteRange::from(7).header(), "bytes=7-");
        assert_eq!(ByteRange::new(u64::MAX, 1), None);
        assert_eq!(ByteRange::new(1, 0), None);
    }
}

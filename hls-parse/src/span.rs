//! Places in a buffer.

/// A part of the text of a playlist, or of what follows it in the same buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Reading checks that no buffer is longer than 32 bits can tell; what would be is empty.
    pub(crate) fn new(start: usize, len: usize) -> Self {
        match (u32::try_from(start), u32::try_from(len)) {
            (Ok(start), Ok(len)) => Self { start, len },
            _ => Self::default(),
        }
    }

    /// Finds where `part`, borrowed from `text`, stands in it.
    pub(crate) fn of(text: &str, part: &str) -> Self {
        match part.as_ptr().addr().checked_sub(text.as_ptr().addr()) {
            Some(start) if start <= text.len() => Self::new(start, part.len()),
            _ => Self::default(),
        }
    }

    /// The same place in a buffer that begins where one of `len` bytes ends.
    pub(crate) fn after(self, len: usize) -> Self {
        Self::new((self.start as usize).saturating_sub(len), self.len as usize)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(self, buffer: &str) -> &str {
        let start = self.start as usize;
        buffer.get(start..start.saturating_add(self.len as usize)).unwrap_or("")
    }
}

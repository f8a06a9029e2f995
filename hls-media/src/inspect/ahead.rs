//! Where the tables of an MP4 are, before its samples pass.

use std::ops::Range;

/// The header of a box, with a size of 64 bits.
const HEADER: u64 = 16;
/// Real files have fewer boxes in front of their tables.
const MOST_BOXES: u32 = 1000;
const LARGEST: u64 = 64 << 20;

/// Finds the tables of an MP4 that stand behind its samples, where most tools write them. An [`Inspector`] that has them first can look
/// into samples while they pass.
///
/// It wants some bytes from here and there, and whoever has the file hands them over.
///
/// [`Inspector`]: crate::Inspector
#[derive(Debug)]
pub struct Lookahead {
    length: u64,
    at: u64,
    boxes: u32,
    has_data: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Header,
    Tables(Range<u64>),
    Found(Vec<u8>),
    None,
}

impl Lookahead {
    /// Begins a file of so many bytes.
    pub fn new(length: u64) -> Self {
        Self { length, at: 0, boxes: 0, has_data: false, state: State::Header }
    }

    /// Returns which bytes of the file it needs next; `None`: no more.
    pub fn wants(&self) -> Option<Range<u64>> {
        match &self.state {
            State::Header if self.at < self.length => {
                Some(self.at..self.at.saturating_add(HEADER).min(self.length))
            }
            State::Tables(range) => Some(range.clone()),
            _ => None,
        }
    }

    /// Takes these bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        self.state = match &self.state {
            State::Header => self.header(bytes).unwrap_or(State::None),
            State::Tables(range) if bytes.len() as u64 == range.end - range.start => {
                State::Found(bytes.to_vec())
            }
            _ => State::None,
        };
    }

    /// The body of the box of tables, where it is behind the samples.
    pub(super) fn tables(self) -> Option<Vec<u8>> {
        match self.state {
            State::Found(tables) => Some(tables),
            _ => None,
        }
    }

    fn header(&mut self, bytes: &[u8]) -> Option<State> {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_first_chunk::<4>()?;
        let (size, header) = match u32::from_be_bytes(*size) {
            0 => (self.length - self.at, 8),
            1 => (u64::from_be_bytes(*rest.first_chunk()?), 16),
            size => (u64::from(size), 8),
        };
        let end = self.at.checked_add(size).filter(|end| *end <= self.length)?;
        let body = self.at.checked_add(header).filter(|body| *body <= end)?;
        self.boxes += 1;
        self.has_data |= name == b"mdat";
        match name {
            b"moov" if self.has_data && end - body <= LARGEST => return Some(State::Tables(body..end)),
            // What comes first is there in time.
            b"moov" | b"moof" => return None,
            _ if self.boxes > MOST_BOXES || !name.iter().all(|byte| (b' '..=b'~').contains(byte)) => {
                return None;
            }
            _ => {}
        }
        self.at = end;
        Some(State::Header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &[u8], expect: Option<&[u8]>) {
        let mut ahead = Lookahead::new(file.len() as u64);
        while let Some(range) = ahead.wants() {
            ahead.take(&file[range.start as usize..range.end as usize]);
        }
        assert_eq!(ahead.tables().as_deref(), expect, "{}", file.escape_ascii());
    }

    #[test]
    fn tables_behind_samples() {
        check(b"\0\0\0\x0cftypisom\0\0\0\x09mdatx\0\0\0\x0amoov12", Some(b"12"));
        check(b"\0\0\0\x08wide\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab\0\0\0\0moov12", Some(b"12"));
        check(b"\0\0\0\x09mdatx\0\0\0\x08moov", Some(b""));
        check(b"\0\0\0\x0amoov12\0\0\0\x09mdatx", None);
        check(b"\0\0\0\x09mdatx\0\0\0\x0bmoov12", None);
        check(b"\0\0\0\0mdatx", None);
        check(b"\0\0\0\x07mdat", None);
        check(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff", None);
        check(b"\0\0\0", None);
        check(b"", None);
        check(b"\x47\x40\0\x10\0\0\xb0\x0d\0\x01", None);
    }
}

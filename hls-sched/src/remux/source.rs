//! The bytes of a track, each unit held to its record.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use hls_state::{Hasher, Placed};

use crate::error::{Error, Kind};

/// Reads in pieces of this size.
pub(super) const PIECE: usize = 256 << 10;

pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) placed: &'a [Placed],
    file: File,
    buffer: Vec<u8>,
    /// The unit that is read, its bytes so far, and their hash.
    unit: usize,
    read: u64,
    hasher: Hasher,
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &'a Path, placed: &'a [Placed]) -> Result<Self, Error> {
        let file = hls_state::open_to_read(path).map_err(|e| failed(path, e))?;
        Ok(Self { path, file, placed, buffer: vec![0; PIECE], unit: 0, read: 0, hasher: Hasher::default() })
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        self.placed.last().map_or(0, |last| last.offset + last.len)
    }

    pub(super) fn rewind(&mut self) -> Result<(), Error> {
        (self.unit, self.read, self.hasher) = (0, 0, Hasher::default());
        self.file.rewind().map_err(|e| failed(self.path, e))
    }

    /// More bytes; none at the end.
    pub(super) fn next(&mut self) -> Result<&[u8], Error> {
        let len = self.file.read(&mut self.buffer).map_err(|e| failed(self.path, e))?;
        let bytes = self.buffer.get(..len).unwrap_or_default();
        let mut rest = bytes;
        while let Some(unit) = self.placed.get(self.unit) {
            let left = usize::try_from(unit.len - self.read).unwrap_or(usize::MAX);
            let (of_unit, behind) = rest.split_at(left.min(rest.len()));
            self.hasher.update(of_unit);
            self.read += of_unit.len() as u64;
            rest = behind;
            if self.read < unit.len {
                break;
            }
            let hash = std::mem::take(&mut self.hasher).finish();
            if unit.len > 0 && hash != unit.hash {
                return Err(damaged(self.path));
            }
            (self.unit, self.read) = (self.unit + 1, 0);
        }
        let is_short = len == 0 && self.unit < self.placed.len();
        if is_short || !rest.is_empty() {
            return Err(damaged(self.path));
        }
        Ok(bytes)
    }
}

pub(super) fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::state(hls_state::Error::from_io("can't read", path, error))
}

pub(super) fn damaged(path: &Path) -> Error {
    Error::new(Kind::Local, "disk.damaged", "what was verified has changed on the disk")
        .at(hls_fetch::escaped(&path.display().to_string(), 300))
        .next("run the same command again: what is damaged is fetched again")
}

//! An output as it grows: `OUT.part`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::Context as _;
use crate::{Error, Kind, Placed, sys};

/// What is written goes to the disk in steps of this size, or the sync at the end would wait for all of it.
const STEP: u64 = 16 << 20;
/// So much of what was written last stays in the system's cache; what lies before makes room. A download of many GiB would
/// push out what other programs need, and fresh memory for each of its pages costs more than writing them.
const CACHED: u64 = 128 << 20;
/// Steps end at multiples of this, the largest unit that a page cache holds: one that was sent out half full is sent twice.
const ALIGN: u64 = 2 << 20;

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    /// Where the next byte goes.
    pub(crate) end: u64,
    /// Up to here there are records: only what they cover all of is finished.
    recorded: u64,
    /// Where the first of them begins.
    begin: Option<u64>,
    /// Units before that which are not what their records say.
    damaged: BTreeSet<u64>,
    /// Up to here the system has been asked to write out.
    sent: u64,
    /// How long the file is by what was done to it here.
    len: u64,
    /// When it was last written here, by its own word.
    written: Option<SystemTime>,
    /// Somebody else has written to it: what is in it has to be read again before it is finished.
    is_touched: bool,
}

/// A part of an output that the system is asked to send to the disk, and to forget where it has done so already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Part {
    /// Opens a part file and drops the claims that its length disproves. It is to be [cut](Self::cut_leftovers) where what is
    /// of use ends.
    pub(crate) fn open(path: PathBuf, claims: &mut Vec<Placed>) -> Result<Self, Error> {
        let mut options = sys::open_options(false);
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.at("can't open", &path)?;
        let meta = file.metadata().at("can't read", &path)?;
        if !meta.is_file() {
            return Err(Error::new(Kind::Io, "not a regular file:", &path));
        }
        let fitting = claims.iter().take_while(|claim| claim.offset + claim.len <= meta.len()).count();
        claims.truncate(fitting);
        // The place of one that could not be had is not kept at the end: it may be had by now.
        let last = claims.iter().rposition(|claim| !claim.is_gap());
        claims.truncate(last.map_or(0, |last| last + 1));
        let recorded = claims.last().map_or(0, |last| last.offset + last.len);
        let (damaged, begin) = (BTreeSet::new(), claims.first().map(|first| first.offset));
        let (len, written) = (meta.len(), sys::modified(&meta));
        Ok(Self {
            file: Arc::new(file),
            path,
            end: len,
            recorded,
            begin,
            damaged,
            sent: recorded,
            len,
            written,
            is_touched: false,
        })
    }

    /// Writes, and says what may leave memory now.
    pub(crate) fn write(&mut self, offset: u64, data: &[IoSlice<'_>]) -> Result<Option<Behind>, Error> {
        self.look()?;
        sys::write_all_vectored_at(&self.file, data, offset).at("can't write", &self.path)?;
        let end = offset + data.iter().map(|d| d.len() as u64).sum::<u64>();
        self.wrote(end)?;
        Ok(self.grown_to(end))
    }

    /// Looks whether somebody else has changed the file since it was last written here.
    ///
    /// # Errors
    /// It is shorter: what is written next would lie behind a hole.
    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let meta = self.file.metadata().at("can't read", &self.path)?;
        if meta.len() < self.len {
            return Err(Error::new(Kind::Io, "another program has cut", &self.path));
        }
        self.is_touched |= sys::modified(&meta) != self.written;
        Ok(())
    }

    /// Takes note of what the file is like after it was written up to `end`.
    pub(crate) fn wrote(&mut self, end: u64) -> Result<(), Error> {
        self.len = self.len.max(end);
        self.written = sys::modified(&self.file.metadata().at("can't read", &self.path)?);
        Ok(())
    }

    /// Looks at all that tells whether the path still names this file, as it was written here: only that may get a final name.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn look_at_the_end(&mut self) -> Result<(), Error> {
        self.look()?;
        sys::is_as_written(&self.file, self.len, &self.path)
    }

    /// Whether somebody else has written to it.
    pub(crate) fn is_touched(&self) -> bool {
        self.is_touched
    }

    /// Writes what belongs to no unit, in front of the first one or behind the last.
    pub(crate) fn write_around(&mut self, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        let end = offset + data.iter().map(|d| d.len() as u64).sum::<u64>();
        if end > self.begin.unwrap_or(0) && offset < self.recorded {
            return Err(Error::new(Kind::Contract, "units are in the way in", &self.path));
        }
        self.look()?;
        sys::write_all_vectored_at(&self.file, data, offset).at("can't write", &self.path)?;
        self.wrote(end)
    }

    /// Takes note of what was written up to `end`.
    pub(crate) fn grown_to(&mut self, end: u64) -> Option<Behind> {
        self.end = self.end.max(end);
        let to = self.end - self.end % ALIGN;
        if to < self.sent.saturating_add(STEP) {
            return None;
        }
        let offset = self.sent.saturating_sub(CACHED);
        self.sent = to;
        Some(Behind { offset, len: to - offset })
    }

    /// Cuts off what no record speaks of, but the first bytes of the unit behind the last one.
    pub(crate) fn cut_leftovers(&mut self, begun: u64) -> Result<(), Error> {
        let end = self.recorded + begun;
        if self.end != end {
            self.set_len(end)?;
            self.end = end;
        }
        self.sent = end;
        Ok(())
    }

    /// A unit is not what its record says.
    pub(crate) fn found_damaged(&mut self, index: u64) {
        self.damaged.insert(index);
    }

    /// Whether a unit is to be written again where it was.
    pub(crate) fn is_damaged(&self, index: u64) -> bool {
        self.damaged.contains(&index)
    }

    /// Where the records end.
    pub(crate) fn recorded_len(&self) -> u64 {
        self.recorded
    }

    pub(crate) fn cut(&mut self, offset: u64) -> Result<(), Error> {
        if self.end > offset {
            self.look()?;
            self.set_len(offset)?;
            self.end = offset;
            self.recorded = self.recorded.min(offset);
            self.begin = self.begin.filter(|begin| *begin < offset);
            self.sent = self.sent.min(offset);
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> Result<(), Error> {
        self.file.set_len(len).at("can't cut", &self.path)?;
        self.len = 0;
        self.wrote(len)
    }

    /// Takes note of a record; they come in the order of the bytes.
    pub(crate) fn recorded(&mut self, placed: &Placed) {
        if self.begin.is_none() && placed.index == 0 {
            (self.begin, self.recorded) = (Some(placed.offset), placed.offset);
        }
        if !self.damaged.remove(&placed.index) && placed.offset == self.recorded {
            self.recorded += placed.len;
        }
    }

    /// Whether each byte belongs to a unit that was recorded as whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.recorded == self.end && self.damaged.is_empty()
    }

    pub(crate) fn sync(file: &File, path: &Path) -> Result<(), Error> {
        file.sync_data().at("can't sync", path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_far_behind_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::open(folder.path().join("p"), &mut Vec::new()).unwrap();
        let mut grown = |mib: u64, and: u64| {
            part.grown_to((mib << 20) + and)
                .map(|b| (b.offset as f64 / 1_048_576.0, b.len as f64 / 1_048_576.0))
        };
        for (end, expect) in [
            ((15, 0), None),
            ((17, 5), Some((0.0, 16.0))),
            ((31, 0), None),
            ((32, 0), Some((0.0, 32.0))),
            ((200, 1), Some((0.0, 200.0))),
            ((217, 0), Some((72.0, 144.0))),
            ((100, 0), None),
        ] {
            assert_eq!(grown(end.0, end.1), expect, "{end:?}");
        }
    }
}

//! What an engine asks of a store.

use std::fmt;
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Error, Fingerprint, Memo};

/// A unit of an output: its place in the order, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Which output.
    pub output: u8,
    /// Which place in that output, counted from 0.
    pub index: u64,
    /// A hash of all that tells this unit from others; never of secrets in clear.
    pub identity: u128,
}

/// A whole unit in an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which output.
    pub output: u8,
    /// Which place in that output, counted from 0.
    pub index: u64,
    /// What the unit is, as in [`Unit::identity`].
    pub identity: u128,
    /// Where its first byte is.
    pub offset: u64,
    /// How many bytes it has.
    pub len: u64,
    /// Their hash.
    pub hash: Fingerprint,
}

/// How far a unit has come that is not whole yet: it can go on from here, in another process too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How many of its bytes are there.
    pub len: u64,
    /// Their hash.
    pub hash: Fingerprint,
    /// What the engine needs to go on, such as a validator; at most [`LONGEST_NOTE`](Self::LONGEST_NOTE) bytes.
    pub note: Arc<[u8]>,
}

impl Mark {
    /// Longer notes are cut, in bytes.
    pub const LONGEST_NOTE: usize = 4096;
}

impl Placed {
    /// The place of a unit that could not be had: it holds no bytes.
    #[must_use]
    pub fn gap(unit: Unit, offset: u64) -> Self {
        let Unit { output, index, identity } = unit;
        Self { output, index, identity, offset, len: 0, hash: Fingerprint::of(&[]) }
    }

    /// Whether this is the place of a unit that could not be had.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.len == 0 && self.hash != Fingerprint::EMPTY_UNIT
    }
}

/// What the check of an earlier run's outputs has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Units that are not what their records say: to be had again, set aside, and placed where they were.
    pub damaged: Vec<Placed>,
    /// It has come to its end: all others are right.
    pub is_done: bool,
}

/// Keeps the bytes of a job. All calls block and belong on a thread of their own. One that ends in
/// [`Kind::Descriptors`](crate::Kind::Descriptors) has done nothing yet, and may be made again when others have closed files;
/// but not [`finish`](Self::finish) and [`close`](Self::close).
pub trait ResumeStore: Send + fmt::Debug {
    /// Whether bytes may go to an output before their unit is known to be whole (and be cut off again).
    fn takes_unverified(&self) -> bool;

    /// Writes at `offset` of an output.
    ///
    /// # Errors
    /// Disk full and other I/O errors.
    fn write(&mut self, output: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error>;

    /// Writes what belongs to no unit: in front of the first one, which may begin anywhere, or behind the last. It is not
    /// remembered, and to be written again by each run that comes to the end.
    ///
    /// # Errors
    /// Disk full and other I/O errors, and [`Kind::Contract`](crate::Kind::Contract) where units are in the way, or the store
    /// has nothing but units.
    fn write_around(&mut self, _output: u8, _offset: u64, _data: &[IoSlice<'_>]) -> Result<(), Error> {
        Err(Error::new(
            crate::Kind::Contract,
            "there is room for units only in",
            std::path::Path::new("the store"),
        ))
    }

    /// Cuts an output off at `offset`: what a failed unit had written so far.
    ///
    /// # Errors
    /// I/O errors.
    fn cut(&mut self, output: u8, offset: u64) -> Result<(), Error>;

    /// Says that a whole, verified unit is in its output. The record reaches the log with the next
    /// [`maintain`](Self::maintain).
    ///
    /// # Errors
    /// I/O errors.
    fn record(&mut self, placed: Placed) -> Result<(), Error>;

    /// Says that the first bytes of a unit, which was set aside or else is the last one in its output, are there. A later
    /// mark takes the place of an earlier one.
    ///
    /// # Errors
    /// I/O errors.
    fn mark(&mut self, unit: Unit, aside: bool, mark: Mark) -> Result<(), Error>;

    /// Keeps what the engine wants to know again in the next run: it is there, in the order in which it was said, with all that
    /// was recorded behind it. Nothing is kept of it once the outputs have their names.
    ///
    /// # Errors
    /// I/O errors, and [`Kind::Contract`](crate::Kind::Contract) where it is longer than 32 KiB.
    fn annotate(&mut self, _note: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    /// Keeps what the engine wants to know again of a unit, as long as that is here: the last remark counts. It is no secret, and
    /// has at most 64 bytes.
    ///
    /// # Errors
    /// I/O errors, and [`Kind::Contract`](crate::Kind::Contract) where it is longer.
    fn remark(&mut self, _unit: Unit, _text: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    /// Appends to the file of a unit that has to wait, creating it at the first call.
    ///
    /// # Errors
    /// Disk full and other I/O errors.
    fn set_aside(&mut self, unit: Unit, data: &[IoSlice<'_>]) -> Result<(), Error>;

    /// Keeps a unit that was set aside: it is whole and verified. `false`: it could not be made to last and is gone, and has to
    /// be had again.
    ///
    /// # Errors
    /// I/O errors.
    fn keep_aside(&mut self, unit: Unit, hash: Fingerprint) -> Result<bool, Error>;

    /// Forgets a unit that was set aside.
    fn drop_aside(&mut self, unit: Unit);

    /// Moves a unit that was set aside into its output and records it. `None`: what was kept is not what it was, and the
    /// unit has to be had again.
    ///
    /// # Errors
    /// Disk full and other I/O errors.
    fn place_aside(&mut self, unit: Unit, offset: u64) -> Result<Option<Placed>, Error>;

    /// Writes out records and syncs as the durability asks; to be called at least every 100 ms while a job runs.
    ///
    /// # Errors
    /// I/O errors, those of a sync under way included.
    fn maintain(&mut self) -> Result<(), Error>;

    /// What has been found damaged since the last call. The units of [`Recovered::outputs`](crate::Recovered::outputs) may be
    /// built on at once; they are claims until this has said that it is done, and the job ends no sooner than that and than all
    /// that was found has been placed anew. A store that vouches for what it recovers has nothing to say.
    ///
    /// # Errors
    /// I/O errors while reading, and those of [`place_aside`](Self::place_aside).
    fn checked(&mut self) -> Result<Checked, Error> {
        Ok(Checked { damaged: Vec::new(), is_done: true })
    }

    /// Keeps a memo of the job for whoever lists jobs, in place of an earlier one. Nothing depends on it, so nothing fails
    /// where it can't be kept.
    fn keep_memo(&mut self, _: &Memo) {}

    /// Ends a run that is not complete; everything is kept for the next one.
    ///
    /// # Errors
    /// I/O errors.
    fn close(&mut self) -> Result<(), Error>;

    /// Gives the outputs their final names and removes the state; where there are gaps, it stays for a run that may fill them.
    /// Returns the names. Waits for the end of a check that runs.
    ///
    /// # Errors
    /// I/O errors, [`Kind::Appeared`](crate::Kind::Appeared) where a file of that name has appeared meanwhile, and
    /// [`Kind::Contract`](crate::Kind::Contract) where an output has bytes that no record speaks of, or other ones.
    fn finish(&mut self) -> Result<Vec<PathBuf>, Error>;
}

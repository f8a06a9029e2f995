//! A store around a store: all calls go through, and somebody hears of what they bring.

use std::fmt;
use std::io::IoSlice;
use std::path::PathBuf;

use hls_state::{Checked, Error, Fingerprint, Mark, Memo, Placed, ResumeStore, Unit};

/// Hears of what becomes of a store; each call comes on the thread that writes.
pub(crate) trait Watch: Send {
    /// A unit is in its output.
    fn placed(&mut self, _: Placed) {}

    /// So much is known of what an earlier run left.
    fn checked(&mut self, _: &Checked) {}

    /// The store is about to be looked after.
    fn maintains(&mut self, _: &mut dyn ResumeStore) {}

    /// The run is about to end before the end.
    fn closes(&mut self, _: &mut dyn ResumeStore) {}

    /// The outputs are about to get their names. Where that fails, nothing is lost: the next run finds all of it and tries
    /// again.
    ///
    /// # Errors
    /// What keeps them from it.
    fn finishes(&mut self, _: &mut dyn ResumeStore) -> Result<(), Error> {
        Ok(())
    }

    /// The outputs have their names.
    fn finished(&mut self) {}
}

/// A store that is watched.
pub(crate) struct Watched<W> {
    inner: Box<dyn ResumeStore>,
    watch: W,
}

impl<W> Watched<W> {
    pub(crate) fn new(inner: Box<dyn ResumeStore>, watch: W) -> Self {
        Self { inner, watch }
    }
}

impl<W> fmt::Debug for Watched<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<W: Watch> ResumeStore for Watched<W> {
    fn takes_unverified(&self) -> bool {
        self.inner.takes_unverified()
    }

    fn write(&mut self, output: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        self.inner.write(output, offset, data)
    }

    fn write_around(&mut self, output: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        self.inner.write_around(output, offset, data)
    }

    fn cut(&mut self, output: u8, offset: u64) -> Result<(), Error> {
        self.inner.cut(output, offset)
    }

    fn record(&mut self, placed: Placed) -> Result<(), Error> {
        self.inner.record(placed)?;
        self.watch.placed(placed);
        Ok(())
    }

    fn mark(&mut self, unit: Unit, aside: bool, mark: Mark) -> Result<(), Error> {
        self.inner.mark(unit, aside, mark)
    }

    fn annotate(&mut self, note: &[u8]) -> Result<(), Error> {
        self.inner.annotate(note)
    }

    fn remark(&mut self, unit: Unit, text: &[u8]) -> Result<(), Error> {
        self.inner.remark(unit, text)
    }

    fn set_aside(&mut self, unit: Unit, data: &[IoSlice<'_>]) -> Result<(), Error> {
        self.inner.set_aside(unit, data)
    }

    fn keep_aside(&mut self, unit: Unit, hash: Fingerprint) -> Result<bool, Error> {
        self.inner.keep_aside(unit, hash)
    }

    fn drop_aside(&mut self, unit: Unit) {
        self.inner.drop_aside(unit);
    }

    fn place_aside(&mut self, unit: Unit, offset: u64) -> Result<Option<Placed>, Error> {
        let placed = self.inner.place_aside(unit, offset)?;
        placed.into_iter().for_each(|placed| self.watch.placed(placed));
        Ok(placed)
    }

    fn maintain(&mut self) -> Result<(), Error> {
        self.watch.maintains(&mut *self.inner);
        self.inner.maintain()
    }

    fn checked(&mut self) -> Result<Checked, Error> {
        let checked = self.inner.checked()?;
        self.watch.checked(&checked);
        Ok(checked)
    }

    fn keep_memo(&mut self, memo: &Memo) {
        self.inner.keep_memo(memo);
    }

    fn close(&mut self) -> Result<(), Error> {
        self.watch.closes(&mut *self.inner);
        self.inner.close()
    }

    fn finish(&mut self) -> Result<Vec<PathBuf>, Error> {
        if let Err(error) = self.watch.finishes(&mut *self.inner) {
            self.inner.close()?;
            return Err(error);
        }
        let finished = self.inner.finish()?;
        self.watch.finished();
        Ok(finished)
    }
}

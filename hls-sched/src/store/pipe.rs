//! A store for bytes that can't be taken back: a pipe, a device, a reader in this process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::fs::File;
use std::io::{IoSlice, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hls_media::Joint;
use hls_state::{Error, Fingerprint, Hasher, Mark, Placed, ResumeStore, Unit};

/// Writes verified units in order; what has to wait and is too much for memory goes to unnamed files.
pub(crate) struct PipeStore<W> {
    out: Judged<W>,
    aside: HashMap<Unit, (File, Option<Fingerprint>)>,
    written: u64,
}

/// Shows what is written to a judge.
struct Judged<W> {
    out: W,
    joint: Arc<Mutex<Joint>>,
}

impl<W: Write> Write for Judged<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        let mut joint = self.joint.lock().unwrap_or_else(PoisonError::into_inner);
        joint.push(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write + Send> PipeStore<W> {
    /// `joint` judges what is written.
    pub(crate) fn new(out: W, joint: Arc<Mutex<Joint>>) -> Self {
        let out = Judged { out, joint };
        Self { out, aside: HashMap::new(), written: 0 }
    }

    fn failed(source: std::io::Error) -> Error {
        Error::from_io("can't write to", std::path::Path::new("the output pipe"), source)
    }
}

impl<W> fmt::Debug for PipeStore<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeStore").field("written", &self.written).finish_non_exhaustive()
    }
}

impl<W: Write + Send> ResumeStore for PipeStore<W> {
    fn takes_unverified(&self) -> bool {
        false
    }

    fn write(&mut self, _: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        debug_assert_eq!(offset, self.written, "a pipe has no positions");
        for piece in data {
            self.out.write_all(piece).map_err(Self::failed)?;
            self.written += piece.len() as u64;
        }
        Ok(())
    }

    fn cut(&mut self, _: u8, _: u64) -> Result<(), Error> {
        // Nothing unverified is ever written, so there is never anything to cut.
        Ok(())
    }

    fn record(&mut self, _: Placed) -> Result<(), Error> {
        self.out.flush().map_err(Self::failed)
    }

    fn mark(&mut self, _: Unit, _: bool, _: Mark) -> Result<(), Error> {
        // Nobody goes on with a pipe.
        Ok(())
    }

    fn set_aside(&mut self, unit: Unit, data: &[IoSlice<'_>]) -> Result<(), Error> {
        let spool = |e| Error::from_io("can't write to", std::path::Path::new("a temporary file"), e);
        let (file, _) = match self.aside.entry(unit) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert((tempfile::tempfile().map_err(spool)?, None)),
        };
        data.iter().try_for_each(|piece| file.write_all(piece)).map_err(spool)
    }

    fn keep_aside(&mut self, unit: Unit, hash: Fingerprint) -> Result<bool, Error> {
        if let Some((_, kept)) = self.aside.get_mut(&unit) {
            *kept = Some(hash);
        }
        Ok(true)
    }

    fn drop_aside(&mut self, unit: Unit) {
        self.aside.remove(&unit);
    }

    fn place_aside(&mut self, unit: Unit, offset: u64) -> Result<Option<Placed>, Error> {
        let Some((mut file, Some(hash))) = self.aside.remove(&unit) else { return Ok(None) };
        // The pipe takes nothing back, so the file is read twice: first to know that it is right.
        if !matches!(read(&mut file, |_| Ok(())), Ok((_, found)) if found == hash) {
            return Ok(None);
        }
        let (len, _) = read(&mut file, |piece| self.out.write_all(piece)).map_err(Self::failed)?;
        self.written += len;
        let Unit { output, index, identity } = unit;
        let placed = Placed { output, index, identity, offset, len, hash };
        self.record(placed)?;
        Ok(Some(placed))
    }

    fn maintain(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.out.flush().map_err(Self::failed)
    }

    fn finish(&mut self) -> Result<Vec<PathBuf>, Error> {
        self.close().map(|()| Vec::new())
    }
}

fn read(
    file: &mut File,
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<(u64, Fingerprint)> {
    file.seek(SeekFrom::Start(0))?;
    let (mut hasher, mut buffer, mut len) = (Hasher::default(), vec![0; 256 << 10], 0);
    loop {
        let got = file.read(&mut buffer)?;
        let piece = buffer.get(..got).unwrap_or_default();
        if piece.is_empty() {
            return Ok((len, hasher.finish()));
        }
        hasher.update(piece);
        len += got as u64;
        each(piece)?;
    }
}

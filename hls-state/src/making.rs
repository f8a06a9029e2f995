//! Outputs that are made of the tracks of a job once those are whole: they grow beside, get their names together, and are known
//! again where the run that made them was killed before it had taken its state away.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clean::{remove_contents, remove_files};
use crate::complete::Stamp;
use crate::error::Context as _;
use crate::index::Index;
use crate::lock::Lock;
use crate::log::Log;
use crate::outputs::install;
use crate::{Durability, Error, Fingerprint, Hasher, Kind, Layout, Options, Placed, recover, sys};

/// A longer note of what was made is not ours.
const LONGEST_NOTE: u64 = 64 << 10;
/// What is written goes to the disk in steps of this size, or the sync at the end would wait for all of it.
const STEP: u64 = 16 << 20;
/// Reads in pieces of this size.
const PIECE: usize = 1 << 20;

/// The step from whole tracks to the outputs that are made of them. It holds the lock of the job.
#[derive(Debug)]
pub struct Making {
    layout: Layout,
    force: bool,
    sync: bool,
    /// What each output was like at the start, where an earlier run has made it: it may be replaced.
    replaceable: Vec<Option<Stamp>>,
    lock: Arc<Lock>,
    /// What was begun, by the number of the output: nothing else gets its name.
    files: Mutex<HashMap<usize, File>>,
}

/// What an output holds that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// How many bytes.
    pub len: u64,
    /// Their hash.
    pub hash: Fingerprint,
}

/// An output that grows.
#[derive(Debug)]
pub struct Growth {
    file: File,
    path: PathBuf,
    hasher: Hasher,
    len: u64,
    /// Up to here the system has been asked to write out.
    sent: u64,
}

impl Growth {
    /// Appends; best in pieces of some size, as each one is written at once.
    ///
    /// # Errors
    /// Disk full and other I/O errors.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.file.metadata().at("can't read", &self.path)?.len() < self.len {
            return Err(Error::new(Kind::Io, "another program has cut", &self.path));
        }
        sys::write_all_at(&self.file, data, self.len).at("can't write", &self.path)?;
        self.hasher.update(data);
        self.len += data.len() as u64;
        if self.len >= self.sent + STEP {
            sys::send_out(&self.file, self.sent, self.len - self.sent);
            self.sent = self.len;
        }
        Ok(())
    }

    /// What it holds.
    #[must_use]
    pub fn end(self) -> Made {
        Made { len: self.len, hash: self.hasher.finish() }
    }
}

impl Making {
    pub(crate) fn new(
        layout: &Layout,
        options: &Options,
        replaceable: Vec<Option<Stamp>>,
        lock: Arc<Lock>,
    ) -> Self {
        let sync = options.durability == Durability::Safe;
        let (layout, files) = (layout.clone(), Mutex::default());
        Self { layout, force: options.force, sync, replaceable, lock, files }
    }

    /// Where the tracks lie, once [`ResumeStore::finish`](crate::ResumeStore::finish) has found them whole.
    #[must_use]
    pub fn tracks(&self) -> &[PathBuf] {
        self.layout.outputs()
    }

    /// The units in each track, in order.
    ///
    /// # Errors
    /// I/O errors.
    pub fn units(&self) -> Result<Vec<Vec<Placed>>, Error> {
        Ok(recover::claims(&Log::read(&self.layout.log())?.records, self.layout.outputs().len()))
    }

    /// Begins an output.
    ///
    /// # Errors
    /// I/O errors.
    pub fn begin(&self, output: usize) -> Result<Growth, Error> {
        let path = self.layout.made_part(output);
        let mut options = sys::open_options(false);
        let file = options.read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.at("can't open", &path)?;
        if !file.metadata().at("can't read", &path)?.is_file() {
            return Err(Error::new(Kind::Io, "not a regular file:", &path));
        }
        let kept = file.try_clone().at("can't open", &path)?;
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(output, kept);
        Ok(Growth { file, path, hasher: Hasher::default(), len: 0, sent: 0 })
    }

    /// Takes what has grown of all outputs away: the tracks stay.
    pub fn discard(&self) {
        remove_files((0..self.layout.made().len()).map(|n| self.layout.made_part(n)));
    }

    /// Gives the outputs their names, the main one last, and takes tracks and state away; where `keeps`, those stay for a run
    /// that makes them better.
    ///
    /// # Errors
    /// I/O errors, and [`Kind::Appeared`] where a file of that name has appeared meanwhile.
    pub fn finish(self, made: &[Made], keeps: bool) -> Result<Vec<PathBuf>, Error> {
        let parts = (0..self.layout.made().len()).map(|n| self.layout.made_part(n)).collect::<Vec<_>>();
        if made.len() != parts.len() {
            return Err(Error::new(Kind::Contract, "not every output was made of", self.layout.folder()));
        }
        let files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        for (n, (part, made)) in parts.iter().zip(made).enumerate() {
            let never = || Error::new(Kind::Contract, "nothing was made in", part);
            let file = files.get(&n).ok_or_else(never)?;
            sys::is_as_written(file, made.len, part)?;
            if self.sync {
                file.sync_data().at("can't sync", part)?;
            }
        }
        self.note(made)?;
        for (n, output) in self.layout.made().iter().enumerate().rev() {
            let Some(part) = parts.get(n) else { continue };
            let known = self.replaceable.get(n).copied().flatten();
            let replaces = self.force || known.is_some() && known == Stamp::of(output);
            install((part, files.get(&n)), output, replaces)?;
        }
        if self.sync {
            let parent = Layout::parent(self.layout.folder());
            sys::sync_folder(parent).at("can't sync", parent)?;
        }
        if !keeps {
            take_away(&self.layout, &self.lock);
        }
        Ok(self.layout.made().to_vec())
    }

    /// Notes what the outputs are before they have their names.
    fn note(&self, made: &[Made]) -> Result<(), Error> {
        let (path, fresh) = (self.layout.made_note(), self.layout.folder().join("tmp-made"));
        let lines = made.iter().map(|made| format!("{} {}\n", made.len, made.hash));
        remove_files([fresh.clone()]);
        let mut options = sys::open_options(true);
        let file = options.write(true).create_new(true).open(&fresh).at("can't create", &fresh)?;
        sys::write_all_at(&file, lines.collect::<String>().as_bytes(), 0).at("can't write", &fresh)?;
        if self.sync {
            file.sync_data().at("can't sync", &fresh)?;
        }
        std::fs::rename(&fresh, &path).at("can't rename", &fresh)
    }
}

/// Removes tracks and state.
pub(crate) fn take_away(layout: &Layout, lock: &Lock) {
    Index::open_later(layout.index()).0.discard();
    remove_contents(layout.folder(), true);
    let _ = lock.remove();
    // Something that is not ours may lie in there: the folder then stays.
    let _ = std::fs::remove_dir(layout.folder());
}

/// For each output that is made of others, what it is like where an earlier run of this job has made it: every byte is hashed
/// again.
pub(crate) fn made_earlier(layout: &Layout) -> Vec<Option<Stamp>> {
    let mut noted = Vec::new();
    if let Ok(file) = sys::open_options(true).read(true).open(layout.made_note()) {
        let mut text = String::new();
        if file.take(LONGEST_NOTE).read_to_string(&mut text).is_ok() {
            noted = text.lines().map(str::to_owned).collect();
        }
    }
    let outputs = layout.made().iter().enumerate();
    outputs
        .map(|(n, output)| {
            let (stamp, noted) = (Stamp::of(output)?, noted.get(n)?);
            let is_it = made_of(output).is_some_and(|made| format!("{} {}", made.len, made.hash) == *noted);
            (is_it && Stamp::of(output) == Some(stamp)).then_some(stamp)
        })
        .collect()
}

fn made_of(path: &Path) -> Option<Made> {
    let mut file = sys::open_options(false).read(true).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let (mut hasher, mut buffer, mut len) = (Hasher::default(), vec![0; PIECE], 0);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(Made { len, hash: hasher.finish() }),
            read => {
                hasher.update(buffer.get(..read)?);
                len += read as u64;
            }
        }
    }
}

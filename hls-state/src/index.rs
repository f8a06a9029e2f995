//! The index: what can be computed again, kept at hand. Whatever happens to it, the job goes on.

#[cfg(feature = "sled")]
use std::collections::BTreeMap;
use std::path::PathBuf;
#[cfg(feature = "sled")]
use std::time::{Duration, Instant};

use crate::Placed;
use crate::clean::remove_folder;

#[cfg(feature = "sled")]
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// Notes about the job in a database that may vanish.
///
/// The database panics or refuses to open on damage that a crash can leave. So it is opened only where an earlier run
/// closed it cleanly and its files are the same since; else it is renamed away unopened and made anew.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    #[cfg(feature = "sled")]
    tallies: BTreeMap<u8, Tally>,
    #[cfg(feature = "sled")]
    owner: Option<owner::Owner>,
    #[cfg(feature = "sled")]
    noted: Option<Instant>,
    #[cfg(feature = "sled")]
    failed: bool,
}

/// Whether a thread is one of the index. The database panics where the disk fails it; the job goes on without it, so a
/// program's panic hook need not speak of that.
#[must_use]
pub fn is_index_thread(name: &str) -> bool {
    name == "hls-index" || name == "log flusher" || name.starts_with("sled-io-")
}

/// How far an output is. The log has every unit; a database entry for each would cost ten times what it says.
#[cfg(feature = "sled")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    units: u64,
    bytes: u64,
}

#[cfg(not(feature = "sled"))]
#[allow(clippy::needless_pass_by_ref_mut, reason = "the signatures are those of the index with the feature")]
impl Index {
    pub(crate) fn open_later(path: PathBuf) -> (Self, Option<String>) {
        (Self { path }, None)
    }

    pub(crate) fn note(&mut self, _: &Placed) {}

    pub(crate) fn keep(&mut self) {}

    pub(crate) fn close(&mut self) {}

    /// A store with the feature may have made one.
    pub(crate) fn discard(&mut self) {
        remove_folder(&self.path);
        remove_folder(&self.path.with_extension("bad"));
    }
}

#[cfg(feature = "sled")]
impl Index {
    /// Prepares the index without opening anything: a short job never needs it.
    pub(crate) fn open_later(path: PathBuf) -> (Self, Option<String>) {
        let mut warning = None;
        // One that was moved away by a run that was killed before it had removed it.
        let aside = path.with_extension("bad");
        remove_folder(&aside);
        if path.exists() && !owner::was_closed_cleanly(&path) {
            let moved = std::fs::rename(&path, &aside).is_ok();
            remove_folder(&aside);
            warning = (!moved).then(|| "the index of the earlier run could not be moved away".to_owned());
        }
        let failed = warning.is_some();
        (Self { path, tallies: BTreeMap::new(), owner: None, noted: None, failed }, warning)
    }

    /// Notes a unit that is in its output.
    pub(crate) fn note(&mut self, placed: &Placed) {
        let tally = Tally { units: placed.index + 1, bytes: placed.offset + placed.len };
        self.tallies.insert(placed.output, tally);
    }

    /// Has what was noted written from time to time; the first call opens the database.
    pub(crate) fn keep(&mut self) {
        if self.failed || self.noted.is_some_and(|at| at.elapsed() < NOTE_EVERY) {
            return;
        }
        self.noted = Some(Instant::now());
        if self.owner.is_none() {
            self.owner = owner::Owner::start(self.path.clone());
        }
        match &self.owner {
            Some(owner) => owner.note(self.tallies.clone()),
            None => self.failed = true,
        }
    }

    /// Closes the database so that the next run may open it.
    pub(crate) fn close(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.note(self.tallies.clone());
            owner.close(&self.path);
        }
    }

    /// Removes it.
    pub(crate) fn discard(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.stop();
        }
        for path in [&self.path, &self.path.with_extension("bad")] {
            if path.exists() {
                remove_folder(path);
            }
        }
    }
}

#[cfg(feature = "sled")]
mod owner {
    //! One thread owns the database: it deadlocks under concurrent flushes.

    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::thread::JoinHandle;

    use super::Tally;
    use crate::Fingerprint;

    type Notes = BTreeMap<u8, Tally>;

    /// The database's own default would be a gibibyte.
    const CACHE: u64 = 1 << 20;
    const DIGEST: &str = "closed";

    #[derive(Debug)]
    pub(super) struct Owner {
        notes: SyncSender<Notes>,
        thread: JoinHandle<bool>,
    }

    impl Owner {
        pub(super) fn start(path: PathBuf) -> Option<Self> {
            let (notes, inbox) = sync_channel(4);
            let work = move || std::panic::catch_unwind(|| run(&path, &inbox)).unwrap_or(false);
            let thread = std::thread::Builder::new().name("hls-index".into()).spawn(work).ok()?;
            Some(Self { notes, thread })
        }

        /// Never waits: a note that does not fit is a note that is computed again.
        pub(super) fn note(&self, notes: Notes) {
            let _ = self.notes.try_send(notes);
        }

        /// Ends the thread; says whether all went well.
        pub(super) fn stop(self) -> bool {
            drop(self.notes);
            self.thread.join().unwrap_or(false)
        }

        pub(super) fn close(self, path: &Path) {
            if self.stop()
                && let Some(digest) = digest(path)
            {
                let _ = std::fs::write(path.join(DIGEST), digest.to_string());
            }
        }
    }

    fn run(path: &Path, inbox: &Receiver<Notes>) -> bool {
        // From here on the files change: the mark of the last clean close is void.
        let _ = std::fs::remove_file(path.join(DIGEST));
        let config = sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(Some(2000));
        let Ok(db) = config.open() else { return false };
        let Ok(outputs) = db.open_tree("outputs") else { return false };
        for notes in inbox {
            let mut batch = sled::Batch::default();
            for (output, tally) in notes {
                let mut value = [0; 16];
                value[..8].copy_from_slice(&tally.units.to_be_bytes());
                value[8..].copy_from_slice(&tally.bytes.to_be_bytes());
                batch.insert(&[output][..], &value[..]);
            }
            if outputs.apply_batch(batch).is_err() {
                return false;
            }
        }
        db.flush().is_ok()
    }

    pub(super) fn was_closed_cleanly(path: &Path) -> bool {
        let said = std::fs::read_to_string(path.join(DIGEST)).ok();
        said.is_some() && said == digest(path).map(|d| d.to_string())
    }

    /// A hash over names and contents of all files.
    fn digest(path: &Path) -> Option<Fingerprint> {
        let mut files = Vec::new();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).ok()? {
                let entry = entry.ok()?.path();
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.file_name()? != DIGEST {
                    files.push(entry);
                }
            }
        }
        files.sort();
        let mut hasher = crate::Hasher::default();
        for file in files {
            hasher.update(file.as_os_str().as_encoded_bytes());
            hasher.update(&Fingerprint::of(&std::fs::read(&file).ok()?).0.to_le_bytes());
        }
        Some(hasher.finish())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn opened_only_after_a_clean_close() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("index");
            let notes: Notes = [(0, Tally { units: 1, bytes: 2 })].into();
            let owner = Owner::start(path.clone()).unwrap();
            owner.note(notes);
            owner.close(&path);
            assert!(was_closed_cleanly(&path));
            let owner = Owner::start(path.clone()).unwrap();
            assert!(owner.stop());
            assert!(!was_closed_cleanly(&path), "opened again and not closed");
            Owner::start(path.clone()).unwrap().close(&path);
            std::fs::write(path.join("conf"), "damage").unwrap();
            assert!(!was_closed_cleanly(&path));
        }

        #[test]
        fn one_that_can_not_be_made_is_done_without() {
            let folder = tempfile::tempdir().unwrap();
            // Nothing can be created below a file.
            let file = folder.path().join("file");
            std::fs::write(&file, "mine").unwrap();
            let path = file.join("index");
            let owner = Owner::start(path.clone()).unwrap();
            (0..9).for_each(|n| owner.note([(0, Tally { units: n, bytes: n })].into()));
            assert!(!owner.stop(), "it has failed");
            let (mut index, warning) = super::super::Index::open_later(path);
            assert_eq!(warning, None);
            index.keep();
            index.close();
            index.discard();
            assert_eq!(std::fs::read(&file).unwrap(), b"mine");
        }
    }
}

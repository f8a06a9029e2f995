//! The index: what can be computed again, kept at hand. Whatever happens to it, the job goes on.

use std::path::PathBuf;

use crate::Placed;

/// Notes about the job in a database that may vanish.
///
/// The database panics or refuses to open on damage that a crash can leave. So it is opened only where an earlier run
/// closed it cleanly and its files are the same since; else it is renamed away unopened and made anew.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    #[cfg(feature = "sled")]
    owner: Option<owner::Owner>,
    #[cfg(feature = "sled")]
    early: Vec<Placed>,
    #[cfg(feature = "sled")]
    failed: bool,
}

#[cfg(not(feature = "sled"))]
#[allow(clippy::needless_pass_by_ref_mut, reason = "the signatures are those of the index with the feature")]
impl Index {
    pub(crate) fn open_later(path: PathBuf) -> (Self, Option<String>) {
        (Self { path }, None)
    }

    pub(crate) fn note(&mut self, _: &Placed) {}

    pub(crate) fn open_now(&mut self) {}

    pub(crate) fn close(&mut self) {}

    /// A store with the feature may have made one.
    pub(crate) fn discard(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(feature = "sled")]
impl Index {
    /// Prepares the index without opening anything: a short job never needs it.
    pub(crate) fn open_later(path: PathBuf) -> (Self, Option<String>) {
        let mut warning = None;
        if path.exists() && !owner::was_closed_cleanly(&path) {
            let aside = path.with_extension("bad");
            let _ = std::fs::remove_dir_all(&aside);
            let moved = std::fs::rename(&path, &aside).is_ok();
            let _ = std::fs::remove_dir_all(&aside);
            warning = (!moved).then(|| "the index of the earlier run could not be moved away".to_owned());
        }
        let failed = warning.is_some();
        (Self { path, owner: None, early: Vec::new(), failed }, warning)
    }

    /// Notes a unit that is in its output.
    pub(crate) fn note(&mut self, placed: &Placed) {
        match &self.owner {
            Some(owner) => owner.note(*placed),
            // Short jobs end before these are ever needed, and long ones open the index soon.
            None if !self.failed && self.early.len() < 1 << 16 => self.early.push(*placed),
            None => {}
        }
    }

    /// Opens the database, once.
    pub(crate) fn open_now(&mut self) {
        if self.owner.is_some() || self.failed {
            return;
        }
        match owner::Owner::start(self.path.clone()) {
            Some(owner) => {
                self.early.drain(..).for_each(|p| owner.note(p));
                self.owner = Some(owner);
            }
            None => self.failed = true,
        }
        self.early = Vec::new();
    }

    /// Closes the database so that the next run may open it.
    pub(crate) fn close(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.close(&self.path);
        }
    }

    /// Removes it.
    pub(crate) fn discard(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.stop();
        }
        if self.path.exists() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(feature = "sled")]
mod owner {
    //! One thread owns the database: it deadlocks under concurrent flushes.

    use std::path::{Path, PathBuf};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::thread::JoinHandle;
    use std::time::{Duration, Instant};

    use crate::{Fingerprint, Placed};

    /// Notes written in one batch, at most; each batch costs the database pages many times its size.
    const BATCH: usize = 4096;
    const BATCH_EVERY: Duration = Duration::from_secs(5);
    /// The database's own default would be a gibibyte.
    const CACHE: u64 = 1 << 20;
    const DIGEST: &str = "closed";

    #[derive(Debug)]
    pub(super) struct Owner {
        notes: SyncSender<Placed>,
        thread: JoinHandle<bool>,
    }

    impl Owner {
        pub(super) fn start(path: PathBuf) -> Option<Self> {
            let (notes, inbox) = sync_channel(4096);
            let work = move || std::panic::catch_unwind(|| run(&path, &inbox)).unwrap_or(false);
            let thread = std::thread::Builder::new().name("hls-index".into()).spawn(work).ok()?;
            Some(Self { notes, thread })
        }

        /// Never waits: a note that does not fit is a note that is computed again.
        pub(super) fn note(&self, placed: Placed) {
            let _ = self.notes.try_send(placed);
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

    fn run(path: &Path, inbox: &Receiver<Placed>) -> bool {
        // From here on the files change: the mark of the last clean close is void.
        let _ = std::fs::remove_file(path.join(DIGEST));
        let config = sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(Some(2000));
        let Ok(db) = config.open() else { return false };
        let Ok(units) = db.open_tree("units") else { return false };
        while let Ok(first) = inbox.recv() {
            let mut batch = sled::Batch::default();
            let (until, mut next, mut notes) = (Instant::now() + BATCH_EVERY, Some(first), 0);
            while let Some(placed) = next.take() {
                batch.insert(key(&placed).as_slice(), value(&placed).as_slice());
                notes += 1;
                if notes < BATCH {
                    next = inbox.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
                }
            }
            if units.apply_batch(batch).is_err() {
                return false;
            }
        }
        db.flush().is_ok()
    }

    /// Output, then place, big-endian so that ranges are in order.
    fn key(placed: &Placed) -> [u8; 9] {
        let mut key = [0; 9];
        key[0] = placed.output;
        key[1..].copy_from_slice(&placed.index.to_be_bytes());
        key
    }

    fn value(placed: &Placed) -> [u8; 48] {
        let mut value = [0; 48];
        value[..16].copy_from_slice(&placed.identity.to_be_bytes());
        value[16..24].copy_from_slice(&placed.offset.to_be_bytes());
        value[24..32].copy_from_slice(&placed.len.to_be_bytes());
        value[32..].copy_from_slice(&placed.hash.0.to_be_bytes());
        value
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
            let hash = Fingerprint(1);
            let placed = Placed { output: 0, index: 1, identity: 2, offset: 3, len: 4, hash };
            let owner = Owner::start(path.clone()).unwrap();
            owner.note(placed);
            owner.close(&path);
            assert!(was_closed_cleanly(&path));
            let owner = Owner::start(path.clone()).unwrap();
            assert!(owner.stop());
            assert!(!was_closed_cleanly(&path), "opened again and not closed");
            Owner::start(path.clone()).unwrap().close(&path);
            std::fs::write(path.join("conf"), "damage").unwrap();
            assert!(!was_closed_cleanly(&path));
        }
    }
}

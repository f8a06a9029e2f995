//! Taking away what a job has left.

use std::path::{Path, PathBuf};

use crate::error::Context as _;
use crate::lock::Lock;
use crate::{Error, Layout, sys};

/// Removes what an earlier run left: the log first, so that a crash in between leaves nothing that lies.
pub(crate) fn discard(layout: &Layout) -> Result<(), Error> {
    let log = layout.log();
    match std::fs::remove_file(&log) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::from_io("can't remove", &log, e));
        }
        _ => {}
    }
    sys::sync_folder(layout.folder()).at("can't sync", layout.folder())?;
    remove_contents(layout.folder(), false);
    for n in 0..layout.outputs().len() {
        remove_files([layout.part(n)]);
    }
    Ok(())
}

/// Removes the files in a job's folder that this crate makes, the log last; never the lock.
pub(crate) fn remove_contents(folder: &Path, with_log: bool) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let ours =
        |name: &str| name.ends_with(".seg") || name.starts_with("tmp-") || name.starts_with("written.");
    let paths = entries.filter_map(Result::ok).map(|e| e.path());
    remove_files(paths.filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(ours)));
    if with_log {
        remove_files([folder.join("written")]);
    }
}

/// Removes files that no longer matter; one that stays is found and removed at the next start.
pub(crate) fn remove_files(paths: impl IntoIterator<Item = PathBuf>) {
    for path in paths {
        let _ = std::fs::remove_file(path);
    }
}

/// Removes a folder that holds nothing but a lock that nobody has.
pub(crate) fn take_away_leftovers(layout: &Layout) {
    let Ok(entries) = std::fs::read_dir(layout.folder()) else { return };
    let lock = layout.lock();
    if entries.filter_map(Result::ok).any(|entry| entry.path() != lock) {
        return;
    }
    if let Ok(lock) = Lock::take(&lock) {
        let _ = lock.remove();
        let _ = std::fs::remove_dir(layout.folder());
    }
}

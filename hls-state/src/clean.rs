//! Taking away what a job has left.

use std::path::{Path, PathBuf};

use crate::error::Context as _;
use crate::index::Index;
use crate::layout::is_track;
use crate::lock::Lock;
use crate::log::Log;
use crate::memo::{Memo, is_plain_name};
use crate::sealed::is_sealed;
use crate::{Error, Kind, Layout, sys};

/// Removes what an earlier run left: the log first, so that a crash in between leaves nothing that lies.
pub(crate) fn discard(layout: &Layout) -> Result<(), Error> {
    let log = layout.log();
    match std::fs::remove_file(&log) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::from_io("can't remove", &log, e));
        }
        _ => {}
    }
    remove_files([layout.gapped_log()]);
    sys::sync_folder(layout.folder()).at("can't sync", layout.folder())?;
    remove_contents(layout.folder(), false);
    remove_files([layout.made_note()]);
    remove_files((0..layout.outputs().len()).map(|n| layout.part(n)));
    remove_files((0..layout.made().len()).map(|n| layout.made_part(n)));
    Ok(())
}

/// What [`remove`] took away.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Removed {
    /// The unfinished outputs and the folder of the job.
    pub paths: Vec<PathBuf>,
    /// What was not ours, or could not be removed.
    pub left: Vec<PathBuf>,
}

/// Forgets the unfinished job of an output: removes its state, and what it has of its outputs.
///
/// # Errors
/// [`Kind::InUse`] and [`Kind::Newer`], with nothing changed, and I/O errors.
pub fn remove(output: &Path) -> Result<Removed, Error> {
    let bad = || Error::new(Kind::Contract, "not the name of a file:", output);
    let layout = Layout::new(vec![output.to_owned()]).ok_or_else(bad)?;
    if !std::fs::symlink_metadata(layout.folder()).at("can't look at", layout.folder())?.is_dir() {
        return Err(Error::new(Kind::Io, "not a folder:", layout.folder()));
    }
    Log::read(&layout.log())?;
    let memo = Memo::read(&layout)?;
    let lock = Lock::take(&layout.lock())?;
    let layout = with_side_outputs(layout, memo);
    let mut found: Vec<_> = (0..layout.outputs().len()).map(|n| layout.part(n)).collect();
    found.retain(|path| std::fs::symlink_metadata(path).is_ok());
    found.push(layout.folder().to_owned());
    discard(&layout)?;
    Index::open_later(layout.index()).0.discard();
    let _ = lock.remove();
    // Something that is not ours may lie in there: the folder then stays.
    let _ = std::fs::remove_dir(layout.folder());
    let (left, paths) = found.into_iter().partition(|path| std::fs::symlink_metadata(path).is_ok());
    Ok(Removed { paths, left })
}

/// The layout with the side outputs that the job's memo names, but for those that are jobs of their own.
fn with_side_outputs(layout: Layout, memo: Option<Memo>) -> Layout {
    let mut outputs = layout.outputs().to_vec();
    let names = memo.into_iter().flat_map(|memo| memo.outputs).skip(1).map(|output| output.name);
    for name in names.filter(|name| is_plain_name(name)) {
        let side = Layout::parent(layout.folder()).join(name);
        let own = Layout::new(vec![side.clone()]).is_some_and(|own| own.folder().exists());
        if !own {
            outputs.push(side);
        }
    }
    Layout::new(outputs).unwrap_or(layout)
}

/// Removes the files in a job's folder that this crate makes, the log last; never the lock.
pub(crate) fn remove_contents(folder: &Path, with_log: bool) {
    // A descriptor that was lacking is free a moment later: whoever had it has ended.
    let listed = std::fs::read_dir(folder).or_else(|_| std::fs::read_dir(folder));
    let entries = listed.into_iter().flatten();
    let ours = |name: &str| {
        name.ends_with(".seg")
            || name.starts_with("tmp-")
            || name.starts_with("written.")
            || is_track(name)
            || is_sealed(name)
            || matches!(name, "job" | "job.new")
    };
    let paths = entries.filter_map(Result::ok).map(|e| e.path());
    remove_files(paths.filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(ours)));
    if with_log {
        // Last what says of outputs that they are ours.
        remove_files(["gapped", "written", "made"].map(|name| folder.join(name)));
    }
}

/// Removes files that no longer matter; one that stays is found and removed at the next start.
pub(crate) fn remove_files(paths: impl IntoIterator<Item = PathBuf>) {
    for path in paths {
        let _ = std::fs::remove_file(path);
    }
}

/// Removes a folder and all that is in it; what stays is found at the next start.
pub(crate) fn remove_folder(path: &Path) {
    // As with a list of files: a descriptor that was lacking is free a moment later.
    let _ = std::fs::remove_dir_all(path).or_else(|_| std::fs::remove_dir_all(path));
}

/// Removes a folder that holds nothing but a lock that nobody has, and what was noted last.
pub(crate) fn take_away_leftovers(layout: &Layout) {
    let Ok(entries) = std::fs::read_dir(layout.folder()) else { return };
    let (lock, note) = (layout.lock(), layout.made_note());
    if entries.filter_map(Result::ok).map(|entry| entry.path()).any(|path| path != lock && path != note) {
        return;
    }
    if let Ok(lock) = Lock::take(&lock) {
        remove_files([note]);
        let _ = lock.remove();
        let _ = std::fs::remove_dir(layout.folder());
    }
}

//! One process for one job.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Context as _;
use crate::{Error, Kind, sys};

/// A lock is waited for so long. The system releases that of a process that was killed a moment after it is gone, and a child
/// that is just being started holds the files of its parent until its own program is loaded.
const PATIENCE: Duration = Duration::from_millis(500);
/// A process that is being killed runs for a moment longer.
const SHORT_PATIENCE: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The lock of a job; the system releases it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
    /// Whether the system keeps others away; else what is in the file has to do.
    pub(crate) is_kept: bool,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        patiently(|_| PATIENCE, || Self::try_take(path))
    }

    fn try_take(path: &Path) -> Result<Self, Error> {
        // A holder that finished may have removed the file between our opening and locking it.
        for _ in 0..8 {
            let mut options = sys::open_options(true);
            let mut file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .at("can't open", path)?;
            let is_kept = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => return Err(in_use(&mut file, path)),
                // Some network file systems know no locks: process and machine in the file are all there is.
                Err(TryLockError::Error(_)) => {
                    without_locks(&mut file, path)?;
                    false
                }
            };
            if sys::is_same_regular(&file, path).unwrap_or(false) {
                let holder = format!("{}\n{}\n", std::process::id(), sys::host());
                file.set_len(0).at("can't write", path)?;
                sys::write_all_at(&file, holder.as_bytes(), 0).at("can't write", path)?;
                file.flush().at("can't write", path)?;
                return Ok(Self { path: path.to_owned(), _file: file, is_kept });
            }
        }
        Err(Error::new(Kind::Io, "the lock keeps being replaced:", path))
    }

    /// Says who has the lock and does not give it up in a moment. Of another process that runs nobody waits long to hear.
    pub(crate) fn is_free(path: &Path) -> Result<(), Error> {
        let patience = |pid: Option<u32>| if pid.is_some_and(is_running) { SHORT_PATIENCE } else { PATIENCE };
        patiently(patience, || Self::probe(path))
    }

    /// Says who has the lock, without taking it for longer than it takes to look.
    pub(crate) fn probe(path: &Path) -> Result<(), Error> {
        let Ok(mut file) = sys::open_options(true).read(true).open(path) else { return Ok(()) };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Err(in_use(&mut file, path)),
            _ => Ok(()),
        }
    }

    /// Removes the file; the lock itself holds until it is dropped.
    pub(crate) fn remove(&self) -> std::io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// Tries again while somebody has the lock, for as long as `patience` says of its holder.
fn patiently<T>(
    patience: impl Fn(Option<u32>) -> Duration,
    attempt: impl Fn() -> Result<T, Error>,
) -> Result<T, Error> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(error) if matches!(error.kind(), Kind::InUse { pid } if begun.elapsed() < patience(pid)) => {
                std::thread::sleep(LOOK_EVERY);
            }
            result => return result,
        }
    }
}

fn in_use(file: &mut File, path: &Path) -> Error {
    Error::new(Kind::InUse { pid: holder(file).map(|(pid, _)| pid) }, "another process holds", path)
}

/// Goes by what the last holder wrote down: where that is another machine, nobody here can tell whether it still runs.
fn without_locks(file: &mut File, path: &Path) -> Result<(), Error> {
    let Some((pid, host)) = holder(file) else { return Ok(()) };
    let held = |what| Err(Error::new(Kind::InUse { pid: Some(pid) }, what, path));
    match host == sys::host() {
        true if is_running(pid) => held("another process holds"),
        true => Ok(()),
        false => held("another machine holds, unless it has gone and left behind,"),
    }
}

/// The process that wrote the file, and its machine.
fn holder(file: &mut File) -> Option<(u32, String)> {
    let mut text = String::new();
    file.take(300).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    Some((lines.next()?.trim().parse().ok()?, lines.next().unwrap_or_default().to_owned()))
}

fn is_running(pid: u32) -> bool {
    pid != std::process::id() && Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_up_in_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        for (held, is_taken) in [(Duration::from_millis(100), true), (PATIENCE * 10, false)] {
            let holder = Lock::take(&path).unwrap();
            let (done, waits) = std::sync::mpsc::channel::<()>();
            let holding = std::thread::spawn(move || {
                let _ = waits.recv_timeout(held);
                drop(holder);
            });
            assert_eq!(Lock::is_free(&path).is_ok(), is_taken, "held for {held:?}");
            assert_eq!(Lock::take(&path).is_ok(), is_taken, "held for {held:?}");
            drop(done);
            holding.join().unwrap();
        }
    }
}

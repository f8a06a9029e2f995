//! One process for one job.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Context as _;
use crate::{Error, Kind, sys};

/// The lock of a job; the system releases it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
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
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(in_use(&mut file, path)),
                // Some network file systems know no locks: the process id in the file is all there is.
                Err(TryLockError::Error(_)) => {
                    if let Some(pid) = holder(&mut file).filter(|pid| is_running(*pid)) {
                        return Err(Error::new(
                            Kind::InUse { pid: Some(pid) },
                            "another process holds",
                            path,
                        ));
                    }
                }
            }
            if sys::is_same_regular(&file, path).unwrap_or(false) {
                let pid = format!("{}\n", std::process::id());
                file.set_len(0).at("can't write", path)?;
                sys::write_all_at(&file, pid.as_bytes(), 0).at("can't write", path)?;
                file.flush().at("can't write", path)?;
                return Ok(Self { path: path.to_owned(), _file: file });
            }
        }
        Err(Error::new(Kind::Io, "the lock keeps being replaced:", path))
    }

    /// Says who has the lock, without taking it for longer than it takes to look.
    pub(crate) fn probe(path: &Path) -> Result<(), Error> {
        let Ok(mut file) = sys::open_options(true).read(true).open(path) else { return Ok(()) };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Err(in_use(&mut file, path)),
            _ => Ok(()),
        }
    }

    pub(crate) fn remove(self) -> std::io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

fn in_use(file: &mut File, path: &Path) -> Error {
    Error::new(Kind::InUse { pid: holder(file) }, "another process holds", path)
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_running(pid: u32) -> bool {
    pid != std::process::id() && Path::new("/proc").join(pid.to_string()).exists()
}

//! What can go wrong on disk.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Disk full, quota used up, or file too large for the file system.
    Full,
    /// Another process holds this job.
    InUse {
        /// Its process id, where it could be read.
        pid: Option<u32>,
    },
    /// The output is there already.
    Exists,
    /// A file that belongs to no job has the name under which an output grows. The option to begin anew takes it.
    Taken,
    /// A file has appeared under the name of an output whose bytes are complete; they stay in the file with `.part`.
    Appeared,
    /// The state was written by a newer version.
    Newer {
        /// The format it has.
        format: u32,
    },
    /// No more files may be open, in this process or on this machine. Nothing has been done, and the same call can be made
    /// again when others have been closed.
    Descriptors,
    /// Anything else on this machine: permissions, missing folders, input and output errors.
    Io,
    /// The caller broke the contract of the store, for example by finishing twice.
    Contract,
}

/// An error with the path it happened at.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}", path.display())]
pub struct Error {
    kind: Kind,
    what: &'static str,
    path: PathBuf,
    source: Option<io::Error>,
    complete: Option<PathBuf>,
}

impl Error {
    pub(crate) fn new(kind: Kind, what: &'static str, path: &Path) -> Self {
        Self { kind, what, path: path.to_owned(), source: None, complete: None }
    }

    /// An I/O error while doing `what` at `path`; for other implementations of [`ResumeStore`](crate::ResumeStore).
    #[must_use]
    pub fn from_io(what: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind as E;
        let kind = match source.kind() {
            E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Kind::Full,
            _ if is_out_of_descriptors(&source) => Kind::Descriptors,
            _ => Kind::Io,
        };
        Self { kind, what, path: path.to_owned(), source: Some(source), complete: None }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The file or folder it happened at.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with `.part` that has all bytes of an output and lacks only its name.
    #[must_use]
    pub fn complete(&self) -> Option<&Path> {
        self.complete.as_deref()
    }

    pub(crate) fn unnamed(self, part: PathBuf) -> Self {
        Self { complete: Some(part), ..self }
    }

    /// A stable symbol for scripts, for example `disk.full`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Full => "disk.full",
            Kind::InUse { .. } => "job.in_use",
            Kind::Exists | Kind::Appeared => "output.exists",
            Kind::Taken => "output.part_taken",
            Kind::Newer { .. } => "state.newer",
            Kind::Descriptors => "descriptors",
            Kind::Io => "disk.io",
            Kind::Contract => "state.contract",
        }
    }
}

/// EMFILE and ENFILE have the same numbers on every Unix.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let numbers: &[i32] = if cfg!(windows) { &[4] } else { &[23, 24] };
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

/// Adds what was being done, and where, to an I/O error.
pub(crate) trait Context<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::from_io(what, path, source))
    }
}

//! A file beside an output, which appears when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use crate::error::Context as _;
use crate::{Error, Kind, Layout, sys};

/// A file that is being written, to be named after an output: `movie.ts.json` for `movie.ts`.
#[derive(Debug)]
pub struct Beside {
    file: BufWriter<File>,
    /// Where it grows: in the folder of the job, while there is one.
    growing: PathBuf,
    path: PathBuf,
}

impl Beside {
    /// The name of an output's companion.
    #[must_use]
    pub fn path(output: &Path, suffix: &str) -> PathBuf {
        let mut name = output.as_os_str().to_owned();
        name.push(".");
        name.push(suffix);
        name.into()
    }

    /// Whether there is a file that begins so: one that an earlier run made may be replaced, another may not.
    #[must_use]
    pub fn begins_with(path: &Path, text: &str) -> bool {
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(text.len() as u64).read_to_end(&mut head));
        read.is_ok() && head == text.as_bytes()
    }

    /// Begins the file for an output.
    ///
    /// # Errors
    /// I/O errors, and [`Kind::Contract`] where the output has no name.
    pub fn create(output: &Path, suffix: &str) -> Result<Self, Error> {
        let bad = || Error::new(Kind::Contract, "not the name of a file:", output);
        let layout = Layout::new(vec![output.to_owned()]).ok_or_else(bad)?;
        let path = Self::path(output, suffix);
        let growing = match layout.folder().is_dir() {
            true => layout.folder().join(format!("tmp-{suffix}")),
            false => Self::path(&path, "part"),
        };
        let _ = std::fs::remove_file(&growing);
        let mut options = sys::open_options(false);
        let file = options.write(true).create_new(true).open(&growing).at("can't create", &growing)?;
        Ok(Self { file: BufWriter::new(file), growing, path })
    }

    /// Gives it its name; `replace`: over whatever has that name, `sync`: so that it survives a loss of power as soon as
    /// the folder is synced.
    ///
    /// # Errors
    /// Disk full and other I/O errors, and [`Kind::Exists`] where there is a file that may not be replaced.
    pub fn commit(mut self, replace: bool, sync: bool) -> Result<PathBuf, Error> {
        let done = self.finish(replace, sync);
        if done.is_err() {
            let _ = std::fs::remove_file(&self.growing);
        }
        done.map(|()| self.path)
    }

    fn finish(&mut self, replace: bool, sync: bool) -> Result<(), Error> {
        self.file.flush().at("can't write", &self.growing)?;
        if sync {
            self.file.get_ref().sync_data().at("can't sync", &self.growing)?;
        }
        if replace {
            return std::fs::rename(&self.growing, &self.path).at("can't rename", &self.growing);
        }
        sys::rename_new(&self.growing, &self.path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::new(Kind::Exists, "a file has appeared meanwhile:", &self.path)
            }
            _ => Error::from_io("can't rename", &self.growing, e),
        })
    }

    /// What an I/O error while writing to it is.
    #[must_use]
    pub fn failed(&self, source: io::Error) -> Error {
        Error::from_io("can't write", &self.growing, source)
    }

    /// Forgets the file.
    pub fn discard(self) {
        let _ = std::fs::remove_file(&self.growing);
    }
}

impl Write for Beside {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appears_when_it_is_whole_and_replaces_only_what_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a.ts");
        for (text, replace, is_done) in [("one", false, true), ("two", false, false), ("three", true, true)] {
            let mut file = Beside::create(&output, "json").unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let path = Beside::path(&output, "json");
            assert_ne!(std::fs::read_to_string(&path).ok().as_deref(), Some(text));
            match file.commit(replace, true) {
                Ok(done) => {
                    assert!(is_done && done == path && std::fs::read(path).unwrap() == text.as_bytes())
                }
                Err(error) => assert!(!is_done && error.kind() == Kind::Exists, "{error}"),
            }
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}

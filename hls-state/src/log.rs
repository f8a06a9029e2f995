//! The log `written`: what has been placed where, append only.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::error::Context as _;
use crate::record::{HEADER_LEN, Header, Record, header, parse_header};
use crate::{Error, Kind, sys};

/// A log being written.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    nonce: u64,
    file: File,
    /// Where the next record goes: over what an append that failed may have left.
    end: u64,
}

/// What a log says, up to its first record that is not whole.
#[derive(Debug, Default)]
pub(crate) struct LogContents {
    pub(crate) records: Vec<Record>,
    /// A log was there and could not be used at all.
    pub(crate) unusable: bool,
}

impl Log {
    /// Reads the log at `path`, if there is one.
    pub(crate) fn read(path: &Path) -> Result<LogContents, Error> {
        let mut bytes = Vec::new();
        match sys::open_options(true).read(true).open(path) {
            Ok(file) => file.take(1 << 30).read_to_end(&mut bytes).at("can't read", path)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(LogContents::default()),
            Err(e) => return Err(Error::from_io("can't open", path, e)),
        };
        let nonce = match parse_header(&bytes) {
            Header::Good { nonce } => nonce,
            Header::Newer { format } => {
                return Err(Error::new(Kind::Newer { format }, "written by a newer version:", path));
            }
            Header::Bad => return Ok(LogContents { records: Vec::new(), unusable: true }),
        };
        let mut records = Vec::new();
        let mut rest = bytes.get(HEADER_LEN..).unwrap_or_default();
        while let Some((record, used)) = Record::decode(rest, nonce) {
            records.push(record);
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(LogContents { records, unusable: false })
    }

    /// Starts a new log with these records in place of whatever was there.
    pub(crate) fn create(path: &Path, records: &[Record]) -> Result<Self, Error> {
        let nonce = RandomState::new().hash_one(std::process::id());
        let mut bytes = header(nonce);
        records.iter().for_each(|r| r.encode(nonce, &mut bytes));
        let fresh = path.with_extension("new");
        let mut options = sys::open_options(true);
        let file = options.write(true).create(true).truncate(true).open(&fresh).at("can't create", &fresh)?;
        sys::write_all_at(&file, &bytes, 0).at("can't write", &fresh)?;
        std::fs::rename(&fresh, path).at("can't rename", &fresh)?;
        Ok(Self { path: path.to_owned(), nonce, file, end: bytes.len() as u64 })
    }

    /// Appends records in one write.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(records.len() * 80);
        records.iter().for_each(|r| r.encode(self.nonce, &mut bytes));
        sys::write_all_at(&self.file, &bytes, self.end).at("can't write", &self.path)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Takes back what was appended from `end` on.
    pub(crate) fn cut(&mut self, end: u64) -> Result<(), Error> {
        self.file.set_len(end).at("can't cut", &self.path)?;
        self.end = end;
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().at("can't sync", &self.path)
    }
}

//! Units that wait for their turn on disk: the name of the file is the record of what is in it.

use std::fs::File;
use std::io::{IoSlice, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Context as _;
use crate::recover::Aside;
use crate::sys::Folder;
use crate::{Error, Fingerprint, Hasher, Kind, Placed, Unit, sys};

/// Reads in pieces of this size.
pub(crate) const PIECE: usize = 1 << 20;

/// A unit on its way to a file; it has a temporary name until it is whole.
#[derive(Debug)]
pub(crate) struct Growing {
    file: File,
    path: PathBuf,
    len: u64,
}

/// A whole unit in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) unit: Unit,
    pub(crate) len: u64,
    pub(crate) hash: Fingerprint,
    pub(crate) path: PathBuf,
    /// Where it begins in that file.
    pub(crate) from: u64,
    /// The file holds nothing else, and goes when the unit is in its output.
    pub(crate) is_own: bool,
}

/// Why a unit is not kept.
pub(crate) enum NotKept {
    /// Its bytes, or its name, may not have reached the disk, and it is gone.
    Unsynced(Error),
    Other(Error),
}

impl From<Error> for NotKept {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Growing {
    pub(crate) fn create(folder: &Path, unit: &Unit) -> Result<Self, Error> {
        // One process holds the job, so the unit alone makes the name unique; what an earlier run left is removed.
        let path = Self::path(folder, unit);
        let _ = std::fs::remove_file(&path);
        let mut options = sys::open_options(true);
        let file = options.read(true).write(true).create_new(true).open(&path).at("can't create", &path)?;
        Ok(Self { file, path, len: 0 })
    }

    /// Where a unit grows.
    pub(crate) fn path(folder: &Path, unit: &Unit) -> PathBuf {
        folder.join(format!("tmp-{}-{}", unit.output, unit.index))
    }

    /// Goes on with the first `len` bytes that an earlier run left; `None` where there are not as many.
    pub(crate) fn reopen(folder: &Path, unit: &Unit, len: u64) -> Option<Self> {
        let path = Self::path(folder, unit);
        let file = sys::open_options(true).read(true).write(true).open(&path).ok()?;
        let found = file.metadata().ok()?;
        (found.is_file() && found.len() >= len).then_some(())?;
        file.set_len(len).ok()?;
        Some(Self { file, path, len })
    }

    pub(crate) fn append(&mut self, data: &[IoSlice<'_>]) -> Result<(), Error> {
        sys::write_all_vectored_at(&self.file, data, self.len).at("can't write", &self.path)?;
        self.len += data.iter().map(|d| d.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Gives the whole unit its name; with its folder, so that it survives a loss of power. A sync that failed leaves nothing
    /// of it: the system tells of that once, and drops the bytes.
    pub(crate) fn commit(
        self,
        unit: Unit,
        hash: Fingerprint,
        sync: Option<&Folder>,
    ) -> Result<Waiting, NotKept> {
        if sync.is_some()
            && let Err(error) = self.file.sync_data().at("can't sync", &self.path)
        {
            self.discard();
            return Err(NotKept::Unsynced(error));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let path = folder.join(name(&unit, self.len, hash));
        std::fs::rename(&self.path, &path).at("can't rename", &self.path)?;
        if let Some(Err(error)) = sync.map(|folder| folder.sync().at("can't sync", &path)) {
            let _ = std::fs::remove_file(&path);
            return Err(NotKept::Unsynced(error));
        }
        Ok(Waiting { unit, len: self.len, hash, path, from: 0, is_own: true })
    }

    pub(crate) fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Waiting {
    pub(crate) fn found(&self) -> Aside {
        let path = self.path.clone();
        Aside { unit: self.unit, len: self.len, hash: self.hash, path, offset: self.from }
    }

    /// Whether it is what a record claims to be in an output.
    pub(crate) fn holds(&self, claim: &Placed) -> bool {
        (self.unit.identity, self.len, self.hash) == (claim.identity, claim.len, claim.hash)
    }

    /// The units in a job's folder. What has only a temporary name is removed, unless it is among those that go on.
    pub(crate) fn list(folder: &Path, growing: &[PathBuf]) -> Result<Vec<Self>, Error> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).at("can't read", folder)? {
            let path = entry.at("can't read", folder)?.path();
            let Some(file_name) = path.file_name().and_then(|n| n.to_str()) else { continue };
            if growing.contains(&path) {
                continue;
            }
            if file_name.starts_with("tmp-") {
                let _ = std::fs::remove_file(&path);
            } else if let Some((unit, len, hash)) = parse_name(file_name) {
                found.push(Self { unit, len, hash, path, from: 0, is_own: true });
            }
        }
        found.sort_by_key(|w| (w.unit.output, w.unit.index));
        Ok(found)
    }

    /// Copies the unit into an output. `false`: the file is not what its name says.
    pub(crate) fn copy_into(&self, output: &File, output_path: &Path, offset: u64) -> Result<bool, Error> {
        let mut file =
            match sys::open_options(self.is_own).read(true).open(&self.path).at("can't open", &self.path) {
                Err(error) if error.kind() == Kind::Descriptors => return Err(error),
                Err(_) => return Ok(false),
                Ok(file) => file,
            };
        if file.seek(SeekFrom::Start(self.from)).is_err() {
            return Ok(false);
        }
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; PIECE.min(self.len.max(1) as usize)];
        let mut at = offset;
        loop {
            let left = if self.is_own { PIECE as u64 } else { self.len - (at - offset) };
            let most = buffer.len().min(usize::try_from(left).unwrap_or(PIECE));
            let got = match file.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => break,
                Ok(got) => buffer.get(..got).unwrap_or_default(),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Ok(false),
            };
            hasher.update(got);
            if at - offset + got.len() as u64 > self.len {
                return Ok(false);
            }
            sys::write_all_at(output, got, at).at("can't write", output_path)?;
            at += got.len() as u64;
        }
        Ok(at - offset == self.len && hasher.finish() == self.hash)
    }
}

fn name(unit: &Unit, len: u64, hash: Fingerprint) -> String {
    format!("{}-{}-{:032x}-{len}-{hash}.seg", unit.output, unit.index, unit.identity)
}

pub(crate) fn parse_name(name: &str) -> Option<(Unit, u64, Fingerprint)> {
    let mut parts = name.strip_suffix(".seg")?.split('-');
    let unit = Unit {
        output: parts.next()?.parse().ok()?,
        index: parts.next()?.parse().ok()?,
        identity: u128::from_str_radix(parts.next()?, 16).ok()?,
    };
    let len = parts.next()?.parse().ok()?;
    let hash = Fingerprint(u128::from_str_radix(parts.next()?, 16).ok()?);
    parts.next().is_none().then_some((unit, len, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn what_can_not_be_synced_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let unit = Unit { output: 0, index: 1, identity: 2 };
        let opened = sys::open_folder(folder.path()).unwrap();
        for (syncs, keeps) in [(Some(&opened), false), (None, true)] {
            let mut growing = Growing::create(folder.path(), &unit).unwrap();
            growing.append(&[IoSlice::new(b"x")]).unwrap();
            // A device that knows no sync.
            growing.file = File::open("/dev/null").unwrap();
            let kept = growing.commit(unit, Fingerprint::of(b"x"), syncs);
            assert!(matches!(kept, Ok(_) | Err(NotKept::Unsynced(_))));
            assert_eq!(kept.is_ok(), keeps);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), usize::from(keeps));
        }
    }

    #[test]
    fn names_are_records() {
        let unit = Unit { output: 1, index: 104_711, identity: 0xabc };
        let hash = Fingerprint::of(b"x");
        assert_eq!(parse_name(&name(&unit, 12, hash)), Some((unit, 12, hash)));
        for bad in ["tmp-0-1", "0-1-2.seg", "0-1-a-2-b-c.seg", "x-1-a-2-b.seg", ".seg", "0-1-a-2-b"] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }
}

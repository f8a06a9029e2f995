//! Units that are encrypted and whose key is not to be had yet, as they came: the name of the file is the record of what is in it.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::clean::remove_files;
use crate::error::Context as _;
use crate::{Error, Fingerprint, Hasher, Kind, sys};

/// What is noted of one is no longer than this, in bytes.
const LONGEST_NOTE: usize = 16 << 10;

/// The ciphertext of a unit in the folder of its job, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The unit, as [`Unit::identity`](crate::Unit::identity).
    pub identity: u128,
    /// What was noted of it, and is not read here.
    pub note: Vec<u8>,
    /// How many bytes of ciphertext there are.
    pub len: u64,
    /// Of note and ciphertext.
    hash: Fingerprint,
    path: PathBuf,
}

/// The ciphertext of a unit that grows. Dropped, it is gone.
#[derive(Debug)]
pub struct Sealing {
    file: File,
    identity: u128,
    note: Vec<u8>,
    len: u64,
    hasher: Hasher,
    path: PathBuf,
    is_whole: bool,
}

impl Sealing {
    /// Begins one in the folder of a job; `note` is at most 16 KiB.
    ///
    /// # Errors
    /// I/O errors.
    pub fn create(folder: &Path, identity: u128, note: Vec<u8>) -> Result<Self, Error> {
        let path = folder.join(format!("tmp-sealed-{identity:032x}"));
        if note.len() > LONGEST_NOTE {
            return Err(Error::new(Kind::Contract, "a note is too long for", &path));
        }
        remove_files([path.clone()]);
        let mut options = sys::open_options(true);
        let file = options.write(true).create_new(true).open(&path).at("can't create", &path)?;
        let mut this = Self {
            file,
            identity,
            note: Vec::new(),
            len: 0,
            hasher: Hasher::default(),
            path,
            is_whole: false,
        };
        let length = u32::try_from(note.len()).unwrap_or(u32::MAX);
        this.append(&length.to_le_bytes())?;
        this.append(&note)?;
        (this.note, this.len) = (note, 0);
        Ok(this)
    }

    /// Appends ciphertext.
    ///
    /// # Errors
    /// Disk full and other I/O errors.
    pub fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        self.file.write_all(data).at("can't write", &self.path)?;
        self.hasher.update(data);
        self.len += data.len() as u64;
        Ok(())
    }

    /// It is whole, and found again by another run.
    ///
    /// # Errors
    /// I/O errors.
    pub fn commit(mut self) -> Result<Sealed, Error> {
        let hash = self.hasher.finish();
        let path = self.path.with_file_name(format!("{PREFIX}{:032x}-{}-{hash}", self.identity, self.len));
        std::fs::rename(&self.path, &path).at("can't rename", &self.path)?;
        self.is_whole = true;
        Ok(Sealed {
            identity: self.identity,
            note: std::mem::take(&mut self.note),
            len: self.len,
            hash,
            path,
        })
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        if !self.is_whole {
            remove_files([self.path.clone()]);
        }
    }
}

impl Sealed {
    /// Those in the folder of a job.
    #[must_use]
    pub fn find(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| Self::of(entry.path())).collect()
    }

    fn of(path: PathBuf) -> Option<Self> {
        let mut fields = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.split('-');
        let identity = u128::from_str_radix(fields.next()?, 16).ok()?;
        let len = fields.next()?.parse().ok()?;
        let hash = Fingerprint(u128::from_str_radix(fields.next()?, 16).ok()?);
        let mut file = sys::open_options(true).read(true).open(&path).ok()?;
        let note = read_note(&mut file)?;
        let fits = file.metadata().is_ok_and(|m| m.is_file() && m.len() == 4 + note.len() as u64 + len);
        fits.then_some(Self { identity, note, len, hash, path })
    }

    /// Begins to read the ciphertext.
    ///
    /// # Errors
    /// I/O errors.
    pub fn open(&self) -> Result<SealedReader, Error> {
        let mut file = sys::open_options(true).read(true).open(&self.path).at("can't open", &self.path)?;
        let mut hasher = Hasher::default();
        hasher.update(&u32::try_from(self.note.len()).unwrap_or(u32::MAX).to_le_bytes());
        hasher.update(&self.note);
        file.seek(SeekFrom::Start(4 + self.note.len() as u64)).at("can't read", &self.path)?;
        Ok(SealedReader { file, hasher, left: self.len, hash: self.hash, path: self.path.clone() })
    }

    /// It is of no more use.
    pub fn remove(self) {
        remove_files([self.path]);
    }
}

/// Reads ciphertext, and holds it to what was written.
#[derive(Debug)]
pub struct SealedReader {
    file: File,
    hasher: Hasher,
    left: u64,
    hash: Fingerprint,
    path: PathBuf,
}

impl SealedReader {
    /// The next bytes, at most `most` of them; none at the end.
    ///
    /// # Errors
    /// I/O errors; with the last bytes, [`Kind::Io`] where they are not those that were written.
    pub fn next(&mut self, most: usize) -> Result<Vec<u8>, Error> {
        let mut piece = vec![0; most.min(usize::try_from(self.left).unwrap_or(most))];
        self.file.read_exact(&mut piece).at("can't read", &self.path)?;
        self.hasher.update(&piece);
        self.left -= piece.len() as u64;
        if self.left == 0 && self.hasher.finish() != self.hash {
            return Err(Error::new(Kind::Io, "what was kept has changed:", &self.path));
        }
        Ok(piece)
    }
}

fn read_note(file: &mut File) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    file.read_exact(&mut length).ok()?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok().filter(|length| *length <= LONGEST_NOTE)?;
    let mut note = vec![0; length];
    file.read_exact(&mut note).ok()?;
    Some(note)
}

const PREFIX: &str = "sealed-";

/// Whether a file in the folder of a job is one of these.
pub(crate) fn is_sealed(name: &str) -> bool {
    name.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sealed: &Sealed, most: usize) -> Result<Vec<u8>, Error> {
        let (mut reader, mut all) = (sealed.open()?, Vec::new());
        loop {
            match reader.next(most)? {
                piece if piece.is_empty() => return Ok(all),
                piece => all.extend(piece),
            }
        }
    }

    #[test]
    fn what_was_sealed_is_found_and_held_to_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let seal = |identity, note: &[u8], data: &[u8]| {
            let mut sealing = Sealing::create(folder.path(), identity, note.to_vec()).unwrap();
            data.chunks(7).for_each(|piece| sealing.append(piece).unwrap());
            sealing
        };
        let data: Vec<u8> = (0..200).collect();
        let one = seal(1, b"a key", &data).commit().unwrap();
        let two = seal(2, b"", b"").commit().unwrap();
        drop(seal(3, b"", &data));
        let mut found = Sealed::find(folder.path());
        found.sort_by_key(|sealed| sealed.identity);
        assert_eq!(found, [one.clone(), two.clone()]);
        assert_eq!((read(&one, 33).unwrap(), read(&two, 9).unwrap()), (data, Vec::new()));
        for at in [0, 5, 100] {
            let mut bytes = std::fs::read(&one.path).unwrap();
            bytes[at] ^= 1;
            std::fs::write(&one.path, &bytes).unwrap();
            let found = Sealed::find(folder.path()).into_iter().find(|sealed| sealed.identity == 1);
            assert!(found.is_none_or(|found| read(&found, 33).is_err()), "{at}");
            bytes[at] ^= 1;
            std::fs::write(&one.path, &bytes).unwrap();
        }
        one.remove();
        two.remove();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(Sealing::create(folder.path(), 1, vec![0; 20_000]).unwrap_err().kind(), Kind::Contract);
    }
}

//! What an earlier run left, checked byte for byte.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Context as _;
use crate::log::Log;
use crate::record::Record;
use crate::segment::{PIECE, Waiting};
use crate::{Error, Fingerprint, Hasher, Layout, Mark, Placed, Unit, sys};

/// What is there already.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// For each output the units at its start, in order: claims, until [`checked`](crate::ResumeStore::checked) has said which of
    /// them are damaged.
    pub outputs: Vec<Vec<Placed>>,
    /// Whole units that wait for their turn. That they are what they were is seen when they are placed.
    pub aside: Vec<Aside>,
    /// Units of which the first bytes are there.
    pub partials: Vec<Partial>,
    /// What is set aside is in outputs that have their names and lack units: they are replaced at the end.
    pub replaces: bool,
    /// All outputs were whole already and have their final names now.
    pub complete: bool,
    /// And so is what is [made](crate::Making) of them.
    pub made: bool,
    /// What earlier runs have noted, in order.
    pub notes: Vec<Arc<[u8]>>,
    /// What earlier runs have [remarked](crate::ResumeStore::remark) of units that are here.
    pub remarks: Vec<(Unit, Arc<[u8]>)>,
    /// What was damaged and will be had again, in words for a person.
    pub warnings: Vec<String>,
    /// Where each output grows.
    pub(crate) parts: Vec<PathBuf>,
}

/// A whole unit that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aside {
    /// The unit.
    pub unit: Unit,
    /// How many bytes it has.
    pub len: u64,
    /// Their hash.
    pub hash: Fingerprint,
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
}

/// The first bytes of a unit that an earlier run did not complete. Whoever goes on with it does so by
/// [`ResumeStore`](crate::ResumeStore) where `mark.len` ends; else it is cut off or dropped there as a failed unit is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Partial {
    /// The unit.
    pub unit: Unit,
    /// Whether it is set aside; else it is behind the last unit of its output.
    pub aside: bool,
    /// How far it came: a claim until [`replay`](Self::replay) has confirmed it.
    pub mark: Mark,
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
}

impl Partial {
    /// Reads the bytes again, in order; returns whether they are what the mark says.
    pub fn replay(&self, mut each: impl FnMut(&[u8])) -> bool {
        let Ok(mut file) = sys::open_options(!self.aside).read(true).open(&self.path) else { return false };
        let mut hasher = Hasher::default();
        file.seek(SeekFrom::Start(self.offset)).is_ok()
            && read(&mut file, self.mark.len, |piece| {
                hasher.update(piece);
                each(piece);
            })
            .is_ok_and(|whole| whole)
            && hasher.finish() == self.mark.hash
    }
}

impl Recovered {
    /// Bytes that need not be fetched again.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let placed = self.outputs.iter().flatten().map(|p| p.len).sum::<u64>();
        placed + self.aside.iter().map(|a| a.len).sum::<u64>()
    }

    /// Reads a unit that is whole, in its output or aside, and has no more than `at_most` bytes. `None`: there is no such unit,
    /// or it is not what it was.
    #[must_use]
    pub fn read(&self, output: u8, index: u64, at_most: u64) -> Option<Vec<u8>> {
        let n = usize::from(output);
        let placed = self.outputs.get(n)?.get(usize::try_from(index).ok()?);
        let placed = placed.and_then(|p| Some((self.parts.get(n)?, p.offset, p.len, p.hash)));
        let aside = self.aside.iter().find(|a| (a.unit.output, a.unit.index) == (output, index));
        let aside = aside.map(|a| (&a.path, a.offset, a.len, a.hash));
        let (path, offset, len, hash) = placed.or(aside).filter(|(.., len, _)| *len <= at_most)?;
        let mut file = sys::open_options(false).read(true).open(path).ok()?;
        file.seek(SeekFrom::Start(offset)).ok()?;
        let mut bytes = Vec::new();
        let is_whole = read(&mut file, len, |piece| bytes.extend_from_slice(piece)).is_ok_and(|whole| whole);
        (is_whole && Fingerprint::of(&bytes) == hash).then_some(bytes)
    }
}

/// What the runs so far of a job have noted, without taking hold of it; see [`ResumeStore::annotate`](crate::ResumeStore::annotate).
#[must_use]
pub fn notes_of(output: &Path) -> Vec<Arc<[u8]>> {
    let Some(layout) = Layout::new(vec![output.to_owned()]) else { return Vec::new() };
    Log::read(&layout.log()).map(|log| notes(&log.records).collect()).unwrap_or_default()
}

/// What the log says in words of the engine.
pub(crate) fn notes(records: &[Record]) -> impl Iterator<Item = Arc<[u8]>> {
    records.iter().filter_map(|record| match record {
        Record::Note(note) => Some(Arc::clone(note)),
        _ => None,
    })
}

/// What the log says of units in words of the engine: the last of each.
pub(crate) fn remarks(records: &[Record]) -> Vec<(Unit, Arc<[u8]>)> {
    let mut all = BTreeMap::new();
    for record in records {
        if let Record::Remark { unit, text } = record {
            all.insert((unit.output, unit.index), (*unit, Arc::clone(text)));
        }
    }
    all.into_values().collect()
}

/// The units at the start of each output, as the log claims them: each place once, one behind the other.
pub(crate) fn claims(records: &[Record], outputs: usize) -> Vec<Vec<Placed>> {
    let mut all = vec![Vec::<Placed>::new(); outputs];
    for record in records {
        let Record::Placed(placed) = record else { continue };
        let Some(output) = all.get_mut(usize::from(placed.output)) else { continue };
        let Ok(index) = usize::try_from(placed.index) else { continue };
        // One that was damaged and has been written again, where it was.
        if let Some(known) =
            output.get_mut(index).filter(|k| (k.offset, k.len) == (placed.offset, placed.len))
        {
            *known = *placed;
            continue;
        }
        // A place that is written again otherwise replaces what stood there and behind it.
        output.truncate(index);
        // In front of the first one may be what is no unit.
        let end = output.last().map_or(placed.offset, |last| last.offset + last.len);
        if output.len() == index && placed.offset == end && end.checked_add(placed.len).is_some() {
            output.push(*placed);
        }
    }
    all
}

/// Hashes a file from where it stands against its claims, and says whether all of them hold.
pub(crate) fn verify(file: &mut File, path: &Path, claims: &[Placed]) -> Result<bool, Error> {
    for claim in claims {
        let mut hasher = Hasher::default();
        let whole = read(file, claim.len, |piece| hasher.update(piece)).at("can't read", path)?;
        if !whole || claim.len > 0 && hasher.finish() != claim.hash {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads so many bytes from where a file stands. `false`: it ends before.
fn read(file: &mut File, mut left: u64, mut each: impl FnMut(&[u8])) -> std::io::Result<bool> {
    let mut buffer = vec![0; left.min(PIECE as u64) as usize];
    while left > 0 {
        let piece = buffer.get_mut(..left.min(PIECE as u64) as usize).unwrap_or_default();
        let got = match file.read(piece) {
            Ok(0) => return Ok(false),
            Ok(got) => got,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        each(piece.get(..got).unwrap_or_default());
        left -= got as u64;
    }
    Ok(true)
}

/// The last mark of each unit that is not in its output yet.
pub(crate) fn marks(records: &[Record], outputs: &[Vec<Placed>]) -> Vec<(Unit, bool, Mark)> {
    let mut last = BTreeMap::new();
    for record in records {
        let Record::Partial { unit, aside, mark } = record else { continue };
        let written = outputs.get(usize::from(unit.output)).map(|placed| placed.len() as u64);
        let open =
            written.is_some_and(|written| if *aside { unit.index >= written } else { unit.index == written });
        if open && mark.len > 0 {
            last.insert((unit.output, unit.index), (*unit, *aside, mark.clone()));
        }
    }
    last.into_values().collect()
}

/// Units that are in files of their own, or in outputs that have their names.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Those that belong to a place not yet written.
    pub(crate) waiting: Vec<Waiting>,
    /// Those that are claimed to be in their output: they go when that has been found true.
    pub(crate) spare: Vec<Waiting>,
}

impl Found {
    /// Takes a unit for what it is good for; `false` where that is nothing.
    pub(crate) fn take(&mut self, found: Waiting, outputs: &[Vec<Placed>]) -> bool {
        let claims = outputs.get(usize::from(found.unit.output)).map(Vec::as_slice).unwrap_or_default();
        let claim = usize::try_from(found.unit.index).ok().and_then(|index| claims.get(index));
        let is_same = |unit: &Waiting| unit.unit == found.unit;
        match claim {
            None if !self.waiting.iter().any(is_same) => self.waiting.push(found),
            Some(claim) if found.holds(claim) && !self.spare.iter().any(is_same) => self.spare.push(found),
            _ => return false,
        }
        true
    }

    /// What is in a folder, where it is of any use; the rest is removed.
    pub(crate) fn in_folder(
        folder: &Path,
        outputs: &[Vec<Placed>],
        growing: &[PathBuf],
    ) -> Result<Self, Error> {
        let mut all = Self::default();
        for found in Waiting::list(folder, growing)? {
            let path = found.path.clone();
            let on_disk = std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() == found.len);
            if !on_disk || !all.take(found, outputs) {
                let _ = std::fs::remove_file(&path);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fingerprint;

    fn placed(output: u8, index: u64, offset: u64, len: u64) -> Record {
        Record::Placed(Placed { output, index, identity: 0, offset, len, hash: Fingerprint(0) })
    }

    #[test]
    fn claims_form_a_prefix() {
        for (records, expect) in [
            (vec![], vec![0, 0]),
            (vec![placed(0, 0, 0, 5), Record::Synced, placed(0, 1, 5, 5), placed(1, 0, 0, 9)], vec![2, 1]),
            // A hole ends the prefix.
            (vec![placed(0, 0, 0, 5), placed(0, 2, 9, 5)], vec![1, 0]),
            (vec![placed(0, 0, 0, 5), placed(0, 1, 6, 5)], vec![1, 0]),
            // Written again, where it was, and of another length: what stood behind it is void.
            (vec![placed(0, 0, 0, 5), placed(0, 1, 5, 5), placed(0, 0, 0, 5)], vec![2, 0]),
            (vec![placed(0, 0, 0, 5), placed(0, 1, 5, 5), placed(0, 0, 0, 7)], vec![1, 0]),
            (vec![placed(9, 0, 0, 5)], vec![0, 0]),
            // Something is in front.
            (vec![placed(0, 0, 64, 5), placed(0, 1, 69, 5), placed(0, 2, 5, 5)], vec![2, 0]),
            (vec![placed(0, 0, 0, u64::MAX), placed(0, 1, u64::MAX, 1)], vec![1, 0]),
        ] {
            let got: Vec<usize> = claims(&records, 2).iter().map(Vec::len).collect();
            assert_eq!(got, expect, "{records:?}");
        }
    }
}

//! What an earlier run left, checked byte for byte.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::Context as _;
use crate::record::Record;
use crate::segment::{PIECE, Waiting};
use crate::{Error, Hasher, Placed, Unit};

/// What is there already and right.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// For each output the units at its start, in order.
    pub outputs: Vec<Vec<Placed>>,
    /// Whole units that wait for their turn, with their lengths.
    pub aside: Vec<(Unit, u64)>,
    /// All outputs were whole already and have their final names now.
    pub complete: bool,
    /// What was damaged and will be had again, in words for a person.
    pub warnings: Vec<String>,
}

impl Recovered {
    /// Bytes that need not be fetched again.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let placed = self.outputs.iter().flatten().map(|p| p.len).sum::<u64>();
        placed + self.aside.iter().map(|(_, len)| len).sum::<u64>()
    }
}

/// The units at the start of each output, as the log claims them: each place once, one behind the other.
pub(crate) fn claims(records: &[Record], outputs: usize) -> Vec<Vec<Placed>> {
    let mut all = vec![Vec::<Placed>::new(); outputs];
    for record in records {
        let Record::Placed(placed) = record else { continue };
        let Some(output) = all.get_mut(usize::from(placed.output)) else { continue };
        // A place that is written again replaces what stood there and behind it.
        let Ok(index) = usize::try_from(placed.index) else { continue };
        output.truncate(index);
        let end = output.last().map_or(0, |last| last.offset + last.len);
        if output.len() == index && placed.offset == end && end.checked_add(placed.len).is_some() {
            output.push(*placed);
        }
    }
    all
}

/// Hashes a part file against its claims and returns how many of them hold, from the start on.
pub(crate) fn verify(part: &mut File, path: &Path, claims: &[Placed]) -> Result<usize, Error> {
    let mut buffer = vec![0; PIECE];
    for (n, claim) in claims.iter().enumerate() {
        let mut hasher = Hasher::default();
        let mut left = claim.len;
        while left > 0 {
            let piece = buffer.get_mut(..left.min(PIECE as u64) as usize).unwrap_or_default();
            let got = part.read(piece).at("can't read", path)?;
            if got == 0 {
                return Ok(n);
            }
            hasher.update(piece.get(..got).unwrap_or_default());
            left -= got as u64;
        }
        if hasher.finish() != claim.hash {
            return Ok(n);
        }
    }
    Ok(claims.len())
}

/// The units of a folder that still belong to a place not yet written.
pub(crate) fn still_waiting(folder: &Path, outputs: &[Vec<Placed>]) -> Result<Vec<Waiting>, Error> {
    let mut waiting = Waiting::list(folder)?;
    waiting.retain(|w| {
        let written = outputs.get(usize::from(w.unit.output)).map_or(0, Vec::len) as u64;
        let on_disk = std::fs::symlink_metadata(&w.path).is_ok_and(|m| m.is_file() && m.len() == w.len);
        let wanted = w.unit.index >= written && on_disk;
        if !wanted {
            let _ = std::fs::remove_file(&w.path);
        }
        wanted
    });
    Ok(waiting)
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
            // Written again: what stood behind it is void.
            (vec![placed(0, 0, 0, 5), placed(0, 1, 5, 5), placed(0, 0, 0, 7)], vec![1, 0]),
            (vec![placed(9, 0, 0, 5)], vec![0, 0]),
            (vec![placed(0, 0, 0, u64::MAX), placed(0, 1, u64::MAX, 1)], vec![1, 0]),
        ] {
            let got: Vec<usize> = claims(&records, 2).iter().map(Vec::len).collect();
            assert_eq!(got, expect, "{records:?}");
        }
    }
}

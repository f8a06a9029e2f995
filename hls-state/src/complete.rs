//! An earlier run that had all its bytes and ended before its outputs had their names: is it still so?

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use crate::error::Context as _;
use crate::log::Log;
use crate::record::Record;
use crate::segment::Waiting;
use crate::{Error, Layout, Placed, Unit, recover, sys};

/// Where an output of a complete job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// On its way to its final name.
    Part,
    /// Under its final name.
    Output,
    /// Not there, or no longer what the log says.
    Lost,
}

/// Where the outputs of a complete job are, every byte hashed again; `None` where the log does not say that it is complete.
pub(crate) fn standing(layout: &Layout, records: &[Record]) -> Result<Option<Vec<Standing>>, Error> {
    let lengths = records.iter().rev().find_map(|record| match record {
        Record::Complete(lengths) => Some(lengths),
        _ => None,
    });
    let Some(lengths) = lengths else { return Ok(None) };
    let claims = recover::claims(records, layout.outputs().len());
    let mut all = Vec::new();
    for (n, (output, claims)) in layout.outputs().iter().zip(&claims).enumerate() {
        let length = lengths.get(n).copied();
        let standing = if is_whole(&layout.part(n), claims, length)? {
            Standing::Part
        } else if !layout.part(n).exists() && is_whole(output, claims, length)? {
            Standing::Output
        } else {
            Standing::Lost
        };
        all.push(standing);
    }
    Ok(Some(all))
}

fn is_whole(path: &Path, claims: &[Placed], length: Option<u64>) -> Result<bool, Error> {
    let Ok(mut file) = sys::open_options(false).read(true).open(path) else { return Ok(false) };
    let begin = claims.first().map_or(0, |first| first.offset);
    let claimed = claims.last().map_or(0, |last| last.offset + last.len);
    let has_length = |file: &File| file.metadata().map(|meta| meta.is_file() && meta.len() == claimed);
    if length != Some(claimed) || !has_length(&file).at("can't read", path)? {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(begin)).at("can't read", path)?;
    recover::verify(&mut file, path, claims)
}

/// Whether a complete job lacks units.
pub(crate) fn has_gaps(records: &[Record], outputs: usize) -> bool {
    recover::claims(records, outputs).iter().flatten().any(Placed::is_gap)
}

/// What a file was like: as long as it is so, it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::symlink_metadata(path).ok()?;
        Some(Self { len: meta.len(), modified: meta.modified().ok() })
    }
}

/// For each output that has its name and lacks units what it is like: it may be replaced by one that lacks fewer. Every byte
/// is hashed again.
pub(crate) fn replaceable(layout: &Layout) -> Result<Vec<Option<Stamp>>, Error> {
    let records = Log::read(&layout.gapped_log())?.records;
    let claims = recover::claims(&records, layout.outputs().len());
    let mut all = Vec::new();
    for (output, claims) in layout.outputs().iter().zip(&claims) {
        let stamp = Stamp::of(output);
        let length = claims.last().map(|last| last.offset + last.len);
        let is_ours = length.is_some() && is_whole(output, claims, length)?;
        all.push(stamp.filter(|_| is_ours));
    }
    Ok(all)
}

/// The units in outputs that have their names and lack others. `None`: not all of them may be replaced.
pub(crate) fn units_in_outputs(
    layout: &Layout,
    replaceable: &[Option<Stamp>],
) -> Result<Option<Vec<Waiting>>, Error> {
    if !replaceable.iter().all(Option::is_some) {
        return Ok(None);
    }
    let records = Log::read(&layout.gapped_log())?.records;
    let claims = recover::claims(&records, layout.outputs().len());
    let mut units = Vec::new();
    for (output, claims) in layout.outputs().iter().zip(&claims) {
        units.extend(claims.iter().filter(|placed| !placed.is_gap()).map(|placed| Waiting {
            unit: Unit { output: placed.output, index: placed.index, identity: placed.identity },
            len: placed.len,
            hash: placed.hash,
            path: output.clone(),
            from: placed.offset,
            is_own: false,
        }));
    }
    Ok(Some(units))
}

/// Takes the final names of outputs away again: others of the job have to be had anew, and all get their names together.
pub(crate) fn take_names_back(layout: &Layout, standing: &[Standing]) -> Result<(), Error> {
    for (n, (output, standing)) in layout.outputs().iter().zip(standing).enumerate() {
        if *standing == Standing::Output {
            sys::rename_new(output, &layout.part(n)).at("can't rename", output)?;
        }
    }
    Ok(())
}

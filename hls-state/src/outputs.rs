//! The final names of a job's outputs: looked at early, refused where they are taken, given at the end.

use std::path::{Path, PathBuf};

use crate::clean;
use crate::complete::Stamp;
use crate::error::Context as _;
use crate::lock::Lock;
use crate::log::Log;
use crate::record::Record;
use crate::{Durability, Error, Kind, Layout, Options, sys};

/// Gives the outputs their final names; where some have them already, those that are left. A file that has the name is
/// replaced where the user said so, and where it is what may be replaced and still like that.
pub(crate) fn give_names(
    layout: &Layout,
    options: &Options,
    replaceable: &[Option<Stamp>],
    some_done: bool,
) -> Result<(), Error> {
    let outputs = layout.outputs();
    // The main output comes last: where it is, all is.
    for (n, output) in outputs.iter().enumerate().rev() {
        let part = layout.part(n);
        if some_done && !part.exists() && output.exists() {
            continue;
        }
        let known = replaceable.get(n).copied().flatten();
        let named = if options.force || known.is_some() && known == Stamp::of(output) {
            std::fs::rename(&part, output).at("can't rename", &part)
        } else {
            sys::rename_new(&part, output).map_err(|e| match e.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    Error::new(Kind::Appeared, "a file has appeared meanwhile:", output)
                }
                _ => Error::from_io("can't rename", &part, e),
            })
        };
        named.map_err(|error| error.unnamed(part))?;
    }
    if options.durability == Durability::Safe {
        let parent = Layout::parent(layout.folder());
        sys::sync_folder(parent).at("can't sync", parent)?;
    }
    Ok(())
}

pub(crate) fn refuse_existing<'a>(
    outputs: impl IntoIterator<Item = &'a PathBuf>,
    options: &Options,
) -> Result<(), Error> {
    let exists = |output: &&PathBuf| !options.force && std::fs::symlink_metadata(output).is_ok();
    match outputs.into_iter().find(exists) {
        Some(output) => Err(Error::new(Kind::Exists, "the output exists already:", output)),
        None => Ok(()),
    }
}

/// Says early what opening and finishing a job would find out: an output that exists, a folder that can't be written to,
/// another process at work. Nothing is changed, but that what a finished job was killed over is taken away.
///
/// # Errors
/// As [`DiskStore::open`](crate::DiskStore::open).
pub fn probe(output: &Path, force: bool) -> Result<(), Error> {
    let bad = || Error::new(Kind::Contract, "not the name of a file:", output);
    let layout = Layout::new(vec![output.to_owned()]).ok_or_else(bad)?;
    if let Ok(lock) = layout.lock().canonicalize() {
        Lock::probe(&lock)?;
    }
    let finished = || {
        let is_complete = |r: &Record| matches!(r, Record::Complete(_));
        [layout.log(), layout.gapped_log()]
            .iter()
            .any(|log| Log::read(log).is_ok_and(|log| log.records.iter().any(is_complete)))
    };
    if !force && std::fs::symlink_metadata(output).is_ok() && !finished() {
        clean::take_away_leftovers(&layout);
        return Err(Error::new(Kind::Exists, "the output exists already:", output));
    }
    let parent = Layout::parent(output);
    sys::can_write(parent).at("can't write to the folder", parent)
}

//! The final names of a job's outputs: looked at early, refused where they are taken, given at the end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clean;
use crate::complete::Stamp;
use crate::error::Context as _;
use crate::lock::Lock;
use crate::log::Log;
use crate::record::Record;
use crate::{Durability, Error, Kind, Layout, Options, sys};

/// Gives the outputs their final names; where some have them already, those that are left. A file that has the name is
/// replaced where the user said so, and where it is what may be replaced and still like that. `files` are those that this
/// run has written. Where it is empty, an earlier run wrote them, and this one has hashed them again.
pub(crate) fn give_names(
    layout: &Layout,
    options: &Options,
    replaceable: &[Option<Stamp>],
    (files, some_done): (&[Arc<File>], bool),
) -> Result<(), Error> {
    let outputs = layout.outputs();
    // The main output comes last: where it is, all is.
    for (n, output) in outputs.iter().enumerate().rev() {
        let part = layout.part(n);
        if some_done && !part.exists() && output.exists() {
            continue;
        }
        let known = replaceable.get(n).copied().flatten();
        let replaces = options.force || known.is_some() && known == Stamp::of(output);
        install((&part, files.get(n).map(Arc::as_ref)), output, replaces)?;
    }
    if options.durability == Durability::Safe {
        let parent = Layout::parent(layout.folder());
        sys::sync_folder(parent).at("can't sync", parent)?;
    }
    Ok(())
}

/// Gives a file its final name, and nothing but that file: no link, and nothing that has been put in its place.
pub(crate) fn install(
    (part, written): (&Path, Option<&File>),
    output: &Path,
    replaces: bool,
) -> Result<(), Error> {
    let opened = match written {
        Some(_) => None,
        None => Some(sys::open_options(false).read(true).open(part).at("can't open", part)?),
    };
    let swapped = || Error::new(Kind::Io, "another program has put something else in place of", part);
    let Some(file) = written.or(opened.as_ref()) else { return Err(swapped()) };
    if !sys::is_same_regular(file, part).at("can't look at", part)? {
        return Err(swapped());
    }
    let named = match replaces {
        true => std::fs::rename(part, output).at("can't rename", part),
        false => sys::rename_new(part, output).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(Kind::Appeared, "a file has appeared meanwhile:", output)
            }
            _ => Error::from_io("can't rename", part, e),
        }),
    };
    named.map_err(|error| error.unnamed(part.to_owned()))?;
    if sys::is_same_regular(file, output).at("can't look at", output)? {
        return Ok(());
    }
    // It was exchanged between the look and the rename: it goes back to where it was put.
    let _ = sys::rename_new(output, part);
    Err(swapped())
}

/// Refuses a file that has the name of a growing output of a job of which nothing else is there: it is somebody else's.
pub(crate) fn refuse_taken(parts: impl IntoIterator<Item = PathBuf>) -> Result<(), Error> {
    let is_taken = |part: &PathBuf| std::fs::symlink_metadata(part).is_ok_and(|m| m.is_file() && m.len() > 0);
    match parts.into_iter().find(is_taken) {
        Some(part) => Err(Error::new(Kind::Taken, "a file that is of no job is in the way:", &part)),
        None => Ok(()),
    }
}

/// Says early that what a job would write to, while it grows, is somebody else's.
///
/// # Errors
/// [`Kind::Taken`].
pub fn probe_part(output: &Path) -> Result<(), Error> {
    let bad = || Error::new(Kind::Contract, "not the name of a file:", output);
    let layout = Layout::new(vec![output.to_owned()]).ok_or_else(bad)?;
    match std::fs::symlink_metadata(layout.folder()).is_ok() {
        true => Ok(()),
        false => refuse_taken([layout.part(0)]),
    }
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
        Lock::is_free(&lock)?;
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

//! Opening a job: its lock, what an earlier run left, and what of it still holds.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{DiskStore, FIRST_SYNC, Reach};
use crate::check::{Check, Claimed};
use crate::clean::{discard, remove_files};
use crate::complete::{self, Stamp, Standing};
use crate::error::Context as _;
use crate::index::Index;
use crate::lock::Lock;
use crate::log::{Log, LogContents};
use crate::making::made_earlier;
use crate::outputs::{give_names, refuse_existing, refuse_taken};
use crate::part::Part;
use crate::record::Record;
use crate::recover::{Found, notes, remarks};
use crate::segment::Waiting;
use crate::unfinished::{self, NotWhole};
use crate::{Error, Kind, Layout, Options, Placed, Recovered, recover, sys};

impl DiskStore {
    /// Takes the lock of a job and finds out what is there already. The outputs are hashed again from now on, beside whatever
    /// is done next: [`checked`](crate::ResumeStore::checked) has the result.
    ///
    /// # Errors
    /// [`Kind::Exists`], [`Kind::InUse`], [`Kind::Newer`], and I/O errors; nothing is changed by the first three.
    pub fn open(options: Options) -> Result<(Self, Recovered), Error> {
        let bad = || Error::new(Kind::Contract, "not the name of a file:", Path::new(""));
        let outputs = options.outputs.clone();
        let layout = match options.tracks.as_slice() {
            [] => Layout::new(outputs),
            tracks => Layout::of_tracks(outputs, tracks),
        };
        let layout = layout.ok_or_else(bad)?;
        let folder = layout.folder().to_owned();
        let fresh = match sys::create_private_folder(&folder) {
            Ok(()) => true,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(e) => return Err(Error::from_io("can't create", &folder, e)),
        };
        if !fresh && !std::fs::symlink_metadata(&folder).is_ok_and(|m| m.is_dir()) {
            return Err(Error::new(Kind::Io, "not a folder:", &folder));
        }
        let lock = Arc::new(Lock::take(&layout.lock())?);
        let parts = (0..layout.outputs().len()).map(|n| layout.part(n));
        let parts = parts.chain((0..layout.made().len()).map(|n| layout.made_part(n)));
        let taken = if fresh && !options.restart { refuse_taken(parts) } else { Ok(()) };
        let opened = taken.and_then(|()| Self::open_locked(layout, options, lock));
        if fresh && opened.is_err() {
            // Nothing was there before, so nothing is left behind.
            let _ = std::fs::remove_file(folder.join("lock"));
            let _ = std::fs::remove_dir(&folder);
        }
        opened
    }

    fn open_locked(layout: Layout, options: Options, lock: Arc<Lock>) -> Result<(Self, Recovered), Error> {
        let log_path = layout.log();
        let mut warnings = Vec::new();
        if !lock.is_kept {
            warnings.push(
                "this file system knows no locks: nothing else may download to the same file".to_owned(),
            );
        }
        let mut contents = Log::read(&log_path)?;
        let mut made = made_earlier(&layout);
        if contents.records.is_empty() && !layout.gapped_log().exists() {
            // Only the note was left to be cleaned away: it is an output like any other.
            made.fill(None);
        }
        refuse_foreign(&layout, &made, &options)?;
        if options.restart {
            refuse_existing(layout.results().chain(layout.made()), &options)?;
            made.fill(None);
            discard(&layout)?;
            contents = LogContents::default();
        }
        if contents.unusable {
            let aside = log_path.with_extension("bad");
            std::fs::rename(&log_path, &aside).at("can't rename", &log_path)?;
            warnings.push("the log of the earlier run was damaged; it is started anew".to_owned());
        }
        let mut replaceable = complete::replaceable(&layout)?;
        let has_gaps = complete::has_gaps(&contents.records, layout.outputs().len());
        let fills_gaps = has_gaps && !options.final_gaps;
        if let Some(standing) = complete::standing(&layout, &contents.records)? {
            let stands =
                |(n, standing): (usize, &Standing)| *standing == Standing::Output || layout.is_track(n);
            if !fills_gaps && is_all_made(&made) && standing.iter().enumerate().all(stands) {
                // Only the cleaning is left, and tracks may be gone.
                let bare = Self::bare(layout, options, lock, (replaceable, made));
                return bare.complete_earlier(&contents.records);
            }
            if standing.contains(&Standing::Lost) {
                let outputs = layout.outputs().iter().enumerate().zip(&standing).zip(&replaceable);
                let lost =
                    outputs.filter(|((_, standing), stamp)| **standing == Standing::Lost && stamp.is_none());
                let (tracks, results): (Vec<_>, Vec<_>) =
                    lost.map(|((output, _), _)| output).partition(|(n, _)| layout.is_track(*n));
                refuse_existing(results.into_iter().map(|(_, output)| output), &options)?;
                remove_files(tracks.into_iter().map(|(_, track)| track.clone()));
                complete::take_names_back(&layout, &standing)?;
            } else if fills_gaps {
                give_names(&layout, &options, &replaceable, (&[], true))?;
                std::fs::rename(&log_path, layout.gapped_log()).at("can't rename", &log_path)?;
                contents = LogContents::default();
                replaceable = complete::replaceable(&layout)?;
            } else {
                let bare = Self::bare(layout, options, lock, (replaceable, made));
                return bare.complete_earlier(&contents.records);
            }
        }
        let in_outputs = complete::units_in_outputs(&layout, &replaceable)?;
        let replaces = in_outputs.is_some();
        if !replaces {
            make_way(&layout, &options)?;
            remove_files([layout.gapped_log()]);
        }
        let mut claims = recover::claims(&contents.records, layout.outputs().len());
        for claims in claims.iter_mut().filter(|_| !options.keep_gaps) {
            let whole = claims.iter().position(Placed::is_gap);
            claims.truncate(whole.unwrap_or(claims.len()));
        }
        let units = |claims: &[Vec<Placed>]| claims.iter().flatten().filter(|c| !c.is_gap()).count();
        let claimed = units(&claims);
        let mut parts = Vec::new();
        for (n, claims) in claims.iter_mut().enumerate() {
            sys::leave_to_others(&layout.part(n), contents.records.is_empty());
            parts.push(Part::open(layout.part(n), claims)?);
        }
        let lost = claimed - units(&claims);
        if lost > 0 {
            warnings
                .push(format!("{lost} units of the earlier run are damaged on disk; they are fetched again"));
        }
        let NotWhole { found: Found { waiting, spare }, growing, partials } =
            unfinished::not_whole(&layout, &contents.records, &claims, in_outputs, &mut parts)?;
        let check = Self::check(&parts, &claims).at("can't start to check", layout.folder())?;
        let notes: Vec<_> = notes(&contents.records).collect();
        let noted = notes.iter().cloned().map(Record::Note);
        let placed = claims.iter().flatten().map(|p| Record::Placed(*p));
        let marks =
            partials.iter().map(|p| Record::Partial { unit: p.unit, aside: p.aside, mark: p.mark.clone() });
        let here = claims.iter().flatten().map(|p| (p.output, p.index));
        let here: HashSet<_> = here.chain(waiting.iter().map(|w| (w.unit.output, w.unit.index))).collect();
        let mut remarks = remarks(&contents.records);
        remarks.retain(|(unit, _)| here.contains(&(unit.output, unit.index)));
        let remarked =
            remarks.iter().map(|(unit, text)| Record::Remark { unit: *unit, text: Arc::clone(text) });
        let earlier = noted.chain(placed).chain(marks).chain(remarked).collect();
        let aside: Vec<_> = waiting.iter().map(Waiting::found).collect();
        let (index, index_warning) = Index::open_later(layout.index());
        warnings.extend(index_warning);
        let synced = Reach { log: None, parts: parts.iter().map(|p: &Part| p.end).collect() };
        let by_unit = |all: Vec<Waiting>| all.into_iter().map(|w| (w.unit, w)).collect();
        let store = Self {
            parts,
            earlier,
            has_notes: !notes.is_empty(),
            has_gaps: claims.iter().flatten().any(Placed::is_gap),
            marked: growing.keys().copied().collect(),
            growing,
            aside: by_unit(waiting),
            check,
            spare: by_unit(spare),
            syncing: synced.clone(),
            synced,
            index,
            ..Self::bare(layout, options, lock, (replaceable, made))
        };
        let parts = store.parts.iter().map(|part| part.path.clone()).collect();
        let (complete, made) = (false, false);
        let outputs = claims;
        let recovered =
            Recovered { outputs, aside, partials, complete, made, replaces, notes, remarks, warnings, parts };
        Ok((store, recovered))
    }

    /// An earlier run died between "complete" and the last rename, or before all was made of the outputs: do what is left.
    fn complete_earlier(mut self, records: &[Record]) -> Result<(Self, Recovered), Error> {
        let outputs = recover::claims(records, self.layout.outputs().len());
        let made = is_all_made(&self.made);
        if !made {
            give_names(&self.layout, &self.options, &self.replaceable, (&[], true))?;
        }
        if made || self.layout.made().is_empty() {
            self.remove_state()?;
        }
        let notes = notes(records).collect();
        Ok((self, Recovered { outputs, notes, complete: true, made, ..Recovered::default() }))
    }

    /// A store of a job in which nothing has happened yet.
    fn bare(
        layout: Layout,
        options: Options,
        lock: Arc<Lock>,
        (replaceable, made): (Vec<Option<Stamp>>, Vec<Option<Stamp>>),
    ) -> Self {
        let (now, index) = (Instant::now(), Index::open_later(layout.index()).0);
        Self {
            layout,
            options,
            parts: Vec::new(),
            pending: Vec::new(),
            pending_since: None,
            has_notes: false,
            log: None,
            earlier: Vec::new(),
            syncer: None,
            next_sync: now + FIRST_SYNC,
            started: now,
            has_gaps: false,
            replaceable,
            growing: HashMap::new(),
            marked: HashSet::new(),
            aside: HashMap::new(),
            check: None,
            spare: HashMap::new(),
            placed: Vec::new(),
            placed_syncing: Vec::new(),
            synced: Reach::default(),
            syncing: Reach::default(),
            sync_failed: false,
            unsynced: HashSet::new(),
            index,
            lock: Some(lock),
            made,
        }
    }

    /// Begins to check what is claimed, if anything is.
    pub(super) fn check(parts: &[Part], claims: &[Vec<Placed>]) -> std::io::Result<Option<Check>> {
        let claimed = parts.iter().zip(claims).filter(|(_, claims)| !claims.is_empty());
        let outputs: Vec<_> = claimed
            .map(|(part, claims)| Claimed {
                file: Arc::clone(&part.file),
                path: part.path.clone(),
                units: claims.clone(),
            })
            .collect();
        (!outputs.is_empty()).then(|| Check::start(outputs)).transpose()
    }
}

fn is_all_made(made: &[Option<Stamp>]) -> bool {
    !made.is_empty() && made.iter().all(Option::is_some)
}

/// Refuses an output that is there and that no earlier run of this job has made.
fn refuse_foreign(layout: &Layout, made: &[Option<Stamp>], options: &Options) -> Result<(), Error> {
    let foreign = layout.made().iter().zip(made).filter(|(_, made)| made.is_none());
    refuse_existing(foreign.map(|(output, _)| output), options)
}

/// Outputs begin anew: what has their names stays, but for tracks, which are nobody's result.
fn make_way(layout: &Layout, options: &Options) -> Result<(), Error> {
    refuse_existing(layout.results(), options)?;
    let tracks = layout.outputs().iter().enumerate().filter(|(n, _)| layout.is_track(*n));
    remove_files(tracks.map(|(_, track)| track.clone()));
    Ok(())
}

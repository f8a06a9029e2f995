//! The store on disk.

mod open;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::check::Check;
use crate::clean::{remove_contents, remove_files};
use crate::complete::Stamp;
use crate::error::Context as _;
use crate::index::Index;
use crate::lock::Lock;
use crate::log::Log;
use crate::outputs::give_names;
use crate::part::{Behind, Part};
use crate::record::{LONGEST_NOTE, LONGEST_REMARK, Record};
use crate::sealed::Sealed;
use crate::segment::{Growing, NotKept, Waiting};
use crate::sync::{Syncer, sync};
use crate::{
    Checked, Durability, Error, Fingerprint, Kind, Layout, Making, Mark, Memo, Options, Placed, ResumeStore,
    Unit, recover, sys,
};

/// A job shorter than this is synced once, at its end.
const FIRST_SYNC: Duration = Duration::from_secs(2);
/// Syncs are at least this far apart, and take up at most a fifth of the time: each one makes the file system write in
/// smaller pieces, and a loss of power costs no more than what a few seconds of transfer bring.
const SYNC_EVERY: Duration = Duration::from_millis(500);
const SYNC_SHARE: u32 = 4;
/// Records reach the log at least this often.
const LOG_EVERY: Duration = Duration::from_millis(10);
/// A job shorter than this never needs the index.
const INDEX_AFTER: Duration = Duration::from_secs(2);

/// How far a job has come.
#[derive(Clone, Debug, Default)]
struct Reach {
    log: Option<u64>,
    parts: Vec<u64>,
}

/// A job on disk: holds its lock until it is closed, finished or dropped.
#[derive(Debug)]
pub struct DiskStore {
    layout: Layout,
    options: Options,
    parts: Vec<Part>,
    pending: Vec<Record>,
    pending_since: Option<Instant>,
    /// The caller has left notes for the next run, in this run or an earlier one.
    has_notes: bool,
    /// Made when there is something to lose: a small job ends before.
    log: Option<Arc<Mutex<Log>>>,
    earlier: Vec<Record>,
    syncer: Option<Syncer>,
    next_sync: Instant,
    started: Instant,
    has_gaps: bool,
    /// What outputs that lack units were like at the start: they may be replaced.
    replaceable: Vec<Option<Stamp>>,
    growing: HashMap<Unit, Growing>,
    /// Those of the growing that another run can go on with.
    marked: HashSet<Unit>,
    aside: HashMap<Unit, Waiting>,
    /// Of what an earlier run has left in the outputs, until it has come to its end.
    check: Option<Check>,
    /// Units that are claimed to be in their output and may not be: until the check is through, they stay.
    spare: HashMap<Unit, Waiting>,
    /// In their output, but not yet under a record that is as durable as asked for.
    placed: Vec<PathBuf>,
    placed_syncing: Vec<PathBuf>,
    synced: Reach,
    /// What the sync under way will have made durable.
    syncing: Reach,
    sync_failed: bool,
    /// Units whose file could not be synced, once: the next time that is final.
    unsynced: HashSet<Unit>,
    index: Index,
    lock: Option<Arc<Lock>>,
    /// What is made of the outputs was like this at the start, where an earlier run has made it.
    made: Vec<Option<Stamp>>,
}

impl DiskStore {
    /// The step behind [`finish`](ResumeStore::finish), where the outputs are made of tracks. It keeps the job's lock.
    #[must_use]
    pub fn making(&self) -> Option<Making> {
        let lock = Arc::clone(self.lock.as_ref()?);
        let is_one = !self.layout.made().is_empty();
        is_one.then(|| Making::new(&self.layout, &self.options, self.made.clone(), lock))
    }

    /// Takes note of what the check has found; where the unit is there twice, the other one takes its place.
    fn hear_of_check(&mut self, wait: bool) -> Result<Checked, Error> {
        let all = Checked { damaged: Vec::new(), is_done: true };
        let Some(mut checked) = self.check.as_ref().map(|check| check.found(wait)).transpose()? else {
            return Ok(all);
        };
        for placed in &checked.damaged {
            self.part_mut(placed.output)?.found_damaged(placed.index);
        }
        for placed in std::mem::take(&mut checked.damaged) {
            let unit = Unit { output: placed.output, index: placed.index, identity: placed.identity };
            let spare = self.spare.remove(&unit);
            self.aside.extend(spare.map(|spare| (unit, spare)));
            match self.place_aside(unit, placed.offset) {
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(error) if error.kind() == Kind::Descriptors => self.drop_aside(unit),
                Err(error) => return Err(error),
            }
            checked.damaged.push(placed);
        }
        if checked.is_done {
            self.check = None;
            // They are in their output, but that may not have reached the disk.
            let done = self.spare.drain().map(|(_, spare)| spare);
            self.placed.extend(done.filter(|spare| spare.is_own).map(|spare| spare.path));
        }
        Ok(checked)
    }

    fn is_safe(&self) -> bool {
        self.options.durability == Durability::Safe
    }

    fn part_mut(&mut self, output: u8) -> Result<&mut Part, Error> {
        let missing = || Error::new(Kind::Contract, "no such output in", Path::new("the job"));
        self.parts.get_mut(usize::from(output)).ok_or_else(missing)
    }

    /// Writes pending records to the log, which is made now if it is not there yet.
    fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() && self.log.is_some() {
            return Ok(());
        }
        if self.log.is_none() {
            let log = Log::create(&self.layout.log(), &self.earlier)?;
            self.earlier = Vec::new();
            self.synced.log = Some(log.end());
            self.log = Some(Arc::new(Mutex::new(log)));
        }
        if let Some(log) = &self.log {
            // What can't be appended stays pending: there may be room for it later.
            log.lock().unwrap_or_else(PoisonError::into_inner).append(&self.pending)?;
        }
        self.pending.clear();
        self.pending_since = None;
        if !self.is_safe() {
            remove_files(self.placed.drain(..));
        }
        Ok(())
    }

    /// Has what was written sent to the disk beside the writing. The thread for it is started by the first step that is due.
    fn send_out(&mut self, output: u8, behind: Option<Behind>) -> Result<(), Error> {
        if let Some(behind) = behind {
            self.syncer()?.send_out(usize::from(output), behind);
        }
        Ok(())
    }

    fn part_files(&self) -> Vec<(Arc<File>, PathBuf)> {
        self.parts.iter().map(|p| (Arc::clone(&p.file), p.path.clone())).collect()
    }

    fn group_sync(&mut self) -> Result<(), Error> {
        if let Some(ended) = self.syncer.as_mut().and_then(Syncer::ended) {
            let took = self.heard_of_sync(ended)?;
            self.synced = self.syncing.clone();
            self.next_sync = Instant::now() + (took * SYNC_SHARE).max(SYNC_EVERY);
            remove_files(self.placed_syncing.drain(..));
        }
        if Instant::now() < self.next_sync {
            return Ok(());
        }
        // What is placed may be unlinked once its record is synced, so its record goes first.
        self.flush()?;
        let reach = self.reach();
        if self.syncer()?.request() {
            self.syncing = reach;
            self.placed_syncing.append(&mut self.placed);
        }
        Ok(())
    }

    /// How far the outputs are recorded, and the log is written.
    fn reach(&self) -> Reach {
        let log = self.log.as_ref().map(|log| log.lock().unwrap_or_else(PoisonError::into_inner).end());
        Reach { log, parts: self.parts.iter().map(Part::recorded_len).collect() }
    }

    fn heard_of_sync<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.sync_failed |= result.is_err();
        result
    }

    /// Cuts everything back to the last sync that went well. After one that failed, nobody knows which bytes reached the
    /// disk: the system drops them and tells of it once, and a second sync would go well over a hole.
    fn give_up_unsynced(&mut self) -> Result<(), Error> {
        for (part, end) in self.parts.iter_mut().zip(&self.synced.parts) {
            part.cut(*end)?;
        }
        match (&self.log, self.synced.log) {
            (Some(log), Some(end)) => log.lock().unwrap_or_else(PoisonError::into_inner).cut(end),
            _ => Ok(()),
        }
    }

    fn syncer(&mut self) -> Result<&mut Syncer, Error> {
        if self.syncer.is_none() {
            self.flush()?;
            let log = self.log.clone();
            let missing = || Error::new(Kind::Contract, "no log in", self.layout.folder());
            let syncer = Syncer::start(self.part_files(), log.ok_or_else(missing)?);
            self.syncer = Some(syncer.at("can't start syncing", self.layout.folder())?);
        }
        let missing = || Error::new(Kind::Contract, "no thread to sync for", Path::new("the job"));
        self.syncer.as_mut().ok_or_else(missing)
    }

    fn sync_or_give_up(&mut self, synced: Result<(), Error>) -> Result<(), Error> {
        self.heard_of_sync(synced).inspect_err(|_| {
            // The sync is what the caller has to hear of. What stays is held against its records at the next start.
            let _ = self.give_up_unsynced();
        })
    }

    /// Makes sure that the outputs are what was written. Where others have written to one, all of it is read again: the next
    /// run finds which units they have damaged.
    fn look_at_the_end(&mut self) -> Result<(), Error> {
        self.parts.iter_mut().try_for_each(Part::look_at_the_end)?;
        if !self.parts.iter().any(Part::is_touched) {
            return Ok(());
        }
        let claims = recover::claims(&Log::read(&self.layout.log())?.records, self.parts.len());
        let check = Self::check(&self.parts, &claims).at("can't start to check", self.layout.folder())?;
        let checked = check.map(|check| check.found(true)).transpose()?;
        let damaged = checked.and_then(|checked| checked.damaged.first().copied());
        let part = damaged.and_then(|damaged| self.parts.get(usize::from(damaged.output)));
        match part {
            Some(part) => Err(Error::new(Kind::Io, "another program has written to", &part.path)),
            None => Ok(()),
        }
    }

    fn remove_state(&mut self) -> Result<(), Error> {
        self.index.discard();
        remove_contents(self.layout.folder(), true);
        if let Some(lock) = self.lock.take() {
            let _ = lock.remove();
        }
        // Something that is not ours may lie in there: the folder then stays.
        let _ = std::fs::remove_dir(self.layout.folder());
        Ok(())
    }
}

impl ResumeStore for DiskStore {
    fn takes_unverified(&self) -> bool {
        true
    }

    fn write(&mut self, output: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        let behind = self.part_mut(output)?.write(offset, data)?;
        self.send_out(output, behind)
    }

    fn write_around(&mut self, output: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        self.part_mut(output)?.write_around(offset, data)
    }

    fn cut(&mut self, output: u8, offset: u64) -> Result<(), Error> {
        self.part_mut(output)?.cut(offset)
    }

    fn record(&mut self, placed: Placed) -> Result<(), Error> {
        self.part_mut(placed.output)?.recorded(&placed);
        self.has_gaps |= placed.is_gap();
        self.index.note(&placed);
        self.pending.push(Record::Placed(placed));
        self.pending_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn annotate(&mut self, note: &[u8]) -> Result<(), Error> {
        if note.len() > LONGEST_NOTE {
            return Err(Error::new(Kind::Contract, "a note is too long for", &self.layout.log()));
        }
        self.pending.push(Record::Note(note.into()));
        self.has_notes = true;
        self.pending_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn remark(&mut self, unit: Unit, text: &[u8]) -> Result<(), Error> {
        if text.len() > LONGEST_REMARK {
            return Err(Error::new(Kind::Contract, "a remark is too long for", &self.layout.log()));
        }
        self.pending.push(Record::Remark { unit, text: text.into() });
        self.pending_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn mark(&mut self, unit: Unit, aside: bool, mark: Mark) -> Result<(), Error> {
        if aside {
            self.marked.insert(unit);
        }
        self.pending.push(Record::Partial { unit, aside, mark });
        self.pending_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn set_aside(&mut self, unit: Unit, data: &[IoSlice<'_>]) -> Result<(), Error> {
        if !self.growing.contains_key(&unit) {
            self.growing.insert(unit, Growing::create(self.layout.folder(), &unit)?);
        }
        self.growing.get_mut(&unit).map_or(Ok(()), |growing| growing.append(data))
    }

    fn keep_aside(&mut self, unit: Unit, hash: Fingerprint) -> Result<bool, Error> {
        let missing = || Error::new(Kind::Contract, "nothing was set aside in", self.layout.folder());
        // Before anything is done: there may be no descriptor left for it.
        let folder = self.is_safe().then(|| sys::open_folder(self.layout.folder())).transpose();
        let folder = folder.at("can't open", self.layout.folder())?;
        let growing = self.growing.remove(&unit).ok_or_else(missing)?;
        self.marked.remove(&unit);
        match growing.commit(unit, hash, folder.as_ref()) {
            Ok(waiting) => self.aside.insert(unit, waiting),
            Err(NotKept::Unsynced(error)) if error.kind() == Kind::Io && self.unsynced.insert(unit) => {
                return Ok(false);
            }
            Err(NotKept::Unsynced(error) | NotKept::Other(error)) => return Err(error),
        };
        Ok(true)
    }

    fn drop_aside(&mut self, unit: Unit) {
        if let Some(growing) = self.growing.remove(&unit) {
            self.marked.remove(&unit);
            growing.discard();
        }
        if let Some(waiting) = self.aside.remove(&unit).filter(|waiting| waiting.is_own) {
            remove_files([waiting.path]);
        }
    }

    fn place_aside(&mut self, unit: Unit, offset: u64) -> Result<Option<Placed>, Error> {
        let Some(waiting) = self.aside.get(&unit).cloned() else { return Ok(None) };
        let part = self.part_mut(unit.output)?;
        part.look()?;
        let right = waiting.copy_into(&part.file, &part.path, offset)?;
        self.aside.remove(&unit);
        let part = self.part_mut(unit.output)?;
        // What is not right may be short too.
        part.wrote(if right { offset + waiting.len } else { offset })?;
        let behind = part.grown_to(offset + waiting.len);
        self.send_out(unit.output, behind)?;
        if !right {
            if !self.part_mut(unit.output)?.is_damaged(unit.index) {
                self.cut(unit.output, offset)?;
            }
            remove_files(waiting.is_own.then_some(waiting.path));
            return Ok(None);
        }
        let Unit { output, index, identity } = unit;
        let placed = Placed { output, index, identity, offset, len: waiting.len, hash: waiting.hash };
        self.record(placed)?;
        self.placed.extend(waiting.is_own.then_some(waiting.path));
        Ok(Some(placed))
    }

    fn maintain(&mut self) -> Result<(), Error> {
        if self.pending_since.is_some_and(|since| since.elapsed() >= LOG_EVERY) {
            self.flush()?;
        }
        if self.is_safe() {
            self.group_sync()?;
        }
        if self.started.elapsed() >= INDEX_AFTER {
            self.index.keep();
        }
        Ok(())
    }

    fn checked(&mut self) -> Result<Checked, Error> {
        self.hear_of_check(false)
    }

    fn keep_memo(&mut self, memo: &Memo) {
        let _ = memo.write(&self.layout);
    }

    fn close(&mut self) -> Result<(), Error> {
        // The next run begins it again; this one can't finish any more.
        self.check.as_mut().map(Check::stop);
        for (unit, growing) in self.growing.drain() {
            if !self.marked.contains(&unit) {
                growing.discard();
            }
        }
        let synced = self.syncer.take().map_or(Ok(()), Syncer::end);
        let synced = self.heard_of_sync(synced);
        if self.sync_failed {
            self.index.close();
            self.give_up_unsynced()?;
            let failed = || Error::new(Kind::Io, "a sync failed earlier of", self.layout.folder());
            return Err(synced.err().unwrap_or_else(failed));
        }
        let is_said = |record: &Record| !matches!(record, Record::Remark { .. });
        let nothing_waits =
            !self.pending.iter().any(is_said) && self.aside.is_empty() && self.marked.is_empty();
        let is_new = nothing_waits
            && !self.has_notes
            && !self.layout.gapped_log().exists()
            && Sealed::find(self.layout.folder()).is_empty();
        if is_new && self.parts.iter().all(|p| p.end == 0) {
            // Nothing worth keeping was received.
            for part in self.parts.drain(..) {
                remove_files([part.path]);
            }
            return self.remove_state();
        }
        // What no record speaks of would be cut off at the next start anyway; a player may find it useful meanwhile.
        if let Err(error) = self.flush() {
            if error.kind() != Kind::Full {
                return Err(error);
            }
            // A unit that is not whole makes room for the records of those that are.
            for part in &mut self.parts {
                part.cut(part.recorded_len())?;
            }
            self.flush()?;
        }
        synced?;
        if self.is_safe()
            && let Some(log) = &self.log
        {
            let synced = sync(&self.part_files(), log);
            self.sync_or_give_up(synced)?;
        }
        self.index.close();
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<PathBuf>, Error> {
        self.hear_of_check(true)?;
        let synced = self.syncer.take().map_or(Ok(()), Syncer::end);
        self.sync_or_give_up(synced)?;
        if let Some(part) = self.parts.iter().find(|part| !part.is_whole()) {
            return Err(Error::new(Kind::Contract, "not every byte is of a recorded unit:", &part.path));
        }
        self.flush()?;
        if self.is_safe() {
            let synced = self.parts.iter().try_for_each(|part| Part::sync(&part.file, &part.path));
            self.sync_or_give_up(synced)?;
            self.synced = self.reach();
        }
        self.look_at_the_end()?;
        if let Some(log) = self.log.clone() {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.append(&[Record::Complete(self.parts.iter().map(|p| p.end).collect())])?;
            let synced = if self.is_safe() { log.sync() } else { Ok(()) };
            drop(log);
            self.sync_or_give_up(synced)?;
        }
        let files: Vec<_> = self.parts.iter().map(|part| Arc::clone(&part.file)).collect();
        give_names(&self.layout, &self.options, &self.replaceable, (&files, false))?;
        let has_room_for_more = self.has_gaps && !self.options.final_gaps;
        match has_room_for_more || !self.layout.made().is_empty() {
            // A run that may fill them starts from this log, and so does one that makes something of the outputs.
            true => remove_files([self.layout.gapped_log()]),
            false => self.remove_state()?,
        }
        Ok(self.layout.outputs().to_vec())
    }
}

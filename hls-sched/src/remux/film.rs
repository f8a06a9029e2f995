//! An MP4 that grows piece by piece: what belongs around the pieces is written before the output gets its name.

use std::fs::File;
use std::io::{IoSlice, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hls_media::remux::{Film, RemuxError, RunRemuxer, UNIT_END, UnitTracks, Written, record_len};
use hls_state::{Error, Layout, Placed, ResumeStore};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::ahead::input;
use super::{Manifest, tell_findings, tell_left_out, units};
use crate::event::Event;
use crate::manifest::format::{FileEntry, Sha};
use crate::manifest::write::write_of_files;
use crate::policy::plan::Tracks;
use crate::prepare;
use crate::store::observer::Watch;
use crate::transfer::attempt::Missing;

/// Reads in pieces of this size.
const PIECE: usize = 64 << 10;

/// It can be played from this size on, in bytes, and each time that it is twice as long. With more pieces that would take
/// time and memory from those that come.
const FIRST_FRAME: u64 = 4 << 20;
const MOST_FRAMED: usize = 128;

/// Writes behind all units.
type Behind<'a> = dyn FnMut(u64, &[u8]) -> Result<(), Error> + 'a;

/// Where an error is put that no store could have.
pub(crate) type Refused = Arc<Mutex<Option<crate::error::Error>>>;

/// Notes where each piece lies, and writes the rest of the MP4 at the end.
pub(crate) struct Filmed {
    about: About,
    /// It can be played up to here.
    framed: u64,
}

/// What the MP4 is about.
pub(crate) struct About {
    pub(crate) output: PathBuf,
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) says: prepare::About,
    pub(crate) placed: Vec<Placed>,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) refused: Refused,
    pub(crate) missing: Missing,
}

impl Filmed {
    pub(crate) fn new(about: About) -> Self {
        Self { about, framed: 0 }
    }

    /// Writes what lets a player show what is there by now. Nothing depends on it.
    fn frame_so_far(&mut self, store: &mut dyn ResumeStore) {
        let (path, room) = (self.about.part(), self.about.room());
        self.framed = self.about.end();
        if let Ok((film, _)) = self.about.film(&path, None)
            && let Ok(front) = film.finish(&[])
        {
            let write = |at, bytes: &[u8]| store.write_around(0, at, &[IoSlice::new(bytes)]);
            let _ = front.write(room, self.framed, true, write);
        }
        // What is wrong is told at the end, if it still is.
        self.about.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether so much has come since it was framed that it is worth it, and tables are still short.
    fn is_worth_a_frame(&self) -> bool {
        let end = self.about.end();
        end >= FIRST_FRAME && end / 2 >= self.framed && self.about.placed.len() <= MOST_FRAMED
    }

    /// Writes what belongs around the pieces.
    fn frame(&self, store: &mut dyn ResumeStore) -> Result<(), Error> {
        let path = self.about.part();
        let room = self.about.room();
        let mut behind = |at, bytes: &[u8]| store.write_around(0, at, &[IoSlice::new(bytes)]);
        let (film, end) = self.about.film(&path, Some(&mut behind))?;
        let front = film.finish(&[]).map_err(|error| self.about.refuse(&path, &error))?;
        let report = front.report();
        tell_findings(&self.about.events, |_| String::new(), &report.findings, report.more);
        tell_left_out(&self.about.events, &self.about.missing, &report.left_out);
        let write = |at, bytes: &[u8]| store.write_around(0, at, &[IoSlice::new(bytes)]);
        let Written { fits, unused } = front.write(room, end, false, write)?;
        wipe(&path, unused, store)?;
        if !fits {
            let message = "the tables of the MP4 are longer than was foreseen: they are at its end, and some players need all \
                           of it before they begin";
            let _ = self.about.events.send(Event::Warning { kind: "output", message: message.to_owned() });
        }
        self.about.write_manifest(&path)
    }
}

/// Takes away what was written in front when the film was shorter, by this run or another: the same stream makes the same
/// file. What was never written to takes no room, and stays so.
fn wipe(path: &Path, unused: Range<u64>, store: &mut dyn ResumeStore) -> Result<(), Error> {
    let failed = |e| Error::from_io("can't read", path, e);
    let mut file = hls_state::open_to_read(path).map_err(failed)?;
    let (mut buffer, mut at) = (vec![0; PIECE], unused.start);
    file.seek(SeekFrom::Start(at)).map_err(failed)?;
    while at < unused.end {
        let most = usize::try_from(unused.end - at).unwrap_or(PIECE).min(PIECE);
        let piece = buffer.get_mut(..most).unwrap_or_default();
        file.read_exact(piece).map_err(failed)?;
        if piece.iter().any(|byte| *byte != 0) {
            piece.fill(0);
            store.write_around(0, at, &[IoSlice::new(piece)])?;
        }
        at += most as u64;
    }
    Ok(())
}

impl About {
    fn note(&mut self, placed: Placed) {
        let at = self.placed.partition_point(|known| known.index < placed.index);
        match self.placed.get_mut(at).filter(|known| known.index == placed.index) {
            Some(known) => *known = placed,
            None => self.placed.insert(at, placed),
        }
    }

    /// Where the output grows.
    fn part(&self) -> PathBuf {
        Layout::new(vec![self.output.clone()]).map(|layout| layout.part(0)).unwrap_or_default()
    }

    /// Where the pieces begin and end.
    fn room(&self) -> u64 {
        self.placed.first().map_or(0, |first| first.offset)
    }

    fn end(&self) -> u64 {
        self.placed.last().map_or(0, |last| last.offset + last.len)
    }

    /// All units on one timeline, and where what is written of them ends. Those that are no pieces lie between them as they came; what
    /// an MP4 holds of them goes `behind` all, or they are left out.
    fn film(&self, path: &Path, mut behind: Option<&mut Behind<'_>>) -> Result<(Film, u64), Error> {
        let missing = || Error::from_io("can't read", path, std::io::ErrorKind::NotFound.into());
        let track = self.tracks.0.first().ok_or_else(missing)?;
        let input = input(&self.says, units::units(track, &self.placed, true));
        let mut film = Film::new(input.clone());
        let mut file = Records::open(path)?;
        let refused = |error| self.refuse(path, &error);
        let (mut end, mut before) = (self.end(), None::<Vec<u8>>);
        let mut units = self.placed.iter().enumerate().filter(|(_, placed)| placed.len > 0).peekable();
        while let Some((number, placed)) = units.next() {
            let record = file.of(placed)?;
            if !record.is_empty() {
                film.unit(number, placed.offset, placed.len, &record).map_err(refused)?;
                before = Some(record);
                continue;
            }
            let Some(behind) = &mut behind else { continue };
            let mut run = RunRemuxer::new(&input, before.as_deref()).map_err(refused)?;
            let (begin, mut unit) = (end, (number, placed));
            let timeline = |number: usize| input.units.get(number).map(|unit| unit.timeline);
            let mut clock = timeline(number);
            loop {
                let (number, placed) = unit;
                let has_other_clock = std::mem::replace(&mut clock, timeline(number)) != timeline(number);
                run.begin_unit(number, has_other_clock).map_err(refused)?;
                let mut at = placed.offset;
                while at < placed.offset + placed.len {
                    let bytes = file.read(at, (placed.offset + placed.len - at).min(PIECE as u64))?;
                    at += bytes.len() as u64;
                    let made = run.push(&bytes).map_err(refused)?;
                    behind(end, &made)?;
                    end += made.len() as u64;
                }
                // A run ends where something is missing, and with the next piece.
                let next = units.peek().copied().filter(|(next, _)| *next == number + 1);
                match next {
                    Some((_, placed)) if file.of(placed)?.is_empty() => unit = units.next().unwrap_or(unit),
                    _ => break,
                }
            }
            let rest = film.run(run, begin).map_err(refused)?;
            behind(end, &rest)?;
            end += rest.len() as u64;
        }
        Ok((film, end))
    }

    fn refuse(&self, path: &Path, error: &RemuxError) -> Error {
        let place = hls_fetch::escaped(&path.display().to_string(), 300);
        let refused = crate::error::Error::new(crate::error::Kind::Content, error.code(), error.to_string())
            .at(place)
            .why(
                "all of it was fetched and verified, and can't be made into what the name of the output says",
            )
            .next("--format join with another name keeps the bytes as they come");
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        Error::from_io("can't make an MP4 of", path, std::io::Error::other(error.to_string()))
    }

    fn write_manifest(&self, path: &Path) -> Result<(), Error> {
        let Some(manifest) = &self.manifest else { return Ok(()) };
        let failed = |e| Error::from_io("can't read", path, e);
        let mut file = hls_state::open_to_read(path).map_err(failed)?;
        let (mut sum, mut buffer, mut length) = (Sha256::new(), vec![0; PIECE], 0);
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => {
                    sum.update(buffer.get(..read).unwrap_or_default());
                    length += read as u64;
                }
            }
        }
        let name = self.output.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = FileEntry { track: 0, name, length, sha256: Sha::of(sum) };
        write_of_files(&self.output, &manifest.source, &[file], (manifest.replace, manifest.sync))
    }
}

/// The tracks in the pieces that an earlier run has placed.
pub(crate) fn tracks_of(output: &Path, placed: &[Placed]) -> Option<UnitTracks> {
    let path = Layout::new(vec![output.to_owned()])?.part(0);
    let mut records = Records::open(&path).ok()?;
    // Units that were kept as they came have none.
    let mut pieces = placed.iter().filter(|placed| placed.len > 0);
    pieces.find_map(|placed| UnitTracks::of_record(&records.of(placed).ok()?))
}

/// The records behind the data of pieces.
struct Records<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Records<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let file = hls_state::open_to_read(path).map_err(|e| Error::from_io("can't read", path, e))?;
        Ok(Self { path, file })
    }

    /// The record of a piece; empty where it has none.
    fn of(&mut self, placed: &Placed) -> Result<Vec<u8>, Error> {
        let end = placed.offset + placed.len;
        let last = self.read(end.saturating_sub(UNIT_END as u64), UNIT_END as u64)?;
        match record_len(&last).filter(|len| *len <= placed.len) {
            Some(len) => self.read(end - len, len),
            None => Ok(Vec::new()),
        }
    }

    fn read(&mut self, at: u64, len: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|e| Error::from_io("can't read", self.path, e))?;
        Ok(bytes)
    }
}

impl Watch for Filmed {
    fn placed(&mut self, placed: Placed) {
        self.about.note(placed);
    }

    fn maintains(&mut self, store: &mut dyn ResumeStore) {
        if self.is_worth_a_frame() {
            self.frame_so_far(store);
        }
    }

    fn closes(&mut self, store: &mut dyn ResumeStore) {
        if !self.about.placed.is_empty() {
            self.frame_so_far(store);
        }
    }

    fn finishes(&mut self, store: &mut dyn ResumeStore) -> Result<(), Error> {
        self.frame(store)
    }
}

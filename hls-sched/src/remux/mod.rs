//! What is made of the tracks of a job once they are whole: decided before anything is fetched, and made in a thread of its own.

pub(crate) mod ahead;
mod captions;
mod clock;
mod conveyor;
pub(crate) mod film;
mod first_pass;
mod mp4;
mod source;
mod units;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use hls_media::remux::{Finding, Index, LeftOut, RemuxError};
use hls_state::{Layout, Making, Placed, ResumeStore};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::control::{Control, End, asked_to};
use crate::error::{Error, Kind};
use crate::event::{Event, Joining};
use crate::manifest::format::{FileEntry, Sha};
use crate::manifest::write::{sum_of_file, write_of_files};
use crate::policy::extension::Made;
use crate::policy::plan::Tracks;
use crate::prepare::About;
use crate::prepare::form::Product;
use crate::size::Size;
use crate::store::observer::Watched;
use crate::transfer::attempt::Missing;

use ahead::Ahead;

/// Progress is told this often.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// More findings than these are only counted.
const MOST_FINDINGS: usize = 10;

/// The step from whole tracks to outputs.
pub(crate) struct Step {
    pub(crate) making: Making,
    pub(crate) products: Vec<Product>,
    /// All outputs of the job.
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) abouts: Vec<About>,
    /// Tracks that are WebVTT, as text or in fragmented MP4.
    pub(crate) texts: Vec<bool>,
    /// Tracks lack segments, so that a later run may make it better.
    pub(crate) has_gaps: bool,
    /// Of a recording, which was told to end already: only who is in a hurry ends this too.
    pub(crate) is_live: bool,
    /// Something else is told of meanwhile.
    pub(crate) is_quiet: bool,
    pub(crate) manifest: Option<Manifest>,
    /// Has indexed the tracks while they grew.
    pub(crate) ahead: Option<Ahead>,
    pub(crate) missing: Missing,
}

/// What the manifest needs to know.
pub(crate) struct Manifest {
    pub(crate) source: String,
    pub(crate) replace: bool,
    pub(crate) sync: bool,
}

impl Step {
    /// Makes the outputs; returns how many bytes they have.
    pub(crate) async fn run(
        self,
        events: &mpsc::UnboundedSender<Event>,
        orders: &mut watch::Receiver<Control>,
    ) -> Result<u64, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, events) = (Arc::clone(&stop), events.clone());
        let (kept, is_live) = (self.kept(), self.is_live);
        let mut work = tokio::task::spawn_blocking(move || {
            let mut this = self;
            let indexes = this.ahead.take().map(Ahead::finish).unwrap_or_default();
            let this = this;
            let result = this.make(&events, &told, indexes);
            if result.is_err() {
                this.making.discard();
            }
            result.and_then(|(made, sums)| this.finish(&made, &sums))
        });
        let result = tokio::select! {
            result = &mut work => result,
            () = asked_to(orders, if is_live { End::Cancel } else { End::Stop }) => {
                stop.store(true, Ordering::Relaxed);
                work.await
            }
        };
        let result =
            result.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "internal", "joining panicked")));
        result.map_err(|error| match error.kept() {
            Some(_) => error,
            None => error.keeping(kept),
        })
    }

    /// Makes the outputs beside whatever is done next.
    pub(crate) fn start(
        mut self,
        events: &mpsc::UnboundedSender<Event>,
        orders: &watch::Receiver<Control>,
    ) -> JoinHandle<Result<u64, Error>> {
        self.is_quiet = true;
        let (events, mut orders) = (events.clone(), orders.clone());
        tokio::spawn(async move {
            let made = self.run(&events, &mut orders).await;
            if let Err(error) = &made {
                // The recording goes on, and may do so for long.
                let _ = events.send(Event::Warning { kind: "output", message: error.to_string() });
            }
            made
        })
    }

    /// A store whose tracks are indexed while they grow, as far as that is of use.
    pub(crate) fn index_ahead(
        &mut self,
        store: Box<dyn ResumeStore>,
        names: &[Option<String>],
        placed: &[Vec<Placed>],
    ) -> Box<dyn ResumeStore> {
        let Some(layout) = Layout::of_tracks(self.outputs.clone(), names) else { return store };
        let films = || self.products.iter().filter(|product| product.made == Made::Mp4);
        let is_text = |n: usize| self.texts.get(n).copied().unwrap_or(false);
        let is_wanted = |n: &usize| !is_text(*n) && films().any(|film| film.tracks.contains(n));
        let parts = (0..names.len()).map(|n| is_wanted(&n).then(|| layout.part(n))).collect::<Vec<_>>();
        if parts.iter().all(Option::is_none) {
            return store;
        }
        // Without it, all is read once more at the end.
        match Ahead::start(&self.tracks, &self.abouts, parts, placed) {
            Ok((told, ahead)) => {
                self.ahead = Some(ahead);
                Box::new(Watched::new(store, told))
            }
            Err(_) => store,
        }
    }

    /// What an end before the end leaves.
    fn kept(&self) -> String {
        let shown = |path: &Path| hls_fetch::escaped(&path.display().to_string(), 300);
        let tracks = self.making.tracks().iter().map(|path| shown(path)).collect::<Vec<_>>();
        let bytes =
            self.making.tracks().iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum();
        format!("all segments, verified, {} in {}", Size(bytes), tracks.join(", "))
    }

    fn make(
        &self,
        events: &mpsc::UnboundedSender<Event>,
        stop: &AtomicBool,
        indexes: Vec<Option<Index>>,
    ) -> Result<(Vec<hls_state::Made>, Vec<Option<Sha256>>), Error> {
        let units = self.making.units().map_err(Error::state)?;
        let len =
            |n: &usize| units.get(*n).and_then(|units| units.last()).map_or(0, |last| last.offset + last.len);
        let reads = |product: &Product| {
            let all = product.tracks.iter().map(len).sum::<u64>();
            if product.made == Made::Mp4 { all.saturating_mul(2) } else { all }
        };
        let all = self.products.iter().map(reads).sum();
        let mut told = Told { events, stop, is_quiet: self.is_quiet, done: 0, all, last: None, indexes };
        let (mut made, mut sums) = (Vec::new(), Vec::new());
        for (number, product) in self.products.iter().enumerate() {
            let mut growth = self.making.begin(number).map_err(Error::state)?;
            let mut sum = self.manifest.as_ref().map(|_| Sha256::new());
            let mut write = |bytes: &[u8]| {
                if let Some(sum) = &mut sum {
                    sum.update(bytes);
                }
                growth.write(bytes).map_err(Error::state)
            };
            match product.made {
                Made::Mp4 => mp4::make(self, product, &units, &mut write, &mut told)?,
                Made::Vtt | Made::Srt => captions::make(self, product, &units, &mut write, &mut told)?,
            }
            made.push(growth.end());
            sums.push(sum);
        }
        Ok((made, sums))
    }

    fn finish(self, made: &[hls_state::Made], sums: &[Option<Sha256>]) -> Result<u64, Error> {
        if let (Some(manifest), Some(main)) = (&self.manifest, self.outputs.first()) {
            let made = |n: usize| {
                let number = self.products.iter().position(|product| product.output == n)?;
                Some((made.get(number)?.len, Sha::of(sums.get(number)?.clone()?)))
            };
            let mut files = Vec::new();
            for (n, path) in self.outputs.iter().enumerate() {
                let (length, sha256) = made(n).map_or_else(|| sum_of_file(path), Ok).map_err(Error::state)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.push(FileEntry { track: u8::try_from(n).unwrap_or(u8::MAX), name, length, sha256 });
            }
            let how = (manifest.replace, manifest.sync);
            write_of_files(main, &manifest.source, &files, how).map_err(Error::state)?;
        }
        self.making.finish(made, self.has_gaps).map_err(Error::state)?;
        let lengths = self.outputs.iter().filter_map(|path| std::fs::metadata(path).ok());
        Ok(lengths.map(|meta| meta.len()).sum())
    }

    /// What a track is called in messages: nothing where there is one only.
    fn label(&self, number: usize) -> String {
        let label = self.tracks.0.get(number).map_or("", |track| &track.label);
        hls_fetch::escaped(label, 80)
    }

    fn refused(&self, number: usize, error: &RemuxError) -> Error {
        self.unfit(number, error.code(), &error.to_string())
    }

    /// What can't be in an output stays in its track.
    fn unfit(&self, number: usize, code: &'static str, message: &str) -> Error {
        let label = self.label(number);
        let what = if label.is_empty() { String::new() } else { format!("{label}: ") };
        let path = self.making.tracks().get(number).map_or(Path::new(""), |path| path.as_path());
        let next = match self.is_live {
            true => "take it from there: it is whole, as it came",
            false => "--format join with another name keeps the bytes as they come",
        };
        Error::new(Kind::Content, code, format!("{what}{message}"))
            .at(hls_fetch::escaped(&path.display().to_string(), 300))
            .why(
                "all of it was fetched and verified, and can't be made into what the name of the output says",
            )
            .next(next)
    }
}

/// The units of a track in its file.
fn placed(all: &[Vec<Placed>], number: usize) -> &[Placed] {
    all.get(number).map_or(&[], Vec::as_slice)
}

/// Tells how far it is, and hears of the end.
struct Told<'a> {
    events: &'a mpsc::UnboundedSender<Event>,
    stop: &'a AtomicBool,
    is_quiet: bool,
    done: u64,
    all: u64,
    last: Option<Instant>,
    /// Of tracks that were indexed while they grew.
    indexes: Vec<Option<Index>>,
}

impl Told<'_> {
    fn take_index(&mut self, number: usize) -> Option<Index> {
        self.indexes.get_mut(number)?.take()
    }

    /// So many bytes need not be read.
    fn spared(&mut self, bytes: u64) {
        self.all = self.all.saturating_sub(bytes);
    }

    fn read(&mut self, bytes: usize) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::stopped());
        }
        self.done += bytes as u64;
        if !self.is_quiet && self.last.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            self.last = Some(Instant::now());
            let _ = self.events.send(Event::Joining(Joining { done_bytes: self.done, bytes: self.all }));
        }
        Ok(())
    }

    /// Says what is odd in the timing; all of it is in the output as it is in the stream.
    fn findings(&self, step: &Step, inputs: &[usize], findings: &[Finding], more: u64) {
        let label = |input: usize| inputs.get(input).map_or(String::new(), |number| step.label(*number));
        tell_findings(self.events, label, findings, more);
    }

    /// Says which streams are no tracks of the output, and notes those that somebody may miss.
    fn left_out(&self, missing: &Missing, left_out: &[LeftOut]) {
        tell_left_out(self.events, missing, left_out);
    }

    /// Says what the output lacks, and why.
    fn misses(&self, missing: &Missing, what: String, why: &str) {
        self.warn("subtitles", format!("the output lacks {what}: {why}"));
        missing.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn warn(&self, kind: &'static str, message: String) {
        let _ = self.events.send(Event::Warning { kind, message });
    }
}

/// Says which streams are no tracks of an output, and notes those that somebody will miss.
fn tell_left_out(events: &mpsc::UnboundedSender<Event>, missing: &Missing, left_out: &[LeftOut]) {
    let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
    for LeftOut { what, pid, is_missed, .. } in left_out {
        if !is_missed {
            let pid = pid.map_or_else(String::new, |pid| format!(" (PID 0x{pid:04x})"));
            let _ = events.send(Event::LeftOut(format!("{what}{pid}")));
        } else if !missing.contains(what) {
            missing.push(what.clone());
            let message = format!("{what} is not in the output: no place for it in an MP4 is known here");
            let _ = events.send(Event::Warning { kind: "tracks", message });
        }
    }
}

/// Says what is odd in the timing of inputs that are called like this.
fn tell_findings(
    events: &mpsc::UnboundedSender<Event>,
    label: impl Fn(usize) -> String,
    findings: &[Finding],
    more: u64,
) {
    let warn = |message| drop(events.send(Event::Warning { kind: "timeline", message }));
    for finding in findings.iter().take(MOST_FINDINGS) {
        let label = label(finding.input);
        let of = if label.is_empty() { String::new() } else { format!("{label}, ") };
        let at = finding.at.as_secs_f64();
        warn(format!("{of}segment {}, at {at:.3} s: {}", finding.unit, finding.what));
    }
    let rest = findings.len().saturating_sub(MOST_FINDINGS) as u64 + more;
    if rest > 0 {
        warn(format!("{rest} more like these in the timing"));
    }
}

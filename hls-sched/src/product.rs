//! What is made of the tracks of a job once they are whole: decided before anything is fetched, and made in a thread of its own.

mod mp4;
mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hls_media::Container;
use hls_state::{Made, Making};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};

use crate::error::{Error, Kind};
use crate::event::{Event, Joining};
use crate::job::{Control, Format, asked_to_end};
use crate::manifest::{FileEntry, Sha};
use crate::manifested::write_of_files;
use crate::plan::Tracks;
use crate::prepare::{About, Chosen};
use crate::size::Size;

/// Progress is told this often.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// An output that is made of tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// Which tracks, the one that has the chapters first.
    pub(crate) tracks: Vec<usize>,
}

/// Whether an output of this name is made of the tracks in place of being the bytes of one, in order.
pub(crate) fn is_made(format: Format, path: &Path, chosen: &[Chosen]) -> bool {
    let is_mp4 = match format {
        Format::Join | Format::Ts => false,
        Format::Mp4 => true,
        Format::Auto => {
            let extension =
                path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            matches!(extension.as_str(), "mp4" | "m4v" | "mov" | "m4a")
        }
    };
    // Where nothing has to be changed, nothing is: the bytes stay those of the server.
    let is_one = |one: &Chosen| one.container == Container::Fmp4 && !one.track.has_several_inits();
    let is_plain = matches!(chosen, [one] if is_one(one) || one.container == Container::WebVtt);
    is_mp4 && !is_plain && !chosen.iter().any(|chosen| chosen.track.is_growing())
}

/// The step from whole tracks to outputs.
pub(crate) struct Step {
    pub(crate) making: Making,
    pub(crate) products: Vec<Product>,
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) abouts: Vec<About>,
    /// Tracks lack segments, so that a later run may make it better.
    pub(crate) has_gaps: bool,
    pub(crate) manifest: Option<Manifest>,
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
        let kept = self.kept();
        let mut work = tokio::task::spawn_blocking(move || {
            let result = self.make(&events, &told);
            if result.is_err() {
                self.making.discard();
            }
            result.and_then(|(made, sums)| self.finish(&made, &sums))
        });
        let result = tokio::select! {
            result = &mut work => result,
            () = asked_to_end(orders) => {
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
    ) -> Result<(Vec<Made>, Vec<Option<Sha256>>), Error> {
        let units = self.making.units().map_err(Error::state)?;
        let of = |product: &Product| {
            let bytes = product.tracks.iter().filter_map(|n| units.get(*n)?.last());
            bytes.map(|last| last.offset + last.len).sum::<u64>()
        };
        // Everything is read twice.
        let all = self.products.iter().map(of).sum::<u64>().saturating_mul(2);
        let mut told = Told { events, stop, done: 0, all, last: None };
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
            mp4::make(self, product, &units, &mut write, &mut told)?;
            made.push(growth.end());
            sums.push(sum);
        }
        Ok((made, sums))
    }

    fn finish(self, made: &[Made], sums: &[Option<Sha256>]) -> Result<u64, Error> {
        if let (Some(manifest), Some(main)) = (&self.manifest, self.outputs.first()) {
            let files =
                self.outputs.iter().zip(made).zip(sums).zip(0_u8..).filter_map(|(((path, made), sum), n)| {
                    let name = path.file_name()?.to_string_lossy().into_owned();
                    Some(FileEntry { track: n, name, length: made.len, sha256: Sha::of(sum.clone()?) })
                });
            let files = files.collect::<Vec<_>>();
            let how = (manifest.replace, manifest.sync);
            write_of_files(main, &manifest.source, &files, how).map_err(Error::state)?;
        }
        self.making.finish(made, self.has_gaps).map_err(Error::state)?;
        Ok(made.iter().map(|made| made.len).sum())
    }
}

/// Tells how far it is, and hears of the end.
struct Told<'a> {
    events: &'a mpsc::UnboundedSender<Event>,
    stop: &'a AtomicBool,
    done: u64,
    all: u64,
    last: Option<Instant>,
}

impl Told<'_> {
    fn read(&mut self, bytes: usize) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::stopped());
        }
        self.done += bytes as u64;
        if self.last.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            self.last = Some(Instant::now());
            let _ = self.events.send(Event::Joining(Joining { done_bytes: self.done, bytes: self.all }));
        }
        Ok(())
    }

    fn warn(&self, message: String) {
        let _ = self.events.send(Event::Warning { kind: "timeline", message });
    }
}

//! The loop that drives a job: it carries actions out and tells the planner what happened. All decisions are made elsewhere.

mod attempts;
mod begin;
mod link;
mod live;
pub(crate) mod origins;
mod outside;
mod reload;
mod setback;
mod steered;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hls_parse::Media;
use hls_state::{Durability, ResumeStore};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use crate::config::{Config, Format};
use crate::control::{Control, DRAIN, End, asked_to_end};
use crate::engine::origins::Hosts;
use crate::error::{Error, Kind};
use crate::event::{Event, Finished, Gap, Progress, StoppedBy};
use crate::manifest::format::manifest_path;
use crate::manifest::write::{About, manifest_of_finished};
use crate::place::Place;
use crate::policy::gains::Gains;
use crate::policy::gaps::Gaps;
use crate::policy::network::{MOST_IN_ALL, OriginId};
use crate::policy::pathway::Answer;
use crate::policy::plan::Tracks;
use crate::policy::planner::{Action, Planner};
use crate::prepare::job_record;
use crate::prepare::{self, Chosen};
use crate::remux;
use crate::resume::previous_run::Earlier;
use crate::size::Size;
use crate::store::gap_report;
use crate::store::space::{self, Extent, Watch};
use crate::store::writer::{Report, Writer};
use crate::transfer::attempt::{Done, Failed, Shared, TrackChecks, Transport};
use crate::transfer::integrity::Doubts;
use crate::transfer::meter::Rate;
use crate::transfer::partial::Begun;
use crate::transfer::rate_limit::Width;
use crate::transfer::stats::Gauge;
pub(crate) use begin::run;
use link::Link;
use live::{Ends, Live};
use outside::Outside;
use setback::Damaged;
use steered::{Moved, Steered};

const TICK: Duration = Duration::from_millis(100);

/// A task that ended.
enum Ended {
    Attempt(u64, Box<Result<Done, Failed>>),
    /// Whether the origin answered.
    Canary(OriginId, bool),
    /// The playlists, loaded again.
    Renewed(Result<Vec<Chosen>, Error>),
    /// The playlist of a track of a live stream.
    Loaded(u8, Result<Box<Media>, Error>),
    /// All of them, from the top.
    Followed(Result<Vec<Chosen>, Error>),
    /// A steering manifest.
    Steered(Answer),
    /// Playlists of a file, from other pathways.
    Moved(Vec<Moved>),
    /// The ciphertext of a unit is here, or did not come.
    Kept,
}

/// An attempt that runs.
struct Running {
    place: Place,
    /// Beside another one.
    hedge: bool,
    gauge: Arc<Gauge>,
    abort: AbortHandle,
    give_way: Option<oneshot::Sender<()>>,
}

struct Engine {
    shared: Arc<Shared>,
    planner: Planner,
    reports: mpsc::UnboundedReceiver<Report>,
    orders: watch::Receiver<Control>,
    running: JoinSet<Ended>,
    /// The attempts that run.
    handles: HashMap<u64, Running>,
    hosts: Hosts,
    outside: Outside,
    /// Why units failed that are final unless their origin is gone.
    doubted: HashMap<Place, Error>,
    give_up_after: Option<Duration>,
    link: Link,
    live: Option<Live>,
    steered: Option<Steered>,
    /// Units that an attempt has begun and the next one goes on with.
    begun: HashMap<Place, Begun>,
    /// How far the units have come whose attempts failed.
    gains: HashMap<Place, Gains>,
    gaps: Gaps,
    bytes: u64,
    segments_done: u64,
    /// Segments that the next run will find.
    saved: u64,
    /// Of what an earlier run left, these turned out to be damaged.
    damaged: Damaged,
    rate: Rate,
    width: Width,
    /// There were no descriptors for more than one attempt at once.
    is_narrow: bool,
    started: Instant,
    drain_until: Option<Instant>,
    /// The main output; none where the bytes go to a reader.
    output: Option<std::path::PathBuf>,
    /// The main output is the bytes of a track, one behind the other; else it is made of some.
    is_joined: bool,
    /// Where what the main track holds can be looked at.
    grows_at: Option<std::path::PathBuf>,
    /// About how many bytes all of it will be.
    estimate: Option<u64>,
    watch: Option<Watch>,
}

impl Engine {
    /// Until every unit is in its output, or something ends the job.
    async fn transfer(&mut self) -> Result<(), Error> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while let Some(action) = match self.drain_until {
                None => self.next_action(),
                Some(_) => self.planner.next_end(),
            } {
                self.act(action);
            }
            // The last bytes may be handed over before their attempts are heard of. Nothing ends before what an earlier run
            // left has been checked.
            let is_whole = || self.shared.assemble(|assembler| assembler.is_complete());
            if self.handles.is_empty() && self.damaged.is_all && is_whole() {
                return Ok(());
            }
            if self.drain_until.is_some_and(|until| self.running.is_empty() || Instant::now() >= until) {
                return Err(Error::stopped());
            }
            self.look_for_news(Instant::now());
            self.look_for_steering(Instant::now());
            // What is due already waits for a free slot, and a slot that becomes free wakes the loop anyway.
            let wake = self.planner.next_wake().map(Instant::from_std);
            let due = self.live.as_ref().and_then(Live::due);
            let steers = self.steered.as_ref().and_then(Steered::due);
            let wake = wake.into_iter().chain(due).chain(steers).filter(|wake| *wake > Instant::now()).min();
            tokio::select! {
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => match ended {
                    Ok(Ended::Attempt(attempt, result)) => self.ended(attempt, *result)?,
                    Ok(Ended::Canary(id, alive)) => self.canary_ended(id, alive)?,
                    Ok(Ended::Renewed(result)) => self.renewed(result)?,
                    Ok(Ended::Loaded(track, result)) => self.loaded(track, result)?,
                    Ok(Ended::Followed(result)) => self.followed(result)?,
                    Ok(Ended::Steered(answer)) => self.steered(answer),
                    Ok(Ended::Moved(all)) => self.moved(all),
                    Ok(Ended::Kept) => {}
                    Err(error) if error.is_cancelled() => {}
                    Err(_) => return Err(Error::new(Kind::Internal, "internal", "an attempt panicked")),
                },
                report = self.reports.recv() => match report {
                    Some(report) => self.heard(report)?,
                    None => return Err(Error::writer_gone()),
                },
                _ = tick.tick() => self.ticked()?,
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                Ok(()) = self.orders.changed() => self.ordered()?,
            }
        }
    }

    fn next_action(&mut self) -> Option<Action> {
        let Self { planner, hosts, shared, .. } = self;
        let origin_of = |place| shared.tracks.at(place).map_or(0, |(_, unit)| hosts.id(&unit.url));
        planner.poll(Instant::now().into_std(), origin_of)
    }

    fn heads(&mut self) {
        for track in (0..=u8::MAX).take(self.shared.tracks.0.len()) {
            let head = self.shared.assemble(|assembler| assembler.head(track));
            self.planner.head_at(track, head);
        }
    }

    fn heard(&mut self, report: Report) -> Result<(), Error> {
        match report {
            Report::Placed(place, right) => self.placed(place, right),
            Report::Lost(place) => self.lost(place),
            Report::Saved(place) => self.note_saved(place),
            Report::Damaged(placed) => self.found_damaged(placed),
            Report::Checked => self.check_ended(),
            Report::OutOfDescriptors => self.narrow(),
            Report::Failed(error) => return Err(self.write_error(error)),
            Report::Finished(_) | Report::Closed(_) => {}
        }
        Ok(())
    }

    fn note_saved(&mut self, place: Place) {
        let Some(track) = self.shared.tracks.0.get(usize::from(place.track)) else { return };
        self.saved += u64::from(!track.is_init(place.index));
        if self.live.is_some()
            && let Some(unit) = track.unit(place.index)
        {
            self.shared.transport.kept.is_done(unit.identity);
        }
    }

    fn still_needed(&self) -> Option<u64> {
        let all = self.shared.tracks.segments();
        let extent = Extent { verified: (self.segments_done, self.bytes), saved: self.saved, all };
        space::still_needed(self.estimate, extent)
    }

    fn ticked(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        self.fetch_taken_back();
        let need = self.still_needed();
        // What a recording is made into needs as much again.
        let made = if self.live.is_some() && !self.is_joined { self.bytes } else { 0 };
        self.watch.as_mut().map_or(Ok(()), |watch| watch.look(now.into_std(), need, made))?;
        let disk_is_behind = self.shared.writer.is_behind();
        self.shared.assemble(|assembler| assembler.tick(now.into_std(), disk_is_behind));
        self.shared.room.notify_waiters();
        self.widen(now.into_std());
        self.look_outside(now)?;
        self.shared.transport.kept.sweep(now);
        self.shared.transport.wholes.sweep(now.into_std());
        self.tick_live(now)?;
        let received = self.shared.transport.meters.received();
        let bytes_per_second = self.rate.sample(now.into_std(), received);
        if let Some(steered) = &mut self.steered {
            steered.rate = bytes_per_second;
        }
        let segments = self.shared.tracks.segments();
        let left = segments.saturating_sub(self.segments_done);
        let eta = (self.segments_done > 0 && bytes_per_second > 0).then(|| {
            let per_segment = self.bytes as f64 / self.segments_done as f64;
            Duration::try_from_secs_f64(left as f64 * per_segment / bytes_per_second as f64)
                .unwrap_or(Duration::MAX)
        });
        self.watch_link(eta);
        let progress = Progress {
            segments_done: self.segments_done,
            segments,
            downloaded_bytes: received,
            bytes: self.bytes,
            bytes_per_second,
            concurrency: self.planner.active(),
            network: self.network(),
            retries: self.shared.transport.meters.retries(),
            eta,
            elapsed: self.started.elapsed(),
            live: self.live_progress(now),
        };
        let _ = self.shared.events.send(Event::Progress(progress));
        Ok(())
    }

    fn widen(&mut self, now: std::time::Instant) {
        let (rate, granted, held) = self.shared.transport.pacer.state();
        let width = self.width.update(now, rate, granted, held);
        self.planner.set_limit(if self.is_narrow { 1 } else { width });
    }

    fn ordered(&mut self) -> Result<(), Error> {
        let control = *self.orders.borrow_and_update();
        self.shared.transport.pacer.set_rate(control.rate);
        self.widen(Instant::now().into_std());
        match control.end {
            End::None => Ok(()),
            End::Stop if self.live.is_some() => {
                self.stop_recording(StoppedBy::Stop);
                Ok(())
            }
            End::Stop => {
                self.drain_until.get_or_insert_with(|| Instant::now() + DRAIN);
                self.steered.as_mut().into_iter().for_each(Steered::abort);
                Ok(())
            }
            End::Cancel => Err(Error::stopped()),
        }
    }

    /// Every unit is there, or known to be missing: final names.
    async fn complete(mut self, segments: u64) -> Result<Vec<Gap>, Error> {
        let gaps = std::mem::take(&mut self.gaps);
        if gaps.count() == segments {
            let error = Error::new(Kind::Refused, "segment.gap", "not one segment could be had");
            return Err(self.keep(error).await);
        }
        let report = self.output.clone();
        let reporting = tokio::task::spawn_blocking(move || {
            let written = match report.filter(|_| gaps.count() > 0) {
                Some(output) => gap_report::write(&gaps, &output, segments),
                None => Ok(()),
            };
            written.map(|()| gaps)
        });
        let gaps = match reporting.await {
            Ok(Ok(gaps)) => gaps.into_list(),
            Ok(Err(error)) => return Err(self.keep(Error::state(error)).await),
            Err(_) => {
                return Err(Error::new(Kind::Internal, "internal", "the gaps could not be written down"));
            }
        };
        if !gaps.is_empty() {
            self.shared.writer.note(job_record::ended_with_gaps(gaps.len()));
        }
        self.shared.writer.finish();
        while let Some(report) = self.reports.recv().await {
            match report {
                Report::Finished(Ok(_)) => {
                    if let Some(output) = self.output.as_ref().filter(|_| gaps.is_empty()) {
                        gap_report::remove(output);
                    }
                    return Ok(gaps);
                }
                Report::Finished(Err(error)) => return Err(self.write_error(error)),
                // All was verified; not all of that has reached the disk.
                Report::Failed(error) => {
                    let error = self.write_error(error);
                    return Err(self.keep(error).await);
                }
                Report::Saved(place) => self.note_saved(place),
                _ => {}
            }
        }
        Err(Error::writer_gone())
    }

    /// The job ends here for now: what is whole is kept.
    async fn keep(mut self, error: Error) -> Error {
        self.running.abort_all();
        while self.running.join_next().await.is_some() {}
        let marked = self.shared.assemble(|assembler| {
            assembler.evacuate();
            assembler.marked()
        });
        self.shared.writer.close(job_record::ended(&error));
        while let Some(report) = self.reports.recv().await {
            match report {
                Report::Closed(Ok(())) => break,
                // The reason for the end says more than what followed from it; but nothing is promised as kept.
                Report::Closed(Err(_)) => return error,
                Report::Saved(place) => self.note_saved(place),
                _ => {}
            }
        }
        let Some(output) = &self.output else { return error };
        let name = hls_fetch::escaped(&output.display().to_string(), 300);
        let place = format!("{name}.{}", if self.is_joined { "part" } else { "hls" });
        // Not all that is verified: what no disk had room for is lost with this process.
        let (saved, all) = (self.saved, self.shared.tracks.segments());
        let begun = match (saved, marked) {
            (_, 0) => String::new(),
            (0, _) => format!("{} of segments that are not whole in {place}", Size(marked)),
            _ => format!(", and {} of others", Size(marked)),
        };
        let error = match saved {
            0 if marked == 0 => error.keeping(format!("nothing; {name} was not created")),
            0 => error.keeping(format!("{begun}; {name} was not created")),
            _ => error.keeping(format!(
                "{saved} of {all} segments verified in {place}{begun}; {name} was not created"
            )),
        };
        match (error.advice(), error.kind()) {
            (Some(_), _) | (None, Kind::Internal) => error,
            (None, Kind::Refused) => {
                error.next("give a link that has it, or another variant with -s; what is kept is used again")
            }
            (None, _) => error.next("run the same command again to go on"),
        }
    }
}

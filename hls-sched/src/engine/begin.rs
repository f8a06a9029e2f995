//! From a configuration to an engine at work, and from its end to what is finished: once for a file, or once for each part of a
//! recording.

use std::path::PathBuf;
use std::sync::PoisonError;

use hls_media::Container;
use hls_state::Position;
use tokio::task::JoinHandle;

use super::*;
use crate::manifest::joined;
use crate::policy::live::{Following, Window};
use crate::policy::pathway::Steering;
use crate::prepare::{Again, Selection};
use crate::remux::film::{self, Filmed, Refused};
use crate::resume::parts;
use crate::store::observer::Watched;
use crate::store::tee::Also;
use crate::transfer::remuxed::NOT_ALONE;

/// Runs a job to its end.
pub(crate) async fn run(
    config: Arc<Config>,
    events: mpsc::UnboundedSender<Event>,
    mut orders: watch::Receiver<Control>,
) -> Result<Finished, Error> {
    prepare::probe(&config)?;
    let fetch = config.fetch.clone().ok_or_else(|| Error::new(Kind::Internal, "internal", "no transport"))?;
    let transport = Arc::new(Transport::new(fetch, &config, events.clone()));
    let reader = config.also.lock().unwrap_or_else(PoisonError::into_inner).take();
    let also = reader.map(|reader| Also::start(reader, events.clone())).transpose();
    let also =
        also.map_err(|e| Error::new(Kind::Local, "thread", "a thread can't be started").why(e.to_string()))?;
    let result = parts(&config, &transport, (&events, also.as_ref()), &mut orders).await;
    if let Some(also) = also {
        also.finish().await;
    }
    result
}

async fn parts(
    config: &Arc<Config>,
    transport: &Arc<Transport>,
    (events, also): (&mpsc::UnboundedSender<Event>, Option<&Also>),
    orders: &mut watch::Receiver<Control>,
) -> Result<Finished, Error> {
    let mut whole: Option<Finished> = None;
    let mut part = Part::default();
    // Of parts that are recorded, while the next ones are.
    let mut makings: Vec<Making> = Vec::new();
    let ended = loop {
        let whole_tracks = part.whole_tracks;
        let (finished, next) = match part.run(config, transport, (events, also), orders).await {
            Ok(ended) => ended,
            Err(error) if error.code() == NOT_ALONE && error.kind() == Kind::Internal && !whole_tracks => {
                let message = format!("{error}: all segments are fetched first, and made into an MP4 then");
                let _ = events.send(Event::Warning { kind: "output", message });
                part = Part { whole_tracks: true, ..Part::default() };
                continue;
            }
            // Between two parts.
            Err(error)
                if error.kind() == Kind::Stopped && whole.is_some() && orders.borrow().end != End::Cancel =>
            {
                whole.iter_mut().for_each(|whole| whole.stopped_by = Some(StoppedBy::Stop));
                break Ok(());
            }
            Err(error) => break Err(error),
        };
        whole = Some(match whole {
            None => finished,
            Some(whole) => whole.joined(finished),
        });
        match next {
            Some(mut next) => {
                makings.extend(next.making.take());
                part = next;
            }
            None => break Ok(()),
        }
    };
    let mut result = ended;
    for making in makings {
        let gone = |_| Err(Error::new(Kind::Internal, "internal", "joining panicked"));
        let made = making.await.unwrap_or_else(gone);
        match (made, &mut whole) {
            (Ok(bytes), Some(whole)) => whole.bytes += bytes,
            (Ok(_), None) => {}
            (Err(error), _) => result = result.and(Err(error)),
        }
    }
    result?;
    if let Some(whole) = &mut whole {
        whole.missing.append(&mut transport.missing.lock().unwrap_or_else(PoisonError::into_inner));
    }
    whole.ok_or_else(|| Error::new(Kind::Internal, "internal", "nothing was done"))
}

/// One file, or as many as there are tracks: all of a download, or one part of a recording.
struct Part {
    /// `None`: what lies there already tells.
    number: Option<u32>,
    /// The main output of the first part.
    first: PathBuf,
    /// Where the part before has ended.
    windows: Option<Vec<Window>>,
    /// How long the parts before are.
    before: Duration,
    /// The main output of the part before; what stays behind it is of no more use once this one has begun.
    behind: Option<PathBuf>,
    /// What the part before has recorded, from where it came last.
    selection: Option<Selection>,
    /// What the part before knew of pathways.
    steering: Option<Steering>,
    /// The outputs of the part before are being made.
    making: Option<Making>,
    started: Instant,
    /// Begins anew, and makes nothing before all is there: it has turned out that nothing can be.
    whole_tracks: bool,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            number: None,
            first: PathBuf::new(),
            windows: None,
            before: Duration::ZERO,
            behind: None,
            selection: None,
            steering: None,
            making: None,
            started: Instant::now(),
            whole_tracks: false,
        }
    }
}

/// Outputs that are being made; comes to the bytes they have.
type Making = JoinHandle<Result<u64, Error>>;

impl Part {
    async fn run(
        mut self,
        config: &Arc<Config>,
        transport: &Arc<Transport>,
        (events, also): (&mpsc::UnboundedSender<Event>, Option<&Also>),
        orders: &mut watch::Receiver<Control>,
    ) -> Result<(Finished, Option<Self>), Error> {
        let started = self.started;
        let prior = prepare::earlier_choice(config);
        let goes_on = self.number.is_some() || prepare::goes_on(config);
        let is_next = self.selection.is_some();
        let selection = match self.selection.take() {
            Some(selection) => selection,
            None => tokio::select! {
                selection = prepare::choose_patiently(config, (prior, goes_on), transport, events) => selection?,
                () = asked_to_end(orders) => return Err(Error::stopped()),
            },
        };
        let is_live = selection.chosen.iter().any(|chosen| chosen.track.is_growing());
        let ends = self.ends(config, &selection, is_live)?;
        let again = Again::of(&selection);
        let Selection { chosen, choices, steering, missing, .. } = selection;
        let outputs = ends.outputs.clone();
        if also.is_some() && (!ends.is_joined() || outputs.len() != 1) {
            return Err(Error::new(Kind::Usage, "output.tracks", "a copy is of one stream, as it comes")
                .why("this output is made of several, or at the end")
                .next("leave -o - out, or choose a name and tracks that need nothing made"));
        }
        let is_joined = ends.is_joined();
        let container = |c: &Chosen| (config.format != Format::Join).then_some(c.container);
        let check = |(n, c)| TrackChecks::new(container(c), ends.is_output(n));
        let checks: Vec<_> = chosen.iter().enumerate().map(check).collect();
        let abouts: Vec<_> = chosen.iter().map(|c| c.about.clone()).collect();
        let texts: Vec<_> = chosen.iter().map(|c| c.is_text() || c.container == Container::WebVtt).collect();
        let (mut tracks, mut sources): (Vec<_>, Vec<_>) =
            chosen.into_iter().map(|c| (c.track, c.source)).unzip();
        tracks.iter_mut().for_each(|track| track.pieces.clone_from(&ends.pieces));
        for (n, (track, about)) in tracks.iter_mut().zip(&abouts).enumerate() {
            let is_text = texts.get(n).copied().unwrap_or(false);
            let is_mp4 = ends.pieces.is_some() || ends.makes_mp4_of(n) && !is_text;
            track.mp4 = is_mp4.then_some((about.takes, about.may_lack));
        }
        tracks.iter_mut().zip(&texts).for_each(|(track, is_text)| track.is_text = *is_text);
        let how = (is_live, self.whole_tracks);
        let joint = Arc::default();
        let (mut store, recovered, making) = prepare::open(config, &ends, tracks.len(), how, &joint).await?;
        for message in &recovered.warnings {
            let _ = events.send(Event::Warning { kind: "state", message: message.clone() });
        }
        let tracks = Arc::new(Tracks(tracks));
        let mut note = job_record::of(config, choices.first().cloned(), &ends, &tracks);
        let is_new = recovered.aside.is_empty() && recovered.outputs.iter().all(Vec::is_empty);
        let main = outputs.first().filter(|_| !is_live && !is_new);
        let is_as_long = main.map_or(Ok(()), |main| job_record::is_as_long(&mut note, main));
        let mut noted = |error: Error, store: &mut Box<dyn ResumeStore>| {
            note.ended = Some(job_record::ended(&error));
            store.keep_memo(&note);
            error
        };
        if let Some(layout) = hls_state::Layout::new(outputs.clone()).filter(|_| is_live) {
            transport.kept.open(layout.folder().to_owned());
        }
        let windows = self.windows.take().filter(|windows| windows.len() == tracks.0.len());
        let named_in = sources.first().and_then(|source| source.parent.clone());
        let live = is_live.then(|| {
            let mut windows = windows.into_iter().flatten();
            let now = Instant::now().into_std();
            let following = std::mem::take(&mut sources)
                .into_iter()
                .map(|source| Following::new(source, windows.next(), now));
            Live::new(Arc::clone(config), choices.clone(), following.collect(), self.before)
        });
        let live = match live.map(|live| live.restored(&tracks, &recovered, &transport.kept)).transpose() {
            Ok(live) => live,
            Err(error) => return Err(noted(error, &mut store)),
        };
        let earlier = Earlier::new(&tracks, &recovered).and_then(|earlier| is_as_long.map(|()| earlier));
        let earlier = match earlier {
            Ok(earlier) => earlier,
            Err(error) => return Err(noted(error, &mut store)),
        };
        let plan = prepare::plan(&outputs, &tracks, earlier.progress());
        let estimate = plan.estimated_bytes;
        // An output that is replaced is copied.
        let here = if recovered.replaces { 0 } else { plan.resumed_bytes };
        let need = estimate.map(|all| all.saturating_sub(here)).filter(|_| !recovered.complete);
        // What outputs are made of stays until they are whole.
        let is_twice = ends.makes_mp4();
        let need = need.map(|need| if is_twice { need + estimate.unwrap_or_default() } else { need });
        let keep_free = config.keep_free.or(is_live.then_some(KEEP_FREE_LIVE));
        let room = space::may_begin(need, plan.free_bytes, keep_free);
        let _ = events.send(Event::Plan(plan));
        if let Err(error) = room {
            let error = noted(error, &mut store);
            // Nothing has come yet that could fail to be kept.
            let _ = store.close();
            return Err(error);
        }
        let labels = tracks.0.iter().map(|t| t.label.clone()).collect();
        let (resumed_segments, resumed_bytes) = earlier.progress();
        let finished = |bytes: u64, transport: &Transport, segments| Finished {
            outputs: outputs.clone(),
            manifest: outputs.first().filter(|_| config.manifest).map(|main| manifest_path(main)),
            tracks: labels,
            bytes,
            downloaded_bytes: transport.meters.received(),
            segments,
            resumed_segments,
            retries: transport.meters.retries(),
            gaps: Vec::new(),
            missing: missing.clone(),
            restarts: 0,
            problems: Vec::new(),
            elapsed: started.elapsed(),
            stopped_by: None,
        };
        let manifest = || {
            config.manifest.then(|| remux::Manifest {
                source: job_record::source(config),
                replace: config.force,
                sync: config.durability == Durability::Safe,
            })
        };
        let refused = Refused::default();
        let film = outputs.first().filter(|_| ends.pieces.is_some()).map(|output| film::About {
            output: output.clone(),
            tracks: Arc::clone(&tracks),
            says: abouts.first().cloned().unwrap_or_default(),
            placed: recovered.outputs.first().cloned().unwrap_or_default(),
            manifest: manifest(),
            events: events.clone(),
            refused: Arc::clone(&refused),
            missing: Arc::clone(&transport.missing),
        });
        let grows_at = outputs.first().and_then(|_| ends.layout()).map(|layout| layout.part(0));
        let step = making.filter(|_| !recovered.made).map(|making| remux::Step {
            making,
            products: ends.products,
            outputs: outputs.clone(),
            tracks: Arc::clone(&tracks),
            abouts,
            texts,
            has_gaps: false,
            is_live,
            is_quiet: false,
            manifest: manifest(),
            ahead: None,
            missing: Arc::clone(&transport.missing),
        });
        let about = (config.manifest && !outputs.is_empty() && is_joined).then(|| About {
            outputs: outputs.clone(),
            tracks: Arc::clone(&tracks),
            source: job_record::source(config),
            replace: config.force,
            sync: config.durability == Durability::Safe,
            placed: recovered.outputs.clone(),
        });
        // What is complete and has not moved needs nothing of the server. Of a live stream the names and dates in its playlist
        // tell, as what is here may have left it.
        let is_settled = is_live || recovered.complete && !earlier.has_moved_at_all();
        earlier.recall(transport);
        let proving = async { if is_settled { Ok(()) } else { earlier.prove(transport, events).await } };
        let proved = tokio::select! {
            biased;
            proved = proving => proved,
            () = asked_to_end(orders) => {
                // Nothing has come yet that could fail to be kept.
                let _ = store.close();
                return Err(Error::stopped());
            }
        };
        if let Err(error) = proved {
            return Err(noted(error, &mut store));
        }
        if recovered.complete {
            if !is_live && !earlier.is_as_long() {
                return Err(Error::stream_changed(
                    0,
                    "the playlist has more or fewer segments than the output",
                ));
            }
            outputs.iter().take(1).filter(|_| !is_live).for_each(|output| gap_report::remove(output));
            if let Some(about) = about {
                manifest_of_finished(about).await?;
            }
            self.behind.iter().for_each(|behind| Position::forget(behind));
            let gaps = earlier.gaps();
            let segments = resumed_segments + gaps.len() as u64;
            let bytes = |_| outputs.iter().filter_map(|o| std::fs::metadata(o).ok()).map(|m| m.len()).sum();
            let done = Finished { gaps, ..finished(0, transport, segments) };
            let seen_to = self.number.unwrap_or(1);
            let later = parts::next_part(&self.first, config.force, seen_to);
            let place = live.map(|live| live.place());
            let goes_on = |windows: &Vec<Window>| later.number > seen_to && windows.len() == tracks.0.len();
            let Some((windows, sources)) = place.filter(|(windows, _)| goes_on(windows)) else {
                if let Some(step) = step {
                    step.run(events, orders).await?;
                }
                let stopped_by = is_live.then_some(StoppedBy::Stop);
                return Ok((Finished { bytes: bytes(()), stopped_by, ..done }, None));
            };
            // The recording that left this behind has ended here, and the stream may have gone on.
            let making = step.map(|step| step.start(events, orders));
            let done = Finished { bytes: if making.is_some() { 0 } else { bytes(()) }, ..done };
            let stopped_by = Some(StoppedBy::Stop);
            let done = Finished { stopped_by, ..done };
            let before = self.before + tracks.0.first().map_or(Duration::ZERO, |track| track.duration());
            let selection = again.selection(&tracks.0, sources)?;
            let windows = match later.number == seen_to + 1 {
                true => Some(windows),
                // Others are between, and the last of them tells.
                false => later
                    .behind
                    .as_deref()
                    .and_then(Position::of)
                    .and_then(|position| parts::windows(&position, tracks.0.len())),
            };
            let next = Self { making, before, ..self.next(Vec::new(), selection, None) };
            let next = Self { number: Some(later.number), windows, behind: later.behind, ..next };
            return Ok((done, Some(next)));
        }
        for (checks, found) in checks.iter().zip(earlier.configurations()) {
            found.into_iter().for_each(|found| drop(checks.configuration.set(found)));
        }
        let start = earlier.start(config, transport, &mut *store).await?;
        if let Some((also, part)) = also.zip(hls_state::Layout::new(outputs.clone()).map(|l| l.part(0))) {
            let end = |placed: &hls_state::Placed| placed.offset.saturating_add(placed.len);
            let there = recovered.outputs.first().and_then(|units| units.last()).map_or(0, end);
            store = Box::new(also.over(store, (part, there, is_live)));
        }
        if let Some(about) = about {
            store = Box::new(Watched::new(store, about));
        }
        if let Some(about) = film {
            let known = film::tracks_of(&about.output, &about.placed);
            checks.iter().zip(known).for_each(|(checks, known)| checks.pieces.known(known));
            store = Box::new(Watched::new(store, Filmed::new(about)));
        }
        let mut step = step;
        if let Some(step) = step.as_mut().filter(|_| !is_live) {
            store = step.index_ahead(store, &ends.tracks, &recovered.outputs);
        }
        let (reports_in, reports) = mpsc::unbounded_channel();
        let writer = Writer::start(store, note, reports_in).map_err(|e| {
            Error::new(Kind::Local, "thread", "the writing thread can't be started").why(e.to_string())
        })?;
        let segments = tracks.segments();
        let shared = Arc::new(Shared {
            tracks,
            transport: Arc::clone(transport),
            assembler: Mutex::new(start.assembler),
            writer,
            room: Notify::new(),
            checks,
            doubts: Doubts::new(config.strict),
            order: start.order,
            events: events.clone(),
        });
        shared.assemble(|_| ());
        let playlists = shared.tracks.0.iter().map(|track| track.media().base().clone()).collect();
        let steering =
            self.steering.take().or(steering.map(|url| Steering::new(url, Instant::now().into_std())));
        let steered = steering.map(|steering| Steered::new(steering, named_in, sources, config.allow_gaps));
        let mut engine = Engine {
            shared,
            planner: start.planner,
            reports,
            orders: orders.clone(),
            running: JoinSet::new(),
            handles: HashMap::new(),
            hosts: Hosts::with(playlists),
            outside: Outside::new(),
            doubted: HashMap::new(),
            give_up_after: config.patience(),
            link: Link::new(Arc::clone(config), choices),
            live,
            steered,
            gaps: start.gaps,
            begun: start.begun,
            gains: HashMap::new(),
            bytes: resumed_bytes,
            segments_done: resumed_segments,
            saved: resumed_segments,
            damaged: Damaged::default(),
            rate: Rate::default(),
            width: Width::new(config.concurrency.unwrap_or(MOST_IN_ALL)),
            is_narrow: false,
            started,
            drain_until: None,
            output: outputs.first().cloned(),
            is_joined: ends.tracks.first().is_none_or(Option::is_none),
            grows_at,
            estimate,
            watch: Watch::new(outputs.first(), keep_free),
        };
        engine.widen(Instant::now().into_std());
        engine.heads();
        let transferred = match engine.begin_live() {
            Ok(()) => {
                engine.steer(Instant::now());
                engine.transfer().await
            }
            Err(error) => Err(error),
        };
        if let Err(mut error) = transferred {
            if error.code() == NOT_ALONE && recovered.replaces {
                // What has its name is no less for it, and is not begun anew.
                error = error.of_kind(Kind::Content).next("-o with another name makes the whole file anew");
            }
            return Err(engine.keep(error).await);
        }
        let (bytes, damaged) = (engine.bytes, engine.damaged.segments);
        self.steering = engine.steered.take().map(|steered| steered.into_steering(Instant::now()));
        let mut ended = engine.live.as_ref().map(|live| (live.ends, live.place()));
        let tracks = Arc::clone(&engine.shared.tracks);
        let (segments, recorded) = match &ended {
            Some(_) => (engine.segments_done + engine.gaps.count(), engine.recorded()),
            None => (segments, Duration::ZERO),
        };
        // Of a recording the first track tells: without any of it, the others have nothing to go with.
        let head = engine.shared.assemble(|assembler| assembler.head(0));
        let has_any = tracks.0.first().is_some_and(|main| main.segments_before(head) > 0);
        let is_all_missing = segments > 0 && engine.gaps.count() == segments;
        if let Some((ends, (windows, sources))) = ended.take_if(|_| !has_any || is_all_missing) {
            let stopped_by = match ends {
                Some(Ends::By(by)) => Some(by),
                Some(Ends::Split) => None,
                None => Some(StoppedBy::End),
            };
            let error = match stopped_by {
                Some(StoppedBy::Stop) => Error::stopped(),
                _ if is_all_missing => {
                    Error::new(Kind::Refused, "segment.gap", "not one segment could be had")
                }
                _ => Error::new(Kind::Refused, "live.nothing", "the stream has nothing new"),
            };
            let gaps = std::mem::take(&mut engine.gaps).into_list();
            let error = engine.keep(error).await;
            if matches!(stopped_by, None | Some(StoppedBy::End)) {
                // It holds the lock of the job.
                drop(step);
                outputs.first().map(|output| hls_state::remove(output));
            }
            let finished =
                Finished { outputs: Vec::new(), gaps, stopped_by, ..finished(0, transport, segments) };
            // What came before it is the recording, and what comes has its place.
            if stopped_by.is_none() {
                let selection = again.selection(&tracks.0, sources)?;
                let (number, before, behind) = (self.number, self.before + recorded, self.behind.clone());
                let next = Self { number, before, ..self.next(windows, selection, behind) };
                return Ok((finished, Some(next)));
            }
            if stopped_by == Some(StoppedBy::End) {
                self.behind.iter().for_each(|behind| Position::forget(behind));
            }
            return if is_next { Ok((finished, None)) } else { Err(error) };
        }
        // Kept before the output has its name: whoever finds that knows where it goes on. Without it the next part can't tell what
        // came between, and nothing else is lost.
        if let Some(((ends, (windows, _)), output)) = ended.as_ref().zip(outputs.first()) {
            match ends {
                None | Some(Ends::By(StoppedBy::End)) => Position::forget(output),
                Some(_) => drop(parts::position(windows).keep(output)),
            }
        }
        let restarts = engine.shared.order.restarts();
        let gaps = engine.complete(segments).await.map_err(|error| {
            refused.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
        })?;
        let mut finished = finished(bytes, transport, segments);
        finished.resumed_segments = finished.resumed_segments.saturating_sub(damaged);
        finished.gaps = gaps;
        finished.restarts = if is_joined { restarts } else { 0 };
        if is_joined && !is_live {
            finished.problems = joined::problems(outputs.clone(), &joint).await?;
        }
        if let Some(output) = outputs.first().filter(|_| ends.pieces.is_some()) {
            finished.bytes = std::fs::metadata(output).map_or(0, |meta| meta.len());
        }
        let mut making = None;
        if let Some(mut step) = step {
            // Of a recording they stay.
            step.has_gaps = !finished.gaps.is_empty() && !is_live;
            if matches!(ended, Some((Some(Ends::Split), _))) {
                finished.bytes = 0;
                making = Some(step.start(events, orders));
            } else {
                finished.bytes = step.run(events, orders).await?;
                finished.elapsed = started.elapsed();
            }
        }
        let Some((ends, (windows, sources))) = ended else { return Ok((finished, None)) };
        let selection = again.selection(&tracks.0, sources)?;
        let next = self.end(ends, (windows, selection), recorded, outputs.first(), &mut finished);
        Ok((finished, next.map(|next| Self { making, ..next })))
    }

    /// The names of the outputs, those of the next part where an earlier one is there already.
    fn ends(
        &mut self,
        config: &Config,
        selection: &Selection,
        is_live: bool,
    ) -> Result<prepare::Ends, Error> {
        let first = prepare::outputs(config, selection, 1, self.whole_tracks)?;
        let Some(main) = first.outputs.first().filter(|_| is_live) else { return Ok(first) };
        let number = self.number.unwrap_or_else(|| {
            let next = parts::next_part(main, config.force, 0);
            let position = next.behind.as_deref().and_then(Position::of);
            self.windows = position.and_then(|position| parts::windows(&position, selection.chosen.len()));
            self.behind = next.behind;
            next.number
        });
        self.number = Some(number);
        self.first.clone_from(main);
        prepare::outputs(config, selection, number, self.whole_tracks)
    }

    /// The part behind this one, of a stream that has come so far.
    fn next(self, windows: Vec<Window>, selection: Selection, behind: Option<PathBuf>) -> Self {
        Self {
            number: self.number.map(|number| number + 1),
            windows: Some(windows),
            selection: Some(selection),
            behind,
            making: None,
            whole_tracks: false,
            ..self
        }
    }

    /// What follows a part of a recording.
    fn end(
        self,
        ends: Option<Ends>,
        (windows, selection): (Vec<Window>, Selection),
        recorded: Duration,
        output: Option<&PathBuf>,
        finished: &mut Finished,
    ) -> Option<Self> {
        if let Some(behind) = &self.behind {
            Position::forget(behind);
        }
        match ends {
            Some(Ends::Split) => {
                let before = self.before + recorded;
                return Some(Self { before, ..self.next(windows, selection, output.cloned()) });
            }
            Some(Ends::By(by)) => finished.stopped_by = Some(by),
            None => finished.stopped_by = Some(StoppedBy::End),
        }
        None
    }
}

/// A recording ends before the disk is full, unless told otherwise.
const KEEP_FREE_LIVE: u64 = 1 << 30;

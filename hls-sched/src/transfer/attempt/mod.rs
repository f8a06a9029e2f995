//! One attempt for one unit: from the request to the last verified byte.

mod checks;
mod digests;
mod judge;
mod sink;
mod transport;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hls_crypto::{CbcDecryptor, Iv};
use hls_fetch::{Class, Fetch, Request, Response};
use hls_media::{Configuration, Container};
use hls_state::{Fingerprint, Hasher, Mark};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::error::{Error, Kind};
use crate::event::{Event, Retry};
use crate::place::Place;
use crate::policy::assembler::{Assembler, Completion, Offer};
use crate::policy::order::Order;
use crate::policy::plan::{Track, Tracks, Unit};
use crate::store::writer::Writer;
use crate::transfer::buffer_pool::Buffers;
use crate::transfer::ciphertext::{Kept, request_for, waits_for_keys};
use crate::transfer::integrity::Doubts;
use crate::transfer::keys::Keys;
use crate::transfer::meter::Meters;
use crate::transfer::odd::Odd;
use crate::transfer::partial::Begun;
use crate::transfer::pipeline::{Pipeline, Whole};
use crate::transfer::rate_limit::{Account, Pacer};
use crate::transfer::remuxed::{Becomes, begin_of};
use crate::transfer::resources::{Resources, Validators, is_part};
use crate::transfer::stats::Gauge;
use crate::transfer::whole::Wholes;

pub(crate) use self::checks::TrackChecks;
use self::judge::Judged;
use self::sink::{Memory, Nowhere, Sink};

/// A segment without any bytes may be said to last less than this.
const LONGEST_EMPTY: Duration = Duration::from_millis(500);
/// The initialisation section is asked for before the segments: one that came earlier waits this long for it.
const INIT_WAIT: Duration = Duration::from_millis(500);

/// What the attempts of a job share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) assembler: Mutex<Assembler>,
    pub(crate) writer: Writer,
    /// Told when an attempt that pauses may offer again.
    pub(crate) room: Notify,
    pub(crate) checks: Vec<TrackChecks>,
    pub(crate) doubts: Doubts,
    pub(crate) order: Order,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// How bytes are had, whatever becomes of them.
pub(crate) struct Transport {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) keys: Keys,
    /// Units of live streams that wait for their keys.
    pub(crate) kept: Kept,
    pub(crate) pacer: Pacer,
    pub(crate) meters: Meters,
    pub(crate) buffers: Buffers,
    /// Audio, video and subtitles that are in no output, although somebody may miss them.
    pub(crate) missing: Missing,
    /// What servers have said of what is fetched in parts.
    pub(crate) resources: Resources,
    /// Answers that hold all of what was asked for in parts.
    pub(crate) wholes: Arc<Wholes>,
    pub(crate) odd: Odd,
}

/// What is in no output, in words.
pub(crate) type Missing = Arc<Mutex<Vec<String>>>;

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("keys", &self.keys)
            .field("pacer", &self.pacer)
            .finish_non_exhaustive()
    }
}

/// A unit that is whole.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) unit: Unit,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    /// The bytes of a second attempt and their hash: they have still to be put in their place.
    pub(crate) beside: Option<(Vec<Bytes>, Fingerprint)>,
}

/// How an attempt goes about it.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Over a connection of its own.
    pub(crate) fresh: bool,
    /// What is handed on is the unit as it comes, also where pieces are made of others.
    pub(crate) as_it_comes: bool,
    /// No piece could be made of some units of the track.
    pub(crate) may_be_unfit: bool,
    pub(crate) gauge: Arc<Gauge>,
}

/// An attempt that ended before its unit was whole.
#[derive(Debug)]
pub(crate) struct Failed {
    /// `None`: nothing was wrong, it had to give way.
    pub(crate) error: Option<Error>,
    /// What another attempt may go on with.
    pub(crate) begun: Option<Begun>,
}

/// Into the slot of a unit.
struct Slot<'a> {
    shared: &'a Shared,
    place: Place,
    attempt: u64,
}

impl Shared {
    /// Asks the assembler, and hands what it wants done to the writer in the same order.
    pub(crate) fn assemble<T>(&self, ask: impl FnOnce(&mut Assembler) -> T) -> T {
        let mut assembler = self.assembler.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = ask(&mut assembler);
        assembler.commands().for_each(|command| self.writer.carry_out(command));
        answer
    }

    /// Runs one attempt to its end, or until it has to give way.
    pub(crate) async fn attempt(
        &self,
        place: Place,
        attempt: u64,
        mut begun: Option<Begun>,
        way: Way,
        give_way: oneshot::Receiver<()>,
    ) -> Result<Done, Failed> {
        let ended = tokio::select! {
            ended = self.fetch_unit(place, attempt, &mut begun, way) => ended.map_err(Some),
            Ok(()) = give_way => Err(None),
        };
        ended.map_err(|error| {
            let mark = begun.as_mut().and_then(Begun::mark);
            mark.into_iter().for_each(|mark| self.assemble(|a| a.mark(place, attempt, mark)));
            Failed { error, begun: begun.filter(Begun::can_go_on) }
        })
    }

    /// A second attempt for a unit beside one that runs: it stays in memory until it is whole.
    pub(crate) async fn second(
        &self,
        place: Place,
        way: Way,
        give_way: oneshot::Receiver<()>,
    ) -> Result<Done, Failed> {
        let started = Instant::now();
        let fetching = async {
            let (track, unit) = self.tracks.at(place).ok_or_else(|| internal("a place outside the plan"))?;
            let (memory, report) = (Memory::default(), |retry| self.report(retry));
            let (whole, bytes, judged) =
                self.whole((place, track, &unit), &memory, report, &mut None, way).await?;
            let (whole, chunks) = match judged.instead {
                Some((instead, chunks)) => (*instead, chunks),
                None => (whole, memory.chunks()),
            };
            let begin = begin_of(place, track, &whole);
            begin.into_iter().for_each(|begin| self.assemble(|assembler| assembler.begins_at(place, begin)));
            let beside = Some((chunks, whole.hash));
            Ok(Done { unit, bytes, took: started.elapsed(), beside })
        };
        let ended = tokio::select! {
            ended = fetching => ended.map_err(Some),
            Ok(()) = give_way => Err(None),
        };
        ended.map_err(|error| Failed { error, begun: None })
    }

    /// A unit that is whole and judged. One that no piece can be made of is handed on as it came.
    async fn whole(
        &self,
        (place, track, unit): (Place, &Track, &Unit),
        sink: &impl Sink,
        report: impl Fn(Retry),
        begun: &mut Option<Begun>,
        way: Way,
    ) -> Result<(Whole, u64, Judged), Error> {
        let Some(checks) = self.checks.get(usize::from(place.track)) else {
            return Err(internal("a track outside the plan"));
        };
        checks.pieces.begins(place.index);
        let mut way = Way { may_be_unfit: checks.pieces.has_unfit(), ..way };
        let (mut whole, bytes, said) = self.transport.unit(track, unit, sink, &report, begun, &way).await?;
        let judged = self.judge(place, track, unit, &whole, &way).await?;
        self.remember(place, unit, &said);
        if judged.instead.is_some() {
            return Ok((whole, bytes, judged));
        }
        if judged.becomes == Becomes::Handed {
            sink.take_all(&mut whole).await?;
            return Ok((whole, bytes, judged));
        }
        sink.start_over();
        if let Some(kept) = whole.as_it_came.take() {
            let (mut hasher, len) = (Hasher::default(), kept.len() as u64);
            hasher.update(&kept);
            sink.take(kept.into()).await?;
            sink.ready().await;
            return Ok((Whole { hash: hasher.finish(), piece: None, ..whole }, len, judged));
        }
        way.as_it_comes = true;
        let as_it_comes = Box::pin(self.transport.unit(track, unit, sink, &report, begun, &way));
        let (mut whole, bytes, _) = as_it_comes.await?;
        if whole.has_digest == Some(false) {
            checks.digests.refuse(unit, &track.name(unit))?;
        }
        checks.judge(track, unit, &whole)?;
        sink.take_all(&mut whole).await?;
        Ok((whole, bytes, judged))
    }

    /// The configuration of a track, which tells how long its segments are. `None`: there is none, or none for all of them.
    async fn configuration<'a>(&self, checks: &'a TrackChecks, track: &Track) -> Option<&'a Configuration> {
        if track.has_several_inits() && !checks.is_one(track) {
            return None;
        }
        let told = checks.known.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        if let Some(known) = checks.configuration.get() {
            return Some(known);
        }
        let index = *track.init_places().first()?;
        // It may fail and need a slot itself, so it is not waited for to the end.
        let _ = tokio::time::timeout(INIT_WAIT, told).await;
        if let Some(known) = checks.configuration.get() {
            return Some(known);
        }
        let foresee = async {
            let (unit, report) = (track.unit(index)?, |retry| self.report(retry));
            let section =
                self.transport.unit(track, &unit, &Nowhere, report, &mut None, &Way::default()).await;
            Configuration::from_init(&section.ok()?.0.copy).ok()
        };
        checks.foreseen.get_or_init(|| Box::pin(foresee)).await.as_ref()
    }

    async fn fetch_unit(
        &self,
        place: Place,
        attempt: u64,
        begun: &mut Option<Begun>,
        way: Way,
    ) -> Result<Done, Error> {
        let started = Instant::now();
        let (track, unit) = self.tracks.at(place).ok_or_else(|| internal("a place outside the plan"))?;
        let report = |retry| self.report(retry);
        let slot = Slot { shared: self, place, attempt };
        let (whole, bytes, judged) = self.whole((place, track, &unit), &slot, report, begun, way).await?;
        if let Some((instead, chunks)) = judged.instead {
            let begin = begin_of(place, track, &instead);
            begin.into_iter().for_each(|begin| self.assemble(|assembler| assembler.begins_at(place, begin)));
            let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            let beside = Some((chunks, instead.hash));
            return Ok(Done { unit, bytes, took: started.elapsed(), beside });
        }
        let begin = begin_of(place, track, &whole);
        let completion = self.assemble(|assembler| {
            if self.order.is_disowned(place, whole.hash) {
                return None;
            }
            begin.into_iter().for_each(|begin| assembler.begins_at(place, begin));
            Some(assembler.complete(place, attempt, whole.hash))
        });
        let completion = completion.ok_or_else(|| judge::is_another(track, &unit))?;
        self.room.notify_waiters();
        match completion {
            Completion::Taken => Ok(Done { unit, bytes, took: started.elapsed(), beside: None }),
            Completion::Gone => Err(internal("an attempt outlived its unit")),
            Completion::Changed => {
                Err(Error::stream_changed(unit.number, "the server sends other bytes for it now").finally())
            }
        }
    }

    pub(crate) fn report(&self, retry: Retry) {
        self.transport.meters.retries.fetch_add(1, Ordering::Relaxed);
        let _ = self.events.send(Event::Retry(retry));
    }
}

impl Sink for Slot<'_> {
    /// At once for a head, after a pause where memory is full.
    async fn take(&self, data: Bytes) -> Result<(), Error> {
        let Self { shared, place, attempt } = *self;
        let offer = |data| {
            let (now, in_flight) = (Instant::now(), shared.writer.in_flight());
            shared.assemble(|assembler| assembler.offer(place, attempt, data, in_flight, now))
        };
        let mut outcome = offer(data);
        loop {
            match outcome {
                Offer::Taken => break,
                Offer::Gone => return Err(internal("an attempt outlived its unit")),
                Offer::Pause(data) => {
                    let woken = shared.room.notified();
                    tokio::pin!(woken);
                    woken.as_mut().enable();
                    outcome = offer(data);
                    if matches!(outcome, Offer::Pause(_)) {
                        woken.await;
                    }
                }
            }
        }
        Ok(())
    }

    async fn ready(&self) {
        self.shared.writer.ready().await;
    }

    fn start_over(&self) {
        let now = Instant::now();
        self.shared.assemble(|assembler| assembler.start_over(self.place, self.attempt, now));
    }

    fn mark(&self, mark: Mark) {
        self.shared.assemble(|assembler| assembler.mark(self.place, self.attempt, mark));
    }
}

impl Transport {
    /// The hash of a unit as the server has it now.
    pub(crate) async fn probe(
        &self,
        track: &Track,
        unit: &Unit,
        report: impl Fn(Retry),
    ) -> Result<(Fingerprint, u64), Error> {
        let (whole, bytes, _) = self.unit(track, unit, &Nowhere, &report, &mut None, &Way::default()).await?;
        if !matches!(whole.piece, Some(Err(_))) {
            return Ok((whole.hash, bytes));
        }
        // It was kept as it came.
        let way = Way { as_it_comes: true, ..Way::default() };
        self.unit(track, unit, &Nowhere, &report, &mut None, &way)
            .await
            .map(|(whole, bytes, _)| (whole.hash, bytes))
    }

    /// Returns an initialization section and its container.
    ///
    /// # Errors
    /// It can't be fetched, or is no known container.
    pub(crate) async fn section(&self, track: &Track, unit: &Unit) -> Result<(Container, Vec<u8>), Error> {
        let fetched = self.unit(track, unit, &Nowhere, |_| (), &mut None, &Way::default()).await;
        fetched.map(|(whole, ..)| (whole.summary.container, whole.copy))
    }

    /// Fetches, deciphers and verifies one unit into a sink, all but its [`Whole::rest`]. Returns what it is, how many bytes it has
    /// and what the server says of it. Goes on with what has begun, and leaves what the next attempt may go on with.
    async fn unit(
        &self,
        track: &Track,
        unit: &Unit,
        sink: &impl Sink,
        report: impl Fn(Retry),
        begun: &mut Option<Begun>,
        way: &Way,
    ) -> Result<(Whole, u64, Validators), Error> {
        let what = if unit.is_init { "init" } else { "segment" };
        let name = track.name(unit);
        let at = |error: Error| match error.place() {
            None => error.at(format!("GET {}", hls_fetch::redacted(&unit.url))),
            Some(_) => error,
        };
        let media = track.media();
        let parent = media.base();
        let key = match &unit.cipher {
            None => None,
            Some(cipher) => {
                let key = self.keys.get(&*self.fetch, &cipher.key, parent, report);
                Some(self.key_or_ciphertext(track, unit, key).await?)
            }
        };
        if may_be_empty(track, unit).is_some() && unit.range.and_then(|range| range.length()) == Some(0) {
            let pipeline = Pipeline::new(None, false, name.clone(), self.buffers.clone());
            return Ok((
                pipeline.may_be_empty(may_be_empty(track, unit)).finish()?,
                0,
                Validators::default(),
            ));
        }
        let failed = |e| Error::fetch(what, &name, e);
        let mut account = self.pacer.account();
        let request = request_for(track, unit);
        let request = if way.fresh { request.fresh_connection() } else { request };
        let gauge = &*way.gauge;
        let rest = begun.as_ref().and_then(|begun| begun.rest(unit.range));
        let kept = (begun.is_none() && waits_for_keys(unit))
            .then(|| self.kept.answer(unit.identity, &unit.url))
            .flatten();
        let is_kept = kept.is_some();
        let mut answer = kept;
        let mut asked = is_kept.then(Instant::now);
        if let Some((range, etag)) = rest {
            let rest = request.clone().range(Some(range)).if_range(etag);
            answer = match self.ask(unit, rest, way, &mut account).await {
                Ok((answer, at)) => {
                    asked = at;
                    Some(answer)
                }
                // It has nothing to go on with on these terms, and may well have all of it.
                Err(error)
                    if error.class() == Class::Range
                        || matches!(error.status(), Some(304 | 400 | 412 | 416 | 501)) =>
                {
                    None
                }
                Err(error) => return Err(failed(error)),
            };
        }
        let goes_on =
            answer.as_ref().is_some_and(|a| begun.as_ref().is_some_and(|b| b.is_continued_by(a, unit.range)));
        if !goes_on && begun.take().is_some() {
            sink.start_over();
        }
        // All of it was sent instead of the rest, which is an answer only where all of it is asked for.
        let answer = match answer
            .filter(|answer| is_kept || goes_on || answer.status == 200 && unit.range.is_none())
        {
            Some(answer) => answer,
            None => {
                let (answer, at) = self.ask(unit, request, way, &mut account).await.map_err(failed)?;
                asked = at;
                answer
            }
        };
        let said = Validators::of(&answer);
        if !is_kept {
            self.judge(unit, &said)?;
            self.odd.note(&answer, &name);
        }
        let there = begun.as_ref().map_or(0, |begun| begun.taken);
        let expected = answer.length.map(|length| length.saturating_add(there));
        match asked {
            Some(asked) => gauge.answered(asked, expected),
            None => gauge.expects(expected),
        }
        account.answered(answer.length);
        let mut digest = answer.digest;
        let state = begun.get_or_insert_with(|| {
            let iv = unit.cipher.as_ref().map(|cipher| Iv::from_bytes(cipher.iv));
            let decryptor = key.as_deref().zip(iv).map(|(key, iv)| CbcDecryptor::new(key, &iv));
            let pipeline = Pipeline::new(decryptor, unit.is_init, name.clone(), self.buffers.clone());
            let pieces = track.pieces.as_ref().filter(|_| !way.as_it_comes);
            let pipeline = pipeline.may_be_empty(may_be_empty(track, unit));
            let pipeline = pipeline.into_pieces(pieces, way.may_be_unfit).admitting(track.mp4);
            // An initialization section is looked at as a whole.
            let etag = answer.strong_etag.clone().filter(|_| !unit.is_init);
            Begun::new(pipeline, &unit.url, etag, (&said, digest.take()))
        });
        state.go_on(key.as_deref());
        let is_bounded = !answer.ends_with_connection;
        let mut body = answer.body;
        // Whether the next attempt may go on is decided by where this one fails.
        let mut flow = async |account: &mut Account<'_>, state: &mut Begun| {
            loop {
                // The last chunk goes to the writer together with the record, so that the writer wakes up once for both.
                if expected != Some(state.taken) {
                    hand_on(state, sink).await.map_err(|e| (e, false))?;
                }
                account.before_read().await;
                let chunk = loop {
                    let next = gauge.waiting(body.next());
                    let Some(after) = state.next_mark() else { break next.await };
                    let waiting = async { if after.is_zero() { None } else { Some(next.await) } };
                    match tokio::time::timeout(after, waiting).await {
                        Ok(Some(next)) => break next,
                        Ok(None) | Err(_) => state.mark().into_iter().for_each(|mark| sink.mark(mark)),
                    }
                };
                let Some(chunk) = chunk.map_err(|e| (failed(e), true))? else { return Ok(()) };
                self.meters.receive(chunk.len() as u64);
                gauge.receive(chunk.len() as u64);
                account.received(chunk.len() as u64);
                hand_on(state, sink).await.map_err(|e| (e, false))?;
                state.receive(chunk).map_err(|e| (at(e), false))?;
            }
        };
        let ended = flow(&mut account, state).await;
        drop(account);
        if let Err((error, true)) = ended {
            return Err(error);
        }
        let state = begun.take().ok_or_else(|| internal("a unit is gone"))?;
        let bytes = state.bytes;
        let finished = match ended {
            Ok(()) => state.finish().map_err(at),
            Err((error, _)) => Err(error),
        };
        if let (Some(cipher), Some(key)) = (&unit.cipher, &key) {
            match &finished {
                Ok(_) => self.keys.trust(&cipher.key),
                Err(error) if error.kind() == Kind::Content => {
                    self.keys.doubt(&cipher.key, key);
                    self.kept.doubt(unit.identity);
                }
                Err(_) => {}
            }
        }
        let mut whole = finished?;
        whole.is_bounded = is_bounded;
        if !is_kept {
            self.settle((track, unit), (said, whole.hash), key.as_deref(), way).await?;
        }
        let rest: usize = whole.rest.iter().map(Bytes::len).sum();
        Ok((whole, bytes + rest as u64, said))
    }
}

/// Hands on what the pipeline has passed.
async fn hand_on(state: &mut Begun, sink: &impl Sink) -> Result<(), Error> {
    if state.in_hand.is_empty() {
        return Ok(());
    }
    while let Some(part) = state.in_hand.first().cloned() {
        sink.take(part).await?;
        state.handed_on();
    }
    sink.ready().await;
    Ok(())
}

impl Transport {
    /// Sends a request, and tells when. What is a part may come with the answer to another one instead.
    async fn ask(
        &self,
        unit: &Unit,
        request: Request,
        way: &Way,
        account: &mut Account<'_>,
    ) -> Result<(Response, Option<Instant>), hls_fetch::Error> {
        if let Some(range) = request.range.filter(|range| is_part(unit) && range.end.is_some()) {
            return Box::pin(self.part(request, range, way, account)).await;
        }
        account.before_request().await;
        let asked = Instant::now();
        way.gauge.asks();
        let answer = way.gauge.waiting(self.fetch.fetch(request)).await?;
        Ok((answer, Some(asked)))
    }
}

/// What a unit counts as that has no bytes, where that may be: while nobody speaks, or for next to no time.
fn may_be_empty(track: &Track, unit: &Unit) -> Option<Container> {
    let is_text = track.is_text;
    let may_be = !unit.is_init && unit.cipher.is_none() && (is_text || unit.duration < LONGEST_EMPTY);
    may_be.then_some(if is_text { Container::WebVtt } else { Container::MpegTs })
}

fn internal(what: &str) -> Error {
    Error::new(Kind::Internal, "internal", what).finally()
}

//! What an earlier run left: held to the plan, proved to be what the server has, and put in its place.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use hls_fetch::Decision;
use hls_media::{Configuration, Verifier};
use hls_state::{Fingerprint, Partial, Placed, Recovered, ResumeStore};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::error::Error;
use crate::event::{Event, Gap};
use crate::place::Place;
use crate::policy::assembler::Assembler;
use crate::policy::gaps::Gaps;
use crate::policy::order::Order;
use crate::policy::plan::{Track, Tracks, Unit, is_alike};
use crate::policy::planner::Planner;
use crate::transfer::attempt::Transport;
use crate::transfer::partial::Begun;
use crate::transfer::pipeline::LARGEST_INIT;
use crate::transfer::resources::{Validators, is_part};

/// Memory for units that wait for their turn.
const BUDGET: u64 = 24 << 20;
/// Bytes of waiting units that are read before a job goes on, at most.
const MOST_READ: u64 = 64 << 20;
/// A unit that shows whether what is here is still what the server has is a small one of the last.
const PROBE_AMONG: usize = 8;

/// What an earlier run left of the tracks of a job.
pub(crate) struct Earlier<'a> {
    tracks: &'a Tracks,
    recovered: &'a Recovered,
    /// For each track whether it has moved, so that only its bytes can tell whether it is the same.
    moved: Vec<bool>,
}

/// Where a job begins.
pub(crate) struct Start {
    pub(crate) planner: Planner,
    pub(crate) assembler: Assembler,
    pub(crate) begun: HashMap<Place, Begun>,
    pub(crate) gaps: Gaps,
    pub(crate) order: Order,
}

/// So many units are looked at by what the server says of them: all of them, where there are no more.
const LOOKED_AT: usize = 64;
/// So many are asked for at once.
const AT_ONCE: usize = 8;
/// So many initialization sections are compared.
const SECTIONS: usize = 16;
/// Where the words of so many have changed and not their bytes, words tell nothing.
const MOST_DOUBTS: usize = 3;

/// A unit that is here.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    index: u64,
    len: u64,
    hash: Fingerprint,
}

impl<'a> Earlier<'a> {
    /// Compares what is there with the plan: a stream may have moved, but it may not be another one.
    pub(crate) fn new(tracks: &'a Tracks, recovered: &'a Recovered) -> Result<Self, Error> {
        let mut moved = Vec::new();
        for (track, placed) in tracks.0.iter().zip(&recovered.outputs) {
            let mut has_moved = false;
            for known in placed {
                let planned = track.unit(known.index).map(|unit| unit.identity);
                if !planned.is_some_and(|planned| is_alike(planned, known.identity)) {
                    return Err(Error::stream_changed(
                        track.segments_before(known.index),
                        "the playlist is another one from there on than in the earlier run",
                    ));
                }
                has_moved |= planned != Some(known.identity);
            }
            moved.push(has_moved);
        }
        for aside in &recovered.aside {
            let Some(track) = tracks.0.get(usize::from(aside.unit.output)) else { continue };
            let planned = track.unit(aside.unit.index).map(|unit| unit.identity);
            let is_same = planned.is_some_and(|planned| is_alike(planned, aside.unit.identity));
            // What merely waits may be dropped; what is in an output that has its name may not be replaced by another stream.
            if recovered.replaces && !is_same {
                return Err(Error::stream_changed(
                    track.segments_before(aside.unit.index),
                    "the playlist is another one from there on than that of the output",
                ));
            }
            if let Some(has_moved) = moved.get_mut(usize::from(aside.unit.output)).filter(|_| is_same) {
                *has_moved |= planned != Some(aside.unit.identity);
            }
        }
        Ok(Self { tracks, recovered, moved })
    }

    pub(crate) fn has_moved_at_all(&self) -> bool {
        self.moved.contains(&true)
    }

    /// Whether what is there is as many units as the plan has.
    pub(crate) fn is_as_long(&self) -> bool {
        (0..).zip(&self.tracks.0).all(|(n, track)| self.placed(n).len() as u64 == track.units())
    }

    /// Segments and bytes that are there, in the outputs and beside them.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let outputs = &self.recovered.outputs;
        let missing = |placed: &[Placed]| placed.iter().filter(|p| p.is_gap()).count() as u64;
        let counts = self.tracks.0.iter().zip(outputs);
        let placed: u64 = counts
            .map(|(track, placed)| track.segments_before(placed.len() as u64).saturating_sub(missing(placed)))
            .sum();
        let bytes: u64 = outputs.iter().flatten().map(|placed| placed.len).sum();
        let aside = self.recovered.aside.iter().filter_map(|a| Some((self.waiting(&a.unit)?, a.len)));
        aside.fold((placed, bytes), |(n, bytes), (unit, len)| (n + u64::from(!unit.is_init), bytes + len))
    }

    /// Fetches some of what is there again and compares: the same names may hold other bytes by now.
    pub(crate) async fn prove(
        &self,
        transport: &Transport,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<(), Error> {
        for (n, track) in (0..).zip(&self.tracks.0) {
            let segments = self.to_probe(n, track)?;
            // In the order in which a server that ignores ranges sends them.
            let probed: Vec<_> = self.sections(n, track).into_iter().chain(segments).collect();
            for known in &probed {
                probe(transport, track, known, events).await?;
            }
            self.look(n, track, &probed, (transport, events)).await?;
        }
        Ok(())
    }

    /// Tells the transport what earlier runs have heard of the resources that are fetched in parts.
    pub(crate) fn recall(&self, transport: &Transport) {
        for (unit, said) in self.said() {
            let Some((_, planned)) = self.tracks.at(Place { track: unit.output, index: unit.index }) else {
                continue;
            };
            let of_url = match self.has_moved(unit.output) {
                // Tags and dates are those of one server.
                true => Validators::of_length(said.total),
                false => said,
            };
            if is_part(&planned) {
                transport.resources.settle(&planned.url, of_url);
            }
        }
    }

    fn said(&self) -> impl Iterator<Item = (hls_state::Unit, Validators)> {
        self.recovered.remarks.iter().filter_map(|(unit, text)| Some((*unit, Validators::read(text)?)))
    }

    /// Asks what the server says by now of some of the units that are here. Where it says something else, their bytes tell.
    async fn look(
        &self,
        n: u8,
        track: &Track,
        probed: &[Known],
        (transport, events): (&Transport, &mpsc::UnboundedSender<Event>),
    ) -> Result<(), Error> {
        let here: HashMap<u64, Known> = self.here(n).map(|known| (known.index, known)).collect();
        let of_track = self.said().filter(|(unit, _)| unit.output == n);
        let mut said: Vec<_> = of_track
            .filter_map(|(unit, said)| Some((*here.get(&unit.index)?, said)))
            .filter(|(known, _)| known.len > 0 && !probed.contains(known))
            .collect();
        let random = RandomState::new();
        said.sort_by_cached_key(|(known, _)| random.hash_one(known.index));
        said.truncate(LOOKED_AT);
        let (mut unfounded, mut unanswered) = (0, 0);
        for some in said.chunks(AT_ONCE) {
            let ask = async |at: usize| {
                let (known, _) = some.get(at)?;
                transport.said_of(track, &track.unit(known.index)?).await
            };
            let (a, b, c, d, e, f, g, h) =
                tokio::join!(ask(0), ask(1), ask(2), ask(3), ask(4), ask(5), ask(6), ask(7));
            for ((known, before), now) in some.iter().zip([a, b, c, d, e, f, g, h]) {
                // A server that can't be asked shows its bytes, where the probe looks at them.
                unanswered += usize::from(now.is_none());
                if now.is_none_or(|now| before.agrees(&now)) || unfounded >= MOST_DOUBTS {
                    continue;
                }
                probe(transport, track, known, events).await?;
                unfounded += 1;
            }
            if unanswered >= AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    /// The units of a track that are here.
    fn here(&self, n: u8) -> impl Iterator<Item = Known> {
        let placed = self.placed(n).iter().map(|p| Known { index: p.index, len: p.len, hash: p.hash });
        let aside = self.recovered.aside.iter().filter(move |a| a.unit.output == n);
        let aside = aside.filter(|a| self.waiting(&a.unit).is_some());
        placed.chain(aside.map(|a| Known { index: a.unit.index, len: a.len, hash: a.hash }))
    }

    /// Initialization sections that are here: they are small, and all that follows depends on them.
    fn sections(&self, n: u8, track: &Track) -> Vec<Known> {
        let is_section = |known: &Known| known.len > 0 && track.unit(known.index).is_some_and(|u| u.is_init);
        self.here(n).filter(is_section).take(SECTIONS).collect()
    }

    /// A small one of the last segments that are here, and the first one too where the stream has moved.
    fn to_probe(&self, n: u8, track: &Track) -> Result<Vec<Known>, Error> {
        let is_segment = |known: &Known| known.len > 0 && track.unit(known.index).is_some_and(|u| !u.is_init);
        // The hash of a claim is what was verified, whatever has become of its bytes.
        let placed = self.placed(n).iter().map(|p| Known { index: p.index, len: p.len, hash: p.hash });
        let aside = self.recovered.aside.iter().filter(|a| a.unit.output == n);
        let mut aside: Vec<_> = aside
            .filter(|a| self.waiting(&a.unit).is_some())
            .map(|a| Known { index: a.unit.index, len: a.len, hash: a.hash })
            .collect();
        aside.sort_unstable_by_key(|known| known.index);
        let latest = |known: &mut dyn Iterator<Item = Known>| {
            known.take(PROBE_AMONG).filter(is_segment).min_by_key(|known| known.len)
        };
        let vouching = latest(&mut placed.clone().rev()).or_else(|| latest(&mut aside.iter().rev().copied()));
        let moved = self.has_moved(n);
        let first = placed.clone().chain(aside).find(is_segment).filter(|_| moved);
        if moved && first.is_none() {
            return Err(Error::stream_changed(
                0,
                "it has moved, and no segment of it is here to be compared",
            ));
        }
        let mut probed: Vec<_> = first.into_iter().chain(vouching).collect();
        probed.dedup();
        Ok(probed)
    }

    /// For each track what the initialization sections that are here set up: those of one output have to agree, whichever
    /// run they came with, and they tell how long its segments are.
    pub(crate) fn configurations(&self) -> Vec<Option<Configuration>> {
        let of = |(n, track): (u8, &Track)| {
            track.init_places().into_iter().find_map(|index| {
                let section = self.recovered.read(n, index, LARGEST_INIT as u64)?;
                Configuration::from_init(&section).ok()
            })
        };
        (0..).zip(&self.tracks.0).map(of).collect()
    }

    /// Returns the order of segments as far as they are here: what comes now is compared with what waits, and what the outputs end with. Pieces of an MP4
    /// have other timestamps than the segments that they were made of, so those are left out.
    fn order(&self) -> Order {
        let order = Order::default();
        let mut left = MOST_READ;
        for ((n, track), init) in (0..).zip(&self.tracks.0).zip(&self.configurations()) {
            let placed = self.placed(n).len() as u64;
            let waiting = self.here(n).filter(|known| known.index + 1 >= placed && track.pieces.is_none());
            for known in waiting.filter(|known| known.len > 0) {
                let Some(unit) = track.unit(known.index).filter(|unit| !unit.is_init) else { continue };
                let Some(bytes) = self.recovered.read(n, known.index, left) else { continue };
                left -= bytes.len() as u64;
                let mut verifier = Verifier::new();
                let Some(summary) = verifier.push(&bytes).ok().and_then(|()| verifier.finish().ok()) else {
                    continue;
                };
                let (of, place) = ((track, &unit), Place { track: n, index: known.index });
                let signs = Order::signs(of, &summary, init.as_ref());
                order.came(place, of, known.hash, (&Arc::new(summary), 0.0), (init.as_ref(), true), signs);
            }
        }
        order
    }

    /// Puts what is there in its place.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) async fn start(
        &self,
        config: &Config,
        transport: &Transport,
        store: &mut dyn ResumeStore,
    ) -> Result<Start, Error> {
        let lanes: Vec<_> = (0..)
            .zip(&self.tracks.0)
            .map(|(n, track)| (self.placed(n).len() as u64, self.end(n), track.units()))
            .collect();
        let ends: Vec<_> = lanes.iter().map(|&(head, _, end)| (head, end)).collect();
        let mut planner = Planner::new(&ends, config.concurrency, config.policy.clone());
        let mut assembler = Assembler::new(&lanes, store.takes_unverified(), BUDGET);
        for (n, _) in (0..).zip(&self.tracks.0).filter(|(_, track)| track.pieces.is_some()) {
            assembler.leave_begin_open(n);
        }
        let mut begun = HashMap::new();
        for partial in &self.recovered.partials {
            let hls_state::Unit { output, index, .. } = partial.unit;
            match self.replayed(partial, transport).await {
                Some(found) => {
                    begun.insert(Place { track: output, index }, found);
                    assembler.found_partial(partial.unit, partial.aside, partial.mark.clone());
                }
                None if partial.aside => store.drop_aside(partial.unit),
                None => store.cut(output, self.end(output)).map_err(Error::state)?,
            }
        }
        let mut gaps = Gaps::new(config.allow_gaps);
        for (n, track) in (0..).zip(&self.tracks.0) {
            self.note_gaps(n, track, &mut gaps, &mut planner, &mut assembler);
        }
        for hls_state::Aside { unit, len, .. } in &self.recovered.aside {
            let (unit, len) = (*unit, *len);
            if self.waiting(&unit).is_some() {
                planner.have(Place { track: unit.output, index: unit.index });
                assembler.found_aside(unit, len);
            } else {
                store.drop_aside(unit);
            }
        }
        Ok(Start { planner, assembler, begun, gaps, order: self.order() })
    }

    /// What is missing from outputs that an earlier run has completed.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for (n, track) in (0..=u8::MAX).zip(&self.tracks.0) {
            for known in self.placed(n).iter().filter(|known| known.is_gap()) {
                let place = Place { track: n, index: known.index };
                gaps.extend(track.unit(known.index).map(|unit| {
                    let code = crate::policy::gaps::why_missing(&unit).0;
                    Gap::new(track, place, &unit, code, "it could not be had in an earlier run".to_owned())
                }));
            }
        }
        gaps
    }

    /// Those of an earlier run, and those that the playlist itself speaks of.
    fn note_gaps(
        &self,
        n: u8,
        track: &Track,
        gaps: &mut Gaps,
        planner: &mut Planner,
        assembler: &mut Assembler,
    ) {
        let placed = self.placed(n);
        let mut note = |place, unit: &Unit, reason: &str| {
            let code = crate::policy::gaps::why_missing(unit).0;
            gaps.note(place, Gap::new(track, place, unit, code, reason.to_owned()));
        };
        for known in placed.iter().filter(|known| known.is_gap()) {
            let place = Place { track: n, index: known.index };
            if let Some(unit) = track.unit(known.index) {
                note(place, &unit, "it could not be had in an earlier run");
            }
        }
        let is_here = |index| {
            let mut aside = self.recovered.aside.iter();
            aside.any(|a| (a.unit.output, a.unit.index) == (n, index) && self.waiting(&a.unit).is_some())
        };
        for index in track.gaps_from(placed.len() as u64).filter(|index| !is_here(*index)) {
            let Some(unit) = track.unit(index) else { continue };
            let place = Place { track: n, index };
            note(place, &unit, crate::policy::gaps::why_missing(&unit).1);
            planner.have(place);
            assembler.skip(place, unit.identity);
        }
    }

    /// Reads again what is there of a unit that was not whole; `None` where it is of no use.
    async fn replayed(&self, partial: &Partial, transport: &Transport) -> Option<Begun> {
        // An entity tag holds for one URL: where the track has moved, there is nothing to compare it with.
        let n = partial.unit.output;
        let unit = self.waiting(&partial.unit).filter(|unit| !self.has_moved(n) && !unit.is_init)?;
        let name = self.tracks.0.get(usize::from(n))?.name(&unit);
        let (partial, buffers) = (partial.clone(), transport.buffers.clone());
        let reading = move || Begun::replayed(&partial, &unit.url, name, buffers);
        tokio::task::spawn_blocking(reading).await.unwrap_or_default()
    }

    /// The unit of the plan that an earlier run has set aside, if it still is one. Where a track has moved, those in its
    /// output are fetched again and vouch for the others.
    fn waiting(&self, unit: &hls_state::Unit) -> Option<Unit> {
        let (_, planned) = self.tracks.at(Place { track: unit.output, index: unit.index })?;
        let alike = self.has_moved(unit.output) && is_alike(planned.identity, unit.identity);
        (planned.identity == unit.identity || alike).then_some(planned)
    }

    fn has_moved(&self, track: u8) -> bool {
        self.moved.get(usize::from(track)).is_some_and(|moved| *moved)
    }

    /// Where the next unit of an output belongs.
    fn end(&self, output: u8) -> u64 {
        let pieces = self.tracks.0.get(usize::from(output)).and_then(|track| track.pieces.as_ref());
        let begin = pieces.map_or(0, |pieces| pieces.room);
        self.placed(output).last().map_or(begin, |last| last.offset + last.len)
    }

    fn placed(&self, output: u8) -> &'a [Placed] {
        self.recovered.outputs.get(usize::from(output)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Fetches a unit again and compares.
async fn probe(
    transport: &Transport,
    track: &Track,
    known: &Known,
    events: &mpsc::UnboundedSender<Event>,
) -> Result<(), Error> {
    let Some(unit) = track.unit(known.index) else { return Ok(()) };
    let (policy, mut attempts) = (hls_fetch::RetryPolicy::default(), 0);
    let found = loop {
        let report = |retry| {
            let _ = events.send(Event::Retry(retry));
        };
        let error = match transport.probe(track, &unit, report).await {
            Ok(found) => break found,
            Err(error) if error.is_final() => return Err(error),
            Err(error) => error,
        };
        attempts += 1;
        match policy.decide_class(error.class(), attempts, error.retry_after()) {
            Decision::GiveUp => return Err(error.after_attempts(attempts)),
            Decision::Retry { after } => tokio::time::sleep(after).await,
        }
    };
    if found != (known.hash, known.len) {
        return Err(Error::stream_changed(unit.number, "the server sends other bytes for it now"));
    }
    Ok(())
}

//! Whether a unit that came whole is kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hls_fetch::Class;
use hls_media::{Configuration, Container};
use hls_parse::{Media, Playlist};

use super::checks::OTHER_CONTAINER;
use super::sink::{Nowhere, Sink, Spare};
use super::{Shared, TrackChecks, Way};
use crate::error::Error;
use crate::event::Retry;
use crate::place::Place;
use crate::policy::doubt::{DAMAGED, Doubt, STARTS_OVER, WAS_ANOTHER};
use crate::policy::order::{Came, Misfit, Order, timeline};
use crate::policy::plan::{Track, Unit};
use crate::transfer::pipeline::Whole;
use crate::transfer::playlist;
use crate::transfer::remuxed::{Becomes, NOT_ALONE};

/// What came of judging a unit.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What becomes of the unit.
    pub(super) becomes: Becomes,
    /// The same unit as it came when it was asked for again, and is to be taken instead.
    pub(super) instead: Option<(Box<Whole>, Vec<Bytes>)>,
}

/// What is odd about a unit.
struct Found<'a> {
    doubts: Vec<Doubt>,
    misfits: Vec<Misfit>,
    init: Option<&'a Configuration>,
    becomes: Becomes,
}

impl Shared {
    /// Judges a unit that came whole.
    pub(super) async fn judge(
        &self,
        place: Place,
        track: &Track,
        unit: &Unit,
        whole: &Whole,
        way: &Way,
    ) -> Result<Judged, Error> {
        let Some(checks) = self.checks.get(usize::from(place.track)) else { return Ok(Judged::default()) };
        match whole.has_digest {
            Some(true) => checks.digests.was_right(unit)?,
            Some(false) => {
                checks.digests.refuse(unit, &track.name(unit))?;
                if unit.is_init || track.media().i_frames_only {
                    Box::pin(self.comes_again((place, track), unit, whole, (way, checks))).await?;
                }
            }
            None => {}
        }
        if let Err(error) = checks.judge(track, unit, whole) {
            return Err(match error.code() == OTHER_CONTAINER && unit.live.is_none() {
                true => self.refused((place, track, unit), (checks, whole), error, way).await,
                false => error,
            });
        }
        let becomes = match checks.pieces.judge(place, &track.name(unit), whole.piece.as_ref()) {
            Ok(becomes) => becomes,
            Err(error) => return Err(self.refused((place, track, unit), (checks, whole), error, way).await),
        };
        if unit.is_init
            && (checks.is_other_than_foreseen() || is_other_size(track, checks) && checks.may_ask())
        {
            Box::pin(self.has_its_section(track, (way, checks), &[Doubt::Coding])).await?;
        }
        // One picture of each segment lasts as long as anyone likes.
        if unit.is_init || track.media().i_frames_only {
            return Ok(Judged { becomes, instead: None });
        }
        let (name, summary) = (track.name(unit), &whole.summary);
        let at = |error: Error| error.at(format!("GET {}", hls_fetch::redacted(&unit.url)));
        checks.is_legible((place, track), (&name, unit), summary).map_err(at)?;
        let init = match summary.container {
            Container::Fmp4 => self.configuration(checks, track).await,
            _ => None,
        };
        let lengths =
            [summary.duration(init), summary.length_of_pictures(init), summary.length_of_sound(init)];
        if let Some(seconds) = lengths.into_iter().flatten().find_map(|lasts| is_off(lasts, unit.duration))
            && init.is_some()
            && checks.may_ask()
        {
            Box::pin(self.has_its_section(track, (way, checks), &[Doubt::Lasts { seconds }])).await?;
        }
        let mut doubts = Doubt::of(summary, init, unit.duration, whole.is_bounded);
        // Where all are shorter than the playlist says, nothing is missing because of that.
        let is_new = |doubt: &&Doubt| !self.doubts.trusts(place.track, std::slice::from_ref(doubt));
        let lacks = doubts.iter().filter(is_new).map(|doubt| doubt.lacks()).sum::<f64>();
        doubts.extend((whole.has_digest == Some(false)).then_some(Doubt::Digest));
        match checks.has_other_size(timeline(track, unit), track.resolution, summary.size()) {
            Some(true) => doubts.push(Doubt::Size),
            // All of them may be: those of another variant, by the playlist that came for this one.
            Some(false) => Box::pin(self.has_its_size((place, track), unit, (way, checks))).await?,
            None => {}
        }
        let signs = Order::signs((track, unit), summary, init);
        let odd = self.order.odd(place.track, &signs);
        if let Some(odd) = odd
            && lacks == 0.0
            && doubts.iter().all(|known| !known.is_alike(odd))
        {
            doubts.push(odd);
        }
        let arrivals = self.order.arrivals();
        let mut misfits = self.order.misfits(place, (track, unit), (summary, lacks), init);
        misfits.extend(self.order.twin(place, (track, unit), whole.hash, summary));
        misfits.retain(|misfit| misfit.doubt != Doubt::Counters || !self.is_settled(&misfit.neighbour));
        doubts.extend(misfits.iter().map(|misfit| misfit.doubt));
        let is_told = doubts.iter().any(|doubt| doubt.is_by_habit());
        let known: Vec<Place> = misfits.iter().map(|misfit| misfit.neighbour.place).collect();
        // On the heap: all that asking again takes would lie in each attempt, 100 KiB of it.
        let judged = match doubts.is_empty() {
            true => Judged { becomes, instead: None },
            false => {
                let found = Found { doubts, misfits, init, becomes };
                Box::pin(self.doubted(place, (track, unit), whole, (way, checks), found)).await?
            }
        };
        if judged.instead.is_some() {
            return Ok(judged);
        }
        let came =
            self.order.came(place, (track, unit), whole.hash, (summary, lacks), (init, is_told), signs);
        let mut now = Vec::new();
        // Neighbours may have come while this one was judged.
        if self.order.arrivals() > arrivals + 1 {
            now.extend(self.order.misfits(place, (track, unit), (summary, lacks), init));
            now.extend(self.order.twin(place, (track, unit), whole.hash, summary));
        }
        let news = now.iter().find(|misfit| !known.contains(&misfit.neighbour.place));
        let news = news.map(|misfit| (vec![Arc::clone(&misfit.neighbour), came], misfit.doubt));
        let odd: Vec<_> = news.into_iter().chain(self.order.late(place.track)).collect();
        if !odd.is_empty() {
            Box::pin(self.look_again((track, unit), odd, (way, checks))).await?;
        }
        Ok(judged)
    }

    /// What a unit ends with that can't be put into the output. One that comes as another the next time is fetched again first,
    /// for what it refuses or begins anew is all of the job. The first unit of a stream is believed: most refusals are by it.
    async fn refused(
        &self,
        (place, track, unit): (Place, &Track, &Unit),
        (checks, whole): (&TrackChecks, &Whole),
        error: Error,
        way: &Way,
    ) -> Error {
        if place.index == 0 && error.code() != NOT_ALONE {
            return error;
        }
        match Box::pin(self.again_for(track, unit, error.to_string(), way, &Nowhere)).await {
            Ok(now) if now.hash != whole.hash => {
                checks.pieces.forget(place);
                Error::content(DAMAGED, error.to_string()).why("every attempt brought other bytes")
            }
            // It is what the server has, and so are all behind it.
            Ok(_) if error.code() == OTHER_CONTAINER => error.finally(),
            Ok(_) | Err(_) => error,
        }
    }

    /// Judges a unit that came whole and is odd.
    async fn doubted(
        &self,
        place: Place,
        (track, unit): (&Track, &Unit),
        whole: &Whole,
        (way, checks): (&Way, &TrackChecks),
        found: Found<'_>,
    ) -> Result<Judged, Error> {
        let Found { doubts, misfits, init, becomes } = found;
        let name = track.name(unit);
        let at = |error: Error| error.at(format!("GET {}", hls_fetch::redacted(&unit.url)));
        let (wrong, other) = (Mutex::new(Vec::new()), Mutex::new(None));
        let spare = Spare::default();
        let again = async {
            let came = self.again(track, unit, &doubts, way, &spare).await?;
            let hash = came.hash;
            if hash != whole.hash {
                self.order.was_deceived();
                *other.lock().unwrap_or_else(PoisonError::into_inner) = Some(came);
                return Ok(hash);
            }
            // It is what the server has, so its section may not be.
            let is_of_section = |doubt: &Doubt| doubt.may_be_of_section();
            if doubts.contains(&Doubt::Stranger) || doubts.iter().any(is_of_section) && checks.may_ask() {
                self.has_its_section(track, (way, checks), &doubts).await?;
            }
            Ok(hash)
        };
        let beside = async {
            for misfit in &misfits {
                let neighbour = &misfit.neighbour;
                let Some(unit) = track.unit(neighbour.place.index) else { continue };
                if self.is_settled(neighbour) {
                    continue;
                }
                // Somebody else may have found it to be wrong, and the right one may be in its place by now.
                if self.order.holds(neighbour) {
                    match self.again(track, &unit, &doubts, way, &Nowhere).await {
                        Ok(came) if came.hash == neighbour.hash => {
                            self.doubts.settle(neighbour.place, came.hash);
                            continue;
                        }
                        Ok(came) if self.is_damaged_by_digest(neighbour.place, &unit, &came) => continue,
                        Ok(came) => drop(self.doubts.note(neighbour.place, came.hash)),
                        // That it could not be fetched says nothing about it.
                        Err(_) => continue,
                    }
                }
                wrong.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(neighbour));
            }
            !wrong.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
        };
        let tell = |event| drop(self.events.send(event));
        let is_open = |misfit: &&Misfit| !self.is_settled(&misfit.neighbour);
        let beside = (misfits.iter().filter(is_open).count() as u32, beside);
        let judged = self.doubts.judge((place, &name), &doubts, whole.hash, again, beside, tell).await;
        let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = judged {
            let other = other.into_inner().unwrap_or_else(PoisonError::into_inner);
            return match other.zip(spare.chunks()) {
                // What came the second time is as it should be.
                Some((came, chunks)) if self.is_plain(place, checks, (track, unit), &came, init) => {
                    if came.has_digest == Some(true) {
                        checks.digests.was_right(unit)?;
                    }
                    let signs = Order::signs((track, unit), &came.summary, init);
                    let of = (track, unit);
                    self.order.came(place, of, came.hash, (&came.summary, 0.0), (init, false), signs);
                    Ok(Judged { instead: Some((Box::new(came), chunks)), becomes: Becomes::default() })
                }
                _ => Err(at(error)),
            };
        }
        if wrong.is_empty() {
            self.has_its_list((track, unit), checks, &doubts).await?;
        }
        self.take_back((track, unit), wrong)?;
        if doubts.contains(&Doubt::Digest) {
            self.has_wrong_digest((place, track), unit, checks).await?;
        }
        Ok(Judged { instead: None, becomes })
    }

    /// Loads the playlist of a track again, once, where segments do not fit one another though the server sends the same ones again:
    /// the playlist may have lost or exchanged lines.
    ///
    /// # Errors
    /// It is another one than came first.
    async fn has_its_list(
        &self,
        (track, unit): (&Track, &Unit),
        checks: &TrackChecks,
        doubts: &[Doubt],
    ) -> Result<(), Error> {
        let is_of_list = |doubt: &Doubt| doubt.is_of_border() || unit.range.is_some();
        if unit.live.is_some() || !doubts.iter().any(is_of_list) || !checks.may_load_list() {
            return Ok(());
        }
        let Some(now) = self.list_again(track).await else { return Ok(()) };
        let Some(number) = track.differs_from(&now) else { return Ok(()) };
        // A list that is another one each time tells nothing.
        let again = self.list_again(track).await;
        let (Some(again), Ok(fresh)) = (again, track.alike(now, true)) else { return Ok(()) };
        if fresh.differs_from(&again).is_some() {
            return Ok(());
        }
        let message = format!("the playlist is another one now, from segment {number} on");
        Err(list_changed(message, "its segments do not fit one another as it was loaded first"))
    }

    /// Loads the playlist of a variant again, once, where pictures are of another size than the multivariant playlist says: it may
    /// have been that of another variant.
    ///
    /// # Errors
    /// Another segment is in this place now, and its pictures are of the size.
    async fn has_its_size(
        &self,
        (place, track): (Place, &Track),
        unit: &Unit,
        (way, checks): (&Way, &TrackChecks),
    ) -> Result<(), Error> {
        if unit.live.is_some() || !checks.may_ask_for_size() {
            return Ok(());
        }
        let Some(now) = self.list_again(track).await else { return Ok(()) };
        let Ok(fresh) = track.alike(now, true) else { return Ok(()) };
        let other = fresh.unit(place.index).filter(|other| other.identity != unit.identity);
        let Some(other) = other else { return Ok(()) };
        let message =
            format!("the pictures of {} are of another size than those of its variant", track.name(unit));
        match self.again_for(&fresh, &other, message.clone(), way, &Nowhere).await {
            Ok(came) if came.summary.size() == track.resolution => {}
            Ok(_) | Err(_) => return Ok(()),
        }
        // A list that names other segments at each load tells something only where those of each load have that size. Its paths
        // may be signed for one load.
        let again = self.list_again(track).await.and_then(|now| fresh.alike(now, true).ok());
        if let Some(again) = again
            && let Some(now) = again.unit(place.index).filter(|now| now.identity != other.identity)
        {
            match self.again_for(&again, &now, message.clone(), way, &Nowhere).await {
                Ok(came) if came.summary.size() == track.resolution => {}
                Ok(_) | Err(_) => return Ok(()),
            }
        }
        Err(list_changed(message, "the playlist names other segments now, whose pictures are of that size"))
    }

    /// Loads the playlist of a track once more. `None`: it can't be had, or has no end and may have been cut.
    async fn list_again(&self, track: &Track) -> Option<Media> {
        let media = track.media();
        if !matches!(media.base().scheme(), "http" | "https") {
            return None;
        }
        match playlist::once(&*self.transport.fetch, media.base(), None, &[]).await.ok()?.playlist {
            Playlist::Media(now) => Some(now).filter(|now| now.ended),
            Playlist::Multivariant(_) => None,
        }
    }

    /// Asks for the initialization section of a track again.
    ///
    /// # Errors
    /// It is another one than came first.
    async fn has_its_section(
        &self,
        track: &Track,
        (way, checks): (&Way, &TrackChecks),
        doubts: &[Doubt],
    ) -> Result<(), Error> {
        let section = track.init_places().first().and_then(|index| track.unit(*index));
        let (Some(first), Some(section)) = (checks.section.get(), section) else { return Ok(()) };
        match self.again(track, &section, doubts, way, &Nowhere).await {
            Ok(now) if now.copy != *first => Err(was_another(&track.name(&section))),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Takes back units that are not what the server has, before the ones behind them take their place. The engine fetches them
    /// again, whatever becomes of the attempt that found them.
    ///
    /// # Errors
    /// One is in its output already.
    fn take_back(&self, (track, unit): (&Track, &Unit), wrong: Vec<Arc<Came>>) -> Result<(), Error> {
        let held = wrong.iter().filter(|came| self.order.holds(came));
        if !wrong.is_empty() {
            self.order.was_deceived();
        }
        for (place, hash) in held.map(|came| (came.place, came.hash)) {
            let is_open = self.assemble(|assembler| {
                let is_open = assembler.needs(place);
                is_open.then(|| self.order.disown(place, hash));
                is_open
            });
            // Its own attempt ends with that, or had to give way, and is made again.
            if is_open {
                self.order.forget(place, hash);
                continue;
            }
            // A recording is not ended by it: what is written stays.
            if unit.live.is_some() && !self.assemble(|assembler| assembler.is_waiting(place)) {
                continue;
            }
            if !self.order.forget(place, hash) {
                continue;
            }
            let bytes = self.assemble(|assembler| assembler.take_back(place));
            let name = track.unit(place.index).map(|unit| track.name(&unit)).unwrap_or_default();
            self.order.took_back(place, bytes.ok_or_else(|| was_another(&name))?);
        }
        Ok(())
    }

    /// Looks again at segments of which it is known only now that something is odd.
    async fn look_again(
        &self,
        (track, unit): (&Track, &Unit),
        odd: Vec<(Vec<Arc<Came>>, Doubt)>,
        (way, checks): (&Way, &TrackChecks),
    ) -> Result<(), Error> {
        let mut late = Vec::new();
        for (came, doubt) in odd {
            let found = self.late(track, (&came, doubt), way).await;
            if found.is_none() {
                self.has_its_list((track, unit), checks, &[doubt]).await?;
            }
            late.extend(found);
        }
        self.take_back((track, unit), late)
    }

    fn is_settled(&self, came: &Came) -> bool {
        self.doubts.is_settled(came.place, came.hash)
    }

    /// Looks again at segments that came before it was known what is odd about them. Returns one that is not what the server has.
    async fn late(&self, track: &Track, (all, doubt): (&[Arc<Came>], Doubt), way: &Way) -> Option<Arc<Came>> {
        let (doubts, last) = ([doubt], all.last()?);
        // What is odd about one that has come twice has been told.
        let is_told = all.iter().all(|came| self.is_settled(came))
            || doubt == Doubt::Counters && all.iter().any(|came| self.is_settled(came));
        if is_told {
            return None;
        }
        let open: Vec<_> = all.iter().filter(|came| !self.is_settled(came)).collect();
        let fetches = u32::try_from(open.len()).unwrap_or(u32::MAX);
        let mut same = 0;
        // Of a way to be coded nothing is known by others.
        let is_by_itself = matches!(doubt, Doubt::Coding | Doubt::Streams);
        let turn = self.doubts.turn(last.place.track, &doubts, fetches.saturating_sub(1)).await;
        if turn.is_none() && !is_by_itself {
            return None;
        }
        // Others may have looked at them meanwhile.
        if !all.iter().all(|came| self.order.holds(came)) {
            return None;
        }
        for came in open.into_iter().filter(|came| !self.is_settled(came)) {
            let Some(unit) = track.unit(came.place.index) else { continue };
            match self.again(track, &unit, &doubts, way, &Nowhere).await {
                Ok(now) if self.is_damaged_by_digest(came.place, &unit, &now) => {}
                Ok(now) if now.hash != came.hash => {
                    self.order.was_wrong(came.place.track);
                    return Some(Arc::clone(came));
                }
                Ok(_) => {
                    self.doubts.settle(came.place, came.hash);
                    same += 1;
                }
                Err(_) => {}
            }
        }
        drop(turn);
        if same > 0
            && let Some(is_trusted) = self.doubts.confirmed(last.place.track, doubt, same)
        {
            let name = track.unit(last.place.index).map(|unit| track.name(&unit)).unwrap_or_default();
            let _ = self.events.send(doubt.warning(&name, is_trusted));
        }
        None
    }

    /// Whether there is nothing odd about a unit.
    fn is_plain(
        &self,
        place: Place,
        checks: &TrackChecks,
        (track, unit): (&Track, &Unit),
        whole: &Whole,
        init: Option<&Configuration>,
    ) -> bool {
        let size = whole.summary.size();
        whole.has_digest != Some(false)
            && checks.has_other_size(timeline(track, unit), track.resolution, size).is_none()
            && checks.judge(track, unit, whole).is_ok()
            && checks
                .pieces
                .judge(place, &track.name(unit), whole.piece.as_ref())
                .is_ok_and(|b| b == Becomes::Handed)
            && self
                .doubts
                .trusts(place.track, &Doubt::of(&whole.summary, init, unit.duration, whole.is_bounded))
            && self.order.odd(place.track, &Order::signs((track, unit), &whole.summary, init)).is_none()
            && self.order.twin(place, (track, unit), whole.hash, &whole.summary).is_none()
            && self.order.misfits(place, (track, unit), (&whole.summary, 0.0), init).is_empty()
    }

    /// A unit that is doubted, as another connection brings it.
    async fn again(
        &self,
        track: &Track,
        unit: &Unit,
        doubts: &[Doubt],
        way: &Way,
        sink: &impl Sink,
    ) -> Result<Whole, Error> {
        let message =
            doubts.first().map_or_else(String::new, |doubt| doubt.error(&track.name(unit)).to_string());
        self.again_for(track, unit, message, way, sink).await
    }

    pub(super) async fn again_for(
        &self,
        track: &Track,
        unit: &Unit,
        message: String,
        way: &Way,
        sink: &impl Sink,
    ) -> Result<Whole, Error> {
        let (place, class) = (hls_fetch::redacted(&unit.url), Class::Content);
        self.report(Retry { place, class, message, attempt: 1, wait: Duration::ZERO });
        let way = Way { fresh: true, gauge: Arc::clone(&way.gauge), ..Way::default() };
        let report = |retry| self.report(retry);
        let (mut whole, ..) = self.transport.unit(track, unit, sink, report, &mut None, &way).await?;
        sink.take_all(&mut whole).await?;
        Ok(whole)
    }
}

/// Tells whether the pictures that a section sets up are of another size than the playlist says.
fn is_other_size(track: &Track, checks: &TrackChecks) -> bool {
    let (Some(said), Some(configuration)) = (track.resolution, checks.configuration.get()) else {
        return false;
    };
    let pictures = configuration.tracks.iter().filter(|track| &track.handler == b"vide");
    let mut sizes =
        pictures.flat_map(|track| &track.entries).map(|entry| (entry.width, entry.height)).peekable();
    sizes.peek().is_some() && sizes.all(|(width, height)| (u32::from(width), u32::from(height)) != said)
}

/// Returns how much longer a segment lasts than the playlist says, in seconds, where that is more than rounding and a frame explain:
/// the time scale in its initialization section may be that of another stream.
fn is_off(lasts: Duration, said: Duration) -> Option<f64> {
    let seconds = lasts.as_secs_f64() - said.as_secs_f64();
    (seconds.abs() > 0.07 + 0.03 * said.as_secs_f64()).then_some(seconds)
}

/// A playlist that is another one than came first.
fn list_changed(message: String, why: &str) -> Error {
    Error::content("playlist.changed", message).why(why).next(STARTS_OVER).finally()
}

/// A unit that turned out to be another than the server has, and is in its output already.
fn was_another(name: &str) -> Error {
    Error::content(WAS_ANOTHER, format!("{name} was another one at first"))
        .why("the server sends other bytes for it now, and the first ones are in the output")
        .next(STARTS_OVER)
        .finally()
}

/// A unit that came whole, and came as another one when it was asked for again.
pub(super) fn is_another(track: &Track, unit: &Unit) -> Error {
    Error::content(DAMAGED, format!("{} was another one the second time", track.name(unit)))
        .at(format!("GET {}", hls_fetch::redacted(&unit.url)))
}

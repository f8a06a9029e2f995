//! A live stream: its playlists loaded again, their news planned, and the recording ended well.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hls_fetch::Class;
use hls_parse::{DateTime, Media};
use hls_state::Recovered;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Ended, Engine};
use crate::config::{Config, Output};
use crate::control::DRAIN;
use crate::error::{Error, Kind};
use crate::event::{Event, Gap, LiveProgress, Reload, StoppedBy};
use crate::place::Place;
use crate::policy::gaps::{could_be_missing, why_missing};
use crate::policy::live::Split;
use crate::policy::live::{Bounds, Following, From, Stop, Window, notes};
use crate::policy::plan::Tracks;
use crate::policy::remembered::Choice;
use crate::policy::source::Source;
use crate::transfer::ciphertext::{Kept, waits_for_keys};

/// A recording that does not come on for so many target durations turns to the next place where the stream is to be had.
const TARGETS_TO_TURN: u32 = 2;
/// How long a segment that its playlist lists is asked for although it is not there, in target durations.
const TARGETS_TO_WAIT: u32 = 3;
/// How long one that is there is asked for although it can't be had.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The recording of a live stream.
pub(super) struct Live {
    pub(super) config: Arc<Config>,
    pub(super) choices: Vec<Choice>,
    pub(super) tracks: Vec<Following>,
    from: From,
    bounds: Bounds,
    /// Where the first track begins: its date, and how far from the edge that is.
    beside: Option<(Option<DateTime>, Duration)>,
    give_up_after: Option<Duration>,
    /// Loads of playlists that are under way.
    pub(super) loads: Vec<AbortHandle>,
    /// Why it ends, once it does.
    pub(super) ends: Option<Ends>,
    /// What is not there by then is left out.
    until: Option<Instant>,
    /// When something new was last heard of.
    heard: Instant,
    /// Since when units can't be had.
    failing: HashMap<Place, Instant>,
    said_stale: bool,
    has_ten_seconds: bool,
    /// The playlists are loaded from the top next time: links may have expired.
    pub(super) from_top: bool,
    pub(super) topped: Option<Instant>,
    /// When another place was turned to for a segment that could not be had.
    turned: Instant,
}

/// Why a part of a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    By(StoppedBy),
    /// Another file begins.
    Split,
}

impl Live {
    pub(super) fn new(
        config: Arc<Config>,
        choices: Vec<Choice>,
        tracks: Vec<Following>,
        before: Duration,
    ) -> Self {
        let is_pipe = matches!(config.output, Output::Writer(_));
        let from = config.live.from.unwrap_or(if is_pipe { From::Live } else { From::Start });
        let (bounds, give_up_after) = (Bounds::new(&config.live, before), config.live_patience());
        Self {
            config,
            choices,
            tracks,
            from,
            bounds,
            beside: None,
            give_up_after,
            loads: Vec::new(),
            ends: None,
            until: None,
            heard: Instant::now(),
            failing: HashMap::new(),
            said_stale: false,
            has_ten_seconds: false,
            from_top: false,
            topped: None,
            turned: Instant::now(),
        }
    }

    /// Puts back what an earlier run had planned.
    ///
    /// # Errors
    /// Notes that contradict what is there.
    pub(super) fn restored(
        mut self,
        tracks: &Tracks,
        recovered: &Recovered,
        kept: &Kept,
    ) -> Result<Self, Error> {
        for ((n, following), track) in (0..=u8::MAX).zip(&mut self.tracks).zip(&tracks.0) {
            following.restore(n, track, &track.media(), recovered, |identity| kept.cipher(identity))?;
        }
        Ok(self)
    }

    /// When a playlist is loaded next.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.tracks.iter().filter(|track| !track.is_loading && !track.is_closed);
        waiting.map(|track| Instant::from_std(track.clock.due())).min()
    }

    /// Nobody watched for a while. Connections may be dead, so loads that are under way begin anew; and that nothing came in this
    /// time is nobody's fault.
    pub(super) fn woke(&mut self, unwatched: Duration, now: Instant) {
        self.loads.drain(..).for_each(|load| load.abort());
        for track in &mut self.tracks {
            track.is_loading = false;
            track.clock.woke(unwatched, now.into_std());
            track.head.1 = now.into_std();
        }
        self.heard = (self.heard + unwatched).min(now);
        self.failing.values_mut().for_each(|since| *since = (*since + unwatched).min(now));
    }

    /// How far its tracks have come, and from where.
    pub(super) fn place(&self) -> (Vec<Window>, Vec<Source>) {
        let windows = self.tracks.iter().filter_map(|track| track.window.clone()).collect();
        (windows, self.tracks.iter().map(|track| track.source.clone()).collect())
    }

    pub(super) fn target(&self) -> Duration {
        self.tracks.iter().map(|track| track.clock.target()).max().unwrap_or(Duration::from_secs(1))
    }
}

fn wall() -> DateTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

impl Engine {
    /// Plans what the playlists had that were loaded at the start.
    pub(super) fn begin_live(&mut self) -> Result<(), Error> {
        let tracks = self.live.as_ref().map_or(0, |live| live.tracks.len());
        for n in (0..=u8::MAX).take(tracks) {
            if n == 1 {
                self.align();
            }
            let Some(media) = self.shared.tracks.0.get(usize::from(n)).map(|track| track.media()) else {
                continue;
            };
            self.follow(n, Media::clone(&media))?;
        }
        Ok(())
    }

    /// Has the other tracks begin where the first one does: at its date, or as far from the edge.
    fn align(&mut self) {
        let Some(track) = self.shared.tracks.0.first() else { return };
        let first =
            (0..track.units()).filter_map(|n| track.unit(n)).find(|unit| !unit.is_init && !unit.is_gap);
        let Some((live, first)) = self.live.as_mut().zip(first) else { return };
        let back: Duration = (track.media().segments())
            .filter(|segment| segment.media_sequence() >= first.sequence)
            .map(|segment| segment.duration())
            .sum();
        let date = first.live.and_then(|live| live.at).map(DateTime::from_unix_micros);
        live.beside = Some((date, back));
    }

    pub(super) fn is_closed(&self, n: u8) -> bool {
        let tracks = self.live.as_ref().map(|live| &live.tracks);
        tracks.and_then(|tracks| tracks.get(usize::from(n))).is_none_or(|track| track.is_closed)
    }

    /// Plans what a playlist has that is new.
    pub(super) fn follow(&mut self, n: u8, media: Media) -> Result<(), Error> {
        let now = Instant::now();
        let Some(live) = &mut self.live else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let Some(track) = shared.tracks.0.get(usize::from(n)) else { return Ok(()) };
        let Some(following) = live.tracks.get_mut(usize::from(n)) else { return Ok(()) };
        let is_dated = media.segments().any(|segment| segment.date_time().is_some());
        let from = match live.beside {
            Some((Some(date), _)) if is_dated => From::At(date),
            Some((_, back)) => From::Near(back),
            None => live.from,
        };
        let followed = following.follow(track, &media, from, &live.bounds, (now.into_std(), wall()));
        track.listed(media);
        if followed.changed {
            live.heard = now;
            live.said_stale = false;
        }
        for index in followed.moved {
            let place = Place { track: n, index };
            self.doubted.remove(&place);
            self.planner.moved(place, now.into_std());
        }
        let stop = followed.stop;
        let closes = stop.is_some() || followed.ended || live.ends.is_some();
        following.is_closed |= closes;
        if let Some(stop) = stop {
            live.ends.get_or_insert(match stop {
                Stop::Duration => Ends::By(StoppedBy::Duration),
                Stop::Until => Ends::By(StoppedBy::Until),
                Stop::Split => Ends::Split,
            });
        }
        for note in notes(n, followed.first, &followed.units) {
            shared.writer.annotate(note);
        }
        if followed.restarted {
            let message = "the stream was started anew, and goes on behind what is recorded".to_owned();
            let _ = shared.events.send(Event::Warning { kind: "live.restarted", message });
        }
        let units = track.units();
        self.planner.grow(n, units);
        shared.assemble(|assembler| assembler.grow(n, units, !closes));
        for (index, unit) in (followed.first..).zip(&followed.units) {
            if unit.is_gap {
                let (code, reason) = why_missing(unit);
                self.leave_out(Place { track: n, index }, code, reason.to_owned());
            }
        }
        self.keep_ciphertext(n);
        let behind = self.behind(n);
        let _ = shared.events.send(Event::Reload(Reload { track: n, changed: followed.changed, behind }));
        self.heads();
        self.end_if_all_are_closed();
        Ok(())
    }

    /// While a key is not to be had, what the stream will have forgotten by then is kept as it is.
    fn keep_ciphertext(&mut self, n: u8) {
        let shared = &self.shared;
        let Some(track) = shared.tracks.0.get(usize::from(n)).filter(|_| shared.transport.kept.is_needed())
        else {
            return;
        };
        let head = shared.assemble(|assembler| assembler.head(n));
        for index in head..track.units() {
            let Some(unit) = track.unit(index).filter(|unit| waits_for_keys(unit) && !unit.is_gap) else {
                continue;
            };
            let is_wanted = shared.assemble(|assembler| assembler.needs(Place { track: n, index }));
            if is_wanted && !shared.transport.kept.knows(unit.identity) {
                let shared = Arc::clone(shared);
                self.running.spawn(async move {
                    if let Some(track) = shared.tracks.0.get(usize::from(n)) {
                        shared.transport.keep(track, &unit).await;
                    }
                    Ended::Kept
                });
            }
        }
    }

    fn end_if_all_are_closed(&mut self) {
        if let Some(live) = &mut self.live
            && live.tracks.iter().all(|track| track.is_closed)
        {
            live.ends.get_or_insert(Ends::By(StoppedBy::End));
        }
    }

    /// A unit of a live stream is missing, and the recording goes on without it.
    fn leave_out(&mut self, place: Place, code: &str, reason: String) {
        let shared = Arc::clone(&self.shared);
        let Some((track, unit)) = shared.tracks.at(place) else { return };
        let gap = Gap::new(track, place, &unit, code, reason);
        let _ = shared.events.send(Event::Gap(gap.clone()));
        self.gaps.note(place, gap);
        shared.transport.kept.forget(unit.identity);
        self.planner.settled(place);
        self.planner.have(place);
        self.begun.remove(&place);
        shared.assemble(|assembler| assembler.skip(place, unit.identity));
        shared.room.notify_waiters();
    }

    /// A unit was refused (401, 403): the playlist may have a fresh link.
    pub(super) fn refused_live(&mut self, place: Place, error: Error) -> Result<(), Error> {
        if let Some(live) = &mut self.live {
            live.from_top = true;
        }
        self.give_up(place, error)
    }

    /// A unit of a live stream is there.
    pub(super) fn came(&mut self, place: Place) {
        if let Some(live) = &mut self.live {
            live.failing.remove(&place);
        }
    }

    /// A unit of a live stream is not to be had. `None`: the recording goes on.
    pub(super) fn give_up_live(&mut self, place: Place, error: Error) -> Option<Error> {
        if self.asks_again(place, &error) {
            return None;
        }
        let is_init = self.shared.tracks.at(place).is_some_and(|(_, unit)| unit.is_init);
        if matches!(error.code(), "init.changed" | "remux.changes") && place.index > 0 {
            let message = "the codec configuration changes: the recording goes on in another file".to_owned();
            let _ = self.shared.events.send(Event::Warning { kind: "live.part", message });
            self.split_at(place);
            return None;
        }
        let can_be_left = could_be_missing(&error) || error.class() == Class::Auth;
        if is_init || !can_be_left || self.shared.assemble(|a| a.head(place.track)) > place.index {
            return Some(error);
        }
        self.leave_out(place, error.code(), error.to_string());
        self.heads();
        None
    }

    /// Whether a unit of a live stream that could not be had is asked for again: as long as the stream still has it, for some
    /// time.
    fn asks_again(&mut self, place: Place, error: &Error) -> bool {
        let Some(live) = &mut self.live else { return false };
        let unit = self.shared.tracks.at(place).map(|(_, unit)| unit);
        let Some(unit) = unit.filter(|_| could_be_missing(error) || error.class() == Class::Auth) else {
            return false;
        };
        let Some(track) = live.tracks.get(usize::from(place.track)) else { return false };
        let now = Instant::now();
        let target = live.target();
        let since = *live.failing.entry(place).or_insert(now);
        let epoch = track.window.as_ref().map(Window::epoch);
        let is_listed = unit.live.map(|l| l.epoch) == epoch && unit.sequence >= track.listed_from;
        // What is here waits for its key as long as the recording waits for anything.
        let is_kept = self.shared.transport.kept.has(unit.identity);
        let most = match error.kind() {
            _ if is_kept => live.give_up_after.unwrap_or(Duration::MAX),
            Kind::Refused => target * TARGETS_TO_WAIT,
            _ => LONGEST_WAIT,
        };
        // It may be there in another place.
        if now - live.turned >= target
            && live.tracks.get_mut(usize::from(place.track)).is_some_and(Following::turn)
        {
            live.turned = now;
        }
        let again = (is_listed || is_kept) && now - since < most && live.until.is_none();
        if again {
            self.planner.lost(place, (now + target / 2).into_std());
        } else {
            live.failing.remove(&place);
        }
        again
    }

    /// Looks at the time: whether the recording has to end, and whether something is to be said.
    pub(super) fn tick_live(&mut self, now: Instant) -> Result<(), Error> {
        let recorded = self.recorded();
        let Some(live) = &mut self.live else { return Ok(()) };
        if !live.has_ten_seconds && recorded >= Duration::from_secs(10) {
            live.has_ten_seconds = true;
            let watchable = self.grows_at.clone().map(Event::Watchable);
            watchable.into_iter().for_each(|event| drop(self.shared.events.send(event)));
        }
        let target = live.target();
        for ((n, following), track) in (0..=u8::MAX).zip(&mut live.tracks).zip(&self.shared.tracks.0) {
            let head = self.shared.assemble(|assembler| assembler.head(n));
            let (last, since) = following.head;
            if head != last || head >= track.units() {
                following.head = (head, now.into_std());
            } else if now.into_std() - since > target * TARGETS_TO_TURN && following.turn() {
                following.head.1 = now.into_std();
            }
        }
        let silent = now - live.heard;
        if !live.said_stale && live.tracks.iter().any(|t| !t.is_closed && t.clock.is_stale(now.into_std())) {
            live.said_stale = true;
            let message = format!("the playlist has had nothing new for {} s", silent.as_secs());
            let _ = self.shared.events.send(Event::Warning { kind: "live.stale", message });
        }
        if live.ends.is_none() && live.give_up_after.is_some_and(|patience| silent >= patience) {
            self.stop_recording(StoppedBy::GaveUp);
        } else if let Some(Split::Size(size)) = live.config.live.split
            && live.ends.is_none()
            && self.bytes >= size
        {
            self.split_here();
        }
        if self.live.as_ref().is_some_and(|live| live.until.is_some_and(|until| now >= until)) {
            self.end_with_what_is_there();
        }
        Ok(())
    }

    /// No more playlists are loaded; what is known of is still had, for a few seconds.
    pub(super) fn stop_recording(&mut self, by: StoppedBy) {
        let Some(live) = &mut self.live else { return };
        live.ends = Some(Ends::By(by));
        live.until.get_or_insert_with(|| Instant::now() + DRAIN);
        live.tracks.iter_mut().for_each(|track| track.is_closed = true);
        self.shared.assemble(|assembler| {
            for (n, track) in (0..=u8::MAX).zip(&self.shared.tracks.0) {
                assembler.grow(n, track.units(), false);
            }
        });
    }

    /// Goes on in another file behind what is planned.
    fn split_here(&mut self) {
        let Some(live) = &mut self.live else { return };
        live.ends = Some(Ends::Split);
        live.tracks.iter_mut().for_each(|track| track.is_closed = true);
        self.shared.assemble(|assembler| {
            for (n, track) in (0..=u8::MAX).zip(&self.shared.tracks.0) {
                assembler.grow(n, track.units(), false);
            }
        });
    }

    /// Goes on in another file with this unit.
    pub(super) fn split_at(&mut self, place: Place) {
        let sequence = self.shared.tracks.at(place).map(|(_, unit)| unit.sequence);
        let Some((live, sequence)) = self.live.as_mut().zip(sequence) else { return };
        live.ends = Some(Ends::Split);
        live.tracks.iter_mut().for_each(|track| track.is_closed = true);
        let window = live.tracks.get_mut(usize::from(place.track)).and_then(|track| track.window.as_mut());
        if let Some(window) = window {
            window.back_to(sequence);
        }
        self.cut_off(place);
    }

    /// Ends the tracks in front of this place.
    fn cut_off(&mut self, place: Place) {
        self.shared.assemble(|assembler| {
            for (n, track) in (0..=u8::MAX).zip(&self.shared.tracks.0) {
                match n == place.track {
                    true => assembler.end_before(n, place.index),
                    false => assembler.grow(n, track.units(), false),
                }
            }
        });
        let behind = |running: &super::Running| {
            running.place.track == place.track && running.place.index >= place.index
        };
        let ended: Vec<_> =
            self.handles.iter().filter(|(_, r)| behind(r)).map(|(attempt, _)| *attempt).collect();
        for attempt in ended {
            self.forget(attempt);
        }
        self.planner.end_before(place.track, place.index);
        self.heads();
    }

    fn forget(&mut self, attempt: u64) {
        if let Some(running) = self.handles.remove(&attempt) {
            running.abort.abort();
        }
        self.planner.ended(attempt);
    }

    /// The recording ends with what is whole: what is missing in between is named, and what is behind it dropped.
    fn end_with_what_is_there(&mut self) {
        for n in (0..=u8::MAX).take(self.shared.tracks.0.len()) {
            let (missing, end) = self.shared.assemble(|assembler| (assembler.end_here(n), assembler.end(n)));
            for place in missing {
                self.leave_out(
                    place,
                    "live.stopped",
                    "it was not there when the recording was ended".to_owned(),
                );
            }
            // What is cut off here, the next part may have.
            let place = Place { track: n, index: end };
            let cut = self.shared.tracks.at(place).map(|(_, unit)| unit);
            let window =
                self.live.as_mut().and_then(|live| live.tracks.get_mut(usize::from(n))?.window.as_mut());
            if let Some((unit, window)) = cut.zip(window)
                && unit.live.is_some_and(|live| live.epoch == window.epoch())
            {
                window.back_to(unit.sequence);
            }
            self.cut_off(place);
        }
        if let Some(live) = &mut self.live {
            live.until = None;
        }
    }

    /// How much of the stream is in the output.
    pub(super) fn recorded(&self) -> Duration {
        self.live.as_ref().map_or(Duration::ZERO, |_| self.recorded_of(0))
    }

    fn recorded_of(&self, n: u8) -> Duration {
        let Some(track) = self.shared.tracks.0.get(usize::from(n)) else { return Duration::ZERO };
        let head = self.shared.assemble(|assembler| assembler.head(n));
        track.unit(head).map_or_else(|| track.duration(), |unit| track.start_of(&unit))
    }

    fn behind(&self, n: u8) -> Duration {
        let planned =
            self.shared.tracks.0.get(usize::from(n)).map_or(Duration::ZERO, |track| track.duration());
        planned.saturating_sub(self.recorded_of(n))
    }

    pub(super) fn live_progress(&self, now: Instant) -> Option<LiveProgress> {
        let live = self.live.as_ref()?;
        let is_stale = live
            .tracks
            .iter()
            .any(|t| !t.is_closed && (t.clock.is_stale(now.into_std()) || t.clock.failures() > 1));
        let gaps = self.gaps.count();
        Some(LiveProgress {
            recorded: live.bounds.before + self.recorded(),
            behind: self.behind(0),
            gaps,
            is_stale,
        })
    }
}

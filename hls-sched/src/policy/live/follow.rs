//! Following the playlists of a live stream: what of them becomes units, in which order, and what an earlier run had planned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hls_parse::{DateTime, Encryption, Media, Segment};
use hls_state::Recovered;
use url::Url;

use super::note::{self, Noted, Written};
use super::reload::Asking;
use super::window::{Lost, News, Reading, Seen, Window};
use super::{Clock, From, Reloaded};
use crate::error::{Error, Kind};
use crate::policy::live::{LiveConfig, Split};
use crate::policy::plan::key_hash;
use crate::policy::plan::{Cipher, LiveUnit, Track, Unit};
use crate::policy::source::Source;

/// One track of a live stream.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) source: Source,
    pub(crate) clock: Clock,
    pub(crate) asking: Asking,
    /// `None` until its first playlist has been read.
    pub(crate) window: Option<Window>,
    pub(crate) is_loading: bool,
    /// No more units come: the stream has ended, or the recording.
    pub(crate) is_closed: bool,
    /// The stream comes from another place than the units so far.
    pub(crate) moved: bool,
    /// Where the playlist was asked for that comes next: a load may be under way when its track turns to another place.
    pub(crate) asked: Option<Url>,
    /// Pathways that were left, as something there could not be had.
    pub(crate) left: Vec<String>,
    /// Which unit is next, and since when it is.
    pub(crate) head: (u64, Instant),
    /// The first media sequence number that the playlist has now.
    pub(crate) listed_from: u64,
    /// The initialization section of the last unit.
    map: Option<u64>,
    /// The discontinuity sequence number of the last unit, in this epoch.
    discontinuity: u64,
}

/// Where a recording stops, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Duration,
    Until,
    /// The next file begins.
    Split,
}

/// What a playlist has come to.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// The new units, and their first place.
    pub(crate) units: Vec<Arc<Unit>>,
    pub(crate) first: u64,
    pub(crate) changed: bool,
    pub(crate) restarted: bool,
    /// Earlier units that are to be had in another place now.
    pub(crate) moved: Vec<u64>,
    /// Why no more units are taken.
    pub(crate) stop: Option<Stop>,
    /// The playlist ends.
    pub(crate) ended: bool,
}

/// Where recordings stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Of all parts together, what the parts before have.
    pub(crate) before: Duration,
    pub(crate) duration: Option<Duration>,
    pub(crate) until: Option<DateTime>,
    pub(crate) split: Option<Duration>,
}

impl Bounds {
    pub(crate) fn new(config: &LiveConfig, before: Duration) -> Self {
        let split = match config.split {
            Some(Split::Duration(split)) => Some(split),
            _ => None,
        };
        Self { before, duration: config.duration, until: config.until, split }
    }

    fn stop_before(&self, segment: &Segment<'_>, start: Duration, wall: DateTime) -> Option<Stop> {
        if self.duration.is_some_and(|duration| self.before + start >= duration) {
            return Some(Stop::Duration);
        }
        if self.until.is_some_and(|until| segment.date_time().unwrap_or(wall) >= until) {
            return Some(Stop::Until);
        }
        (!start.is_zero() && self.split.is_some_and(|split| start >= split)).then_some(Stop::Split)
    }
}

impl Following {
    pub(crate) fn new(source: Source, window: Option<Window>, now: Instant) -> Self {
        let clock = Clock::new(now);
        Self {
            source,
            clock,
            asking: Asking::default(),
            window,
            is_loading: false,
            is_closed: false,
            moved: false,
            asked: None,
            left: Vec::new(),
            head: (0, now),
            listed_from: 0,
            map: None,
            discontinuity: 0,
        }
    }

    /// Turns to the next place where the stream is to be had, soon. `false`: there is none.
    pub(crate) fn turn(&mut self) -> bool {
        let turned = !self.is_closed && self.turn_away();
        if turned {
            self.clock.hasten();
        }
        turned
    }

    /// Turns to the next place where the stream is to be had. `false`: there is none.
    pub(crate) fn turn_away(&mut self) -> bool {
        let from = self.source.here.pathway.clone();
        let turned = self.source.turn();
        self.moved |= turned;
        if self.source.here.pathway != from {
            self.left.push(from);
        }
        turned
    }

    /// Turns to a pathway, soon. `false`: the stream is not there, or comes from there.
    pub(crate) fn turn_to(&mut self, pathway: &str) -> bool {
        let turned = self.source.turn_to(pathway);
        if turned {
            self.moved = true;
            self.clock.hasten();
        }
        turned
    }

    /// Takes what a playlist has that is new. `from` says where a recording begins that has not begun; `wall` is the time.
    pub(crate) fn follow(
        &mut self,
        track: &Track,
        media: &Media,
        from: From,
        bounds: &Bounds,
        (now, wall): (Instant, DateTime),
    ) -> Followed {
        let begins = self.window.is_none();
        let window = self.window.get_or_insert_with(|| Window::starting(media, from.first(media, wall), now));
        let ended = window.end_date();
        let reading = window.read(media, self.clock.began());
        let mut followed = Followed { first: track.units(), ended: media.ended, ..Followed::default() };
        if let Reading::News(news) = reading {
            followed.changed = true;
            followed.restarted = news.restarted;
            if let Some(lost) = news.lost {
                let live = LiveUnit { count: lost.count, ..gone(window.epoch(), ended, self.discontinuity) };
                followed.units.push(track.append(missing(media, lost, live)));
            }
            self.take(track, media, news, (bounds, wall), &mut followed);
        }
        if reading != Reading::Older {
            self.listed_from = media.media_sequence;
            followed.moved = self.refresh(track, media, &followed);
            self.moved &= self.asked.as_ref().is_some_and(|asked| *asked != self.source.here.url);
        }
        let load = Reloaded {
            changed: followed.changed || begins,
            target: media.target_duration,
            last_segment: media.segments().next_back().map(|segment| segment.duration()),
            window: media.duration(),
        };
        let waited = self.asking.waits;
        self.asking.read(media, now);
        self.clock.loaded(load, now);
        if waited && !followed.changed && now - self.clock.began() < self.clock.target() / 2 {
            self.asking.did_not_wait();
            self.clock.make_up();
        } else if self.asking.is_blocking() && (!waited || followed.changed) {
            self.clock.ask_now(now);
        }
        followed
    }

    fn take(
        &mut self,
        track: &Track,
        media: &Media,
        news: News,
        (bounds, wall): (&Bounds, DateTime),
        followed: &mut Followed,
    ) {
        let epoch = self.window.as_ref().map_or(0, Window::epoch);
        if news.restarted {
            (self.map, self.discontinuity) = (None, 0);
        }
        let mut segments = media.segments().skip(news.from).peekable();
        while let Some(segment) = segments.next() {
            followed.stop = bounds.stop_before(&segment, track.duration(), wall);
            // Of a part there has to be something, however long what is lost of it was.
            let is_real = |unit: &Unit| !unit.is_init && !unit.is_gap;
            if followed.stop == Some(Stop::Split)
                && !(0..track.units()).filter_map(|index| track.unit(index)).any(|unit| is_real(&unit))
            {
                followed.stop = None;
            }
            if followed.stop.is_some() {
                if let Some(window) = &mut self.window {
                    window.back_to(segment.media_sequence());
                }
                return;
            }
            let at = segment.date_time().map(DateTime::unix_micros);
            // A playlist that does not count what has left it would go back.
            let counted = self.discontinuity.saturating_add(segment.is_discontinuity().into());
            self.discontinuity = segment.discontinuity_sequence().max(counted);
            // Segments in a row that the playlist says to be missing are one unit, as a playlist may name any number of them.
            let (mut count, mut duration) = (1, segment.duration());
            let is_more = |next: &Segment<'_>, duration: Duration| {
                let stop = bounds.stop_before(next, track.duration().saturating_add(duration), wall);
                segment.is_gap() && next.is_gap() && !next.is_discontinuity() && stop.is_none()
            };
            while let Some(next) = segments.next_if(|next| is_more(next, duration)) {
                (count, duration) = (count + 1, duration.saturating_add(next.duration()));
            }
            let live = LiveUnit { count, is_lost: false, ..gone(epoch, at, self.discontinuity) };
            let is_readable =
                !segment.is_gap() && !matches!(segment.encryption(), Encryption::Unsupported { .. });
            let init =
                segment.map().filter(|_| is_readable).and_then(|_| Unit::of(&segment, true, Some(live)));
            let map = init.as_ref().map(|init| Seen::of_unit(init).path);
            // Nothing depends on the section of a segment that is not there.
            if map != self.map && is_readable {
                followed.units.extend(init.map(|init| track.append(init)));
                self.map = map;
            }
            // A URL that can't be made out is a segment that can't be had.
            let unit = Unit::of(&segment, false, Some(live));
            let unit = unit.map(|unit| Unit { duration, ..unit });
            followed.units.push(track.append(unit.unwrap_or_else(|| {
                let lost = Lost { first: segment.media_sequence(), count, duration };
                missing(media, lost, LiveUnit { count, ..gone(epoch, at, self.discontinuity) })
            })));
        }
    }

    /// Units that are still to be had may have fresh links now. Returns those that are in another place.
    fn refresh(&self, track: &Track, media: &Media, followed: &Followed) -> Vec<u64> {
        let mut moved = Vec::new();
        let epoch = self.window.as_ref().map_or(0, Window::epoch);
        // What may still be on its way is not far from the end.
        let oldest = followed.first.saturating_sub(4 * media.segments().len() as u64 + 8);
        for index in (oldest..followed.first).rev() {
            let Some(known) = track.unit(index).filter(|unit| unit.live.is_some_and(|l| l.epoch == epoch))
            else {
                continue;
            };
            let place =
                known.sequence.checked_sub(media.media_sequence).and_then(|n| usize::try_from(n).ok());
            let Some(segment) = place.and_then(|place| media.segment(place)) else { continue };
            if let Some(fresh) = Unit::of(&segment, known.is_init, known.live)
                && fresh.url != known.url
                && (fresh.url.path() == known.url.path() || self.moved && fresh.duration == known.duration)
            {
                track.relocate(index, &fresh);
                moved.extend(self.moved.then_some(index));
            }
        }
        moved
    }

    /// Puts back what an earlier run had planned, in its order. What of it is neither here nor listed any more is missing.
    ///
    /// # Errors
    /// Notes that contradict what is there.
    pub(crate) fn restore(
        &mut self,
        n: u8,
        track: &Track,
        media: &Media,
        recovered: &Recovered,
        sealed: impl Fn(u128) -> Option<(Cipher, u128)>,
    ) -> Result<(), Error> {
        let mut noted: BTreeMap<u64, Noted> = BTreeMap::new();
        for (of, first, units) in recovered.notes.iter().filter_map(|text| note::decode(text)) {
            if of == n {
                noted.extend((first..).zip(units));
            }
        }
        let placed = recovered.outputs.get(usize::from(n)).map(Vec::as_slice).unwrap_or_default();
        if recovered.complete {
            // What was planned behind its end is another part's.
            noted.retain(|index, _| *index < placed.len() as u64);
        }
        if noted.is_empty() && placed.is_empty() {
            return Ok(());
        }
        let is_gapless = noted.keys().zip(0..).all(|(index, n)| *index == n);
        if !is_gapless || noted.len() < placed.len() {
            return Err(Error::new(
                Kind::Local,
                "state.broken",
                "the plan of the earlier recording is damaged",
            )
            .next("--restart discards what is there and starts over, -o gives another name"));
        }
        let epoch = noted.values().map(|unit| unit.epoch).max().unwrap_or(0);
        let mut seen = BTreeMap::new();
        let mut next = 0;
        let is_aside =
            |index: u64| recovered.aside.iter().any(|a| (a.unit.output, a.unit.index) == (n, index));
        for (&index, unit) in &noted {
            let of_now = unit.epoch == epoch;
            if of_now && unit.kind != Written::Init {
                next = unit.sequence.saturating_add(unit.count);
            }
            if of_now && unit.kind == Written::Segment {
                seen.insert(unit.sequence, unit.seen);
            }
            if of_now {
                self.discontinuity = unit.discontinuity;
            }
            let place = unit.sequence.checked_sub(media.media_sequence).and_then(|n| usize::try_from(n).ok());
            let listed = place.and_then(|place| media.segment(place));
            let listed = listed.filter(|_| of_now && unit.kind != Written::Lost);
            let live = LiveUnit {
                epoch: unit.epoch,
                count: unit.count,
                is_lost: false,
                start: Duration::ZERO,
                at: unit.seen.at,
                discontinuity: unit.discontinuity,
            };
            let is_init = unit.kind == Written::Init;
            let found = listed.and_then(|segment| Unit::of(&segment, is_init, Some(live)));
            let found = found.filter(|found| unit.seen.is(&Seen::of_unit(found)));
            // A section is the same for whichever segment it is listed.
            let found = found.or_else(|| {
                let mut sections = media.segments().filter(|segment| is_init && segment.map().is_some());
                let section = |segment| Unit::of(&segment, true, Some(live));
                sections.find_map(|s| section(s).filter(|s| Seen::of_unit(s).path == unit.seen.path))
            });
            let is_here = index < placed.len() as u64 || is_aside(index);
            if of_now && is_init && (is_here || found.is_some()) {
                self.map = Some(unit.seen.path);
            }
            let mut restored = match found {
                Some(found) => found,
                None => {
                    let cipher = sealed(unit.identity).map(|sealed| with_listed_key(sealed, media));
                    let is_gap = unit.kind == Written::Lost || !is_here && cipher.is_none();
                    Unit { is_gap, cipher, ..blank(media, LiveUnit { is_lost: is_gap, ..live }) }
                }
            };
            (restored.is_init, restored.sequence, restored.identity) =
                (is_init, unit.sequence, unit.identity);
            restored.duration = if is_init { Duration::ZERO } else { unit.seen.duration };
            track.append(restored);
        }
        self.window = Some(Window::resumed(epoch, next, seen));
        Ok(())
    }
}

/// What is kept of these units for the next run.
pub(crate) fn notes(n: u8, first: u64, units: &[Arc<Unit>]) -> Vec<Vec<u8>> {
    let noted = |unit: &Arc<Unit>| {
        let live = unit.live?;
        let kind = match unit.is_init {
            true => Written::Init,
            false if unit.is_gap => Written::Lost,
            false => Written::Segment,
        };
        let seen = Seen::of_unit(unit);
        let (epoch, count, discontinuity) = (live.epoch, live.count, live.discontinuity);
        let (identity, sequence) = (unit.identity, unit.sequence);
        Some(Noted { kind, epoch, sequence, count, identity, seen, discontinuity })
    };
    let all: Vec<_> = units.iter().filter_map(noted).collect();
    note::encode(n, first, &all)
}

/// The URL of a key has its query where it is still listed: the one it had, or a fresh token.
fn with_listed_key((cipher, hash): (Cipher, u128), media: &Media) -> Cipher {
    let urls = media.encryptions().filter_map(|encryption| match encryption {
        Encryption::Aes128 { url, .. } => Some(url),
        _ => None,
    });
    let alike = urls.filter(|url| url.host() == cipher.key.host() && url.path() == cipher.key.path());
    let alike = alike.collect::<Vec<_>>();
    let listed = alike.iter().find(|url| key_hash(url) == hash).or(alike.last());
    Cipher { key: listed.map_or(cipher.key, |url| Url::clone(url)), iv: cipher.iv }
}

/// A unit that stands for what is lost.
fn missing(media: &Media, lost: Lost, live: LiveUnit) -> Unit {
    let epoch = live.epoch;
    let mut unit = Unit { is_gap: true, sequence: lost.first, duration: lost.duration, ..blank(media, live) };
    unit.identity =
        u128::from(epoch) << 96 | u128::from(lost.first) << 32 | u128::from(lost.count & 0xffff_ffff);
    unit
}

/// What is told of one segment that is lost.
fn gone(epoch: u32, at: Option<i64>, discontinuity: u64) -> LiveUnit {
    LiveUnit { epoch, count: 1, is_lost: true, start: Duration::ZERO, at, discontinuity }
}

fn blank(media: &Media, live: LiveUnit) -> Unit {
    Unit {
        url: media.base().clone(),
        range: None,
        cipher: None,
        is_init: false,
        is_gap: false,
        is_unreadable: false,
        number: 0,
        sequence: 0,
        duration: Duration::ZERO,
        identity: 0,
        live: Some(live),
    }
}

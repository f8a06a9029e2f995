//! A broadcast on the air: questions and answers, at times that whoever asks says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Broadcast;
use super::answer::{Answer, Asked, Manner, Offer};
use super::content::encrypt;
use super::event::{How, Of};
use super::playlist::Writer;
use super::schedule::{Item, Schedule};
use crate::judge::sha256;

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// A [`Broadcast`] that answers requests, each at a time of its own; times must not decrease by more than a test minds.
///
/// Besides the time, answers depend only on how often something was asked for: where a fault happens a number of times, and
/// where two edges answer in turn.
#[derive(Clone, Debug)]
pub struct Transmission {
    broadcast: Arc<Broadcast>,
    tracks: Vec<Schedule>,
    times: HashMap<String, u32>,
    log: Vec<Asked>,
}

/// What a path names.
struct Place<'a> {
    pathway: usize,
    track: usize,
    name: &'a str,
}

impl Transmission {
    pub(super) fn new(broadcast: Broadcast) -> Self {
        let broadcast = Arc::new(broadcast);
        let tracks = (0..broadcast.tracks.len()).map(|track| Schedule::new(&broadcast, track)).collect();
        Self { broadcast, tracks, times: HashMap::new(), log: Vec::new() }
    }

    /// Returns the description it was made of.
    pub fn broadcast(&self) -> &Broadcast {
        &self.broadcast
    }

    /// Answers a request for `path` with this query (what follows the `?`), `at` this time from the beginning.
    pub fn answer(&mut self, path: &str, query: &str, at: Duration) -> Answer {
        let answer = self.judge(path, query, at);
        let status = if answer.manner == Manner::Whole { answer.status } else { 0 };
        self.log.push(Asked { at, path: path.to_owned(), query: query.to_owned(), status });
        answer
    }

    /// Whether a path belongs to this broadcast.
    pub fn has(&self, path: &str) -> bool {
        path.strip_prefix(self.broadcast.prefix.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns what it was asked so far, in order.
    pub fn asked(&self) -> &[Asked] {
        &self.log
    }

    /// Returns when the media playlist of a track was asked for, over all pathways.
    pub fn polls(&self, track: usize) -> Vec<Duration> {
        let paths: Vec<_> =
            (0..self.broadcast.pathways.len()).map(|p| self.broadcast.playlist_path(track, p)).collect();
        self.log.iter().filter(|asked| paths.contains(&asked.path)).map(|asked| asked.at).collect()
    }

    /// Returns the segments of a track that were complete at that time, in the order of production.
    pub fn offered(&mut self, track: usize, at: Duration) -> Vec<Offer> {
        let schedule = &mut self.tracks[track];
        let now = schedule.inner(at);
        schedule.advance(now);
        self.offers(track, now)
    }

    /// Returns what a recording of the segments of a track from one place in the order of production up to another has to be:
    /// clear bytes of all that ever appear, each initialization section before the first segment that needs it.
    pub fn bytes(&mut self, track: usize, from: usize, to: usize) -> Bytes {
        self.tracks[track].foresee(to);
        let offers = self.offers(track, Duration::MAX);
        let wanted =
            offers.iter().filter(|o| (from..to).contains(&o.index) && !o.is_gap && o.item.appeared());
        let (mut all, mut map) = (Vec::new(), None);
        for offer in wanted {
            if map != Some(offer.item.map) {
                all.extend(offer.init());
                map = Some(offer.item.map);
            }
            all.push(offer.bytes());
        }
        all.concat().into()
    }

    /// What is known of a track, as of that time of production.
    fn offers(&self, track: usize, now: Duration) -> Vec<Offer> {
        let schedule = &self.tracks[track];
        let head = self.broadcast.head();
        let outer = |time: Duration| time.saturating_sub(head);
        let so_far = |time: &Duration| *time <= now;
        let items = schedule.items().iter().filter(|item| item.complete <= now);
        items
            .map(|item| Offer {
                track,
                index: item.index,
                epoch: item.epoch,
                sequence: item.sequence,
                discontinuity: item.discontinuity,
                is_gap: item.is_gap,
                path: format!("{}/{}", self.broadcast.folder(track, 0), item.name),
                start: item.start,
                duration: item.duration(),
                appeared: (item.appeared() && item.listed <= now).then(|| outer(item.listed)),
                left: item.left.filter(so_far).map(outer),
                expired: item.expires.filter(so_far).map(outer),
                broadcast: Arc::clone(&self.broadcast),
                item: item.clone(),
            })
            .collect()
    }

    fn judge(&mut self, path: &str, query: &str, at: Duration) -> Answer {
        let broadcast = Arc::clone(&self.broadcast);
        let place = broadcast.place(path);
        let (pathway, track) = match &place {
            Some(place) => (Some(place.pathway), Some(place.track)),
            None => (None, None),
        };
        let of = kind(path);
        if let Some(outage) = broadcast.events.outages.iter().find(|o| o.concerns(of, pathway, track, at)) {
            return match outage.how {
                How::Status(status) => Answer::status(status),
                How::Reset => Answer::none(Manner::Reset),
                How::Silence => Answer::none(Manner::Silence),
            };
        }
        match place {
            None if path == broadcast.master_path() => Answer::ok(broadcast.master(at), PLAYLIST),
            None if path == format!("{}/steering.json", broadcast.prefix) => broadcast
                .steering(at)
                .map_or(Answer::status(404), |json| Answer::ok(json, "application/json")),
            None => Answer::status(404),
            Some(place) if place.name == "index.m3u8" => self.playlist(path, query, place.track, at),
            Some(place) => self.media(path, &place, at),
        }
    }

    fn playlist(&mut self, path: &str, query: &str, track: usize, at: Duration) -> Answer {
        if !self.broadcast.admits(query, at) {
            return Answer::status(403);
        }
        let behind = self.behind(path, at);
        let schedule = &mut self.tracks[track];
        let now = schedule.inner(at);
        schedule.advance(now);
        let newest = schedule.newest(now).and_then(|newest| newest.checked_sub(behind));
        let Some(newest) = newest else { return Answer::status(404) };
        let window = schedule.window(newest);
        Answer::ok(Writer::new(&self.broadcast, track, schedule, now).write(&window), PLAYLIST)
    }

    /// How many segments the edge that answers is behind.
    fn behind(&mut self, path: &str, at: Duration) -> usize {
        let stale = &self.broadcast.events.stale;
        let covers = |(from, lasts, _): &&(Duration, Duration, usize)| {
            (*from..from.saturating_add(*lasts)).contains(&at)
        };
        let Some((.., behind)) = stale.iter().find(covers).copied() else { return 0 };
        let times = self.times.entry(path.to_owned()).or_default();
        *times += 1;
        if (*times).is_multiple_of(2) { behind } else { 0 }
    }

    fn media(&mut self, path: &str, place: &Place<'_>, at: Duration) -> Answer {
        let broadcast = Arc::clone(&self.broadcast);
        let name = place.name;
        if let Some(turn) = numbered(name, "k", ".key") {
            return broadcast
                .key_of(turn)
                .map_or(Answer::status(404), |key| of_bytes(Bytes::copy_from_slice(&key), name));
        }
        if let Some(map) = numbered(name, "init", ".mp4") {
            let known = map <= broadcast.events.maps.len();
            let init = broadcast.init(place.track, map).filter(|_| known);
            return init.map_or(Answer::status(404), |init| of_bytes(init, name));
        }
        let schedule = &mut self.tracks[place.track];
        let now = schedule.inner(at);
        schedule.advance(now);
        let Some(item) = schedule.named(name, now).filter(|item| !item.is_gap) else {
            return Answer::status(404);
        };
        let is_missing = broadcast.events.missing.iter().any(|(index, times, pathway)| {
            let here = *index == item.index && place.track == 0 && pathway.is_none_or(|p| p == place.pathway);
            here && times.is_none_or(|times| self.times.get(path).is_none_or(|so_far| *so_far < times))
        });
        if is_missing {
            *self.times.entry(path.to_owned()).or_default() += 1;
            return Answer::status(404);
        }
        of_bytes(broadcast.sealed(place.track, item), name)
    }
}

/// What has this name, for as long as its bytes are the same.
fn of_bytes(bytes: Bytes, name: &str) -> Answer {
    let etag = format!("\"{}\"", &sha256(&bytes)[..16]);
    let mut answer = Answer::ok(bytes, crate::origin::content_type_of(name));
    answer.headers.push(("etag".to_owned(), etag));
    answer
}

fn numbered(name: &str, before: &str, behind: &str) -> Option<usize> {
    name.strip_prefix(before)?.strip_suffix(behind)?.parse().ok()
}

fn kind(path: &str) -> Of {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "m3u8" => Of::Playlists,
        "key" => Of::Keys,
        "json" => Of::Everything,
        _ => Of::Segments,
    }
}

impl Broadcast {
    fn place<'a>(&self, path: &'a str) -> Option<Place<'a>> {
        let rest = path.strip_prefix(self.prefix.as_str())?.strip_prefix('/')?;
        let (pathway, rest) = rest.split_once('/')?;
        let (track, name) = rest.split_once('/')?;
        let pathway = self.pathways.iter().position(|p| p.id == pathway)?;
        let track = self.tracks.iter().position(|t| t.name == track)?;
        // Segments have as many names as were given to them.
        let name = match name.split_once('/') {
            Some((folder, name)) if numbered(folder, "r", "").is_some() => name,
            _ => name,
        };
        Some(Place { pathway, track, name })
    }

    /// Whether a query has a token that is still worth something.
    fn admits(&self, query: &str, at: Duration) -> bool {
        let Some(life) = self.token_life else { return true };
        let token = query.split('&').find_map(|pair| pair.strip_prefix("token="));
        let issued = token.and_then(|token| token.parse().ok()).map(Duration::from_millis);
        issued.is_some_and(|issued| at < issued.saturating_add(life))
    }

    pub(super) fn init(&self, track: usize, map: usize) -> Option<Bytes> {
        let is_other = self.events.maps.iter().take(map).filter(|change| change.is_other).count() % 2 == 1;
        self.tracks[track].content.init(map, is_other)
    }

    /// The bytes as they are served.
    fn sealed(&self, track: usize, item: &Item) -> Bytes {
        let clear = self.tracks[track].content.segment(item.cut);
        match self.key_of(item.key) {
            None => clear,
            Some(key) => {
                let iv = self.iv_of(item).unwrap_or_else(|| u128::from(item.sequence).to_be_bytes());
                encrypt(&clear, key, iv)
            }
        }
    }
}

//! Segments, parts, initialization sections and keys: what is at a path, and when.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answer::Answer;
use super::content::encrypt;
use super::event::Of;
use super::playlist::part_of;
use super::schedule::Item;
use super::{Broadcast, Transmission};
use crate::judge::sha256;

/// What a path names.
pub(super) struct Place<'a> {
    pub(super) pathway: usize,
    pub(super) track: usize,
    pub(super) name: &'a str,
}

impl Transmission {
    /// Answers for a segment, a part, an initialization section or a key.
    pub(super) fn media(&mut self, path: &str, place: &Place<'_>, at: Duration) -> Answer {
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
        if let Some((segment, part)) = part_of(name) {
            let limit = Duration::from_secs(3 * broadcast.target_seconds(place.track));
            let item = schedule.named(&segment, now, Item::begun);
            let Some(item) = item.filter(|item| part < item.cut.pieces && !item.is_gap) else {
                return Answer::status(404);
            };
            // What a hint announces is waited for (rfc8216bis-22, section 6.2.2).
            let wait = item.part_complete(part).saturating_sub(now);
            return match broadcast.parts_of(place.track, item).into_iter().nth(part) {
                Some(bytes) if wait <= limit => of_bytes(bytes, name).after(wait),
                _ => Answer::status(404),
            };
        }
        let item = schedule.named(name, now, |item| item.complete);
        let Some(item) = item.filter(|item| !item.is_gap) else { return Answer::status(404) };
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

/// What kind of thing a path is of.
pub(super) fn kind(path: &str) -> Of {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "m3u8" => Of::Playlists,
        "key" => Of::Keys,
        "json" => Of::Steering,
        _ => Of::Segments,
    }
}

impl Broadcast {
    pub(super) fn place<'a>(&self, path: &'a str) -> Option<Place<'a>> {
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
    pub(super) fn admits(&self, query: &str, at: Duration) -> bool {
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
    /// The parts as they are served: pieces of the segment as it is served.
    fn parts_of(&self, track: usize, item: &Item) -> Vec<Bytes> {
        let clear = self.tracks[track].content.parts(item.cut);
        let sealed = self.sealed(track, item);
        let ends = clear.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        let mut ends: Vec<usize> = ends.collect();
        // Padding belongs to the last one.
        if let Some(last) = ends.last_mut() {
            *last = sealed.len();
        }
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(ends.iter().copied()).map(|(begin, end)| sealed.slice(begin..end)).collect()
    }
}

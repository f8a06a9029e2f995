//! A broadcast on the air: questions and answers, at times that whoever asks says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Broadcast;
use super::answer::{Answer, Asked, Manner, Offer};
use super::event::How;
use super::low_latency::{Directives, Wait};
use super::media::{self, Place};
use super::playlist::Writer;
use super::schedule::{Item, Schedule};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// A [`Broadcast`] that answers requests, each at a time of its own; times must not decrease by more than a test minds.
///
/// Besides the time, answers depend only on how often something was asked for: where a fault happens a number of times, and
/// where two edges answer in turn.
#[derive(Clone, Debug)]
pub struct Transmission {
    pub(super) broadcast: Arc<Broadcast>,
    pub(super) tracks: Vec<Schedule>,
    pub(super) times: HashMap<String, u32>,
    log: Vec<Asked>,
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

    /// Returns how often the media playlist of a track was asked for within a time as long as that, at most; over all pathways.
    pub fn most_polls(&self, track: usize, within: Duration) -> usize {
        let polls = self.polls(track);
        let from = polls.iter().enumerate();
        from.map(|(n, begin)| polls[n..].iter().take_while(|at| **at < *begin + within).count())
            .max()
            .unwrap_or(0)
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
        let was_gone = |item: &Item| item.left.is_some_and(|left| left <= head);
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
                appeared: (item.appeared() && item.listed <= now && !was_gone(item))
                    .then(|| outer(item.listed)),
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
        let of = media::kind(path);
        let fault = |at: Duration| {
            let outage = broadcast.events.outages.iter().find(|o| o.concerns(of, pathway, track, at))?;
            Some(match outage.how {
                How::Status(status) => Answer::status(status),
                How::Reset => Answer::none(Manner::Reset),
                How::Silence => Answer::none(Manner::Silence),
            })
        };
        if let Some(fault) = fault(at) {
            return fault;
        }
        let answer = self.answer_in_order(path, query, place, at);
        // What waited for its answer may find that there is none by then.
        match fault(at + answer.after).filter(|_| !answer.after.is_zero()) {
            Some(fault) => fault.after(answer.after),
            None => answer,
        }
    }

    fn answer_in_order(&mut self, path: &str, query: &str, place: Option<Place<'_>>, at: Duration) -> Answer {
        let broadcast = Arc::clone(&self.broadcast);
        match place {
            None if path == broadcast.master_path() => Answer::ok(broadcast.master(at), PLAYLIST),
            None if path == broadcast.steering_path() => broadcast
                .steering(at)
                .map_or(Answer::status(404), |json| Answer::ok(json, "application/json")),
            None => Answer::status(404),
            Some(place) if place.name == "index.m3u8" => self.playlist(path, query, &place, at),
            Some(place) => self.media(path, &place, at),
        }
    }

    fn playlist(&mut self, path: &str, query: &str, place: &Place<'_>, at: Duration) -> Answer {
        if !self.broadcast.admits(query, at) {
            return Answer::status(403);
        }
        let behind = self.behind(path, at);
        let broadcast = Arc::clone(&self.broadcast);
        let asks = Directives::of(query);
        let schedule = &mut self.tracks[place.track];
        let now = schedule.inner(at);
        schedule.advance(now);
        let due = match broadcast.wait(schedule, asks, now) {
            Wait::Until(due) => due,
            Wait::TooLong(end) => return Answer::status(503).after(end - now),
            Wait::Never => return Answer::status(400),
        };
        schedule.advance(due);
        let newest = schedule.newest(due).and_then(|newest| newest.checked_sub(behind));
        let Some(newest) = newest else { return Answer::status(404) };
        let reports = self.reports(place.track, due);
        let writer = Writer::new(&broadcast, place.track, &self.tracks[place.track], due);
        Answer::ok(writer.write(newest, asks.skip, &reports), PLAYLIST).after(due - now)
    }

    /// How far the other tracks are, for a playlist of this one (rfc8216bis-22, section 4.4.5.4).
    fn reports(&mut self, track: usize, now: Duration) -> Vec<String> {
        if self.broadcast.low_latency.is_none() {
            return Vec::new();
        }
        let mut reports = Vec::new();
        for (other, schedule) in self.tracks.iter_mut().enumerate().filter(|(other, _)| *other != track) {
            schedule.advance(now);
            let Some(newest) = schedule.newest(now) else { continue };
            let item = &schedule.items()[newest];
            let (sequence, part) = match schedule.open(newest, now) {
                Some((open, parts @ 1..)) => (open.sequence, parts - 1),
                _ => (item.sequence, item.cut.pieces - 1),
            };
            let name = &self.broadcast.tracks[other].name;
            reports.push(format!("URI=\"../{name}/index.m3u8\",LAST-MSN={sequence},LAST-PART={part}"));
        }
        reports
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
}

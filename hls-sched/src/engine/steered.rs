//! Carries out what steering decides: manifests are loaded when they are due, and tracks come from the pathway that is best.

use std::sync::Arc;
use std::time::Duration;

use hls_fetch::{Fetch, Request};
use hls_parse::{Limits, Media, Playlist, SteeringManifest};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use url::Url;

use super::{Ended, Engine};
use crate::error::{Error, Kind};
use crate::event::{Event, Pathway};
use crate::policy::pathway::{Answer, Steering};
use crate::policy::source::Source;
use crate::transfer::playlist;

/// What has not come by then has failed.
const LOAD_TIME: Duration = Duration::from_secs(10);

/// A job whose playlist names a steering manifest.
pub(super) struct Steered {
    steering: Steering,
    /// The playlist that names it.
    parent: Option<Url>,
    /// Where the tracks of a file come from; those of a live stream know it themselves.
    pub(super) sources: Vec<Source>,
    loads: Vec<AbortHandle>,
    /// The playlists of another pathway are loaded.
    is_moving: bool,
    allow_gaps: bool,
    /// Bytes per second, over the last seconds; of a live stream that says nothing about the pathway.
    pub(super) rate: u64,
}

/// The playlist of a track, loaded from another place.
pub(super) struct Moved {
    track: u8,
    source: Source,
    media: Result<Box<Media>, Error>,
}

impl Steered {
    pub(super) fn new(
        steering: Steering,
        parent: Option<Url>,
        sources: Vec<Source>,
        allow_gaps: bool,
    ) -> Self {
        Self { steering, parent, sources, loads: Vec::new(), is_moving: false, allow_gaps, rate: 0 }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.steering.due().map(Instant::from_std)
    }

    /// Nothing waits for what is under way.
    pub(super) fn abort(&mut self) {
        self.loads.drain(..).for_each(|load| load.abort());
    }

    /// What the next part of a recording goes on with.
    pub(super) fn into_steering(mut self, now: Instant) -> Steering {
        self.steering.abandoned(now.into_std());
        self.steering
    }
}

impl Engine {
    /// Loads the manifest if it is due, and takes note of pathways that were left.
    pub(super) fn look_for_steering(&mut self, now: Instant) {
        self.note_left(now);
        let has_more = match &self.live {
            Some(live) => live.ends.is_none(),
            None => self.segments_done < self.shared.tracks.segments() && self.drain_until.is_none(),
        };
        let here = self.pathway();
        let Some(steered) = self.steered.as_mut().filter(|_| has_more) else { return };
        if steered.due().is_none_or(|due| due > now) {
            return;
        }
        let bits = (steered.rate > 0 && self.live.is_none()).then(|| steered.rate.saturating_mul(8));
        let url = steered.steering.begin(here.as_deref().unwrap_or("."), bits);
        let (fetch, parent) = (Arc::clone(&self.shared.transport.fetch), steered.parent.clone());
        let load = self.running.spawn(async move {
            let answer = tokio::time::timeout(LOAD_TIME, manifest(&*fetch, url, parent)).await;
            Ended::Steered(answer.unwrap_or(Answer::Failed(None)))
        });
        steered.loads.retain(|load| !load.is_finished());
        steered.loads.push(load);
    }

    /// A manifest was loaded, or not.
    pub(super) fn steered(&mut self, answer: Answer) {
        let now = Instant::now();
        if let Some(steered) = &mut self.steered {
            steered.steering.answered(answer, now.into_std());
        }
        self.steer(now);
    }

    /// The pathway that the first track comes from.
    pub(super) fn pathway(&self) -> Option<String> {
        let source = match &self.live {
            Some(live) => live.tracks.first().map(|track| &track.source),
            None => self.steered.as_ref().and_then(|steered| steered.sources.first()),
        };
        source.map(|source| source.here.pathway.clone())
    }

    /// Turns to the pathways that are best by what is known now.
    pub(super) fn steer(&mut self, now: Instant) {
        let Some(steered) = &mut self.steered else { return };
        let (steering, at) = (&steered.steering, now.into_std());
        let Some(live) = &mut self.live else {
            self.steer_file(now);
            return;
        };
        for (n, track) in (0..=u8::MAX).zip(&mut live.tracks).filter(|(_, track)| !track.is_closed) {
            track.moved |= track.source.take_clones(steering.clones());
            track.source.elsewhere.sort_by_key(|address| steering.rank(&address.pathway, at));
            let from = track.source.here.pathway.clone();
            let better = steering.better(&from, track.source.pathways(), at).map(str::to_owned);
            let Some(to) = better.filter(|to| track.turn_to(to)) else { continue };
            let _ = self.shared.events.send(Event::Pathway(Pathway { track: n, from, to, is_steered: true }));
        }
    }

    /// Loads the playlists of a file from the pathways that are better.
    fn steer_file(&mut self, now: Instant) {
        let Some(steered) = self.steered.as_mut().filter(|steered| !steered.is_moving) else { return };
        let (steering, at) = (&steered.steering, now.into_std());
        let mut moves = Vec::new();
        for (n, source) in (0..=u8::MAX).zip(&steered.sources) {
            let mut there = source.clone();
            let has_moved = there.take_clones(steering.clones());
            let better = steering.better(&there.here.pathway, there.pathways(), at).map(str::to_owned);
            if better.is_some_and(|to| there.turn_to(&to)) || has_moved {
                moves.push((n, there));
            }
        }
        if moves.is_empty() {
            return;
        }
        steered.is_moving = true;
        let fetch = Arc::clone(&self.shared.transport.fetch);
        let load = self.running.spawn(async move {
            let mut all = Vec::new();
            for (track, source) in moves {
                let media = playlist(&*fetch, &source).await;
                all.push(Moved { track, source, media });
            }
            Ended::Moved(all)
        });
        steered.loads.push(load);
    }

    /// The playlists of a file were loaded from other pathways. Where they are the same, what is still to be fetched comes from
    /// there.
    pub(super) fn moved(&mut self, all: Vec<Moved>) {
        let now = Instant::now().into_std();
        let Some(steered) = &mut self.steered else { return };
        steered.is_moving = false;
        for Moved { track: n, source, media } in all {
            let (track, known) =
                (self.shared.tracks.0.get(usize::from(n)), steered.sources.get_mut(usize::from(n)));
            let Some((track, known)) = track.zip(known) else { continue };
            let to = source.here.pathway.clone();
            let taken = media.and_then(|media| {
                let fresh = track.alike(*media, steered.allow_gaps)?;
                let differs =
                    |n| Error::content("pathway.differs", format!("segment {n} is another one there"));
                track.renew(&fresh).map_err(differs)
            });
            if let Err(error) = taken {
                steered.steering.has_failed(&to, now);
                let message = format!("pathway {} can't be turned to: {error}", hls_fetch::escaped(&to, 40));
                let _ = self.shared.events.send(Event::Warning { kind: "pathway", message });
                continue;
            }
            // What has begun under another URL may be other bytes.
            self.begun.retain(|place, _| place.track != n);
            let from = std::mem::replace(known, source).here.pathway;
            if from != to {
                let change = Pathway { track: n, from, to, is_steered: true };
                let _ = self.shared.events.send(Event::Pathway(change));
            }
        }
    }

    /// Takes note of pathways that were left since something there could not be had.
    fn note_left(&mut self, now: Instant) {
        let Some(live) = &mut self.live else { return };
        for (n, track) in (0..=u8::MAX).zip(&mut live.tracks) {
            for from in std::mem::take(&mut track.left) {
                if let Some(steered) = &mut self.steered {
                    steered.steering.has_failed(&from, now.into_std());
                }
                let to = track.source.here.pathway.clone();
                let _ = self.shared.events.send(Event::Pathway(Pathway {
                    track: n,
                    from,
                    to,
                    is_steered: false,
                }));
            }
        }
    }
}

async fn manifest(fetch: &dyn Fetch, url: Url, parent: Option<Url>) -> Answer {
    let limits = Limits::default();
    if let Some(json) = hls_fetch::inline(&url) {
        return in_playlist(&json, url, parent, &limits);
    }
    let mut request = Request::get(url);
    request.parent = parent;
    let answer = match fetch.fetch(request).await {
        Ok(answer) => answer,
        Err(error) => return Answer::failed(&error),
    };
    let base = answer.url.clone();
    match answer.bytes(limits.steering_bytes as u64).await {
        Ok(json) => {
            SteeringManifest::parse(json, &base, &limits).map_or(Answer::Failed(None), Answer::Manifest)
        }
        Err(error) => Answer::failed(&error),
    }
}

/// A manifest that the multivariant playlist holds itself: what it leads to is found from there.
fn in_playlist(json: &[u8], url: Url, parent: Option<Url>, limits: &Limits) -> Answer {
    let base = parent.unwrap_or_else(|| url.clone());
    match SteeringManifest::parse(json, &base, limits) {
        Ok(mut manifest) => {
            if manifest.reload_url == base {
                manifest.reload_url = url;
            }
            Answer::Manifest(manifest)
        }
        // It will be no other the next time.
        Err(_) => Answer::Over,
    }
}

async fn playlist(fetch: &dyn Fetch, source: &Source) -> Result<Box<Media>, Error> {
    let load = playlist::once(fetch, &source.here.url, source.parent.as_ref(), &source.import);
    let late = |_| Error::new(Kind::Temporary, "net.timeout", "its playlist took too long");
    match tokio::time::timeout(LOAD_TIME, load).await.map_err(late)??.playlist {
        Playlist::Media(media) if media.ended => Ok(Box::new(media)),
        _ => Err(Error::content("pathway.differs", "what is there is no playlist with an end")),
    }
}

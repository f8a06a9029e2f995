//! Playlists of a live stream: loaded when they are due, from the place where they are to be had.

use std::sync::Arc;
use std::time::Duration;

use hls_fetch::Class;
use hls_parse::{Media, Playlist};
use tokio::time::Instant;

use super::{Ended, Engine};
use crate::config::Input;
use crate::error::{Error, Kind};
use crate::policy::live::Following;
use crate::prepare;
use crate::prepare::Chosen;
use crate::transfer::playlist;

/// A playlist that has not come by then has failed.
const LOAD_TIME: Duration = Duration::from_secs(10);
/// After so many failures in a row, and so many more, the playlist is looked for from the top.
const FAILURES_TO_TOP: u32 = 3;
/// After so many failures in a row it is loaded from the next place where the stream is to be had.
const FAILURES_TO_TURN: u32 = 2;

impl Engine {
    /// Begins the loads that are due.
    pub(super) fn look_for_news(&mut self, now: Instant) {
        let Some(live) = &mut self.live else { return };
        let at = now.into_std();
        let is_renewable = matches!(live.config.input, Input::Url(_)) && !live.choices.is_empty();
        let due = |track: &Following| !track.is_loading && !track.is_closed && track.clock.due() <= at;
        let has_failed = |track: &Following| {
            let failures = track.clock.failures();
            failures > 0 && failures.is_multiple_of(FAILURES_TO_TOP)
        };
        let from_top = live.tracks.iter().any(|track| due(track) && (live.from_top || has_failed(track)));
        let target = live.target();
        live.loads.retain(|load| !load.is_finished());
        if from_top && is_renewable && live.topped.is_none_or(|topped| now - topped >= target) {
            live.from_top = false;
            live.topped = Some(now);

            for track in &mut live.tracks {
                track.is_loading = true;
                track.clock.begin(at);
            }
            let pathway = live.tracks.first().map(|track| track.source.here.pathway.clone());
            let choices = live.choices.iter();
            let choices = choices.map(|choice| pathway.as_ref().map_or(choice.clone(), |p| choice.on(p)));
            let (config, choices) = (Arc::clone(&live.config), choices.collect::<Vec<_>>());
            let (transport, events) = (Arc::clone(&self.shared.transport), self.shared.events.clone());
            let load = self.running.spawn(async move {
                let chosen = prepare::choose(&config, (&choices, true), &transport, &events);
                let chosen = tokio::time::timeout(LOAD_TIME, chosen).await;
                Ended::Followed(chosen.unwrap_or_else(|_| Err(too_slow())).map(|selection| selection.chosen))
            });
            live.loads.push(load);
            return;
        }
        for (n, track) in (0..=u8::MAX).zip(&mut live.tracks) {
            if !due(track) {
                continue;
            }
            track.is_loading = true;
            track.clock.begin(at);
            if track.clock.failures() >= FAILURES_TO_TURN {
                track.turn_away();
            }
            track.asked = Some(track.source.here.url.clone());
            let (source, fetch) = (track.source.clone(), Arc::clone(&self.shared.transport.fetch));
            let url = track.asking.url(&source.here.url, at);
            let patience = track.asking.patience(LOAD_TIME);
            let load = self.running.spawn(async move {
                let load = playlist::once(&*fetch, &url, source.parent.as_ref(), &source.import);
                let loaded = match tokio::time::timeout(patience, load).await {
                    Ok(Ok(parsed)) => match parsed.playlist {
                        Playlist::Media(media) => Ok(media),
                        Playlist::Multivariant(_) => Err(Error::new(
                            Kind::Playlist,
                            "playlist.nested",
                            "a list of variants in place of segments",
                        )),
                    },
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(too_slow()),
                };
                Ended::Loaded(n, loaded.map(Box::new))
            });
            live.loads.push(load);
        }
    }

    /// A playlist was loaded, or not.
    pub(super) fn loaded(&mut self, n: u8, result: Result<Box<Media>, Error>) -> Result<(), Error> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let Some(track) = live.tracks.get_mut(usize::from(n)) else { return Ok(()) };
        track.is_loading = false;
        if track.is_closed {
            return Ok(());
        }
        match result {
            Ok(media) if media.skipped_segments > 0 => {
                let older = self.shared.tracks.0.get(usize::from(n)).map(|track| track.media());
                match older.and_then(|older| media.merge(&older).ok()) {
                    Some(whole) => self.follow(n, whole),
                    None if track.asking.skips => {
                        track.asking.does_not_fit();
                        track.clock.ask_now(Instant::now().into_std());
                        Ok(())
                    }
                    // All of it was asked for. A copy on the way that leaves the query out of its name answers so.
                    None => {
                        let error = Error::content("playlist.delta", "an update in place of the playlist");
                        self.load_failed(n, error);
                        Ok(())
                    }
                }
            }
            Ok(media) => self.follow(n, *media),
            Err(error) => {
                self.load_failed(n, error);
                Ok(())
            }
        }
    }

    /// A playlist could not be loaded, or can't be used.
    fn load_failed(&mut self, n: u8, error: Error) {
        let Some(live) = &mut self.live else { return };
        let Some(track) = live.tracks.get_mut(usize::from(n)) else { return };
        let now = Instant::now().into_std();
        track.clock.failed(error.retry_after(), now);
        track.asking.failed();
        // The link may have expired.
        live.from_top |= error.class() == Class::Auth;
        let (attempt, wait) = (track.clock.failures(), track.clock.due().saturating_duration_since(now));
        let place = hls_fetch::redacted(&track.source.here.url);
        let (class, message) = (error.class(), error.to_string());
        self.shared.report(crate::event::Retry { place, class, message, attempt, wait });
    }

    /// The playlists were loaded from the top.
    pub(super) fn followed(&mut self, result: Result<Vec<Chosen>, Error>) -> Result<(), Error> {
        let Some(live) = &mut self.live else { return Ok(()) };
        live.tracks.iter_mut().for_each(|track| track.is_loading = false);
        let now = Instant::now().into_std();
        match result {
            Ok(chosen) if chosen.len() == live.tracks.len() => {
                let media: Vec<_> = chosen.iter().map(|chosen| chosen.track.media()).collect();
                for (track, chosen) in live.tracks.iter_mut().zip(chosen) {
                    track.moved |= track.source.here.url.path() != chosen.source.here.url.path();
                    track.source = chosen.source;
                    track.asked = Some(track.source.here.url.clone());
                }
                for (n, media) in (0..).zip(media) {
                    if !self.is_closed(n) {
                        self.follow(n, Media::clone(&media))?;
                    }
                }
                self.steer(Instant::now());
                Ok(())
            }
            other => {
                let wait = other.err().and_then(|error| error.retry_after());
                live.tracks.iter_mut().for_each(|track| track.clock.failed(wait, now));
                Ok(())
            }
        }
    }
}

fn too_slow() -> Error {
    Error::new(
        Kind::Temporary,
        "net.timeout",
        format!("the playlist took longer than {} s", LOAD_TIME.as_secs()),
    )
}

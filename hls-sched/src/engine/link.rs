//! Links that expire: said early, and renewed from the playlist where that can still be had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use url::Url;

use super::{Ended, Engine};
use crate::config::{Config, Input};
use crate::error::Error;
use crate::event::Event;
use crate::place::Place;
use crate::policy::planner::SOONEST;
use crate::policy::remembered::Choice;
use crate::prepare::{self, Chosen};
use crate::transfer::attempt::Shared;

/// How often it is looked at how long the link lasts.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// An estimate of the time left is worth something after this long.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// A unit that is refused over so many fresh links is refused for good.
const MOST_LINKS: u32 = 2;

/// The link that the units are had by.
pub(super) struct Link {
    config: Arc<Config>,
    choices: Vec<Choice>,
    /// Units that were refused, while the playlist is loaded again.
    refused: Vec<(Place, Error)>,
    /// How often each of them was asked for again over a fresh link.
    again: BTreeMap<Place, u32>,
    is_loading: bool,
    /// Attempts up to this one were made with an older link.
    older: u64,
    /// It has brought something since it was had.
    serves: bool,
    looked: Option<Instant>,
    is_said: bool,
}

impl Link {
    pub(super) fn new(config: Arc<Config>, choices: Vec<Choice>) -> Self {
        Self {
            config,
            choices,
            refused: Vec::new(),
            again: BTreeMap::new(),
            is_loading: false,
            older: 0,
            serves: true,
            looked: None,
            is_said: false,
        }
    }

    /// A unit came by it.
    pub(super) fn serves(&mut self) {
        self.serves |= !self.is_loading;
    }
}

impl Shared {
    /// Compares what has come with what a fresh link leads to, where that has other names than before: tokens change names of
    /// folders and queries, and a file that is called otherwise may be another one.
    async fn is_the_same(&self, fresh: &mut [Chosen]) -> Result<(), Error> {
        for ((number, track), fresh) in (0..).zip(&self.tracks.0).zip(fresh) {
            let Some(came) = self.order.any(number) else { continue };
            // The same is made of it.
            fresh.track.pieces.clone_from(&track.pieces);
            fresh.track.mp4.clone_from(&track.mp4);
            let [old, new] = [track, &fresh.track].map(|track| track.unit(came.place.index));
            let (Some(old), Some(new)) = (old, new) else { continue };
            if file_name(&old.url) == file_name(&new.url) {
                continue;
            }
            let (hash, _) = self.transport.probe(&fresh.track, &new, |retry| self.report(retry)).await?;
            if hash != came.hash {
                return Err(Error::stream_changed(
                    new.number,
                    "the link expired, and the playlist is another one now",
                ));
            }
        }
        Ok(())
    }
}

/// What a file is called, wherever it lies.
fn file_name(url: &Url) -> Option<&str> {
    url.path_segments()?.next_back()
}

impl Engine {
    /// A unit was refused (401, 403): the playlist may have a fresh link. One that brought nothing is not renewed again.
    pub(super) fn refused(&mut self, attempt: u64, place: Place, error: Error) -> Result<(), Error> {
        if self.live.is_some() {
            return self.refused_live(place, error);
        }
        if self.link.is_loading {
            self.link.refused.push((place, error));
            return Ok(());
        }
        if attempt <= self.link.older {
            self.planner.lost(place, Instant::now().into_std() + SOONEST);
            return Ok(());
        }
        let is_renewable = matches!(self.link.config.input, Input::Url(_));
        let is_hopeless = self.link.again.get(&place).is_some_and(|times| *times >= MOST_LINKS);
        if !is_renewable || is_hopeless || !std::mem::take(&mut self.link.serves) {
            return self.give_up(place, error);
        }
        self.link.is_loading = true;
        self.link.refused.push((place, error));
        self.planner.hold(true);
        let choices = match self.pathway() {
            Some(pathway) => self.link.choices.iter().map(|choice| choice.on(&pathway)).collect(),
            None => self.link.choices.clone(),
        };
        let config = Arc::clone(&self.link.config);
        let (shared, events) = (Arc::clone(&self.shared), self.shared.events.clone());
        self.running.spawn(async move {
            let selection = prepare::choose(&config, (&choices, false), &shared.transport, &events).await;
            Ended::Renewed(match selection {
                Ok(mut selection) => {
                    shared.is_the_same(&mut selection.chosen).await.map(|()| selection.chosen)
                }
                Err(error) => Err(error),
            })
        });
        Ok(())
    }

    /// The playlists were loaded again.
    pub(super) fn renewed(&mut self, result: Result<Vec<Chosen>, Error>) -> Result<(), Error> {
        self.link.is_loading = false;
        self.link.older = self.planner.last_attempt();
        self.planner.hold(false);
        let refused = std::mem::take(&mut self.link.refused);
        let fresh = match result {
            Ok(fresh) => fresh,
            Err(error) if error.code() == "playlist.changed" => return Err(error),
            // Why the first one was refused says more.
            Err(_) => return refused.into_iter().try_for_each(|(place, error)| self.give_up(place, error)),
        };
        let tracks = &self.shared.tracks.0;
        if fresh.len() != tracks.len() {
            return Err(Error::stream_changed(0, "the link expired, and the playlist is another one now"));
        }
        let url = |place: &Place| self.shared.tracks.at(*place).map(|(_, unit)| unit.url.clone());
        let old: Vec<_> = refused.iter().map(|(place, _)| url(place)).collect();
        for (track, fresh) in tracks.iter().zip(&fresh) {
            let differs = |number| {
                Error::stream_changed(number, "the link expired, and the playlist is another one now")
            };
            track.renew(&fresh.track).map_err(differs)?;
        }
        if let Some(steered) = &mut self.steered {
            steered.sources = fresh.into_iter().map(|chosen| chosen.source).collect();
        }
        let mut is_fresh = false;
        for ((place, _), old) in refused.iter().zip(old) {
            let differs = url(place) != old;
            is_fresh |= differs;
            // The server may know us again by the playlist alone, but that is asked once.
            *self.link.again.entry(*place).or_default() += if differs { 1 } else { MOST_LINKS };
        }
        if is_fresh {
            let message = "the link has expired; the playlist was loaded again".to_owned();
            let _ = self.shared.events.send(Event::Warning { kind: "link.renewed", message });
            // What has begun under another URL may be other bytes.
            self.begun.clear();
        }
        let soon = Instant::now().into_std() + SOONEST;
        refused.into_iter().for_each(|(place, _)| self.planner.lost(place, soon));
        self.link.is_said = false;
        self.steer(Instant::now());
        Ok(())
    }

    /// Says, once, that the link dies before the download ends.
    pub(super) fn watch_link(&mut self, left: Option<Duration>) {
        let now = Instant::now();
        let is_due =
            self.link.looked.is_none_or(|at| now - at >= LOOK_EVERY) && now - self.started >= FIRST_LOOK;
        let Some(left) = left.filter(|_| is_due && !self.link.is_said) else { return };
        self.link.looked = Some(now);
        let last = |track: u8| {
            let index = self.shared.tracks.0.get(usize::from(track))?.units().checked_sub(1)?;
            let (_, unit) = self.shared.tracks.at(Place { track, index })?;
            hls_fetch::expires_at(&unit.url)
        };
        let soonest = (0..=u8::MAX).take(self.shared.tracks.0.len()).filter_map(last).min();
        let Some(lasts) = soonest.and_then(|at| at.duration_since(SystemTime::now()).ok()) else { return };
        if lasts < left {
            self.link.is_said = true;
            let minutes = |time: Duration| time.as_secs().div_ceil(60);
            let message = format!(
                "this link dies in {} min, the download needs {}; the playlist is loaded again then, and if that fails \
                 too, a fresh link goes on",
                minutes(lasts),
                minutes(left)
            );
            let _ = self.shared.events.send(Event::Warning { kind: "link.expires", message });
        }
    }
}

//! Attempts: begun, heard of, ended.

use std::sync::Arc;
use std::time::Duration;

use hls_fetch::{Class, draw};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Ended, Engine, Running};
use crate::error::{Error, Kind};
use crate::event::{Event, Gap, Retry, Segment};
use crate::place::Place;
use crate::policy::assembler::Completion;
use crate::policy::gaps::could_be_missing;
use crate::policy::planner::{Action, Fetch, Verdict};
use crate::transfer::attempt::{Done, Failed, Way};
use crate::transfer::partial::Begun;
use crate::transfer::stats::Gauge;

/// Segments of a live stream are asked for again so many times sooner than others: what their playlist has forgotten by then is
/// lost, and a recording ends with the last of them.
const LIVE_SOONER: u32 = 4;

/// Whether there were too many requests, by the server.
fn is_told_to_wait(error: &Error) -> bool {
    error.retry_after().is_some() || error.status() == Some(429)
}

impl Engine {
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Abort(attempt) => {
                if let Some(running) = self.handles.get_mut(&attempt) {
                    // It is heard of again once it has put down what it holds.
                    let _ = running.give_way.take().map(|give_way| give_way.send(()));
                }
            }
            Action::Cancel(attempt) => {
                if let Some(running) = self.handles.remove(&attempt) {
                    running.abort.abort();
                }
            }
            Action::Canary(id) => self.send_canary(id),
            Action::Fetch(fetch) => self.begin(fetch),
        }
    }

    fn begin(&mut self, fetch: Fetch) {
        let Fetch { attempt, place, fresh, hedge, .. } = fetch;
        let shared = Arc::clone(&self.shared);
        let Some((_, unit)) = shared.tracks.at(place) else { return };
        let now = Instant::now().into_std();
        if !shared.assemble(|assembler| assembler.needs(place)) {
            self.planner.ended(attempt);
            return;
        }
        let gauge = Arc::new(Gauge::default());
        let way = Way { fresh, gauge: Arc::clone(&gauge), ..Way::default() };
        let (give_way, told) = oneshot::channel();
        let abort = if hedge {
            self.running.spawn(async move {
                Ended::Attempt(attempt, Box::new(shared.second(place, way, told).await))
            })
        } else {
            let begun = self.begun.remove(&place);
            let begun = shared.assemble(|assembler| {
                let begun = begun.filter(|_| assembler.go_on(place, attempt, now));
                if begun.is_none() {
                    assembler.fail(place);
                    assembler.begin(place, unit.identity, attempt, now);
                }
                begun
            });
            self.running.spawn(async move {
                Ended::Attempt(attempt, Box::new(shared.attempt(place, attempt, begun, way, told).await))
            })
        };
        self.handles.insert(attempt, Running { place, hedge, gauge, abort, give_way: Some(give_way) });
    }

    pub(super) fn ended(&mut self, attempt: u64, result: Result<Done, Failed>) -> Result<(), Error> {
        if let Some(running) = self.handles.remove(&attempt) {
            match result {
                Ok(done) => self.verified(attempt, running.place, done)?,
                Err(failed) => self.failed(attempt, &running, failed)?,
            }
        }
        self.fetch_taken_back();
        Ok(())
    }

    fn verified(&mut self, attempt: u64, place: Place, mut done: Done) -> Result<(), Error> {
        let now = Instant::now().into_std();
        if let Some((chunks, hash)) = done.beside.take() {
            let unit = (done.unit.identity, attempt);
            let completion = self.shared.assemble(|a| a.whole(place, unit, chunks, hash, now));
            self.shared.room.notify_waiters();
            match completion {
                Completion::Taken => {}
                Completion::Gone => {
                    self.planner.gave_way(attempt, now);
                    return Ok(());
                }
                Completion::Changed => {
                    return Err(Error::stream_changed(
                        done.unit.number,
                        "the server sends other bytes for it now",
                    ));
                }
            }
        }
        let attempts = self.planner.verified(attempt, done.bytes, now);
        self.hosts.serves(&done.unit.url);
        done.unit.cipher.iter().for_each(|cipher| self.hosts.serves(&cipher.key));
        self.begun.remove(&place);
        self.gains.remove(&place);
        self.bytes += done.bytes;
        self.gaps.verified();
        self.came(place);
        self.link.serves();
        if !done.unit.is_init {
            self.segments_done += 1;
            let segment = Segment {
                track: place.track,
                index: done.unit.number,
                sequence: done.unit.sequence,
                bytes: done.bytes,
                took: done.took,
                attempts,
            };
            let _ = self.shared.events.send(Event::Segment(segment));
        }
        self.heads();
        Ok(())
    }

    fn failed(&mut self, attempt: u64, running: &Running, failed: Failed) -> Result<(), Error> {
        let (place, Failed { error, begun }) = (running.place, failed);
        if !running.hedge {
            self.put_down(attempt, place, running.gauge.sample().expected, begun);
        }
        let now = Instant::now().into_std();
        let Some(error) = error else {
            self.planner.gave_way(attempt, now);
            return Ok(());
        };
        if error.class() == Class::Auth {
            self.planner.ended(attempt);
            return self.refused(attempt, place, error);
        }
        self.planner.asked_more(attempt, running.gauge.requests().saturating_sub(1));
        let number = self.planner.number(attempt);
        let class = self.judged(&error);
        let verdict = match error.is_final() {
            // Its key could not be had, in as many attempts as a key has.
            true if class.is_transient() => {
                let begun = self.planner.ended(attempt).unwrap_or(now);
                let id = self.origin_of_key(place);
                self.planner.doubt(place, id, (number, begun), now)
            }
            true => {
                self.planner.ended(attempt);
                return self.give_up(place, error);
            }
            false => {
                // A live stream forgets what waits; who asks to be left alone is.
                let hurries = self.live.is_some() && !is_told_to_wait(&error);
                let sooner = |bound: Duration| draw(if hurries { bound / LIVE_SOONER } else { bound });
                self.planner.failed(attempt, error.failure(class), now, sooner)
            }
        };
        match verdict {
            Verdict::Final(attempts) => self.give_up(place, error.after_attempts(attempts)),
            Verdict::Doubt(_) => {
                self.doubted.insert(place, error);
                Ok(())
            }
            Verdict::Retry(wait) => {
                let place = error.place().unwrap_or_default().trim_start_matches("GET ").to_owned();
                let (class, message) = (error.class(), error.to_string());
                self.shared.report(Retry { place, class, message, attempt: number, wait });
                Ok(())
            }
            Verdict::Runs => Ok(()),
        }
    }

    /// Keeps what an attempt has brought of its unit, where another one can go on with it.
    fn put_down(&mut self, attempt: u64, place: Place, size: Option<u64>, begun: Option<Begun>) {
        self.shared.assemble(|assembler| match &begun {
            Some(_) => assembler.suspend(place),
            None => assembler.fail(place),
        });
        let reached = begun.as_ref().map_or(0, |begun| begun.bytes);
        if let Some(gain) = self.gains.entry(place).or_default().reached(reached, size) {
            self.planner.progressed(attempt, gain);
        }
        self.begun.extend(begun.map(|begun| (place, begun)));
        self.shared.room.notify_waiters();
    }

    /// A unit is not to be had: the job goes on without it, or ends.
    pub(super) fn give_up(&mut self, place: Place, error: Error) -> Result<(), Error> {
        if self.live.is_some() {
            return self.give_up_live(place, error).map_or(Ok(()), Err);
        }
        let Some((track, unit)) = self.shared.tracks.at(place).filter(|(_, unit)| !unit.is_init) else {
            return Err(error);
        };
        // One that was there already is no gap.
        let was_there = self.shared.assemble(|assembler| assembler.head(place.track)) > place.index;
        // What subtitles are of is there without them.
        let is_optional = track.is_text && self.shared.tracks.0.iter().any(|track| !track.is_text);
        let admitted = if is_optional { could_be_missing(&error) } else { self.gaps.admits(&error) };
        if was_there || !admitted {
            let hint = "add --allow-gaps to finish without it";
            let could = !self.gaps.is_allowed() && could_be_missing(&error) && error.advice().is_none();
            return Err(match error.kind() {
                _ if !could => error,
                Kind::Refused => error.next(format!(
                    "give a link that has it, or another variant with -s; what is kept is used again; or {hint}"
                )),
                _ => error.next(format!("run the same command again to go on; or {hint}")),
            });
        }
        let gap = Gap::new(track, place, &unit, error.code(), error.to_string());
        let _ = self.shared.events.send(Event::Gap(gap.clone()));
        self.gaps.note(place, gap);
        self.planner.settled(place);
        self.begun.remove(&place);
        self.shared.assemble(|assembler| assembler.skip(place, unit.identity));
        self.shared.room.notify_waiters();
        self.heads();
        Ok(())
    }
}

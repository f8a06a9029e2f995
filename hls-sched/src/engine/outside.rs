//! The world outside: origins that are gone or in a bad way, time that nobody watched, and the end of patience.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hls_fetch::{ByteRange, Request, draw};
use tokio::time::Instant;

use super::{Ended, Engine};
use crate::error::{Error, Kind};
use crate::event::{Event, Network, OriginHealth};
use crate::place::Place;
use crate::policy::network::{Health, OriginId};

/// A canary that has not been answered by then is dead.
const CANARY_TIME: Duration = Duration::from_secs(10);
/// The loop runs ten times a second: after so long a gap this process was stopped.
const STOPPED: Duration = Duration::from_secs(2);
/// So much between the clock on the wall and the one that only counts: the machine slept, or somebody set the former.
const SLEPT: Duration = Duration::from_secs(5);
/// What is said of an origin is said at most so often.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// When something was last heard of the outside.
#[derive(Debug)]
pub(super) struct Outside {
    ticked: (Instant, SystemTime),
    /// When a byte came last, and how many had come by then.
    gained: (Instant, u64),
    said: Instant,
    /// What was last said of each origin.
    known: Vec<(OriginId, OriginHealth)>,
}

impl Outside {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { ticked: (now, SystemTime::now()), gained: (now, 0), said: now, known: Vec::new() }
    }

    /// How long nobody was there to watch; `None` where somebody was.
    fn woke(&mut self, now: Instant) -> Option<Duration> {
        let (was, wall) = std::mem::replace(&mut self.ticked, (now, SystemTime::now()));
        let counted = now - was;
        let elapsed = self.ticked.1.duration_since(wall).unwrap_or_else(|back| back.duration());
        let slept = elapsed.abs_diff(counted) > SLEPT;
        (counted > STOPPED || slept).then_some(counted)
    }
}

impl Engine {
    /// Asks an origin for something that it is known to have.
    pub(super) fn send_canary(&mut self, id: OriginId) {
        let fetch = Arc::clone(&self.shared.transport.fetch);
        let known = self.hosts.known(id).cloned();
        self.running.spawn(async move {
            // Where nothing was ever had, nothing better is known than what failed.
            let Some(url) = known else { return Ended::Canary(id, true) };
            let asked = Request::get(url).range(ByteRange::new(0, 1)).fresh_connection();
            let answer = tokio::time::timeout(CANARY_TIME, fetch.fetch(asked)).await;
            Ended::Canary(
                id,
                match answer {
                    Ok(Ok(_)) => true,
                    Ok(Err(error)) => !error.is_transient(),
                    Err(_) => false,
                },
            )
        });
    }

    pub(super) fn canary_ended(&mut self, id: OriginId, alive: bool) -> Result<(), Error> {
        let now = Instant::now().into_std();
        for (place, attempts) in self.planner.canary(id, alive, now, draw) {
            if let Some(error) = self.doubted.remove(&place) {
                self.give_up(place, error.after_attempts(attempts))?;
            }
        }
        Ok(())
    }

    pub(super) fn origin_of_key(&mut self, place: Place) -> OriginId {
        let unit = self.shared.tracks.at(place).map(|(_, unit)| unit);
        unit.map_or(0, |unit| self.hosts.id(unit.cipher.as_ref().map_or(&unit.url, |cipher| &cipher.key)))
    }

    /// Tells the planner what has become of the attempts and of the time.
    pub(super) fn look_outside(&mut self, now: Instant) -> Result<(), Error> {
        let at = now.into_std();
        let unwatched = self.outside.woke(now);
        if let Some(unwatched) = unwatched {
            self.planner.woke(at);
            if let Some(live) = &mut self.live {
                live.woke(unwatched, now);
            }
        }
        for (attempt, running) in &self.handles {
            let sample = running.gauge.sample();
            if let Some((_, unit)) = sample.answered.and_then(|_| self.shared.tracks.at(running.place)) {
                self.hosts.answers(&unit.url);
            }
            self.planner.observe(*attempt, sample, at);
        }
        self.planner.tick(at, draw);
        self.say_health(now);
        self.check_patience(now, unwatched.unwrap_or_default())
    }

    /// Ends the job where nothing has come for too long although something was waited for.
    fn check_patience(&mut self, now: Instant, unwatched: Duration) -> Result<(), Error> {
        if self.live.is_some() {
            // A recording has a patience of its own.
            return Ok(());
        }
        let received = self.shared.transport.meters.received();
        let is_idle =
            self.handles.is_empty() && self.planner.next_wake().is_none() && self.doubted.is_empty();
        let is_held_back = !self.handles.is_empty() && self.handles.values().all(|r| !r.gauge.waits());
        let (since, before) = &mut self.outside.gained;
        *since += unwatched;
        if *before != received || is_idle || is_held_back {
            (*since, *before) = (now, received);
        }
        let Some(patience) = self.give_up_after.filter(|patience| now - *since >= *patience) else {
            return Ok(());
        };
        let gone: Vec<_> =
            self.hosts.names().filter(|(id, _)| self.is_gone(*id)).map(|(_, name)| name).collect();
        let message = format!("not one byte has come for {} s", patience.as_secs());
        let error = Error::new(Kind::Temporary, "net.gave_up", message);
        Err(match gone[..] {
            [] => error,
            _ => error.why(format!("{} can't be reached", gone.join(", "))),
        })
    }

    fn is_gone(&self, id: OriginId) -> bool {
        self.planner.health(id).is_some_and(|(_, _, gone)| gone)
    }

    /// In what state the network as a whole is.
    pub(super) fn network(&self) -> Network {
        let all = || self.hosts.names().filter_map(|(id, _)| self.planner.health(id));
        if all().any(|(_, _, gone)| gone) {
            Network::Gone
        } else if all().any(|(health, ..)| health.is_poor()) {
            Network::Poor
        } else {
            Network::Good
        }
    }

    /// Says how the origins serve, where that has changed.
    fn say_health(&mut self, now: Instant) {
        if now - self.outside.said < SAY_EVERY {
            return;
        }
        self.outside.said = now;
        let mut known = Vec::new();
        for (id, name) in self.hosts.names() {
            let Some((health, limit, gone)) = self.planner.health(id) else { continue };
            let is = OriginHealth::new(name, health, limit, gone);
            let before = self.outside.known.iter().find(|(known, _)| *known == id);
            if before.is_none_or(|(_, before)| before.differs(&is)) {
                let _ = self.shared.events.send(Event::Health(is.clone()));
                known.push((id, is));
            } else {
                known.extend(before.cloned());
            }
        }
        self.outside.known = known;
    }
}

impl OriginHealth {
    fn new(host: &str, health: &Health, limit: usize, is_gone: bool) -> Self {
        Self {
            host: host.to_owned(),
            success_rate: health.success_rate(),
            response_time: health.response_time(),
            bytes_per_second: health.goodput(),
            limit,
            resets: health.resets(),
            timeouts: health.timeouts(),
            throttles: health.throttles(),
            is_poor: health.is_poor(),
            is_gone,
        }
    }

    /// Whether there is something to say; rates and times go up and down all the time.
    fn differs(&self, now: &Self) -> bool {
        let told = |h: &Self| (h.limit, h.resets, h.timeouts, h.throttles, h.is_poor, h.is_gone);
        told(self) != told(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gap_between_two_looks_is_time_that_nobody_watched() {
        let mut outside = Outside::new();
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(outside.woke(Instant::now()), None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(outside.woke(Instant::now()), Some(Duration::from_secs(60)));
        // A clock that is set by a day, either way.
        for set in
            [SystemTime::now() + Duration::from_secs(86_400), SystemTime::now() - Duration::from_secs(86_400)]
        {
            outside.ticked.1 = set;
            assert_eq!(outside.woke(Instant::now()), Some(Duration::ZERO));
        }
        assert_eq!(outside.woke(Instant::now()), None);
    }
}

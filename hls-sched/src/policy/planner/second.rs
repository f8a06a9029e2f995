//! A second connection for what stands still, and a second attempt for what all wait for (Dean and Barroso, "The Tail at
//! Scale", 2013).

use std::time::{Duration, Instant};

use hls_fetch::Class;

use super::{Action, Active, Ending, Fetch, Place, Planner};
use crate::failure::Failure;
use crate::policy::network::SHORTEST;
use crate::policy::planner::lane::Again;

/// A transfer that moved within this time moves.
const MOVES: Duration = Duration::from_secs(1);
/// A second attempt waits in memory until it is whole.
pub(crate) const LARGEST_HEDGE: u64 = 16 << 20;
/// So many second attempts are free, and one more for each so many attempts.
const FREE_HEDGES: u64 = 2;
const ATTEMPTS_FOR_A_HEDGE: u64 = 20;
/// What will be there in so short a time is not worth another request.
const NEARLY: Duration = Duration::from_secs(1);

impl Planner {
    /// Tells attempts that stand still while others move to end. A unit that this happens to again and again is given longer
    /// each time, and the last attempt that it has is left alone.
    pub(super) fn replace_silent(&mut self, now: Instant) {
        let moved = |a: &Active| now.saturating_duration_since(a.moved);
        let moving = self.active.values().filter(|a| a.received > 0 && moved(a) < MOVES).count();
        if moving == 0 {
            return;
        }
        let tries = self.policy.rule(Class::Network).tries;
        let silent = |a: &Active| {
            a.ending.is_none()
                && !a.hedge
                && a.waits
                && a.number < tries
                && moved(a) >= SHORTEST
                && moved(a) >= self.patience.for_silence(a.replaced)
        };
        let silent: Vec<_> = self.active.iter().filter(|(_, a)| silent(a)).map(|(id, _)| *id).collect();
        for attempt in silent {
            let Some(active) = self.active.get(&attempt) else { continue };
            let (place, id, in_flight) = (active.place, active.origin, active.in_flight);
            let failure = Failure { timed_out: true, ..Failure::new(Class::Network) };
            self.origin(id).failed(place, failure, in_flight, now);
            self.tell(attempt, Ending::Replaced);
        }
    }

    /// The unit that the writer, or the end of the job, waits for longer than is usual.
    pub(super) fn find_late(&self, now: Instant) -> Option<Place> {
        let is_tail = self.lanes.iter().all(super::Lane::is_asked_for);
        let hedges = FREE_HEDGES + self.attempts / ATTEMPTS_FOR_A_HEDGE;
        if self.hedged.len() as u64 >= hedges {
            return None;
        }
        let late = self.active.values().filter(|a| {
            let elapsed = now.saturating_duration_since(a.begun);
            let is_late = || {
                let bytes = a.expected.or_else(|| self.patience.usual_bytes());
                bytes.filter(|bytes| *bytes <= LARGEST_HEDGE).is_some_and(|bytes| {
                    let left = bytes.saturating_sub(a.received) as f64;
                    let rest = left * elapsed.as_secs_f64() / a.received.max(1) as f64;
                    rest > NEARLY.as_secs_f64() && self.patience.is_late(bytes, elapsed)
                })
            };
            let awaited = is_tail || self.distance(&a.place) == 0;
            let may_be_asked = a.ending.is_none() && !a.hedge && !a.shared && !self.hedged.contains(&a.place);
            // The values that tell are sorted for that, so what is quick goes first.
            may_be_asked && a.waits && awaited && elapsed > SHORTEST && is_late()
        });
        late.map(|a| a.place).min_by(|a, b| self.order(a).total_cmp(&self.order(b)))
    }

    /// A second attempt for the unit that is late.
    pub(super) fn hedge(&mut self, now: Instant) -> Option<Action> {
        let place = self.late.take()?;
        let first = self.active.values().find(|a| a.place == place && a.ending.is_none())?;
        let (id, number) = (first.origin, first.number);
        if !self.origin(id).bears_hedges(now) {
            return None;
        }
        self.hedged.insert(place);
        let fetch = Fetch { attempt: 0, place, number, fresh: true, hedge: true };
        Some(self.begin(fetch, id, Again::at(now), now))
    }

    /// So many attempts for a unit have failed beside others, which are the next ones by that.
    pub(super) fn fell_to_others(&mut self, place: Place, failed: u32) {
        let others = self.active.values_mut().filter(|a| a.place == place);
        others.for_each(|a| a.number = a.number.saturating_add(failed));
    }
}

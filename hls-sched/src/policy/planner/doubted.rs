//! Units whose attempts are used up, while a canary request finds out whether their origin is gone.

use std::time::{Duration, Instant};

use hls_fetch::Class;

use super::lane::Again;
use super::{Planner, Verdict};
use crate::place::Place;
use crate::policy::network::OriginId;

/// A key or section that can't be fetched while its origin is gone is requested again after this long.
const LATER: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(super) struct Doubted {
    pub(super) place: Place,
    pub(super) origin: OriginId,
    pub(super) number: u32,
    pub(super) in_streak: u32,
}

impl Planner {
    /// No attempt since `begun` could fetch what a unit needs, such as its key: final, unless the origin is gone.
    pub fn doubt(
        &mut self,
        place: Place,
        origin: OriginId,
        (number, begun): (u32, Instant),
        now: Instant,
    ) -> Verdict {
        let may_repeat = self.policy.rule(Class::Network).tries > 1;
        if may_repeat && self.origin(origin).breaker.was_gone_since(begun) {
            self.put_back(place, Again { origin, ..Again::at(now + LATER) });
            return Verdict::Retry(LATER);
        }
        if !self.origin(origin).breaker.suspect(now) {
            return Verdict::Final(number);
        }
        self.doubted.push(Doubted { place, origin, number, in_streak: number });
        Verdict::Doubt(number)
    }

    /// What became of a canary; an origin of which nothing is known to be there counts as alive. Returns the units that are
    /// final by that, with the number of their attempts.
    pub fn canary(
        &mut self,
        id: OriginId,
        alive: bool,
        now: Instant,
        draw: impl FnOnce(Duration) -> Duration,
    ) -> Vec<(Place, u32)> {
        self.origin(id).canary(alive, now, draw);
        let (of_it, others) = std::mem::take(&mut self.doubted).into_iter().partition(|d| d.origin == id);
        self.doubted = others;
        let of_it: Vec<Doubted> = of_it;
        if alive {
            return of_it.into_iter().map(|doubted| (doubted.place, doubted.number)).collect();
        }
        self.lanes.iter_mut().for_each(|lane| lane.refund(id));
        for active in self.active.values_mut().filter(|a| a.origin == id) {
            active.number = active.number.saturating_sub(std::mem::take(&mut active.in_streak)).max(1);
        }
        for doubted in of_it {
            let failed = doubted.number.saturating_sub(doubted.in_streak);
            self.put_back(doubted.place, Again { failed, origin: id, ..Again::at(now) });
        }
        Vec::new()
    }
}

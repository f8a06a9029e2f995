//! Which unit is next, and which one makes room for it.

use std::time::Instant;

use super::{Action, Ending, OriginId, Place, Planner, WINDOW};

/// How many times as far ahead of the writer units are begun while what it needs is not to be asked for yet.
const FURTHER: u64 = 8;

impl Planner {
    /// For each track the first place that may be fetched now, or, where its origin is not free, the first of another one.
    pub(super) fn candidates(
        &self,
        now: Instant,
        mut origin_of: impl FnMut(Place) -> OriginId,
    ) -> Vec<(Place, OriginId)> {
        let window = WINDOW * self.limit() as u64;
        let mut all = Vec::with_capacity(self.lanes.len());
        for (track, lane) in (0..=u8::MAX).zip(&self.lanes) {
            // Others are not to wait for one that waits itself.
            let window = if lane.is_put_off(now) { window * FURTHER } else { window };
            for index in lane.startable(now, window) {
                let place = Place { track, index };
                if self.runs(place) {
                    continue;
                }
                let id = origin_of(place);
                all.push((place, id));
                // With one origin there is none to turn to.
                if self.is_free(id) || self.origins.len() < 2 {
                    break;
                }
            }
        }
        all
    }

    /// All slots are taken: a head without one takes that of the unit furthest from the writer.
    pub(super) fn make_room(&mut self, candidates: &[(Place, OriginId)]) -> Option<Action> {
        let admits = |id: &OriginId| self.origins.get(usize::from(*id)).is_none_or(|o| o.breaker.admits());
        let (waits, id) =
            candidates.iter().find(|(place, id)| self.distance(place) == 0 && admits(id)).copied()?;
        let furthest = self.furthest(Some(id)).or_else(|| self.furthest(None))?;
        let place = self.active.get(&furthest)?.place;
        if self.distance(&place) == 0 || place == waits {
            return None;
        }
        self.tell(furthest, Ending::GivesWay);
        self.due.pop_front()
    }

    pub(super) fn furthest(&self, origin: Option<OriginId>) -> Option<u64> {
        let running = self.active.iter().filter(|(_, a)| a.ending.is_none() && !a.hedge);
        let of_it = running.filter(|(_, a)| origin.is_none_or(|id| a.origin == id));
        let furthest = of_it.max_by_key(|(_, a)| (self.distance(&a.place), a.place.track));
        furthest.map(|(attempt, _)| *attempt)
    }
}

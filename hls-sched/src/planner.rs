//! Decides which unit to fetch next, when to try again, and when to give up.
//!
//! The planner is told what happened and when; it returns actions. It reads no clock, draws no random number and does
//! no I/O, so that every decision can be replayed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hls_fetch::{Class, Decision, RetryPolicy};

use crate::assemble::Place;

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin an attempt.
    Fetch {
        /// For which unit.
        place: Place,
        /// The number of this attempt, from 1.
        attempt: u32,
    },
    /// End an attempt that runs: its slot is needed nearer to the writer. The unit comes again later.
    Abort(Place),
}

/// How a failed attempt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The unit is tried again after this delay.
    Retry(Duration),
    /// The failure is final after this many attempts.
    Final(u32),
}

/// Orders the units of all tracks: heads first, then by how far along a track is, never far ahead of the writer.
#[derive(Debug)]
pub struct Planner {
    lanes: Vec<Lane>,
    active: BTreeMap<Place, u32>,
    limit: usize,
    policy: RetryPolicy,
}

#[derive(Debug)]
struct Lane {
    /// First place that no attempt was made for.
    next: u64,
    head: u64,
    end: u64,
    again: BTreeMap<u64, Again>,
    /// Places ahead that an earlier run has left whole.
    have: std::collections::BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Again {
    not_before: Instant,
    failed: u32,
}

/// Units ahead of the writer, for each slot: bounds memory, disk and the tail.
const WINDOW: u64 = 4;

impl Planner {
    /// A planner for tracks of `(first place to fetch, number of units)`, with at most `limit` attempts at once.
    #[must_use]
    pub fn new(tracks: &[(u64, u64)], limit: usize, policy: RetryPolicy) -> Self {
        let lane = |&(head, end): &(u64, u64)| Lane {
            next: head,
            head,
            end,
            again: BTreeMap::new(),
            have: std::collections::BTreeSet::new(),
        };
        let lanes = tracks.iter().map(lane).collect();
        Self { lanes, active: BTreeMap::new(), limit: limit.max(1), policy }
    }

    /// A unit need not be fetched: it is there already.
    pub fn have(&mut self, place: Place) {
        if let Some(lane) = self.lanes.get_mut(usize::from(place.track)) {
            lane.have.insert(place.index);
        }
    }

    /// The writer has come to this place of a track.
    pub fn head_at(&mut self, track: u8, head: u64) {
        if let Some(lane) = self.lanes.get_mut(usize::from(track)) {
            lane.head = lane.head.max(head);
            // What was there already was never fetched, and is not to be fetched once it is written.
            lane.next = lane.next.max(lane.head);
            lane.have = lane.have.split_off(&lane.head);
        }
    }

    /// A unit that had been there is lost and has to be fetched.
    pub fn lost(&mut self, place: Place, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(usize::from(place.track)) {
            lane.have.remove(&place.index);
            if place.index < lane.next {
                lane.again.insert(place.index, Again { not_before: now, failed: 0 });
            }
        }
    }

    /// An attempt ended with a whole unit; returns how many it took.
    pub fn verified(&mut self, place: Place) -> u32 {
        // It may have been told to give way just before.
        if let Some(lane) = self.lanes.get_mut(usize::from(place.track)) {
            lane.again.remove(&place.index);
        }
        self.active.remove(&place).unwrap_or(1)
    }

    /// The attempt that runs for a unit has brought it on: whatever comes of it, it counts as the first.
    pub fn progressed(&mut self, place: Place) {
        if let Some(attempts) = self.active.get_mut(&place) {
            *attempts = 1;
        }
    }

    /// The number of the attempt that runs for a unit, from 1.
    #[must_use]
    pub fn attempts(&self, place: Place) -> u32 {
        self.active.get(&place).copied().unwrap_or(1)
    }

    /// An attempt failed. `draw` returns a delay between zero and the bound it is given.
    pub fn failed(
        &mut self,
        place: Place,
        class: Class,
        retry_after: Option<Duration>,
        now: Instant,
        draw: impl FnOnce(Duration) -> Duration,
    ) -> Verdict {
        let failed = self.active.remove(&place).unwrap_or(1);
        match self.policy.decide(class, failed, retry_after, draw) {
            Decision::GiveUp => Verdict::Final(failed),
            Decision::Retry { after } => {
                if let Some(lane) = self.lanes.get_mut(usize::from(place.track)) {
                    lane.again.insert(place.index, Again { not_before: now + after, failed });
                }
                Verdict::Retry(after)
            }
        }
    }

    /// Changes how many attempts may run at once.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    /// Attempts that run.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// What to do now; `None` until something happens or [`next_wake`](Self::next_wake) has come.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        if self.active.len() < self.limit {
            let place = self.candidates(now).min_by(|a, b| self.order(a).total_cmp(&self.order(b)))?;
            return Some(self.start(place));
        }
        // All slots are taken. A head without one takes that of the unit furthest from the writer.
        let waits = self.candidates(now).find(|place| self.distance(place) == 0)?;
        let (furthest, _) =
            self.active.iter().max_by_key(|(place, _)| (self.distance(place), place.track))?;
        let furthest = *furthest;
        if self.distance(&furthest) == 0 || furthest == waits {
            return None;
        }
        let attempt = self.active.remove(&furthest)?;
        let lane = self.lanes.get_mut(usize::from(furthest.track))?;
        lane.again.insert(furthest.index, Again { not_before: now, failed: attempt.saturating_sub(1) });
        Some(Action::Abort(furthest))
    }

    /// When [`poll`](Self::poll) has to be called even if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.lanes.iter().flat_map(|lane| lane.again.values()).map(|again| again.not_before).min()
    }

    /// For each track the first place that may be fetched now.
    fn candidates(&self, now: Instant) -> impl Iterator<Item = Place> {
        let window = WINDOW * self.limit as u64;
        (0..=u8::MAX).zip(&self.lanes).filter_map(move |(track, lane)| {
            let again = lane.again.iter().find(|(_, again)| again.not_before <= now).map(|(&index, _)| index);
            let fresh = (lane.next..lane.end).find(|index| !lane.have.contains(index));
            let fresh = fresh.filter(|&index| index < lane.head + window);
            let index = again.into_iter().chain(fresh).min()?;
            Some(Place { track, index })
        })
    }

    fn start(&mut self, place: Place) -> Action {
        let mut failed = 0;
        if let Some(lane) = self.lanes.get_mut(usize::from(place.track)) {
            match lane.again.remove(&place.index) {
                Some(again) => failed = again.failed,
                None => lane.next = place.index + 1,
            }
        }
        self.active.insert(place, failed + 1);
        Action::Fetch { place, attempt: failed + 1 }
    }

    fn distance(&self, place: &Place) -> u64 {
        let head = self.lanes.get(usize::from(place.track)).map_or(0, |lane| lane.head);
        place.index.saturating_sub(head)
    }

    /// Heads first; then the track that is least far along, so that all tracks end together.
    fn order(&self, place: &Place) -> f64 {
        let end = self.lanes.get(usize::from(place.track)).map_or(1, |lane| lane.end.max(1));
        if self.distance(place) == 0 { -1.0 } else { place.index as f64 / end as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(track: u8, index: u64) -> Place {
        Place { track, index }
    }

    fn all(planner: &mut Planner, now: Instant) -> Vec<(u8, u64)> {
        let mut all = Vec::new();
        while let Some(Action::Fetch { place, .. }) = planner.poll(now) {
            all.push((place.track, place.index));
        }
        all
    }

    #[test]
    fn in_order_up_to_the_limit_and_the_window() {
        let (mut planner, now) = (Planner::new(&[(3, 100)], 2, RetryPolicy::default()), Instant::now());
        planner.have(place(0, 4));
        assert_eq!(all(&mut planner, now), [(0, 3), (0, 5)]);
        // The head hangs while others end: never more than the window ahead of it.
        let mut next = 5;
        while let Some(last) = {
            planner.verified(place(0, next));
            all(&mut planner, now).pop()
        } {
            next = last.1;
        }
        assert_eq!(next, 3 + WINDOW * 2 - 1);
    }

    #[test]
    fn what_was_there_is_not_fetched_once_it_is_written() {
        let (mut planner, now) = (Planner::new(&[(0, 4)], 1, RetryPolicy::default()), Instant::now());
        for index in 1..4 {
            planner.have(place(0, index));
        }
        assert_eq!(all(&mut planner, now), [(0, 0)]);
        planner.verified(place(0, 0));
        for head in 1..=4 {
            planner.head_at(0, head);
            assert_eq!(all(&mut planner, now), []);
        }
        // One that turned out to be damaged is.
        let mut planner = Planner::new(&[(0, 4)], 1, RetryPolicy::default());
        planner.have(place(0, 0));
        planner.lost(place(0, 0), now);
        assert_eq!(all(&mut planner, now), [(0, 0)]);
    }

    #[test]
    fn tracks_advance_together() {
        let (mut planner, now) =
            (Planner::new(&[(0, 100), (0, 10)], 13, RetryPolicy::default()), Instant::now());
        let got = all(&mut planner, now);
        assert_eq!(got.iter().filter(|(track, _)| *track == 1).map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_failed_unit_comes_again_after_its_delay_and_before_new_ones() {
        let (mut planner, now) = (Planner::new(&[(0, 100)], 2, RetryPolicy::default()), Instant::now());
        all(&mut planner, now);
        let verdict = planner.failed(place(0, 0), Class::Network, None, now, |bound| bound);
        assert_eq!(verdict, Verdict::Retry(Duration::from_millis(500)));
        assert_eq!(all(&mut planner, now), [(0, 2)]);
        let later = now + Duration::from_millis(500);
        assert_eq!(planner.next_wake(), Some(later));
        // Both slots are taken: the furthest attempt makes room for the head.
        assert_eq!(planner.poll(later), Some(Action::Abort(place(0, 2))));
        assert_eq!(planner.poll(later), Some(Action::Fetch { place: place(0, 0), attempt: 2 }));
        assert_eq!(planner.poll(later), None);
        planner.verified(place(0, 1));
        assert_eq!(planner.poll(later), Some(Action::Fetch { place: place(0, 2), attempt: 1 }));
    }

    #[test]
    fn what_is_final_is_final() {
        let (mut planner, now) = (Planner::new(&[(0, 9)], 2, RetryPolicy::default()), Instant::now());
        all(&mut planner, now);
        let verdict = planner.failed(place(0, 0), Class::Auth, None, now, |bound| bound);
        assert_eq!(verdict, Verdict::Final(1));
        for attempt in 1..=3 {
            let verdict = planner.failed(place(0, 1), Class::Content, None, now, |_| Duration::ZERO);
            assert_eq!(verdict == Verdict::Final(3), attempt == 3);
            planner.poll(now);
        }
    }

    proptest! {
        /// No unit is lost or repeated whatever fails, the limit holds, and with nothing active there is always something
        /// to do or to wait for.
        #[test]
        fn every_unit_exactly_once(seed in proptest::collection::vec((any::<u16>(), 0..10_u8), 1..4000), limit in 1..9_usize) {
            let mut planner = Planner::new(&[(0, 40), (2, 17)], limit, RetryPolicy::default());
            let ends = [40, 17];
            let mut done = [vec![false; 40], vec![false; 17]];
            done[1][..2].fill(true);
            let mut now = Instant::now();
            let mut running = Vec::new();
            for (pick, luck) in seed.into_iter().cycle().take(40_000) {
                while let Some(action) = planner.poll(now) {
                    match action {
                        Action::Fetch { place, .. } => {
                            prop_assert!(!done[usize::from(place.track)][place.index as usize]);
                            prop_assert!(!running.contains(&place));
                            running.push(place);
                        }
                        Action::Abort(place) => {
                            let n = running.iter().position(|p| *p == place);
                            running.swap_remove(n.expect("only what runs is aborted"));
                        }
                    }
                }
                prop_assert!(running.len() <= limit);
                prop_assert_eq!(planner.active(), running.len());
                if running.is_empty() {
                    let Some(wake) = planner.next_wake() else { break };
                    now = now.max(wake);
                    continue;
                }
                let place = running.swap_remove(usize::from(pick) % running.len());
                // The policy would give up after some attempts in a row; this law is about those that end well.
                if luck == 0 {
                    let again = planner.failed(place, Class::Network, None, now, |bound| bound);
                    if let Verdict::Final(_) = again {
                        planner.lost(place, now);
                    }
                } else {
                    planner.verified(place);
                    done[usize::from(place.track)][place.index as usize] = true;
                    for (track, done) in (0_u8..).zip(&done) {
                        let head = done.iter().position(|d| !d).unwrap_or(ends[usize::from(track)]);
                        planner.head_at(track, head as u64);
                    }
                }
            }
            prop_assert!(done.iter().flatten().all(|d| *d));
        }
    }
}

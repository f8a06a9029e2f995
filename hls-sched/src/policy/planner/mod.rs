//! Decides which unit to fetch next and how many at once, when to try again or over another connection, and when to give up.
//!
//! The planner is told what happened and when; it returns actions. It reads no clock, draws no random number and does
//! no I/O, so that every decision can be replayed.

mod blame;
mod choice;
mod doubted;
mod growth;
mod lane;
mod second;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use hls_fetch::{Class, Decision, RetryPolicy};

use crate::failure::Failure;
use crate::place::Place;
use crate::policy::network::{Health, MOST_IN_ALL, Origin, OriginId, Patience};
use blame::Ends;
use doubted::Doubted;
use lane::{Again, Lane};
pub(crate) use second::LARGEST_HEDGE;

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Begin an attempt.
    Fetch(Fetch),
    /// End an attempt: its slot is needed nearer to the writer, or it stands still. What it brought stays; to be answered with
    /// [`Planner::gave_way`].
    Abort(u64),
    /// End an attempt of a unit that another attempt has brought.
    Cancel(u64),
    /// Ask the origin for something that is known to be there; to be answered with [`Planner::canary`].
    Canary(OriginId),
}

/// An attempt that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// Its name: no other attempt has it.
    pub attempt: u64,
    /// For which unit.
    pub place: Place,
    /// How many attempts have been made for that unit, this one included.
    pub number: u32,
    /// Over a connection of its own: those at hand may all be as bad as the last one.
    pub fresh: bool,
    /// Beside an attempt that runs already; whichever is whole first counts.
    pub hedge: bool,
}

/// How a failed attempt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The unit is tried again after this delay.
    Retry(Duration),
    /// The failure is final after this many attempts.
    Final(u32),
    /// Final after this many attempts, unless the origin is gone: [`Planner::canary`] will tell.
    Doubt(u32),
    /// Another attempt for the unit still runs.
    Runs,
}

/// What is to be seen of an attempt that runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Bytes that it has received.
    pub received: u64,
    /// How long its answer took to begin; `None`: it has not.
    pub answered: Option<Duration>,
    /// It waits for the server; else for us.
    pub waits: bool,
    /// The size of its unit, where known.
    pub expected: Option<u64>,
    /// It reads what others wait for, too: a second attempt would have all of that sent again.
    pub shared: bool,
}

/// Orders the units of all tracks: heads first, then by how far along a track is, never far ahead of the writer.
#[derive(Debug)]
pub struct Planner {
    lanes: Vec<Lane>,
    active: BTreeMap<u64, Active>,
    attempts: u64,
    /// Attempts at once, as asked for; `None`: as many as serve best.
    fixed: Option<usize>,
    /// Attempts at once over all origins.
    most: usize,
    policy: RetryPolicy,
    origins: Vec<Origin>,
    patience: Patience,
    ends: Ends,
    due: VecDeque<Action>,
    /// Units whose attempts are used up, while it is found out whether their origin is gone.
    doubted: Vec<Doubted>,
    /// Units that had a second attempt beside the first one.
    hedged: BTreeSet<Place>,
    /// The unit that would do with one.
    late: Option<Place>,
    /// New attempts wait.
    on_hold: bool,
}

#[derive(Debug)]
struct Active {
    place: Place,
    origin: OriginId,
    number: u32,
    replaced: u32,
    begun: Instant,
    moved: Instant,
    longest_silence: Duration,
    received: u64,
    answered: bool,
    waits: bool,
    expected: Option<u64>,
    shared: bool,
    /// As the how manieth at once it was sent.
    in_flight: usize,
    /// Failures of its unit since the origin last served anything.
    in_streak: u32,
    ending: Option<Ending>,
    hedge: bool,
    /// This process was stopped meanwhile: whatever comes of it, it does not count.
    excused: bool,
}

/// Why an attempt has been told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    GivesWay,
    Replaced,
}

/// Nothing is asked for again sooner, whatever was decided: no answer can make it spin.
pub(crate) const SOONEST: Duration = Duration::from_millis(100);
/// Units ahead of the writer, for each slot: bounds memory, disk and the tail.
const WINDOW: u64 = 4;

impl Planner {
    /// A planner for tracks of `(first place to fetch, number of units)`. `fixed`: this many attempts at once, whatever
    /// happens; else as many as serve best.
    #[must_use]
    pub fn new(tracks: &[(u64, u64)], fixed: Option<usize>, policy: RetryPolicy) -> Self {
        Self {
            lanes: tracks.iter().map(|&(head, end)| Lane::new(head, end)).collect(),
            active: BTreeMap::new(),
            attempts: 0,
            fixed: fixed.map(|n| n.max(1)),
            most: fixed.unwrap_or(MOST_IN_ALL).max(1),
            policy,
            origins: Vec::new(),
            patience: Patience::default(),
            ends: Ends::default(),
            due: VecDeque::new(),
            doubted: Vec::new(),
            hedged: BTreeSet::new(),
            late: None,
            on_hold: false,
        }
    }

    /// A unit need not be fetched: it is there already.
    pub fn have(&mut self, place: Place) {
        if let Some(lane) = self.lane(place.track) {
            lane.have.insert(place.index);
        }
    }

    /// The writer has come to this place of a track.
    pub fn head_at(&mut self, track: u8, head: u64) {
        if let Some(lane) = self.lane(track) {
            lane.head_at(head);
        }
    }

    /// A unit that had been there is lost and has to be fetched.
    pub fn lost(&mut self, place: Place, now: Instant) {
        if let Some(lane) = self.lane(place.track) {
            lane.lost(place.index, Again::at(now));
        }
    }

    /// A unit is no longer to be fetched: it came by another way, or never will.
    pub fn settled(&mut self, place: Place) {
        self.ends.settled(place);
        if let Some(lane) = self.lane(place.track) {
            lane.again.remove(&place.index);
        }
        let attempts: Vec<_> =
            self.active.iter().filter(|(_, a)| a.place == place).map(|(id, _)| *id).collect();
        for attempt in attempts {
            self.leave(attempt);
            self.due.push_back(Action::Cancel(attempt));
        }
    }

    /// Returns the next attempt that has to end. While a job ends, no other begins.
    pub fn next_end(&mut self) -> Option<Action> {
        let ends = |action: &Action| matches!(action, Action::Abort(_) | Action::Cancel(_));
        self.due.iter().position(ends).and_then(|at| self.due.remove(at))
    }

    /// An attempt ended with a whole unit of so many bytes; returns how many attempts it took.
    pub fn verified(&mut self, attempt: u64, bytes: u64, now: Instant) -> u32 {
        let Some(active) = self.leave(attempt) else { return 1 };
        if !active.hedge && active.replaced == 0 {
            let time = now.saturating_duration_since(active.begun);
            self.patience.took(bytes, time, active.longest_silence);
        }
        if active.number == 1 {
            self.ends.whole(active.origin, active.place, bytes);
        }
        let origin = self.origin(active.origin);
        if !active.answered {
            origin.took(active.in_flight, now);
        }
        origin.receive(bytes.saturating_sub(active.received));
        origin.succeeded(active.number > 1, now);
        let id = active.origin;
        // What came while the origin is in doubt says nothing of the attempts that fail at the same time.
        if self.origin(id).breaker.admits() {
            self.lanes.iter_mut().for_each(|lane| lane.streak_ended(id));
            self.active.values_mut().filter(|a| a.origin == id).for_each(|a| a.in_streak = 0);
        }
        self.settled(active.place);
        active.number
    }

    /// An attempt that ends has brought its unit on by `bytes`: it counts as the first, unless other units of its origin come
    /// whole meanwhile. Then the network is not to blame, and one that is cut for ever would be requested for ever.
    pub fn progressed(&mut self, attempt: u64, bytes: u64) {
        let Some(active) = self.active.get_mut(&attempt) else { return };
        if !self.ends.is_the_file(active.origin, active.place, bytes) {
            active.number = 1;
        }
    }

    /// An attempt has sent so many requests beyond the first one: each of them is one more that the unit has had.
    pub fn asked_more(&mut self, attempt: u64, requests: u32) {
        if let Some(active) = self.active.get_mut(&attempt) {
            active.number = active.number.saturating_add(requests);
        }
    }

    /// How many attempts have been made for the unit of one that runs.
    #[must_use]
    pub fn number(&self, attempt: u64) -> u32 {
        self.active.get(&attempt).map_or(1, |active| active.number)
    }

    /// An attempt ended before its unit was whole, as [`Action::Abort`] had asked for.
    pub fn gave_way(&mut self, attempt: u64, now: Instant) {
        let Some(active) = self.leave(attempt) else { return };
        let replaced = active.ending == Some(Ending::Replaced);
        if self.runs(active.place) {
            self.fell_to_others(active.place, u32::from(replaced));
            return;
        }
        let again = Again {
            failed: if replaced { active.number } else { active.number.saturating_sub(1) },
            fresh: replaced,
            replaced: active.replaced + u32::from(replaced),
            origin: active.origin,
            ..Again::at(now)
        };
        self.put_back(active.place, again);
    }

    /// An attempt failed. `draw` returns a delay between zero and the bound it is given.
    pub fn failed(
        &mut self,
        attempt: u64,
        failure: Failure,
        now: Instant,
        draw: impl FnOnce(Duration) -> Duration,
    ) -> Verdict {
        let Some(active) = self.leave(attempt) else { return Verdict::Runs };
        let (place, number, id) = (active.place, active.number, active.origin);
        if active.excused && failure.class == Class::Network {
            let failed = number.saturating_sub(1);
            if !self.runs(place) {
                self.put_back(place, Again { failed, fresh: true, origin: id, ..Again::at(now + SOONEST) });
            }
            return Verdict::Retry(SOONEST);
        }
        if failure.class == Class::Network {
            self.ends.cut(id, place);
        }
        let class = match failure.unsent {
            true => failure.class,
            false => self.origin(id).failed(place, failure, active.in_flight, now),
        };
        if self.runs(place) {
            self.fell_to_others(place, 1);
            return Verdict::Runs;
        }
        let transient = failure.class.is_transient();
        let in_streak = active.in_streak + u32::from(transient);
        if transient && self.origin(id).breaker.is_open() && self.policy.rule(failure.class).tries > 1 {
            // What was under way when the origin went is no attempt.
            let failed = number.saturating_sub(in_streak);
            let again = Again { failed, origin: id, ..Again::at(now + SOONEST) };
            self.put_back(place, again);
            return Verdict::Retry(SOONEST);
        }
        match self.policy.decide(class, number, failure.retry_after, draw) {
            Decision::Retry { after } => {
                let after = after.max(self.origin(id).repeat(failure.timed_out)).max(SOONEST);
                let again = Again {
                    failed: number,
                    in_streak,
                    fresh: matches!(failure.class, Class::Network | Class::Content) && !failure.unsent,
                    origin: id,
                    ..Again::at(now + after)
                };
                self.put_back(place, again);
                Verdict::Retry(after)
            }
            Decision::GiveUp => {
                let used_up = number >= self.policy.rule(failure.class).tries && number > 1;
                if transient && !failure.unsent && used_up && self.origin(id).breaker.suspect(now) {
                    self.doubted.push(Doubted { place, origin: id, number, in_streak });
                    return Verdict::Doubt(number);
                }
                Verdict::Final(number)
            }
        }
    }

    /// The attempt that began last.
    #[must_use]
    pub fn last_attempt(&self) -> u64 {
        self.attempts
    }

    /// An attempt ended, and what follows is decided elsewhere. Returns when it had begun.
    pub fn ended(&mut self, attempt: u64) -> Option<Instant> {
        self.leave(attempt).map(|active| active.begun)
    }

    /// Nothing new begins until this is taken back.
    pub fn hold(&mut self, on_hold: bool) {
        self.on_hold = on_hold;
    }

    /// This process was stopped for a while, or the machine slept: what fails of what was under way fails for that.
    pub fn woke(&mut self, now: Instant) {
        for active in self.active.values_mut() {
            (active.excused, active.moved) = (true, now);
        }
    }

    /// Bounds how many attempts run at once, over all origins.
    pub fn set_limit(&mut self, limit: usize) {
        self.most = limit.max(1);
    }

    /// Has all attempts but those nearest to the writer end, so that not more than the limit are left.
    pub fn shrink(&mut self) {
        while self.running() > self.most {
            let Some(furthest) = self.furthest(None) else { return };
            self.tell(furthest, Ending::GivesWay);
        }
    }

    /// Attempts that run.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// How many attempts may run at once now.
    #[must_use]
    pub fn limit(&self) -> usize {
        let all: usize = self.origins.iter().map(Origin::limit).sum();
        if self.origins.is_empty() { self.most } else { all.min(self.most) }
    }

    /// How an origin has served lately, how many requests it gets at once, and whether it is gone.
    #[must_use]
    pub fn health(&self, id: OriginId) -> Option<(&Health, usize, bool)> {
        let origin = self.origins.get(usize::from(id))?;
        Some((&origin.health, origin.limit(), origin.breaker.is_open()))
    }

    /// What an attempt has come to; to be told several times a second for each.
    pub fn observe(&mut self, attempt: u64, sample: Sample, now: Instant) {
        let Some(active) = self.active.get_mut(&attempt) else { return };
        let came = sample.received.saturating_sub(active.received);
        let begins = sample.answered.filter(|_| !active.answered);
        if came > 0 || begins.is_some() || !sample.waits || !active.waits {
            let silence = now.saturating_duration_since(active.moved);
            if active.waits {
                active.longest_silence = active.longest_silence.max(silence);
            }
            active.moved = now;
        }
        (active.received, active.waits, active.answered) =
            (sample.received, sample.waits, sample.answered.is_some());
        active.expected = sample.expected.or(active.expected);
        active.shared = sample.shared;
        let (id, in_flight) = (active.origin, active.in_flight);
        let origin = self.origin(id);
        origin.receive(came);
        if let Some(after) = begins {
            origin.health.answered(after);
            origin.took(in_flight, now);
        }
    }

    /// Looks at all of it together; to be called several times a second, behind [`observe`](Self::observe).
    pub fn tick(&mut self, now: Instant, draw: impl Fn(Duration) -> Duration) {
        for (id, origin) in (0..).zip(&mut self.origins) {
            let waits = |a: &&Active| a.origin == id && a.ending.is_none() && a.waits;
            let in_flight = self.active.values().filter(waits).count();
            origin.tick(in_flight, now, &draw);
        }
        self.replace_silent(now);
        self.late = self.find_late(now);
    }

    /// What to do now; `None` until something happens or [`next_wake`](Self::next_wake) has come. `origin_of` tells the
    /// origin that a unit comes from.
    pub fn poll(&mut self, now: Instant, mut origin_of: impl FnMut(Place) -> OriginId) -> Option<Action> {
        if let Some(action) = self.due.pop_front() {
            return Some(action);
        }
        if let Some(id) =
            (0..).zip(&mut self.origins).find_map(|(id, o)| o.breaker.wants_canary(now).then_some(id))
        {
            return Some(Action::Canary(id));
        }
        if self.on_hold {
            return None;
        }
        let candidates = self.candidates(now, &mut origin_of);
        if self.running() < self.most {
            let free = candidates.iter().filter(|(_, id)| self.is_free(*id));
            let next = free.min_by(|(a, _), (b, _)| self.order(a).total_cmp(&self.order(b)));
            if let Some(&(place, id)) = next {
                return Some(self.start(place, id, now));
            }
            return self.hedge(now);
        }
        self.make_room(&candidates)
    }

    /// When [`poll`](Self::poll) has to be called even if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let again = self.lanes.iter().flat_map(|lane| lane.again.values()).map(|again| again.not_before);
        again.chain(self.origins.iter().filter_map(|origin| origin.breaker.next_wake())).min()
    }

    fn is_free(&self, id: OriginId) -> bool {
        self.origins.get(usize::from(id)).is_none_or(Origin::has_room)
    }

    fn start(&mut self, place: Place, origin: OriginId, now: Instant) -> Action {
        let again = self.lane(place.track).map_or(Again::at(now), |lane| lane.start(place.index, now));
        let fetch = Fetch { attempt: 0, place, number: again.failed + 1, fresh: again.fresh, hedge: false };
        self.begin(fetch, origin, again, now)
    }

    fn begin(&mut self, mut fetch: Fetch, id: OriginId, again: Again, now: Instant) -> Action {
        self.attempts += 1;
        fetch.attempt = self.attempts;
        let origin = self.origin(id);
        origin.in_flight += 1;
        let active = Active {
            place: fetch.place,
            origin: id,
            number: fetch.number,
            replaced: again.replaced,
            begun: now,
            moved: now,
            longest_silence: Duration::ZERO,
            received: 0,
            answered: false,
            waits: true,
            expected: None,
            shared: false,
            in_flight: origin.in_flight,
            in_streak: again.in_streak,
            ending: None,
            hedge: fetch.hedge,
            excused: false,
        };
        self.active.insert(fetch.attempt, active);
        Action::Fetch(fetch)
    }

    /// An attempt is none any more.
    fn leave(&mut self, attempt: u64) -> Option<Active> {
        let active = self.active.remove(&attempt)?;
        if active.ending.is_none() {
            let origin = self.origin(active.origin);
            origin.in_flight = origin.in_flight.saturating_sub(1);
        }
        Some(active)
    }

    /// Has an attempt end; its slot is free from now on.
    fn tell(&mut self, attempt: u64, ending: Ending) {
        let Some(active) = self.active.get_mut(&attempt) else { return };
        active.ending = Some(ending);
        let id = active.origin;
        let origin = self.origin(id);
        origin.in_flight = origin.in_flight.saturating_sub(1);
        self.due.push_back(Action::Abort(attempt));
    }

    fn put_back(&mut self, place: Place, again: Again) {
        if let Some(lane) = self.lane(place.track) {
            lane.again.insert(place.index, again);
        }
    }

    fn lane(&mut self, track: u8) -> Option<&mut Lane> {
        self.lanes.get_mut(usize::from(track))
    }

    fn origin(&mut self, id: OriginId) -> &mut Origin {
        let index = usize::from(id);
        while self.origins.len() <= index {
            self.origins.push(Origin::new(self.fixed));
        }
        &mut self.origins[index]
    }

    fn runs(&self, place: Place) -> bool {
        self.active.values().any(|active| active.place == place)
    }

    /// Attempts that have not been told to end.
    fn running(&self) -> usize {
        self.active.values().filter(|active| active.ending.is_none()).count()
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
mod tests;

//! The link, the server, and the loop that drives the planner against them.
//!
//! The model is a fluid one: transfers share the link fairly, none gets more than the server gives a connection, and a new
//! connection begins slowly and doubles with each round trip, as TCP does. Time goes in steps of 20 ms.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hls_fetch::{Class, RetryPolicy};
use hls_sched::{Action, Failure, Place, Planner, Sample, Verdict};

const STEP: Duration = Duration::from_millis(20);
/// The driver looks at everything ten times a second.
const TICK: u64 = 5;
/// The first flight of a new connection, in bytes (RFC 6928).
const FIRST_FLIGHT: f64 = 14_600.0;
/// As in the client: silence before the head of an answer, and in a body.
const FIRST_BYTE_TIMEOUT: f64 = 15.0;
const STALL_TIMEOUT: f64 = 30.0;
/// As in the driver: an attempt that brought so many bytes was not for nothing.
const PROGRESS: f64 = 262_144.0;
const LONGEST: f64 = 4.0 * 3600.0;

/// What is downloaded, and over what.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Bytes per second of the link.
    pub(crate) link: f64,
    /// Seconds of a round trip.
    pub(crate) round_trip: f64,
    /// Bytes per second that the server gives a connection.
    pub(crate) per_connection: Option<f64>,
    /// Requests at once above which the server answers 429.
    pub(crate) throttle_above: Option<usize>,
    /// Requests that the server refuses, however few there are at once.
    pub(crate) refusals: Option<Refusals>,
    /// Of a hundred requests so many fail.
    pub(crate) errors: u32,
    /// Of a hundred requests so many stand still in the middle.
    pub(crate) stalls: u32,
    /// Seconds between which nothing answers.
    pub(crate) outage: Option<(f64, f64)>,
    /// Flows of others on the same link.
    pub(crate) others: usize,
    pub(crate) units: u64,
    pub(crate) unit_bytes: f64,
    /// Attempts at once; `None`: as many as serve best.
    pub(crate) fixed: Option<usize>,
}

/// What a server, or one of several behind one name, refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusals {
    pub(crate) of: Of,
    /// 429, else 503.
    pub(crate) too_many: bool,
    /// Seconds after which it asks to be asked again.
    pub(crate) retry_after: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// The first request for this unit.
    Unit(u64),
    /// The first request for each unit whose number leaves the second one as the rest of a division by the first one.
    Units(u64, u64),
    /// Of so many units the first request for one, by chance.
    Requests(u64),
}

/// How it went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) canaries: u64,
    /// Answers 429 and all answers, after the first ten seconds.
    pub(crate) throttled: (u64, u64),
    /// Seconds in which nothing was under way, because the server had asked for that.
    pub(crate) waited: f64,
    /// What one of the other flows got, as a share of the link, and how many flows of ours there were, both on average.
    pub(crate) other_share: f64,
    pub(crate) our_flows: f64,
    /// The highest number of an attempt that counted.
    pub(crate) most_attempts: u32,
    pub(crate) hedges: u64,
    /// A unit was given up, or the time ran out.
    pub(crate) failed: bool,
}

struct Flow {
    place: Place,
    asked: f64,
    /// When the answer begins.
    begins: f64,
    /// What is asked for, and what of it has come.
    bytes: f64,
    got: f64,
    moved: f64,
    /// Bytes per round trip that the connection has grown to.
    window: f64,
    fate: Fate,
}

#[derive(Clone, Copy)]
enum Fate {
    Whole,
    /// The server answers with this failure.
    Refused(Failure),
    /// Lost when so much of it has come.
    Lost(f64),
    /// Stands still when so much of it has come.
    Stalls(f64),
}

/// A small generator (splitmix64), so that a seed gives the same run everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn delay(&mut self, bound: Duration) -> Duration {
        bound.mul_f64(self.share())
    }
}

/// Downloads all units, or gives up.
pub(crate) fn run(setting: &Setting, seed: u64) -> Outcome {
    let mut world = World {
        setting,
        dice: Dice(seed),
        planner: Planner::new(&[(0, setting.units)], setting.fixed, RetryPolicy::default()),
        flows: BTreeMap::new(),
        warm: Vec::new(),
        done: vec![false; setting.units as usize],
        kept: vec![0.0; setting.units as usize],
        asked: vec![0; setting.units as usize],
        told_until: 0.0,
        head: 0,
        canaries: Vec::new(),
        cards: Vec::new(),
        start: Instant::now(),
        time: 0.0,
        steps: 0,
        out: Outcome::default(),
    };
    while world.head < setting.units && !world.out.failed {
        world.step();
        world.out.failed |= world.time > LONGEST;
    }
    let steps = world.steps.max(1) as f64;
    world.out.seconds = world.time;
    world.out.other_share /= steps;
    world.out.our_flows /= steps;
    world.out
}

struct World<'a> {
    setting: &'a Setting,
    dice: Dice,
    planner: Planner,
    flows: BTreeMap<u64, Flow>,
    /// Windows of connections that wait for the next request.
    warm: Vec<f64>,
    done: Vec<bool>,
    /// What attempts that were cut off have left of each unit.
    kept: Vec<f64>,
    /// How often each unit has been asked for.
    asked: Vec<u64>,
    /// When what the server has asked to wait for is over.
    told_until: f64,
    head: u64,
    /// When each is answered, and how.
    canaries: Vec<(f64, bool)>,
    cards: Vec<u32>,
    start: Instant,
    time: f64,
    steps: u64,
    out: Outcome,
}

impl World<'_> {
    fn now(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.time)
    }

    fn is_gone(&self) -> bool {
        self.setting.outage.is_some_and(|(from, to)| (from..to).contains(&self.time))
    }

    fn step(&mut self) {
        while let Some(action) = self.planner.poll(self.now(), |_| 0) {
            self.act(action);
        }
        // Between what was begun and what has ended: as many are under way as there mostly are.
        if self.steps.is_multiple_of(TICK) {
            let now = self.now();
            for (id, flow) in &self.flows {
                let begun = self.time >= flow.begins && flow.got > 0.0;
                let sample = Sample {
                    shared: false,
                    received: flow.got as u64,
                    answered: begun.then(|| Duration::from_secs_f64(flow.begins - flow.asked)),
                    waits: true,
                    expected: begun.then_some(flow.bytes as u64),
                };
                self.planner.observe(*id, sample, now);
            }
            let half = |bound: Duration| bound / 2;
            self.planner.tick(now, half);
        }
        self.time += STEP.as_secs_f64();
        self.steps += 1;
        if self.flows.is_empty() && self.time < self.told_until {
            self.out.waited += STEP.as_secs_f64();
        }
        self.answer_canaries();
        self.flow();
        self.settle();
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Fetch(fetch) => {
                self.out.requests += 1;
                self.out.hedges += u64::from(fetch.hedge);
                self.out.most_attempts = self.out.most_attempts.max(fetch.number);
                let warm = if fetch.fresh { None } else { self.warm.pop() };
                let trips = if warm.is_some() { 1.0 } else { 2.0 };
                let kept = self.kept.get(fetch.place.index as usize).copied().unwrap_or_default();
                let fate = self.fate(fetch.place.index, self.setting.unit_bytes - kept);
                let flow = Flow {
                    place: fetch.place,
                    asked: self.time,
                    begins: self.time + trips * self.setting.round_trip,
                    bytes: self.setting.unit_bytes - kept,
                    got: 0.0,
                    moved: self.time,
                    window: warm.unwrap_or(FIRST_FLIGHT),
                    fate,
                };
                self.flows.insert(fetch.attempt, flow);
            }
            Action::Abort(id) => {
                self.flows.remove(&id);
                self.planner.gave_way(id, self.now());
            }
            Action::Cancel(id) => {
                self.flows.remove(&id);
            }
            Action::Canary(_) => {
                self.out.canaries += 1;
                let alive = !self.is_gone();
                let after = if alive { 2.0 * self.setting.round_trip } else { 10.0 };
                self.canaries.push((self.time + after, alive));
            }
            _ => self.out.failed = true,
        }
    }

    /// Whether the server refuses this request for a unit, and how.
    fn refusal(&mut self, unit: u64) -> Option<Failure> {
        let asked = self.asked.get_mut(unit as usize)?;
        *asked += 1;
        let is_first = *asked == 1;
        let refusals = self.setting.refusals?;
        let is_refused = match refusals.of {
            Of::Unit(n) => is_first && unit == n,
            Of::Units(of, rest) => is_first && unit % of == rest,
            Of::Requests(of) => is_first && self.dice.share() * of as f64 <= 1.0,
        };
        let mut failure = Failure::new(Class::Throttled);
        failure.too_many = refusals.too_many;
        failure.retry_after = refusals.retry_after.map(Duration::from_secs_f64);
        is_refused.then_some(failure)
    }

    fn fate(&mut self, unit: u64, bytes: f64) -> Fate {
        let setting = self.setting;
        let at_once = self.flows.len() + 1;
        if self.time > 10.0 {
            self.out.throttled.1 += 1;
        }
        if setting.throttle_above.is_some_and(|above| at_once > above) {
            self.out.throttled.0 += u64::from(self.time > 10.0);
            let mut failure = Failure::new(Class::Throttled);
            failure.too_many = true;
            return Fate::Refused(failure);
        }
        if let Some(failure) = self.refusal(unit) {
            return Fate::Refused(failure);
        }
        let part = self.dice.share() * bytes;
        let card = self.draw();
        match card {
            // Half of the errors are answers, half are lost connections.
            _ if card < setting.errors / 2 => Fate::Refused(Failure::new(Class::Server)),
            _ if card < setting.errors => Fate::Lost(part),
            _ if card < setting.errors + setting.stalls => Fate::Stalls(part),
            _ => Fate::Whole,
        }
    }

    /// A card of a hundred, so that of each hundred requests exactly so many fail as are to.
    fn draw(&mut self) -> u32 {
        if self.cards.is_empty() {
            self.cards = (0..100).collect();
        }
        let index = (self.dice.share() * self.cards.len() as f64) as usize;
        self.cards.swap_remove(index)
    }

    fn answer_canaries(&mut self) {
        let (time, now) = (self.time, self.now());
        let due: Vec<_> = self.canaries.extract_if(.., |(at, _)| *at <= time).collect();
        for (_, alive) in due {
            let dice = &mut self.dice;
            if !self.planner.canary(0, alive, now, |bound| dice.delay(bound)).is_empty() {
                self.out.failed = true;
            }
        }
    }

    /// Moves bytes: everyone gets the same, but no more than they can take (max-min fairness).
    fn flow(&mut self) {
        let (gone, time, setting) = (self.is_gone(), self.time, self.setting);
        let seconds = STEP.as_secs_f64();
        let mut wants: Vec<(Option<u64>, f64)> = vec![(None, f64::INFINITY); setting.others];
        for (id, flow) in &self.flows {
            let stops = match flow.fate {
                Fate::Stalls(at) => flow.got >= at,
                Fate::Refused(_) => true,
                _ => false,
            };
            if gone || stops || time < flow.begins {
                continue;
            }
            let most = setting.per_connection.unwrap_or(f64::INFINITY).min(flow.window / setting.round_trip);
            wants.push((Some(*id), most));
        }
        self.out.our_flows += (wants.len() - setting.others) as f64;
        wants.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
        let (mut left, mut takers) = (setting.link, wants.len());
        for (id, most) in wants {
            let rate = most.min(left / takers as f64);
            left -= rate;
            takers -= 1;
            match id.and_then(|id| self.flows.get_mut(&id)) {
                Some(flow) => {
                    flow.got += rate * seconds;
                    flow.moved = time;
                    // It doubles with each round trip while that is what holds it back.
                    if rate >= most * 0.999 && setting.per_connection.is_none_or(|cap| rate < cap) {
                        flow.window *= 2_f64.powf(seconds / setting.round_trip);
                    }
                }
                None => self.out.other_share += rate / setting.link / setting.others as f64,
            }
        }
    }

    /// Ends what has come to an end.
    fn settle(&mut self) {
        let (time, gone) = (self.time, self.is_gone());
        let mut ended = Vec::new();
        let mut timed_out = Failure::new(Class::Network);
        timed_out.timed_out = true;
        for (id, flow) in &self.flows {
            let silent = time - flow.moved.max(flow.asked);
            let limit = if flow.got > 0.0 { STALL_TIMEOUT } else { FIRST_BYTE_TIMEOUT };
            let failure = match flow.fate {
                // A network that is gone resets some connections and says nothing on the others.
                _ if gone && id % 2 == 0 && time - flow.asked > 0.1 => Some(Failure::new(Class::Network)),
                Fate::Refused(failure) if time >= flow.begins && !gone => Some(failure),
                Fate::Lost(at) if flow.got >= at && time >= flow.begins && !gone => {
                    Some(Failure::new(Class::Network))
                }
                _ if silent > limit => Some(timed_out),
                _ => None,
            };
            if failure.is_some() || flow.got >= flow.bytes {
                ended.push((*id, failure));
            }
        }
        for (id, failure) in ended {
            let Some(flow) = self.flows.remove(&id) else { continue };
            let now = self.now();
            let Some(failure) = failure else {
                self.warm.push(flow.window);
                self.planner.verified(id, flow.bytes as u64, now);
                self.finished(flow.place);
                continue;
            };
            if flow.got >= PROGRESS {
                // The next attempt goes on inside of it.
                self.planner.progressed(id, flow.got as u64);
                let kept = self.kept.get_mut(flow.place.index as usize);
                kept.into_iter()
                    .for_each(|kept| *kept = (*kept).max(self.setting.unit_bytes - flow.bytes + flow.got));
            }
            if let Some(after) = failure.retry_after {
                self.told_until = self.told_until.max(time + 1.1 * after.as_secs_f64());
            }
            let dice = &mut self.dice;
            if let Verdict::Final(_) = self.planner.failed(id, failure, now, |bound| dice.delay(bound)) {
                self.out.failed = true;
            }
        }
    }

    fn finished(&mut self, place: Place) {
        let Some(done) = self.done.get_mut(place.index as usize) else { return };
        assert!(!std::mem::replace(done, true), "a unit that was there was fetched again");
        while self.done.get(self.head as usize) == Some(&true) {
            self.head += 1;
        }
        self.planner.head_at(0, self.head);
    }
}

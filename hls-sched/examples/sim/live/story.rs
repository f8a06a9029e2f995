//! A stream, and what goes wrong with it in which order.

use std::time::Duration;

use hls_testkit::{Broadcast, Of, Outage, Restart, Then};

const SECOND: Duration = Duration::from_secs(1);
/// When a load that gets no answer is given up.
pub(super) const LOAD_TIME: Duration = Duration::from_secs(10);

/// Chance that a seed repeats (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    /// Mostly short, now and then much longer.
    fn outage(&mut self) -> Duration {
        match self.below(20) {
            0 => self.ms(120_000, 7_200_000),
            _ => self.ms(1000, 120_000),
        }
    }
}

/// A time in which something is other than usual.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spell {
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No playlists.
    Out,
    /// No answers.
    Silent,
    /// Two edges answer in turn.
    Stale,
    /// Loads take that long.
    Slow(Duration),
    /// It is loaded from two places in turn, which name it in their own ways.
    Turns,
    /// This machine sleeps.
    Asleep,
}

impl Spell {
    fn covers(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }
}

pub(super) struct Story {
    pub(super) broadcast: Broadcast,
    pub(super) what: String,
    pub(super) lasts: Duration,
    pub(super) window: usize,
    pub(super) longest: Duration,
    pub(super) spells: Vec<Spell>,
    /// Runs of the encoder but the first one.
    pub(super) runs: Vec<Run>,
    latency: Duration,
    is_dated: bool,
    targets: Vec<(Duration, Duration)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The numbers do not go on.
    pub(super) is_renumbered: bool,
    /// Nothing but time tells it from an older copy.
    pub(super) is_doubtful: bool,
    /// What comes within that time of the first segment can't be told from segments that were there before.
    pub(super) forgiven: Option<Duration>,
}

impl Story {
    pub(super) fn of(seed: u64, lasts: Duration) -> Self {
        let mut dice = Dice(seed);
        let segment = SECOND * (1 + dice.below(6) as u32);
        let durations = match dice.below(3) {
            0 => vec![segment, segment * 3 / 4, segment / 2, segment],
            _ => vec![segment],
        };
        let window = match dice.below(8) {
            0 => 1 + dice.below(2) as usize,
            _ => 3 + dice.below(10) as usize,
        };
        let running = window + dice.below(60) as usize;
        let is_dated = dice.below(2) == 0;
        let broadcast = Broadcast::synthetic(segment, 188)
            .durations(&durations)
            .window(window)
            .running(running)
            .pathway("b", "");
        let broadcast = if is_dated { broadcast.dated(1_772_323_200_000) } else { broadcast };
        let dated = if is_dated { "dated" } else { "undated" };
        let mut story = Self {
            broadcast,
            what: format!("seed {seed}: {window} segments of {durations:?}, {dated}"),
            lasts,
            window,
            longest: segment,
            spells: Vec::new(),
            runs: Vec::new(),
            latency: dice.ms(5, 300),
            is_dated,
            targets: vec![(Duration::ZERO, segment)],
        };
        let mut at = SECOND * 30;
        loop {
            at += dice.ms(60_000, 600_000);
            // What happens last has some time left to show its consequences.
            if at + SECOND * 180 > lasts {
                return story;
            }
            at += story.strike(&mut dice, at);
        }
    }

    /// Has something happen, and says how long it goes on.
    fn strike(&mut self, dice: &mut Dice, at: Duration) -> Duration {
        let broadcast = self.broadcast.clone();
        let lasts = dice.outage().min(self.lasts.saturating_sub(at + SECOND * 120));
        let outage = Outage::new(Of::Playlists, at, lasts);
        let mut took = lasts;
        let (broadcast, name) = match dice.below(19) {
            0 => (broadcast.freeze(at, lasts, Then::Jump), "freeze"),
            1 => (broadcast.freeze(at, lasts, Then::GoOn), "standstill"),
            2 => {
                took = dice.ms(1, 1 + 2 * self.longest.as_millis() as u64);
                (broadcast.late(at, took), "late")
            }
            3 => (self.spell(at, lasts, Kind::Out, broadcast.outage(outage)), "503"),
            4 => (self.spell(at, lasts, Kind::Out, broadcast.outage(outage.status(404))), "404"),
            5 => (self.spell(at, lasts, Kind::Out, broadcast.outage(outage.reset())), "reset"),
            6 => (self.spell(at, lasts, Kind::Silent, broadcast.outage(outage.silence())), "silence"),
            7 | 8 => return self.restart(dice, at),
            9 => {
                let by = 1 + dice.below(3) as usize;
                (self.spell(at, lasts, Kind::Stale, broadcast.stale(at, lasts, by)), "stale")
            }
            10 => (broadcast.discontinuity(at), "discontinuity"),
            11 | 12 => (broadcast.clock_step(at, clock_step(dice)), "clock"),
            13 => {
                let seconds = 1 + dice.below(12);
                self.targets.push((at, SECOND * seconds as u32));
                (broadcast.retarget(at, seconds), "target")
            }
            14 => (broadcast.renamed(at), "renamed"),
            15 => {
                let latency = dice.ms(500, 8000);
                (self.spell(at, lasts, Kind::Slow(latency), broadcast), "slow")
            }
            16 => (self.spell(at, lasts, Kind::Turns, broadcast), "turns"),
            _ => (self.spell(at, lasts, Kind::Asleep, broadcast), "asleep"),
        };
        self.broadcast = broadcast;
        self.what += &format!(", {name} at {at:?} for {took:?}");
        took
    }

    fn spell(&mut self, at: Duration, lasts: Duration, kind: Kind, broadcast: Broadcast) -> Broadcast {
        self.spells.push(Spell { from: at, to: at + lasts, kind });
        broadcast
    }

    fn restart(&mut self, dice: &mut Dice, at: Duration) -> Duration {
        let down = if dice.below(2) == 0 { Duration::ZERO } else { dice.ms(1000, 120_000) };
        let (restart, name) = match dice.below(6) {
            0 => (Restart::on(at), "restart"),
            1 => (Restart::ahead(at, 1 + dice.below(30)), "restart ahead"),
            2 => (Restart::back(at, 1 + dice.below(self.window as u64) as usize), "restart back"),
            3 => (Restart::to(at, 1_772_323_200 + at.as_secs()), "restart far ahead"),
            _ => (Restart::to(at, dice.below(10)), "restart low"),
        };
        // An encoder may come back with a clock that is wrong.
        let is_clock_lost = self.is_dated && dice.below(4) == 0;
        let step = if is_clock_lost { clock_step(dice) } else { 0 };
        self.broadcast = self.broadcast.clone().clock_step(at, step);
        let is_marked = dice.below(2) == 0;
        let restart = if is_marked { restart.discontinuity() } else { restart };
        self.broadcast = self.broadcast.clone().restart(restart.down(down));
        let is_renumbered = name != "restart";
        let is_doubtful = is_renumbered && (!self.is_dated || is_clock_lost);
        // A clock that is a little behind dates what is new as what was there, in another count; and where one segment has the
        // number of another one, and no date, it may have been replaced.
        let behind = Duration::from_millis(step.min(0).unsigned_abs());
        let is_near = !behind.is_zero() && behind < self.longest * (2 * self.window as u32 + 8);
        let may_be_replaced = name == "restart back" && !self.is_dated && !is_marked;
        let forgiven =
            if is_near { Some(behind + self.longest) } else { may_be_replaced.then_some(Duration::ZERO) };
        self.runs.push(Run { is_renumbered, is_doubtful, forgiven });
        let clock = if is_clock_lost { " with another clock" } else { "" };
        self.what += &format!(", {name}{clock} at {at:?} for {down:?}");
        down
    }

    pub(super) fn is(&self, kind: Kind, at: Duration) -> bool {
        self.spells.iter().any(|spell| spell.kind == kind && spell.covers(at))
    }

    /// Whether there is no answer, or whoever asked when there was none does not know it yet.
    pub(super) fn is_silent(&self, at: Duration) -> bool {
        let silent =
            |spell: &Spell| spell.kind == Kind::Silent && (spell.from..spell.to + LOAD_TIME).contains(&at);
        self.spells.iter().any(silent)
    }

    /// When this machine wakes, if it is asleep.
    pub(super) fn wakes(&self, at: Duration) -> Option<Duration> {
        let asleep = self.spells.iter().find(|spell| spell.kind == Kind::Asleep && spell.covers(at));
        asleep.map(|spell| spell.to)
    }

    /// How long a load takes at most that begins in a span of time.
    pub(super) fn latency(&self, from: Duration, to: Duration) -> Duration {
        let slow = |spell: &Spell| match spell.kind {
            Kind::Slow(latency) if spell.from <= to && from < spell.to => Some(latency),
            _ => None,
        };
        self.spells.iter().filter_map(slow).max().unwrap_or_default().max(self.latency)
    }

    /// The longest target duration that was said in a span of time.
    pub(super) fn target(&self, from: Duration, to: Duration) -> Duration {
        let before = self.targets.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
        self.targets[before..]
            .iter()
            .take_while(|(at, _)| *at <= to)
            .map(|(_, target)| *target)
            .max()
            .unwrap_or(SECOND)
    }
}

/// Up to two hours, either way, in milliseconds.
fn clock_step(dice: &mut Dice) -> i64 {
    let step = match dice.below(2) {
        0 => dice.below(3000),
        _ => dice.below(7_200_000),
    };
    if dice.below(2) == 0 { -(step as i64) } else { step as i64 }
}

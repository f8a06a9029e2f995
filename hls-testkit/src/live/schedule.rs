//! Which segments there are, and when each is complete, listed, and gone: everything that depends on time alone.
//!
//! Times inside count from the beginning of production, which lies before that of the transmission.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Broadcast;
use super::content::Cut;
use super::event::{Number, Restart, Then};

/// No segment is shorter.
const LEAST: Duration = Duration::from_millis(1);

/// A segment, from its production to its end.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its place in the order of production.
    pub(super) index: usize,
    /// Which run of the encoder it is from.
    pub(super) epoch: usize,
    pub(super) sequence: u64,
    pub(super) discontinuity: bool,
    /// Its discontinuity sequence number.
    pub(super) number: u64,
    /// Where it begins on the timeline.
    pub(super) start: Duration,
    pub(super) cut: Cut,
    pub(super) map: usize,
    pub(super) key: usize,
    pub(super) is_gap: bool,
    pub(super) name: String,
    /// When its production is done, and when it can be in a playlist.
    pub(super) complete: Duration,
    pub(super) listed: Duration,
    /// When it leaves the playlist, and when it can't be had any more.
    pub(super) left: Option<Duration>,
    pub(super) expires: Option<Duration>,
    /// What stands before it in a playlist, and how many segments the one has that ends with it.
    pub(super) previous: Option<usize>,
    shown: usize,
}

impl Item {
    pub(super) fn duration(&self) -> Duration {
        self.cut.duration
    }

    /// Whether it ever was in a playlist.
    pub(super) fn appeared(&self) -> bool {
        self.left.is_none_or(|left| left > self.listed)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    broadcast: Arc<Broadcast>,
    track: usize,
    head: Duration,
    items: Vec<Item>,
    names: HashMap<String, Vec<usize>>,
    /// The playlist with the newest item, how long it is and how long the longest was.
    shown: VecDeque<usize>,
    length: Duration,
    longest: Duration,
    next: Next,
    over: bool,
}

/// What is known of the next segment.
#[derive(Clone, Debug, Default)]
struct Next {
    epoch: usize,
    /// Counted since the clock began, whose beginning on the timeline this is.
    nth: usize,
    origin: Duration,
    start: Duration,
    delay: Duration,
    sequence: u64,
    number: u64,
    previous: Option<usize>,
    discontinuity: bool,
    reuses_names: bool,
    /// How many events of each kind are done.
    restarts: usize,
    freezes: usize,
    discontinuities: usize,
    late: usize,
}

impl Schedule {
    pub(super) fn new(broadcast: &Arc<Broadcast>, track: usize) -> Self {
        let sequence = broadcast.tracks[track].first_sequence;
        Self {
            broadcast: Arc::clone(broadcast),
            track,
            head: broadcast.head(),
            items: Vec::new(),
            names: HashMap::new(),
            shown: VecDeque::new(),
            length: Duration::ZERO,
            longest: Duration::ZERO,
            next: Next { sequence, ..Next::default() },
            over: false,
        }
    }

    /// Time of production at a time of the transmission.
    pub(super) fn inner(&self, at: Duration) -> Duration {
        at.saturating_add(self.head)
    }

    /// Knows all that is complete or under way at `now`, and that which is due then.
    pub(super) fn advance(&mut self, now: Duration) {
        while !self.over && self.items.last().is_none_or(|item| item.complete <= now) {
            self.produce();
        }
    }

    /// Knows the first `count` segments, and whether they ever appear.
    pub(super) fn foresee(&mut self, count: usize) {
        // One more shows whether the last of them is passed over, as what appears at one time is known together.
        let settled = |items: &[Item]| match items.get(count.saturating_sub(1)..) {
            Some([wanted, .., last]) => last.listed > wanted.listed,
            _ => false,
        };
        while !self.over && !settled(&self.items) {
            self.produce();
        }
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Whether nothing comes after what is known.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The newest segment in a playlist of that time.
    pub(super) fn newest(&self, now: Duration) -> Option<usize> {
        self.items.partition_point(|item| item.listed <= now).checked_sub(1)
    }

    /// The segments of a playlist that ends with this one, oldest first.
    pub(super) fn window(&self, newest: usize) -> Vec<usize> {
        let chain = std::iter::successors(Some(newest), |at| self.items[*at].previous);
        let mut window: Vec<usize> = chain.take(self.items[newest].shown).collect();
        window.reverse();
        window
    }

    /// The segment that a name stands for at that time: the newest that is complete.
    pub(super) fn named(&self, name: &str, now: Duration) -> Option<&Item> {
        let indexes = self.names.get(name)?;
        let items = indexes.iter().rev().map(|index| &self.items[*index]);
        items.filter(|item| item.complete <= now).find(|item| item.expires.is_none_or(|end| now < end))
    }

    fn produce(&mut self) {
        let broadcast = Arc::clone(&self.broadcast);
        let events = &broadcast.events;
        let track = &broadcast.tracks[self.track];
        let end = broadcast.total.map(|total| broadcast.span(total));
        self.begin_clock_where_due();
        let mut duration = track.durations[self.next.nth % track.durations.len()];
        if track.content.own_durations().is_none() {
            // All tracks are cut where the stream ends or is discontinuous.
            let due = events.discontinuities.get(self.next.discontinuities).map(|at| self.inner(*at));
            for cut in [end, due].into_iter().flatten() {
                let left = cut.saturating_sub(self.next.start);
                if left >= LEAST {
                    duration = duration.min(left);
                }
            }
        }
        if end.is_some_and(|end| self.next.start + LEAST > end) {
            self.over = true;
            return;
        }
        let mut complete = self.next.start + duration + self.next.delay;
        while let Some((at, lasts, then)) = events.freezes.get(self.next.freezes) {
            if self.inner(*at) > complete {
                break;
            }
            self.next.freezes += 1;
            if *then == Then::GoOn {
                self.next.delay += *lasts;
                complete += *lasts;
            }
        }
        if let Some(restart) = events.restarts.get(self.next.restarts)
            && self.inner(restart.at) < complete
        {
            self.restart(restart);
            return;
        }
        let (item, is_late) = self.item(duration, complete);
        self.next.late += usize::from(is_late);
        self.next.start += duration;
        self.next.nth += 1;
        self.next.sequence += 1;
        self.next.previous = Some(item.index);
        self.next.discontinuity = false;
        self.list(item);
    }

    /// Begins the clock again at a discontinuity.
    fn begin_clock_where_due(&mut self) {
        let discontinuities = &self.broadcast.events.discontinuities;
        let Some(at) = discontinuities.get(self.next.discontinuities) else { return };
        if self.inner(*at) <= self.next.start {
            self.next.discontinuities += 1;
            self.next.discontinuity = true;
            self.next.number += 1;
            self.next.nth = 0;
            self.next.origin = self.next.start;
        }
    }

    fn restart(&mut self, restart: &Restart) {
        let start = self.inner(restart.at + restart.down);
        let next = &mut self.next;
        next.restarts += 1;
        next.epoch += 1;
        next.start = start.max(next.start);
        next.delay = Duration::ZERO;
        next.reuses_names = restart.reuses_names;
        if !restart.keeps_clock {
            next.nth = 0;
            next.origin = next.start;
        }
        match restart.number {
            Number::Next => {}
            Number::Fresh(sequence) => {
                next.sequence = sequence;
                next.previous = None;
                next.number = 0;
            }
            Number::Ahead(skipped) => {
                next.sequence += skipped;
                next.previous = None;
            }
            Number::Back(segments) => {
                for _ in 0..segments {
                    next.sequence = next.sequence.saturating_sub(1);
                    next.previous = next.previous.and_then(|at| self.items[at].previous);
                }
                next.number = next.previous.map_or(0, |at| self.items[at].number);
            }
        }
        if restart.discontinuity {
            next.discontinuity = true;
            next.number += 1;
        }
    }

    /// The next segment, and whether it is one that is late.
    fn item(&self, duration: Duration, complete: Duration) -> (Item, bool) {
        let broadcast = &self.broadcast;
        let events = &broadcast.events;
        let next = &self.next;
        let index = self.items.len();
        let track = &broadcast.tracks[self.track];
        let passed = |at: &Duration| self.inner(*at) <= next.start;
        let map = events.maps.iter().filter(|change| passed(&change.at)).count();
        let extension = track.content.extension();
        let name = match next.epoch {
            0 => format!("seg{:05}.{extension}", next.sequence),
            _ if next.reuses_names => format!("seg{:05}.{extension}", next.sequence),
            epoch => format!("seg{:05}-e{epoch}.{extension}", next.sequence),
        };
        let mut listed = self.listing(complete);
        let late = events.late.get(next.late).filter(|(at, _)| self.inner(*at) <= listed).map(|(_, by)| *by);
        listed += late.unwrap_or_default();
        listed = listed.max(self.items.last().map_or(Duration::ZERO, |item| item.listed));
        let seed = broadcast.seed ^ (self.track as u64) << 56 ^ (next.epoch as u64) << 48 ^ next.number << 40;
        let item = Item {
            index,
            epoch: next.epoch,
            sequence: next.sequence,
            discontinuity: next.discontinuity,
            number: next.number,
            start: next.start,
            cut: Cut {
                seed,
                nth: next.nth,
                clock: next.start.saturating_sub(next.origin),
                base: broadcast.tracks[0].content.base(),
                duration,
                pieces: 1,
            },
            map,
            key: broadcast.rotate_every.map_or(0, |n| index / n),
            is_gap: self.track == 0 && events.gaps.contains(&index),
            name,
            complete,
            listed,
            left: None,
            expires: None,
            previous: next.previous,
            shown: 0,
        };
        (item, late.is_some())
    }

    /// When what is complete at that time can appear in a playlist.
    fn listing(&self, complete: Duration) -> Duration {
        let jumps = self.broadcast.events.freezes.iter().filter(|(.., then)| *then == Then::Jump);
        jumps.fold(complete, |time, (at, lasts, _)| {
            let (from, to) = (self.inner(*at), self.inner(*at + *lasts));
            if (from..to).contains(&time) { to } else { time }
        })
    }

    /// Puts an item at the end of the playlist, and takes out what has to go.
    fn list(&mut self, item: Item) {
        let mut gone = Vec::new();
        while self.shown.back().copied() != item.previous {
            let Some(last) = self.shown.pop_back() else { break };
            gone.push(last);
        }
        self.shown.push_back(item.index);
        self.length += item.duration();
        while self.broadcast.window_of(self.track).is_some_and(|window| self.shown.len() > window) {
            gone.extend(self.shown.pop_front());
        }
        let listed = item.listed;
        self.names.entry(item.name.clone()).or_default().push(item.index);
        self.items.push(Item { shown: self.shown.len(), ..item });
        for index in gone {
            let longest = self.longest;
            let retention = self.broadcast.retention;
            let item = &mut self.items[index];
            self.length = self.length.saturating_sub(item.duration());
            item.left = Some(listed);
            item.expires = Some(listed + retention.unwrap_or(item.duration() + longest));
        }
        self.longest = self.longest.max(self.length);
    }
}

impl Broadcast {
    /// How long the first `n` segments of the picture are.
    fn span(&self, n: usize) -> Duration {
        let durations = &self.tracks[0].durations;
        let round: Duration = durations.iter().sum();
        let rest: Duration = durations.iter().take(n % durations.len()).sum();
        round * (n / durations.len()) as u32 + rest
    }

    /// How many segments the playlist of a track has: as many as it takes to be as long as that of the picture.
    fn window_of(&self, track: usize) -> Option<usize> {
        let window = self.window?;
        let durations = &self.tracks[track].durations;
        let round: Duration = durations.iter().sum();
        let micros = self.span(window).as_micros() * durations.len() as u128;
        Some(if track == 0 { window } else { micros.div_ceil(round.as_micros()) as usize })
    }

    /// How long production goes on before the transmission begins.
    pub(super) fn head(&self) -> Duration {
        self.span(self.running)
    }
}

//! Which segments there are, and when each is complete, listed, and gone: everything that depends on time alone.
//!
//! Times inside count from the beginning of production, which lies before that of the transmission.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Broadcast;
use super::content::Cut;
use super::event::Then;
use super::production::Next;

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
    pub(super) shown: usize,
}

impl Item {
    pub(super) fn duration(&self) -> Duration {
        self.cut.duration
    }

    pub(super) fn begun(&self) -> Duration {
        self.complete.saturating_sub(self.duration())
    }

    /// When a part of it is complete.
    pub(super) fn part_complete(&self, part: usize) -> Duration {
        let left =
            self.duration() * (self.cut.pieces.saturating_sub(part + 1)) as u32 / self.cut.pieces as u32;
        self.complete.saturating_sub(left)
    }

    /// Whether it ever was in a playlist.
    pub(super) fn appeared(&self) -> bool {
        self.left.is_none_or(|left| left > self.listed)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) broadcast: Arc<Broadcast>,
    pub(super) track: usize,
    head: Duration,
    pub(super) items: Vec<Item>,
    names: HashMap<String, Vec<usize>>,
    /// The playlist with the newest item, how long it is and how long the longest was.
    shown: VecDeque<usize>,
    length: Duration,
    longest: Duration,
    pub(super) next: Next,
    pub(super) over: bool,
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
            next: Next::with(sequence),
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

    /// The segment that a name stands for at that time: the newest of that name that is `ready` by then, unless it has expired.
    pub(super) fn named(
        &self,
        name: &str,
        now: Duration,
        ready: impl Fn(&Item) -> Duration,
    ) -> Option<&Item> {
        let items = self.names.get(name)?.iter().rev().map(|index| &self.items[*index]);
        items.filter(|item| ready(item) <= now).find(|item| item.expires.is_none_or(|end| now < end))
    }

    /// The segment of which there are only parts at that time, and how many can be in a playlist.
    pub(super) fn open(&self, newest: usize, now: Duration) -> Option<(&Item, usize)> {
        let open = self.items.get(newest + 1).filter(|item| item.previous == Some(newest))?;
        let listed = |part: &usize| self.listing(open.part_complete(*part)) <= now;
        Some((open, (0..open.cut.pieces).take_while(listed).count()))
    }

    /// When what is complete at that time can appear in a playlist.
    pub(super) fn listing(&self, complete: Duration) -> Duration {
        let jumps = self.broadcast.events.freezes.iter().filter(|(.., then)| *then == Then::Jump);
        jumps.fold(complete, |time, (at, lasts, _)| {
            let (from, to) = (self.inner(*at), self.inner(*at + *lasts));
            if (from..to).contains(&time) { to } else { time }
        })
    }

    /// Puts an item at the end of the playlist, and takes out what has to go.
    pub(super) fn list(&mut self, item: Item) {
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
    pub(super) fn span(&self, n: usize) -> Duration {
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

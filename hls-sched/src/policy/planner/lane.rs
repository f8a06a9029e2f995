//! The units of one track: which were never asked for, which come again, which are there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::policy::network::OriginId;

#[derive(Debug)]
pub(super) struct Lane {
    /// First place that no attempt was made for.
    next: u64,
    pub(super) head: u64,
    pub(super) end: u64,
    pub(super) again: BTreeMap<u64, Again>,
    /// Places ahead that an earlier run has left whole.
    pub(super) have: BTreeSet<u64>,
}

/// A unit that is to be had again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    pub(super) not_before: Instant,
    /// Attempts that count.
    pub(super) failed: u32,
    /// Those of them since the origin last served anything: should it turn out to be gone, they don't count.
    pub(super) in_streak: u32,
    /// Over a connection of its own.
    pub(super) fresh: bool,
    /// How often an attempt for it was replaced for standing still.
    pub(super) replaced: u32,
    pub(super) origin: OriginId,
}

impl Again {
    /// As if for the first time.
    pub(super) fn at(not_before: Instant) -> Self {
        Self { not_before, failed: 0, in_streak: 0, fresh: false, replaced: 0, origin: 0 }
    }
}

impl Lane {
    pub(super) fn new(head: u64, end: u64) -> Self {
        Self { next: head, head, end, again: BTreeMap::new(), have: BTreeSet::new() }
    }

    pub(super) fn head_at(&mut self, head: u64) {
        self.head = self.head.max(head);
        // What was there already was never fetched, and is not to be fetched once it is written.
        self.next = self.next.max(self.head);
        self.have = self.have.split_off(&self.head);
    }

    pub(super) fn lost(&mut self, index: u64, again: Again) {
        self.have.remove(&index);
        if index < self.next {
            self.again.insert(index, again);
        }
    }

    /// Places that may be fetched now, in order.
    pub(super) fn startable(&self, now: Instant, window: u64) -> impl Iterator<Item = u64> {
        let due = self.again.iter().filter(move |(_, again)| again.not_before <= now);
        let mut due = due.map(|(&index, _)| index).peekable();
        let until = self.end.min(self.head.saturating_add(window));
        let mut fresh = (self.next..until).filter(|index| !self.have.contains(index)).peekable();
        std::iter::from_fn(move || match (due.peek(), fresh.peek()) {
            (Some(a), Some(b)) if b < a => fresh.next(),
            (Some(_), _) => due.next(),
            (None, _) => fresh.next(),
        })
    }

    /// The place that the writer waits for was refused, or failed, and its time has not come yet.
    pub(super) fn is_put_off(&self, now: Instant) -> bool {
        self.again.get(&self.head).is_some_and(|again| again.not_before > now)
    }

    /// Whether all places have been asked for.
    pub(super) fn is_asked_for(&self) -> bool {
        self.again.is_empty() && (self.next..self.end).all(|index| self.have.contains(&index))
    }

    /// A place is asked for.
    pub(super) fn start(&mut self, index: u64, now: Instant) -> Again {
        self.again.remove(&index).unwrap_or_else(|| {
            // Those that were passed over, because their origin is busy, are no longer behind the next one.
            let passed = (self.next..index).filter(|passed| !self.have.contains(passed));
            self.again.extend(passed.map(|passed| (passed, Again::at(now))));
            self.next = index + 1;
            Again::at(now)
        })
    }

    /// The origin has served something.
    pub(super) fn streak_ended(&mut self, origin: OriginId) {
        let of_it = self.again.values_mut().filter(|again| again.origin == origin);
        of_it.for_each(|again| again.in_streak = 0);
    }

    /// The origin is gone.
    pub(super) fn refund(&mut self, origin: OriginId) {
        for again in self.again.values_mut().filter(|again| again.origin == origin) {
            again.failed = again.failed.saturating_sub(std::mem::take(&mut again.in_streak));
        }
    }
}

//! The encoder: which segment comes next, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use super::content::Cut;
use super::event::{Number, Restart, Then};
use super::schedule::{Item, Schedule};

/// No segment is shorter.
const LEAST: Duration = Duration::from_millis(1);

/// What is known of the next segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Next {
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

impl Next {
    pub(super) fn with(sequence: u64) -> Self {
        Self { sequence, ..Self::default() }
    }
}

impl Schedule {
    /// Makes the next segment, or passes the next event by.
    pub(super) fn produce(&mut self) {
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
                pieces: broadcast.pieces(self.track, duration),
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
}

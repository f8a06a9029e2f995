//! Who asks for a part of a resource, who waits, and who takes it out of a body that holds all of the resource.
//!
//! The line is told what happened and when; whoever waits in it asks for its turn after each change. It does no I/O.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A part waits so long for what another answer may bring, where ranges may be honoured; twice as long each time that it has
/// asked in vain.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);
/// What failed comes again within this time, mostly: the delay of a first repetition is half a second at most.
const RETURN: Duration = Duration::from_secs(2);
/// No more than this is passed over to reach a part where ranges have been honoured, or nobody knows how much will come.
const FAR: u64 = 64 << 20;

/// The parts of one resource that are wanted now, in the order of the resource.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What the last answer did with its range.
    ranges: Ranges,
    /// An answer has honoured its range.
    was_honoured: bool,
    parts: BTreeMap<u64, Part>,
    bodies: BTreeMap<u64, Passing>,
    /// A body was lost at this offset, so the part that was taken out of it is to come again, until this time.
    awaited: Option<(u64, Instant)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ranges {
    #[default]
    Unknown,
    Honoured,
    Ignored,
}

/// A part that is wanted.
#[derive(Debug)]
struct Part {
    start: u64,
    end: u64,
    since: Instant,
    patience: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Asks,
    Reads(u64),
}

/// A body that holds all of the resource.
#[derive(Debug)]
struct Passing {
    /// Parts that begin before this can't be had from it.
    position: u64,
    /// How long the resource is, where that is known.
    total: Option<u64>,
    is_read: bool,
}

impl Passing {
    /// Whether it comes to a part, as far as can be known.
    fn reaches(&self, start: u64) -> bool {
        let reaches = |total: u64| start < total;
        self.position <= start && self.total.map_or(start - self.position <= FAR, reaches)
    }
}

/// What a part may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Send a request of its own.
    Ask,
    /// Take its bytes out of this body.
    Read(u64),
    /// Wait for the next change, or until this time.
    Wait(Option<Instant>),
}

/// What becomes of an answer that holds all of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It is for all parts, each in its turn.
    Shared,
    /// Another body comes by at the part: nobody needs this one.
    Spare,
    /// The part is too far within it, and another answer may honour the range.
    TooFar,
}

impl Line {
    /// `honoured`: another resource of the same server was had in parts.
    pub(super) fn new(honoured: bool) -> Self {
        let ranges = if honoured { Ranges::Honoured } else { Ranges::Unknown };
        Self { ranges, ..Self::default() }
    }

    /// Whether the parts are had from one body.
    pub(super) fn shares(&self) -> bool {
        self.ranges == Ranges::Ignored
    }

    /// A part is wanted: the bytes from `start` to before `end`.
    pub(super) fn join(&mut self, ticket: u64, (start, end): (u64, u64), now: Instant) {
        self.awaited = self.awaited.filter(|(at, _)| start > *at);
        let part = Part { start, end, since: now, patience: PATIENCE, state: State::Waits };
        self.parts.insert(ticket, part);
    }

    /// What a part that waits may do now. It has begun to do so unless it is to wait on.
    pub(super) fn turn(&mut self, ticket: u64, now: Instant) -> Turn {
        let Some(part) = self.parts.get(&ticket) else { return Turn::Ask };
        let (start, end) = (part.start, part.end);
        let nearest = self.nearest(start);
        let turn = match nearest {
            Some(body) if self.may_read(ticket, body, now) => Turn::Read(body),
            None if self.ranges == Ranges::Honoured => Turn::Ask,
            _ => self.wait(ticket, nearest, now),
        };
        if turn == Turn::Ask {
            self.awaited = self.awaited.filter(|(_, until)| now < *until);
        }
        if let Some(part) = self.parts.get_mut(&ticket) {
            part.state = match turn {
                Turn::Ask => State::Asks,
                Turn::Read(body) => State::Reads(body),
                Turn::Wait(_) => State::Waits,
            };
        }
        if let Turn::Read(body) = turn
            && let Some(body) = self.bodies.get_mut(&body)
        {
            (body.is_read, body.position) = (true, end);
        }
        turn
    }

    /// The body that a part which begins at `start` is had from with the least to pass over.
    fn nearest(&self, start: u64) -> Option<u64> {
        let before = self.bodies.iter().filter(|(_, body)| body.reaches(start));
        before.max_by_key(|(_, body)| body.position).map(|(id, _)| *id)
    }

    fn may_read(&self, ticket: u64, body: u64, now: Instant) -> bool {
        let (Some(part), Some(passing)) = (self.parts.get(&ticket), self.bodies.get(&body)) else {
            return false;
        };
        let is_next = self.first(Some(body)) == Some(ticket);
        !passing.is_read && is_next && self.is_awaited(part.start, Some(body), now).is_none()
    }

    /// The first of the parts for which this body is the nearest, and which have no bytes yet. A body does not pass one that has
    /// asked: it may ask in vain.
    fn first(&self, nearest: Option<u64>) -> Option<u64> {
        let without = self.parts.iter().filter(|(_, part)| !matches!(part.state, State::Reads(_)));
        let of_it = without.filter(|(_, part)| self.nearest(part.start) == nearest);
        of_it.min_by_key(|(ticket, part)| (part.start, part.end, **ticket)).map(|(ticket, _)| *ticket)
    }

    /// Until when a part leaves the way to one before it that is to come again.
    fn is_awaited(&self, start: u64, nearest: Option<u64>, now: Instant) -> Option<Instant> {
        let (at, until) = self.awaited.filter(|(at, until)| start > *at && now < *until)?;
        let is_past = nearest.and_then(|body| self.bodies.get(&body)).is_some_and(|body| body.position > at);
        (!is_past).then_some(until)
    }

    /// A part that can't have a body now: it waits for one, for the answer that tells how ranges are had, or asks.
    fn wait(&self, ticket: u64, nearest: Option<u64>, now: Instant) -> Turn {
        let Some(part) = self.parts.get(&ticket) else { return Turn::Ask };
        let may_tire = self.ranges == Ranges::Unknown || self.was_honoured;
        let until = may_tire.then(|| part.since + part.patience);
        if until.is_some_and(|until| now >= until) {
            return Turn::Ask;
        }
        if let Some(awaited) = self.is_awaited(part.start, nearest, now) {
            return Turn::Wait(Some(until.map_or(awaited, |until| until.min(awaited))));
        }
        let asks = self.parts.values().any(|part| part.state == State::Asks);
        match nearest.is_some() || asks || self.first(None) != Some(ticket) {
            true => Turn::Wait(until),
            false => Turn::Ask,
        }
    }

    /// Whether a part that has asked is to wait instead: a body with all of the resource has come.
    pub(super) fn is_turned_back(&self, ticket: u64) -> bool {
        self.parts.get(&ticket).is_some_and(|part| part.state == State::Waits)
    }

    /// The answer to a part is that part. Where it had tired of waiting for a body, so do all: no body is used any more.
    pub(super) fn honoured(&mut self, ticket: u64) {
        self.was_honoured = true;
        let Some(part) = self.parts.remove(&ticket).filter(|part| part.state == State::Asks) else { return };
        if self.bodies.is_empty() || self.nearest(part.start).is_some() {
            self.ranges = Ranges::Honoured;
            self.bodies.clear();
        }
    }

    /// Whether a body is still of use.
    pub(super) fn uses(&self, body: u64) -> bool {
        self.bodies.contains_key(&body)
    }

    /// The answer to a part is all of the resource, which is `body` from now on and as long as `total`.
    pub(super) fn came_whole(
        &mut self,
        ticket: u64,
        (body, total): (u64, Option<u64>),
        now: Instant,
    ) -> Came {
        let start = self.parts.get(&ticket).map_or(0, |part| part.start);
        if self.was_honoured && start > FAR {
            return Came::TooFar;
        }
        self.ranges = Ranges::Ignored;
        let is_spare = self.nearest(start).is_some();
        if !is_spare {
            self.bodies.insert(body, Passing { position: 0, total, is_read: false });
        }
        self.turn_back(now);
        if is_spare { Came::Spare } else { Came::Shared }
    }

    /// Has parts wait that have asked for what a body brings.
    fn turn_back(&mut self, now: Instant) {
        let asking = self.parts.iter().filter(|(_, part)| part.state == State::Asks);
        let back = asking.filter(|(_, part)| self.nearest(part.start).is_some());
        for ticket in back.map(|(ticket, _)| *ticket).collect::<Vec<_>>() {
            if let Some(part) = self.parts.get_mut(&ticket) {
                (part.state, part.since) = (State::Waits, now);
                part.patience = part.patience.saturating_mul(2).min(LONGEST_PATIENCE);
            }
        }
    }

    /// A part is read to its end, and the body has come to this offset.
    pub(super) fn has_read(&mut self, ticket: u64, position: u64) {
        if let Some(Part { state: State::Reads(body), .. }) = self.parts.remove(&ticket)
            && let Some(body) = self.bodies.get_mut(&body)
        {
            (body.position, body.is_read) = (position, false);
        }
    }

    /// A body is no longer there.
    pub(super) fn gone(&mut self, body: u64) {
        self.bodies.remove(&body);
    }

    /// A part is not wanted any more, or its attempt failed. What it reads, up to `position`, is lost with it.
    pub(super) fn leave(&mut self, ticket: u64, position: u64, now: Instant) {
        let Some(part) = self.parts.remove(&ticket) else { return };
        let at = match part.state {
            State::Waits => return,
            State::Asks => part.start,
            State::Reads(body) => {
                self.bodies.remove(&body);
                part.start.max(position)
            }
        };
        if self.ranges == Ranges::Ignored {
            self.awaited = Some((at, now + RETURN));
        }
    }
}

#[cfg(test)]
mod tests;

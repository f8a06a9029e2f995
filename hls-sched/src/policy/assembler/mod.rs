//! Puts units in order: what goes straight to its output, what waits in memory, what waits on disk, who pauses.
//!
//! The assembler is told what arrived and returns what to do. It reads no clock and touches no file.
//!
//! The unit that is next in an output is its *head*. A head never waits for memory, so some byte can always move: that is
//! the law the tests hold it to.

mod back;
mod begin;
mod growth;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hls_state::{Fingerprint, Mark, Placed, Unit};

use crate::place::Place;

/// Nothing older than this lives only in memory.
const OLDEST_IN_MEMORY: Duration = Duration::from_secs(2);
/// A pause for lack of memory never lasts longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The same, while the disk is what all wait for: servers give up on connections that stand still for much longer.
const LONGEST_PAUSE_FOR_DISK: Duration = Duration::from_secs(10);
/// A head without a byte for this long ends all pauses.
const STARVED: Duration = Duration::from_millis(500);

/// What has to be done with bytes, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Write to an output.
    Write {
        /// Which output.
        output: u8,
        /// Where.
        offset: u64,
        /// What.
        data: Bytes,
    },
    /// Cut off what a failed unit had written.
    Cut {
        /// Which output.
        output: u8,
        /// Where that unit began.
        offset: u64,
    },
    /// A verified unit is in its output.
    Record(Placed),
    /// A unit is there up to a mark, in its own file or else in its output.
    Mark {
        /// Which unit.
        unit: Unit,
        /// Whether it has a file of its own.
        aside: bool,
        /// How far.
        mark: Mark,
    },
    /// Append to the file of a waiting unit.
    SetAside(Unit, Bytes),
    /// The unit in that file is whole.
    KeepAside(Unit, Fingerprint),
    /// Forget that file.
    DropAside(Unit),
    /// Move that file into the output; to be answered with [`Assembler::placed`].
    PlaceAside(Unit, u64),
}

/// What became of bytes that were offered.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer {
    /// Taken.
    Taken,
    /// There is no room: hold on to them, and offer them again when woken.
    Pause(Bytes),
    /// The unit is no longer this attempt's.
    Gone,
}

/// What became of a unit that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It is where it belongs, or on its way.
    Taken,
    /// It is no longer this attempt's.
    Gone,
    /// It takes the place of one that was damaged, and is not what that was.
    Changed,
}

/// Puts the units of all tracks in order.
#[derive(Debug)]
pub struct Assembler {
    lanes: Vec<Lane>,
    /// Whether a head may go to its output before it is known to be whole.
    takes_unverified: bool,
    budget: u64,
    used: u64,
    commands: Vec<Command>,
}

#[derive(Debug)]
struct Lane {
    head: u64,
    offset: u64,
    end: u64,
    /// More units may come.
    grows: bool,
    slots: BTreeMap<u64, Slot>,
    head_moved: Option<Instant>,
    gaps: u64,
    /// Where the first unit goes is told when it is whole.
    has_begin_open: bool,
    /// The unit before the head, if it came in this run.
    last: Option<Placed>,
    /// Units before the head that have to be had again, as they were.
    damaged: BTreeMap<u64, Placed>,
}

#[derive(Debug)]
struct Slot {
    identity: u128,
    /// The attempt that fills it: what a given-up one still delivers is nobody's.
    attempt: u64,
    len: u64,
    /// Known once the unit is whole.
    hash: Option<Fingerprint>,
    at: At,
    paused: Option<Instant>,
    /// From where another attempt may go on.
    mark: Option<Mark>,
}

#[derive(Debug)]
enum At {
    /// Goes straight to the output.
    Output,
    Memory {
        chunks: Vec<Bytes>,
        since: Option<Instant>,
    },
    Aside,
    /// On its way from its file to the output.
    Moving,
    /// Not to be had: holds its place and no bytes.
    Gap,
}

impl Slot {
    fn new(identity: u128, attempt: u64) -> Self {
        let at = At::Memory { chunks: Vec::new(), since: None };
        Self { identity, attempt, len: 0, hash: None, at, paused: None, mark: None }
    }
}

impl Assembler {
    /// An assembler for tracks that begin at `(first place not yet written, offset of its first byte, number of units)`.
    ///
    /// `budget` is the memory for units that wait, in bytes.
    #[must_use]
    pub fn new(tracks: &[(u64, u64, u64)], takes_unverified: bool, budget: u64) -> Self {
        let lane = |&(head, offset, end): &(u64, u64, u64)| Lane {
            head,
            offset,
            end,
            grows: false,
            slots: BTreeMap::new(),
            head_moved: None,
            gaps: 0,
            has_begin_open: false,
            last: None,
            damaged: BTreeMap::new(),
        };
        let lanes = tracks.iter().map(lane).collect();
        Self { lanes, takes_unverified, budget, used: 0, commands: Vec::new() }
    }

    /// Takes what has to be done since the last call, in order.
    pub fn commands(&mut self) -> std::vec::Drain<'_, Command> {
        self.commands.drain(..)
    }

    /// The place that is next in a track; its number of units once all are there.
    #[must_use]
    pub fn head(&self, track: u8) -> u64 {
        self.lanes.get(usize::from(track)).map_or(0, |lane| lane.head)
    }

    /// Whether every unit of every track is in its output.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lanes.iter().all(|lane| lane.head >= lane.end && !lane.grows && lane.damaged.is_empty())
    }

    /// Whether a unit is still to be had: neither whole nor already in its output.
    #[must_use]
    pub fn needs(&self, place: Place) -> bool {
        let Some(lane) = self.lanes.get(usize::from(place.track)) else { return false };
        let is_whole = lane.slots.get(&place.index).is_some_and(|slot| slot.hash.is_some());
        !is_whole && (place.index >= lane.head || lane.damaged.contains_key(&place.index))
    }

    /// Bytes that wait in memory.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.used
    }

    /// Bytes of units that are not whole, up to their marks.
    #[must_use]
    pub fn marked(&self) -> u64 {
        let slots = self.lanes.iter().flat_map(|lane| lane.slots.values());
        slots
            .filter(|slot| slot.hash.is_none())
            .filter_map(|slot| slot.mark.as_ref())
            .map(|mark| mark.len)
            .sum()
    }

    /// An attempt for a unit begins; `attempt` is a number that no other attempt has.
    pub fn begin(&mut self, place: Place, identity: u128, attempt: u64, now: Instant) {
        let takes_unverified = self.takes_unverified;
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return };
        let mut slot = Slot::new(identity, attempt);
        if place.index == lane.head {
            lane.head_moved = Some(now);
            if takes_unverified && !lane.has_begin_open {
                slot.at = At::Output;
            }
        }
        lane.slots.insert(place.index, slot);
    }

    /// A unit before the head turned out to be damaged: it has to be had again.
    pub fn found_damaged(&mut self, placed: Placed) {
        if let Some(lane) = self.lanes.get_mut(usize::from(placed.output)) {
            lane.damaged.insert(placed.index, placed);
        }
    }

    /// Another attempt goes on where the last one ended. `false`: nothing of that unit is there.
    pub fn go_on(&mut self, place: Place, attempt: u64, now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return false };
        let Some(slot) = lane.slots.get_mut(&place.index).filter(|slot| slot.hash.is_none()) else {
            return false;
        };
        slot.attempt = attempt;
        if place.index == lane.head {
            lane.head_moved = Some(now);
        }
        true
    }

    /// An attempt ended before its unit was whole, and what it brought stays for the next one.
    pub fn suspend(&mut self, place: Place) {
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return };
        let Some(slot) = lane.slots.get_mut(&place.index) else { return };
        slot.attempt = 0;
        slot.paused = None;
        if place.index == lane.head {
            lane.head_moved = None;
        }
    }

    /// An attempt has to start over: what came before is of no use.
    pub fn start_over(&mut self, place: Place, attempt: u64, now: Instant) {
        let Some(slot) = self.slot(place).filter(|slot| slot.attempt == attempt && slot.hash.is_none())
        else {
            return;
        };
        let identity = slot.identity;
        self.fail(place);
        self.begin(place, identity, attempt, now);
    }

    /// Says that a unit could go on from here, in another process too.
    pub fn mark(&mut self, place: Place, attempt: u64, mark: Mark) {
        let Some(slot) = self.slot(place).filter(|slot| slot.attempt == attempt && slot.hash.is_none())
        else {
            return;
        };
        slot.mark = Some(mark);
        self.tell_mark(place);
    }

    fn tell_mark(&mut self, place: Place) {
        let Some(slot) = self.slot(place).filter(|slot| slot.hash.is_none()) else { return };
        let aside = match slot.at {
            At::Output => false,
            At::Aside => true,
            At::Memory { .. } | At::Moving | At::Gap => return,
        };
        let unit = Unit { output: place.track, index: place.index, identity: slot.identity };
        let mark = slot.mark.clone();
        self.commands.extend(mark.map(|mark| Command::Mark { unit, aside, mark }));
    }

    /// Offers bytes of a unit. `in_flight`: bytes handed to the writer that it has not written yet.
    pub fn offer(&mut self, place: Place, attempt: u64, data: Bytes, in_flight: u64, now: Instant) -> Offer {
        let room = self.budget.saturating_sub(self.used + in_flight);
        self.offer_within(room, place, attempt, data, now)
    }

    fn offer_within(&mut self, room: u64, place: Place, attempt: u64, data: Bytes, now: Instant) -> Offer {
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return Offer::Gone };
        let is_head = place.index == lane.head;
        let slot =
            lane.slots.get_mut(&place.index).filter(|slot| slot.attempt == attempt && slot.hash.is_none());
        let Some(slot) = slot else { return Offer::Gone };
        let unit = Unit { output: place.track, index: place.index, identity: slot.identity };
        let len = data.len() as u64;
        if is_head {
            lane.head_moved = Some(now);
        }
        match &mut slot.at {
            At::Output => {
                let offset = lane.offset + slot.len;
                self.commands.push(Command::Write { output: place.track, offset, data });
            }
            At::Memory { chunks, since } if len <= room => {
                chunks.push(data);
                since.get_or_insert(now);
                self.used += len;
            }
            At::Memory { .. } if is_head => {
                self.move_aside(place);
                self.commands.push(Command::SetAside(unit, data));
                return self.grown(place, len);
            }
            At::Memory { .. } => {
                slot.paused.get_or_insert(now);
                return Offer::Pause(data);
            }
            At::Aside => self.commands.push(Command::SetAside(unit, data)),
            At::Moving | At::Gap => return Offer::Gone,
        }
        self.grown(place, len)
    }

    fn grown(&mut self, place: Place, len: u64) -> Offer {
        let lane = self.lanes.get_mut(usize::from(place.track));
        if let Some(slot) = lane.and_then(|l| l.slots.get_mut(&place.index)) {
            slot.len += len;
            slot.paused = None;
        }
        Offer::Taken
    }

    /// A unit is whole and verified.
    pub fn complete(&mut self, place: Place, attempt: u64, hash: Fingerprint) -> Completion {
        let damaged =
            self.lanes.get(usize::from(place.track)).and_then(|l| l.damaged.get(&place.index)).copied();
        let Some(slot) = self.slot(place).filter(|slot| slot.attempt == attempt && slot.hash.is_none())
        else {
            return Completion::Gone;
        };
        if damaged.is_some_and(|damaged| (damaged.len, damaged.hash) != (slot.len, hash)) {
            return Completion::Changed;
        }
        slot.hash = Some(hash);
        slot.paused = None;
        if matches!(slot.at, At::Aside) {
            if slot.len == 0 {
                // Its file is made by its first byte, and there was none.
                slot.at = At::Memory { chunks: Vec::new(), since: None };
            } else {
                let unit = Unit { output: place.track, index: place.index, identity: slot.identity };
                self.commands.push(Command::KeepAside(unit, hash));
            }
        }
        match damaged {
            Some(damaged) => self.replace(place, damaged.offset),
            None => self.advance(place.track),
        }
        Completion::Taken
    }

    /// A unit came whole by another way than in its slot, and takes the place of what is there of it.
    pub fn whole(
        &mut self,
        place: Place,
        (identity, attempt): (u128, u64),
        data: Vec<Bytes>,
        hash: Fingerprint,
        now: Instant,
    ) -> Completion {
        if !self.needs(place) {
            return Completion::Gone;
        }
        self.fail(place);
        self.begin(place, identity, attempt, now);
        for data in data {
            // It is in memory already, so there is room for it.
            self.offer_within(u64::MAX, place, attempt, data, now);
        }
        self.complete(place, attempt, hash)
    }

    /// Has a unit written over the damaged one, by way of a file: it must never be half there.
    fn replace(&mut self, place: Place, offset: u64) {
        self.move_aside(place);
        let Some(slot) = self.slot(place) else { return };
        slot.at = At::Moving;
        let unit = Unit { output: place.track, index: place.index, identity: slot.identity };
        self.commands.push(Command::PlaceAside(unit, offset));
    }

    /// An attempt failed or was given up: nothing of it stays.
    pub fn fail(&mut self, place: Place) {
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return };
        let Some(slot) = lane.slots.remove(&place.index) else { return };
        let unit = Unit { output: place.track, index: place.index, identity: slot.identity };
        match slot.at {
            At::Output if slot.len > 0 => {
                self.commands.push(Command::Cut { output: place.track, offset: lane.offset });
            }
            At::Memory { chunks, .. } => self.used -= total(&chunks),
            At::Aside => self.commands.push(Command::DropAside(unit)),
            At::Output | At::Moving | At::Gap => {}
        }
        if place.index == lane.head {
            lane.head_moved = None;
        }
    }

    /// A unit can't be had and its place stays empty.
    pub fn skip(&mut self, place: Place, identity: u128) {
        self.fail(place);
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return };
        let hash = Some(Fingerprint::of(&[]));
        lane.slots.insert(place.index, Slot { hash, at: At::Gap, ..Slot::new(identity, 0) });
        lane.gaps += 1;
        self.advance(place.track);
    }

    /// Bytes of a unit that came so far.
    #[must_use]
    pub fn received(&self, place: Place) -> u64 {
        let lane = self.lanes.get(usize::from(place.track));
        lane.and_then(|lane| lane.slots.get(&place.index)).map_or(0, |slot| slot.len)
    }

    /// Answers [`Command::PlaceAside`]. `false`: the file was not what it had been, and the unit has to be had again.
    pub fn placed(&mut self, place: Place, right: bool) {
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return };
        if !lane.slots.get(&place.index).is_some_and(|slot| matches!(slot.at, At::Moving)) {
            return;
        }
        let Some(slot) = lane.slots.remove(&place.index) else { return };
        if place.index < lane.head {
            if right {
                lane.damaged.remove(&place.index);
            }
        } else if right {
            lane.offset += slot.len;
            lane.head += 1;
            lane.head_moved = None;
            self.advance(place.track);
        }
    }

    /// A whole unit that waited on disk is lost, and has to be had again; returns how many bytes it had. `None`: it is on its way
    /// to the output, and [`placed`](Self::placed) will say so.
    pub fn lost_aside(&mut self, place: Place) -> Option<u64> {
        let slots = &mut self.lanes.get_mut(usize::from(place.track))?.slots;
        slots.get(&place.index).filter(|slot| matches!(slot.at, At::Aside) && slot.hash.is_some())?;
        slots.remove(&place.index).map(|slot| slot.len)
    }

    /// Moves to disk what waits too long, and ends pauses that last too long or starve a head. While the disk itself is what
    /// all wait for, pauses last longer: to write more would make that worse.
    pub fn tick(&mut self, now: Instant, disk_is_behind: bool) {
        let older = |since: Option<Instant>, than: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= than)
        };
        let starving = self.lanes.iter().any(|lane| {
            lane.head < lane.end && lane.head_moved.is_none_or(|moved| older(Some(moved), STARVED))
        });
        let mut leaving = Vec::new();
        for (track, lane) in (0..=u8::MAX).zip(&self.lanes) {
            for (&index, slot) in &lane.slots {
                let At::Memory { since, .. } = slot.at else { continue };
                let too_old = older(since, OLDEST_IN_MEMORY);
                let overdue = match disk_is_behind {
                    true => older(slot.paused, LONGEST_PAUSE_FOR_DISK),
                    false => starving || older(slot.paused, LONGEST_PAUSE),
                };
                let paused = slot.paused.is_some() && overdue;
                let may_wait = !self.takes_unverified || lane.has_begin_open;
                if (too_old || paused) && (index != lane.head || may_wait) {
                    leaving.push(Place { track, index });
                }
            }
        }
        leaving.into_iter().for_each(|place| self.move_aside(place));
    }

    /// Moves what waits in memory to disk, where it is whole or can go on: the job ends here for now.
    pub fn evacuate(&mut self) {
        let mut places = Vec::new();
        for (track, lane) in (0..=u8::MAX).zip(&self.lanes) {
            let kept = |slot: &Slot| slot.hash.is_some() || slot.mark.is_some();
            places.extend(lane.slots.iter().map(|(&index, slot)| (Place { track, index }, kept(slot))));
        }
        for (place, kept) in places {
            match kept {
                true => self.move_aside(place),
                false => self.fail(place),
            }
        }
    }

    fn slot(&mut self, place: Place) -> Option<&mut Slot> {
        self.lanes.get_mut(usize::from(place.track))?.slots.get_mut(&place.index)
    }

    fn move_aside(&mut self, place: Place) {
        let Some(slot) = self.slot(place) else { return };
        let At::Memory { chunks, .. } = &mut slot.at else { return };
        let chunks = std::mem::take(chunks);
        slot.at = At::Aside;
        slot.paused = None;
        let unit = Unit { output: place.track, index: place.index, identity: slot.identity };
        let hash = slot.hash;
        self.used -= total(&chunks);
        let had_bytes = !chunks.is_empty();
        self.commands.extend(chunks.into_iter().map(|data| Command::SetAside(unit, data)));
        if let Some(hash) = hash.filter(|_| had_bytes) {
            self.commands.push(Command::KeepAside(unit, hash));
        }
        self.tell_mark(place);
    }

    /// Lets the head of a track pass, and whatever is whole behind it.
    fn advance(&mut self, track: u8) {
        let Some(lane) = self.lanes.get_mut(usize::from(track)) else { return };
        loop {
            let index = lane.head;
            let Some(slot) = lane.slots.get_mut(&index) else { return };
            let unit = Unit { output: track, index, identity: slot.identity };
            match (&mut slot.at, slot.hash) {
                (At::Memory { chunks, .. }, hash)
                    if hash.is_some() || self.takes_unverified && !lane.has_begin_open =>
                {
                    let mut offset = lane.offset;
                    self.used -= total(chunks);
                    for data in std::mem::take(chunks) {
                        let len = data.len() as u64;
                        self.commands.push(Command::Write { output: track, offset, data });
                        offset += len;
                    }
                    slot.at = At::Output;
                    if let Some(mark) = slot.mark.clone().filter(|_| slot.hash.is_none()) {
                        self.commands.push(Command::Mark { unit, aside: false, mark });
                    }
                }
                (At::Aside, Some(_)) => {
                    self.commands.push(Command::PlaceAside(unit, lane.offset));
                    slot.at = At::Moving;
                    lane.has_begin_open = false;
                    return;
                }
                (At::Output | At::Gap, Some(hash)) => {
                    lane.has_begin_open = false;
                    let (identity, offset, len) = (slot.identity, lane.offset, slot.len);
                    let placed = Placed { output: track, index, identity, offset, len, hash };
                    self.commands.push(Command::Record(placed));
                    lane.last = Some(placed);
                    lane.offset += len;
                    lane.slots.remove(&index);
                    lane.head += 1;
                    lane.head_moved = None;
                }
                _ => return,
            }
        }
    }
}

fn total(chunks: &[Bytes]) -> u64 {
    chunks.iter().map(|c| c.len() as u64).sum()
}

#[cfg(test)]
mod tests;

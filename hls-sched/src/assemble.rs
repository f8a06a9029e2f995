//! Puts units in order: what goes straight to its output, what waits in memory, what waits on disk, who pauses.
//!
//! The assembler is told what arrived and returns what to do. It reads no clock and touches no file.
//!
//! The unit that is next in an output is its *head*. A head never waits for memory, so some byte can always move: that is
//! the law the tests hold it to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hls_state::{Fingerprint, Placed, Unit};

/// Nothing older than this lives only in memory.
const OLDEST_IN_MEMORY: Duration = Duration::from_secs(2);
/// A pause for lack of memory never lasts longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A head without a byte for this long ends all pauses.
const STARVED: Duration = Duration::from_millis(500);

/// A unit's place: its track, and its number in the order of that track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The track, which is also the number of its output.
    pub track: u8,
    /// The place in the order, from 0.
    pub index: u64,
}

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
    slots: BTreeMap<u64, Slot>,
    head_moved: Option<Instant>,
    gaps: u64,
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
        Self { identity, attempt, len: 0, hash: None, at, paused: None }
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
            slots: BTreeMap::new(),
            head_moved: None,
            gaps: 0,
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
        self.lanes.iter().all(|lane| lane.head >= lane.end)
    }

    /// Bytes that wait in memory.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.used
    }

    /// Places that were skipped.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.gaps).sum()
    }

    /// An attempt for a unit begins; `attempt` is a number that no other attempt has.
    pub fn begin(&mut self, place: Place, identity: u128, attempt: u64, now: Instant) {
        let takes_unverified = self.takes_unverified;
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return };
        let mut slot = Slot::new(identity, attempt);
        if place.index == lane.head {
            lane.head_moved = Some(now);
            if takes_unverified {
                slot.at = At::Output;
            }
        }
        lane.slots.insert(place.index, slot);
    }

    /// A unit that an earlier run left in a file is there again.
    pub fn found_aside(&mut self, unit: Unit, len: u64) {
        let Some(lane) = self.lanes.get_mut(usize::from(unit.output)) else { return };
        let slot = Slot { len, hash: Some(Fingerprint(0)), at: At::Aside, ..Slot::new(unit.identity, 0) };
        lane.slots.insert(unit.index, slot);
        self.advance(unit.output);
    }

    /// Offers bytes of a unit. `in_flight`: bytes handed to the writer that it has not written yet.
    pub fn offer(&mut self, place: Place, attempt: u64, data: Bytes, in_flight: u64, now: Instant) -> Offer {
        let room = self.budget.saturating_sub(self.used + in_flight);
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

    /// A unit is whole and verified. `false`: it is no longer this attempt's.
    pub fn complete(&mut self, place: Place, attempt: u64, hash: Fingerprint) -> bool {
        let Some(slot) = self.slot(place).filter(|slot| slot.attempt == attempt && slot.hash.is_none())
        else {
            return false;
        };
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
        self.advance(place.track);
        true
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
        let Some(slot) = lane.slots.remove(&place.index) else { return };
        if right {
            lane.offset += slot.len;
            lane.head += 1;
            lane.head_moved = None;
            self.advance(place.track);
        }
    }

    /// Moves to disk what waits too long, and ends pauses that last too long or starve a head.
    pub fn tick(&mut self, now: Instant) {
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
                let paused = slot.paused.is_some() && (starving || older(slot.paused, LONGEST_PAUSE));
                if (too_old || paused) && (index != lane.head || !self.takes_unverified) {
                    leaving.push(Place { track, index });
                }
            }
        }
        leaving.into_iter().for_each(|place| self.move_aside(place));
    }

    /// Moves every whole unit that waits in memory to disk: the job ends here for now.
    pub fn evacuate(&mut self) {
        let mut places = Vec::new();
        for (track, lane) in (0..=u8::MAX).zip(&self.lanes) {
            places.extend(lane.slots.iter().map(|(&index, slot)| (Place { track, index }, slot.hash)));
        }
        for (place, hash) in places {
            match hash {
                Some(_) => self.move_aside(place),
                None => self.fail(place),
            }
        }
    }

    fn slot(&mut self, place: Place) -> Option<&mut Slot> {
        self.lanes.get_mut(usize::from(place.track))?.slots.get_mut(&place.index)
    }

    fn move_aside(&mut self, place: Place) {
        let Some(slot) = self.slot(place) else { return };
        let At::Memory { chunks, .. } = std::mem::replace(&mut slot.at, At::Aside) else { return };
        slot.paused = None;
        let unit = Unit { output: place.track, index: place.index, identity: slot.identity };
        let hash = slot.hash;
        self.used -= total(&chunks);
        let had_bytes = !chunks.is_empty();
        self.commands.extend(chunks.into_iter().map(|data| Command::SetAside(unit, data)));
        if let Some(hash) = hash.filter(|_| had_bytes) {
            self.commands.push(Command::KeepAside(unit, hash));
        }
    }

    /// Lets the head of a track pass, and whatever is whole behind it.
    fn advance(&mut self, track: u8) {
        let Some(lane) = self.lanes.get_mut(usize::from(track)) else { return };
        loop {
            let index = lane.head;
            let Some(slot) = lane.slots.get_mut(&index) else { return };
            let unit = Unit { output: track, index, identity: slot.identity };
            match (&mut slot.at, slot.hash) {
                (At::Memory { chunks, .. }, hash) if hash.is_some() || self.takes_unverified => {
                    let mut offset = lane.offset;
                    self.used -= total(chunks);
                    for data in std::mem::take(chunks) {
                        let len = data.len() as u64;
                        self.commands.push(Command::Write { output: track, offset, data });
                        offset += len;
                    }
                    slot.at = At::Output;
                }
                (At::Aside, Some(_)) => {
                    self.commands.push(Command::PlaceAside(unit, lane.offset));
                    slot.at = At::Moving;
                    return;
                }
                (At::Output | At::Gap, Some(hash)) => {
                    let (identity, offset, len) = (slot.identity, lane.offset, slot.len);
                    let placed = Placed { output: track, index, identity, offset, len, hash };
                    self.commands.push(Command::Record(placed));
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(index: u64) -> Place {
        Place { track: 0, index }
    }

    fn data(n: usize) -> Bytes {
        Bytes::from(vec![7; n])
    }

    fn done(assembler: &mut Assembler) -> Vec<String> {
        let name = |command: Command| match command {
            Command::Write { offset, data, .. } => format!("write {}@{offset}", data.len()),
            Command::Cut { offset, .. } => format!("cut {offset}"),
            Command::Record(p) => format!("record {} {}@{}", p.index, p.len, p.offset),
            Command::SetAside(unit, data) => format!("aside {} {}", unit.index, data.len()),
            Command::KeepAside(unit, _) => format!("keep {}", unit.index),
            Command::DropAside(unit) => format!("drop {}", unit.index),
            Command::PlaceAside(unit, offset) => format!("place {}@{offset}", unit.index),
        };
        assembler.commands().map(name).collect()
    }

    fn started(takes_unverified: bool, budget: u64, units: u64) -> (Assembler, Instant) {
        let (mut assembler, now) =
            (Assembler::new(&[(0, 0, units)], takes_unverified, budget), Instant::now());
        (0..units).for_each(|n| assembler.begin(at(n), n.into(), 1, now));
        (assembler, now)
    }

    #[test]
    fn the_head_streams_and_the_others_wait() {
        let (mut a, now) = started(true, 100, 3);
        a.offer(at(1), 1, data(10), 0, now);
        a.offer(at(0), 1, data(5), 0, now);
        assert_eq!(done(&mut a), ["write 5@0"]);
        a.complete(at(1), 1, Fingerprint(1));
        assert_eq!((a.held(), done(&mut a).len()), (10, 0));
        a.offer(at(2), 1, data(3), 0, now);
        a.complete(at(0), 1, Fingerprint(0));
        // The third one is the head now, and what it had in memory is written at once.
        assert_eq!(done(&mut a), ["record 0 5@0", "write 10@5", "record 1 10@5", "write 3@15"]);
        a.offer(at(2), 1, data(4), 0, now);
        a.complete(at(2), 1, Fingerprint(2));
        assert_eq!(done(&mut a), ["write 4@18", "record 2 7@15"]);
        assert!(a.is_complete() && a.held() == 0);
    }

    #[test]
    fn a_failed_head_is_cut_off_where_it_began() {
        let (mut a, now) = started(true, 100, 2);
        a.offer(at(0), 1, data(5), 0, now);
        a.complete(at(0), 1, Fingerprint(0));
        a.offer(at(1), 1, data(6), 0, now);
        a.fail(at(1));
        assert_eq!(done(&mut a), ["write 5@0", "record 0 5@0", "write 6@5", "cut 5"]);
        a.begin(at(1), 1, 1, now);
        a.offer(at(1), 1, data(7), 0, now);
        a.complete(at(1), 1, Fingerprint(1));
        assert_eq!(done(&mut a), ["write 7@5", "record 1 7@5"]);
    }

    #[test]
    fn a_full_budget_pauses_all_but_the_head_and_never_for_long() {
        let (mut a, now) = started(true, 10, 3);
        assert_eq!(a.offer(at(1), 1, data(8), 0, now), Offer::Taken);
        assert_eq!(a.offer(at(2), 1, data(8), 0, now), Offer::Pause(data(8)));
        assert_eq!(a.offer(at(0), 1, data(50), 0, now), Offer::Taken);
        a.tick(now + 400 * MS);
        assert_eq!(a.offer(at(2), 1, data(8), 0, now + 400 * MS), Offer::Pause(data(8)));
        // The head has had no byte for 500 ms.
        a.tick(now + 500 * MS);
        assert_eq!(a.offer(at(2), 1, data(8), 0, now + 500 * MS), Offer::Taken);
        assert_eq!(done(&mut a), ["write 50@0", "aside 2 8"]);
        // What the writer has not written yet counts too.
        let (mut a, now) = started(true, 10, 2);
        assert_eq!(a.offer(at(1), 1, data(8), 5, now), Offer::Pause(data(8)));
    }

    #[test]
    fn a_long_wait_moves_to_disk_and_back() {
        let (mut a, now) = started(true, 100, 3);
        a.offer(at(1), 1, data(8), 0, now);
        a.complete(at(1), 1, Fingerprint(1));
        a.offer(at(2), 1, data(8), 0, now);
        a.tick(now + 2000 * MS);
        assert_eq!(done(&mut a), ["aside 1 8", "keep 1", "aside 2 8"]);
        a.offer(at(2), 1, data(1), 0, now);
        a.complete(at(2), 1, Fingerprint(2));
        a.offer(at(0), 1, data(4), 0, now);
        a.complete(at(0), 1, Fingerprint(0));
        assert_eq!(done(&mut a), ["aside 2 1", "keep 2", "write 4@0", "record 0 4@0", "place 1@4"]);
        a.placed(at(1), true);
        assert_eq!(done(&mut a), ["place 2@12"]);
        // The file was damaged meanwhile: the unit is had again.
        a.placed(at(2), false);
        assert!(!a.is_complete());
        a.begin(at(2), 2, 1, now);
        a.offer(at(2), 1, data(9), 0, now);
        a.complete(at(2), 1, Fingerprint(2));
        assert_eq!(done(&mut a), ["write 9@12", "record 2 9@12"]);
    }

    #[test]
    fn a_pipe_gets_whole_units_only() {
        let (mut a, now) = started(false, 10, 2);
        a.offer(at(0), 1, data(6), 0, now);
        assert!(done(&mut a).is_empty());
        // Larger than the budget: spooled, and never paused.
        assert_eq!(a.offer(at(0), 1, data(6), 0, now), Offer::Taken);
        assert_eq!(done(&mut a), ["aside 0 6", "aside 0 6"]);
        a.offer(at(1), 1, data(2), 0, now);
        a.complete(at(1), 1, Fingerprint(1));
        a.complete(at(0), 1, Fingerprint(0));
        assert_eq!(done(&mut a), ["keep 0", "place 0@0"]);
        a.placed(at(0), true);
        assert_eq!(done(&mut a), ["write 2@12", "record 1 2@12"]);
    }

    #[test]
    fn what_a_given_up_attempt_still_delivers_is_nobodys() {
        let (mut a, now) = started(true, 100, 2);
        a.offer(at(0), 1, data(4), 0, now);
        a.fail(at(0));
        a.begin(at(0), 0, 2, now);
        assert_eq!(a.offer(at(0), 1, data(4), 0, now), Offer::Gone);
        assert!(!a.complete(at(0), 1, Fingerprint(0)));
        assert_eq!(a.offer(at(0), 2, data(3), 0, now), Offer::Taken);
        assert!(a.complete(at(0), 2, Fingerprint(0)));
        assert_eq!(done(&mut a), ["write 4@0", "cut 0", "write 3@0", "record 0 3@0"]);
    }

    #[test]
    fn a_gap_holds_its_place() {
        let (mut a, now) = started(true, 100, 3);
        a.offer(at(2), 1, data(2), 0, now);
        a.complete(at(2), 1, Fingerprint(2));
        a.skip(at(1), 1);
        a.skip(at(0), 0);
        assert_eq!(done(&mut a), ["record 0 0@0", "record 1 0@0", "write 2@0", "record 2 2@0"]);
        assert_eq!((a.gaps(), a.is_complete()), (2, true));
    }

    #[test]
    fn at_the_end_of_a_run_whole_units_are_kept_and_the_rest_is_dropped() {
        let (mut a, now) = started(true, 100, 3);
        a.offer(at(0), 1, data(4), 0, now);
        a.offer(at(1), 1, data(8), 0, now);
        a.complete(at(1), 1, Fingerprint(1));
        a.offer(at(2), 1, data(8), 0, now);
        a.evacuate();
        assert_eq!(done(&mut a), ["write 4@0", "cut 0", "aside 1 8", "keep 1"]);
        assert_eq!(a.held(), 0);
    }

    /// Carries commands out on plain memory, as the writer does on disk.
    #[derive(Default)]
    struct Disk {
        output: Vec<u8>,
        aside: BTreeMap<u64, Vec<u8>>,
        recorded: u64,
    }

    impl Disk {
        fn carry_out(&mut self, a: &mut Assembler) {
            loop {
                let commands: Vec<_> = a.commands().collect();
                if commands.is_empty() {
                    return;
                }
                for command in commands {
                    match command {
                        Command::Write { offset, data, .. } => {
                            self.output.resize(offset as usize, 0xff);
                            self.output.extend_from_slice(&data);
                        }
                        Command::Cut { offset, .. } => self.output.truncate(offset as usize),
                        Command::Record(p) => {
                            assert_eq!(p.index, self.recorded);
                            self.recorded += 1;
                        }
                        Command::SetAside(u, data) => self.aside.entry(u.index).or_default().extend(&data),
                        Command::KeepAside(u, _) => assert!(self.aside.contains_key(&u.index)),
                        Command::DropAside(u) => drop(self.aside.remove(&u.index)),
                        Command::PlaceAside(u, offset) => {
                            let data = self.aside.remove(&u.index).expect("kept before it is placed");
                            self.output.truncate(offset as usize);
                            self.output.extend(data);
                            self.recorded += 1;
                            a.placed(at(u.index), true);
                        }
                    }
                }
            }
        }
    }

    proptest! {
        /// Whatever arrives in whatever order, with failures and time passing: all units end in the output in order, the
        /// budget is never exceeded, and a head is never paused.
        #[test]
        fn all_bytes_arrive_in_order(
            steps in proptest::collection::vec((0..6_u64, 0..8_u8, 1..40_usize), 0..300),
            takes_unverified: bool,
            budget in 0..120_u64,
        ) {
            let (mut a, mut now) = started(takes_unverified, budget, 6);
            let mut disk = Disk::default();
            let content = |unit: u64, from: usize, n: usize| -> Bytes {
                (from..from + n).map(|k| (unit as usize * 50 + k) as u8).collect::<Vec<_>>().into()
            };
            let mut got = [0_usize; 6];
            let mut whole = [false; 6];
            let end = 50;
            let finish = (0..6).flat_map(|n| [(n, 9, end), (n, 8, 0)]);
            for (unit, kind, n) in steps.into_iter().chain(finish) {
                let (u, place) = (unit as usize, at(unit));
                if whole[u] {
                    continue;
                }
                match kind {
                    0 => {
                        a.fail(place);
                        a.begin(place, unit.into(), 1, now);
                        got[u] = 0;
                    }
                    1 => {
                        now += 100 * MS * n as u32;
                        a.tick(now);
                    }
                    8 => {
                        prop_assert_eq!(got[u], end);
                        prop_assert!(a.complete(place, 1, Fingerprint(0)));
                        whole[u] = true;
                    }
                    _ => {
                        let n = n.min(end - got[u]);
                        if n == 0 {
                            continue;
                        }
                        let is_head = a.head(0) == unit;
                        match a.offer(place, 1, content(unit, got[u], n), 0, now) {
                            Offer::Taken => got[u] += n,
                            Offer::Gone => prop_assert!(false, "an attempt lost its unit"),
                            Offer::Pause(same) => {
                                prop_assert!(!is_head, "a head was paused");
                                // The pause ends by itself.
                                a.tick(now + LONGEST_PAUSE);
                                prop_assert_eq!(a.offer(place, 1, same, 0, now), Offer::Taken);
                                got[u] += n;
                            }
                        }
                    }
                }
                prop_assert!(a.held() <= budget);
                disk.carry_out(&mut a);
            }
            prop_assert!(a.is_complete());
            let expect: Vec<u8> = (0..6).flat_map(|u| content(u, 0, end).to_vec()).collect();
            prop_assert_eq!(disk.output, expect);
            prop_assert_eq!(disk.recorded, 6);
        }
    }
}

//! What is there when tracks begin, and where their first unit goes.

use hls_state::{Fingerprint, Mark, Unit};

use crate::place::Place;

use super::{Assembler, At, Slot};

impl Assembler {
    /// Where the first unit of a track goes is not known before it is whole: [`begins_at`](Self::begins_at) tells it then,
    /// and otherwise it is where the track began.
    pub(crate) fn leave_begin_open(&mut self, track: u8) {
        if let Some(lane) = self.lanes.get_mut(usize::from(track)) {
            lane.has_begin_open = lane.head == 0;
        }
    }

    /// Where the first unit of a track goes, which is about to be complete.
    pub(crate) fn begins_at(&mut self, place: Place, offset: u64) {
        let Some(lane) = self.lanes.get_mut(usize::from(place.track)) else { return };
        if lane.has_begin_open && place.index == 0 {
            (lane.offset, lane.has_begin_open) = (offset, false);
        }
    }

    /// A unit that an earlier run left in a file is there again.
    pub fn found_aside(&mut self, unit: Unit, len: u64) {
        let Some(lane) = self.lanes.get_mut(usize::from(unit.output)) else { return };
        let slot = Slot { len, hash: Some(Fingerprint(0)), at: At::Aside, ..Slot::new(unit.identity, 0) };
        lane.slots.insert(unit.index, slot);
        self.advance(unit.output);
    }

    /// The first bytes of a unit that an earlier run left are there again: set aside, or in the output where the unit is the
    /// head.
    pub fn found_partial(&mut self, unit: Unit, aside: bool, mark: Mark) {
        let Some(lane) = self.lanes.get_mut(usize::from(unit.output)) else { return };
        let at = if aside { At::Aside } else { At::Output };
        let slot = Slot { len: mark.len, at, mark: Some(mark), ..Slot::new(unit.identity, 0) };
        lane.slots.insert(unit.index, slot);
    }
}

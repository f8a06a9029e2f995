//! Tracks whose end is not known yet.

use crate::place::Place;

use super::Assembler;

impl Assembler {
    /// A track has so many units now; `grows`: more may come, and the job is not complete before that is taken back.
    pub fn grow(&mut self, track: u8, units: u64, grows: bool) {
        if let Some(lane) = self.lanes.get_mut(usize::from(track)) {
            lane.end = lane.end.max(units);
            lane.grows = grows;
        }
    }

    /// Places that were skipped.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.gaps).sum()
    }

    /// How many units a track has.
    #[must_use]
    pub fn end(&self, track: u8) -> u64 {
        self.lanes.get(usize::from(track)).map_or(0, |lane| lane.end)
    }

    /// Ends a track in front of a place: what is there of it, and behind it, is dropped.
    pub fn end_before(&mut self, track: u8, index: u64) {
        let Some(lane) = self.lanes.get_mut(usize::from(track)) else { return };
        lane.end = index.max(lane.head);
        lane.grows = false;
        let dropped: Vec<_> =
            lane.slots.range(lane.end..).map(|(&index, _)| Place { track, index }).collect();
        dropped.into_iter().for_each(|place| self.fail(place));
    }

    /// Ends a track with what is whole. Returns the places in front of that which are not, to be skipped; what is behind it is
    /// dropped.
    pub fn end_here(&mut self, track: u8) -> Vec<Place> {
        let Some(lane) = self.lanes.get_mut(usize::from(track)) else { return Vec::new() };
        let whole = lane.slots.iter().rev().find(|(_, slot)| slot.hash.is_some()).map(|(index, _)| *index);
        let end = whole.map_or(lane.head, |last| last + 1);
        let missing = |index: &u64| lane.slots.get(index).is_none_or(|slot| slot.hash.is_none());
        let skipped = (lane.head..end).filter(missing).map(|index| Place { track, index }).collect();
        self.end_before(track, end);
        skipped
    }
}

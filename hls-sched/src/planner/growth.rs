//! Tracks whose end is not known yet.

use super::Planner;

impl Planner {
    /// A track has so many units now.
    pub fn grow(&mut self, track: u8, units: u64) {
        if let Some(lane) = self.lane(track) {
            lane.end = lane.end.max(units);
        }
    }

    /// A track ends in front of this place.
    pub fn end_before(&mut self, track: u8, index: u64) {
        if let Some(lane) = self.lane(track) {
            lane.end = index.max(lane.head);
            lane.again.split_off(&lane.end);
        }
    }
}

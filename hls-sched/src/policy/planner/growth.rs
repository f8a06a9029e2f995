//! Tracks whose end is not known yet.

use std::time::Instant;

use super::Planner;
use super::lane::Again;
use crate::place::Place;

impl Planner {
    /// A track has so many units now.
    pub fn grow(&mut self, track: u8, units: u64) {
        if let Some(lane) = self.lane(track) {
            lane.end = lane.end.max(units);
        }
    }

    /// A unit is to be had in another place: what it waited for in the former one, and how often it failed there, counts no more.
    pub fn moved(&mut self, place: Place, now: Instant) {
        let before = self.doubted.len();
        self.doubted.retain(|doubted| doubted.place != place);
        let was_doubted = before != self.doubted.len();
        if let Some(lane) = self.lane(place.track)
            && (was_doubted || lane.again.contains_key(&place.index))
        {
            lane.again.insert(place.index, Again::at(now));
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

//! Where a unit is in a job.

/// A unit's place: its track, and its number in the order of that track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The track, which is also the number of its output.
    pub track: u8,
    /// The place in the order, from 0.
    pub index: u64,
}

//! What is known of a unit without its URL, which costs more to make out than all the rest.

use std::time::Duration;

use hls_parse::{Encryption, Segment};

use super::{INIT, Track, Unit};

impl Track {
    /// Where a segment begins, from the start of the track.
    pub(crate) fn start_of(&self, unit: &Unit) -> Duration {
        if let Some(live) = unit.live {
            return live.start;
        }
        let before = usize::try_from(unit.number).unwrap_or(usize::MAX);
        self.media().segments().take(before).map(|segment| segment.duration()).sum()
    }

    /// Whether the unit at this place is an initialization section.
    pub(crate) fn is_init(&self, index: u64) -> bool {
        let Ok(index) = usize::try_from(index) else { return false };
        match self.grown(|growing| growing.units.get(index).is_some_and(|unit| unit.is_init)) {
            Some(is_init) => is_init,
            None => self.units.get(index).is_some_and(|code| code & INIT != 0),
        }
    }

    /// Places from `first` on of segments that can't be fetched by what the playlist says.
    pub(crate) fn gaps_from(&self, first: u64) -> impl Iterator<Item = u64> {
        let media = self.media();
        let is_one = move |index: u64| {
            let Ok(index) = usize::try_from(index) else { return false };
            if let Some(is_gap) =
                self.grown(|growing| growing.units.get(index).is_some_and(|unit| unit.is_gap))
            {
                return is_gap;
            }
            let Some(&code) = self.units.get(index) else { return false };
            let (number, is_init) = ((code & !INIT) as usize, code & INIT != 0);
            media.segment(number).is_some_and(|segment| is_gap(&segment, is_init))
        };
        (first..self.units()).filter(move |index| is_one(*index))
    }
}

/// Whether a segment, or the initialization section that it needs, can't be fetched by what the playlist says.
pub(super) fn is_gap(segment: &Segment<'_>, is_init: bool) -> bool {
    let map = segment.map().filter(|_| is_init);
    let encryption = map.map_or_else(|| segment.encryption(), |map| &map.encryption);
    segment.is_gap() && !is_init || is_unreadable(encryption)
}

/// Whether a unit is encrypted in a way that is not supported.
pub(super) fn is_unreadable(encryption: &Encryption) -> bool {
    !matches!(encryption, Encryption::Clear | Encryption::Aes128 { .. })
}

//! The units that were read last from a playlist.

use std::sync::{Mutex, PoisonError};

use super::Unit;

/// The next unit is looked at several times before it is asked for, and few are next at once.
const MANY: usize = 4;

/// The units that were read last, by their place. Reading one parses its URL.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Vec<(u64, Unit)>>);

impl Recent {
    /// Returns the unit at a place, as it was read before or as `read` reads it.
    pub(super) fn unit(&self, index: u64, read: impl FnOnce() -> Option<Unit>) -> Option<Unit> {
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, unit)) = units.iter().find(|(known, _)| *known == index) {
            return Some(unit.clone());
        }
        // Under the lock, or what an old playlist says could come in behind `clear`.
        let unit = read()?;
        if units.len() >= MANY {
            units.remove(0);
        }
        units.push((index, unit.clone()));
        Some(unit)
    }

    /// Forgets all units: the playlist is another one.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

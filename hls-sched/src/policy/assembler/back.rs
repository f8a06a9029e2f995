//! Units that were whole and are taken back.

use crate::place::Place;

use super::{Assembler, At, Command, Slot};

impl Assembler {
    /// Whether a unit is whole and waits for its turn, so that taking it back costs no byte of the output.
    #[must_use]
    pub fn is_waiting(&self, place: Place) -> bool {
        let slot = self.lanes.get(usize::from(place.track)).and_then(|lane| lane.slots.get(&place.index));
        matches!(slot, Some(Slot { hash: Some(_), at: At::Memory { .. } | At::Aside, .. }))
    }

    /// Discards a whole unit that is not what it should be, so that it is fetched again. Returns how many bytes it had. Returns
    /// `None` where its output holds it, or soon will: the output is cut back to where it begins, so that no later run trusts it.
    pub fn take_back(&mut self, place: Place) -> Option<u64> {
        let lane = self.lanes.get_mut(usize::from(place.track))?;
        let offset = match lane.slots.get(&place.index) {
            Some(Slot { len, hash: Some(_), at: At::Memory { .. } | At::Aside, .. }) => {
                let len = *len;
                self.fail(place);
                return Some(len);
            }
            Some(Slot { at: At::Moving, .. }) => lane.offset,
            _ => lane.last.filter(|last| last.index == place.index)?.offset,
        };
        self.commands.push(Command::Cut { output: place.track, offset });
        None
    }
}

//! Units that were whole and are taken back.

use super::{Assembler, At, Command, Place, Slot};

impl Assembler {
    /// Whether a unit is whole and waits for its turn, so that taking it back costs no byte of the output.
    #[must_use]
    pub fn is_waiting(&self, place: Place) -> bool {
        let slot = self.lanes.get(usize::from(place.track)).and_then(|lane| lane.slots.get(&place.index));
        matches!(slot, Some(Slot { hash: Some(_), at: At::Memory { .. } | At::Aside, .. }))
    }

    /// A whole unit is not what it should be, and has to be had again; returns how many bytes it had. `None`: it is in its output
    /// already, or on its way there, and that is cut back to where it begins, so that no later run takes it for right.
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

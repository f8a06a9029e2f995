//! What sets a job back without an attempt having failed: damage on the disk, a disk that is full, a reader that has gone.

use hls_state::Placed;
use tokio::time::Instant;

use super::Engine;
use crate::assemble::Place;
use crate::error::{Error, Kind};
use crate::event::Event;
use crate::space;

/// What the check of an earlier run's outputs has found.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    pub(super) units: u64,
    pub(super) segments: u64,
    /// It is through.
    pub(super) is_all: bool,
}

impl Engine {
    /// A unit of an earlier run has to be had again, to be written where it was.
    pub(super) fn found_damaged(&mut self, placed: Placed) {
        let place = Place { track: placed.output, index: placed.index };
        let segments = u64::from(self.shared.tracks.at(place).is_some_and(|(_, unit)| !unit.is_init));
        self.damaged.units += 1;
        self.damaged.segments += segments;
        self.bytes = self.bytes.saturating_sub(placed.len);
        self.segments_done = self.segments_done.saturating_sub(segments);
        self.saved = self.saved.saturating_sub(segments);
        self.shared.assemble(|assembler| assembler.found_damaged(placed));
        self.planner.lost(place, Instant::now().into_std());
    }

    /// What an earlier run left has been looked at to its end.
    pub(super) fn check_ended(&mut self) {
        self.damaged.is_all = true;
        let units = self.damaged.units;
        if units > 0 {
            let message =
                format!("{units} units of the earlier run are damaged on disk; they are fetched again");
            let _ = self.shared.events.send(Event::Warning { kind: "state", message });
        }
    }

    pub(super) fn write_error(&self, error: hls_state::Error) -> Error {
        let gone = std::error::Error::source(&error)
            .and_then(|e| e.downcast_ref::<std::io::Error>())
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe);
        if self.output.is_none() && gone {
            return Error::new(Kind::ReaderGone, "output.closed", "whoever read the output has gone");
        }
        let free = self.output.as_ref().and_then(|output| space::free_beside(output));
        match error.kind() {
            hls_state::Kind::Full => Error::state(error).also(&space::balance(self.still_needed(), free)),
            _ => Error::state(error),
        }
    }
}

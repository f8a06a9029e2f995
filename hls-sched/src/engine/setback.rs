//! What sets a job back though no server is to blame: damage on the disk, a disk that is full, too many open files, a reader
//! that has gone.

use hls_fetch::Class;
use hls_state::Placed;
use tokio::time::Instant;

use super::Engine;
use crate::error::{Error, Kind};
use crate::event::Event;
use crate::place::Place;
use crate::store::space;

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
        let segments = self.segments_at(place);
        self.damaged.units += 1;
        self.damaged.segments += segments;
        self.saved = self.saved.saturating_sub(segments);
        self.shared.assemble(|assembler| assembler.found_damaged(placed));
        self.again(place, placed.len);
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

    /// A unit that had been set aside is in its output, or turned out to be damaged.
    pub(super) fn placed(&mut self, place: Place, right: bool) {
        let bytes = self.shared.assemble(|assembler| {
            let bytes = assembler.received(place);
            assembler.placed(place, right);
            bytes
        });
        self.shared.room.notify_waiters();
        if !right {
            self.again(place, bytes);
            self.saved = self.saved.saturating_sub(self.segments_at(place));
        }
        self.heads();
    }

    /// A unit that had been set aside is gone before it was saved.
    pub(super) fn lost(&mut self, place: Place) {
        match self.shared.assemble(|assembler| assembler.lost_aside(place)) {
            Some(bytes) => self.again(place, bytes),
            // That it could not be placed is heard next, and takes this off again.
            None => self.saved += self.segments_at(place),
        }
    }

    /// Fetches segments again that an attempt has taken back.
    pub(super) fn fetch_taken_back(&mut self) {
        for (place, bytes) in self.shared.order.taken_back() {
            // One that came a moment ago counts first, and is lost then.
            match self.handles.values().any(|running| running.place == place) {
                true => self.shared.order.took_back(place, bytes),
                false => self.again(place, bytes),
            }
        }
    }

    /// A unit that was verified has to be had again.
    pub(super) fn again(&mut self, place: Place, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.segments_done = self.segments_done.saturating_sub(self.segments_at(place));
        self.planner.lost(place, Instant::now().into_std());
    }

    /// 1 for a segment, 0 for an initialization section.
    fn segments_at(&self, place: Place) -> u64 {
        u64::from(self.shared.tracks.at(place).is_some_and(|(_, unit)| !unit.is_init))
    }

    /// The class by which it is decided whether an attempt that failed is made again.
    pub(super) fn judged(&mut self, error: &Error) -> Class {
        if !error.is_out_of_descriptors() {
            return error.class();
        }
        // It comes and goes as the network does: others close what they have open.
        self.narrow();
        Class::Network
    }

    /// No more files and connections may be open: one attempt at a time from now on.
    pub(super) fn narrow(&mut self) {
        if std::mem::replace(&mut self.is_narrow, true) {
            return;
        }
        let message = "no more files and connections may be open: one segment at a time from now on";
        let _ = self.shared.events.send(Event::Warning { kind: "descriptors", message: message.to_owned() });
        let now = Instant::now().into_std();
        self.widen(now);
        // All but the one nearest to the writer close what they have open, and come again.
        self.planner.shrink();
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

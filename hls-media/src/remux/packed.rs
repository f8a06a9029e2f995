//! Packed audio: frames with tags between them (rfc8216bis-22, section 3.1.3).

use std::time::Duration;

use super::{
    error::RemuxError,
    frames::Frames,
    pictures::Stamp,
    sample::{Sink, TrackInfo},
    sound::Extension,
};

/// Takes packed audio apart.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    frames: Frames,
    track: [TrackInfo; 1],
    offset: u64,
}

impl Packed {
    pub(crate) fn new(extension: Extension) -> Self {
        Self { frames: Frames::packed(extension), track: [TrackInfo::sound()], offset: 0 }
    }

    pub(crate) fn tracks(&self) -> &[TrackInfo] {
        &self.track
    }

    /// Begins a unit with what is pushed next.
    pub(crate) fn begin_unit(&mut self, unit: u32) {
        self.frames.stamp(Stamp { offset: self.offset, unit, time: None });
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        let [info] = &self.track;
        self.frames.pass(duration, info);
    }

    pub(crate) fn push<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Result<(), RemuxError> {
        let [info] = &mut self.track;
        // Pieces, so that the buffer stays small.
        for part in input.chunks(64 << 10) {
            self.frames.push(part, 0, info, sink)?;
        }
        self.offset += input.len() as u64;
        Ok(())
    }

    pub(crate) fn reset<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        let [info] = &mut self.track;
        self.frames.finish(0, info, sink)
    }
}

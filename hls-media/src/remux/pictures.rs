//! Video in a transport stream: packets of the elementary stream to samples.

use std::ops::Range;

use super::{
    avc::{Avc, Role},
    error::RemuxError,
    hevc::Hevc,
    nal::{Geometry, StartCodes},
    sample::{LARGEST_SAMPLE, Sample, Sink, TrackInfo},
};

/// Where and when something in an elementary stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) offset: u64,
    pub(crate) unit: u32,
    /// DTS and PTS; `None`: not said.
    pub(crate) time: Option<(i64, i64)>,
}

#[derive(Debug, Clone)]
enum Codec {
    Avc(Avc),
    Hevc(Hevc),
}

/// Makes a sample of each packet that has a timestamp, and of those without one behind it.
///
/// Start codes become lengths. Delimiters and filler data are dropped, as ISO/IEC 14496-15 wants it. Parameter sets go
/// into a sample entry and stay in the stream as well: players that follow sample entries switch by them, and those
/// that only ever read the first one find the sets where they are needed.
#[derive(Debug, Clone)]
pub(crate) struct Pictures {
    codec: Codec,
    codes: StartCodes,
    buffer: Vec<u8>,
    /// The NAL units of `buffer` that are kept.
    kept: Vec<Range<usize>>,
    stamp: Option<Stamp>,
    entry: Option<u8>,
}

impl Pictures {
    pub(crate) fn avc() -> Self {
        Self::new(Codec::Avc(Avc::default()))
    }

    pub(crate) fn hevc() -> Self {
        Self::new(Codec::Hevc(Hevc::default()))
    }

    fn new(codec: Codec) -> Self {
        let (codes, buffer, kept) = (StartCodes::default(), Vec::new(), Vec::new());
        Self { codec, codes, buffer, kept, stamp: None, entry: None }
    }

    /// Begins a packet.
    pub(crate) fn begin<S: Sink>(
        &mut self,
        stamp: Stamp,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        if stamp.time.is_some() {
            self.finish(track, info, sink)?;
            self.stamp = Some(stamp);
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), RemuxError> {
        let Some(stamp) = self.stamp else { return Ok(()) };
        if self.buffer.len() + bytes.len() > LARGEST_SAMPLE {
            return Err(RemuxError::TooLarge { offset: stamp.offset, what: "picture" });
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the sample that is under way.
    pub(crate) fn finish<S: Sink>(
        &mut self,
        track: usize,
        info: &mut TrackInfo,
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        if let Some(Stamp { offset, unit, time: Some((dts, pts)) }) = self.stamp.take() {
            let found = self.look();
            if found.pictures > if self.geometry().has_fields { 2 } else { 1 } {
                return Err(RemuxError::SeveralPictures { offset });
            }
            if found.changes || self.entry.is_none() {
                self.take_entry(info)?;
            }
            match self.entry {
                Some(entry) if !self.kept.is_empty() => {
                    let size = self.write(track, sink);
                    let is_sync = found.is_sync;
                    let sample = Sample { offset, unit, dts, pts, duration: 0, size, is_sync, entry };
                    sink.sample(track, info, sample)?;
                }
                _ => sink.skipped(track, offset, self.buffer.len() as u64),
            }
        }
        self.buffer.clear();
        Ok(())
    }

    fn geometry(&self) -> Geometry {
        match &self.codec {
            Codec::Avc(avc) => avc.geometry,
            Codec::Hevc(hevc) => hevc.geometry(),
        }
    }

    fn look(&mut self) -> Found {
        let mut found = Found::default();
        self.kept.clear();
        for range in self.codes.units(&self.buffer) {
            let nal = self.buffer.get(range.clone()).unwrap_or(&[]);
            let role = match &mut self.codec {
                Codec::Avc(avc) => avc.role(nal),
                Codec::Hevc(hevc) => hevc.role(nal),
            };
            match role {
                Role::Dropped => continue,
                Role::Picture { begins, is_sync } => {
                    found.pictures += u32::from(begins);
                    found.is_sync |= is_sync;
                }
                Role::EntryPoint => found.is_sync = true,
                Role::Parameters { changes } => found.changes |= changes,
                Role::Other => {}
            }
            self.kept.push(range);
        }
        found
    }

    fn take_entry(&mut self, info: &mut TrackInfo) -> Result<(), RemuxError> {
        let entry = match &self.codec {
            Codec::Avc(avc) => avc.entry(),
            Codec::Hevc(hevc) => hevc.entry(),
        };
        if let Some(entry) = entry {
            if info.entries.is_empty() {
                info.size = self.geometry().shown();
            }
            self.entry = Some(info.entry(entry)?);
        }
        Ok(())
    }

    fn write<S: Sink>(&self, track: usize, sink: &mut S) -> u32 {
        let mut size = 0_u32;
        for range in &self.kept {
            let nal = self.buffer.get(range.clone()).unwrap_or(&[]);
            // No more than `LARGEST_SAMPLE`.
            let len = nal.len() as u32;
            sink.data(track, &len.to_be_bytes());
            sink.data(track, nal);
            size += 4 + len;
        }
        size
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Found {
    pictures: u32,
    is_sync: bool,
    changes: bool,
}

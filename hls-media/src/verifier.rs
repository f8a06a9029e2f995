//! The verifier, which passes bytes to the check of their container.

use std::time::Duration;

use crate::{
    Configuration, Container, MediaError,
    audio::Frames,
    container::{SNIFF, Sniffed, sniff},
    fmp4::Boxes,
    fragment::Fragments,
    ts::Packets,
};

/// Recognises and verifies one unit as its bytes pass: a segment, an initialisation section, or both.
///
/// It takes the decrypted bytes in chunks of any size and copies none of them but the first few hundred. The
/// result does not depend on the chunking.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    bytes: u64,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Head(Vec<u8>),
    MpegTs(Packets),
    Fmp4(Boxes),
    PackedAudio(Frames),
    WebVtt,
    Failed(MediaError),
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Verifier {
    /// Begins a unit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes more bytes of the unit.
    ///
    /// # Errors
    ///
    /// As soon as the bytes can't be what they should be; the same error again for every call after it.
    pub fn push(&mut self, input: &[u8]) -> Result<(), MediaError> {
        self.bytes = self.bytes.saturating_add(input.len() as u64);
        let result = match &mut self.state {
            State::Head(head) if head.is_empty() && input.len() >= SNIFF => self.begin(input),
            State::Head(head) => {
                head.extend_from_slice(input);
                if head.len() < SNIFF {
                    return Ok(());
                }
                let head = std::mem::take(head);
                self.begin(&head)
            }
            _ => self.pass(input),
        };
        self.keep(result)
    }

    /// Ends the unit.
    ///
    /// # Errors
    ///
    /// Where the unit is not whole, or was not media in the first place.
    pub fn finish(&mut self) -> Result<Summary, MediaError> {
        if let State::Head(head) = &mut self.state {
            let head = std::mem::take(head);
            let result = self.begin(&head);
            self.keep(result)?;
        }
        let result = match &mut self.state {
            State::MpegTs(packets) => packets.finish().map(|()| (Container::MpegTs, Kind::Media)),
            State::Fmp4(boxes) => boxes.finish().map(|kind| (Container::Fmp4, kind)),
            State::PackedAudio(frames) => frames.finish().and_then(|()| {
                frames.container().map(|container| (container, Kind::Media)).ok_or(MediaError::NoFrames)
            }),
            State::WebVtt => Ok((Container::WebVtt, Kind::Media)),
            State::Failed(error) => Err(error.clone()),
            State::Head(_) => Err(MediaError::Unrecognised { first: String::new() }),
        };
        let (container, kind) = self.keep(result)?;
        let (time, broken_at) = match &self.state {
            State::MpegTs(packets) => {
                let continuity = packets.continuity();
                (Time::Told(continuity.timestamps().duration()), continuity.broken_at())
            }
            State::Fmp4(boxes) => (Time::Ticks(boxes.fragments().clone()), None),
            State::PackedAudio(frames) => (Time::Told(frames.duration()), None),
            State::WebVtt | State::Head(_) | State::Failed(_) => (Time::Told(None), None),
        };
        Ok(Summary { container, kind, bytes: self.bytes, broken_at, time })
    }

    /// Returns the container once it is known: after a few hundred bytes, or behind the tags of packed audio.
    pub fn container(&self) -> Option<Container> {
        match &self.state {
            State::MpegTs(_) => Some(Container::MpegTs),
            State::Fmp4(_) => Some(Container::Fmp4),
            State::PackedAudio(frames) => frames.container(),
            State::WebVtt => Some(Container::WebVtt),
            State::Head(_) | State::Failed(_) => None,
        }
    }

    fn begin(&mut self, head: &[u8]) -> Result<(), MediaError> {
        // No more than that is looked at, so that a longer chunk is not told differently.
        self.state = match sniff(head.get(..SNIFF).unwrap_or(head))? {
            Sniffed::MpegTs => State::MpegTs(Packets::default()),
            Sniffed::Fmp4 => State::Fmp4(Boxes::default()),
            Sniffed::PackedAudio => State::PackedAudio(Frames::default()),
            Sniffed::WebVtt => State::WebVtt,
        };
        self.pass(head)
    }

    fn pass(&mut self, input: &[u8]) -> Result<(), MediaError> {
        match &mut self.state {
            State::MpegTs(packets) => packets.push(input),
            State::Fmp4(boxes) => boxes.push(input),
            State::PackedAudio(frames) => frames.push(input),
            State::WebVtt | State::Head(_) => Ok(()),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn keep<T>(&mut self, result: Result<T, MediaError>) -> Result<T, MediaError> {
        if let Err(error) = &result {
            self.state = State::Failed(error.clone());
        }
        result
    }
}

/// What a unit that passed was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The container.
    pub container: Container,
    /// What the unit holds.
    pub kind: Kind,
    /// How many bytes it has.
    pub bytes: u64,
    /// MPEG-TS: the offset of the first packet before which others of its stream are missing by the continuity
    /// counters, or which says itself that it is damaged. Encoders make such streams too, so it is a doubt and no proof.
    pub broken_at: Option<u64>,
    time: Time,
}

/// What is known of the time that a unit lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Time {
    Told(Option<Duration>),
    Ticks(Fragments),
}

impl Summary {
    /// Returns how long the media is by its own timestamps, taken from the longest of its tracks.
    ///
    /// fMP4 needs its initialisation section for that. `None`: it does not tell, or too little of it to say so.
    pub fn duration(&self, init: Option<&Configuration>) -> Option<Duration> {
        match &self.time {
            Time::Told(duration) => *duration,
            Time::Ticks(fragments) => fragments.duration(init?),
        }
    }
}

/// What a unit holds; only fMP4 has initialisation sections that can be told from media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An initialisation section: a `moov` box and no media.
    Init,
    /// Media.
    Media,
    /// Both.
    Both,
}

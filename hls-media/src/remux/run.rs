//! Units of a transport stream that are no pieces by themselves, remuxed together at the end.

use super::{
    alone::{Collector, Notes},
    error::RemuxError,
    input::Input,
    program::Codec,
    record::{Event, Heard, Reader, Tracks},
    report::LeftOut,
    sample::{Sample, TrackInfo},
    sound::Extension,
    transport::Transport,
};

/// Makes samples of units that follow one another, of which none can be understood by itself.
#[derive(Debug)]
pub struct RunRemuxer {
    transport: Transport,
    collector: Collector<Events>,
}

/// What [`Film`](super::Film) has to know of the units.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) infos: Vec<TrackInfo>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) events: Vec<Event>,
    pub(crate) left_out: Vec<LeftOut>,
}

#[derive(Debug, Default)]
struct Events(Vec<Event>);

impl Notes for Events {
    fn sample(&mut self, track: usize, _: bool, sample: &Sample, heard: Heard) {
        self.0.push(Event::Sample { track, sample: *sample, heard });
    }

    fn damaged(&mut self, track: usize, bytes: u64) {
        self.0.push(Event::Damaged { track, bytes });
    }

    fn end_round(&mut self) {
        self.0.push(Event::RoundEnd);
    }
}

impl RunRemuxer {
    /// Begins with the record of the piece before, if there is one: units may go on with its tables and parameter sets.
    ///
    /// # Errors
    ///
    /// Where that piece has something that can't be put into an MP4.
    pub fn new(input: &Input, before: Option<&[u8]>) -> Result<Self, RemuxError> {
        let extension = input.codecs.as_deref().map(Extension::of).unwrap_or_default();
        let mut transport = Transport::new(extension, input.wants());
        let mut collector = Collector::new(input.takes, Events::default());
        if let Some((_, tracks)) = before.and_then(Reader::new) {
            transport.prime(&tracks, &mut collector)?;
        }
        Ok(Self { transport, collector })
    }

    /// Says that a unit begins with what is pushed next, and whether its clock is another one than that of the unit before.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn begin_unit(&mut self, number: usize, has_other_clock: bool) -> Result<(), RemuxError> {
        if has_other_clock {
            self.transport.reset(&mut self.collector)?;
        }
        self.transport.begin_unit(u32::try_from(number).unwrap_or(u32::MAX), &mut self.collector)
    }

    /// Takes more bytes, and returns what is ready of the output; it may be nothing.
    ///
    /// # Errors
    ///
    /// Where the bytes are damaged, or hold what can't be put into an MP4.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, RemuxError> {
        self.transport.push(bytes, &mut self.collector)?;
        Ok(std::mem::take(&mut self.collector.out).concat())
    }

    /// Ends the units, and returns the rest of what the output holds of them.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, Run), RemuxError> {
        self.transport.finish(&mut self.collector)?;
        self.collector.end_round();
        let run = Run {
            infos: self.transport.tracks().to_vec(),
            codecs: self.transport.codecs().to_vec(),
            events: self.collector.notes.0,
            left_out: self.transport.left_out().to_vec(),
        };
        Ok((self.collector.out.concat(), run))
    }
}

impl From<Run> for (Tracks, Vec<Event>) {
    fn from(run: Run) -> Self {
        let mut tracks = Tracks { infos: run.infos, codecs: run.codecs, ..Tracks::default() };
        tracks.beside.left_out = run.left_out;
        (tracks, run.events)
    }
}

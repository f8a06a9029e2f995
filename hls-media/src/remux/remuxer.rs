//! The second pass: the output, byte by byte.

use std::collections::VecDeque;

use super::{
    demuxer::Demuxer,
    error::RemuxError,
    index::{Indexed, IndexedTrack, checked},
    moov::Front,
    plan::{Plan, Source},
    report::Report,
    sample::{Sample, Sink, TrackInfo},
    text::TextTrack,
};

/// About how many bytes of tables are handed out at once.
const PIECE: usize = 256 << 10;

/// Makes the output: says what to write, and of which input it needs more.
///
/// See the [module](crate::remux) for what to do with it.
#[derive(Debug)]
pub struct Remuxer {
    plan: Plan,
    front: Front,
    state: State,
    feeds: Vec<Feed>,
    /// How many rounds, and chunks of text, are written.
    done: usize,
    out: Vec<u8>,
    /// The input that it came from.
    out_of: usize,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'a> {
    /// Write these bytes, behind those before.
    Write(&'a [u8]),
    /// Give [`Remuxer::push`] more of the input of this number, or [`Remuxer::end`] it.
    Read(usize),
    /// All is written.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Front,
    Text,
    Media,
    Done,
}

/// One input in the second pass.
#[derive(Debug)]
struct Feed {
    demuxer: Demuxer,
    collector: Collector,
    is_ended: bool,
}

/// Collects the samples of a round, those of each track behind one another.
#[derive(Debug)]
struct Collector {
    /// What the first pass has found: samples, bytes and checksum of each round still to come.
    expected: VecDeque<(u32, u64, u32)>,
    tracks: Vec<Track>,
    samples: u32,
    check: u32,
    ready: VecDeque<Vec<Vec<u8>>>,
    spare: Vec<Vec<u8>>,
    differs: bool,
}

/// What is collected of a track.
#[derive(Debug)]
struct Track {
    is_wanted: bool,
    data: Vec<u8>,
}

impl Remuxer {
    /// Plans the output.
    ///
    /// `texts` are subtitles to go along; [`Timeline`](super::Timeline) tells the times of their cues.
    ///
    /// # Errors
    ///
    /// Where there are no samples, or more than an MP4 can have, or times that it can't say.
    pub fn new(inputs: Vec<Indexed>, texts: &[TextTrack]) -> Result<Self, RemuxError> {
        let plan = Plan::new(inputs, texts)?;
        let feeds = plan.inputs.iter().map(Feed::new).collect();
        Ok(Self {
            front: Front::new(&plan),
            plan,
            state: State::Front,
            feeds,
            done: 0,
            out: Vec::new(),
            out_of: 0,
        })
    }

    /// Returns how many bytes the output will have.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.front.len() + self.plan.data_len()
    }

    /// Returns what is odd in the timing of the inputs.
    pub fn report(&self) -> &Report {
        &self.plan.report
    }

    /// Says what to do next.
    ///
    /// # Errors
    ///
    /// Where an input has ended and is not what it was in the first pass.
    pub fn step(&mut self) -> Result<Step<'_>, RemuxError> {
        self.out.clear();
        if self.state == State::Front {
            if self.front.write(&self.plan, &mut self.out, PIECE) {
                return Ok(Step::Write(&self.out));
            }
            self.state = State::Text;
        }
        if self.state == State::Text {
            if let Some(text) = self.plan.texts.get(self.done) {
                self.done += 1;
                return Ok(Step::Write(&text.data));
            }
            (self.state, self.done) = (State::Media, 0);
        }
        if self.state == State::Done {
            return Ok(Step::Done);
        }
        loop {
            let Some(input) = self.plan.order.get(self.done).map(|input| usize::from(*input)) else {
                self.state = State::Done;
                return Ok(Step::Done);
            };
            let Some(feed) = self.feeds.get_mut(input) else { return Err(RemuxError::Differs { input }) };
            let Some(tracks) = feed.collector.ready.front_mut() else {
                return if feed.is_ended {
                    Err(RemuxError::Differs { input })
                } else {
                    Ok(Step::Read(input))
                };
            };
            // Swapped and not copied; the vector goes back to where it came from when the next one comes, since those of sound
            // are many and small.
            if let Some(mut track) = tracks.pop() {
                std::mem::swap(&mut self.out, &mut track);
                let from = std::mem::replace(&mut self.out_of, input);
                if let Some(feed) = self.feeds.get_mut(from) {
                    feed.collector.spare.push(track);
                }
                if self.out.is_empty() {
                    continue;
                }
                return Ok(Step::Write(&self.out));
            }
            feed.collector.ready.pop_front();
            self.done += 1;
        }
    }

    /// Takes more bytes of an input, which are those of the first pass again.
    ///
    /// Memory grows by what is pushed; a mebibyte at a time is enough for any speed.
    ///
    /// # Errors
    ///
    /// Where the bytes are not those of the first pass.
    pub fn push(&mut self, input: usize, bytes: &[u8]) -> Result<(), RemuxError> {
        let differs = RemuxError::Differs { input };
        let (Some(feed), Some(indexed)) = (self.feeds.get_mut(input), self.plan.inputs.get(input)) else {
            return Err(differs);
        };
        // What was fine before and is no more is another input.
        let pushed = feed.demuxer.push(bytes, &indexed.input.units, &mut feed.collector);
        pushed.map_err(|_| differs.clone())?;
        if feed.collector.differs { Err(differs) } else { Ok(()) }
    }

    /// Ends an input.
    ///
    /// # Errors
    ///
    /// Where it is not what it was in the first pass.
    pub fn end(&mut self, input: usize) -> Result<(), RemuxError> {
        let differs = RemuxError::Differs { input };
        let Some(feed) = self.feeds.get_mut(input) else { return Err(differs) };
        feed.is_ended = true;
        feed.demuxer.finish(&mut feed.collector).map_err(|_| differs.clone())?;
        let collector = &feed.collector;
        if collector.differs || !collector.expected.is_empty() { Err(differs) } else { Ok(()) }
    }

    /// Returns the number of the input and the kind (`vide`, `soun` and so on) of each track in the output; `None`: text.
    pub fn tracks(&self) -> impl Iterator<Item = (Option<usize>, [u8; 4])> {
        self.plan.tracks.iter().map(|track| {
            let input = match track.source {
                Source::Input { input, .. } => Some(input),
                Source::Text(_) => None,
            };
            (input, track.info.handler)
        })
    }
}

impl Feed {
    fn new(input: &Indexed) -> Self {
        let mut chunks = input.chunks.iter();
        let expected = input.rounds.iter().map(|round| {
            let bytes = chunks.by_ref().take(round.chunks as usize).map(|chunk| u64::from(chunk.bytes)).sum();
            (round.samples, bytes, round.check)
        });
        let takes = input.input.takes;
        let track =
            |track: &IndexedTrack| Track { is_wanted: takes.takes(&track.info.handler), data: Vec::new() };
        let collector = Collector {
            expected: expected.collect(),
            tracks: input.tracks.iter().map(track).collect(),
            samples: 0,
            check: 0,
            ready: VecDeque::new(),
            spare: Vec::new(),
            differs: false,
        };
        Self { demuxer: Demuxer::new(&input.input), collector, is_ended: false }
    }
}

impl Sink for Collector {
    fn data(&mut self, track: usize, bytes: &[u8]) {
        match self.tracks.get_mut(track) {
            Some(track) if track.is_wanted => track.data.extend_from_slice(bytes),
            Some(_) => {}
            None => self.differs = true,
        }
    }

    fn sample(&mut self, track: usize, _: &TrackInfo, sample: Sample) -> Result<(), RemuxError> {
        if self.tracks.get(track).is_some_and(|track| !track.is_wanted) {
            return Ok(());
        }
        self.samples += 1;
        self.check = checked(self.check, track, sample.size);
        let Some((samples, bytes, check)) = self.expected.front() else {
            self.differs = true;
            return Ok(());
        };
        if self.samples < *samples {
            return Ok(());
        }
        let len = self.tracks.iter().map(|track| track.data.len() as u64).sum::<u64>();
        self.differs |= self.check != *check || len != *bytes;
        self.expected.pop_front();
        (self.samples, self.check) = (0, 0);
        // The last track first: they are taken from the end.
        let mut round = Vec::with_capacity(self.tracks.len());
        for track in self.tracks.iter_mut().rev() {
            let mut fresh = self.spare.pop().unwrap_or_default();
            fresh.clear();
            round.push(std::mem::replace(&mut track.data, fresh));
        }
        self.ready.push_back(round);
        Ok(())
    }

    fn skipped(&mut self, _: usize, _: u64, _: u64) {}
}

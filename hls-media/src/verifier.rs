//! The verifier, which passes bytes to the check of their container.

use std::time::Duration;

use crate::{
    Configuration, Container, MediaError,
    audio::Frames,
    border::Border,
    coding::{Coding, hash},
    fmp4::Boxes,
    fragment::Fragments,
    front::{self, Front, Look},
    lines::Lines,
    oddity::{Odd, Oddity},
    timestamps::{Sounds, Timestamps},
    ts::Packets,
};

/// Recognises and verifies one unit as its bytes pass: a segment, an initialisation section, or both.
///
/// It takes the decrypted bytes in chunks of any size and copies none of them but the first few hundred. The
/// result does not depend on the chunking.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    bytes: u64,
    lead: u64,
    tags: u64,
    /// Bytes in front that are no part of the container, whether they stay or not.
    skipped: u64,
    /// What is odd about how it begins.
    odd: Option<Oddity>,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Head(Vec<u8>),
    MpegTs(Box<Packets>),
    Fmp4(Box<Boxes>),
    PackedAudio(Frames),
    WebVtt(Lines),
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
            State::Head(head) if head.is_empty() => self.begin(input, false),
            State::Head(head) => {
                let mut head = std::mem::take(head);
                head.extend_from_slice(input);
                self.begin(&head, false)
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
            let result = self.begin(&head, true);
            self.keep(result)?;
        }
        let mut oddities = Vec::from_iter(self.odd);
        let result = match &mut self.state {
            State::MpegTs(packets) => match packets.finish() {
                true => Ok((Container::MpegTs, Kind::Media)),
                false if packets.is_short() => Err(MediaError::TsTruncated { bytes: self.bytes }),
                false => Err(MediaError::SyncLost { offset: packets.lost_at() }),
            },
            State::Fmp4(boxes) if boxes.is_empty() => {
                oddities.push(Oddity::new(Odd::Empty, 0));
                Ok((Container::Fmp4, Kind::Media))
            }
            State::Fmp4(boxes) => boxes.finish().map(|kind| (Container::Fmp4, kind)),
            State::PackedAudio(frames) => frames.finish().and_then(|cut| {
                oddities.extend(cut.filter(|_| self.odd.is_none()).map(|at| Oddity::new(Odd::Frame, at)));
                frames.container().map(|container| (container, Kind::Media)).ok_or(MediaError::NoFrames)
            }),
            State::WebVtt(lines) => {
                oddities.extend(lines.cut_at().map(|at| Oddity::new(Odd::Cue, at)));
                Ok((Container::WebVtt, Kind::Media))
            }
            State::Failed(error) => Err(error.clone()),
            State::Head(_) => Err(MediaError::Unrecognised { first: String::new() }),
        };
        let (container, kind) = self.keep(result)?;
        let (mut is_scrambled, mut border, mut brand) = (false, Border::default(), None);
        let (mut codings, mut begins, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let (mut streams, mut ending, mut frame) = (Vec::new(), None, None);
        let (mut numbers, mut size) = (None, None);
        let time = match &self.state {
            State::MpegTs(packets) => {
                oddities.extend(packets.oddities());
                is_scrambled = packets.continuity().scrambled_at().is_some();
                border = packets.continuity().border();
                codings = packets.continuity().codings();
                begins = packets.continuity().begins();
                ends = packets.continuity().ends();
                streams = packets.continuity().streams();
                size = packets.continuity().size();
                Time::Stamps(packets.continuity().timestamps())
            }
            State::Fmp4(boxes) => {
                oddities.extend(boxes.found().list());
                brand = boxes.brand();
                codings.push((0, boxes.section()));
                let chains = boxes.chains().iter().filter(|(track, _)| *track > 0);
                codings.extend(chains.map(|(track, is_chain)| (*track, u64::from(*is_chain))));
                numbers = boxes.numbers();
                Time::Ticks(boxes.fragments().clone())
            }
            State::PackedAudio(frames) => {
                oddities.extend(frames.found().list());
                begins.push((0, frames.start().is_some()));
                frame = Some(frames.lasts()).filter(|lasts| !lasts.is_zero());
                match frames.start().zip(frames.duration()) {
                    Some((start, lasts)) => Time::Packed(Sounds { start, lasts }),
                    None => Time::Told(frames.duration()),
                }
            }
            State::WebVtt(lines) => {
                codings.push((0, lines.map()));
                ending = lines.has_cue().then(|| lines.ends());
                Time::Told(None)
            }
            State::Head(_) | State::Failed(_) => Time::Told(None),
        };
        let is_told_by_bytes = match &self.state {
            State::PackedAudio(frames) => frames.start().is_none(),
            State::WebVtt(lines) => lines.has_cue(),
            _ => false,
        };
        for oddity in &mut oddities {
            oddity.at = oddity.at.saturating_add(if oddity.at == 0 && oddity.odd.is_in_front() {
                0
            } else {
                self.skipped
            });
        }
        Ok(Summary {
            container,
            kind,
            bytes: self.bytes,
            lead: self.lead,
            oddities,
            is_scrambled,
            time,
            border,
            codings,
            begins,
            ends,
            streams,
            ending,
            frame,
            numbers,
            size,
            brand,
            is_told_by_bytes,
        })
    }

    /// Returns the container once it is known: after a few hundred bytes, or behind the tags of packed audio.
    pub fn container(&self) -> Option<Container> {
        match &self.state {
            State::MpegTs(_) => Some(Container::MpegTs),
            State::Fmp4(_) => Some(Container::Fmp4),
            State::PackedAudio(frames) => frames.container(),
            State::WebVtt(_) => Some(Container::WebVtt),
            State::Head(_) | State::Failed(_) => None,
        }
    }

    /// Returns how many bytes in front belong to no container, such as a picture; `None` until that is known.
    pub fn lead(&self) -> Option<u64> {
        if matches!(self.state, State::Head(_)) { None } else { Some(self.lead) }
    }

    /// Returns how many bytes of ID3 tags stand in front of AC-3 or Enhanced AC-3. They have the timestamp, and in the middle of a
    /// file players lose a frame by them. `None`: that is not known yet.
    pub fn tags(&self) -> Option<u64> {
        if matches!(self.state, State::Head(_)) { None } else { Some(self.tags) }
    }

    /// Tells whether it has taken any bytes.
    pub fn has_begun(&self) -> bool {
        self.bytes > 0
    }

    fn begin(&mut self, head: &[u8], is_end: bool) -> Result<(), MediaError> {
        let Look::Is(Front { kind, lead, tags, inside, odd }) = front::look(head, is_end)? else {
            self.state = State::Head(head.to_vec());
            return Ok(());
        };
        // A tag stays where it is: players know what it is.
        self.lead = if odd == Some(Odd::Picture) { lead as u64 } else { 0 };
        (self.skipped, self.tags) = (lead as u64, tags as u64);
        self.odd = odd.map(|odd| Oddity::new(odd, 0));
        self.state = match kind {
            Container::MpegTs => State::MpegTs(Box::default()),
            Container::Fmp4 => State::Fmp4(Box::default()),
            Container::WebVtt => State::WebVtt(Lines::default()),
            _ => State::PackedAudio(Frames::inside(inside as u64)),
        };
        self.pass(head.get(lead..).unwrap_or(&[]))
    }

    fn pass(&mut self, input: &[u8]) -> Result<(), MediaError> {
        match &mut self.state {
            State::MpegTs(packets) => packets.push(input),
            State::Fmp4(boxes) => boxes.push(input)?,
            State::PackedAudio(frames) => frames.push(input)?,
            State::WebVtt(lines) => lines.push(input),
            State::Head(_) => {}
            State::Failed(error) => return Err(error.clone()),
        }
        Ok(())
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
    /// How many bytes in front belong to no container, such as a picture.
    pub lead: u64,
    /// What is odd about it. Encoders and servers make such units too, so each is a doubt and no proof.
    pub oddities: Vec<Oddity>,
    /// MPEG-TS: packets say that they are scrambled.
    pub is_scrambled: bool,
    time: Time,
    border: Border,
    codings: Vec<(u32, Coding)>,
    begins: Vec<(u32, bool)>,
    ends: Vec<(u32, bool)>,
    streams: Vec<u32>,
    ending: Option<u8>,
    frame: Option<Duration>,
    numbers: Option<(u32, u32)>,
    size: Option<(u32, u32)>,
    brand: Option<[u8; 8]>,
    is_told_by_bytes: bool,
}

/// What is known of the time that a unit lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Time {
    Told(Option<Duration>),
    /// Packed sound with the timestamp that is in its tag.
    Packed(Sounds),
    Stamps(Timestamps),
    Ticks(Fragments),
}

impl Summary {
    /// What is known of a unit without any byte, in the place of one of that container.
    #[must_use]
    pub fn empty(container: Container) -> Self {
        let oddities = vec![Oddity::new(Odd::Empty, 0)];
        Self {
            container,
            kind: Kind::Media,
            bytes: 0,
            lead: 0,
            oddities,
            is_scrambled: false,
            time: Time::Told(None),
            border: Border::default(),
            codings: Vec::new(),
            begins: Vec::new(),
            ends: Vec::new(),
            streams: Vec::new(),
            ending: None,
            frame: None,
            numbers: None,
            size: None,
            brand: None,
            is_told_by_bytes: false,
        }
    }

    /// Tells whether it holds no media.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.oddities.iter().any(|oddity| oddity.odd == Odd::Empty)
    }

    /// Returns how much later than the one before ends a part of it begins, in seconds, where that is most. `None`: its times go
    /// on as they should, or that can't be told. Of fMP4, which needs its initialisation section for that, and of pictures in
    /// transport streams.
    pub fn jump_inside(&self, init: Option<&Configuration>) -> Option<f64> {
        match &self.time {
            Time::Ticks(fragments) => fragments.jump_inside(init?),
            Time::Stamps(stamps) => stamps.jump_inside(),
            Time::Told(_) | Time::Packed(_) => None,
        }
    }

    /// Tells whether samples are of a track that its initialisation section does not have.
    pub fn has_strangers(&self, init: Option<&Configuration>) -> bool {
        matches!((&self.time, init), (Time::Ticks(fragments), Some(init)) if fragments.has_strangers(init))
    }

    /// Returns the brand that a segment of fragmented MP4 begins with, and its version.
    #[must_use]
    pub fn brand(&self) -> Option<[u8; 8]> {
        self.brand
    }

    /// Tells of each stream of a transport stream that is in both units whether its continuity counters go on from this unit to
    /// the next one, and of fragmented MP4, as PID 0, whether the sequence numbers of its fragments do. Many multiplexers begin anew with
    /// each segment, so a single one that does not go on tells little.
    pub fn counters(&self, next: &Self) -> Vec<(u16, bool)> {
        let goes_on = |((_, last), (first, _)): ((u32, u32), (u32, u32))| first == last.wrapping_add(1);
        let numbers = self.numbers.zip(next.numbers).map(goes_on);
        numbers.map_or_else(|| self.border.with(&next.border), |goes_on| vec![(0, goes_on)])
    }

    /// Returns the columns and rows that are shown of the pictures of a transport stream, where a parameter set says it in its first
    /// packet of pictures.
    #[must_use]
    pub fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    /// Tells whether the next unit breaks off a stream of a transport stream: the last packet of it here is not whole, and the
    /// next unit begins another one, whose continuity counter does not go on.
    pub fn breaks_off(&self, next: &Self) -> bool {
        let counters = self.counters(next);
        let is_broken = |pid: &u32| counters.iter().any(|(of, goes_on)| u32::from(*of) == *pid && !goes_on);
        let is_open = |(pid, is_whole): &&(u32, bool)| !is_whole && next.begins.contains(&(*pid, true));
        self.ends.iter().filter(is_open).any(|(pid, _)| is_broken(pid))
    }

    /// Returns the streams of pictures and sound that have bytes, as a number that is the same for the same ones: PIDs or track
    /// IDs. `None`: there are none, or that can't be told. fMP4 needs its initialisation section for that.
    pub fn streams(&self, init: Option<&Configuration>) -> Option<u64> {
        let mut streams = match (&self.time, init) {
            (Time::Ticks(fragments), Some(init)) => fragments.streams(init)?,
            _ => self.streams.clone(),
        };
        streams.sort_unstable();
        let all = |before, stream: &u32| hash(before, &stream.to_be_bytes());
        (!streams.is_empty()).then(|| streams.iter().fold(0, all))
    }

    /// Returns how long a frame of packed audio lasts.
    #[must_use]
    pub fn frame(&self) -> Option<Duration> {
        self.frame
    }

    /// Returns how many lines end at the end of WebVTT that has cues, no more than two: an empty line ends a cue.
    #[must_use]
    pub fn ending(&self) -> Option<u8> {
        self.ending
    }

    /// Returns how each stream is coded as far as the unit says it itself, as a number that is the same where it says the same:
    /// parameter sets and headers of frames in a transport stream by PID, 0 where there are none, and the `moov` boxes of a segment of fragmented MP4
    /// together as stream 0, which is 0 where there are none.
    pub fn codings(&self) -> &[(u32, u64)] {
        &self.codings
    }

    /// Tells of each elementary stream of a transport stream whether it begins with the begin of a packet, and of PID 0 whether there is
    /// a table; of packed sound, as stream 0, whether a tag says when it begins. Some multiplexers cut segments anywhere, so a single one that does not tells little.
    pub fn begins(&self) -> &[(u32, bool)] {
        &self.begins
    }

    /// Tells of each stream of a transport stream whose packets say how long they are whether the last one is whole. Some
    /// multiplexers cut segments anywhere, so a single one that is not tells little.
    pub fn ends(&self) -> &[(u32, bool)] {
        &self.ends
    }

    /// Returns how much later each stream begins in the next unit than it ends in this one, in seconds: what the rounding of
    /// timestamps does, and what is missing. Streams are PIDs, track IDs, or 0 for packed audio. fMP4 needs its
    /// initialisation section for that.
    pub fn ahead(&self, next: &Self, init: Option<&Configuration>) -> Vec<(u32, f64)> {
        match (&self.time, &next.time, init) {
            (Time::Stamps(before), Time::Stamps(after), _) => before.ahead(after),
            (Time::Ticks(before), Time::Ticks(after), Some(init)) => before.ahead(after, init),
            (Time::Packed(before), Time::Packed(after), _) => {
                before.ahead(*after).map(|seconds| (0, seconds)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns how much later than this unit ends the next one begins, in seconds, in the track where that is most. `None`: the
    /// one goes on from the other, or that can't be told. fMP4 needs its initialisation section for that.
    pub fn jump(&self, next: &Self, init: Option<&Configuration>) -> Option<f64> {
        match (&self.time, &next.time) {
            (Time::Stamps(before), Time::Stamps(after)) => before.jump(after),
            (Time::Ticks(before), Time::Ticks(after)) => before.jump(after, init?),
            (Time::Packed(before), Time::Packed(after)) => before.jump(*after),
            _ => None,
        }
    }

    /// Returns how much later than the one before ends a fragment of each track begins that has several, in seconds, where that is
    /// most. Of fMP4, which needs its initialisation section for that, and of sound in transport streams, packet by packet.
    pub fn inside(&self, init: Option<&Configuration>) -> Vec<(u32, f64)> {
        match (&self.time, init) {
            (Time::Ticks(fragments), Some(init)) => fragments.inside(init),
            (Time::Stamps(stamps), _) => stamps.inside(),
            _ => Vec::new(),
        }
    }

    /// Returns how long the pictures are by their own timestamps. fMP4 needs its initialisation section for that. `None`: there are
    /// none, or that can't be told.
    pub fn length_of_pictures(&self, init: Option<&Configuration>) -> Option<Duration> {
        match &self.time {
            Time::Stamps(stamps) => stamps.length(),
            Time::Ticks(fragments) => fragments.length(init?, *b"vide"),
            Time::Told(_) | Time::Packed(_) => None,
        }
    }

    /// Returns how long the sound is by its own timestamps and frames. fMP4 needs its initialisation section for that. `None`: there
    /// is none, or that can't be told.
    pub fn length_of_sound(&self, init: Option<&Configuration>) -> Option<Duration> {
        match &self.time {
            Time::Stamps(stamps) => stamps.length_of_sound(),
            Time::Ticks(fragments) => fragments.length(init?, *b"soun"),
            Time::Packed(sounds) => Some(sounds.lasts),
            Time::Told(lasts) => *lasts,
        }
    }

    /// Tells whether its bytes are all that tells it from others of its stream: sound without timestamps, and subtitles.
    pub fn is_told_by_bytes(&self) -> bool {
        self.is_told_by_bytes
    }

    /// Returns how long the media is by its own timestamps, taken from the longest of its tracks.
    ///
    /// fMP4 needs its initialisation section for that. `None`: it does not tell, or too little of it to say so.
    pub fn duration(&self, init: Option<&Configuration>) -> Option<Duration> {
        match &self.time {
            Time::Told(duration) => *duration,
            Time::Packed(sounds) => Some(sounds.lasts),
            Time::Stamps(stamps) => stamps.duration(),
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

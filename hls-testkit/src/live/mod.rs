//! Live streams: a sliding window as a function of time, with everything that goes wrong in one.

mod answer;
mod content;
pub(crate) use content::tag;
mod date;
mod event;
mod fragment;
mod low_latency;
mod master;
mod media;
mod playlist;
mod production;
mod published;
mod schedule;
#[cfg(test)]
mod tests;
mod transmission;

use std::time::Duration;

pub use self::answer::{Answer, Asked, Manner, Offer};
use self::content::Content;
use self::event::{Events, MapChange};
pub use self::event::{Of, Outage, Restart, Then};
pub use self::low_latency::LowLatency;
pub use self::published::PublishedBroadcast;
pub use self::transmission::Transmission;
use crate::Media;

/// A live stream, yet to be transmitted.
///
/// All times count from the beginning of the transmission, when [`running`](Self::running) segments are complete already;
/// segments and the events of all tracks lie on one timeline. Nothing is left to chance: the same description gives the same
/// answers at the same times.
///
/// [`start`](Self::start) makes a model of it that a test asks at times of its own; [`publish`](Self::publish) serves it in
/// real time.
#[derive(Clone, Debug)]
pub struct Broadcast {
    prefix: String,
    tracks: Vec<Track>,
    pathways: Vec<Pathway>,
    window: Option<usize>,
    running: usize,
    total: Option<usize>,
    ends: bool,
    target_seconds: Option<u64>,
    claimed: Option<Duration>,
    began_ms: Option<u64>,
    key: Option<[u8; 16]>,
    explicit_iv: bool,
    rotate_every: Option<usize>,
    retention: Option<Duration>,
    token_life: Option<Duration>,
    low_latency: Option<LowLatency>,
    seed: u64,
    events: Events,
}

/// One media playlist: the picture, or a rendition of the sound or the words.
#[derive(Clone, Debug)]
struct Track {
    /// Its folder, which ends with the language of a rendition.
    name: String,
    content: Content,
    durations: Vec<Duration>,
    first_sequence: u64,
}

/// The name of a track of subtitles begins so.
const SUBTITLES: &str = "subs-";

/// One of several places that have the same content.
#[derive(Clone, Debug)]
struct Pathway {
    id: String,
    /// Where its URLs begin; empty is where the multivariant playlist is.
    base: String,
}

impl Broadcast {
    /// Makes a stream of noise in transport packets, segments of this duration and about this many bytes, with timestamps that
    /// agree with the durations. A window of six segments, which are complete already, and no end.
    pub fn synthetic(segment: Duration, bytes: usize) -> Self {
        Self::of(Content::Packets { bytes, is_sound: false }, vec![segment])
    }

    /// Makes a stream of noise in fragmented MP4, with an initialization section.
    pub fn synthetic_fmp4(segment: Duration, bytes: usize) -> Self {
        Self::of(Content::Fragments { bytes }, vec![segment])
    }

    /// Makes a stream that plays the real media of this crate over and over, in segments of two seconds.
    pub fn from_media(media: Media) -> Self {
        let content = Content::Real(media);
        let durations = content.own_durations().unwrap_or_default();
        Self::of(content, durations)
    }

    fn of(content: Content, durations: Vec<Duration>) -> Self {
        let durations = of_some_length(&durations);
        Self {
            prefix: "/live".to_owned(),
            tracks: vec![Track { name: "video".to_owned(), content, durations, first_sequence: 0 }],
            pathways: vec![Pathway { id: "a".to_owned(), base: String::new() }],
            window: Some(6),
            running: 6,
            total: None,
            ends: true,
            target_seconds: None,
            claimed: None,
            began_ms: None,
            key: None,
            explicit_iv: false,
            rotate_every: None,
            retention: None,
            token_life: None,
            low_latency: None,
            seed: 0x4c49_5645,
            events: Events::default(),
        }
    }

    /// Sets the folder it is published in, `/live` by default.
    pub fn prefix(mut self, path: &str) -> Self {
        self.prefix = path.to_owned();
        self
    }

    /// Makes other bytes than another broadcast of the same description.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed ^= seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self
    }

    /// Sets how many segments the playlist of the picture has; those of other tracks are as long.
    pub fn window(mut self, segments: usize) -> Self {
        self.window = Some(segments.max(1));
        self
    }

    /// Keeps every segment in the playlist, which is of type EVENT (rfc8216bis-22, section 4.4.3.5).
    pub fn event_type(mut self) -> Self {
        self.window = None;
        self
    }

    /// Sets how many segments are complete at the beginning. With none the playlist answers 404 until there is one.
    pub fn running(mut self, segments: usize) -> Self {
        self.running = segments;
        self
    }

    /// Ends after this many segments, counted from the very first, with `ENDLIST`.
    pub fn total(mut self, segments: usize) -> Self {
        self.total = Some(segments);
        self
    }

    /// Leaves `ENDLIST` out: after the last segment the playlist stays as it is.
    pub fn without_end(mut self) -> Self {
        self.ends = false;
        self
    }

    /// Gives the picture segments of these durations in turn.
    pub fn durations(mut self, durations: &[Duration]) -> Self {
        if let Some(track) = self.tracks.first_mut() {
            track.durations = of_some_length(durations);
        }
        self
    }

    /// Sets the media sequence number of the first segment.
    pub fn first_sequence(mut self, n: u64) -> Self {
        if let Some(track) = self.tracks.first_mut() {
            track.first_sequence = n;
        }
        self
    }

    /// Sets `TARGETDURATION`, which otherwise fits the durations.
    pub fn target_duration(mut self, seconds: u64) -> Self {
        self.target_seconds = Some(seconds);
        self
    }

    /// Sets the `EXTINF` of every segment, which otherwise tells the truth.
    pub fn claims(mut self, duration: Duration) -> Self {
        self.claimed = Some(duration);
        self
    }

    /// Puts `PROGRAM-DATE-TIME` before each segment; the transmission begins at this time, in milliseconds since 1970.
    pub fn dated(mut self, began_ms: u64) -> Self {
        self.began_ms = Some(began_ms);
        self
    }

    /// Encrypts with AES-128; the IV is the media sequence number.
    pub fn aes128(mut self, key: [u8; 16]) -> Self {
        self.key = Some(key);
        self
    }

    /// Gives each `KEY` tag an IV.
    pub fn explicit_iv(mut self) -> Self {
        self.explicit_iv = true;
        self
    }

    /// Changes the key every `n` segments.
    pub fn rotate_every(mut self, n: usize) -> Self {
        self.rotate_every = Some(n.max(1));
        self
    }

    /// Sets how long a segment can still be had when it has left the playlist. By default as long as section 6.2.2 of the draft
    /// asks: its own duration and that of the longest playlist there was.
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention = Some(time);
        self
    }

    /// Adds a rendition of sound made of noise, with segments of these durations in turn and media sequence numbers of its own.
    pub fn audio(mut self, language: &str, durations: &[Duration], first_sequence: u64) -> Self {
        let content = Content::Packets { bytes: 3000, is_sound: true };
        self.tracks.push(Track {
            name: language.to_owned(),
            content,
            durations: of_some_length(durations),
            first_sequence,
        });
        self
    }

    /// Adds a rendition of real packed sound, in segments of about this duration.
    pub fn real_audio(mut self, language: &str, segment: Duration, first_sequence: u64) -> Self {
        self.tracks.push(Track {
            name: language.to_owned(),
            content: Content::Sound,
            durations: of_some_length(&[segment]),
            first_sequence,
        });
        self
    }

    /// Adds subtitles, in segments of these durations in turn, with media sequence numbers of their own.
    pub fn subtitles(mut self, language: &str, durations: &[Duration], first_sequence: u64) -> Self {
        self.tracks.push(Track {
            name: format!("{SUBTITLES}{language}"),
            content: Content::Text,
            durations: of_some_length(durations),
            first_sequence,
        });
        self
    }

    /// Adds a place that has the same content: a redundant variant, with this `PATHWAY-ID` where there is a steering manifest.
    /// `base` is where its URLs begin (`Origin::base` of another origin), or empty for the same origin.
    pub fn pathway(mut self, id: &str, base: &str) -> Self {
        self.pathways.push(Pathway { id: id.to_owned(), base: base.to_owned() });
        self
    }

    /// Adds a steering manifest (section 7) that names pathways in this order from that time on. The id of the first pathway is
    /// `a`.
    pub fn steer(mut self, at: Duration, order: &[&str]) -> Self {
        self.events.steering.push((at, order.iter().map(|id| (*id).to_owned()).collect()));
        self
    }

    /// Has the steering manifest loaded again after that time; a second otherwise.
    pub fn steering_ttl(mut self, ttl: Duration) -> Self {
        self.events.steering_ttl = Some(ttl);
        self
    }

    /// Returns where the steering manifest is.
    pub fn steering_path(&self) -> String {
        format!("{}/steering.json", self.prefix)
    }

    /// Gives the URLs in the multivariant playlist a token that is worth that long; media playlists are refused (403) without a
    /// valid one.
    pub fn tokens(mut self, life: Duration) -> Self {
        self.token_life = Some(life);
        self
    }

    /// Offers parts, and what else those take who follow the edge closely. For noise only: what is real has one part.
    pub fn low_latency(mut self, low_latency: LowLatency) -> Self {
        self.low_latency = Some(low_latency);
        self
    }

    /// Does not change the playlist for a while.
    pub fn freeze(mut self, at: Duration, lasts: Duration, then: Then) -> Self {
        self.events.freezes.push((at, lasts, then));
        self
    }

    /// Lists the first segment that is due at that time or later only `by` later, with what comes after it behind it.
    pub fn late(mut self, at: Duration, by: Duration) -> Self {
        self.events.late.push((at, by));
        self
    }

    /// Serves something badly for a while.
    pub fn outage(mut self, outage: Outage) -> Self {
        self.events.outages.push(outage);
        self
    }

    /// Restarts the encoder.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.events.restarts.push(restart);
        self
    }

    /// Puts a `DISCONTINUITY` there: the timestamps begin again. A segment of noise that would reach beyond is cut.
    pub fn discontinuity(mut self, at: Duration) -> Self {
        self.events.discontinuities.push(at);
        self
    }

    /// Has two edges serve the media playlists in turn, one of them this many segments behind.
    pub fn stale(mut self, from: Duration, lasts: Duration, behind: usize) -> Self {
        self.events.stale.push((from, lasts, behind));
        self
    }

    /// Lists every segment under another URI from that time on, with the bytes it had; the old URIs go on working.
    pub fn renamed(mut self, at: Duration) -> Self {
        self.events.renamed.push(at);
        self
    }

    /// Answers 404 for the segment of the picture with this place in the order of production, as often as that; `None` is for
    /// ever. Counts for all pathways, or for one (`pathway`).
    pub fn missing(mut self, index: usize, times: Option<u32>, pathway: Option<usize>) -> Self {
        self.events.missing.push((index, times, pathway));
        self
    }

    /// Marks the segment of the picture with this place as one that there is not (`GAP`).
    pub fn gap(mut self, index: usize) -> Self {
        self.events.gaps.push(index);
        self
    }

    /// Changes the initialization section, to one of other bytes with the same codec configuration.
    pub fn map(mut self, at: Duration) -> Self {
        self.events.maps.push(MapChange { at, is_other: false });
        self
    }

    /// Changes the initialization section, to one of another codec configuration.
    pub fn other_map(mut self, at: Duration) -> Self {
        self.events.maps.push(MapChange { at, is_other: true });
        self
    }

    /// Moves the clock of the encoder: dates are off by that many milliseconds from there on.
    pub fn clock_step(mut self, at: Duration, ms: i64) -> Self {
        self.events.clock_steps.push((at, ms));
        self
    }

    /// Says another `TARGETDURATION` from that time on, which the draft forbids (section 4.4.3.1); segments stay as they are.
    pub fn retarget(mut self, at: Duration, seconds: u64) -> Self {
        self.events.targets.push((at, seconds));
        self
    }

    /// Begins a transmission that is asked at times of the caller's.
    pub fn start(&self) -> Transmission {
        Transmission::new(self.clone())
    }

    /// Path of the multivariant playlist.
    pub fn master_path(&self) -> String {
        format!("{}/master.m3u8", self.prefix)
    }

    /// Path of a media playlist: track 0 is the picture, and renditions of sound follow as they were added; pathway 0 is the
    /// first.
    pub fn playlist_path(&self, track: usize, pathway: usize) -> String {
        format!("{}/index.m3u8", self.folder(track, pathway))
    }

    fn folder(&self, track: usize, pathway: usize) -> String {
        let name = self.tracks.get(track).map_or("none", |track| &track.name);
        format!("{}/{}/{name}", self.prefix, self.pathways.get(pathway).map_or("none", |p| &p.id))
    }
}

/// Without a duration, time would stand still.
fn of_some_length(durations: &[Duration]) -> Vec<Duration> {
    let durations: Vec<_> = durations.iter().map(|d| (*d).max(Duration::from_millis(1))).collect();
    if durations.is_empty() { vec![Duration::from_secs(2)] } else { durations }
}

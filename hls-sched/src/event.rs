//! What happens while a job runs, for people and programs.

use std::path::PathBuf;
use std::time::Duration;

use hls_media::Problem;

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// What the job is about to do.
    Plan(Plan),
    /// A unit is whole and verified.
    Segment(Segment),
    /// How far the job is; several times a second.
    Progress(Progress),
    /// Something failed and is tried again.
    Retry(Retry),
    /// A segment can't be had, and the job goes on without it.
    Gap(Gap),
    /// All tracks are whole, and outputs are made of them; several times a second.
    Joining(Joining),
    /// A live playlist was loaded.
    Reload(Reload),
    /// A track comes from another pathway.
    Pathway(Pathway),
    /// Ten seconds of a recording are in this file: a player may read it while it grows.
    Watchable(PathBuf),
    /// Data of the stream that is no track of an MP4, and that nobody sees or hears, such as SCTE-35 messages.
    LeftOut(String),
    /// How an origin serves, or how it is treated, has changed; at most once a second.
    Health(OriginHealth),
    /// Something is odd, and the job goes on.
    Warning {
        /// A stable symbol.
        kind: &'static str,
        /// In words.
        message: String,
    },
}

/// A track that comes from another pathway: a redundant copy of the stream (rfc8216bis-22, section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pathway {
    /// The track.
    pub track: u8,
    /// The PATHWAY-ID of the one that was left.
    pub from: String,
    /// The PATHWAY-ID of the one that it comes from now.
    pub to: String,
    /// The steering manifest says so; else something could not be had on the other one.
    pub is_steered: bool,
}

/// What a job is about to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The outputs, the main one first; empty where the bytes go to a reader.
    pub outputs: Vec<PathBuf>,
    /// What is in them, for example `1080p avc1.640028,mp4a.40.2`.
    pub tracks: Vec<String>,
    /// Segments in all.
    pub segments: u64,
    /// Segments that an earlier run has left.
    pub resumed_segments: u64,
    /// Bytes that an earlier run has left.
    pub resumed_bytes: u64,
    /// The playing time.
    pub duration: Duration,
    /// About how many bytes it will be, where the playlist says.
    pub estimated_bytes: Option<u64>,
    /// The stream is live: segments and duration are what it has so far.
    pub is_live: bool,
    /// Free space where the output grows.
    pub free_bytes: Option<u64>,
}

/// A unit that is whole and verified.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Segment {
    /// The track.
    pub track: u8,
    /// Its place in the track, from 0, initialisation sections not counted.
    pub index: u64,
    /// The media sequence number.
    pub sequence: u64,
    /// Its bytes in the output.
    pub bytes: u64,
    /// From the beginning of the attempt to the last byte.
    pub took: Duration,
    /// Attempts made.
    pub attempts: u32,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Verified segments, those of earlier runs included.
    pub segments_done: u64,
    /// Segments in all.
    pub segments: u64,
    /// Bytes received in this run.
    pub downloaded_bytes: u64,
    /// Bytes of verified segments, those of earlier runs included.
    pub bytes: u64,
    /// Over the last seconds.
    pub bytes_per_second: u64,
    /// Attempts that run now.
    pub concurrency: usize,
    /// In what state the network is.
    pub network: Network,
    /// Attempts that were repeated.
    pub retries: u64,
    /// Time left, where it can be told.
    pub eta: Option<Duration>,
    /// Since the start.
    pub elapsed: Duration,
    /// Of a live stream: how far it is recorded, and how far that is behind its edge.
    pub live: Option<LiveProgress>,
}

/// In what state the network is, over all origins of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Nothing to complain of.
    #[default]
    Good,
    /// Less than half of the last ten attempts at an origin succeeded.
    Poor,
    /// An origin is gone, and is waited for.
    Gone,
}

impl Network {
    /// The name used in events, for example `poor`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Poor => "poor",
            Self::Gone => "gone",
        }
    }
}

/// How an origin has served lately.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OriginHealth {
    /// Its host.
    pub host: String,
    /// Share of the last ten attempts that succeeded, from 0 to 1.
    pub success_rate: f64,
    /// Time to the head of an answer, averaged over the last few.
    pub response_time: Option<Duration>,
    /// Over the last seconds.
    pub bytes_per_second: u64,
    /// Requests at once that it gets.
    pub limit: usize,
    /// Connections lost, refused or cut so far.
    pub resets: u64,
    /// Attempts given up for silence or a stall so far.
    pub timeouts: u64,
    /// Answers so far that asked for fewer requests.
    pub throttles: u64,
    /// Less than half of the last ten attempts succeeded.
    pub is_poor: bool,
    /// It is gone, and is waited for.
    pub is_gone: bool,
}

/// Something that is tried again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Retry {
    /// What failed: where, without secrets.
    pub place: String,
    /// The class of the failure.
    pub class: hls_fetch::Class,
    /// In words.
    pub message: String,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// The time until the next one.
    pub wait: Duration,
}

/// How a job ended well.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Finished {
    /// The finished files, the main one first; empty where the bytes went to a reader.
    pub outputs: Vec<PathBuf>,
    /// The manifest, where one was asked for.
    pub manifest: Option<PathBuf>,
    /// Names of the outputs' tracks, in the same order.
    pub tracks: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes received in this run.
    pub downloaded_bytes: u64,
    /// Segments in all.
    pub segments: u64,
    /// Of these, segments that an earlier run had left.
    pub resumed_segments: u64,
    /// Attempts that were repeated.
    pub retries: u64,
    /// What is missing, in order; never anything unless [`allow_gaps`](crate::JobBuilder::allow_gaps) was said.
    pub gaps: Vec<Gap>,
    /// Tracks that are left out: subtitles that could not be fetched, and, where
    /// [`allow_missing_tracks`](crate::JobBuilder::allow_missing_tracks) was said, what an MP4 can't hold.
    pub missing: Vec<String>,
    /// How often timestamps begin anew in outputs that are the bytes as they came, over discontinuities that came in this run: players
    /// may show a wrong length, and find places badly. Outputs that are made have one timeline.
    pub restarts: u64,
    /// What is wrong with outputs that are the bytes as they came, though each segment is right: in fragmented MP4, times that begin
    /// again, and samples that are not where the fragments say. Outputs that are made have no such problem.
    pub problems: Vec<Problem>,
    /// Since the start.
    pub elapsed: Duration,
    /// Why a recording of a live stream has ended; `None` of any other download.
    pub stopped_by: Option<StoppedBy>,
}

impl Finished {
    /// What two parts of a recording have come to.
    pub(crate) fn joined(mut self, part: Self) -> Self {
        self.outputs.extend(part.outputs);
        self.bytes += part.bytes;
        self.segments += part.segments;
        self.gaps.extend(part.gaps);
        self.restarts += part.restarts;
        self.problems.extend(part.problems);
        self.missing.extend(part.missing);
        Self {
            downloaded_bytes: part.downloaded_bytes,
            retries: part.retries,
            elapsed: part.elapsed,
            stopped_by: part.stopped_by,
            ..self
        }
    }
}

/// A segment that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Number of the track, which is also that of its output.
    pub track: u8,
    /// Number of the segment in the track, from 0.
    pub index: u64,
    /// Its media sequence number.
    pub sequence: u64,
    /// When it would begin, from the start of the track.
    pub start: Duration,
    /// How long it would play.
    pub duration: Duration,
    /// How many segments in a row it is: more than one only in a live stream, which has gone on without us or says so of several.
    pub count: u64,
    /// When it begins, by the clock of the stream.
    pub at: Option<hls_parse::DateTime>,
    /// Why it is missing, as the codes of errors.
    pub code: String,
    /// Why it is missing, in words.
    pub reason: String,
}

/// How far the making of outputs is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joining {
    /// Bytes of tracks that have been read; each is read twice.
    pub done_bytes: u64,
    /// How many that will be at the end.
    pub bytes: u64,
}

/// How far a recording of a live stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveProgress {
    /// How much of the stream is in the output, gaps included.
    pub recorded: Duration,
    /// How far that is behind the newest segment in the playlist.
    pub behind: Duration,
    /// Segments that are missing.
    pub gaps: u64,
    /// The playlist has nothing new for longer than a server in good health lets it, or can't be had.
    pub is_stale: bool,
}

/// A live playlist was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reload {
    /// Of which track.
    pub track: u8,
    /// Whether something was new in it.
    pub changed: bool,
    /// How far what is recorded is behind its edge.
    pub behind: Duration,
}

/// Why a recording has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoppedBy {
    /// The stream has (EXT-X-ENDLIST).
    End,
    /// It is as long as was asked for.
    Duration,
    /// The time that was asked for has come.
    Until,
    /// [`JobHandle::stop`](crate::JobHandle::stop).
    Stop,
    /// Nothing new has come for as long as was asked for.
    GaveUp,
}

impl StoppedBy {
    /// A stable symbol.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Duration => "duration",
            Self::Until => "until",
            Self::Stop => "stop",
            Self::GaveUp => "gave_up",
        }
    }
}

//! What happens to a broadcast, and when.

use std::time::Duration;

/// What follows a time in which the playlist did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// All that was produced meanwhile appears at once.
    Jump,
    /// Production stood still too, and goes on where it was.
    GoOn,
}

/// What an [`Outage`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Playlists, the multivariant one included.
    Playlists,
    /// Segments, parts and initialization sections.
    Segments,
    /// Keys.
    Keys,
    /// The steering manifest.
    Steering,
    /// All that is served.
    Everything,
}

/// A time in which something is served badly.
#[derive(Clone, Debug)]
pub struct Outage {
    pub(super) of: Of,
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) how: How,
    pub(super) pathway: Option<usize>,
    pub(super) track: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Status(u16),
    Reset,
    Silence,
}

impl Outage {
    /// Answers 503, on all pathways and for all tracks.
    pub fn new(of: Of, at: Duration, lasts: Duration) -> Self {
        Self { of, at, lasts, how: How::Status(503), pathway: None, track: None }
    }

    /// Answers with this status.
    pub fn status(mut self, status: u16) -> Self {
        self.how = How::Status(status);
        self
    }

    /// Resets the connection.
    pub fn reset(mut self) -> Self {
        self.how = How::Reset;
        self
    }

    /// Says nothing.
    pub fn silence(mut self) -> Self {
        self.how = How::Silence;
        self
    }

    /// Concerns one pathway only, counted from 0.
    pub fn on_pathway(mut self, pathway: usize) -> Self {
        self.pathway = Some(pathway);
        self
    }

    /// Concerns one track only: 0 is the picture.
    pub fn on_track(mut self, track: usize) -> Self {
        self.track = Some(track);
        self
    }

    pub(super) fn concerns(
        &self,
        of: Of,
        pathway: Option<usize>,
        track: Option<usize>,
        at: Duration,
    ) -> bool {
        let matches = |wanted: Option<usize>, is: Option<usize>| wanted.is_none() || wanted == is;
        (self.of == Of::Everything || self.of == of)
            && matches(self.pathway, pathway)
            && matches(self.track, track)
            && (self.at..self.at.saturating_add(self.lasts)).contains(&at)
    }
}

/// A restart of the encoder: the segment that was being made is lost, and another run of it begins, with other bytes.
#[derive(Clone, Debug)]
pub struct Restart {
    pub(super) at: Duration,
    pub(super) down: Duration,
    pub(super) number: Number,
    pub(super) discontinuity: bool,
    pub(super) reuses_names: bool,
    pub(super) keeps_clock: bool,
}

/// The media sequence number after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// The playlist goes on with the next one.
    Next,
    /// A new playlist begins with this one.
    Fresh(u64),
    /// A new playlist begins, so many numbers further.
    Ahead(u64),
    /// The playlist goes on so many segments back, where others had been.
    Back(usize),
}

impl Restart {
    fn new(at: Duration, number: Number) -> Self {
        Self {
            at,
            down: Duration::ZERO,
            number,
            discontinuity: false,
            reuses_names: false,
            keeps_clock: false,
        }
    }

    /// The encoder knows where it was: the playlist goes on with the next number, behind a `DISCONTINUITY`.
    pub fn on(at: Duration) -> Self {
        Self { discontinuity: true, ..Self::new(at, Number::Next) }
    }

    /// A new playlist begins with this media sequence number, and nothing of the old one is in it.
    pub fn to(at: Duration, sequence: u64) -> Self {
        Self::new(at, Number::Fresh(sequence))
    }

    /// A new playlist begins with a media sequence number that lies `skipped` ahead: those in between never were.
    pub fn ahead(at: Duration, skipped: u64) -> Self {
        Self { keeps_clock: true, ..Self::new(at, Number::Ahead(skipped)) }
    }

    /// The encoder goes on from what it knew a while ago: the last `segments` numbers are given again, to other segments.
    pub fn back(at: Duration, segments: usize) -> Self {
        Self::new(at, Number::Back(segments))
    }

    /// Produces nothing for that long.
    pub fn down(mut self, time: Duration) -> Self {
        self.down = time;
        self
    }

    /// Puts a `DISCONTINUITY` before the first new segment.
    pub fn discontinuity(mut self) -> Self {
        self.discontinuity = true;
        self
    }

    /// Gives the new segments the names that their numbers had before, so that one URI has other bytes than it had.
    pub fn reusing_names(mut self) -> Self {
        self.reuses_names = true;
        self
    }

    /// Lets the timestamps go on, which otherwise begin again.
    pub fn keeping_clock(mut self) -> Self {
        self.keeps_clock = true;
        self
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct MapChange {
    pub(super) at: Duration,
    pub(super) is_other: bool,
}

/// All that happens, each kind in the order it was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    pub(super) freezes: Vec<(Duration, Duration, Then)>,
    pub(super) late: Vec<(Duration, Duration)>,
    pub(super) outages: Vec<Outage>,
    pub(super) restarts: Vec<Restart>,
    pub(super) discontinuities: Vec<Duration>,
    pub(super) stale: Vec<(Duration, Duration, usize)>,
    pub(super) renamed: Vec<Duration>,
    pub(super) missing: Vec<(usize, Option<u32>, Option<usize>)>,
    pub(super) gaps: Vec<usize>,
    pub(super) maps: Vec<MapChange>,
    pub(super) clock_steps: Vec<(Duration, i64)>,
    pub(super) targets: Vec<(Duration, u64)>,
    pub(super) steering: Vec<(Duration, Vec<String>)>,
    /// `None`: a second.
    pub(super) steering_ttl: Option<Duration>,
}

//! What a transmission says, and what it knows about what it offered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Broadcast;
use super::schedule::Item;
use crate::judge::sha256;

/// An answer of a [`Transmission`](super::Transmission).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// Whether there is an answer at all.
    pub manner: Manner,
    /// How long after the request it comes.
    pub after: Duration,
    /// The status.
    pub status: u16,
    /// Header names in lower case, with their values; without the length.
    pub headers: Vec<(String, String)>,
    /// The whole body, whatever range is asked for.
    pub body: Bytes,
}

/// How a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The answer comes.
    Whole,
    /// The connection is reset before anything of the body has come.
    Reset,
    /// Nothing comes, ever.
    Silence,
}

impl Answer {
    pub(super) fn ok(body: impl Into<Bytes>, content_type: &str) -> Self {
        Self {
            manner: Manner::Whole,
            after: Duration::ZERO,
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, ..Self::ok(format!("status {status}\n"), "text/plain") }
    }

    pub(super) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    pub(super) fn none(manner: Manner) -> Self {
        Self { manner, ..Self::status(0) }
    }
}

/// A request that a transmission was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// When, from the beginning of the transmission.
    pub at: Duration,
    /// The path.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
}

impl Asked {
    /// Whether it was for a media playlist.
    pub fn is_playlist(&self) -> bool {
        self.path.ends_with("/index.m3u8")
    }
}

/// A segment that was complete at some time.
///
/// Times count from the beginning of the transmission; what was earlier is zero.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Offer {
    /// The track: 0 is the picture.
    pub track: usize,
    /// Its place in the order of production, from 0.
    pub index: usize,
    /// Which run of the encoder it is from, from 0.
    pub epoch: usize,
    /// The media sequence number.
    pub sequence: u64,
    /// Whether a `DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Whether the playlist says that there is no such segment (`GAP`).
    pub is_gap: bool,
    /// The path on the first pathway, under the first name it had.
    pub path: String,
    /// Where it begins on the timeline that all tracks share; zero is where production began.
    pub start: Duration,
    /// How long it plays.
    pub duration: Duration,
    /// When it could first be read in a playlist; `None`: it is in none from the beginning on.
    pub appeared: Option<Duration>,
    /// When it was in the playlist no more, if ever so far.
    pub left: Option<Duration>,
    /// When it could be had no more, if ever so far.
    pub expired: Option<Duration>,
    pub(super) broadcast: Arc<Broadcast>,
    pub(super) item: Item,
}

impl Offer {
    /// Returns the clear bytes, without an initialization section.
    pub fn bytes(&self) -> Bytes {
        self.broadcast.tracks[self.track].content.segment(self.item.cut)
    }

    /// Returns the initialization section it needs.
    pub fn init(&self) -> Option<Bytes> {
        self.broadcast.init(self.track, self.item.map)
    }

    /// Returns the SHA-256 of its bytes in hex.
    pub fn sha256(&self) -> String {
        sha256(&self.bytes())
    }
}

//! An HTTP Live Streaming origin whose every answer can be scripted, and small real media.
//!
//! - [`Origin`] is an HTTP/1.1 server on a loopback port that does what it is told: it serves well, or it
//!   stalls, resets, truncates, redirects, slows down and lies. It runs on a thread of its own with the real
//!   clock, so a test may block, or pause the time of its own runtime, as it likes.
//! - [`Reply`] is one answer of it; a script is a list of replies, one for each attempt at a URL.
//! - [`Vod`] and [`Master`] make whole streams, publish them on an origin and know the bytes that a right
//!   download ends with.
//! - [`streams`] draws whole streams at random, with what a right download of each shows.
//! - [`Broadcast`] is a live stream as a function of time: a [`Transmission`] of it is asked at any time, and
//!   [`Broadcast::publish`] serves it in real time.
//!
//! This crate is a dependency of tests, benches and `xtask`, and depends on no other crate of the workspace,
//! so that it can judge each of them.
//!
//! ```
//! use hls_testkit::{Origin, Reply, Vod};
//!
//! let origin = Origin::start();
//! let vod = Vod::synthetic(3, 10_000).publish(&origin);
//! origin.script(&vod.segment_paths[1], [Reply::status(503).times(2), Reply::reset_midway()]);
//! // A downloader that reads `vod.url` now has three bad answers to get over,
//! // and has to end with exactly `vod.expected`.
//! assert!(vod.url.starts_with("http://127.0.0.1:"));
//! assert_eq!(vod.expected.len(), 3 * 9_964);
//! ```

mod authority;
pub use authority::{Authority, Identity};

pub mod frames;

mod origin;
pub use origin::{Builder, Gate, Origin, Reply, Request, Resource, Step};

pub mod browser;
pub mod judge;
pub mod streams;

mod live;
pub use live::{
    Answer, Asked, Broadcast, LowLatency, Manner, Of, Offer, Outage, PublishedBroadcast, Restart, Then,
    Transmission,
};

mod media;
pub use media::Media;

mod vod;
pub use vod::{Iv, Master, Published, PublishedMaster, Vod};

mod noise;
mod transport;

/// The bytes type of the API, so that a test needs no dependency for it.
pub use bytes::Bytes;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! An HTTP Live Streaming origin whose every answer can be scripted, and small real media.
//!
//! - [`Origin`] is an HTTP/1.1 server on a loopback port that does what it is told: it serves well, or it
//!   stalls, resets, truncates, redirects, slows down and lies. It runs on a thread of its own with the real
//!   clock, so a test may block, or pause the time of its own runtime, as it likes.
//! - [`Reply`] is one answer of it; a script is a list of replies, one for each attempt at a URL.
//!
//! This crate is a dependency of tests, benches and `xtask`, and depends on no other crate of the workspace,
//! so that it can judge each of them.
//!
//! ```
//! use hls_testkit::{Origin, Reply};
//!
//! let origin = Origin::start();
//! origin.put("/a.ts", vec![0x47; 188]);
//! origin.script("/a.ts", [Reply::status(503).times(2), Reply::reset_midway()]);
//! assert!(origin.url("/a.ts").starts_with("http://127.0.0.1:"));
//! ```

mod origin;
pub use origin::{Builder, Gate, Origin, Reply, Request, Resource, Step};

pub mod judge;

mod noise;

/// The bytes type of the API, so that a test needs no dependency for it.
pub use bytes::Bytes;

//! The download engine of `hls`: from the URL of a playlist to files of which every byte is right.
//!
//! The one place where the parts meet: playlists (`hls-parse`), decryption (`hls-crypto`), verification (`hls-media`),
//! transfers (`hls-fetch`) and what survives a kill (`hls-state`). All that is decided is decided by plain state machines
//! that take the time and the event as arguments ([`Planner`], [`Assembler`]); the driver around them has no policy.
//!
//! - [`Job`] is the front door: build it, start it, listen to its [`Event`]s, wait for [`Finished`].
//! - [`Error`] says where, what, why, what is kept and what to do next.
//! - [`Select`] chooses among variants, [`Wanted`] among audio and subtitles.
//!
//! # Example
//! ```no_run
//! # fn ui(_: hls_sched::Progress) {}
//! # #[cfg(feature = "client")]
//! # async fn example(url: url::Url, page: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use hls_sched::{Event, Finished, Job};
//!
//! let mut job = Job::get(url).output("movie.ts").header("referer", page)?.select("720p".parse()?).start();
//! while let Some(event) = job.next().await {
//!     if let Event::Progress(progress) = event {
//!         ui(progress)
//!     }
//! }
//! let done: Finished = job.finish().await?;
//! println!("{} segments in {:?}", done.segments, done.elapsed);
//! # Ok(())
//! # }
//! ```
//!
//! A job runs inside any tokio runtime, `current_thread` too. It installs no signal handler, reads no environment, prints
//! nothing. Dropping it cancels it and keeps its state: the same job goes on where it was.
//!
//! # Features
//! `client` (default): the transport over reqwest; without it, give your own [`Fetch`](hls_fetch::Fetch). `sled` (default): the
//! index of the store; without it, the log and the segment files resume just as safely. `backoff` (default): delays drawn by
//! that crate.

mod config;
mod control;
mod engine;
mod error;
mod event;
mod failure;
mod job;
mod manifest;
mod place;
mod policy;
mod prepare;
mod remux;
mod resume;
mod size;
mod store;
mod transfer;

pub use config::Format;
pub use error::{Error, Kind};
pub use event::{
    Event, Finished, Gap, Joining, LiveProgress, Network, OriginHealth, Pathway, Plan, Progress, Reload,
    Retry, Segment, StoppedBy,
};
pub use failure::Failure;
pub use hls_fetch as fetch;
pub use hls_parse::DateTime;
pub use hls_state::Durability;
pub use job::{Job, JobBuilder, JobHandle, Reader};
pub use manifest::format::manifest_path;
pub use manifest::verify::{Difference, Proof, Unverified, Verified, Wrong, verify};
pub use place::Place;
pub use policy::assembler::{Assembler, Command, Offer};
pub use policy::live::Split;
pub use policy::live::{Clock, From, Lost, News, Reading, Reloaded, Window};
pub use policy::name::{sanitise, suggest};
pub use policy::network::{Health, OriginId};
pub use policy::planner::{Action, Fetch, Planner, Sample, Verdict};
pub use policy::rendition::Wanted;
pub use policy::variant::{Condition, Select};
pub use size::Size;
pub use transfer::playlist::{load_playlist, read_playlist};

#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
struct Readme;

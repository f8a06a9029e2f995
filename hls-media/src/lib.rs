//! Media segments recognised and verified as their bytes pass: MPEG-TS, fMP4, packed audio, WebVTT.
//!
//! A [`Verifier`] takes the bytes of one segment or initialisation section in chunks of any size, recognises the
//! [`Container`], refuses what is no media, and tells at the end whether the unit is whole. A
//! [`Configuration`] tells whether the media of two initialisation sections can stand in one file.
//!
//! [`remux`] makes one MP4 of several inputs, and [`captions`] one file of segments of WebVTT.
//!
//! The crate does no I/O and knows nothing of URLs or playlists.
//!
//! ```
//! use hls_media::{Container, Verifier};
//!
//! let packet = [&[0x47, 0x40, 0x00, 0x10][..], &[0xff; 184]].concat();
//! let segment = packet.repeat(10);
//!
//! let mut verifier = Verifier::new();
//! for chunk in segment.chunks(1000) {
//!     verifier.push(chunk)?;
//! }
//! let summary = verifier.finish()?;
//! assert_eq!((summary.container, summary.bytes), (Container::MpegTs, 1880));
//!
//! let mut verifier = Verifier::new();
//! verifier.push(b"<!doctype html><title>Sorry")?;
//! let error = verifier.finish().unwrap_err().to_string();
//! assert!(error.starts_with("not media: it looks like an HTML page"));
//! # Ok::<(), hls_media::MediaError>(())
//! ```
//!
//! # Limitations
//!
//! What is verified is the outer structure: packets, boxes, frames, and how long they last. The encoded pictures and
//! sounds are not decoded (an `Inspector` tells whether samples of an MP4 have the structure of their codec), and WebVTT is checked
//! by its first line, and whether it ends inside the times of a cue.

mod audio;
mod border;
pub mod captions;
mod chain;
mod coding;
mod configuration;
mod container;
mod continuity;
mod error;
mod fmp4;
mod fragment;
mod front;
mod id3;
mod inspect;
mod lines;
mod oddity;
pub mod remux;
mod tables;
mod timestamps;
mod ts;
mod verifier;

pub use configuration::{Configuration, SampleEntry, Track};
pub use container::Container;
pub use error::{Appearance, MediaError};
pub use inspect::{Flaw, Inspector, Joint, Lookahead, Problem};
pub use oddity::{Odd, Oddity};
pub use verifier::{Kind, Summary, Verifier};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

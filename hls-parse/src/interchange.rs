//! Conversions to and from the types of `m3u8-rs`, behind the feature `m3u8-rs`.
//!
//! For those who hold its types already; nothing else in this crate knows of it. What its types cannot say is
//! an [`InterchangeError`] where other bytes would be meant, and else lost:
//!
//! - **To `m3u8-rs`**: durations become `f32`; URIs of keys and maps are whole, and stand on the first segment
//!   that they apply to; variables are replaced; a second date range before a segment, and a date that is not
//!   RFC 3339, become unknown tags; a discontinuity sequence number behind a segment moves to the front; comments, blank lines, and the order of tags are gone.
//! - **From `m3u8-rs`**: the playlist is written out, and read as any other. What its reader has lost or
//!   invented before that stays so: the tests name more than fifty such differences.

mod error;
mod from;
mod to;

pub use error::InterchangeError;

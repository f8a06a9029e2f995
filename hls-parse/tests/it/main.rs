//! Tests of the public interface.

mod corpus;
#[cfg(feature = "m3u8-rs")]
mod divergences;
#[cfg(feature = "m3u8-rs")]
mod interchange;
mod laws;
mod reading;
mod strict;
mod typed;
mod writing;

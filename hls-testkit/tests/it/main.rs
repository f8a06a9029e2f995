//! Each reply of the origin does what it says, seen from a bare socket.

mod client;
mod faults;
mod serving;
mod vod;

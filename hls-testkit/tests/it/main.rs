//! Each reply of the origin does what it says, seen from a bare socket.

mod client;
mod faults;
mod http2;
mod live;
mod serving;
mod vod;

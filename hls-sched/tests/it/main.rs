//! Whole jobs over real sockets, against an origin that does what it is told.
#![cfg(feature = "client")]

mod broadcast;
mod control;
mod days;
mod digests;
mod ends;
mod faults;
mod following;
mod formats;
mod gaps;
mod lies;
mod live;
mod neighbours;
mod network;
mod on_air;
mod optional;
mod outputs;
mod patience;
mod products;
mod replaced;
mod resume;
mod simulated;
mod support;
mod whole;

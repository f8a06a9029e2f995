//! The client against a scripted origin, over real sockets.
#![cfg(feature = "client")]

mod connections;
mod cookies;
mod failures;
mod headers;
mod hostile;
mod http2;
mod local;
mod private;
mod ranges;
mod redirects;
mod retrying;
mod support;
mod tls;

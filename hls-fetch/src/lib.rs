//! One URL to bytes, and what failed: a pooled HTTP client with classified errors and backoff.
//!
//! The crate knows nothing of playlists. It makes **one attempt** at a time and tells exactly how that attempt ended:
//! in all the bytes that were asked for, or in an [`Error`] whose [`Class`] says whether trying again can help.
//!
//! - [`Fetch`] is the seam: a [`Request`] goes in, a [`Response`] with a streaming [`Body`] comes out.
//! - `Client` (feature `client`) is the implementation over reqwest: pooled connections, its own redirect loop, headers
//!   and cookies that stay with the origin they were meant for, lengths and ranges verified.
//! - [`RetryPolicy`] is the one table of what is tried again, how often and after how long; [`retry`] drives it for
//!   those who use this crate alone.
//!
//! # Example
//! ```no_run
//! # #[cfg(feature = "client")]
//! # async fn example() -> Result<(), hls_fetch::Error> {
//! use hls_fetch::{Client, Fetch, Request, RetryPolicy, retry};
//!
//! let client = Client::builder().header("user-agent", "example/1.0")?.build()?;
//! let url: url::Url = "https://example.com/movie/seg1.ts".parse().expect("a literal URL");
//! let bytes = retry(&RetryPolicy::default(), || async {
//!     client.fetch(Request::get(url.clone())).await?.bytes(16 << 20).await
//! })
//! .await?;
//! println!("{} bytes", bytes.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! `client` (default): the reqwest client, TLS by rustls. `backoff` (default): delays drawn by the `backoff` crate;
//! without it the same law is computed here.

mod address;
mod body;
mod class;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod cookies;
mod delay;
mod digest;
mod error;
mod expiry;
mod headers;
mod inline;
mod local;
mod origin;
mod range;
mod redact;
mod request;
mod retry;
mod retry_after;
#[cfg(feature = "client")]
mod tls;

pub use address::AddressRange;
pub use body::{Body, BoxBody, Chunks};
pub use class::Class;
#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder, HttpVersion, Resolve, ResolveFuture};
#[cfg(feature = "client")]
pub use cookies::{CookieFileError, parse_cookie_file};
pub use delay::draw;
pub use digest::{Digest, DigestCheck};
pub use error::{Error, Kind};
pub use expiry::expires_at;
pub use headers::HeaderRules;
pub use inline::inline;
pub use local::LocalFiles;
pub use origin::Origin;
pub use range::ByteRange;
pub use redact::{escaped, is_harmless, redacted, redacted_path};
pub use request::{Fetch, FetchFuture, Oddity, Request, Response};
pub use retry::{Decision, RetryPolicy, Rule, retry};
pub use retry_after::parse_retry_after;

#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
struct Readme;

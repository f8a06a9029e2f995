//! HTTP Live Streaming playlists: lossless lines, typed tags, a resolved timeline.
//!
//! [`parse`] reads a playlist as forgiving as players are, and reports what was odd. The result is a
//! [`Multivariant`] playlist of variants and renditions, or a [`Media`] playlist whose [`Segment`]s have
//! everything resolved that applies to them: URL, byte range, keys, initialisation section, sequence numbers.
//!
//! The crate does no I/O. Rules cite sections of draft-pantos-hls-rfc8216bis-22.
//!
//! ```
//! use hls_parse::{Encryption, Playlist};
//! use url::Url;
//!
//! let text = "#EXTM3U
//! ##EXT-X-TARGETDURATION:6
//! ##EXT-X-MEDIA-SEQUENCE:7
//! ##EXT-X-KEY:METHOD=AES-128,URI=\"key\"
//! ##EXTINF:5.5,First, with a comma
//! one.ts
//! ##EXT-X-KEY:METHOD=NONE
//! ##EXTINF:6,
//! two.ts
//! ##EXT-X-ENDLIST
//! ";
//! let base = Url::parse("https://example.com/live/index.m3u8?token=1")?;
//! let parsed = hls_parse::parse(text, &base)?;
//! assert!(parsed.warnings.is_empty());
//!
//! let Playlist::Media(media) = parsed.playlist else { panic!("not a media playlist") };
//! assert!(media.ended);
//! assert_eq!(media.duration().as_secs_f64(), 11.5);
//!
//! let segments: Vec<_> = media.segments().collect();
//! assert_eq!(segments[0].url()?.as_str(), "https://example.com/live/one.ts");
//! assert_eq!(segments[0].iv(), Some(7_u128.to_be_bytes()));
//! assert_eq!(segments[1].encryption(), &Encryption::Clear);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Around it: [`check`] finds every rule of the draft that a playlist breaks, and [`Options::strict`] fails at the
//! first; [`Media::merge`] puts a delta update on top of an older copy; [`Media::compare`] tells what a reload
//! brought, lost or contradicts; [`write()`] makes text of a playlist again, with other URIs where wanted.
//!
//! Features, off by default: `steering` reads steering manifests, `m3u8-rs` converts to and from its types.
//!
//! # Limitations
//!
//! Comments are in [`Media::lines`] only, and are not written.

mod attribute;
mod attribute_list;
mod check;
mod compare;
mod date_range;
mod date_ranges;
mod date_time;
mod delta;
mod error;
mod inferred;
#[cfg(feature = "m3u8-rs")]
mod interchange;
mod interstitial;
mod key;
mod key_scope;
mod line;
mod low_latency;
mod media;
mod media_reader;
mod metadata_reader;
mod multivariant;
mod multivariant_reader;
mod options;
mod part;
mod playlist;
mod reader;
mod redundancy;
mod scalar;
mod session;
mod session_reader;
mod span;
#[cfg(any(test, feature = "steering"))]
mod steering;
mod tag;
mod variable;
mod violation;
mod warning;
mod wild;
mod write;

pub use attribute_list::AttributeList;
pub use check::check;
pub use compare::{Comparison, Contradiction, Relation};
pub use date_range::{Cue, DateRange};
pub use date_time::DateTime;
pub use delta::ReloadInFull;
pub use error::{Appearance, Error, ErrorKind, Quote};
pub use inferred::InferredMap;
#[cfg(feature = "m3u8-rs")]
pub use interchange::InterchangeError;
pub use interstitial::{Interstitial, TimelineOccupies, TimelineStyle};
pub use key::{Encryption, Key, Method, Reason};
pub use line::{Content, Line, Lines};
pub use low_latency::{HintType, PreloadHint, RenditionReport, ServerControl, Skip};
pub use media::{ByteRange, Map, Media, PlaylistType, Segment};
pub use multivariant::{Multivariant, Rendition, RenditionType, Resolution, Variant, VideoRange};
pub use options::{Limits, Options};
pub use part::Part;
pub use playlist::{Parsed, Playlist, parse};
pub use reader::Start;
pub use session::{ContentSteering, DataFormat, SessionData};
#[cfg(any(test, feature = "steering"))]
pub use steering::{Field, PathwayClone, SteeringError, SteeringManifest};
pub use violation::Violation;
pub use warning::{Warning, WarningKind};
pub use wild::{Marker, MarkerKind, Prefetch, Tiles};
pub use write::{Reference, Replacement, WriteError, write};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

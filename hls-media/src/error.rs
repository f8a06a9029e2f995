//! Why bytes are not media.

use std::fmt;

use thiserror::Error;

/// Why bytes are not the media they should be.
///
/// Offsets count from the first byte that was given to the verifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The bytes are something else, such as an error page.
    #[error("not media: {looks_like}{}", Shown(.first))]
    NotMedia {
        /// What they seem to be.
        looks_like: Appearance,
        /// The first bytes, escaped, at most 60 characters.
        first: String,
    },
    /// The bytes are no container that is known; after decryption, most likely the key is wrong.
    #[error("no known media container{}", Shown(.first))]
    Unrecognised {
        /// The first bytes, escaped, at most 60 characters.
        first: String,
    },
    /// A transport stream whose packets have four bytes in front (M2TS), which HTTP Live Streaming does not know.
    #[error("transport stream of packets of 192 bytes (M2TS), which is no format of HTTP Live Streaming")]
    LongPackets,
    /// A transport stream packet does not begin with the sync byte.
    #[error("transport stream lost its sync at byte {offset}")]
    SyncLost {
        /// Where the sync byte should be.
        offset: u64,
    },
    /// A transport stream ends inside a packet.
    #[error("transport stream of {bytes} bytes ends inside a packet of 188")]
    TsTruncated {
        /// How many bytes there are.
        bytes: u64,
    },
    /// A box is not what a box can be.
    #[error("box at byte {offset} {why}")]
    BadBox {
        /// Where the box begins.
        offset: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The bytes end inside a box.
    #[error("box {name} at byte {offset} ends {missing} bytes too early")]
    BoxTruncated {
        /// Where the box begins.
        offset: u64,
        /// Its type, escaped.
        name: String,
        /// How many bytes are missing at least.
        missing: u64,
    },
    /// A box that has to be there is not.
    #[error("box {name} is missing")]
    MissingBox {
        /// Its type.
        name: &'static str,
    },
    /// An audio frame does not begin where the one before ends.
    #[error("audio frame expected at byte {offset}")]
    FrameLost {
        /// Where the frame should begin.
        offset: u64,
    },
    /// The bytes end inside an audio frame or a tag.
    #[error("audio frame at byte {offset} ends {missing} bytes too early")]
    FrameTruncated {
        /// Where the frame begins.
        offset: u64,
        /// How many bytes are missing at least.
        missing: u64,
    },
    /// There are tags, but no audio frame.
    #[error("no audio frame after the tags")]
    NoFrames,
}

impl MediaError {
    /// Tells whether the end is missing, as after a transfer that was cut.
    pub fn is_truncated(&self) -> bool {
        matches!(self, Self::TsTruncated { .. } | Self::BoxTruncated { .. } | Self::FrameTruncated { .. })
    }
}

/// What bytes that are no media seem to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appearance {
    /// Nothing at all.
    Empty,
    /// An HTML page.
    Html,
    /// An XML document.
    Xml,
    /// A JSON document.
    Json,
    /// A playlist.
    Playlist,
    /// Other text.
    Text,
}

impl Appearance {
    /// Recognises text by how it begins.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii();
        if head.is_empty() {
            return Some(Self::Empty);
        }
        // A random byte may be a bracket; a document goes on with text.
        let shown = text.get(..200).unwrap_or(text);
        if !shown.iter().all(|&byte| byte >= b' ' || byte.is_ascii_whitespace()) {
            return None;
        }
        match text {
            [b'<', b'?', ..] => Some(Self::Xml),
            [b'<', ..] => Some(Self::Html),
            [b'{' | b'[', ..] => Some(Self::Json),
            _ if text.starts_with(b"#EXTM3U") => Some(Self::Playlist),
            _ if shown.is_ascii() => Some(Self::Text),
            _ => None,
        }
    }
}

impl fmt::Display for Appearance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Html => "it looks like an HTML page",
            Self::Xml => "it looks like an XML document",
            Self::Json => "it looks like a JSON document",
            Self::Playlist => "it is a playlist",
            Self::Text => "it is text",
        })
    }
}

/// Shows the first bytes where there are any.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ", it begins with \"{}\"", self.0) }
    }
}

/// Escapes the first bytes so that they can be printed anywhere, to at most 60 characters.
pub(crate) fn first_bytes(head: &[u8]) -> String {
    let mut out = String::new();
    for byte in head {
        let escaped = byte.escape_ascii();
        if out.len() + escaped.len() > 60 {
            break;
        }
        out.extend(escaped.map(char::from));
    }
    out
}

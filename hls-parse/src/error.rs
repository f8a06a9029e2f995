//! Why a text is no playlist, and how it is quoted.

use std::fmt::{self, Write as _};

use thiserror::Error;

use crate::Violation;

/// Why a text could not be read as a playlist, and where.
///
/// Only what must not be guessed is an error: a text that is no playlist, a limit, or a number or name
/// without which wrong bytes would be fetched. Everything else is a [`Warning`](crate::Warning).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct Error {
    line: u32,
    column: u32,
    kind: ErrorKind,
}

impl Error {
    pub(crate) fn new(line: u32, column: u32, kind: ErrorKind) -> Self {
        Self { line, column, kind }
    }

    /// Returns the line, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the column, counted from 1 in bytes.
    pub fn column(&self) -> u32 {
        self.column
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

/// What is wrong with a playlist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The first line that is not blank is no `#EXTM3U` (rfc8216bis-22, section 4.4.1.1).
    #[error("not an HLS playlist: {looks_like}")]
    NotAPlaylist {
        /// What it seems to be.
        looks_like: Appearance,
    },
    /// The playlist has tags of both kinds (section 4.1).
    #[error("tags of a multivariant playlist and of a media playlist are mixed")]
    Mixed,
    /// The playlist asks for more than [`Limits`](crate::Limits) allow.
    #[error("more than {limit} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A media sequence number is none, or is beyond 64 bits (section 4.4.3.2).
    #[error("media sequence number out of range: {0}")]
    MediaSequence(Quote),
    /// Segments are encrypted with the media sequence number as vector, and that number can't be read.
    #[error("encryption depends on the media sequence number, which can't be read: {0}")]
    SequenceForIv(Quote),
    /// A byte range is not a length and an offset in 64 bits (section 4.4.4.2).
    #[error("not a byte range: {0}")]
    ByteRange(Quote),
    /// A byte range has no offset, and no range before it to go on from (section 4.4.4.2).
    #[error("byte range without an offset and without a range before it: {0}")]
    NoOffset(Quote),
    /// A URI can't be resolved.
    #[error("not a URI: {0}")]
    Uri(Quote),
    /// A variable is used that no tag before it defines (section 4.3).
    #[error("variable is not defined: {0}")]
    UndefinedVariable(Quote),
    /// The playlist breaks a rule, and [`Options::strict`](crate::Options::strict) wants it to hold.
    #[error("{} (section {})", .0.sentence, .0.section)]
    Forbidden(Box<Violation>),
    /// A definition can't be followed (section 4.4.2.3).
    #[error("variable definition {why}: {quote}")]
    Define {
        /// Why not.
        why: &'static str,
        /// The variable, or the tag.
        quote: Quote,
    },
}

/// At most 80 characters of a playlist, escaped, so that they can be printed anywhere.
///
/// Of URIs, user names, passwords and queries are left out, because they hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote(String);

impl Quote {
    pub(crate) fn new(text: &str) -> Self {
        let mut out = String::from('"');
        let mut count = 0;
        for c in text.chars() {
            let escaped = c.escape_debug();
            count += escaped.clone().count();
            if count > 78 {
                out.push('…');
                break;
            }
            // Bidirectional controls would reorder the line they are printed in.
            if matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                let _ = write!(out, "{}", c.escape_unicode());
            } else {
                out.extend(escaped);
            }
        }
        out.push('"');
        Self(out)
    }

    pub(crate) fn uri(text: &str) -> Self {
        let open = text.find(['?', '#']).map_or(text, |end| &text[..end]);
        match open.split_once("//") {
            Some((scheme, rest)) => {
                let authority_end = rest.find('/').unwrap_or(rest.len());
                let host = rest[..authority_end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
                Self::new(&format!("{scheme}//{host}"))
            }
            None => Self::new(open),
        }
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a text that is no playlist seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appearance {
    /// Nothing, or only blanks.
    Empty,
    /// An HTML page.
    Html,
    /// An XML document, such as a DASH manifest.
    Xml,
    /// A JSON document.
    Json,
    /// Media or other binary data.
    Binary,
    /// Other text.
    Text,
}

impl Appearance {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let head = bytes.get(..1024).unwrap_or(bytes);
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii();
        match head {
            [] => Self::Empty,
            [b'<', rest @ ..] => {
                let xml = rest.starts_with(b"?xml") || rest.starts_with(b"MPD");
                if xml { Self::Xml } else { Self::Html }
            }
            [b'{' | b'[', ..] => Self::Json,
            _ if head.iter().any(|&byte| byte < b' ' && !byte.is_ascii_whitespace()) => Self::Binary,
            _ => Self::Text,
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
            Self::Binary => "it looks like binary data",
            Self::Text => "it does not begin with #EXTM3U",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_harmless() {
        fn check(text: &str, expect: &str) {
            assert_eq!(Quote::new(text).to_string(), expect);
        }
        check("a\u{1b}[31m\n", r#""a\u{1b}[31m\n""#);
        check("a\u{202e}b", r#""a\u{202e}b""#);
        assert!(Quote::new(&"x".repeat(500)).to_string().chars().count() <= 81);
    }

    #[test]
    fn uris_lose_their_secrets() {
        fn check(text: &str, expect: &str) {
            assert_eq!(Quote::uri(text).to_string(), expect);
        }
        check("https://u:p@h/a?token=1", r#""https://h/a""#);
        check("a.ts?t=1", r#""a.ts""#);
        check("//h", r#""//h""#);
    }
}

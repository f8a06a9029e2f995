//! Writing: from a playlist back to text.

mod media;
mod multivariant;
mod text;

use thiserror::Error;
use url::Url;

use crate::{Key, Map, Media, Multivariant, Part, Playlist, Rendition, Segment, Variant};

/// Writes a playlist as text, tags in their legal order (rfc8216bis-22, section 4.4).
///
/// What is read back from it is equal, but for the numbers of lines. Variables are replaced, byte ranges have
/// their offsets, attributes that a tag may not have are kept. Tags that this crate does not know stand where
/// they stood: before the same segment or variant. Comments and blank lines are left out, and so is what
/// reading left out.
///
/// # Errors
///
/// Where a text can't stand in a playlist, as one with a quote in a quoted string: a variable or a
/// replacement can hold such a text.
pub fn write(playlist: &Playlist) -> Result<String, WriteError> {
    match playlist {
        Playlist::Media(media) => media.write(),
        Playlist::Multivariant(playlist) => playlist.write(),
    }
}

impl Media {
    /// Writes it as text; see [`write()`](crate::write()).
    ///
    /// # Errors
    ///
    /// As [`write()`](crate::write()).
    pub fn write(&self) -> Result<String, WriteError> {
        self.write_with(|_| None)
    }

    /// Writes it as text with other URIs, for example for use without a network.
    ///
    /// `replace` is asked for each URI, in the order of writing; where it returns nothing, the URI stays.
    ///
    /// # Errors
    ///
    /// As [`write()`](crate::write()).
    pub fn write_with(
        &self,
        mut replace: impl FnMut(Reference<'_>) -> Option<Replacement>,
    ) -> Result<String, WriteError> {
        media::write(self, &mut replace)
    }
}

impl Multivariant {
    /// Writes it as text; see [`write()`](crate::write()).
    ///
    /// # Errors
    ///
    /// As [`write()`](crate::write()).
    pub fn write(&self) -> Result<String, WriteError> {
        self.write_with(|_| None)
    }

    /// Writes it as text with other URIs; see [`Media::write_with`].
    ///
    /// # Errors
    ///
    /// As [`write()`](crate::write()).
    pub fn write_with(
        &self,
        mut replace: impl FnMut(Reference<'_>) -> Option<Replacement>,
    ) -> Result<String, WriteError> {
        multivariant::write(self, &mut replace)
    }
}

type Replace<'r> = &'r mut dyn FnMut(Reference<'_>) -> Option<Replacement>;

/// What a URI of a playlist leads to.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Reference<'a> {
    /// A segment.
    Segment(Segment<'a>),
    /// A part of a segment.
    Part(Part<'a>),
    /// An initialisation section.
    Map(&'a Map),
    /// A key, of a segment or of the session.
    Key(&'a Key, &'a Url),
    /// A variant of any of the three kinds.
    Variant(&'a Variant),
    /// A rendition with a playlist of its own.
    Rendition(&'a Rendition),
    /// What another tag names.
    #[non_exhaustive]
    Other {
        /// The tag, without `#`.
        tag: &'static str,
        /// The URI resolved.
        url: &'a Url,
    },
}

/// What to write in place of a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    uri: String,
    is_whole: bool,
}

impl Replacement {
    /// Makes a replacement that keeps the byte range, where there is one.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), is_whole: false }
    }

    /// Makes a replacement that is all of a resource, so that a byte range is left out.
    pub fn whole(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), is_whole: true }
    }
}

/// A text that can't be written in its place, as it would be read as something else.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} can't be written: it has a quote or a line end in it")]
#[non_exhaustive]
pub struct WriteError {
    /// The tag or attribute.
    pub what: &'static str,
}

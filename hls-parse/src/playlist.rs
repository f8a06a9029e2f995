//! From bytes to one of the two kinds of playlist.

use std::borrow::Cow;

use url::Url;

use crate::{
    Appearance, Content, Error, ErrorKind, Lines, Media, Multivariant, Options, Warning, WarningKind,
    media_reader::MediaReader, multivariant_reader::MultivariantReader, reader::Reader, warning::Warnings,
};

/// Reads a playlist of either kind, as forgiving as players are.
///
/// `base` is where the playlist came from, after redirects: relative URIs are resolved against it
/// (rfc8216bis-22, section 4.1). [`Options`] can change the limits and hand in variables.
///
/// # Errors
///
/// Only where the text is no playlist, asks for more than the [`Limits`](crate::Limits), or leaves open
/// which bytes are meant: see [`ErrorKind`]. All else is read in a defined way, and reported as a [`Warning`].
pub fn parse(text: impl AsRef<[u8]>, base: &Url) -> Result<Parsed, Error> {
    Options::default().parse(text, base)
}

/// A playlist, and what is odd about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parsed {
    /// The playlist.
    pub playlist: Playlist,
    /// What was odd, in the order of lines.
    pub warnings: Vec<Warning>,
}

/// One of the two kinds of playlist (rfc8216bis-22, section 4).
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // one value for each playlist, never many
pub enum Playlist {
    /// Variants and renditions, each with a media playlist of its own.
    Multivariant(Multivariant),
    /// Segments.
    Media(Media),
}

pub(crate) fn read(bytes: &[u8], base: &Url, options: &Options) -> Result<Parsed, Error> {
    if options.strict {
        if let Some(violation) = crate::check(bytes, base, options).into_iter().next() {
            let (line, column) = (violation.line, violation.column);
            return Err(Error::new(line, column, ErrorKind::Forbidden(Box::new(violation))));
        }
    }
    let limits = &options.limits;
    // Places in the text are kept in 32 bits, and variables may add as much text again.
    let limit = limits.bytes.min(i32::MAX as usize);
    if bytes.len() > limit {
        return Err(Error::new(1, 1, ErrorKind::Limit { what: "bytes", limit }));
    }
    let mut warnings = Warnings::new(limits.warnings);
    let text = decode(without_mark(bytes, &mut warnings), &mut warnings);
    let (kind, lines) = scan(&text, bytes, &mut warnings)?;
    let reader = Reader::new(&text, base, options, warnings);
    let (playlist, reader) = match kind {
        Kind::Multivariant => {
            let (playlist, reader) = MultivariantReader::new(reader).read(lines)?;
            (Playlist::Multivariant(playlist), reader)
        }
        Kind::Media => {
            let (playlist, reader) = MediaReader::new(reader).read(lines)?;
            (Playlist::Media(playlist), reader)
        }
    };
    Ok(Parsed { playlist, warnings: reader.warnings.into_vec() })
}

/// Leaves out a byte order mark.
pub(crate) fn without_mark<'t>(bytes: &'t [u8], warnings: &mut Warnings) -> &'t [u8] {
    let Some(body) = bytes.strip_prefix(b"\xef\xbb\xbf") else { return bytes };
    warnings.add(1, || WarningKind::ByteOrderMark);
    body
}

/// Replaces what is not UTF-8, so that one bad title never cuts a playlist short.
pub(crate) fn decode<'t>(body: &'t [u8], warnings: &mut Warnings) -> Cow<'t, str> {
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) => {
            let before = body.get(..error.valid_up_to()).unwrap_or(body);
            let line = memchr::memchr_iter(b'\n', before).count().saturating_add(1);
            warnings.add(u32::try_from(line).unwrap_or(u32::MAX), || WarningKind::NotUtf8);
            String::from_utf8_lossy(body)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Multivariant,
    Media,
}

/// Checks the header and tells the kind by the first tag that decides; the lines it returns begin behind the
/// header. What contradicts the kind later is for the readers to find, which saves a pass over the text.
pub(crate) fn scan<'t>(
    text: &'t str,
    bytes: &[u8],
    warnings: &mut Warnings,
) -> Result<(Kind, Lines<'t>), Error> {
    let mut lines = Lines::new(text);
    let header = lines.by_ref().find(|line| line.content != Content::Blank);
    let Some((header, Content::Tag { name: "EXTM3U", value })) = header.map(|line| (line, line.content))
    else {
        let looks_like = Appearance::of(bytes);
        return Err(Error::new(
            header.map_or(1, |line| line.number),
            1,
            ErrorKind::NotAPlaylist { looks_like },
        ));
    };
    if header.number > 1 {
        warnings.add(header.number, || WarningKind::BlankBeforeHeader);
    }
    if !value.is_empty() {
        warnings.add(header.number, || WarningKind::TextAfterTag);
    }
    let body = lines.clone();
    let mut kind = Kind::Media;
    for line in lines {
        let Content::Tag { name, .. } = line.content else { continue };
        match name {
            "EXTINF" | "EXT-X-TARGETDURATION" => return Ok((Kind::Media, body)),
            "EXT-X-STREAM-INF" | "EXT-X-MEDIA" | "EXT-X-I-FRAME-STREAM-INF" => {
                return Ok((Kind::Multivariant, body));
            }
            // Harmless in a media playlist, so that only the lack of anything else decides.
            "EXT-X-SESSION-DATA" | "EXT-X-SESSION-KEY" | "EXT-X-CONTENT-STEERING" => {
                kind = Kind::Multivariant
            }
            _ => {}
        }
    }
    Ok((kind, body))
}

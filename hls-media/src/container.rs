//! Containers, and how their first bytes look.

use std::fmt;

use crate::{
    Appearance, MediaError,
    audio::{self, Frame},
    error::first_bytes,
    tables, ts,
};

/// The container of a segment (rfc8216bis-22, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Container {
    /// MPEG-2 transport stream.
    MpegTs,
    /// Fragmented MP4.
    Fmp4,
    /// AAC in ADTS frames.
    Adts,
    /// MPEG audio, layer 1 to 3.
    Mp3,
    /// Dolby AC-3.
    Ac3,
    /// Dolby E-AC-3.
    Eac3,
    /// Subtitles.
    WebVtt,
}

impl Container {
    /// Returns the extension for a file, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::MpegTs => "ts",
            Self::Fmp4 => "mp4",
            Self::Adts => "aac",
            Self::Mp3 => "mp3",
            Self::Ac3 => "ac3",
            Self::Eac3 => "eac3",
            Self::WebVtt => "vtt",
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MpegTs => "MPEG-TS",
            Self::Fmp4 => "fMP4",
            Self::Adts => "ADTS",
            Self::Mp3 => "MP3",
            Self::Ac3 => "AC-3",
            Self::Eac3 => "E-AC-3",
            Self::WebVtt => "WebVTT",
        })
    }
}

/// How many bytes tell a container for certain: three packets of a transport stream, and one byte.
pub(crate) const SNIFF: usize = 2 * ts::PACKET + 1;

/// What the first bytes are; packed audio behind a tag is told later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sniffed {
    MpegTs,
    Fmp4,
    PackedAudio,
    WebVtt,
}

/// Recognises a container; `head` is at least [`SNIFF`] bytes, or all there are.
pub(crate) fn sniff(head: &[u8]) -> Result<Sniffed, MediaError> {
    let text = Appearance::of(head);
    let vtt = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).strip_prefix(b"WEBVTT");
    if vtt.is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t' | b'\n' | b'\r'))) {
        return Ok(Sniffed::WebVtt);
    }
    // "Gateway Timeout" begins with the sync byte too.
    if (ts::is_packets(head) || tables::is_association(head)) && text.is_none() {
        return Ok(Sniffed::MpegTs);
    }
    if is_box(head) {
        return Ok(Sniffed::Fmp4);
    }
    if head.starts_with(b"ID3") || matches!(audio::frame(head), Frame::Header { .. }) {
        return Ok(Sniffed::PackedAudio);
    }
    Err(match text {
        Some(looks_like) => MediaError::NotMedia { looks_like, first: first_bytes(head) },
        None => MediaError::Unrecognised { first: first_bytes(head) },
    })
}

fn is_box(head: &[u8]) -> bool {
    let Some((size, rest)) = head.split_first_chunk::<4>() else { return false };
    let Some(kind) = rest.first_chunk::<4>() else { return false };
    let known = matches!(
        kind,
        b"ftyp"
            | b"styp"
            | b"moof"
            | b"moov"
            | b"sidx"
            | b"ssix"
            | b"emsg"
            | b"prft"
            | b"free"
            | b"skip"
            | b"mdat"
            | b"uuid"
            | b"wide"
            | b"pdin"
            | b"meta"
    );
    known && !matches!(u32::from_be_bytes(*size), 2..8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expect: Result<Sniffed, &str>) {
        assert_eq!(sniff(head).map_err(|error| error.to_string()), expect.map_err(str::to_owned), "{head:?}");
    }

    #[test]
    fn media() {
        let mut ts = vec![0; 564];
        for at in [0, 188, 376] {
            ts[at] = 0x47;
        }
        check(&ts, Ok(Sniffed::MpegTs));
        check(&ts[..188], Ok(Sniffed::MpegTs));
        check(b"\0\0\0\x18ftypisom", Ok(Sniffed::Fmp4));
        check(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x20", Ok(Sniffed::Fmp4));
        check(b"ID3\x04\0\0\0\0\0\x3f", Ok(Sniffed::PackedAudio));
        check(&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc], Ok(Sniffed::PackedAudio));
        check(b"WEBVTT\n\n", Ok(Sniffed::WebVtt));
        check(b"\xef\xbb\xbfWEBVTT", Ok(Sniffed::WebVtt));
    }

    #[test]
    fn not_media() {
        check(b"", Err("not media: it is empty"));
        check(b"<html>", Err("not media: it looks like an HTML page, it begins with \"<html>\""));
        check(b" <?xml ?>", Err("not media: it looks like an XML document, it begins with \" <?xml ?>\""));
        check(
            b"{\"a\":1}",
            Err("not media: it looks like a JSON document, it begins with \"{\\\"a\\\":1}\""),
        );
        check(b"#EXTM3U\n", Err("not media: it is a playlist, it begins with \"#EXTM3U\\n\""));
        check(b"Gateway Timeout", Err("not media: it is text, it begins with \"Gateway Timeout\""));
        check(
            b"\x89PNG\r\n\x1a\n",
            Err("no known media container, it begins with \"\\x89PNG\\r\\n\\x1a\\n\""),
        );
        check(b"WEBVTTX\x01", Err("no known media container, it begins with \"WEBVTTX\\x01\""));
    }
}

//! `hls info --reading`: how a playlist was read, every segment with all that applies to it.

use std::{collections::HashMap, sync::Arc};

use hls_parse::{
    ByteRange, Content, Key, Media, Method, Multivariant, Options, Playlist, PlaylistType, Segment,
};
use serde_json::{Value, json};
use url::Url;

use super::reference::resolved;

const IDENTITY: &str = "identity";

/// The reading as a line, and whether the text is a playlist at all.
pub(super) fn line(text: &[u8], base: &Url, master: Option<&[u8]>) -> (String, bool) {
    let read = options(master, base).and_then(|options| options.parse(text, base));
    let (reading, is_playlist) = match read.map(|parsed| parsed.playlist) {
        Ok(Playlist::Media(media)) => (of_media(&media), true),
        Ok(Playlist::Multivariant(playlist)) => (of_multivariant(&playlist), true),
        Err(error) => (json!({"kind": "error", "error": error.to_string()}), false),
    };
    (crate::report::json_line(&reading), is_playlist)
}

pub(super) fn options(master: Option<&[u8]>, base: &Url) -> Result<Options, hls_parse::Error> {
    let mut options = Options::default();
    // What is only shown may have segments whose bytes are not known: they are shown without them.
    options.inspect = true;
    if let Some(text) = master
        && let Playlist::Multivariant(playlist) = options.parse(text, base)?.playlist
    {
        options.import = playlist.variables;
    }
    Ok(options)
}

fn of_media(media: &Media) -> Value {
    let written = Written::of(media);
    let segments: Vec<Value> =
        media.segments().zip(&written.segments).map(|(segment, own)| written.segment(segment, own)).collect();
    let duration: f64 =
        written.segments.iter().filter_map(|segment| segment.duration).fold(0.0, |a, b| a + b);
    json!({
        "kind": "media",
        "target_duration": media.target_duration.map(|duration| duration.as_secs()),
        "media_sequence": media.media_sequence,
        "discontinuity_sequence": media.discontinuity_sequence,
        "endlist": media.ended,
        "playlist_type": media.playlist_type.map(playlist_type),
        "n_segments": segments.len(),
        "total_duration": rounded(duration),
        "parts": written.parts,
        "skipped": media.skipped_segments,
        "segments": segments,
    })
}

fn playlist_type(kind: PlaylistType) -> &'static str {
    match kind {
        PlaylistType::Vod => "VOD",
        _ => "EVENT",
    }
}

fn identity(keys: &[Arc<Key>]) -> Option<&Arc<Key>> {
    keys.iter().find(|key| key.format() == IDENTITY)
}

/// The vector, which only these two methods take from the media sequence number (rfc8216bis-22, section 5.2).
fn vector(key: &Key, media_sequence: u64) -> Option<String> {
    match key.method {
        Method::Aes128 | Method::SampleAes if !key.iv_is_bad => {
            Some(hex(key.iv.unwrap_or_else(|| u128::from(media_sequence).to_be_bytes())))
        }
        _ => key.iv.map(hex),
    }
}

fn formats(keys: &[Arc<Key>]) -> Option<Vec<&str>> {
    let mut formats: Vec<&str> = keys.iter().map(|key| key.format()).collect();
    formats.sort_unstable();
    (!formats.is_empty()).then_some(formats)
}

fn of_multivariant(playlist: &Multivariant) -> Value {
    let variants = playlist.variants.iter().map(|variant| {
        json!({
            "uri": resolved(playlist.base(), &variant.uri),
            "bandwidth": variant.bandwidth,
            "codecs": variant.codecs,
            "resolution": variant.attributes.get("RESOLUTION"),
            "audio": variant.audio,
            "subtitles": variant.subtitles,
        })
    });
    json!({"kind": "master", "variants": variants.collect::<Vec<_>>()})
}

fn of_range(range: ByteRange) -> Value {
    json!([range.length, range.offset])
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// A sum of fractions as it would be written, without the noise of adding them.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// What only the lines tell: durations in all their digits, lengths of ranges that begin nowhere, and URIs
/// that are not yet as a request has them.
#[derive(Default)]
struct Written<'m> {
    segments: Vec<WrittenSegment>,
    parts: usize,
    /// Resolved URIs of keys and maps by what they are in a request, where that is another text.
    uris: HashMap<String, String>,
    base: Option<&'m Url>,
}

#[derive(Default)]
struct WrittenSegment {
    duration: Option<f64>,
    length: Option<u64>,
}

impl<'m> Written<'m> {
    fn of(media: &'m Media) -> Self {
        let base = media.base();
        let mut written = Self { base: Some(base), ..Self::default() };
        let mut next = WrittenSegment::default();
        for line in media.lines() {
            match line.content {
                Content::Tag { name: "EXTINF", value } => next.duration = Some(seconds(value)),
                Content::Tag { name: "EXT-X-BYTERANGE", value } => next.length = length(value),
                Content::Tag { name: "EXT-X-PART", .. } => written.parts += 1,
                Content::Tag { name: "EXT-X-KEY" | "EXT-X-MAP", value } => written.uri_of(value, base),
                Content::Uri(_) => written.segments.push(std::mem::take(&mut next)),
                _ => {}
            }
        }
        written
    }

    fn uri_of(&mut self, attributes: &str, base: &Url) {
        let quoted = attributes.split_once("URI=\"").and_then(|(_, rest)| rest.split_once('"'));
        let Some((uri, _)) = quoted else { return };
        let text = resolved(base, uri);
        if let Ok(url) = base.join(uri)
            && url.as_str() != text
        {
            self.uris.insert(url.into(), text);
        }
    }

    fn uri<'a>(&'a self, url: &'a Url) -> &'a str {
        self.uris.get(url.as_str()).map_or(url.as_str(), String::as_str)
    }

    fn segment(&self, segment: Segment<'_>, own: &WrittenSegment) -> Value {
        let key = identity(segment.keys());
        let range = match segment.byte_range() {
            None => own.length.map(|length| json!([length, null])),
            range => range.map(of_range),
        };
        let map = segment.map();
        json!({
            "uri": self.base.map(|base| resolved(base, segment.uri())),
            "duration": own.duration,
            "byterange": range,
            "key": key.map(|key| self.key(key)),
            "effective_iv": key.and_then(|key| vector(key, segment.media_sequence())),
            "keyformats": formats(segment.keys()),
            "map": map.map(|map| json!({"uri": self.uri(&map.url), "byterange": map.byte_range.map(of_range)})),
            "map_key": map.and_then(|map| identity(&map.keys)).map(|key| self.key(key)),
            "disc": segment.discontinuity_sequence(),
            "gap": segment.is_gap(),
            "msn": segment.media_sequence(),
        })
    }

    fn key(&self, key: &Key) -> Value {
        json!({
            "method": key.method.as_str(),
            "uri": key.url.as_ref().map(|url| self.uri(url)),
            "iv": key.iv.map(hex),
        })
    }
}

/// What cannot be read, and what is negative, is no time at all.
fn seconds(value: &str) -> f64 {
    let text = value.trim_ascii_start();
    let end = text.bytes().position(|byte| !(byte.is_ascii_digit() || byte == b'.'));
    let number = text.get(..end.unwrap_or(text.len())).and_then(|number| number.parse().ok());
    number.filter(|seconds: &f64| seconds.is_finite()).unwrap_or(0.0)
}

fn length(value: &str) -> Option<u64> {
    let end = value.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        let base = "https://h/m/index.m3u8?t=1".parse().unwrap();
        serde_json::from_str(&line(text.as_bytes(), &base, None).0).unwrap()
    }

    #[test]
    fn all_that_applies_to_a_segment() {
        let reading = read(
            "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:258\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"http://k\"\n#EXT-X-MAP:URI=\"i\",BYTERANGE=\"9@1\"\n\
             #EXTINF:5.1234567,\n#EXT-X-BYTERANGE:7@3\né.ts\n#EXT-X-ENDLIST\n",
        );
        let key = json!({"method": "AES-128", "uri": "http://k", "iv": null});
        let segment = json!({
            "uri": "https://h/m/é.ts", "duration": 5.1234567, "byterange": [7, 3], "key": key,
            "effective_iv": "00000000000000000000000000000102", "keyformats": ["identity"],
            "map": {"uri": "https://h/m/i", "byterange": [9, 1]}, "map_key": key, "disc": 0, "gap": false, "msn": 258,
        });
        assert_eq!(reading["segments"], json!([segment]));
        assert_eq!((&reading["total_duration"], &reading["target_duration"]), (&json!(5.123457), &json!(6)));
    }

    #[test]
    fn durations() {
        for (value, expect) in
            [("10,", 10.0), (" 9.5", 9.5), ("-1 x=\"y\",z", 0.0), ("", 0.0), ("nan", 0.0), ("1e9", 1.0)]
        {
            assert_eq!(seconds(value), expect, "{value:?}");
        }
        let none = read("#EXTM3U\n#EXT-X-TARGETDURATION:6\na\n");
        assert_eq!((&none["segments"][0]["duration"], &none["total_duration"]), (&Value::Null, &json!(0.0)));
    }

    #[test]
    fn variables_of_the_multivariant_playlist() {
        let base = "https://h/m/index.m3u8".parse().unwrap();
        let text = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-DEFINE:IMPORT=\"v\"\n#EXTINF:1,\n{$v}.ts\n";
        let master = b"#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"x\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n";
        assert!(!line(text, &base, None).1);
        let (line, is_playlist) = line(text, &base, Some(master));
        assert!(is_playlist && line.contains("https://h/m/x.ts"), "{line}");
    }
}

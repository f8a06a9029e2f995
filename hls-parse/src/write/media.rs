//! Writing media playlists.

use std::sync::Arc;
use std::time::Duration;

use super::text::{List, Seconds, Text, relative};
use super::{Reference, Replace, Replacement, WriteError};
use crate::{ByteRange, Content, HintType, Key, Marker, MarkerKind, Media, Part, PlaylistType, Segment};

pub(super) fn write(media: &Media, replace: Replace<'_>) -> Result<String, WriteError> {
    let mut writer = Writer {
        text: Text::new(),
        media,
        replace,
        keys: 0,
        in_effect: &[],
        maps: 0,
        bitrate: 0,
        discontinuity: Discontinuity::of(media),
        tiles: 0,
    };
    writer.head()?;
    let rest = Rest::of(media);
    for segment in media.segments() {
        for line in rest.before(segment.index()) {
            writer.text.line(format_args!("{line}"));
        }
        writer.segment(segment)?;
    }
    for line in rest.before(media.segments().len()) {
        writer.text.line(format_args!("{line}"));
    }
    writer.tail()?;
    Ok(writer.text.into_string())
}

struct Writer<'m, 'r> {
    text: Text,
    media: &'m Media,
    replace: Replace<'r>,
    /// The set of keys in effect, as records count them, and the keys themselves.
    keys: u32,
    in_effect: &'m [Arc<Key>],
    /// How many maps are written.
    maps: u32,
    bitrate: u32,
    discontinuity: Discontinuity,
    /// How many layouts of tiles are written.
    tiles: usize,
}

impl<'m> Writer<'m, '_> {
    fn head(&mut self) -> Result<(), WriteError> {
        let media = self.media;
        let text = &mut self.text;
        text.number("EXT-X-VERSION", media.version);
        text.flag(media.independent_segments, "EXT-X-INDEPENDENT-SEGMENTS");
        text.start(media.start);
        text.number("EXT-X-TARGETDURATION", media.target_duration.map(|duration| duration.as_secs()));
        text.number("EXT-X-MEDIA-SEQUENCE", Some(media.media_sequence).filter(|number| *number > 0));
        text.number("EXT-X-DISCONTINUITY-SEQUENCE", Some(self.discontinuity.sequence).filter(|n| *n > 0));
        if let Some(kind) = media.playlist_type {
            let kind = if kind == PlaylistType::Vod { "VOD" } else { "EVENT" };
            text.line(format_args!("#EXT-X-PLAYLIST-TYPE:{kind}"));
        }
        text.flag(media.i_frames_only, "EXT-X-I-FRAMES-ONLY");
        text.flag(media.images_only, "EXT-X-IMAGES-ONLY");
        if let Some(allow) = media.allow_cache {
            text.line(format_args!("#EXT-X-ALLOW-CACHE:{}", if allow { "YES" } else { "NO" }));
        }
        if let Some(control) = &media.server_control {
            let mut list = List::default();
            list.seconds("CAN-SKIP-UNTIL", control.can_skip_until);
            list.yes("CAN-SKIP-DATERANGES", control.can_skip_date_ranges);
            list.seconds("HOLD-BACK", control.hold_back);
            list.seconds("PART-HOLD-BACK", control.part_hold_back);
            list.yes("CAN-BLOCK-RELOAD", control.can_block_reload);
            text.list("EXT-X-SERVER-CONTROL", &list);
        }
        if let Some(target) = media.part_target {
            text.line(format_args!("#EXT-X-PART-INF:PART-TARGET={}", Seconds(target)));
        }
        if let Some(skip) = &media.skip {
            let mut list = List::default();
            list.push("SKIPPED-SEGMENTS", format_args!("{}", skip.segments));
            let removed = skip.removed_date_ranges.as_ref().map(|ids| ids.join("\t"));
            text.quoted(&mut list, "RECENTLY-REMOVED-DATERANGES", removed.as_deref())?;
            text.list("EXT-X-SKIP", &list);
        }
        for range in &media.date_ranges {
            let list = text.attributes(&range.attributes, None)?;
            text.list("EXT-X-DATERANGE", &list);
        }
        Ok(())
    }

    fn segment(&mut self, segment: Segment<'m>) -> Result<(), WriteError> {
        let Some(record) = self.media.records.get(segment.index()) else { return Ok(()) };
        self.tiles_before(segment.index())?;
        self.discontinuity.before(&mut self.text, record.discontinuity, record.discontinuity_tags);
        if let Some(date) = segment.program_date_time() {
            self.text.line(format_args!("#EXT-X-PROGRAM-DATE-TIME:{date}"));
        }
        if record.bitrate != self.bitrate {
            self.bitrate = record.bitrate;
            self.text.line(format_args!("#EXT-X-BITRATE:{}", self.bitrate));
        }
        for part in segment.parts() {
            self.part(part)?;
        }
        self.scope(record.keys, record.map)?;
        self.text.flag(segment.is_gap(), "EXT-X-GAP");
        let replacement = (self.replace)(Reference::Segment(segment));
        if let Some(range) = segment.byte_range().filter(|_| !is_whole(replacement.as_ref())) {
            self.text.line(format_args!("#EXT-X-BYTERANGE:{}@{}", range.length, range.offset));
        }
        if let Some(offset) = segment.empty_range() {
            self.text.line(format_args!("#EXT-X-BYTERANGE:0@{offset}"));
        }
        self.text.line(format_args!("#EXTINF:{},{}", Seconds(segment.duration()), segment.title()));
        self.text.uri(replacement.as_ref().map_or(segment.uri(), |other| &other.uri))
    }

    fn part(&mut self, part: Part<'m>) -> Result<(), WriteError> {
        self.scope(part.record.keys, part.record.map)?;
        let replacement = (self.replace)(Reference::Part(part));
        let mut list = List::default();
        list.seconds("DURATION", Some(part.duration()));
        let uri = replacement.as_ref().map_or(part.uri(), |other| &other.uri);
        self.text.quoted(&mut list, "URI", Some(uri))?;
        range_attribute(&mut list, part.byte_range().filter(|_| !is_whole(replacement.as_ref())));
        list.yes("INDEPENDENT", part.is_independent());
        list.yes("GAP", part.is_gap());
        self.text.list("EXT-X-PART", &list);
        Ok(())
    }

    /// Writes the keys and maps that lead to those of a segment or part.
    ///
    /// A map is encrypted with the keys in effect at its own tag (section 4.4.4.5).
    fn scope(&mut self, keys: u32, map: u32) -> Result<(), WriteError> {
        while self.maps < map {
            self.map()?;
        }
        if keys != self.keys {
            let set = (keys as usize).checked_sub(1).and_then(|index| self.media.key_sets.get(index));
            self.keys_to(set.map_or(&[][..], |set| &set.keys))?;
            self.keys = keys;
        }
        Ok(())
    }

    fn map(&mut self) -> Result<(), WriteError> {
        self.maps += 1;
        let Some(map) = self.media.map_at(self.maps) else { return Ok(()) };
        if !self.has_in_effect(&map.keys) {
            self.keys_to(&map.keys)?;
            // What a segment needs may be another set with the same keys.
            self.keys = u32::MAX;
        }
        let replacement = (self.replace)(Reference::Map(map));
        let own = || relative(&self.media.base, &map.url);
        let uri = replacement.as_ref().map_or_else(own, |other| other.uri.clone());
        let mut list = List::default();
        self.text.quoted(&mut list, "URI", Some(&uri))?;
        range_attribute(&mut list, map.byte_range.filter(|_| !is_whole(replacement.as_ref())));
        self.text.list("EXT-X-MAP", &list);
        Ok(())
    }

    fn has_in_effect(&self, keys: &[Arc<Key>]) -> bool {
        keys.len() == self.in_effect.len() && keys.iter().zip(self.in_effect).all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Writes the tags that change the keys in effect; only METHOD=NONE takes one away (section 4.4.4.4).
    fn keys_to(&mut self, keys: &'m [Arc<Key>]) -> Result<(), WriteError> {
        let before = self.in_effect;
        let goes_on =
            before.len() <= keys.len() && before.iter().zip(keys).all(|(a, b)| a.format() == b.format());
        if !goes_on {
            self.text.line(format_args!("#EXT-X-KEY:METHOD=NONE"));
        }
        for (index, key) in keys.iter().enumerate() {
            let is_there = goes_on && before.get(index).is_some_and(|other| Arc::ptr_eq(other, key));
            if !is_there {
                let uri = key_uri(self.media, key, self.replace);
                let list = self.text.key(key, uri.as_deref())?;
                self.text.list("EXT-X-KEY", &list);
            }
        }
        self.in_effect = keys;
        Ok(())
    }

    fn tiles_before(&mut self, segment: usize) -> Result<(), WriteError> {
        while let Some(tiles) = self.media.tiles.get(self.tiles).filter(|tiles| tiles.segment <= segment) {
            self.tiles += 1;
            let list = self.text.attributes(&tiles.attributes, None)?;
            self.text.list("EXT-X-TILES", &list);
        }
        Ok(())
    }

    fn tail(&mut self) -> Result<(), WriteError> {
        let media = self.media;
        self.tiles_before(media.records.len())?;
        for part in media.open_parts() {
            self.part(part)?;
        }
        while (self.maps as usize) < media.maps.len() {
            self.map()?;
        }
        self.discontinuity.end(&mut self.text, media.discontinuity_sequence);
        for hint in &media.preload_hints {
            let uri = self.other("EXT-X-PRELOAD-HINT", &hint.url, &hint.uri);
            let mut list = List::default();
            let kind = if hint.kind == HintType::Part { "PART" } else { "MAP" };
            list.push("TYPE", format_args!("{kind}"));
            self.text.quoted(&mut list, "URI", Some(&uri))?;
            if hint.is_range {
                list.push("BYTERANGE-START", format_args!("{}", hint.start));
            }
            if let Some(length) = hint.length {
                list.push("BYTERANGE-LENGTH", format_args!("{length}"));
            }
            self.text.list("EXT-X-PRELOAD-HINT", &list);
        }
        for report in &media.rendition_reports {
            let uri = self.other("EXT-X-RENDITION-REPORT", &report.url, &report.uri);
            let mut list = List::default();
            self.text.quoted(&mut list, "URI", Some(&uri))?;
            if let Some(number) = report.last_media_sequence {
                list.push("LAST-MSN", format_args!("{number}"));
            }
            if let Some(number) = report.last_part {
                list.push("LAST-PART", format_args!("{number}"));
            }
            self.text.list("EXT-X-RENDITION-REPORT", &list);
        }
        for prefetch in &media.prefetch {
            let uri = self.other("EXT-X-PREFETCH", &prefetch.url, &prefetch.uri);
            self.text.prefetch(&uri)?;
        }
        self.text.flag(media.ended, "EXT-X-ENDLIST");
        Ok(())
    }

    fn other(&mut self, tag: &'static str, url: &url::Url, uri: &str) -> String {
        let replacement = (self.replace)(Reference::Other { tag, url });
        replacement.map_or_else(|| uri.to_owned(), |other| other.uri)
    }
}

pub(super) fn key_uri(media: &Media, key: &Key, replace: Replace<'_>) -> Option<String> {
    let url = key.url.as_deref()?;
    Some(replace(Reference::Key(key, url)).map_or_else(|| relative(&media.base, url), |other| other.uri))
}

fn is_whole(replacement: Option<&Replacement>) -> bool {
    replacement.is_some_and(|other| other.is_whole)
}

fn range_attribute(list: &mut List, range: Option<ByteRange>) {
    if let Some(range) = range {
        list.push("BYTERANGE", format_args!("\"{}@{}\"", range.length, range.offset));
    }
}

/// The discontinuity sequence number that a reader has come to (section 4.4.3.3).
struct Discontinuity {
    sequence: u64,
    tags: u64,
}

impl Discontinuity {
    fn of(media: &Media) -> Self {
        let first = media.records.first();
        let sequence = first.map_or(media.discontinuity_sequence, |record| {
            record.discontinuity.saturating_sub(u64::from(record.discontinuity_tags))
        });
        Self { sequence, tags: 0 }
    }

    fn before(&mut self, text: &mut Text, number: u64, tags: u16) {
        let after = self.tags.saturating_add(u64::from(tags));
        if self.sequence.saturating_add(after) != number {
            // Numbers jump where the tag stands behind a segment, which section 4.4.3.3 forbids.
            self.sequence = number.saturating_sub(after);
            text.line(format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.sequence));
        }
        for _ in 0..tags {
            text.line(format_args!("#EXT-X-DISCONTINUITY"));
        }
        self.tags = after;
    }

    fn end(&self, text: &mut Text, sequence: u64) {
        if sequence != self.sequence {
            text.line(format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}"));
        }
    }
}

/// Lines that are written as they stood, and before which segment.
struct Rest(Vec<(usize, String)>);

impl Rest {
    fn of(media: &Media) -> Self {
        let is_uri = |content: Content<'_>| matches!(content, Content::Uri(_));
        let uris = media.lines().filter(|line| is_uri(line.content)).count();
        // What comes from an older copy has no lines here.
        let older = media.records.len().saturating_sub(uris);
        let markers = media.markers.iter().filter(|marker| marker.segment < older);
        let mut lines: Vec<_> = markers.map(|marker| (marker.segment, of_marker(marker))).collect();
        let mut segment = older;
        for line in media.lines() {
            match line.content {
                Content::Uri(_) => segment += 1,
                Content::Tag { name, .. } if line.is_unknown_tag() || is_marker(name) => {
                    lines.push((segment, line.raw.trim_ascii().to_owned()));
                }
                _ => {}
            }
        }
        Self(lines)
    }

    fn before(&self, segment: usize) -> impl Iterator<Item = &str> {
        let begin = self.0.partition_point(|(at, _)| *at < segment);
        let rest = self.0.get(begin..).unwrap_or_default();
        rest.iter().take_while(move |(at, _)| *at == segment).map(|(_, line)| line.as_str())
    }
}

fn is_marker(name: &str) -> bool {
    matches!(name, "EXT-X-CUE-OUT" | "EXT-X-CUE-OUT-CONT" | "EXT-X-CUE-IN" | "EXT-OATCLS-SCTE35")
}

fn of_marker(marker: &Marker) -> String {
    let seconds = |duration: Option<Duration>| duration.map_or(String::new(), |d| Seconds(d).to_string());
    match &marker.kind {
        MarkerKind::Out { duration } => format!("#EXT-X-CUE-OUT:{}", seconds(*duration)),
        MarkerKind::Continued { elapsed, duration, .. } => {
            format!("#EXT-X-CUE-OUT-CONT:{}/{}", seconds(*elapsed), seconds(*duration))
        }
        MarkerKind::In => "#EXT-X-CUE-IN".to_owned(),
        MarkerKind::Scte35(message) => format!("#EXT-OATCLS-SCTE35:{message}"),
    }
}

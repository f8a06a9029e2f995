//! From lines to a media playlist.

mod finish;
mod part;
mod skip;

use std::{sync::Arc, time::Duration};

use crate::{
    ByteRange, Content, DateTime, Encryption, Error, ErrorKind, Line, Lines, Map, Media, PlaylistType, Quote,
    Reason, WarningKind,
    date_ranges::DateRanges,
    key_scope::KeyScope,
    media::{EMPTY_RANGE, NO_TIME, Record},
    metadata_reader,
    reader::{Reader, bad_value},
    scalar::{self, Decimal},
    span::Span,
};

pub(crate) use skip::Resumed;

/// Reads a media playlist line by line, and resolves each segment when its URI comes.
#[derive(Debug)]
pub(crate) struct MediaReader<'t> {
    reader: Reader<'t>,
    media: Media,
    media_sequence_seen: Option<Line<'t>>,
    bad_sequence: Option<(Line<'t>, &'t str)>,
    target_seen: bool,
    next: Next<'t>,
    /// How many tags there were so far, and the number that they make.
    discontinuities: u64,
    discontinuity: u64,
    bitrate: u32,
    /// The range of the segment before, and the URI it is a part of.
    last_range: Option<(ByteRange, Span)>,
    keys: KeyScope<'t>,
    map: u32,
    /// When the next segment begins.
    clock: Option<DateTime>,
    /// The range of the part before in the same segment, and the URI it is a part of.
    last_part_range: Option<(ByteRange, Span)>,
    date_ranges: DateRanges,
    is_resumed: bool,
}

/// What tags say about the segment whose URI comes next.
#[derive(Debug, Default)]
struct Next<'t> {
    extinf: Option<(Line<'t>, u64, Span)>,
    range: Option<(Line<'t>, &'t str)>,
    date: Span,
    time: Option<DateTime>,
    discontinuity_tags: u16,
    is_gap: bool,
}

impl<'t> MediaReader<'t> {
    pub(crate) fn new(reader: Reader<'t>) -> Self {
        let media = Media {
            version: None,
            target_duration: None,
            media_sequence: 0,
            discontinuity_sequence: 0,
            playlist_type: None,
            ended: false,
            i_frames_only: false,
            independent_segments: false,
            start: None,
            skipped_segments: 0,
            skip: None,
            part_target: None,
            server_control: None,
            preload_hints: Vec::new(),
            rendition_reports: Vec::new(),
            date_ranges: Vec::new(),
            markers: Vec::new(),
            prefetch: Vec::new(),
            tiles: Vec::new(),
            images_only: false,
            allow_cache: None,
            base: reader.base.clone(),
            buffer: Arc::from(""),
            text_len: reader.text.len(),
            records: Vec::new(),
            key_sets: Vec::new(),
            maps: Vec::new(),
            parts: Vec::new(),
            options: reader.options.clone(),
        };
        Self {
            reader,
            media,
            media_sequence_seen: None,
            bad_sequence: None,
            target_seen: false,
            next: Next::default(),
            discontinuities: 0,
            discontinuity: 0,
            bitrate: 0,
            last_range: None,
            keys: KeyScope::default(),
            map: 0,
            clock: None,
            last_part_range: None,
            date_ranges: DateRanges::default(),
            is_resumed: false,
        }
    }

    pub(crate) fn read(mut self, lines: Lines<'t>) -> Result<(Media, Reader<'t>), Error> {
        let mut last = None;
        for line in lines {
            self.reader.check_length(line)?;
            match line.content {
                Content::Tag { name, value } => self.tag(line, name, value)?,
                Content::Uri(uri) => self.segment(line, uri)?,
                Content::Blank | Content::Comment => {}
            }
            last = Some(line);
        }
        self.finish(last)
    }

    fn tag(&mut self, line: Line<'t>, name: &'t str, value: &'t str) -> Result<(), Error> {
        match name {
            "EXTINF" => self.extinf(line, value),
            "EXT-X-BYTERANGE" => self.next.range = Some((line, value)),
            "EXT-X-DISCONTINUITY" => {
                self.next.discontinuity_tags = self.next.discontinuity_tags.saturating_add(1);
                self.discontinuities = self.discontinuities.saturating_add(1);
                self.discontinuity = self.discontinuity.saturating_add(1);
            }
            "EXT-X-KEY" => self.keys.tag(&mut self.reader, line, value)?,
            "EXT-X-MAP" => self.map(line, value)?,
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.next.date = Span::of(self.reader.text, value);
                self.next.time = DateTime::parse(value);
                if self.next.time.is_none() {
                    self.reader.warn(line, || bad_value("EXT-X-PROGRAM-DATE-TIME", value));
                }
            }
            "EXT-X-GAP" => self.next.is_gap = true,
            "EXT-X-BITRATE" => {
                let number = self.reader.whole_number(line, "EXT-X-BITRATE", value).unwrap_or(0);
                self.bitrate = u32::try_from(number).unwrap_or(0);
            }
            "EXT-X-TARGETDURATION" => {
                if std::mem::replace(&mut self.target_seen, true) {
                    self.reader.warn(line, || WarningKind::Repeated("EXT-X-TARGETDURATION"));
                }
                let number = self.reader.whole_number(line, "EXT-X-TARGETDURATION", value);
                self.media.target_duration = number.map(Duration::from_secs).or(self.media.target_duration);
            }
            "EXT-X-MEDIA-SEQUENCE" => self.media_sequence(line, value)?,
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                let number = self.reader.whole_number(line, "EXT-X-DISCONTINUITY-SEQUENCE", value);
                self.media.discontinuity_sequence = number.unwrap_or(0);
                // Segments before a tag that comes too late keep the numbers they have.
                self.discontinuity = self.media.discontinuity_sequence.saturating_add(self.discontinuities);
            }
            "EXT-X-ENDLIST" => self.media.ended = true,
            "EXT-X-PLAYLIST-TYPE" => match value {
                "VOD" => self.media.playlist_type = Some(PlaylistType::Vod),
                "EVENT" => self.media.playlist_type = Some(PlaylistType::Event),
                _ => self.reader.warn(line, || bad_value("EXT-X-PLAYLIST-TYPE", value)),
            },
            "EXT-X-I-FRAMES-ONLY" => self.media.i_frames_only = true,
            "EXT-X-SKIP" => self.skip(line, value)?,
            "EXT-X-PART" => self.part(line, value)?,
            "EXT-X-DATERANGE" => self.date_ranges.tag(&mut self.reader, line, value)?,
            // Either reading would fetch something that the other says is no segment (section 4.1).
            "EXT-X-STREAM-INF" | "EXT-X-MEDIA" | "EXT-X-I-FRAME-STREAM-INF" => {
                return Err(self.reader.error(line, line.raw, ErrorKind::Mixed));
            }
            "EXT-X-SESSION-KEY" => self.reader.warn(line, || WarningKind::OutOfPlace("EXT-X-SESSION-KEY")),
            "EXT-X-SESSION-DATA" => self.reader.warn(line, || WarningKind::OutOfPlace("EXT-X-SESSION-DATA")),
            _ if metadata_reader::tag(&mut self.reader, &mut self.media, line, name, value)? => {}
            _ => self.reader.common_tag(line, name, value)?,
        }
        Ok(())
    }

    fn extinf(&mut self, line: Line<'t>, value: &'t str) {
        if let Some((before, ..)) = self.next.extinf {
            self.reader.warn(before, || WarningKind::NoUri);
        }
        let comma = unquoted_comma(value);
        let (number, title) = comma.map_or((value, ""), |at| (&value[..at], &value[at + 1..]));
        let (micros, rest) = match scalar::seconds(number) {
            Decimal::Value { duration, cut, rest } => {
                if cut {
                    self.reader.warn(line, || WarningKind::HugeDuration);
                }
                (u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), rest)
            }
            Decimal::Negative(rest) => {
                self.reader.warn(line, || WarningKind::NoDuration(Quote::new(number)));
                (0, rest)
            }
            Decimal::None => {
                self.reader.warn(line, || WarningKind::NoDuration(Quote::new(number)));
                (0, "")
            }
        };
        if !rest.trim_ascii().is_empty() {
            self.reader.warn(line, || WarningKind::TextAfterDuration);
        }
        self.next.extinf = Some((line, micros, Span::of(self.reader.text, title.trim_ascii())));
    }

    fn media_sequence(&mut self, line: Line<'t>, value: &'t str) -> Result<(), Error> {
        if self.media_sequence_seen.replace(line).is_some() {
            self.reader.warn(line, || WarningKind::Repeated("EXT-X-MEDIA-SEQUENCE"));
        }
        self.bad_sequence = None;
        match scalar::leading_integer(value) {
            Some((number, rest)) => {
                self.media.media_sequence = number;
                if !rest.is_empty() {
                    let quote = Quote::new(value);
                    self.reader.warn(line, || WarningKind::NotWhole { tag: "EXT-X-MEDIA-SEQUENCE", quote });
                }
            }
            None if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.reader.fault(line, value, ErrorKind::MediaSequence(Quote::new(value)))?;
            }
            None => {
                self.media.media_sequence = 0;
                self.bad_sequence = Some((line, value));
                self.reader.warn(line, || bad_value("EXT-X-MEDIA-SEQUENCE", value));
            }
        }
        Ok(())
    }

    fn map(&mut self, line: Line<'t>, value: &'t str) -> Result<(), Error> {
        let attributes = self.reader.attributes(line, value)?;
        let Some(uri) = attributes.get("URI") else {
            self.reader.warn(line, || WarningKind::Missing { tag: "EXT-X-MAP", attribute: "URI" });
            return Ok(());
        };
        let url = self.reader.resolve(line, uri)?;
        let byte_range = match attributes.get("BYTERANGE") {
            None => None,
            Some(text) => self.map_range(line, value, text)?,
        };
        let encryption = Encryption::of_map(self.keys.in_effect());
        if matches!(encryption, Encryption::Unsupported { reason: Reason::MapWithoutIv, .. }) {
            self.reader.warn(line, || WarningKind::MapWithoutIv);
        }
        let keys = self.keys.in_effect().to_vec();
        let map = Map { url, byte_range, encryption, keys, line: line.number };
        let repeats = (self.map as usize).checked_sub(1).and_then(|index| self.media.maps.get(index));
        if repeats.is_some_and(|last| **last == map) {
            return Ok(());
        }
        let limit = self.reader.options.limits.maps;
        if self.media.maps.len() >= limit {
            return Err(self.reader.limit(line, "initialisation sections", limit));
        }
        self.media.maps.push(Arc::new(map));
        self.map = count(self.media.maps.len());
        Ok(())
    }

    fn map_range(&mut self, line: Line<'t>, value: &str, text: &str) -> Result<Option<ByteRange>, Error> {
        let Some((length, offset)) = scalar::byte_range(text) else {
            self.reader.fault(line, value, ErrorKind::ByteRange(Quote::new(text)))?;
            return Ok(None);
        };
        if offset.is_none() {
            self.reader.warn(line, || WarningKind::MapWithoutOffset);
        }
        Ok(ByteRange::new(offset.unwrap_or(0), length))
    }

    fn segment(&mut self, line: Line<'t>, uri: &'t str) -> Result<(), Error> {
        let limit = self.reader.options.limits.segments;
        if self.media.records.len() >= limit {
            return Err(self.reader.limit(line, "segments", limit));
        }
        let next = std::mem::take(&mut self.next);
        let (micros, title) = match next.extinf {
            Some((_, micros, title)) => (micros, title),
            None => {
                self.reader.warn(line, || WarningKind::NoExtinf);
                (0, Span::default())
            }
        };
        let uri = self.reader.expand(line, uri)?;
        self.reader.check_uri(line, &uri)?;
        let range = match next.range {
            Some((tag, text)) => self.range(tag, text, &uri)?,
            None => None,
        };
        let span = self.reader.span(uri);
        self.last_range = range.map(|range| (range, span));
        let keys = self.keys.use_set(&self.reader, line, &mut self.media.key_sets)?;
        let time = next.time.or(self.clock);
        self.clock = time.map(|time| time.plus(micros));
        self.last_part_range = None;
        self.media.records.push(Record {
            micros,
            time: time.map_or(NO_TIME, DateTime::unix_micros),
            parts_end: count(self.media.parts.len()),
            range_offset: range.map_or(0, |range| range.offset),
            range_length: range.map_or(0, |range| if range.length == 0 { EMPTY_RANGE } else { range.length }),
            uri: span,
            title,
            date: next.date,
            line: line.number,
            discontinuity: self.discontinuity,
            keys,
            map: self.map,
            bitrate: self.bitrate,
            discontinuity_tags: next.discontinuity_tags,
            is_gap: next.is_gap,
        });
        Ok(())
    }

    /// Resolves a byte range: without an offset, it goes on behind the one before (section 4.4.4.2).
    fn range(&mut self, line: Line<'t>, text: &'t str, uri: &str) -> Result<Option<ByteRange>, Error> {
        let empty = scalar::empty_range(text).map(|offset| (0, offset));
        let Some((length, offset)) = empty.or_else(|| scalar::byte_range(text)) else {
            self.reader.fault(line, text, ErrorKind::ByteRange(Quote::new(text)))?;
            return Ok(None);
        };
        let offset = match (offset, self.last_range) {
            (Some(offset), _) => offset,
            (None, Some((last, span))) => {
                if self.text_of(span) != uri {
                    self.reader.warn(line, || WarningKind::RangeAfterOtherUri);
                }
                last.end()
            }
            (None, None) if self.media.skipped_segments > 0 => {
                self.reader.warn(line, || WarningKind::RangeAfterSkip(Quote::new(text)));
                return Ok(None);
            }
            (None, None) => {
                self.reader.fault(line, text, ErrorKind::NoOffset(Quote::new(text)))?;
                return Ok(None);
            }
        };
        // Packagers write one for a last segment that has turned out to be empty.
        if empty.is_some() {
            return Ok(Some(ByteRange { offset, length }));
        }
        let range = ByteRange::new(offset, length);
        if range.is_none() {
            self.reader.fault(line, text, ErrorKind::ByteRange(Quote::new(text)))?;
        }
        Ok(range)
    }

    fn text_of(&self, span: Span) -> &str {
        match span.get(self.reader.text) {
            "" => span.after(self.reader.text.len()).get(&self.reader.expansions),
            text => text,
        }
    }
}

// Nothing can be counted that is not a line of at most 4 GiB of text.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Finds the comma that ends the duration; those in the attributes of IPTV lists do not count.
fn unquoted_comma(value: &str) -> Option<usize> {
    let first = memchr::memchr2(b',', b'"', value.as_bytes())?;
    if value.as_bytes().get(first) == Some(&b',') {
        return Some(first);
    }
    let mut quoted = false;
    let comma = value.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    comma.or_else(|| memchr::memchr(b',', value.as_bytes()))
}

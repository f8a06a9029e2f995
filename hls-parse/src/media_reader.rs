//! From lines to a media playlist.

use std::{sync::Arc, time::Duration};

use crate::{
    ByteRange, Content, Encryption, Error, ErrorKind, Line, Lines, Map, Media, PlaylistType, Quote, Reason,
    WarningKind,
    key::KeySet,
    key_scope::KeyScope,
    media::Record,
    reader::{Reader, bad_value},
    scalar::{self, Decimal},
    span::Span,
};

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
    keys: KeyScope,
    map: u32,
}

/// What tags say about the segment whose URI comes next.
#[derive(Debug, Default)]
struct Next<'t> {
    extinf: Option<(Line<'t>, u64, Span)>,
    range: Option<(Line<'t>, &'t str)>,
    date: Span,
    is_discontinuity: bool,
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
            base: reader.base.clone(),
            buffer: Arc::from(""),
            text_len: reader.text.len(),
            records: Vec::new(),
            key_sets: Vec::new(),
            maps: Vec::new(),
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
        }
    }

    pub(crate) fn read(mut self, lines: Lines<'t>) -> Result<(Media, Reader<'t>), Error> {
        let mut last = None;
        for line in lines {
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
                self.next.is_discontinuity = true;
                self.discontinuities = self.discontinuities.saturating_add(1);
                self.discontinuity = self.discontinuity.saturating_add(1);
            }
            "EXT-X-KEY" => self.keys.tag(&mut self.reader, line, value)?,
            "EXT-X-MAP" => self.map(line, value)?,
            "EXT-X-PROGRAM-DATE-TIME" => self.next.date = Span::of(self.reader.text, value),
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
            "EXT-X-SKIP" => {
                let attributes = self.reader.attributes(line, value)?;
                match attributes.get("SKIPPED-SEGMENTS").and_then(scalar::integer) {
                    Some(count) => self.media.skipped_segments = count,
                    // How many there are decides the sequence number of every segment after them.
                    None => self.reader.fault(line, value, ErrorKind::MediaSequence(Quote::new(value)))?,
                }
            }
            "EXT-X-SESSION-KEY" => self.reader.warn(line, || WarningKind::OutOfPlace("EXT-X-SESSION-KEY")),
            "EXT-X-SESSION-DATA" => self.reader.warn(line, || WarningKind::OutOfPlace("EXT-X-SESSION-DATA")),
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
        self.media.records.push(Record {
            micros,
            range_offset: range.map_or(0, |range| range.offset),
            range_length: range.map_or(0, |range| range.length),
            uri: span,
            title,
            date: next.date,
            line: line.number,
            discontinuity: self.discontinuity,
            keys,
            map: self.map,
            bitrate: if range.is_none() { self.bitrate } else { 0 },
            is_discontinuity: next.is_discontinuity,
            is_gap: next.is_gap,
        });
        Ok(())
    }

    /// Resolves a byte range: without an offset, it goes on behind the one before (section 4.4.4.2).
    fn range(&mut self, line: Line<'t>, text: &'t str, uri: &str) -> Result<Option<ByteRange>, Error> {
        let Some((length, offset)) = scalar::byte_range(text) else {
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
            (None, None) => {
                self.reader.fault(line, text, ErrorKind::NoOffset(Quote::new(text)))?;
                return Ok(None);
            }
        };
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

    fn finish(mut self, last: Option<Line<'t>>) -> Result<(Media, Reader<'t>), Error> {
        if let Some((line, ..)) = self.next.extinf {
            self.reader.warn(line, || WarningKind::NoUri);
        }
        if let Some((line, value)) = self.bad_sequence {
            let by_sequence = |set: &KeySet| matches!(set.encryption, Encryption::Aes128 { iv: None, .. });
            if self.media.key_sets.iter().any(by_sequence) {
                self.reader.fault(line, value, ErrorKind::SequenceForIv(Quote::new(value)))?;
            }
        }
        let segments = self.media.records.len() as u64;
        let end = self.media.media_sequence.checked_add(self.media.skipped_segments);
        let fits = end.and_then(|end| end.checked_add(segments)).is_some();
        if let (false, Some(line)) = (fits, self.media_sequence_seen.or(last)) {
            let kind = ErrorKind::MediaSequence(Quote::new(&self.media.media_sequence.to_string()));
            self.reader.fault(line, line.raw, kind)?;
        }
        if let (None, Some(last)) = (self.media.target_duration, last) {
            self.reader.warn(last, || WarningKind::NoTargetDuration);
        }
        self.media.version = self.reader.version;
        self.media.independent_segments = self.reader.independent_segments;
        self.media.start = self.reader.start;
        self.media.buffer = if self.reader.expansions.is_empty() {
            Arc::from(self.reader.text)
        } else {
            Arc::from([self.reader.text, &self.reader.expansions].concat())
        };
        Ok((self.media, self.reader))
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

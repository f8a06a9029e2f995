//! Media playlists: segments with all that applies to them.

use std::{fmt, sync::Arc, time::Duration};

use url::Url;

use crate::{
    DateRange, DateTime, Encryption, Error, ErrorKind, Key, Line, Lines, Marker, Options, Part, Prefetch,
    PreloadHint, Quote, RenditionReport, ServerControl, Skip, Start, Tiles, key::KeySet, part::PartRecord,
    span::Span,
};

/// A media playlist: segments in order, each resolved.
#[derive(Clone)]
#[non_exhaustive]
pub struct Media {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// `EXT-X-TARGETDURATION` (rfc8216bis-22, section 4.4.3.1).
    pub target_duration: Option<Duration>,
    /// The media sequence number of the first segment, skipped ones included (section 4.4.3.2).
    pub media_sequence: u64,
    /// The discontinuity sequence number at the beginning (section 4.4.3.3).
    pub discontinuity_sequence: u64,
    /// `EXT-X-PLAYLIST-TYPE` (section 4.4.3.5).
    pub playlist_type: Option<PlaylistType>,
    /// Whether no segment will be added: `EXT-X-ENDLIST`, which may stand anywhere (section 4.4.3.4).
    pub ended: bool,
    /// Whether each segment is a single I-frame (section 4.4.3.6).
    pub i_frames_only: bool,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// `EXT-X-START`.
    pub start: Option<Start>,
    /// How many of the oldest segments a delta update leaves out (section 4.4.5.2); they are not in
    /// [`segments`](Self::segments), so that such a playlist alone is not the whole: keys, initialisation
    /// sections and byte ranges may go on from segments that are skipped.
    pub skipped_segments: u64,
    /// What else a delta update says about what it leaves out (section 4.4.5.2).
    pub skip: Option<Skip>,
    /// PART-TARGET: no part is longer (section 4.4.3.7).
    pub part_target: Option<Duration>,
    /// What the server offers to those who reload (section 4.4.3.8).
    pub server_control: Option<ServerControl>,
    /// What will be needed soon (section 4.4.5.3).
    pub preload_hints: Vec<PreloadHint>,
    /// How far other renditions are (section 4.4.5.4).
    pub rendition_reports: Vec<RenditionReport>,
    /// Date ranges, each once, in the order of their first tags (section 4.4.5.1).
    pub date_ranges: Vec<DateRange>,
    /// Tags around advertisements that no draft has, in order.
    pub markers: Vec<Marker>,
    /// Segments to come, by a tag that no draft has.
    pub prefetch: Vec<Prefetch>,
    /// Layouts of thumbnails, by a tag that no draft has.
    pub tiles: Vec<Tiles>,
    /// Whether each segment is an image, by `EXT-X-IMAGES-ONLY`, which no draft has.
    pub images_only: bool,
    /// `EXT-X-ALLOW-CACHE`, which protocol version 7 removed.
    pub allow_cache: Option<bool>,
    pub(crate) base: Url,
    pub(crate) buffer: Arc<str>,
    pub(crate) text_len: usize,
    pub(crate) records: Vec<Record>,
    pub(crate) key_sets: Vec<KeySet>,
    pub(crate) maps: Vec<Arc<Map>>,
    pub(crate) parts: Vec<PartRecord>,
    /// How it was read, so that a delta update can be read again on top of an older copy.
    pub(crate) options: Options,
}

/// The kind of a media playlist that says so (section 4.4.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlaylistType {
    /// The playlist never changes.
    Vod,
    /// Segments are only ever added.
    Event,
}

impl Media {
    pub(crate) fn resolved(&self, uri: &str, line: u32) -> Result<Url, Error> {
        self.base.join(uri).map_err(|_| Error::new(line, 1, ErrorKind::Uri(Quote::uri(uri))))
    }

    /// Returns the segments in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_>> + DoubleEndedIterator + Clone {
        self.records.iter().enumerate().map(|(index, record)| Segment { media: self, record, index })
    }

    /// Returns one segment, counted from 0.
    pub fn segment(&self, index: usize) -> Option<Segment<'_>> {
        self.records.get(index).map(|record| Segment { media: self, record, index })
    }

    /// Returns the sum of all durations.
    pub fn duration(&self) -> Duration {
        let micros: u128 = self.records.iter().map(|record| u128::from(record.micros)).sum();
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Returns where the playlist came from, which relative URIs are resolved against.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Returns every line as it stands in the playlist, unknown tags included.
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(self.buffer.get(..self.text_len).unwrap_or(""))
    }

    /// Returns the initialisation sections in order of their tags, each once where tags repeat it.
    pub fn maps(&self) -> &[Arc<Map>] {
        &self.maps
    }

    /// Returns the parts of the segment that is not complete yet, at the live edge (section 4.4.4.9).
    pub fn open_parts(&self) -> impl ExactSizeIterator<Item = Part<'_>> + Clone {
        self.parts_at(self.records.len())
    }

    /// Returns the media sequence number behind the last segment: that of the one to come.
    pub fn end_sequence(&self) -> u64 {
        // Reading fails where this would not fit, see `MediaReader::finish`.
        self.media_sequence.saturating_add(self.skipped_segments).saturating_add(self.records.len() as u64)
    }

    /// Returns the least distance from the end of a live stream where playback may begin: HOLD-BACK, or three
    /// target durations where the server names none (section 4.4.3.8).
    pub fn hold_back(&self) -> Option<Duration> {
        let named = self.server_control.and_then(|control| control.hold_back);
        named.or_else(|| self.target_duration?.checked_mul(3))
    }

    /// Returns where `EXT-X-START` says to begin, counted from the beginning: a negative offset counts from the
    /// end, and what is beyond either end is that end (section 4.4.2.2).
    pub fn start_offset(&self) -> Option<Duration> {
        let offset = self.start?.time_offset;
        let length = Duration::try_from_secs_f64(offset.abs()).unwrap_or(Duration::MAX);
        let whole = self.duration();
        Some(if offset < 0.0 { whole.saturating_sub(length) } else { length.min(whole) })
    }

    /// Returns the lines with tags that this crate does not know, in order.
    pub fn unknown_tags(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines().filter(Line::is_unknown_tag)
    }

    pub(crate) fn encryption_at(&self, keys: u32) -> &Encryption {
        let set = (keys as usize).checked_sub(1).and_then(|index| self.key_sets.get(index));
        set.map_or(&Encryption::Clear, |set| &set.encryption)
    }

    pub(crate) fn map_at(&self, map: u32) -> Option<&Arc<Map>> {
        self.maps.get((map as usize).checked_sub(1)?)
    }

    pub(crate) fn sequence_at(&self, index: usize) -> u64 {
        self.media_sequence.saturating_add(self.skipped_segments).saturating_add(index as u64)
    }

    fn parts_at(&self, index: usize) -> impl ExactSizeIterator<Item = Part<'_>> + Clone {
        let ends_at =
            |index: usize| self.records.get(index).map_or(self.parts.len(), |r| r.parts_end as usize);
        let begin = index.checked_sub(1).map_or(0, ends_at);
        let parts = self.parts.get(begin..ends_at(index)).unwrap_or_default();
        let media_sequence = self.sequence_at(index);
        parts.iter().enumerate().map(move |(index, record)| Part {
            media: self,
            record,
            index,
            media_sequence,
        })
    }

    /// Returns the different encryptions of the segments, in the order of their first use.
    pub fn encryptions(&self) -> impl Iterator<Item = &Encryption> {
        let clear = self.records.iter().any(|record| record.keys == 0).then_some(&Encryption::Clear);
        clear.into_iter().chain(self.key_sets.iter().map(|set| &set.encryption))
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("media_sequence", &self.media_sequence)
            .field("ended", &self.ended)
            .field("segments", &self.records.len())
            .finish_non_exhaustive()
    }
}

/// No playlist is that old.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// What is kept of a segment; texts are places in the buffer, keys and maps are shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) micros: u64,
    pub(crate) discontinuity: u64,
    pub(crate) range_offset: u64,
    /// 0 where the segment is the whole resource: no range is empty.
    pub(crate) range_length: u64,
    pub(crate) uri: Span,
    pub(crate) title: Span,
    pub(crate) date: Span,
    /// Microseconds since 1970, or [`NO_TIME`].
    pub(crate) time: i64,
    pub(crate) line: u32,
    /// Counted from 1; 0 is none.
    pub(crate) keys: u32,
    /// Counted from 1; 0 is none.
    pub(crate) map: u32,
    /// What the last tag says, in thousands, whether it applies here or not; 0 is none.
    pub(crate) bitrate: u32,
    /// How many parts there are up to the end of this segment.
    pub(crate) parts_end: u32,
    /// How many tags stand right before it; more are counted as the most there can be.
    pub(crate) discontinuity_tags: u16,
    pub(crate) is_gap: bool,
}

/// One segment of a [`Media`] playlist, with everything that applies to it.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    media: &'a Media,
    record: &'a Record,
    index: usize,
}

impl<'a> Segment<'a> {
    /// Returns the place in the playlist, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the media sequence number (rfc8216bis-22, section 4.4.3.2).
    pub fn media_sequence(&self) -> u64 {
        self.media.sequence_at(self.index)
    }

    /// Returns the discontinuity sequence number: that of the playlist, plus the tags before (section 6.2.1).
    pub fn discontinuity_sequence(&self) -> u64 {
        self.record.discontinuity
    }

    /// Tells whether an `EXT-X-DISCONTINUITY` stands right before it (section 4.4.4.3).
    pub fn is_discontinuity(&self) -> bool {
        self.record.discontinuity_tags > 0
    }

    /// Tells whether the segment is missing and must not be requested (section 4.4.4.7).
    pub fn is_gap(&self) -> bool {
        self.record.is_gap
    }

    /// Returns the duration to the microsecond; 0 where the playlist has none that can be read.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.record.micros)
    }

    /// Returns the title, mostly empty.
    pub fn title(&self) -> &'a str {
        self.record.title.get(&self.media.buffer)
    }

    /// Returns the URI as the playlist has it, its variables replaced.
    pub fn uri(&self) -> &'a str {
        self.record.uri.get(&self.media.buffer)
    }

    /// Returns the URI resolved against where the playlist came from (section 4.1).
    ///
    /// # Errors
    ///
    /// Never for a segment that reading returned, since reading checks every URI.
    pub fn url(&self) -> Result<Url, Error> {
        self.media.resolved(self.uri(), self.line())
    }

    /// Returns where the playlist came from.
    pub(crate) fn base(&self) -> &'a Url {
        &self.media.base
    }

    /// Returns the part of the resource that is the segment; `None` is all of it (section 4.4.4.2), or none of it.
    pub fn byte_range(&self) -> Option<ByteRange> {
        let length = Some(self.record.range_length).filter(|length| *length != EMPTY_RANGE)?;
        ByteRange::new(self.record.range_offset, length)
    }

    /// Returns where the segment is in its resource, if its byte range says that it has no bytes.
    pub fn empty_range(&self) -> Option<u64> {
        (self.record.range_length == EMPTY_RANGE).then_some(self.record.range_offset)
    }

    /// Returns the number of the line with the URI, counted from 1.
    pub fn line(&self) -> u32 {
        self.record.line
    }

    /// Returns the keys in effect, one for each key format (section 4.4.4.4).
    pub fn keys(&self) -> &'a [Arc<Key>] {
        self.key_set().map_or(&[], |set| &set.keys)
    }

    /// Returns what has to be done to get at the bytes.
    pub fn encryption(&self) -> &'a Encryption {
        self.media.encryption_at(self.record.keys)
    }

    /// Returns the initialisation vector where the segment is encrypted with AES-128.
    ///
    /// It is the explicit one, or the media sequence number as a big-endian 128-bit number (section 5.2).
    pub fn iv(&self) -> Option<[u8; 16]> {
        match self.encryption() {
            Encryption::Aes128 { iv, .. } => {
                Some(iv.unwrap_or_else(|| u128::from(self.media_sequence()).to_be_bytes()))
            }
            _ => None,
        }
    }

    /// Returns the initialisation section that applies (section 4.4.4.5).
    pub fn map(&self) -> Option<&'a Arc<Map>> {
        self.media.map_at(self.record.map)
    }

    /// Returns the text of the `EXT-X-PROGRAM-DATE-TIME` right before it (section 4.4.4.6).
    pub fn program_date_time(&self) -> Option<&'a str> {
        (!self.record.date.is_empty()).then(|| self.record.date.get(&self.media.buffer))
    }

    /// Returns when the segment begins in absolute time: by its own `EXT-X-PROGRAM-DATE-TIME`, or by the nearest
    /// one before it, or the first one after it, and the durations between (section 4.4.4.6).
    pub fn date_time(&self) -> Option<DateTime> {
        (self.record.time != NO_TIME).then(|| DateTime::from_unix_micros(self.record.time))
    }

    /// Returns the bit rate in bits per second that `EXT-X-BITRATE` tells, to within a tenth (section 4.4.4.8).
    ///
    /// The tag does not apply to segments with a byte range, whose size is known.
    pub fn bitrate(&self) -> Option<u64> {
        (self.record.bitrate > 0 && self.record.range_length == 0)
            .then(|| u64::from(self.record.bitrate) * 1000)
    }

    /// Returns the parts that the playlist still lists for the segment (section 4.4.4.9).
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part<'a>> + Clone + use<'a> {
        self.media.parts_at(self.index)
    }

    fn key_set(&self) -> Option<&'a KeySet> {
        let index = (self.record.keys as usize).checked_sub(1)?;
        self.media.key_sets.get(index)
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("media_sequence", &self.media_sequence())
            .field("line", &self.line())
            .field("duration", &self.duration())
            .finish_non_exhaustive()
    }
}

/// A part of a resource: at least one byte, ending within 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ByteRange {
    /// The first byte, counted from 0.
    pub offset: u64,
    /// How many bytes; never 0.
    pub length: u64,
}

/// The length that a [`Record`] has of a range of no bytes, which is not the same as no range.
pub(crate) const EMPTY_RANGE: u64 = u64::MAX;

impl ByteRange {
    /// Makes a range; `None` where it is empty or does not end within 64 bits.
    pub fn new(offset: u64, length: u64) -> Option<Self> {
        (length > 0 && offset.checked_add(length).is_some()).then_some(Self { offset, length })
    }

    /// Returns the offset of the first byte behind the range.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// An initialisation section: where it is, and how it is encrypted (rfc8216bis-22, section 4.4.4.5).
///
/// Two are equal where the same bytes result, wherever their tags stand.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Map {
    /// Where it is.
    pub url: Url,
    /// The part of the resource; `None` is all of it.
    pub byte_range: Option<ByteRange>,
    /// The encryption by the key in effect *at the tag*, not at the segment; its vector is always explicit.
    pub encryption: Encryption,
    /// The keys in effect at the tag, one for each key format (section 4.4.4.5).
    pub keys: Vec<Arc<Key>>,
    /// The line, counted from 1.
    pub line: u32,
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        (&self.url, self.byte_range, &self.encryption) == (&other.url, other.byte_range, &other.encryption)
    }
}

impl Eq for Map {}

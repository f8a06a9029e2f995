//! Media playlists: segments with all that applies to them.

use std::{fmt, sync::Arc, time::Duration};

use url::Url;

use crate::{Encryption, Error, ErrorKind, Key, Lines, Quote, Start, key::KeySet, span::Span};

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
    /// [`segments`](Self::segments), so that such a playlist alone is not the whole.
    pub skipped_segments: u64,
    pub(crate) base: Url,
    pub(crate) buffer: Arc<str>,
    pub(crate) text_len: usize,
    pub(crate) records: Vec<Record>,
    pub(crate) key_sets: Vec<KeySet>,
    pub(crate) maps: Vec<Arc<Map>>,
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
    pub(crate) line: u32,
    /// Counted from 1; 0 is none.
    pub(crate) keys: u32,
    /// Counted from 1; 0 is none.
    pub(crate) map: u32,
    pub(crate) bitrate: u32,
    pub(crate) is_discontinuity: bool,
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
        // Reading fails where this would not fit, see `MediaReader::finish`.
        self.media
            .media_sequence
            .saturating_add(self.media.skipped_segments)
            .saturating_add(self.index as u64)
    }

    /// Returns the discontinuity sequence number: that of the playlist, plus the tags before (section 6.2.1).
    pub fn discontinuity_sequence(&self) -> u64 {
        self.record.discontinuity
    }

    /// Tells whether an `EXT-X-DISCONTINUITY` stands right before it (section 4.4.4.3).
    pub fn is_discontinuity(&self) -> bool {
        self.record.is_discontinuity
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
        let uri = self.uri();
        let error = |_| Error::new(self.line(), 1, ErrorKind::Uri(Quote::uri(uri)));
        self.media.base.join(uri).map_err(error)
    }

    /// Returns the part of the resource that is the segment; `None` is all of it (section 4.4.4.2).
    pub fn byte_range(&self) -> Option<ByteRange> {
        ByteRange::new(self.record.range_offset, self.record.range_length)
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
        self.key_set().map_or(&Encryption::Clear, |set| &set.encryption)
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
        let index = (self.record.map as usize).checked_sub(1)?;
        self.media.maps.get(index)
    }

    /// Returns the text of the `EXT-X-PROGRAM-DATE-TIME` right before it (section 4.4.4.6).
    pub fn program_date_time(&self) -> Option<&'a str> {
        (!self.record.date.is_empty()).then(|| self.record.date.get(&self.media.buffer))
    }

    /// Returns the bit rate in bits per second that `EXT-X-BITRATE` tells, to within a tenth (section 4.4.4.8).
    pub fn bitrate(&self) -> Option<u64> {
        (self.record.bitrate > 0).then(|| u64::from(self.record.bitrate) * 1000)
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

//! Delta updates: what they skip, and how reading goes on from an older copy.

use std::{ops::Range, sync::Arc};

use super::{MediaReader, scalar};
use crate::{
    ByteRange, DateTime, Error, ErrorKind, Line, Map, Marker, Media, Quote, Skip, Tiles,
    date_ranges::DateRanges,
    key::KeySet,
    key_scope::KeyScope,
    media::{NO_TIME, Record},
};

/// What is taken over from an older copy, before a delta update is read on top of it.
#[derive(Debug, Default)]
pub(crate) struct Resumed {
    pub(crate) records: Vec<Record>,
    pub(crate) key_sets: Vec<KeySet>,
    pub(crate) maps: Vec<Arc<Map>>,
}

impl<'t> MediaReader<'t> {
    /// Goes on where the last skipped segment of an older copy ends (section 6.3.7).
    pub(crate) fn resume(
        mut self,
        resumed: Resumed,
        skip: &Skip,
        older: &Media,
        range: Range<usize>,
    ) -> Self {
        self.is_resumed = true;
        self.media.records = resumed.records;
        self.media.key_sets = resumed.key_sets;
        self.media.maps = resumed.maps;
        if let Some(removed) = &skip.removed_date_ranges {
            self.date_ranges = DateRanges::resume(&older.date_ranges, removed, skip.line);
        }
        let place = |segment: usize| range.contains(&segment).then(|| segment - range.start);
        self.media.markers.extend(older.markers.iter().filter_map(|marker| {
            Some(Marker { segment: place(marker.segment)?, line: skip.line, ..marker.clone() })
        }));
        self.media.tiles.extend(older.tiles.iter().filter_map(|tiles| {
            Some(Tiles { segment: place(tiles.segment)?, line: skip.line, ..tiles.clone() })
        }));
        let Some(last) = self.media.records.last() else { return self };
        let first = self.media.records.first().unwrap_or(last);
        let before = first.discontinuity.saturating_sub(u64::from(first.discontinuity_tags));
        self.discontinuities = last.discontinuity.saturating_sub(before);
        self.discontinuity = self.discontinuities;
        self.bitrate = last.bitrate;
        self.map = last.map;
        self.keys = KeyScope::resume(last.keys, &self.media.key_sets);
        self.last_range = ByteRange::new(last.range_offset, last.range_length).map(|range| (range, last.uri));
        let time = (last.time != NO_TIME).then(|| DateTime::from_unix_micros(last.time));
        self.clock = time.map(|time| time.plus(last.micros));
        self
    }

    pub(super) fn skip(&mut self, line: Line<'t>, value: &'t str) -> Result<(), Error> {
        let attributes = self.reader.attributes(line, value)?;
        let Some(segments) = attributes.get("SKIPPED-SEGMENTS").and_then(scalar::integer) else {
            // How many there are decides the sequence number of every segment after them.
            return self.reader.fault(line, value, ErrorKind::MediaSequence(Quote::new(value)));
        };
        if self.is_resumed {
            return Ok(());
        }
        let removed = attributes.get("RECENTLY-REMOVED-DATERANGES");
        let removed_date_ranges = removed
            .map(|list| list.split('\t').filter(|id| !id.is_empty()).map(str::to_owned).collect::<Vec<_>>());
        let limit = self.reader.options.limits.date_ranges;
        if removed_date_ranges.as_ref().is_some_and(|list| list.len() > limit) {
            return Err(self.reader.limit(line, "date ranges", limit));
        }
        self.media.skipped_segments = segments;
        self.media.skip = Some(Skip { segments, removed_date_ranges, line: line.number });
        Ok(())
    }
}

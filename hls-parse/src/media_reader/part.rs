//! Reading parts of segments.

use super::{MediaReader, scalar};
use crate::{ByteRange, Error, Line, Quote, WarningKind, part::PartRecord};

impl<'t> MediaReader<'t> {
    /// Reads a part of the segment whose URI is still to come (section 4.4.4.9).
    pub(super) fn part(&mut self, line: Line<'t>, value: &'t str) -> Result<(), Error> {
        let limit = self.reader.options.limits.parts;
        if self.media.parts.len() >= limit {
            return Err(self.reader.limit(line, "parts", limit));
        }
        let mut attributes = self.reader.attributes(line, value)?;
        let Some(uri) = attributes.take("URI") else {
            self.reader.warn(line, || WarningKind::Missing { tag: "EXT-X-PART", attribute: "URI" });
            return Ok(());
        };
        if self.reader.check_uri(line, &uri).is_err() {
            self.reader.warn(line, || WarningKind::BadUri(Quote::uri(&uri)));
            return Ok(());
        }
        let duration = attributes.get("DURATION").and_then(scalar::duration);
        if duration.is_none() {
            let number = attributes.get("DURATION").unwrap_or("");
            self.reader.warn(line, || WarningKind::NoDuration(Quote::new(number)));
        }
        let Some(range) = self.part_range(line, attributes.get("BYTERANGE"), &uri) else { return Ok(()) };
        let (is_independent, is_gap) = (attributes.is_yes("INDEPENDENT"), attributes.is_yes("GAP"));
        let uri = self.reader.span(uri);
        self.last_part_range = range.map(|range| (range, uri));
        let keys = self.keys.use_set(&self.reader, line, &mut self.media.key_sets)?;
        self.media.parts.push(PartRecord {
            micros: duration.map_or(0, |duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
            range_offset: range.map_or(0, |range| range.offset),
            range_length: range.map_or(0, |range| range.length),
            uri,
            line: line.number,
            keys,
            map: self.map,
            is_independent,
            is_gap,
        });
        Ok(())
    }

    /// Returns the range, if there is one; `None` where it can't be told.
    fn part_range(&mut self, line: Line<'t>, text: Option<&str>, uri: &str) -> Option<Option<ByteRange>> {
        let Some(text) = text else { return Some(None) };
        let range = scalar::byte_range(text).and_then(|(length, offset)| {
            // Only within the same segment, and only of the same resource.
            let last = self.last_part_range.filter(|(_, last)| self.text_of(*last) == uri);
            ByteRange::new(offset.or(last.map(|(last, _)| last.end()))?, length)
        });
        if range.is_none() {
            self.reader.warn(line, || WarningKind::PartRange(Quote::new(text)));
        }
        range.map(Some)
    }
}

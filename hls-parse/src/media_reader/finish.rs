//! What can be told of a media playlist only at its end.

use std::sync::Arc;

use super::MediaReader;
use crate::{
    Encryption, Error, ErrorKind, Line, Media, Quote, WarningKind, key::KeySet, media::NO_TIME,
    metadata_reader, reader::Reader,
};

impl<'t> MediaReader<'t> {
    /// Dates the segments before the first that has one (section 4.4.4.6).
    fn extrapolate_backward(&mut self) {
        let records = &mut self.media.records;
        let dated = records.iter().position(|record| record.time != NO_TIME).unwrap_or(0);
        let Some((before, rest)) = records.split_at_mut_checked(dated) else { return };
        let Some(mut time) = rest.first().map(|record| record.time).filter(|time| *time != NO_TIME) else {
            return;
        };
        for record in before.iter_mut().rev() {
            time = time.saturating_sub_unsigned(record.micros);
            record.time = time;
        }
    }

    pub(super) fn finish(mut self, last: Option<Line<'t>>) -> Result<(Media, Reader<'t>), Error> {
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
        self.extrapolate_backward();
        let date_ranges = std::mem::take(&mut self.date_ranges);
        self.media.date_ranges = date_ranges.finish(&mut self.reader, self.media.skipped_segments > 0);
        metadata_reader::finish(&mut self.media);
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

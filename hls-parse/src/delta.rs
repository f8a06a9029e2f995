//! Delta updates, put on top of an older copy.

use std::collections::HashMap;

use thiserror::Error;

use crate::{
    Error, Lines, Media,
    media::Record,
    media_reader::{MediaReader, Resumed, count},
    reader::Reader,
    warning::Warnings,
};

/// Why a delta update can't be put on top of an older copy: ask again, without `_HLS_skip`
/// (rfc8216bis-22, section 6.3.7).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReloadInFull {
    /// The older copy leaves segments out itself.
    #[error("the older copy is a delta update itself")]
    OlderIsDelta,
    /// The older copy has not all that is skipped.
    #[error("{count} segments from {first} on are skipped, and the older copy has not all of them")]
    Missing {
        /// The media sequence number of the first segment that is skipped.
        first: u64,
        /// How many segments are skipped.
        count: u64,
    },
    /// The two number their discontinuities differently.
    #[error("the discontinuity sequence numbers contradict the older copy")]
    Discontinuity,
    /// What is left can't be read on top of the older copy.
    #[error("the delta update does not go on from the older copy: {0}")]
    Read(#[source] Error),
}

impl Media {
    /// Puts a delta update on top of an older copy, so that the result is the whole playlist
    /// (section 6.3.7); what is no delta update is returned as it is.
    ///
    /// Skipped segments come from the older copy with their keys, initialisation sections, bit rates, dates and
    /// byte ranges, and all of that goes on into the segments after them. Their [`line`](crate::Segment::line)
    /// is that of the `EXT-X-SKIP`. Date ranges that are skipped come from the older copy too, less those that
    /// were removed.
    ///
    /// # Errors
    ///
    /// Where anything is missing or contradicts: the playlist has to be loaded in full.
    pub fn merge(&self, older: &Self) -> Result<Self, ReloadInFull> {
        let Some(skip) = &self.skip else { return Ok(self.clone()) };
        if older.skip.is_some() {
            return Err(ReloadInFull::OlderIsDelta);
        }
        let missing = ReloadInFull::Missing { first: self.media_sequence, count: skip.segments };
        let first = self.media_sequence.checked_sub(older.media_sequence);
        let range = first.and_then(|first| {
            let end = first.checked_add(skip.segments)?;
            Some(usize::try_from(first).ok()?..usize::try_from(end).ok()?)
        });
        let Some((range, kept)) = range.and_then(|range| Some((range.clone(), older.records.get(range)?)))
        else {
            return Err(missing);
        };
        if let Some(record) = kept.first() {
            let before = record.discontinuity.checked_sub(u64::from(record.discontinuity_tags));
            if before != Some(self.discontinuity_sequence) {
                return Err(ReloadInFull::Discontinuity);
            }
        }
        let text = self.buffer.get(..self.text_len).unwrap_or("");
        let mut reader = Reader::new(text, &self.base, &self.options, Warnings::new(0));
        let resumed = adopt(&mut reader, self, older, kept).map_err(ReloadInFull::Read)?;
        let reader = MediaReader::new(reader).resume(resumed, skip, older, range);
        reader.read(Lines::new(text)).map(|(media, _)| media).map_err(ReloadInFull::Read)
    }
}

/// Copies what is kept of segments into the buffers of the new playlist.
fn adopt(reader: &mut Reader<'_>, newer: &Media, older: &Media, kept: &[Record]) -> Result<Resumed, Error> {
    let line = newer.skip.as_ref().map_or(1, |skip| skip.line);
    let same_folder = is_same_but_for_query(newer, older);
    let mut resumed = Resumed::default();
    let (mut sets, mut maps) = (HashMap::new(), HashMap::new());
    for record in kept {
        let uri = record.uri.get(&older.buffer);
        // An empty reference and a query alone mean something else where the base has another query.
        let uri = if same_folder && !uri.is_empty() && !uri.starts_with(['?', '#']) {
            reader.adopt(uri, line)?
        } else {
            let url = older.base.join(uri).map(String::from);
            reader.adopt(url.as_deref().unwrap_or(uri), line)?
        };
        let keys = *sets.entry(record.keys).or_insert_with(|| {
            let set = (record.keys as usize).checked_sub(1).and_then(|set| older.key_sets.get(set));
            resumed.key_sets.extend(set.cloned());
            if set.is_some() { resumed.key_sets.len() } else { 0 }
        });
        let map = *maps.entry(record.map).or_insert_with(|| {
            let map = older.map_at(record.map);
            resumed.maps.extend(map.cloned());
            if map.is_some() { resumed.maps.len() } else { 0 }
        });
        resumed.records.push(Record {
            uri,
            title: reader.adopt(record.title.get(&older.buffer), line)?,
            date: reader.adopt(record.date.get(&older.buffer), line)?,
            line,
            keys: count(keys),
            map: count(map),
            parts_end: 0,
            ..record.clone()
        });
    }
    Ok(resumed)
}

fn is_same_but_for_query(newer: &Media, older: &Media) -> bool {
    let plain = |media: &Media| {
        let mut url = media.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        url
    };
    plain(newer) == plain(older)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::{Options, Playlist};

    fn read(body: &str, query: &str) -> Media {
        let base = Url::parse(&format!("https://example.com/a/live.m3u8{query}")).expect("a valid URL");
        let text = format!("#EXTM3U\n#EXT-X-VERSION:10\n#EXT-X-TARGETDURATION:4\n{body}");
        match Options::default().parse(text, &base).expect("a playlist").playlist {
            Playlist::Media(media) => media,
            Playlist::Multivariant(_) => unreachable!("not a media playlist"),
        }
    }

    const SEGMENTS: [&str; 8] = [
        "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"9@0\"\n\
         #EXT-X-BITRATE:800\n#EXTINF:4,\n0.ts\n",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://1\",KEYFORMAT=\"f\"\n\
         #EXTINF:4,\n1.ts\n",
        "#EXT-X-DISCONTINUITY\n#EXTINF:3.5,t\n#EXT-X-BYTERANGE:100@50\nb.ts\n",
        "#EXTINF:4,\n#EXT-X-BYTERANGE:100\nb.ts\n",
        "#EXTINF:4,\n#EXT-X-BYTERANGE:70\nb.ts\n",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"k2\"\n#EXTINF:4,\n5.ts\n",
        "#EXT-X-CUE-OUT:8\n#EXTINF:4,\n6.ts\n",
        "#EXTINF:4,\n7.ts\n",
    ];

    fn full(first: usize, end: usize) -> String {
        format!("#EXT-X-MEDIA-SEQUENCE:{first}\n{}", SEGMENTS[first..end].concat())
    }

    #[test]
    fn rule_33_a_delta_update_is_the_whole_playlist() {
        for query in ["", "?_HLS_skip=YES"] {
            for skipped in 0..=7 {
                let older = read(&full(0, 7), "");
                let body = format!(
                    "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n{}",
                    SEGMENTS[skipped..].concat()
                );
                let merged = read(&body, query).merge(&older).expect("merges");
                let whole = read(&full(0, 8), "");
                assert_eq!(merged.segments().len(), whole.segments().len());
                for (a, b) in merged.segments().zip(whole.segments()) {
                    assert_eq!(a.media_sequence(), b.media_sequence());
                    assert_eq!(a.url().ok(), b.url().ok());
                    assert_eq!((a.byte_range(), a.bitrate()), (b.byte_range(), b.bitrate()), "{skipped}");
                    assert_eq!((a.encryption(), a.keys().len()), (b.encryption(), b.keys().len()));
                    assert_eq!((a.map(), a.date_time(), a.title()), (b.map(), b.date_time(), b.title()));
                    assert_eq!((a.iv(), a.duration()), (b.iv(), b.duration()));
                    assert_eq!(a.discontinuity_sequence(), b.discontinuity_sequence());
                    assert_eq!(a.is_discontinuity(), b.is_discontinuity());
                }
                assert_eq!(merged.markers.len(), 1);
                assert_eq!(merged.markers[0].segment, 6);
                assert_eq!((merged.skipped_segments, merged.skip), (0, None));
            }
        }
    }

    #[test]
    fn rule_33_the_window_may_have_moved() {
        let older = read(&full(0, 6), "");
        let delta = "#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n\
            #EXT-X-SKIP:SKIPPED-SEGMENTS=1\n";
        let merged = read(&format!("{delta}{}", SEGMENTS[4..].concat()), "").merge(&older).expect("merges");
        let sequences: Vec<_> = merged.segments().map(|s| (s.media_sequence(), s.uri().to_owned())).collect();
        assert_eq!(sequences[0], (3, "b.ts".to_owned()));
        assert_eq!(
            merged.segment(1).and_then(|s| s.byte_range()).map(|r| (r.offset, r.length)),
            Some((250, 70))
        );
        assert_eq!(merged.segment(1).map(|s| s.keys().len()), Some(2));
        assert_eq!(merged.segment(2).map(|s| s.keys().len()), Some(2));
        // A delta of the merged copy goes on in the same way.
        let next = "#EXT-X-MEDIA-SEQUENCE:4\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n\
            #EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXTINF:4,\n7.ts\n#EXTINF:4,\n8.ts\n";
        let again = read(next, "").merge(&merged).expect("merges");
        assert_eq!(
            again.segments().map(|s| s.uri()).collect::<Vec<_>>(),
            ["b.ts", "5.ts", "6.ts", "7.ts", "8.ts"]
        );
        assert_eq!(again.segment(4).map(|s| s.encryption()), merged.segment(4).map(|s| s.encryption()));
    }

    #[test]
    fn rule_33_what_is_missing_wants_a_full_reload() {
        fn check(older: &str, delta: &str, expect: &str) {
            let error = read(delta, "").merge(&read(older, "")).expect_err(delta);
            assert_eq!(error.to_string(), expect);
        }
        let missing = "5 segments from 2 on are skipped, and the older copy has not all of them";
        let delta = "#EXT-X-MEDIA-SEQUENCE:2\n#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n#EXTINF:4,\na\n";
        check(&full(0, 6), delta, missing);
        check(&full(3, 8).replace("BYTERANGE:100\n", "BYTERANGE:100@0\n"), delta, missing);
        check(delta, delta, "the older copy is a delta update itself");
        let huge = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={}\n", u64::MAX - 9);
        let text = format!(
            "{} segments from 0 on are skipped, and the older copy has not all of them",
            u64::MAX - 9
        );
        check(&full(0, 6), &huge, &text);
        let other = "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXTINF:4,\na\n";
        check(&full(0, 6), other, "the discontinuity sequence numbers contradict the older copy");
        let range = "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXTINF:4,\n#EXT-X-BYTERANGE:5\na\n";
        let expect = "the delta update does not go on from the older copy: line 6, column 18: byte range without \
            an offset and without a range before it: \"5\"";
        check(&full(0, 6), range, expect);
    }

    #[test]
    fn rule_33_date_ranges_stay_until_they_are_removed() {
        let range = |id: &str| format!("#EXT-X-DATERANGE:ID=\"{id}\",START-DATE=\"2026-01-01T00:00:00Z\"\n");
        let older = read(&format!("{}{}{}{}", range("a"), range("b"), range("c"), full(0, 2)), "");
        let ids = |delta: &str| {
            let merged = read(delta, "").merge(&older).expect("merges");
            merged.date_ranges.iter().map(|range| range.id.clone()).collect::<Vec<_>>()
        };
        let v2 = "#EXT-X-SKIP:SKIPPED-SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"a\tx\"\n\
            #EXT-X-DATERANGE:ID=\"c\",DURATION=3\n#EXTINF:4,\n1.ts\n";
        assert_eq!(ids(v2), ["b", "c"]);
        let none = "#EXT-X-SKIP:SKIPPED-SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"\"\n#EXTINF:4,\n1.ts\n";
        assert_eq!(ids(none), ["a", "b", "c"]);
        let v1 = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n{}#EXTINF:4,\n1.ts\n", range("d"));
        assert_eq!(ids(&v1), ["d"]);
    }
}

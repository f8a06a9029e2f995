//! Two readings of one live playlist, compared.

use std::ops::Range;

use crate::{ByteRange, Media, Segment};

/// How many contradictions are kept: a playlist of another stream contradicts in every segment.
const CONTRADICTIONS: usize = 16;

/// What a newer reading of a media playlist says against an older one; see [`Media::compare`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// How the two stand to each other.
    pub relation: Relation,
    /// The media sequence numbers that the newer one has and the older one has not; all of them after a restart.
    pub new: Range<u64>,
    /// The media sequence numbers between the two, which went by unseen (rfc8216bis-22, section 6.3.5).
    pub lost: Range<u64>,
    /// What can't be true of one stream, the first of it. There may be some whatever the relation is: only those
    /// about URIs, byte ranges and sequence numbers leave in doubt which segment is which.
    pub contradictions: Vec<Contradiction>,
    /// Whether the newer one says that no segment will be added, and the older one did not.
    pub ended: bool,
    /// Whether URIs of the same segments differ in their queries, as they do where tokens rotate.
    pub queries_differ: bool,
}

/// How two readings of a playlist stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Relation {
    /// Nothing changed that was compared.
    Unchanged,
    /// The newer one goes on from the older one: segments or parts were added or removed, or the stream ended.
    Advanced,
    /// The newer one is a copy from before the older one, as slow edges of a network return it. It adds nothing.
    Older,
    /// The server began again: sequence numbers went down, and stand for other segments.
    Restarted,
    /// Which segment is which is in doubt: stop, or begin again (section 6.3.4).
    Contradicts,
}

/// Something that can't be true of both readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contradiction {
    /// A segment has another URI (section 6.3.4).
    #[non_exhaustive]
    Uri {
        /// Its media sequence number.
        media_sequence: u64,
    },
    /// A segment is another part of its resource (section 6.3.4).
    #[non_exhaustive]
    ByteRange {
        /// Its media sequence number.
        media_sequence: u64,
        /// What it was.
        old: Option<ByteRange>,
        /// What it is.
        new: Option<ByteRange>,
    },
    /// A segment has another discontinuity sequence number (section 6.2.2).
    #[non_exhaustive]
    Discontinuity {
        /// Its media sequence number.
        media_sequence: u64,
        /// What it was.
        old: u64,
        /// What it is.
        new: u64,
    },
    /// The target duration changed, which it must not (section 6.2.1).
    TargetDuration,
    /// The first sequence number went down, and the last one went up (section 6.2.2).
    Sequence,
    /// The last segments are gone, and so are the first: a stream loses only its oldest ones (section 6.2.2).
    Shortened,
    /// There was an `EXT-X-ENDLIST`, and segments were added (section 4.4.3.4).
    Reopened,
}

impl Contradiction {
    fn is_about_identity(self) -> bool {
        !matches!(self, Self::Discontinuity { .. } | Self::TargetDuration)
    }

    fn is_about_a_segment(self) -> bool {
        matches!(self, Self::Uri { .. } | Self::ByteRange { .. })
    }
}

impl Media {
    /// Tells what this reading of a live playlist says against an older one.
    ///
    /// Delta updates have to be [merged](Self::merge) before. Nothing is guessed from time: a caller who gets
    /// [`Relation::Older`] keeps the older reading, and compares the next one with that.
    pub fn compare(&self, older: &Self) -> Comparison {
        let (old, new) = (range(older), range(self));
        let mut found = Found::default();
        if older.target_duration != self.target_duration {
            found.add(Contradiction::TargetDuration);
        }
        for sequence in old.start.max(new.start)..old.end.min(new.end) {
            if let (Some(before), Some(after)) = (at(older, &old, sequence), at(self, &new, sequence)) {
                found.segment(sequence, before, after);
            }
        }
        let differs = found.contradictions.iter().any(|one| one.is_about_a_segment());
        let relation = if differs {
            // A server that begins again counts from the beginning.
            let went_down = new.start < old.start || new.end < old.end;
            if went_down { Relation::Restarted } else { Relation::Contradicts }
        } else {
            self.order(older, &old, &new, &mut found)
        };
        let added = match relation {
            Relation::Restarted => new.clone(),
            Relation::Older | Relation::Unchanged => new.end..new.end,
            Relation::Advanced | Relation::Contradicts => new.start.max(old.end).min(new.end)..new.end,
        };
        let lost = match relation {
            Relation::Advanced if new.start > old.end => old.end..new.start,
            _ => new.end..new.end,
        };
        Comparison {
            relation,
            new: added,
            lost,
            contradictions: found.contradictions,
            ended: self.ended && !older.ended,
            queries_differ: found.queries_differ,
        }
    }

    /// Orders two readings whose common segments, if they have any, are the same.
    fn order(&self, older: &Self, old: &Range<u64>, new: &Range<u64>, found: &mut Found) -> Relation {
        let is_below = new.end < old.start || (new.end == old.start && !new.is_empty());
        if is_below && !old.is_empty() {
            return if self.is_from_before(older) { Relation::Older } else { Relation::Restarted };
        }
        if new.end < old.end {
            if new.start > old.start {
                found.add(Contradiction::Shortened);
                return Relation::Contradicts;
            }
            return Relation::Older;
        }
        if new.start < old.start {
            if new.end == old.end {
                return Relation::Older;
            }
            found.add(Contradiction::Sequence);
        }
        if new.end > old.end && older.ended {
            found.add(Contradiction::Reopened);
        }
        if found.contradictions.iter().any(|one| one.is_about_identity()) {
            return Relation::Contradicts;
        }
        let shrank =
            new == old && (older.ended && !self.ended || self.open_parts().len() < older.open_parts().len());
        if shrank {
            return Relation::Older;
        }
        if new == old && self.says_the_same(older) { Relation::Unchanged } else { Relation::Advanced }
    }

    /// Tells by absolute time whether all of this one was before the older one; without dates, it was not.
    fn is_from_before(&self, older: &Self) -> bool {
        let last = self.segments().next_back().and_then(|segment| segment.date_time());
        let first = older.segments().next().and_then(|segment| segment.date_time());
        last.zip(first).is_some_and(|(last, first)| last < first)
    }

    /// Compares what may change while the segments stay.
    fn says_the_same(&self, older: &Self) -> bool {
        self.ended == older.ended
            && self.parts.len() == older.parts.len()
            && self.target_duration == older.target_duration
            && self.discontinuity_sequence == older.discontinuity_sequence
            && self
                .date_ranges
                .iter()
                .map(|range| &range.attributes)
                .eq(older.date_ranges.iter().map(|range| &range.attributes))
            && self
                .preload_hints
                .iter()
                .map(|hint| &hint.url)
                .eq(older.preload_hints.iter().map(|hint| &hint.url))
    }
}

#[derive(Default)]
struct Found {
    contradictions: Vec<Contradiction>,
    queries_differ: bool,
}

impl Found {
    fn add(&mut self, contradiction: Contradiction) {
        if self.contradictions.len() < CONTRADICTIONS {
            self.contradictions.push(contradiction);
        }
    }

    fn segment(&mut self, media_sequence: u64, before: Segment<'_>, after: Segment<'_>) {
        match same_place(before, after) {
            Same::Yes => {}
            Same::ButForQuery => self.queries_differ = true,
            Same::No => self.add(Contradiction::Uri { media_sequence }),
        }
        let (old, new) = (before.byte_range(), after.byte_range());
        if old != new {
            self.add(Contradiction::ByteRange { media_sequence, old, new });
        }
        let (old, new) = (before.discontinuity_sequence(), after.discontinuity_sequence());
        if old != new {
            self.add(Contradiction::Discontinuity { media_sequence, old, new });
        }
    }
}

enum Same {
    Yes,
    ButForQuery,
    No,
}

/// Compares the resolved URIs of two segments, and resolves them only where it has to.
fn same_place(before: Segment<'_>, after: Segment<'_>) -> Same {
    if before.uri() == after.uri() && before.base() == after.base() {
        return Same::Yes;
    }
    let (Ok(mut before), Ok(mut after)) = (before.url(), after.url()) else { return Same::No };
    if before == after {
        return Same::Yes;
    }
    for url in [&mut before, &mut after] {
        url.set_query(None);
        url.set_fragment(None);
    }
    if before == after { Same::ButForQuery } else { Same::No }
}

fn range(media: &Media) -> Range<u64> {
    media.sequence_at(0)..media.end_sequence()
}

fn at<'a>(media: &'a Media, range: &Range<u64>, sequence: u64) -> Option<Segment<'a>> {
    media.segment(usize::try_from(sequence.checked_sub(range.start)?).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;
    use crate::{Options, Playlist};

    fn read(body: &str) -> Media {
        let base = Url::parse("https://example.com/a/live.m3u8").expect("a valid URL");
        let text = format!("#EXTM3U\n{body}");
        match Options::default().parse(text, &base).expect("a playlist").playlist {
            Playlist::Media(media) => media,
            Playlist::Multivariant(_) => unreachable!("not a media playlist"),
        }
    }

    /// A window of a timeline whose segment names begin with `name`.
    fn window(name: &str, range: Range<u64>, more: &str) -> Media {
        let head = format!("#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{}\n", range.start);
        let segments = range.map(|n| format!("#EXTINF:4,\n{name}{n}.ts\n")).collect::<String>();
        read(&(head + &segments + more))
    }

    #[test]
    fn rule_03_windows_move_on() {
        use Relation::{Advanced, Older, Restarted, Unchanged};
        fn check(old: Range<u64>, new: Range<u64>, relation: Relation, added: Range<u64>, lost: Range<u64>) {
            let got = window("a", new.clone(), "").compare(&window("a", old.clone(), ""));
            assert_eq!(got.relation, relation, "{old:?} {new:?}");
            assert_eq!(got.new.clone().collect::<Vec<_>>(), added.collect::<Vec<_>>(), "{old:?} {new:?}");
            assert_eq!(got.lost.clone().collect::<Vec<_>>(), lost.collect::<Vec<_>>(), "{old:?} {new:?}");
            assert!(got.contradictions.is_empty());
        }
        check(5..8, 5..8, Unchanged, 0..0, 0..0);
        check(5..8, 5..9, Advanced, 8..9, 0..0);
        check(5..8, 6..9, Advanced, 8..9, 0..0);
        check(5..8, 6..8, Advanced, 0..0, 0..0);
        check(5..8, 8..11, Advanced, 8..11, 0..0);
        check(5..8, 9..11, Advanced, 9..11, 8..9);
        check(5..8, 5..7, Older, 0..0, 0..0);
        check(5..8, 4..7, Older, 0..0, 0..0);
        check(5..8, 4..8, Older, 0..0, 0..0);
        check(5..8, 1..4, Restarted, 1..4, 0..0);
        check(5..8, 2..5, Restarted, 2..5, 0..0);
        check(5..5, 5..7, Advanced, 5..7, 0..0);
        check(5..5, 7..8, Advanced, 7..8, 5..7);
        check(0..0, 0..0, Unchanged, 0..0, 0..0);
        check(5..8, 8..8, Advanced, 0..0, 0..0);
        check(5..8, 0..0, Restarted, 0..0, 0..0);
    }

    #[test]
    fn rule_05_a_number_stands_for_one_segment() {
        let old = window("a", 5..8, "");
        let check = |new: &Media, relation: Relation, expect: &[Contradiction]| {
            let got = new.compare(&old);
            assert_eq!((got.relation, &*got.contradictions), (relation, expect));
        };
        let uri = |media_sequence| Contradiction::Uri { media_sequence };
        check(&window("b", 6..9, ""), Relation::Contradicts, &[uri(6), uri(7)]);
        check(&window("b", 4..7, ""), Relation::Restarted, &[uri(5), uri(6)]);
        check(&window("b", 5..7, ""), Relation::Restarted, &[uri(5), uri(6)]);
        check(&window("a", 6..7, ""), Relation::Contradicts, &[Contradiction::Shortened]);
        check(&window("a", 4..9, ""), Relation::Contradicts, &[Contradiction::Sequence]);
        let head = "#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n";
        let ranged = read(&format!("{head}#EXTINF:4,\n#EXT-X-BYTERANGE:5@0\na7.ts\n"));
        let new = ByteRange::new(0, 5);
        check(
            &ranged,
            Relation::Contradicts,
            &[Contradiction::ByteRange { media_sequence: 7, old: None, new }],
        );
        let numbered = read(&format!("{head}#EXT-X-DISCONTINUITY\n#EXTINF:4,\na7.ts\n"));
        let other = Contradiction::Discontinuity { media_sequence: 7, old: 0, new: 1 };
        check(&numbered, Relation::Advanced, &[other]);
        let target = read("#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na7.ts\n");
        check(&target, Relation::Advanced, &[Contradiction::TargetDuration]);
        let token = read(&format!("{head}#EXTINF:4,\na7.ts?token=2\n"));
        check(&token, Relation::Advanced, &[]);
        assert!(token.compare(&old).queries_differ);
        let absolute = read(&format!("{head}#EXTINF:4,\nhttps://example.com/a/a7.ts\n"));
        check(&absolute, Relation::Advanced, &[]);
    }

    #[test]
    fn the_end_and_what_comes_after() {
        let (open, ended) = (window("a", 5..8, ""), window("a", 5..8, "#EXT-X-ENDLIST\n"));
        let end = ended.compare(&open);
        assert_eq!((end.relation, end.ended, end.new.is_empty()), (Relation::Advanced, true, true));
        assert_eq!(open.compare(&ended).relation, Relation::Older);
        let more = window("a", 5..9, "").compare(&ended);
        assert_eq!(
            (more.relation, &*more.contradictions),
            (Relation::Contradicts, &[Contradiction::Reopened][..])
        );
    }

    #[test]
    fn parts_are_a_change_too() {
        let parts = |count: usize| {
            let tags = (0..count).map(|n| format!("#EXT-X-PART:DURATION=1,URI=\"8.{n}\"\n"));
            window("a", 5..8, &tags.collect::<String>())
        };
        assert_eq!(parts(2).compare(&parts(1)).relation, Relation::Advanced);
        assert_eq!(parts(1).compare(&parts(2)).relation, Relation::Older);
        assert_eq!(parts(2).compare(&parts(2)).relation, Relation::Unchanged);
    }

    #[test]
    fn dates_tell_an_old_copy_from_a_restart() {
        let dated = |day: u32, range: Range<u64>| {
            let head = format!("#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{}\n", range.start);
            let date = format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-{day:02}T00:00:00Z\n");
            read(&(head + &date + &range.map(|n| format!("#EXTINF:4,\n{n}.ts\n")).collect::<String>()))
        };
        assert_eq!(dated(1, 0..3).compare(&dated(2, 5..8)).relation, Relation::Older);
        assert_eq!(dated(3, 0..3).compare(&dated(2, 5..8)).relation, Relation::Restarted);
    }

    proptest! {
        #[test]
        fn windows_of_one_timeline_yield_each_number_once(
            first in 0_u64..5,
            moves in proptest::collection::vec((0_u64..5, 0_u64..6, any::<bool>()), 1..20),
        ) {
            let mut known = window("a", first..first + 3, "");
            let mut next = first + 3;
            let mut history: Vec<_> = std::iter::once(first..first + 3).collect();
            for (removed, added, is_old_copy) in moves {
                let last = history.last().cloned().unwrap_or_default();
                let range = match history.iter().rev().nth(1) {
                    Some(before) if is_old_copy && before.end > last.start => before.clone(),
                    _ => {
                        let end = last.end + added;
                        (last.start + removed).min(end)..end
                    }
                };
                let newer = window("a", range.clone(), "");
                let found = newer.compare(&known);
                prop_assert_eq!(&found.contradictions, &[]);
                for sequence in found.lost.clone().chain(found.new.clone()) {
                    prop_assert_eq!(sequence, next);
                    next += 1;
                }
                match found.relation {
                    Relation::Older => prop_assert!(found.new.is_empty() && found.lost.is_empty()),
                    Relation::Advanced | Relation::Unchanged => {
                        known = newer;
                        history.push(range);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
                prop_assert!(next >= known.end_sequence());
            }
        }
    }
}

//! Low latency: parts, delta updates, and requests that wait (rfc8216bis-22, appendix B).

use std::time::Duration;

use super::Broadcast;
use super::content::Content;
use super::schedule::Schedule;

/// What a stream offers to those who follow it closely.
#[derive(Clone, Debug)]
pub struct LowLatency {
    part: Duration,
    pub(super) says_blocks: bool,
    blocks: bool,
    pub(super) skip_until: Option<Duration>,
}

impl LowLatency {
    /// Parts no longer than this, and requests that wait for what they ask for (`CAN-BLOCK-RELOAD`).
    pub fn new(part: Duration) -> Self {
        Self { part: part.max(Duration::from_millis(1)), says_blocks: true, blocks: true, skip_until: None }
    }

    /// Offers delta updates, which leave out what is further from the edge than that; at least six target durations.
    pub fn deltas(mut self, skip_until: Duration) -> Self {
        self.skip_until = Some(skip_until);
        self
    }

    /// Does not offer that requests wait.
    pub fn without_blocking(mut self) -> Self {
        (self.says_blocks, self.blocks) = (false, false);
        self
    }

    /// Offers that requests wait, and answers at once all the same.
    pub fn that_does_not_block(mut self) -> Self {
        self.blocks = false;
        self
    }
}

/// The directives in the query of a request (section 6.2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) sequence: Option<u64>,
    pub(super) part: Option<usize>,
    pub(super) skip: bool,
}

impl Directives {
    pub(super) fn of(query: &str) -> Self {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        Self {
            sequence: value("_HLS_msn").and_then(|value| value.parse().ok()),
            part: value("_HLS_part").and_then(|value| value.parse().ok()),
            skip: matches!(value("_HLS_skip"), Some("YES" | "v2")),
        }
    }
}

/// When a request can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Until(Duration),
    /// It waited for three target durations.
    TooLong(Duration),
    /// What it asks for is too far away, or it asks for a part of nothing.
    Never,
}

impl Broadcast {
    /// How many parts a segment has.
    pub(super) fn pieces(&self, track: usize, duration: Duration) -> usize {
        match (&self.low_latency, &self.tracks[track].content) {
            (Some(low), Content::Packets { .. } | Content::Fragments { .. }) => {
                duration.as_micros().div_ceil(low.part.as_micros()).max(1) as usize
            }
            _ => 1,
        }
    }

    /// PART-TARGET of a track.
    pub(super) fn part_target(&self, track: usize) -> Option<Duration> {
        self.low_latency.as_ref()?;
        let each = self.tracks[track].durations.iter();
        each.map(|duration| *duration / self.pieces(track, *duration) as u32).max()
    }

    /// When a request with these directives is answered, that came at `now` (section 6.2.5.2).
    pub(super) fn wait(&self, schedule: &mut Schedule, asks: Directives, now: Duration) -> Wait {
        let blocks = self.low_latency.as_ref().is_some_and(|low| low.blocks);
        let Some(wanted) = asks.sequence.filter(|_| blocks) else {
            // A part without its segment is a mistake; where nothing waits, directives mean nothing.
            return if blocks && asks.part.is_some() { Wait::Never } else { Wait::Until(now) };
        };
        let limit = now + Duration::from_secs(3 * self.target_seconds(schedule.track));
        schedule.advance(limit);
        let Some(newest) = schedule.newest(now) else { return Wait::Until(now) };
        let items = schedule.items();
        let last = items[newest].sequence;
        let ended = schedule.is_over() && newest + 1 == items.len();
        if ended && self.ends {
            return Wait::Until(now);
        }
        if wanted > last + 2 {
            return Wait::Never;
        }
        let due = items[newest..].iter().find_map(|item| match item.sequence.cmp(&wanted) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => {
                let part = asks.part.filter(|part| *part < item.cut.pieces);
                let part = part.map(|part| schedule.listing(item.part_complete(part)).min(item.listed));
                // A part behind the last one is the first of the next segment.
                let beyond = asks.part.is_some() && part.is_none();
                if beyond { None } else { part.or(Some(item.listed)) }
            }
            std::cmp::Ordering::Greater if asks.part.is_some() => {
                Some(schedule.listing(item.part_complete(0)))
            }
            std::cmp::Ordering::Greater => Some(item.listed),
        });
        // The end of the stream is an answer too.
        let end = items.last().filter(|_| schedule.is_over() && self.ends).map(|item| item.listed);
        match due.or(end) {
            Some(due) if due <= limit => Wait::Until(due.max(now)),
            _ => Wait::TooLong(limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let check = |query: &str, sequence, part, skip| {
            assert_eq!(Directives::of(query), Directives { sequence, part, skip }, "{query}");
        };
        check("", None, None, false);
        check("_HLS_msn=7&_HLS_part=2&token=a", Some(7), Some(2), false);
        check("a=b&_HLS_skip=YES", None, None, true);
        check("_HLS_skip=v2&x_HLS_msn=3&_HLS_msnx=4", None, None, true);
        check("_HLS_msn=x", None, None, false);
    }

    #[test]
    fn waits() {
        let ms = Duration::from_millis;
        let low = LowLatency::new(ms(500));
        let broadcast = Broadcast::synthetic(ms(2000), 4000).window(3).running(3).total(6).low_latency(low);
        let check = |sequence: u64, part: Option<usize>, at: u64, expect: Option<u64>| {
            let mut transmission = broadcast.start();
            let query = match part {
                Some(part) => format!("_HLS_msn={sequence}&_HLS_part={part}"),
                None => format!("_HLS_msn={sequence}"),
            };
            let answer = transmission.answer(&broadcast.playlist_path(0, 0), &query, ms(at));
            let answered = (answer.status == 200).then(|| u64::try_from(answer.after.as_millis()).unwrap());
            assert_eq!(answered, expect, "{query} at {at}");
        };
        check(2, None, 100, Some(0));
        check(3, None, 100, Some(1900));
        check(3, Some(0), 100, Some(400));
        check(3, Some(3), 100, Some(1900));
        check(3, Some(4), 100, Some(2400));
        check(3, Some(0), 700, Some(0));
        check(4, None, 100, Some(3900));
        check(5, None, 100, None);
        check(9, None, 6000, Some(0));
        // Nothing comes for so long.
        let frozen = broadcast.clone().freeze(ms(0), ms(60_000), super::super::Then::Jump);
        let answer = frozen.start().answer(&broadcast.playlist_path(0, 0), "_HLS_msn=3", ms(100));
        assert_eq!((answer.status, answer.after), (503, ms(6000)));
        assert_eq!(
            broadcast.start().answer(&broadcast.playlist_path(0, 0), "_HLS_part=3", ms(100)).status,
            400
        );
    }
}

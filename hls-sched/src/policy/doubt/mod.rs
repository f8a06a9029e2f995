//! Why a segment may not be what the server has.

mod words;

use std::time::Duration;

use hls_media::{Configuration, Odd, Oddity, Summary};

/// What is missing of a segment has to be more than the rounding of `EXTINF` and the delay between picture and sound.
const LEAST_MISSING: Duration = Duration::from_millis(500);
/// The code of a unit that is in its output and turned out to be another one than the server has.
pub(crate) const WAS_ANOTHER: &str = "segment.replaced";
/// The code of a unit that came as another one the next time.
pub(crate) const DAMAGED: &str = "content.damaged";
pub(crate) const STARTS_OVER: &str = "--restart discards what is there and starts over";

/// Why a segment may not be what the server has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Doubt {
    /// It plays for less than seven tenths of what the playlist says.
    Short { lasts: Duration, said: Duration },
    /// Its body ended with its connection, so nothing says that all of it came. `missing`: the part of what the playlist
    /// says that it does not play for.
    Unbounded { missing: f64 },
    /// It begins so many seconds later than the one before ends, or the next one does that with it.
    Apart { seconds: f64 },
    /// A part of it begins so many seconds later than the one before ends.
    Within { seconds: f64 },
    /// It lasts so many seconds longer than the playlist says, and others last as long as it says.
    Lasts { seconds: f64 },
    /// Another segment of its track has the same bytes.
    Twin,
    /// Packets are missing where it begins or ends, by its continuity counters and those of its neighbour.
    Counters,
    /// Pictures or sound are coded in another way than in the others, or its section is another one.
    Coding,
    /// It begins inside a packet of one of its elementary streams, or without its tables.
    Inside,
    /// The last packet of one of its elementary streams is not whole.
    Unfinished,
    /// It has other streams of pictures and sound than the others.
    Streams,
    /// Its text does not end as that of the others does.
    Ending,
    /// It has samples of a track that its initialization section does not have.
    Stranger,
    /// Its pictures are of another size than the multivariant playlist says, and those of others are not.
    Size,
    /// It does not have the digest that the server sends with it.
    Digest,
    /// Its container shows it.
    Media(Oddity),
}

/// A way of being odd. What is known of one says nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Short,
    Unbounded,
    Hole,
    Back,
    Within,
    Lasts,
    Twin,
    Counters,
    Coding,
    Inside,
    Unfinished,
    Streams,
    Ending,
    Stranger,
    Size,
    Digest,
    Media(Odd),
}

impl Doubt {
    /// Looks at a segment that the playlist says to play for `said`; `is_bounded`: it is known that all of it came.
    pub(crate) fn of(
        summary: &Summary,
        init: Option<&Configuration>,
        said: Duration,
        is_bounded: bool,
    ) -> Vec<Self> {
        let lasts = summary.duration(init);
        let mut doubts = Vec::new();
        doubts.extend(lasts.filter(|lasts| is_short(*lasts, said)).map(|lasts| Self::Short { lasts, said }));
        doubts.extend(summary.has_strangers(init).then_some(Self::Stranger));
        doubts.extend(summary.oddities.iter().copied().map(Self::Media));
        doubts.extend(summary.jump_inside(init).map(|seconds| Self::Within { seconds }));
        if !is_bounded {
            let share = |lasts: Duration| 1.0 - lasts.as_secs_f64() / said.as_secs_f64().max(0.001);
            doubts.push(Self::Unbounded { missing: lasts.map_or(0.0, share) });
        }
        doubts
    }

    /// Whether it is about two segments that do not fit one another, of which either may be the wrong one.
    pub(crate) fn is_of_border(self) -> bool {
        matches!(self, Self::Apart { .. } | Self::Counters | Self::Twin)
    }

    /// Returns how many fetches it takes to know that it is what the server has, where so many neighbours are not known to be.
    pub(crate) fn fetches(self, neighbours: u32) -> u32 {
        1 + if self.is_of_border() { neighbours } else { 0 }
    }

    /// Whether an initialization section with other time scales or default durations may be what is odd.
    pub(crate) fn may_be_of_section(self) -> bool {
        matches!(self, Self::Short { .. } | Self::Apart { .. } | Self::Within { .. } | Self::Lasts { .. })
    }

    /// Whether others of its stream may have told that it is odd.
    pub(crate) fn is_by_habit(self) -> bool {
        matches!(
            self,
            Self::Short { .. }
                | Self::Apart { .. }
                | Self::Within { .. }
                | Self::Lasts { .. }
                | Self::Counters
                | Self::Coding
                | Self::Inside
                | Self::Unfinished
                | Self::Streams
                | Self::Ending
        )
    }

    /// How much of a segment is missing by what the playlist says, in seconds.
    pub(crate) fn lacks(self) -> f64 {
        match self {
            Self::Short { lasts, said } => said.saturating_sub(lasts).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// Tells whether both are odd in the same way.
    pub(crate) fn is_alike(self, other: Self) -> bool {
        self.way() == other.way()
    }

    /// Tells whether a warning of this covers the other: pictures are missing with their packets, and packets at an end and inside.
    pub(crate) fn tells(self, other: Self) -> bool {
        self.code() == other.code()
            || matches!((self, other), (Self::Media(odd), Self::Within { .. }) if odd.odd != Odd::Tag)
    }

    pub(crate) fn way(self) -> Way {
        match self {
            Self::Short { .. } => Way::Short,
            Self::Unbounded { .. } => Way::Unbounded,
            Self::Apart { seconds } if seconds < 0.0 => Way::Back,
            Self::Apart { .. } => Way::Hole,
            Self::Within { .. } => Way::Within,
            Self::Lasts { .. } => Way::Lasts,
            Self::Twin => Way::Twin,
            Self::Counters => Way::Counters,
            Self::Coding => Way::Coding,
            Self::Inside => Way::Inside,
            Self::Unfinished => Way::Unfinished,
            Self::Streams => Way::Streams,
            Self::Ending => Way::Ending,
            Self::Stranger => Way::Stranger,
            Self::Size => Way::Size,
            Self::Digest => Way::Digest,
            Self::Media(oddity) => Way::Media(oddity.odd),
        }
    }

    /// How far it goes, to be compared with others of its way only.
    pub(crate) fn extent(self) -> f64 {
        match self {
            Self::Short { lasts, said } => said.saturating_sub(lasts).as_secs_f64() / said.as_secs_f64(),
            Self::Unbounded { missing } => missing,
            Self::Apart { seconds } | Self::Within { seconds } | Self::Lasts { seconds } => seconds.abs(),
            Self::Media(oddity) => oddity.count as f64,
            _ => 1.0,
        }
    }

    /// What is no more than this is nothing new, where `known` has been seen.
    pub(crate) fn reach(self, known: f64) -> f64 {
        match self {
            Self::Short { .. } => known + 0.1,
            Self::Unbounded { .. } => known.max(0.0) + 0.03,
            Self::Apart { .. } | Self::Within { .. } | Self::Lasts { .. } => known * 1.1 + 0.1,
            Self::Media(_) => known * 2.0,
            _ => known,
        }
    }
}

fn is_short(lasts: Duration, said: Duration) -> bool {
    said.saturating_sub(lasts) >= LEAST_MISSING && lasts.as_secs_f64() < 0.7 * said.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_short() {
        let check = |lasts, said, expect| {
            let [lasts, said] = [lasts, said].map(Duration::from_millis);
            assert_eq!(is_short(lasts, said), expect, "{lasts:?} of {said:?}");
        };
        check(2000, 4000, true);
        check(2799, 4000, true);
        check(2800, 4000, false);
        check(4500, 4000, false);
        check(500, 1000, true);
        check(501, 1000, false);
        check(0, 499, false);
        check(4000, 0, false);
    }
}

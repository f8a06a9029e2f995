//! Where a recording begins.

use std::time::Duration;

use hls_parse::{DateTime, Media};

/// Where a recording begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum From {
    /// With all that the playlist still holds.
    #[default]
    Start,
    /// As near to the edge as the server allows (rfc8216bis-22, sections 4.4.3.8 and 6.3.3).
    Live,
    /// So much of what has been already.
    Back(Duration),
    /// The same, to the segment that begins nearest to it.
    Near(Duration),
    /// At a time of the stream's own clock (EXT-X-PROGRAM-DATE-TIME), or, where it has none, of this machine's, counted from
    /// the edge.
    At(DateTime),
}

impl From {
    /// The media sequence number of the first segment that is recorded; it may be one that has not come yet. `now`: the time.
    #[must_use]
    pub fn first(self, media: &Media, now: DateTime) -> u64 {
        let end = media.end_sequence();
        let back = match self {
            Self::Start => return media.media_sequence,
            Self::Live => match media.start_offset() {
                Some(offset) => media.duration().saturating_sub(offset),
                None => {
                    let parts = media
                        .server_control
                        .and_then(|c| c.part_hold_back)
                        .filter(|_| media.part_target.is_some());
                    parts.or(media.hold_back()).unwrap_or_default()
                }
            },
            Self::Back(back) => back,
            Self::Near(back) => return nearest(media, back),
            Self::At(time) => {
                let is_dated = media.segments().any(|segment| segment.date_time().is_some());
                if is_dated {
                    let ends_behind = |segment: &hls_parse::Segment<'_>| {
                        let length = i64::try_from(segment.duration().as_micros()).unwrap_or(i64::MAX);
                        segment
                            .date_time()
                            .is_some_and(|at| at.unix_micros().saturating_add(length) > time.unix_micros())
                    };
                    let found = media.segments().find(ends_behind).map(|segment| segment.media_sequence());
                    return found.unwrap_or_else(|| {
                        let edge = media.segments().next_back();
                        let edge = edge.and_then(|s| {
                            Some(
                                s.date_time()?.unix_micros()
                                    + i64::try_from(s.duration().as_micros()).ok()?,
                            )
                        });
                        end + ahead(
                            media,
                            time.unix_micros().saturating_sub(edge.unwrap_or(time.unix_micros())),
                        )
                    });
                }
                let back = now.unix_micros().saturating_sub(time.unix_micros());
                match u64::try_from(back) {
                    Ok(back) => Duration::from_micros(back),
                    Err(_) => return end + ahead(media, back.saturating_neg()),
                }
            }
        };
        let mut left = back;
        for segment in media.segments().rev() {
            if left.is_zero() {
                return segment.media_sequence() + 1;
            }
            left = left.saturating_sub(segment.duration());
            if left.is_zero() {
                return segment.media_sequence();
            }
        }
        media.media_sequence
    }
}

fn nearest(media: &Media, back: Duration) -> u64 {
    let mut left = Duration::ZERO;
    let begins = media.segments().rev().map(|segment| {
        left += segment.duration();
        (left.abs_diff(back), segment.media_sequence())
    });
    begins.min().map_or(media.media_sequence, |(_, sequence)| sequence)
}

/// How many segments it is until then, in microseconds.
fn ahead(media: &Media, micros: i64) -> u64 {
    let length = media.target_duration.map_or(1, |target| target.as_micros().max(1));
    u64::try_from(u128::from(micros.max(0).unsigned_abs()) / length).unwrap_or(0)
}

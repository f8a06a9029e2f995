//! What the playlist knows of the bytes in a track.

use std::time::Duration;

use hls_media::remux::Unit;
use hls_parse::DateTime;
use hls_state::Placed;

use crate::plan::Track;

/// The segments of a track, as a remuxer wants to know them; with `chapters`, one begins at each gap and behind it. Where a
/// track has some segments of its playlist only, the time of the others stays empty.
pub(crate) fn units(track: &Track, placed: &[Placed], chapters: bool) -> Vec<Unit> {
    let media = track.media();
    let mut units: Vec<Unit> = Vec::new();
    let (mut init_offset, mut start, mut date) = (None, Duration::ZERO, None::<DateTime>);
    let mut gap = None::<(usize, Duration, String)>;
    let (mut has_gaps, mut next) = (false, 0);
    for placed in placed {
        let Some(unit) = track.unit(placed.index) else { continue };
        if unit.is_init {
            init_offset.get_or_insert(placed.offset);
            continue;
        }
        let segment = usize::try_from(unit.number).ok().and_then(|n| media.segment(n));
        let timeline = segment.as_ref().map_or(0, |segment| segment.discontinuity_sequence());
        date = segment.as_ref().and_then(|segment| segment.date_time()).or(date);
        let offset = init_offset.take().unwrap_or(placed.offset);
        for left_out in (next..unit.number).filter_map(|n| media.segment(usize::try_from(n).ok()?)) {
            let (timeline, duration) = (left_out.discontinuity_sequence(), left_out.duration());
            units.push(Unit { offset, duration, timeline, is_gap: true, chapter: None });
            start += duration;
        }
        next = unit.number + 1;
        let is_gap = placed.is_gap();
        let mut chapter = None;
        if chapters && is_gap {
            has_gaps = true;
            let clock = clock(date, start);
            let (_, lasts, _) = gap.get_or_insert((units.len(), Duration::ZERO, clock));
            *lasts += unit.duration;
        } else if let Some((first, lasts, at)) = gap.take() {
            if let Some(first) = units.get_mut(first) {
                first.chapter = Some(title(lasts, &at));
            }
            chapter = Some(clock(date, start));
        }
        units.push(Unit { offset, duration: unit.duration, timeline, is_gap, chapter });
        start += unit.duration;
        date = date.map(|date| later(date, unit.duration));
    }
    if let Some((first, lasts, at)) = gap.take()
        && let Some(first) = units.get_mut(first)
    {
        first.chapter = Some(title(lasts, &at));
    }
    if has_gaps && let Some(first) = units.first_mut().filter(|first| first.chapter.is_none()) {
        first.chapter = Some(clock(media.segment(0).and_then(|s| s.date_time()), Duration::ZERO));
    }
    units
}

fn later(date: DateTime, by: Duration) -> DateTime {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    DateTime::from_unix_micros(date.unix_micros().saturating_add(micros))
}

/// What stands where something is missing: how long it is, and when it was.
fn title(lasts: Duration, at: &str) -> String {
    format!("gap {} s, {at}", (lasts.as_secs_f64() * 10.0).round() / 10.0)
}

/// The time of day in UTC where the stream tells it, else the time from the start.
fn clock(date: Option<DateTime>, start: Duration) -> String {
    let day = date.and_then(|date| Some(date.to_string().get(11..19)?.to_owned()));
    let seconds = start.as_secs();
    day.unwrap_or_else(|| format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

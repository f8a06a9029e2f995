//! What the playlist knows of the bytes in a track.

use std::time::Duration;

use hls_media::remux::Unit;
use hls_parse::{DateTime, Media};
use hls_state::Placed;

use crate::policy::plan::{self, Track};

/// The number of the timeline that a unit is on, which is that of no earlier one.
pub(super) fn timeline(media: &Media, unit: &plan::Unit) -> u64 {
    if let Some(live) = unit.live {
        return live.timeline();
    }
    let segment = usize::try_from(unit.number).ok().and_then(|n| media.segment(n));
    segment.map_or(0, |segment| segment.discontinuity_sequence())
}

fn date(media: &Media, unit: &plan::Unit) -> Option<DateTime> {
    if let Some(live) = unit.live {
        return live.at.map(DateTime::from_unix_micros);
    }
    usize::try_from(unit.number).ok().and_then(|n| media.segment(n))?.date_time()
}

/// The timelines and durations of the segments from one to another.
fn between(track: &Track, media: &Media, from: (u64, u64), to: (u64, u64)) -> Vec<(u64, Duration)> {
    if track.is_growing() {
        let units = (from.0..to.0).filter_map(|index| track.unit(index)).filter(|unit| !unit.is_init);
        return units.map(|unit| (timeline(media, &unit), unit.duration)).collect();
    }
    let segments = (from.1..to.1).filter_map(|n| media.segment(usize::try_from(n).ok()?));
    segments.map(|segment| (segment.discontinuity_sequence(), segment.duration())).collect()
}

/// The segments of a track, as a remuxer wants to know them; with `chapters`, one begins at each gap and behind it. Where some
/// segments of the playlist only are there, the time of the others stays empty.
pub(crate) fn units(track: &Track, placed: &[Placed], chapters: bool) -> Vec<Unit> {
    let media = track.media();
    let mut units: Vec<Unit> = Vec::new();
    let (mut init_offset, mut start, mut day) = (None, Duration::ZERO, None::<DateTime>);
    let mut gap = None::<(usize, Duration, String)>;
    let (mut has_gaps, mut next) = (false, (0, 0));
    for placed in placed {
        let Some(unit) = track.unit(placed.index) else { continue };
        if unit.is_init {
            init_offset.get_or_insert(placed.offset);
            continue;
        }
        let timeline = timeline(&media, &unit);
        day = date(&media, &unit).or(day);
        let offset = init_offset.take().unwrap_or(placed.offset);
        for (timeline, duration) in between(track, &media, next, (placed.index, unit.number)) {
            units.push(Unit { offset, duration, timeline, is_gap: true, chapter: None });
            start += duration;
        }
        next = (placed.index + 1, unit.number + 1);
        let is_gap = placed.is_gap();
        let mut chapter = None;
        if chapters && is_gap {
            has_gaps = true;
            let clock = clock(day, start);
            let (_, lasts, _) = gap.get_or_insert((units.len(), Duration::ZERO, clock));
            *lasts += unit.duration;
        } else if let Some((first, lasts, at)) = gap.take() {
            if let Some(first) = units.get_mut(first) {
                first.chapter = Some(title(lasts, &at));
            }
            chapter = Some(clock(day, start));
        }
        units.push(Unit { offset, duration: unit.duration, timeline, is_gap, chapter });
        start += unit.duration;
        day = day.map(|day| later(day, unit.duration));
    }
    if let Some((first, lasts, at)) = gap.take()
        && let Some(first) = units.get_mut(first)
    {
        first.chapter = Some(title(lasts, &at));
    }
    if has_gaps && let Some(first) = units.first_mut().filter(|first| first.chapter.is_none()) {
        let unit = (0..track.units()).filter_map(|index| track.unit(index)).find(|unit| !unit.is_init);
        first.chapter = Some(clock(unit.and_then(|unit| date(&media, &unit)), Duration::ZERO));
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

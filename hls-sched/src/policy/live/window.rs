//! What is new in a playlist that was loaded again: the next segments, an older copy, a stream that was started anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hls_parse::{Media, Segment};
use hls_state::Hasher;

use crate::policy::plan::Unit;

/// So many segments of an epoch are known again.
const REMEMBERED: usize = 20_000;
/// So many epochs.
const EPOCHS: usize = 3;
/// Two dates further apart than this are those of different segments.
const SAME_DATE: i64 = 500_000;
/// What looks like an older copy, and has been all that came for so many loads and target durations, is a stream that was
/// started anew. Where its segments are known, and it is not far behind, that takes longer: an edge may just be slow.
const AGREED_LOADS: u32 = 3;
const AGREED_TARGETS: u32 = 1;
const AGREED_TARGETS_IF_KNOWN: u32 = 10;
/// An edge is not behind by more than so many windows.
const SLOW_EDGE: u64 = 2;
/// Where a window has fewer segments than the draft asks for (section 6.2.2), edges are behind by as many all the same.
const SHORTEST_WINDOW: usize = 3;

/// A segment, as far as it tells itself from others. No token of a URL is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: u64,
    /// The folder it is in; not known of what an earlier run had.
    pub(crate) folder: Option<u64>,
    /// Microseconds since 1970.
    pub(crate) at: Option<i64>,
    pub(crate) duration: Duration,
}

impl Seen {
    pub(crate) fn of(segment: &Segment<'_>) -> Self {
        let range = segment.byte_range().map(|range| (range.offset, range.length));
        let (path, folder) = match segment.url() {
            Ok(url) => (hash(url.path(), range), folder(url.path())),
            Err(_) => (hash(segment.uri(), range), None),
        };
        let at = segment.date_time().map(hls_parse::DateTime::unix_micros);
        Self { path, folder, at, duration: segment.duration() }
    }

    pub(crate) fn of_unit(unit: &Unit) -> Self {
        let range = unit.range.and_then(|range| Some((range.start, range.length()?)));
        let at = unit.live.and_then(|live| live.at);
        let (path, folder) = (hash(unit.url.path(), range), folder(unit.url.path()));
        Self { path, folder, at, duration: unit.duration }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self.at, other.at) {
            // The same content under another name: another edge, another session.
            (Some(one), Some(other)) => (one - other).abs() <= SAME_DATE,
            _ => self.path == other.path,
        }
    }

    fn end(&self) -> Option<i64> {
        self.at.map(|at| at.saturating_add(micros(self.duration)))
    }
}

fn folder(path: &str) -> Option<u64> {
    path.rsplit_once('/').map(|(folder, _)| hash(folder, None))
}

fn hash(path: &str, range: Option<(u64, u64)>) -> u64 {
    let mut hasher = Hasher::default();
    hasher.update(path.as_bytes());
    if let Some((offset, length)) = range {
        hasher.update(&offset.to_le_bytes());
        hasher.update(&length.to_le_bytes());
    }
    (hasher.finish().0 & u128::from(u64::MAX)) as u64
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Segments that have left the playlist before they were seen in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The media sequence number of the first one.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// How long they were; by their dates, or else by the target duration.
    pub duration: Duration,
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The first new segment, by its place in the playlist; all behind it are new too.
    pub from: usize,
    /// What was lost in front of it.
    pub lost: Option<Lost>,
    /// The numbers begin anew: the encoder was started again, or this is another copy of the stream.
    pub restarted: bool,
}

/// What a playlist turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is nothing new in it.
    Unchanged,
    /// It is older than one that was there before.
    Older,
    /// There is.
    News(News),
}

/// Copies that look older than what was there.
#[derive(Clone, Copy, Debug)]
struct Older {
    since: Instant,
    loads: u32,
    /// Where the first of them ended, by media sequence number.
    end: u64,
}

/// Which segments of a live playlist have been planned.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// What was seen in each epoch, the current one last.
    epochs: Vec<BTreeMap<u64, Seen>>,
    epoch: u32,
    /// The media sequence number of the segment that is next.
    next: Option<u64>,
    /// When the last load came that was of use, and that in which something was new.
    read: Option<Instant>,
    grown: Option<Instant>,
    /// How many segments that one had.
    length: usize,
    /// The copies that look older, where nothing else comes.
    older: Option<Older>,
    /// When the last segment of an earlier recording ended.
    end: Option<i64>,
}

impl Window {
    /// A window that begins with a playlist, at the segment with this media sequence number.
    #[must_use]
    pub fn starting(media: &Media, next: u64, now: Instant) -> Self {
        // All that is listed is known again, in an older copy too.
        let seen = media.segments().map(|segment| (segment.media_sequence(), Seen::of(&segment)));
        Self {
            epochs: vec![seen.filter(|(n, _)| *n < next).collect()],
            epoch: 0,
            next: Some(next),
            read: Some(now),
            grown: Some(now),
            length: media.segments().len(),
            older: None,
            end: None,
        }
    }

    /// Goes on behind a recording that has ended; `end` is when its last segment did, in microseconds since 1970.
    pub(crate) fn behind(epoch: u32, next: u64, end: Option<i64>) -> Self {
        Self { epochs: vec![BTreeMap::new()], epoch, next: Some(next), end, ..Self::default() }
    }

    /// Goes on where an earlier run was, which is when nobody knows how long ago.
    pub(crate) fn resumed(epoch: u32, next: u64, seen: BTreeMap<u64, Seen>) -> Self {
        Self { epochs: vec![seen], epoch, next: Some(next), ..Self::default() }
    }

    /// How often the numbers have begun anew.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The media sequence number that is next.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Reads a playlist that was loaded. What is new in it counts as planned from now on. `now` is when the load began: what it
    /// brought may be as old as that.
    pub fn read(&mut self, media: &Media, now: Instant) -> Reading {
        let reading = self.judge(media, now);
        match reading {
            Reading::Older => {
                let first = Older { since: now, loads: 0, end: media.end_sequence() };
                self.older.get_or_insert(first).loads += 1;
            }
            Reading::Unchanged => self.read = Some(now),
            Reading::News(_) => (self.older, self.read, self.grown) = (None, Some(now), Some(now)),
        }
        if let Reading::News(news) = reading {
            self.length = media.segments().len();
            self.take(media, news);
        }
        reading
    }

    fn take(&mut self, media: &Media, news: News) {
        if news.restarted {
            self.epoch += 1;
            self.epochs.push(BTreeMap::new());
            if self.epochs.len() > EPOCHS {
                self.epochs.remove(0);
            }
        }
        if self.epochs.is_empty() {
            self.epochs.push(BTreeMap::new());
        }
        let Some(seen) = self.epochs.last_mut() else { return };
        // What stands in front of the news is known again too: it was there when this epoch began.
        let from = if news.restarted { 0 } else { news.from };
        for segment in media.segments().skip(from) {
            seen.insert(segment.media_sequence(), Seen::of(&segment));
        }
        while seen.len() > REMEMBERED {
            seen.pop_first();
        }
        self.next = Some(media.end_sequence());
    }

    fn judge(&self, media: &Media, now: Instant) -> Reading {
        let Some(next) = self.next else { return Reading::Unchanged };
        if media.segments().len() == 0 {
            return Reading::Unchanged;
        }
        let (first, end) = (media.media_sequence, media.end_sequence());
        let common: Vec<_> = self.common(media).collect();
        let alike = common.iter().filter(|(_, is_alike)| *is_alike).count();
        let unlike = common.len() - alike;
        if let Some(from) = self.given_again(media, &common, next) {
            return match self.is_of_earlier_epoch(media) {
                true => Reading::Older,
                false => Reading::News(News { from, lost: None, restarted: true }),
            };
        }
        if unlike > alike {
            return self.judge_unlike(media, next, now);
        }
        if end < next {
            return match self.is_older(media, alike > 0, now) {
                true => Reading::Older,
                false => self.anew(media, now),
            };
        }
        if end == next {
            return Reading::Unchanged;
        }
        if first <= next {
            return Reading::News(News {
                from: usize::try_from(next - first).unwrap_or(0),
                lost: None,
                restarted: false,
            });
        }
        if alike == 0 && !self.is_plausible(media, next, now) {
            return match self.is_of_earlier_epoch(media) {
                true => Reading::Older,
                false => self.anew(media, now),
            };
        }
        let lost = Lost { first: next, count: first - next, duration: self.lost_time(media, first - next) };
        Reading::News(News { from: 0, lost: Some(lost), restarted: false })
    }

    /// The segments that have a number of a planned one, by their places, and whether they are those.
    fn common(&self, media: &Media) -> impl Iterator<Item = (usize, bool)> {
        let current = self.epochs.last();
        media.segments().enumerate().filter_map(move |(place, segment)| {
            let known = current?.get(&segment.media_sequence())?;
            Some((place, known.is(&Seen::of(&segment))))
        })
    }

    /// Where the numbers of segments begin that were others, behind some that are as they were: an encoder that goes on from what
    /// it knew a while ago. Without dates those in another folder are the same in another place, and a single one, not at a
    /// discontinuity, may just have been replaced.
    fn given_again(&self, media: &Media, common: &[(usize, bool)], next: u64) -> Option<usize> {
        let alike = common.iter().take_while(|(_, is_alike)| *is_alike).count();
        let (others, is_all) = (common.get(alike..)?, !common[alike..].iter().any(|(_, is_alike)| *is_alike));
        let (from, _) = *others.first().filter(|_| alike > 0 && is_all)?;
        let segment = media.segment(from)?;
        let (known, seen) = (self.epochs.last()?.get(&segment.media_sequence())?, Seen::of(&segment));
        let is_in_place = known.folder.is_some() && known.folder == seen.folder;
        let is_alone = others.len() == 1 && !segment.is_discontinuity() && media.end_sequence() >= next;
        (seen.at.is_some() && known.at.is_some() || is_in_place && !is_alone).then_some(from)
    }

    /// Segments have the numbers of others. Where their dates say that they are those, only their names are new; else the stream
    /// was started anew, or an edge numbers it in its own way.
    fn judge_unlike(&self, media: &Media, next: u64, now: Instant) -> Reading {
        if self.is_of_earlier_epoch(media) {
            return Reading::Older;
        }
        let is_dated =
            media.segments().next_back().and_then(|s| s.date_time()).is_some() && self.end_date().is_some();
        if is_dated {
            return self.anew(media, now);
        }
        // Without dates only the numbers are left. What goes on where the last one ended goes on, under other names; but a list
        // that has just begun is that of an encoder that has, whatever its numbers come near to.
        let (first, end) = (media.media_sequence, media.end_sequence());
        let goes_on = media.segments().len() >= self.length && self.goes_on(media);
        match end > next && first <= next && goes_on {
            true => Reading::News(News {
                from: usize::try_from(next - first).unwrap_or(0),
                lost: None,
                restarted: false,
            }),
            false if end == next && goes_on => Reading::Unchanged,
            false if self.has_agreed(media, AGREED_TARGETS, now) => self.anew(media, now),
            false => Reading::Older,
        }
    }

    /// The same numbers have the same durations.
    fn goes_on(&self, media: &Media) -> bool {
        let Some(seen) = self.epochs.last() else { return false };
        let mut both =
            media.segments().filter_map(|s| Some((seen.get(&s.media_sequence())?.duration, s.duration())));
        both.all(|(one, other)| one == other)
    }

    /// The numbers begin anew. Segments that were had under their other numbers are not had again, unless all of them are dated
    /// so that they would be, and it is the clock that is behind.
    fn anew(&self, media: &Media, now: Instant) -> Reading {
        let until = self.end_date();
        let is_new = |segment: &Segment<'_>| match (Seen::of(segment).end(), until) {
            (Some(end), Some(until)) => end > until + SAME_DATE.min(micros(segment.duration()) / 2),
            _ => true,
        };
        let from = media.segments().position(|segment| is_new(&segment));
        let Some(from) = from.or_else(|| self.is_clock_behind(media, now).then_some(0)) else {
            return Reading::Older;
        };
        Reading::News(News { from, lost: self.lost_since(media, from, now), restarted: true })
    }

    /// Of a stream that begins at 0 again, what has left the playlist before it was seen.
    fn lost_since(&self, media: &Media, from: usize, now: Instant) -> Option<Lost> {
        let (count, length) = (media.media_sequence, typical(media));
        let elapsed = now.saturating_duration_since(self.read?);
        let possible = elapsed.as_secs_f64() / length.max(Duration::from_millis(10)).as_secs_f64();
        let is_possible = from == 0 && count > 0 && (count as f64) <= possible;
        is_possible.then(|| Lost {
            first: 0,
            count,
            duration: length * u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    /// When the last planned segment ends.
    pub(crate) fn end_date(&self) -> Option<i64> {
        match self.epochs.iter().rev().find(|seen| !seen.is_empty()) {
            Some(seen) => seen.last_key_value()?.1.end(),
            None => self.end,
        }
    }

    /// Has a segment, and what is behind it, be planned again: in another file.
    pub(crate) fn back_to(&mut self, sequence: u64) {
        if let Some(seen) = self.epochs.last_mut() {
            seen.split_off(&sequence);
        }
        self.next = self.next.map(|next| next.min(sequence));
    }

    /// All that it has ended before what is planned.
    fn is_dated_before(&self, media: &Media) -> bool {
        let last = media.segments().next_back().and_then(|segment| Seen::of(&segment).end());
        last.zip(self.end_date()).is_some_and(|(last, until)| last <= until + SAME_DATE)
    }

    /// Dates that are all before what is planned are those of a clock that is wrong, and not of an older copy: they are behind by
    /// more than an edge ever is, there are more of them all the time, and they are all that comes.
    fn is_clock_behind(&self, media: &Media, now: Instant) -> bool {
        let Some((segment, until)) = media.segments().next_back().zip(self.end_date()) else { return false };
        let Some(last) = Seen::of(&segment).end() else { return false };
        let window = media.duration().max(typical(media) * u32::try_from(self.length).unwrap_or(u32::MAX));
        let is_far = until.saturating_sub(last) > micros(window).saturating_mul(SLOW_EDGE as i64);
        let is_growing = self.older.is_some_and(|older| media.end_sequence() > older.end);
        let is_known = self.common(media).any(|(_, is_alike)| is_alike);
        let targets = if is_known { AGREED_TARGETS_IF_KNOWN } else { AGREED_TARGETS };
        is_far && is_growing && self.has_agreed(media, targets, now)
    }

    fn is_of_earlier_epoch(&self, media: &Media) -> bool {
        let earlier = self.epochs.split_last().map_or(&[][..], |(_, earlier)| earlier);
        earlier.iter().any(|seen| {
            media
                .segments()
                .all(|s| seen.get(&s.media_sequence()).is_some_and(|known| known.is(&Seen::of(&s))))
        })
    }

    /// Numbers below what was there: an older copy, as far as dates, names and time tell.
    fn is_older(&self, media: &Media, is_known: bool, now: Instant) -> bool {
        let are_dated =
            self.end_date().is_some() && media.segments().any(|segment| segment.date_time().is_some());
        if are_dated {
            return self.is_dated_before(media) && !self.is_clock_behind(media, now);
        }
        let behind = self.next.unwrap_or(0).saturating_sub(media.end_sequence());
        let is_near = behind <= SLOW_EDGE * media.segments().len().max(SHORTEST_WINDOW) as u64;
        let targets = if is_known && is_near { AGREED_TARGETS_IF_KNOWN } else { AGREED_TARGETS };
        !self.has_agreed(media, targets, now)
    }

    /// All that has come lately is of this kind.
    fn has_agreed(&self, media: &Media, targets: u32, now: Instant) -> bool {
        let target = media.target_duration.unwrap_or_else(|| typical(media)).min(Duration::from_secs(30));
        let lasts = |since| now.saturating_duration_since(since) >= target * targets;
        self.older.is_some_and(|older| older.loads + 1 >= AGREED_LOADS && lasts(older.since))
    }

    /// So many segments can have come and gone since there was something new; a playlist that does not change says nothing of
    /// what its makers do.
    fn is_plausible(&self, media: &Media, next: u64, now: Instant) -> bool {
        let Some(grown) = self.grown else { return true };
        let elapsed = now.saturating_duration_since(grown) + media.duration();
        let typical = typical(media).max(Duration::from_millis(10));
        let most = elapsed.as_secs_f64() / typical.as_secs_f64() * 3.0 + 10.0;
        (media.media_sequence - next) as f64 <= most
    }

    fn lost_time(&self, media: &Media, count: u64) -> Duration {
        let dated = || {
            let at = Seen::of(&media.segments().next()?).at?;
            u64::try_from(at.checked_sub(self.end_date()?)?).ok().map(Duration::from_micros)
        };
        dated().unwrap_or_else(|| typical(media).saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)))
    }
}

/// How long a segment is, in the middle of them all.
fn typical(media: &Media) -> Duration {
    let mut all: Vec<_> = media.segments().map(|segment| segment.duration()).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().or(media.target_duration).unwrap_or(Duration::from_secs(1))
}

#[cfg(test)]
mod tests;

//! What is known of a live playlist from watching it. Pure: times and playlists are arguments.

use std::time::{Duration, Instant};

use hls_parse::{DateTime, Media};
use hls_sched::{Clock, Lost, Reading, Reloaded, Window};

/// A server in good health has something new within so many halves of a target duration (rfc8216bis-22, section 6.3.4).
const LATE_HALVES: u32 = 3;

/// What a load has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The first one.
    First,
    /// There is something new.
    Changed,
    /// There is nothing new.
    Unchanged,
    /// A copy from before one that was seen.
    Older,
    /// The numbers begin anew.
    Restarted,
    /// There is no playlist.
    Failed,
}

impl Look {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Older => "older",
            Self::Restarted => "restarted",
            Self::Failed => "failed",
        }
    }
}

/// What is to be told of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// When it began, since the watch did.
    pub(super) at: Duration,
    /// How long it took.
    pub(super) took: Duration,
    pub(super) look: Look,
    /// How many segments are new, and how many of them are marked as gaps.
    pub(super) new: u64,
    pub(super) gaps: u64,
    /// What has left the playlist before it was loaded again.
    pub(super) missing: Option<Lost>,
    /// What is in the playlist; as it was, where the load failed.
    pub(super) shown: Option<Shown>,
    /// How long there has been nothing new.
    pub(super) silent: Duration,
    /// That is longer than it should be. `Some` where this has changed since the last load.
    pub(super) is_late: bool,
    pub(super) turned: bool,
    /// Why it failed, without secrets.
    pub(super) error: Option<String>,
}

/// The segments in a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) segments: u64,
    pub(super) duration: Duration,
    /// How far the end of the last segment is behind the clock of this machine, in microseconds; by its date.
    pub(super) behind: Option<i64>,
}

/// All loads together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) loads: u64,
    pub(super) changed: u64,
    pub(super) older: u64,
    pub(super) restarts: u64,
    pub(super) failed: u64,
    /// How often it was late.
    pub(super) late: u64,
    /// Segments that have come, and how long they play.
    pub(super) segments: u64,
    pub(super) gained: Duration,
    pub(super) gaps: u64,
    pub(super) missing: u64,
    pub(super) missing_time: Duration,
    pub(super) slowest: Duration,
}

/// The state of a watch.
#[derive(Clone, Debug)]
pub(super) struct Health {
    began: Instant,
    clock: Clock,
    window: Window,
    shown: Option<Shown>,
    is_late: bool,
    load: Instant,
    has_ended: bool,
    sum: Sum,
}

impl Health {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            clock: Clock::before_any(now),
            window: Window::default(),
            shown: None,
            is_late: false,
            load: now,
            has_ended: false,
            sum: Sum::default(),
        }
    }

    /// When the next load begins.
    pub(super) fn due(&self) -> Instant {
        self.clock.due()
    }

    /// Whether no segment will be added.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn sum(&self) -> &Sum {
        &self.sum
    }

    /// A load begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.load = now;
        self.clock.begin(now);
    }

    /// The load has brought a playlist; `time` is the time of day.
    pub(super) fn loaded(&mut self, media: &Media, now: Instant, time: DateTime) -> Report {
        let is_first = self.shown.is_none();
        let reading = match is_first {
            true => {
                self.window = Window::starting(media, media.end_sequence(), now);
                None
            }
            false => Some(self.window.read(media, now)),
        };
        let look = match reading {
            None => Look::First,
            Some(Reading::Unchanged) => Look::Unchanged,
            Some(Reading::Older) => Look::Older,
            Some(Reading::News(news)) if news.restarted => Look::Restarted,
            Some(Reading::News(_)) => Look::Changed,
        };
        let (from, missing) = match reading {
            Some(Reading::News(news)) => (news.from, news.lost),
            _ => (media.segments().len(), None),
        };
        let new = media.segments().skip(from);
        let gaps = new.clone().filter(|segment| segment.is_gap()).count() as u64;
        let gained =
            new.clone().map(|segment| segment.duration()).fold(Duration::ZERO, Duration::saturating_add);
        let new = new.len() as u64;
        let is_older = look == Look::Older;
        self.has_ended |= media.ended && !is_older;
        let changed = !matches!(look, Look::Unchanged | Look::Older);
        self.clock.loaded(
            Reloaded {
                changed,
                target: media.target_duration,
                last_segment: media.segments().next_back().map(|segment| segment.duration()),
                window: media.duration(),
            },
            now,
        );
        if !is_older {
            self.shown = Shown::of(media, time).or(self.shown);
        }
        self.sum.changed += u64::from(changed && !is_first);
        self.sum.older += u64::from(is_older);
        self.sum.restarts += u64::from(look == Look::Restarted);
        self.sum.segments += new;
        self.sum.gained = self.sum.gained.saturating_add(gained);
        self.sum.gaps += gaps;
        if let Some(lost) = missing {
            self.sum.missing = self.sum.missing.saturating_add(lost.count);
            self.sum.missing_time = self.sum.missing_time.saturating_add(lost.duration);
        }
        Report { new, gaps, missing, ..self.report(look, now, None) }
    }

    /// The load has failed; `retry_after` is what the server asked for.
    pub(super) fn failed(&mut self, error: String, retry_after: Option<Duration>, now: Instant) -> Report {
        self.clock.failed(retry_after, now);
        self.sum.failed += 1;
        self.report(Look::Failed, now, Some(error))
    }

    fn report(&mut self, look: Look, now: Instant, error: Option<String>) -> Report {
        let took = now.saturating_duration_since(self.load);
        self.sum.loads += 1;
        self.sum.slowest = self.sum.slowest.max(took);
        let silent = self.clock.unchanged_for(now);
        let is_late = silent > self.clock.target().saturating_mul(LATE_HALVES) / 2 && !self.has_ended;
        let turned = is_late != self.is_late;
        self.is_late = is_late;
        self.sum.late += u64::from(turned && is_late);
        Report {
            at: self.load.saturating_duration_since(self.began),
            took,
            look,
            new: 0,
            gaps: 0,
            missing: None,
            shown: self.shown,
            silent,
            is_late,
            turned,
            error,
        }
    }
}

impl Shown {
    fn of(media: &Media, time: DateTime) -> Option<Self> {
        let last = media.segments().next_back()?;
        let end = last.date_time().map(|date| {
            let length = i64::try_from(last.duration().as_micros()).unwrap_or(i64::MAX);
            date.unix_micros().saturating_add(length)
        });
        Some(Self {
            first: media.media_sequence,
            last: last.media_sequence(),
            segments: media.segments().len() as u64,
            duration: media.duration(),
            behind: end.map(|end| time.unix_micros().saturating_sub(end)),
        })
    }
}

#[cfg(test)]
mod tests {
    use hls_testkit::{Broadcast, Of, Outage, Restart, Then, Transmission};

    use super::*;

    const TWO: Duration = Duration::from_secs(2);
    /// When the broadcasts begin.
    const BEGAN_MS: u64 = 1_772_323_200_000;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Watches for some time of its own, and returns what was reported of each load.
    fn watch(broadcast: Broadcast, lasts: Duration) -> (Vec<Report>, Sum) {
        let mut transmission: Transmission = broadcast.start();
        let path = broadcast.playlist_path(0, 0);
        let began = Instant::now();
        let mut health = Health::new(began);
        let mut reports = Vec::new();
        while !health.has_ended() && health.due() < began + lasts {
            let now = health.due();
            health.begin(now);
            let answer = transmission.answer(&path, "", now - began);
            let base = "http://127.0.0.1/live/a/video/index.m3u8".parse().unwrap();
            let time = BEGAN_MS as i64 * 1000 + (now - began).as_micros() as i64;
            let report = match hls_parse::parse(&answer.body, &base).map(|parsed| parsed.playlist) {
                Ok(hls_parse::Playlist::Media(media)) if answer.status == 200 => {
                    health.loaded(&media, now + Duration::from_millis(5), DateTime::from_unix_micros(time))
                }
                _ => health.failed(format!("status {}", answer.status), None, now),
            };
            reports.push(report);
        }
        assert!(transmission.most_polls(0, TWO) <= 2);
        (reports, health.sum().clone())
    }

    fn noise() -> Broadcast {
        Broadcast::synthetic(TWO, 2000)
    }

    #[test]
    fn a_good_stream_has_nothing_to_complain_of() {
        let (reports, sum) = watch(noise().dated(BEGAN_MS).total(16), s(60));
        let expect = Sum {
            loads: 11,
            changed: 10,
            segments: 10,
            gained: s(20),
            slowest: Duration::from_millis(5),
            ..Sum::default()
        };
        assert_eq!(sum, expect);
        let first = reports[0].shown.unwrap();
        assert_eq!((first.first, first.last, first.segments, first.duration), (0, 5, 6, s(12)));
        assert_eq!(first.behind, Some(0));
        assert!(reports.iter().all(|report| !report.is_late && !report.turned));
    }

    #[test]
    fn what_left_before_it_was_seen_is_missing() {
        let outage = Outage::new(Of::Playlists, s(5), s(20));
        let (reports, sum) = watch(noise().window(4).outage(outage), s(40));
        let (lost, at) = reports.iter().find_map(|report| Some((report.missing?, report.at))).unwrap();
        // Segment 7 came at 4 s, and of those until the outage was over the last four are there.
        assert_eq!((lost.first, lost.duration), (8, TWO * u32::try_from(lost.count).unwrap()));
        assert_eq!((sum.missing, sum.missing_time), (lost.count, lost.duration));
        assert!(at >= s(25) && at <= s(30), "{at:?}");
        assert!(sum.failed > 0 && sum.late == 1, "{sum:?}");
        let turned: Vec<_> =
            reports.iter().filter(|report| report.turned).map(|report| report.is_late).collect();
        assert_eq!(turned, [true, false]);
    }

    #[test]
    fn frozen_stale_and_restarted() {
        let (reports, sum) = watch(noise().freeze(s(4), s(10), Then::GoOn), s(30));
        assert_eq!((sum.late, sum.missing), (1, 0));
        let late = reports.iter().find(|report| report.is_late).unwrap();
        // Three seconds after the last one at the latest that a server in good health would have had something by.
        assert!(late.silent > s(3) && late.silent <= s(4), "{:?}", late.silent);

        let (_, sum) = watch(noise().stale(s(0), s(20), 2), s(20));
        assert!(sum.older > 0 && sum.missing == 0 && sum.restarts == 0, "{sum:?}");

        let (reports, sum) = watch(noise().running(30).restart(Restart::to(s(5), 0)), s(20));
        assert_eq!((sum.restarts, sum.missing), (1, 0));
        let shown = reports.iter().rev().find_map(|report| report.shown).unwrap();
        assert!(shown.last < 10);

        let (_, sum) = watch(noise().gap(8).total(12), s(40));
        assert_eq!((sum.gaps, sum.segments), (1, 6));
    }
}

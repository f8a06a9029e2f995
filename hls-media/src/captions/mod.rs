//! WebVTT segments, as text and in fragmented MP4 (`wvtt`), merged into one: on one timeline, each cue once, as `.vtt`, `.srt` or
//! plain text.
//!
//! ```
//! use std::time::Duration;
//! use hls_media::captions::Captions;
//!
//! let segment = b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n00:01.000 --> 00:02.500\nHello\n";
//! let mut captions = Captions::new();
//! for _ in 0..2 {
//!     // The stream begins at 10 s of its clock.
//!     captions.push(segment, Duration::ZERO, |timestamp| (timestamp as i64 - 900_000) * 1000 / 90)?;
//! }
//! assert_eq!(captions.to_srt(), "1\n00:00:01,000 --> 00:00:02,500\nHello\n\n");
//! # Ok::<(), hls_media::captions::CaptionsError>(())
//! ```

mod markup;
mod sampled;
mod segment;
mod written;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use self::segment::Segment;
use crate::container::{SNIFF, Sniffed, sniff};
use crate::remux::RemuxError;

/// The memory of all cues, at most: some 150,000 of them, which is a word in each second of a day and a half.
const MOST_HELD: usize = 32 << 20;
/// What a cue takes beside its text.
const CUE: usize = 200;
/// Bytes counted for each further sample that a cue lasts over.
const PART: usize = 40;
/// Samples are one behind the other where no more than this many microseconds are between them: times are rounded.
const NEAR: u64 = 1000;

/// In microseconds.
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;
/// Cues that name who made them may begin this much behind the last picture.
const CREDITS: u64 = 60 * SECOND;

/// Microseconds in which the 33-bit timestamps of MPEG-2 come around, nine times.
const NINE_WRAPS: i64 = (1 << 33) * 100;

/// What is wrong with a segment of captions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptionsError {
    /// It does not begin with `WEBVTT`.
    #[error("it does not begin with WEBVTT")]
    Signature,
    /// The time of its `X-TIMESTAMP-MAP` can't be read, so none of its cues has a place.
    #[error("its X-TIMESTAMP-MAP can't be read")]
    Map,
    /// It is no text in UTF-8.
    #[error("it is not text in UTF-8")]
    Text,
    /// There are more cues than any stream has, and all of them have to be held at once.
    #[error("there are more cues than can be merged, {0} so far")]
    TooMany(usize),
    /// It is fragmented MP4 that can't be read.
    #[error(transparent)]
    Fragments(#[from] RemuxError),
    /// It is fragmented MP4 whose samples have another format than `wvtt`, such as `stpp`.
    #[error("its samples are {0}, which can't be read")]
    Format(String),
}

/// A cue on the timeline of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When it appears, in microseconds from the begin of the stream.
    pub begin: u64,
    /// When it goes; never before `begin`.
    pub end: u64,
    /// Its name, or nothing.
    pub identifier: String,
    /// Where and how it is shown, as WebVTT has it.
    pub settings: String,
    /// Its text with its markup, without blank lines.
    pub text: String,
}

/// Converts SubRip subtitles (`.srt`) to WebVTT. Returns `None` for anything else.
///
/// ```
/// let srt = "1\r\n00:00:01,000 --> 00:00:02,500\r\nHello\r\n";
/// let expect = "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.500\nHello\n";
/// assert_eq!(hls_media::captions::from_srt(srt).as_deref(), Some(expect));
/// assert_eq!(hls_media::captions::from_srt("1\nHello"), None);
/// ```
#[must_use]
pub fn from_srt(text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| line.is_empty());
    let mut out = "WEBVTT\n\n".to_owned();
    let number = lines.next().filter(|line| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()))?;
    out.push_str(number);
    out.push('\n');
    let mut has_times = false;
    for line in lines {
        let is_times = line.contains(" --> ");
        has_times |= is_times;
        if !has_times {
            return None;
        }
        out.push_str(&if is_times { line.replace(',', ".") } else { line.to_owned() });
        out.push('\n');
    }
    has_times.then_some(out)
}

/// What has been merged so far.
#[derive(Debug, Clone, Default)]
pub struct Captions {
    cues: Vec<Cue>,
    /// A hash of each cue: time and text.
    seen: HashSet<[u64; 2]>,
    /// Of cues in samples, the last one that says and is the same, by a hash of that.
    going_on: HashMap<[u64; 2], usize>,
    hashers: [RandomState; 2],
    /// The memory that the cues take, about.
    held: usize,
    /// Style sheets and regions, each once.
    blocks: Vec<String>,
    unreadable: u64,
    film: Option<i64>,
    aligned: u64,
}

impl Captions {
    /// Begins.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how long the film is. Segments without `X-TIMESTAMP-MAP` whose cues fit into it when its begin is their zero are meant so
    /// by their makers; by the letter (RFC 8216bis, 3.5) their zero is that of the film's clock, which hardly ever begins there.
    #[must_use]
    pub fn of_film(self, lasts: Duration) -> Self {
        Self { film: i64::try_from(lasts.as_micros()).ok(), ..self }
    }

    /// How many segments were placed by the begin of the film, and not by its clock.
    #[must_use]
    pub fn aligned(&self) -> u64 {
        self.aligned
    }

    /// Adds a segment, with the initialization section before it where there is one: WebVTT as text, or as `wvtt` in fragmented
    /// MP4, where the times are those of the samples, and a cue that goes on from one sample to the next is one.
    ///
    /// `near` is where it lies on the timeline of the stream: timestamps come around each 26.5 hours (RFC 8216bis, 3.5).
    /// `place` says where on that timeline a timestamp of 90 kHz is, in microseconds, which may be before the begin.
    ///
    /// Cues that end before the begin are left out, and so are those that another segment has given already: the same text
    /// at the same time.
    ///
    /// # Errors
    /// Where it is no WebVTT or can't be read, and [`CaptionsError::TooMany`].
    pub fn push(
        &mut self,
        segment: &[u8],
        near: Duration,
        place: impl Fn(u64) -> i64,
    ) -> Result<(), CaptionsError> {
        let segment = match sniff(segment.get(..SNIFF).unwrap_or(segment)) {
            Ok(Sniffed::Fmp4) => match sampled::read(segment)? {
                segment if segment.is_sampled => segment,
                // Without samples it has no time.
                _ => return Ok(()),
            },
            _ => Segment::read(segment)?,
        };
        let near = i64::try_from(near.as_micros()).unwrap_or(i64::MAX / 4);
        // Without a map, 0 is 0 of the clock.
        let mut zero = place(segment.timestamp).saturating_sub(segment.local);
        // The clocks of subtitles may be a second off.
        let fits = |film: i64| segment.cues.iter().all(|cue| cue.begin <= film.saturating_add(1_000_000));
        let is_aligned = !segment.has_map && zero != 0 && self.film.is_some_and(fits);
        if is_aligned {
            (zero, self.aligned) = (0, self.aligned + u64::from(!segment.cues.is_empty()));
        }
        for mut cue in segment.cues {
            let lasts = cue.end.saturating_sub(cue.begin);
            let begin = zero.saturating_add(cue.begin);
            let begin = if is_aligned { begin } else { around(begin, near) };
            let end = begin.saturating_add(lasts);
            let (Ok(end), begin) = (u64::try_from(end), u64::try_from(begin).unwrap_or(0)) else { continue };
            if end == 0 {
                continue;
            }
            cue.text.truncate(cue.text.trim_end_matches([' ', '\t', '\u{c}']).len());
            let source = cue.source;
            let cue = Cue {
                begin,
                end: end.max(begin),
                identifier: cue.identifier,
                settings: cue.settings,
                text: cue.text,
            };
            let known = (cue.begin, cue.end, cue.text.trim());
            if self.seen.insert(self.hashers.each_ref().map(|hasher| hasher.hash_one(known))) {
                self.add(cue, segment.is_sampled.then_some(source));
            }
            self.has_room()?;
        }
        for block in segment.blocks {
            if !self.blocks.contains(&block) {
                self.held += CUE + block.len();
                self.blocks.push(block);
            }
        }
        self.unreadable += segment.unreadable;
        self.has_room()
    }

    fn has_room(&self) -> Result<(), CaptionsError> {
        if self.held > MOST_HELD { Err(CaptionsError::TooMany(self.cues.len())) } else { Ok(()) }
    }

    /// Adds a cue that is new. `source`: of one in a sample, what tells it from others that are alike.
    fn add(&mut self, cue: Cue, source: Option<Option<u32>>) {
        if let Some(source) = source {
            let content = (&cue.identifier, &cue.settings, &cue.text, source);
            let content = self.hashers.each_ref().map(|hasher| hasher.hash_one(content));
            let last = self.going_on.insert(content, self.cues.len());
            if let Some((at, last)) = last.and_then(|at| Some((at, self.cues.get_mut(at)?)))
                && last.end.abs_diff(cue.begin) <= NEAR
            {
                last.end = cue.end;
                self.going_on.insert(content, at);
                self.held += PART;
                return;
            }
        }
        self.held += CUE + cue.identifier.len() + cue.settings.len() + cue.text.len();
        self.cues.push(cue);
    }

    /// The cues in the order in which they appear.
    #[must_use]
    pub fn cues(&self) -> Vec<&Cue> {
        let mut cues = self.cues.iter().collect::<Vec<_>>();
        cues.sort_by_key(|cue| (cue.begin, cue.end));
        cues
    }

    /// Moves all cues by whole hours where they begin behind the end of the film, and the first one does not then: broadcasters let
    /// their time code begin at an hour. Returns by how much they were moved.
    pub fn move_by_hours(&mut self) -> Option<Duration> {
        let film = u64::try_from(self.film?).ok().filter(|film| *film > 0)?;
        let first = self.cues.iter().map(|cue| cue.begin).min()?;
        // The clocks of subtitles may be a second off.
        let hours = first.saturating_add(SECOND) / HOUR * HOUR;
        let by = hours.min(first);
        (hours > film && first - by < film).then(|| {
            for cue in &mut self.cues {
                (cue.begin, cue.end) = (cue.begin.saturating_sub(by), cue.end.saturating_sub(by));
            }
            Duration::from_micros(hours)
        })
    }

    /// Returns how many cues begin more than a second behind the end of the film, where that is known.
    #[must_use]
    pub fn behind_film(&self) -> usize {
        let Some(film) = self.end_of_film() else { return 0 };
        self.cues.iter().filter(|cue| cue.begin > film.saturating_add(SECOND)).count()
    }

    /// Leaves out the cues that begin more than a minute behind the end of the film, and cuts those that end later. Returns how many
    /// it leaves out.
    pub fn cut_to_film(&mut self) -> usize {
        let Some(end) = self.end_of_film().map(|film| film.saturating_add(CREDITS)) else { return 0 };
        let all = self.cues.len();
        self.cues.retain(|cue| cue.begin <= end);
        self.cues.iter_mut().for_each(|cue| cue.end = cue.end.min(end));
        all - self.cues.len()
    }

    /// The end of the film in microseconds, where it is known.
    fn end_of_film(&self) -> Option<u64> {
        self.film.and_then(|film| u64::try_from(film).ok()).filter(|film| *film > 0)
    }

    /// Returns how many blocks had unreadable times, and how many samples had unreadable cues. Their text is left out.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// The same time in the round of the clock that is next to another time.
fn around(time: i64, near: i64) -> i64 {
    let off = i128::from(time) - i128::from(near);
    let (nine, off) = (i128::from(NINE_WRAPS), off * 9);
    // Half a round either way.
    let rounds = (off + nine / 2).div_euclid(nine);
    i64::try_from(i128::from(time) - (rounds * nine).div_euclid(9)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merged(segments: &[(&str, u64)], first: i64) -> Captions {
        let mut captions = Captions::new();
        for (text, near) in segments {
            let place = |timestamp: u64| (timestamp as i64 - first) * 100 / 9;
            captions.push(text.as_bytes(), Duration::from_secs(*near), place).unwrap();
        }
        captions
    }

    fn check(segments: &[(&str, u64)], first: i64, expect: &[(u64, u64, &str)]) {
        let captions = merged(segments, first);
        let found: Vec<_> =
            captions.cues().iter().map(|c| (c.begin / 1000, c.end / 1000, c.text.as_str())).collect();
        assert_eq!(found, expect, "{segments:?}");
    }

    #[test]
    fn without_a_map_the_film_begins_at_zero() {
        let check = |text: &str, first: i64, expect: &[u64], aligned: u64| {
            let mut captions = Captions::new().of_film(Duration::from_secs(8));
            let place = |timestamp: u64| (timestamp as i64 - first) * 100 / 9;
            captions.push(text.as_bytes(), Duration::ZERO, place).expect("it is WebVTT");
            let found = captions.cues().iter().map(|cue| cue.begin / 1000).collect::<Vec<_>>();
            assert_eq!((&found[..], captions.aligned()), (expect, aligned), "{text}");
        };
        let cues = "00:01.000 --> 00:02.000\na\n\n00:05.000 --> 00:06.000\nb\n";
        check(&format!("WEBVTT\n\n{cues}"), 126_000, &[1000, 5000], 1);
        check(&format!("WEBVTT\n\n{cues}"), 36_000 * 90_000, &[1000, 5000], 1);
        check(&format!("WEBVTT\n\n{cues}"), 0, &[1000, 5000], 0);
        // Their own clock is that of the film.
        check("WEBVTT\n\n10:00:01.000 --> 10:00:02.000\na\n", 36_000 * 90_000, &[1000], 0);
        let map = "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000";
        check(&format!("WEBVTT\n{map}\n\n{cues}"), 810_000, &[2000, 6000], 0);
    }

    #[test]
    fn cues_behind_the_film() {
        // Of a film of eight seconds: how many hours all are moved by, where they begin then, and how many are behind it.
        // How many begin more than a second behind the end, and how many more than a minute.
        for (begins, hours, expect, behind, left_out) in [
            (&["00:00:01", "00:00:05"][..], None, &[1, 5][..], 0, 0),
            (&["01:00:01", "01:00:05"], Some(1), &[1, 5], 0, 0),
            (&["10:00:01", "10:00:30", "10:01:09"], Some(10), &[1, 30, 69], 2, 1),
            (&["00:59:59", "01:00:05"], Some(1), &[0, 6], 0, 0),
            // Some are where they should be, or the first would still be behind it.
            (&["00:00:01", "01:00:05"], None, &[1, 3605], 1, 1),
            (&["01:20:00", "01:20:05"], None, &[4800, 4805], 2, 2),
            (&["00:00:09"], None, &[9], 0, 0),
            (&[], None, &[], 0, 0),
        ] {
            let cues: Vec<_> = begins.iter().map(|at| format!("{at}.000 --> 11:00:00.000\na\n\n")).collect();
            let mut captions = Captions::new().of_film(Duration::from_secs(8));
            let segment = format!("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n{}", cues.concat());
            captions.push(segment.as_bytes(), Duration::ZERO, |ticks| ticks as i64).expect("it is WebVTT");
            let moved = captions.move_by_hours().map(|by| by.as_secs() / 3600);
            let found = captions.cues().iter().map(|cue| cue.begin / SECOND).collect::<Vec<_>>();
            assert_eq!((moved, &found[..], captions.behind_film()), (hours, expect, behind), "{begins:?}");
            assert_eq!(captions.cut_to_film(), left_out, "{begins:?}");
            assert_eq!(captions.cues().len(), expect.len() - left_out, "{begins:?}");
            assert!(captions.cues().iter().all(|cue| cue.end <= 68 * SECOND), "{begins:?}");
        }
        assert_eq!(Captions::new().move_by_hours(), None);
    }

    #[test]
    fn times_are_those_of_the_stream() {
        let map = |map: &str, cues: &str| format!("WEBVTT\nX-TIMESTAMP-MAP={map}\n\n{cues}");
        let cue = "00:01.000 --> 00:02.000\na\n";
        // In either order, with hours and without.
        for text in ["MPEGTS:900000,LOCAL:00:00:00.000", "LOCAL:00:00.000,MPEGTS:900000"] {
            check(&[(&map(text, cue), 0)], 900_000, &[(1000, 2000, "a")]);
            check(&[(&map(text, cue), 0)], 810_000, &[(2000, 3000, "a")]);
        }
        let later = map("LOCAL:01:00:00.000,MPEGTS:900000", "01:00:03.000 --> 01:00:04.000\na\n");
        check(&[(&later, 0)], 900_000, &[(3000, 4000, "a")]);
        // No map: 0 is 0 of the clock.
        check(&[(&format!("WEBVTT\n\n{cue}"), 0)], 0, &[(1000, 2000, "a")]);
        check(&[(&format!("WEBVTT\n\n{cue}"), 0)], 135_000, &[(0, 500, "a")]);
        check(&[(&format!("WEBVTT\n\n{cue}"), 0)], 180_000, &[]);
    }

    #[test]
    fn clocks_come_around() {
        const ROUND: i64 = 1 << 33;
        let segment = |timestamp: i64| {
            let timestamp = timestamp.rem_euclid(ROUND);
            format!(
                "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{timestamp},LOCAL:00:00:00.000\n\n00:00.500 --> 00:01.000\nx\n"
            )
        };
        let first = ROUND - 90_000;
        let (before, behind) = (segment(first), segment(first + 10 * 90_000));
        check(&[(&before, 0), (&behind, 10)], first, &[(500, 1000, "x"), (10_500, 11_000, "x")]);
        // A day and more behind the begin.
        let far = segment(first + 100_000 * 90_000);
        check(&[(&far, 100_000)], first, &[(100_000_500, 100_001_000, "x")]);
    }

    #[test]
    fn a_cue_that_comes_again_is_one() {
        let one = "WEBVTT\n\n1\n00:01.000 --> 00:12.000\nlong\n\n2\n00:02.000 --> 00:03.000\nshort";
        let two = "WEBVTT\n\n1\n00:01.000 --> 00:12.000 line:1\nlong \n\n1\n00:11.000 --> 00:12.000\nshort\n";
        check(
            &[(one, 0), (two, 10)],
            0,
            &[(1000, 12_000, "long"), (2000, 3000, "short"), (11_000, 12_000, "short")],
        );
    }

    #[test]
    fn a_flood_of_cues_ends() {
        let mut captions = Captions::new();
        let flood = |from: u64| {
            let time = |t: u64| {
                format!("{:02}:{:02}:{:02}.{:03}", t / 3_600_000, t / 60_000 % 60, t / 1000 % 60, t % 1000)
            };
            let cue = |n| format!("{} --> {}\nx\n\n", time(n), time(n + 1));
            format!("WEBVTT\n\n{}", (from..from + 10_000).map(cue).collect::<String>())
        };
        let pushed = (0..40).map(|n| captions.push(flood(n * 10_000).as_bytes(), Duration::ZERO, |_| 0));
        let ended = pushed.into_iter().position(|pushed| matches!(pushed, Err(CaptionsError::TooMany(_))));
        assert_eq!(ended, Some(MOST_HELD / (CUE + 1) / 10_000));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), near in any::<u64>(), at in any::<i64>()) {
            let mut captions = Captions::new();
            let _ = captions.push(&bytes, Duration::from_secs(near), |_| at);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let _ = captions.push(format!("WEBVTT\n\n{text}").as_bytes(), Duration::from_secs(near), |t| at ^ t as i64);
            let _ = (captions.to_vtt(), captions.to_srt());
        }

        #[test]
        fn what_is_written_is_read_again(cues in proptest::collection::vec((0_u64..30_000_000, 1_u64..9_000_000, "[a-z&<>]{1,8}"), 0..20)) {
            let mut text = "WEBVTT\n\n".to_owned();
            for (begin, lasts, word) in &cues {
                let time = |t: u64| format!("{:02}:{:02}:{:02}.{:03}", t / 3_600_000, t / 60_000 % 60, t / 1000 % 60, t % 1000);
                text.push_str(&format!("{} --> {}\n{word}\n\n", time(*begin), time(begin + lasts)));
            }
            let captions = merged(&[(&text, 0)], 0);
            let again = merged(&[(&captions.to_vtt(), 0)], 0);
            prop_assert_eq!(captions.cues(), again.cues());
        }
    }
}

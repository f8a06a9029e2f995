//! Timestamps of the packetized elementary streams in a transport stream (ISO/IEC 13818-1, section 2.4.3.7).

use std::time::Duration;

/// Ticks in a second.
const CLOCK: u64 = 90_000;
/// Timestamps have 33 bits, and wrap.
const WRAP: i64 = 1 << 33;
/// More elementary streams than any real transport stream has.
const MANY: usize = 32;

/// Whether a payload begins a packet of an elementary stream.
pub(crate) fn is_pes(payload: &[u8]) -> bool {
    payload.starts_with(&[0, 0, 1]) && payload.get(3).is_some_and(|id| *id >= 0xbc)
}

/// Two units go on from one another where the second begins as near to the end of the first.
const NEAR: i64 = 15 * CLOCK as i64 / 100;

/// Timestamps that were milliseconds once are as exact.
const ROUNDED: i64 = CLOCK as i64 / 1000 + 10;
/// Sound goes on where the frames before it end, give or take this.
const EXACT: i64 = CLOCK as i64 / 100;
/// Sound may begin this much before the sound before it ends, in seconds: a frame of AAC at 32 kHz with SBR. Where a file is looped, its
/// last frame of sound ends behind its last picture, and the next round begins with the picture.
const OVERLAP: f64 = 0.064;
/// Of fewer pictures nobody knows how far apart they should be.
const FEW_STEPS: u32 = 8;

/// The timestamps of each elementary stream in a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Timestamps {
    streams: Vec<Stream>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    pid: usize,
    is_pictures: bool,
    first: i64,
    last: i64,
    /// Relative to the first, unwrapped.
    at: i64,
    earliest: i64,
    latest: i64,
    /// The longest step from one to the next.
    widest: i64,
    /// The first step, and how many are like it.
    usual: i64,
    alike: u32,
    count: u32,
    /// Sound: how often a timestamp is elsewhere than the frames before it end, and by how much where that is most.
    apart: u32,
    furthest: i64,
    /// How long the frames of sound are since the last timestamp.
    tail: Option<i64>,
}

impl Timestamps {
    /// Takes the header of a packet. `lasts`: how long the frames of sound are since the timestamp before. Returns whether it has one.
    pub(crate) fn begin(&mut self, pid: usize, payload: &[u8], lasts: Option<i64>) -> bool {
        let Some(time) = decoding_time(payload) else { return false };
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == pid) {
            stream.take(time, lasts);
        } else if self.streams.len() < MANY {
            let (first, last) = (time, time);
            self.streams.push(Stream {
                pid,
                is_pictures: matches!(payload.get(3), Some(0xe0..=0xef)),
                first,
                last,
                at: 0,
                earliest: 0,
                latest: 0,
                widest: 0,
                usual: 0,
                alike: 0,
                count: 1,
                apart: 0,
                furthest: 0,
                tail: None,
            });
        }
        true
    }

    /// Ends a stream: `lasts` as for [`begin`](Self::begin).
    pub(crate) fn end(&mut self, pid: usize, lasts: Option<i64>) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == pid) {
            stream.tail = lasts.filter(|ticks| *ticks > 0 && !stream.is_pictures);
        }
    }

    /// How much later `next` begins than these end, in seconds, in the stream where it differs most from nothing. `None`: it
    /// goes on as it should, or no stream tells.
    pub(crate) fn jump(&self, next: &Self) -> Option<f64> {
        let jumps = self.streams.iter().filter_map(|before| {
            let after = next.streams.iter().find(|stream| stream.pid == before.pid)?;
            before.jump(after)
        });
        let widest = jumps.max_by_key(|ticks| ticks.abs())?;
        Some(widest as f64 / CLOCK as f64)
    }

    /// How much later each stream of pictures begins in `next` than it ends here, in seconds; of sound too, where its frames tell
    /// when it ends; 0 where sound overlaps by no more than a frame.
    pub(crate) fn ahead(&self, next: &Self) -> Vec<(u32, f64)> {
        let ahead = |before: &Stream| {
            let after = next.streams.iter().find(|stream| stream.pid == before.pid)?;
            let ahead = before.ahead(after)? as f64 / CLOCK as f64;
            let goes_on = before.tail.is_some() && is_overlap(ahead);
            Some((u32::try_from(before.pid).ok()?, if goes_on { 0.0 } else { ahead }))
        };
        self.streams
            .iter()
            .filter(|stream| stream.is_pictures || stream.tail.is_some())
            .filter_map(ahead)
            .collect()
    }

    /// How much is left out between two pictures, in seconds, where that is most and nearly all others have the same distance;
    /// or between two packets of sound, where nearly all others go on where the frames before them end.
    pub(crate) fn jump_inside(&self) -> Option<f64> {
        let jumps = self.streams.iter().filter_map(|stream| {
            let steps = stream.count.checked_sub(1).filter(|steps| *steps >= FEW_STEPS)?;
            if !stream.is_pictures {
                return (stream.apart > 0 && stream.apart <= steps / 4).then_some(stream.furthest);
            }
            let is_even = stream.usual > 0 && stream.alike >= steps - steps / 4;
            let left_out = stream.widest - stream.usual;
            (is_even && left_out > stream.usual / 2).then_some(left_out)
        });
        jumps.max().map(|ticks| ticks as f64 / CLOCK as f64)
    }

    /// How long the pictures are.
    pub(crate) fn length(&self) -> Option<Duration> {
        self.streams.iter().filter(|stream| stream.is_pictures).filter_map(Stream::duration).max()
    }

    /// How much later than the frames before it end a packet of sound begins inside the unit, in seconds, where that is most; 0
    /// where none does by more than 10 ms, or overlaps by more than 64 ms. Of streams with several packets whose frames tell that.
    pub(crate) fn inside(&self) -> Vec<(u32, f64)> {
        let several = self.streams.iter().filter(|stream| stream.tail.is_some() && stream.count > 1);
        let pid =
            |stream: &Stream| Some((u32::try_from(stream.pid).ok()?, stream.furthest as f64 / CLOCK as f64));
        several.filter_map(pid).collect()
    }

    /// How long the sound is.
    pub(crate) fn length_of_sound(&self) -> Option<Duration> {
        self.streams.iter().filter(|stream| stream.tail.is_some()).filter_map(Stream::duration).max()
    }

    /// How long the longest stream is. `None`: no stream has two timestamps that differ.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.streams.iter().filter_map(Stream::duration).max()
    }
}

/// When packed sound begins, in ticks, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sounds {
    pub(crate) start: i64,
    pub(crate) lasts: Duration,
}

impl Sounds {
    /// How much later `next` begins than this ends, in seconds; `None`: it goes on as it should.
    pub(crate) fn jump(self, next: Self) -> Option<f64> {
        self.ahead(next).filter(|seconds| seconds.abs() > NEAR as f64 / CLOCK as f64)
    }

    /// How much later `next` begins than this ends, in seconds.
    pub(crate) fn ahead(self, next: Self) -> Option<f64> {
        let lasts = i64::try_from(self.lasts.as_nanos() * u128::from(CLOCK) / 1_000_000_000).ok()?;
        let ahead = nearest(next.start.saturating_sub(self.start.saturating_add(lasts)));
        Some(ahead as f64 / CLOCK as f64)
    }
}

impl Stream {
    fn take(&mut self, time: i64, lasts: Option<i64>) {
        let ahead = nearest(time - self.last);
        let apart = lasts.filter(|ticks| *ticks > 0).map_or(0, |ticks| ahead.saturating_sub(ticks));
        if apart.abs() > EXACT && !is_overlap(apart as f64 / CLOCK as f64) {
            self.apart = self.apart.saturating_add(1);
            self.furthest = if apart.abs() > self.furthest.abs() { apart } else { self.furthest };
        }
        self.at = self.at.saturating_add(ahead);
        self.widest = self.widest.max(ahead);
        if self.count == 1 {
            self.usual = ahead;
        }
        self.alike += u32::from((ahead - self.usual).abs() <= ROUNDED);
        self.last = time;
        self.earliest = self.earliest.min(self.at);
        self.latest = self.latest.max(self.at);
        self.count = self.count.saturating_add(1);
    }

    /// How much later another one begins than this one ends, in ticks; `None`: it goes on, or that can't be told.
    fn jump(&self, next: &Self) -> Option<i64> {
        if self.tail.is_some() {
            return self.ahead(next).filter(|ahead| ahead.abs() > NEAR);
        }
        let near = NEAR.max(self.widest.max(next.widest).saturating_mul(2));
        self.ahead(next).filter(|ahead| ahead.abs() > near)
    }

    /// How much later another one begins than this one ends, in ticks; `None`: that can't be told.
    fn ahead(&self, next: &Self) -> Option<i64> {
        if let Some(tail) = self.tail {
            return Some(nearest(
                next.first.saturating_add(next.earliest).saturating_sub(self.last.saturating_add(tail)),
            ));
        }
        let steps = i64::from(self.count.checked_sub(1).filter(|steps| *steps > 0)?);
        let step = self.latest.checked_sub(self.earliest)? / steps;
        // What comes now and then may be anywhere.
        if next.count < 2 || step > CLOCK as i64 {
            return None;
        }
        let end = self.first.saturating_add(self.latest).saturating_add(step);
        Some(nearest(next.first.saturating_add(next.earliest).saturating_sub(end)))
    }

    /// From the first timestamp to the last, and the part of the last, which is taken to be as long as the others.
    fn duration(&self) -> Option<Duration> {
        if let Some(tail) = self.tail {
            let ticks = self.latest.checked_sub(self.earliest)?.checked_add(tail)?;
            return Some(Duration::from_millis(ticks.unsigned_abs().saturating_mul(1000) / CLOCK));
        }
        let between = self.latest.checked_sub(self.earliest).filter(|ticks| *ticks > 0)?.unsigned_abs();
        let steps = u64::from(self.count.checked_sub(1).filter(|steps| *steps > 0)?);
        Some(Duration::from_millis(between.saturating_add(between / steps).saturating_mul(1000) / CLOCK))
    }
}

/// Tells whether sound that begins so many seconds later than the sound before it ends merely overlaps it.
fn is_overlap(seconds: f64) -> bool {
    (-OVERLAP..0.0).contains(&seconds)
}

/// The shorter way round.
pub(crate) fn nearest(ticks: i64) -> i64 {
    let ahead = ticks.rem_euclid(WRAP);
    if ahead >= WRAP / 2 { ahead - WRAP } else { ahead }
}

/// The DTS of a packet, or the PTS where they are the same.
pub(crate) fn decoding_time(payload: &[u8]) -> Option<i64> {
    read_time(payload).ok().flatten()
}

/// Returns whether the header of a packet claims timestamps without the bits that mark them (section 2.4.3.6).
pub(crate) fn has_bad_times(payload: &[u8]) -> bool {
    read_time(payload).is_err()
}

/// The DTS of a packet, or the PTS where they are the same. `Err`: its bits are not those of one.
fn read_time(payload: &[u8]) -> Result<Option<i64>, ()> {
    let (Some(id), Some(marks), Some(flags)) = (payload.get(3), payload.get(6), payload.get(7)) else {
        return Ok(None);
    };
    // These have no header that could tell.
    if matches!(id, 0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xf2 | 0xf8 | 0xff) {
        return Ok(None);
    }
    let (at, prefix) = match flags >> 6 {
        2 => (9, 2),
        3 => (14, 1),
        1 => return Err(()),
        _ => return Ok(None),
    };
    let Some(&[a, b, c, d, e]) = payload.get(at..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
    if marks >> 6 != 2 || a >> 4 != prefix || a & c & e & 1 != 1 {
        return Err(());
    }
    let time = i64::from(a >> 1 & 7) << 30
        | i64::from(b) << 22
        | i64::from(c >> 1) << 15
        | i64::from(d) << 7
        | i64::from(e >> 1);
    Ok(Some(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(prefix: u8, time: u64) -> [u8; 5] {
        let part = |shift: u32, bits: u32| ((time >> shift) & ((1 << bits) - 1)) as u8;
        [
            prefix << 4 | part(30, 3) << 1 | 1,
            part(22, 8),
            part(15, 7) << 1 | 1,
            part(7, 8),
            part(0, 7) << 1 | 1,
        ]
    }

    fn pes(time: u64) -> Vec<u8> {
        [&[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5][..], &stamp(2, time)].concat()
    }

    fn check(times: &[u64], millis: Option<u64>) {
        let mut timestamps = Timestamps::default();
        times.iter().for_each(|time| _ = timestamps.begin(0x100, &pes(*time), None));
        assert_eq!(timestamps.duration(), millis.map(Duration::from_millis), "{times:?}");
    }

    #[test]
    fn durations() {
        check(&[], None);
        check(&[5], None);
        check(&[5, 5, 5], None);
        check(&[0, 90_000], Some(2000));
        check(&[0, 3600, 7200, 10_800], Some(160));
        check(&[10_800, 0, 7200, 3600], Some(160));
        check(&[(1 << 33) - 90_000, 0, 90_000], Some(3000));
    }

    #[test]
    fn what_is_left_out_between_pictures() {
        let check = |what: &str, steps: &[u64], expect: Option<f64>| {
            let mut timestamps = Timestamps::default();
            let mut time = 9_000;
            timestamps.begin(0x100, &pes(time), None);
            for step in steps {
                time += step;
                timestamps.begin(0x100, &pes(time), None);
            }
            assert_eq!(timestamps.jump_inside(), expect, "{what}");
        };
        let one = |at: usize, step: u64| {
            let mut steps = vec![3600; 24];
            steps[at] = step;
            steps
        };
        check("even", &[3600; 24], None);
        check("one is missing", &one(7, 7200), Some(0.04));
        check("three are missing", &one(20, 14_400), Some(0.12));
        check("rounded to milliseconds", &[3690, 3600, 3600].repeat(8), None);
        check("of no even distance", &[3000, 6000].repeat(12), None);
        check("too few", &[3600, 3600, 7200], None);
    }

    #[test]
    fn the_longest_stream_counts() {
        let mut timestamps = Timestamps::default();
        for (pid, time) in [(1, 0), (1, 90_000), (2, 7), (2, 7 + 180_000)] {
            timestamps.begin(pid, &pes(time), None);
        }
        assert_eq!(timestamps.duration(), Some(Duration::from_secs(4)));
    }

    #[test]
    fn decoding_times() {
        let both = [&[0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10][..], &stamp(3, 9000), &stamp(1, 1800)].concat();
        assert_eq!(decoding_time(&both), Some(1800));
        assert_eq!(decoding_time(&pes(0x1_2345_6789)), Some(0x1_2345_6789));
        assert_eq!(decoding_time(&both[..18]), None);
        let mut unmarked = pes(5);
        unmarked[9] &= 0xfe;
        assert_eq!(decoding_time(&unmarked), None);
        assert!(has_bad_times(&unmarked) && !has_bad_times(&pes(5)) && !has_bad_times(&both[..18]));
        assert_eq!(decoding_time(&[0, 0, 1, 0xbe, 0, 0, 0x80, 0x80, 5]), None);
        assert_eq!(decoding_time(&[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0]), None);
    }
}

//! Clocks: one unit for all of them, 33 bits that wrap, and sounds that follow one another.

/// Ticks in a second that the usual time scales of video and audio all divide.
pub(crate) const FLICKS: i64 = 705_600_000;
/// Ticks in a second of timestamps in transport streams.
pub(crate) const MPEG: u32 = 90_000;
const WRAP: i64 = 1 << 33;
/// Timestamps of audio are this exact at least, in parts of a second. Many multiplexers round them to milliseconds.
const TOLERANCE: i64 = 500;

/// Makes flicks of ticks, rounded.
pub(crate) fn flicks(ticks: i64, timescale: u32) -> i64 {
    scaled(ticks, FLICKS, i64::from(timescale))
}

/// Makes ticks of flicks, rounded.
pub(crate) fn ticks(flicks: i64, timescale: u32) -> i64 {
    scaled(flicks, i64::from(timescale), FLICKS)
}

/// `value * to / from`, rounded to the nearest, bounded by what 62 bits hold.
pub(crate) fn scaled(value: i64, to: i64, from: i64) -> i64 {
    let from = i128::from(from.max(1));
    let product = i128::from(value) * i128::from(to);
    let rounded = (product + from / 2).div_euclid(from);
    let bound = i128::from(i64::MAX / 2);
    i64::try_from(rounded.clamp(-bound, bound)).unwrap_or(0)
}

/// Goes on with `value` (33 bits) from `last`, by the shorter way.
pub(crate) fn unwrapped(value: i64, last: i64) -> i64 {
    let ahead = (value - last).rem_euclid(WRAP);
    last + if ahead >= WRAP / 2 { ahead - WRAP } else { ahead }
}

/// The multiple of 2^33 ticks, in flicks, that brings `value` nearest to `other` (both in flicks).
pub(crate) fn whole_wraps(value: i64, other: i64) -> i64 {
    let wrap = flicks(WRAP, MPEG);
    let off = other.saturating_sub(value);
    off.saturating_add(wrap / 2).div_euclid(wrap).saturating_mul(wrap)
}

/// The clock of a transport stream: all timestamps of an input, in the order of its bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct MpegClock {
    last: Option<i64>,
}

impl MpegClock {
    /// Takes a DTS and a PTS, and returns them without wraps.
    pub(crate) fn take(&mut self, dts: i64, pts: i64) -> (i64, i64) {
        let dts = unwrapped(dts, self.last.unwrap_or(dts));
        self.last = Some(dts);
        (dts, unwrapped(pts, dts))
    }

    pub(crate) fn reset(&mut self) {
        self.last = None;
    }
}

/// The clock of audio frames, in samples.
///
/// A timestamp says when a frame sounds only as exactly as it is written, 90 kHz or worse; how many samples went
/// before is exact. So timestamps that agree with the count set nothing, and those that do not set it anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct SampleClock {
    next: Option<i64>,
}

impl SampleClock {
    /// Takes a timestamp of the frame that is next.
    pub(crate) fn stamp(&mut self, time: i64, rate: u32) {
        let exact = scaled(time, i64::from(rate), i64::from(MPEG));
        let agrees = self.next.is_some_and(|next| (exact - next).abs() <= i64::from(rate) / TOLERANCE);
        if !agrees {
            self.next = Some(exact);
        }
    }

    /// Takes a frame, and returns when it begins.
    pub(crate) fn frame(&mut self, samples: u32) -> Option<i64> {
        let begin = self.next?;
        self.next = Some(begin.saturating_add(i64::from(samples)));
        Some(begin)
    }

    /// Goes on at another rate.
    pub(crate) fn change_rate(&mut self, from: u32, to: u32) {
        self.next = self.next.map(|next| scaled(next, i64::from(to), i64::from(from)));
    }

    pub(crate) fn reset(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps() {
        let mut clock = MpegClock::default();
        assert_eq!(clock.take(WRAP - 3000, 100), (WRAP - 3000, WRAP + 100));
        assert_eq!(clock.take(600, 4200), (WRAP + 600, WRAP + 4200));
        assert_eq!(clock.take(WRAP - 10, 0), (WRAP - 10, WRAP));
        let wrap = flicks(WRAP, MPEG);
        assert_eq!(whole_wraps(5, wrap + 100), wrap);
        assert_eq!(whole_wraps(3 * wrap - 9, 40), -3 * wrap);
        assert_eq!(whole_wraps(5, 100), 0);
    }

    #[test]
    fn rounding() {
        for timescale in [1000, 12_800, 15_360, 24_000, 30_000, 44_100, 48_000, 60_000, 90_000, 10_000_000] {
            for value in [0, 1, 7, 1001, 123_456_789, -1, -5000] {
                assert_eq!(ticks(flicks(value, timescale), timescale), value, "{timescale}");
            }
        }
        assert_eq!(scaled(i64::MAX, i64::MAX, 1), i64::MAX / 2);
    }

    #[test]
    fn sounds() {
        let mut clock = SampleClock::default();
        assert_eq!(clock.frame(1024), None);
        let mut begins = Vec::new();
        // 1024 samples of 44.1 kHz are 2089.8 ticks; then 100 ms are missing.
        for time in [0, 2090, 4180, 6269, 17_359, 19_449] {
            clock.stamp(time, 44_100);
            begins.extend(clock.frame(1024));
        }
        assert_eq!(begins, [0, 1024, 2048, 3072, 8506, 9530]);
        clock.change_rate(44_100, 48_000);
        assert_eq!(clock.frame(1024), Some(11_487));
    }
}

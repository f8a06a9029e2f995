//! How long an attempt may be silent, or take, before another connection is worth a try.

use std::time::Duration;

/// Silence shorter than this is never held against a transfer.
pub(crate) const SHORTEST: Duration = Duration::from_secs(2);
/// Values that the percentiles look back on.
const LAST: usize = 128;
/// Fewer values say nothing.
const ENOUGH: usize = 8;

/// What units have needed so far.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// The longest silence of each attempt that went well, in seconds.
    silences: Recent,
    /// Seconds per byte of each.
    per_byte: Recent,
    /// Bytes of each.
    bytes: Recent,
}

/// The last values of something.
#[derive(Debug, Default)]
struct Recent {
    values: Vec<f64>,
    next: usize,
}

impl Recent {
    fn push(&mut self, value: f64) {
        match self.values.get_mut(self.next) {
            Some(old) => *old = value,
            None => self.values.push(value),
        }
        self.next = (self.next + 1) % LAST;
    }

    /// The value that all but `above` of 100 stay under.
    fn percentile(&self, above: usize) -> Option<f64> {
        if self.values.len() < ENOUGH {
            return None;
        }
        let mut values = self.values.clone();
        let at = (values.len() - 1) * (100 - above) / 100;
        Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
    }
}

impl Patience {
    /// A unit came whole.
    pub(crate) fn took(&mut self, bytes: u64, time: Duration, longest_silence: Duration) {
        self.silences.push(longest_silence.as_secs_f64());
        if bytes > 0 {
            self.per_byte.push(time.as_secs_f64() / bytes as f64);
            self.bytes.push(bytes as f64);
        }
    }

    /// A silence after which a transfer is worth replacing: two seconds, or four times what one in twenty units knew, and
    /// longer with each time that the unit has been replaced: a server may need long for it.
    pub(crate) fn for_silence(&self, replaced: u32) -> Duration {
        let usual = self.silences.percentile(5).unwrap_or(0.0) * 4.0;
        let usual = Duration::try_from_secs_f64(usual).unwrap_or(SHORTEST);
        SHORTEST.max(usual).saturating_mul(1 << replaced.min(8))
    }

    /// Tells whether a unit is late: it has taken more than two seconds, and longer than 19 of 20 took for as many bytes.
    pub(crate) fn is_late(&self, bytes: u64, takes: Duration) -> bool {
        takes > SHORTEST
            && self.per_byte.percentile(5).is_some_and(|usual| takes.as_secs_f64() > usual * bytes as f64)
    }

    /// A usual unit, in bytes.
    pub(crate) fn usual_bytes(&self) -> Option<u64> {
        self.bytes.percentile(50).map(|bytes| bytes as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_waited_for() {
        let (ms, mut patience) = (Duration::from_millis, Patience::default());
        assert_eq!((patience.for_silence(0), patience.for_silence(2)), (ms(2000), ms(8000)));
        assert!(!patience.is_late(1000, ms(60_000)), "nothing is usual yet");
        for n in 0..300 {
            patience.took(1_000_000, ms(3000), ms(if n % 30 == 0 { 9000 } else { 800 }));
        }
        // One in thirty is an accident, the rest is how it is here.
        assert_eq!(patience.for_silence(0), ms(3200));
        let late = [(2_000_000, 5990), (2_000_000, 6010), (2_000, 2000), (2_000, 2001)];
        assert_eq!(late.map(|(bytes, took)| patience.is_late(bytes, ms(took))), [false, true, false, true]);
        assert_eq!(patience.usual_bytes(), Some(1_000_000));
    }
}

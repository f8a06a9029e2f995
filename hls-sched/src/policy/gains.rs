//! Which of the attempts for a unit that failed were not for nothing.

/// An attempt that brought a unit on by so many bytes, or by this part of it, is not one that failed as those before.
const SUBSTANTIAL: u64 = 256 << 10;
const PARTS: u64 = 8;

/// How far the attempts for one unit have come.
///
/// A network that loses connections brings a unit on by about as much each time, sooner or later to its end. A file that is
/// cut brings less each time, or nothing: those attempts count as failures, however much came in the first of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gains {
    furthest: u64,
    /// What the last attempt brought that brought anything.
    last: u64,
}

impl Gains {
    /// An attempt has ended with so many bytes of the unit at hand, of `size` where that is known. Returns how many of them
    /// it brought, where that is so much that no failure is to be counted.
    pub(crate) fn reached(&mut self, bytes: u64, size: Option<u64>) -> Option<u64> {
        // Bytes that are fetched again after starting over are no gain.
        let gain = bytes.saturating_sub(self.furthest);
        self.furthest = self.furthest.max(bytes);
        let least = size.map_or(SUBSTANTIAL, |size| SUBSTANTIAL.min(size / PARTS)).max(1);
        let is_substantial = gain >= least && gain >= self.last / 4 * 3;
        if gain > 0 {
            self.last = gain;
        }
        is_substantial.then_some(gain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many attempts a unit gets, of which six may fail, where each brings what `gain` makes of what is left.
    fn attempts(size: u64, gain: impl Fn(u64, u64) -> u64) -> (u64, bool) {
        let (mut gains, mut at, mut failed, mut attempts) = (Gains::default(), 0, 0, 0);
        while failed < 6 && at < size && attempts < 1000 {
            attempts += 1;
            at += gain(attempts, size - at).min(size - at);
            failed = if gains.reached(at, Some(size)).is_some() { 1 } else { failed + 1 };
        }
        (attempts, at == size)
    }

    #[test]
    fn a_file_that_is_cut_for_ever_is_given_up_and_a_poor_network_is_not() {
        const MIB: u64 = 1 << 20;
        for size in [100_000, 1_500_000, 10 * MIB, 500 * MIB] {
            let cut_at = |share: f64| (size as f64 * share) as u64;
            // At the same byte each time, and at the same part of what is asked for.
            for share in [0.0, 0.01, 0.3, 0.7, 0.99] {
                let first = |n, _| if n == 1 { cut_at(share) } else { 0 };
                assert!(attempts(size, first).0 <= 7, "{size} at {share}");
            }
            for share in [0.3, 0.5, 0.7, 0.9] {
                let (asked, whole) = attempts(size, |_, left| (left as f64 * share) as u64);
                assert!(asked <= 7 || whole, "{size}, {share} of the rest: {asked}");
            }
            assert!(attempts(size, |_, _| 10_000.min(size / 20)).0 <= 7, "{size}, a trickle");
        }
        // So much each time, more or less.
        for each in [300_000, 1_000_000] {
            assert!(attempts(20 * MIB, |_, _| each).1, "{each}");
            let uneven = |n: u64, _| each * [100, 80, 130, 20, 110][(n % 5) as usize] / 100;
            assert!(attempts(20 * MIB, uneven).1, "about {each}");
        }
        assert!(attempts(800_000, |_, _| 100_000).1);
    }
}

//! Delays with full jitter: uniform between nothing and an exponentially growing bound.

use std::time::Duration;

/// Draws a delay between zero and `bound`, evenly.
///
/// The `backoff` crate is used as a generator of one delay at a time and for nothing else: its own limits (attempts,
/// elapsed time, Retry-After) do not hold what they promise, so the policy counts for itself.
#[cfg(feature = "backoff")]
#[must_use]
pub fn draw(bound: Duration) -> Duration {
    use backoff::{ExponentialBackoff, backoff::Backoff as _};
    let mut generator = ExponentialBackoff {
        // A factor of one spreads evenly over [0, 2 x interval].
        current_interval: bound / 2,
        initial_interval: bound / 2,
        randomization_factor: 1.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    generator.next_backoff().unwrap_or(bound).min(bound)
}

/// Draws a delay between zero and `bound`, evenly.
#[cfg(not(feature = "backoff"))]
#[must_use]
pub fn draw(bound: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    // Each RandomState is seeded anew, which is all the randomness that a delay needs.
    let random = RandomState::new().hash_one(0_u8);
    bound.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_over_the_whole_window() {
        let bound = Duration::from_secs(8);
        let draws: Vec<Duration> = (0..400).map(|_| draw(bound)).collect();
        assert!(draws.iter().all(|d| *d <= bound));
        let quarter =
            |n: u32| draws.iter().filter(|d| **d >= bound / 4 * n && **d < bound / 4 * (n + 1)).count();
        assert!((0..4).all(|n| quarter(n) > 40), "{:?}", (0..4).map(quarter).collect::<Vec<_>>());
    }
}

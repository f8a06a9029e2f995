//! The time that a server is given, without the time in which this process was stopped.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// A timer that is so much too late was not waited for: the process was stopped, or the machine slept.
const LATE: Duration = Duration::from_secs(1);

/// Whether a deadline passed while nobody was there to wait for it.
pub(super) fn is_missed(deadline: Instant, now: Instant) -> bool {
    now.saturating_duration_since(deadline) >= LATE
}

/// Waits for `future`, `after` at most; a wait that was interrupted begins anew.
pub(super) async fn within<F: Future>(after: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    loop {
        let deadline = Instant::now() + after;
        match timeout_at(deadline, future.as_mut()).await {
            Ok(output) => return Some(output),
            Err(_) if is_missed(deadline, Instant::now()) => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_time_that_was_waited_counts() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        assert_eq!(within(seconds(15), tokio::time::sleep(seconds(14))).await, Some(()));
        assert_eq!(within(seconds(15), std::future::pending::<()>()).await, None);
        assert_eq!(start.elapsed().as_secs(), 29);
        let stopped = tokio::spawn(within(seconds(15), std::future::pending::<()>()));
        tokio::task::yield_now().await;
        // The clock goes on, and nobody looks at it.
        tokio::time::advance(seconds(60)).await;
        assert!(!stopped.is_finished());
        assert_eq!(stopped.await.ok(), Some(None));
        assert_eq!(start.elapsed().as_secs(), 29 + 60 + 15);
    }
}

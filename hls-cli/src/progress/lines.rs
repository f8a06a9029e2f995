//! Progress in a log: a line at least every 30 s, and every 10 %.

use std::time::{Duration, Instant};

use hls_sched::{Joining, LiveProgress, Network, Progress};

use crate::human;

/// Less than the half minute that is promised, by more than progress is apart.
const EVERY: Duration = Duration::from_secs(29);

/// Remembers when it last spoke.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    last: Duration,
    tenths: u64,
    begun: bool,
    joined: Option<Instant>,
}

impl Lines {
    /// The line that is due now, if one is.
    pub(crate) fn update(&mut self, progress: &Progress) -> Option<String> {
        // Of a live stream nobody knows how much it will be.
        let tenths = match progress.live {
            Some(_) => 0,
            None => progress.segments_done * 10 / progress.segments.max(1),
        };
        let begun = std::mem::replace(&mut self.begun, true);
        if !begun {
            // What an earlier run left is no news.
            self.tenths = tenths;
        }
        let due = progress.elapsed.saturating_sub(self.last) >= EVERY || tenths > self.tenths;
        if !due {
            return None;
        }
        (self.last, self.tenths) = (progress.elapsed, tenths);
        Some(status(progress))
    }
}

impl Lines {
    /// The line that is due now while outputs are made, if one is.
    pub(crate) fn join(&mut self, joining: &Joining) -> Option<String> {
        let begun = *self.joined.get_or_insert_with(Instant::now);
        if begun.elapsed() < EVERY {
            return None;
        }
        self.joined = Some(Instant::now());
        Some(format!("joining {} %", joining.done_bytes * 100 / joining.bytes.max(1)))
    }
}

/// How far it is, in one line.
pub(crate) fn status(progress: &Progress) -> String {
    if let Some(live) = &progress.live {
        let mut line = format!(
            "recorded {}, {}, {}/s, {}",
            human::duration(live.recorded),
            human::bytes(progress.bytes),
            human::bytes(progress.bytes_per_second),
            edge(live),
        );
        line.push_str(&format!(", {}", human::count(live.gaps, "gap")));
        line.extend(network(progress).map(|network| format!(", {network}")));
        return line;
    }
    let percent = progress.segments_done * 100 / progress.segments.max(1);
    let mut line = format!(
        "{percent} %, {}/{} segments, {}, {}/s, {} at once, {} retried",
        progress.segments_done,
        progress.segments,
        human::bytes(progress.bytes),
        human::bytes(progress.bytes_per_second),
        progress.concurrency,
        progress.retries,
    );
    if let Some(network) = network(progress) {
        line.push_str(&format!(", {network}"));
    }
    if let Some(eta) = progress.eta {
        line.push_str(&format!(", {} left", human::duration(eta)));
    }
    line
}

/// How far a recording is behind the stream.
pub(super) fn edge(live: &LiveProgress) -> String {
    match live.is_stale {
        true => "no news of the stream".to_owned(),
        false => format!("{} behind", human::duration(live.behind)),
    }
}

/// What there is to say of the network.
pub(super) fn network(progress: &Progress) -> Option<&'static str> {
    match progress.network {
        Network::Poor => Some("poor network"),
        Network::Gone => Some("waiting for the network"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_every_half_minute_or_tenth() {
        let mut lines = Lines::default();
        for (seconds, done, due) in [
            (0, 0, false),
            (1, 9, false),
            (2, 10, true),
            (3, 11, false),
            (30, 11, false),
            (31, 11, true),
            (59, 19, false),
            (60, 20, true),
        ] {
            let mut progress = Progress::default();
            progress.elapsed = Duration::from_secs(seconds);
            (progress.segments, progress.segments_done) = (100, done);
            assert_eq!(lines.update(&progress).is_some(), due, "{seconds} s, {done}");
        }
    }
}

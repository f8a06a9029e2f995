//! Numbers for people.

use std::time::Duration;

/// A number of bytes: `3.2 GiB`.
pub(crate) fn bytes(n: u64) -> String {
    hls_sched::Size(n).to_string()
}

/// A duration: `41 s`, `3:07`, `1:02:03`.
pub(crate) fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", d.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// `1 segment`, `2 segments`.
pub(crate) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (s, expect) in [(0.25, "0.2 s"), (41.0, "41 s"), (187.0, "3:07"), (3723.0, "1:02:03")] {
            assert_eq!(duration(Duration::from_secs_f64(s)), expect);
        }
    }
}

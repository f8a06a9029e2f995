//! Numbers for people.

use std::time::Duration;

/// A number of bytes: `3.2 GiB`.
pub(crate) fn bytes(n: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    match unit {
        0 => format!("{n} B"),
        _ if value < 10.0 => format!("{value:.1} {name}"),
        _ => format!("{value:.0} {name}"),
    }
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
    fn numbers() {
        for (n, expect) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (3_435_973_837, "3.2 GiB"),
            (44 << 30, "44 GiB"),
        ] {
            assert_eq!(bytes(n), expect);
        }
        for (s, expect) in [(0.25, "0.2 s"), (41.0, "41 s"), (187.0, "3:07"), (3723.0, "1:02:03")] {
            assert_eq!(duration(Duration::from_secs_f64(s)), expect);
        }
    }
}

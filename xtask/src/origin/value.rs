//! Durations and numbers of a command line.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};

/// `500ms`, `2s`, `1.5s`, `10m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration> {
    let wrong = || format!("{text} is no duration; 500ms, 2s, 10m and 1h are");
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let of_unit =
        |(unit, seconds): (&str, f64)| Some((text.strip_suffix(unit)?.parse::<f64>().ok()?, seconds));
    let (count, seconds) = units.into_iter().find_map(of_unit).with_context(wrong)?;
    Duration::try_from_secs_f64(count * seconds).with_context(wrong)
}

pub(super) fn number<T: FromStr>(text: &str) -> Result<T> {
    text.parse().ok().with_context(|| format!("{text} is not the number it has to be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, ms: Option<u64>| {
            assert_eq!(duration(text).ok(), ms.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("1.5s", Some(1500));
        check("2m", Some(120_000));
        check("1h", Some(3_600_000));
        check("2", None);
        check("-1s", None);
        check("s", None);
        check("infs", None);
    }
}

//! Rates, sizes and durations, as people write them.

use std::time::{Duration, SystemTime};

use hls_sched::{DateTime, From, Split};

/// A number of bytes: `500K`, `2M`, `1.5G` with powers of 1024, as in curl.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("'{text}' is not a size such as 500K, 2M or 1G");
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match trimmed.get(digits.len()..).unwrap_or_default() {
        "" | "B" | "b" => 1.0,
        "k" | "K" => 1024.0,
        "m" | "M" => 1024.0 * 1024.0,
        "g" | "G" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(bad()),
    };
    let value = digits.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(bad)?;
    Ok((value * factor) as u64)
}

/// A rate above zero, in bytes per second.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("a rate is above zero".to_owned()),
        rate => Ok(rate),
    }
}

/// A duration: `90s`, `10m`, `1h30m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text)
        .map_err(|_| format!("'{text}' is not a duration such as 90s, 10m or 1h30m"))
}

/// How long nothing may come; without a value for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(pub(crate) Option<Duration>);

/// A duration above zero, or `never`.
pub(crate) fn patience(text: &str) -> Result<Patience, String> {
    match text {
        "never" => Ok(Patience(None)),
        _ => match duration(text)? {
            Duration::ZERO => Err("nothing comes in no time".to_owned()),
            time => Ok(Patience(Some(time))),
        },
    }
}

/// Where a recording begins, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start(pub(crate) From, String);

/// `start`, `live`, `-10m`, or a time.
pub(crate) fn from(text: &str) -> Result<Start, String> {
    let from = match text {
        "start" => From::Start,
        "live" => From::Live,
        _ => match text.strip_prefix('-') {
            Some(back) => From::Back(duration(back)?),
            None => From::At(time(text)?.0),
        },
    };
    Ok(Start(from, text.to_owned()))
}

/// A time, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) DateTime, String);

/// RFC 3339, or `HH:MM` for the next such minute in UTC.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    let bad = || format!("'{text}' is not a time such as 2026-05-01T20:15:00Z or 20:15");
    let now = SystemTime::now();
    if let Some((hour, minute)) = text.split_once(':').filter(|_| text.len() <= 5) {
        let number = |text: &str, below: u64| text.parse::<u64>().ok().filter(|n| *n < below).ok_or_else(bad);
        let wanted = number(hour, 24)? * 3600 + number(minute, 60)? * 60;
        let today = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| bad())?.as_secs();
        let midnight = today - today % DAY;
        let at = if midnight + wanted > today { midnight + wanted } else { midnight + DAY + wanted };
        let at = i64::try_from(at).map_err(|_| bad())?;
        return Ok(Time(DateTime::from_unix_micros(at.saturating_mul(1_000_000)), text.to_owned()));
    }
    DateTime::parse(text).map(|at| Time(at, text.to_owned())).ok_or_else(bad)
}

const DAY: u64 = 86_400;

/// When a recording goes on in another file, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part(pub(crate) Split, String);

/// A duration such as `1h`, or a size such as `2G`. What can be either is a duration: `90m` are minutes.
pub(crate) fn split(text: &str) -> Result<Part, String> {
    let bad = || format!("'{text}' is neither a duration such as 1h nor a size such as 2G");
    let by_size = || size(text).ok().filter(|_| text.ends_with(['K', 'M', 'G']));
    let split = match by_size() {
        Some(bytes) => Split::Size(bytes),
        None => Split::Duration(duration(text).map_err(|_| bad())?),
    };
    match split {
        Split::Size(0) | Split::Duration(Duration::ZERO) => Err(bad()),
        split => Ok(Part(split, text.to_owned())),
    }
}

macro_rules! shown_as_written {
    ($($kind:ty),*) => {$(
        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.1)
            }
        }
    )*};
}

shown_as_written!(Start, Time, Part);

impl std::fmt::Display for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("never"),
            Some(time) => humantime::format_duration(time).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        for (text, expect) in
            [("0", 0), ("500", 500), ("2K", 2048), ("2M", 2_097_152), ("1.5m", 1_572_864), ("1G", 1 << 30)]
        {
            assert_eq!(size(text), Ok(expect), "{text}");
        }
        for bad in ["", "M", "-1", "2T", "1e400", "nan", "2 M x"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
        assert!(rate("0").is_err());
        for (text, expect) in [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(expect)), "{text}");
        }
        assert!(duration("soon").is_err());
        assert_eq!(patience("never"), Ok(Patience(None)));
        assert_eq!(patience("90s").map(|p| p.to_string()), Ok("1m 30s".to_owned()));
        assert!(patience("0").is_err());
    }
}

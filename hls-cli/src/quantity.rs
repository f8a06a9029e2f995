//! Rates, sizes and durations, as people write them.

use std::time::Duration;

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

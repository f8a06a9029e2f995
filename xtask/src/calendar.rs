//! Days and times in UTC, as changelogs and HTTP write them.

use std::time::SystemTime;
#[cfg(target_os = "linux")]
use std::time::UNIX_EPOCH;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns the day as `YYYY-MM-DD`.
pub(crate) fn day(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().chars().take(10).collect()
}

/// Writes a time as HTTP does, with the day of the week.
#[cfg(target_os = "linux")]
pub(crate) fn to_http_date(time: SystemTime) -> String {
    let days = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let of_week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let month: usize = text[5..7].parse().unwrap_or(1);
    format!("{of_week}, {} {} {} {} GMT", &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}

/// Reads a date as HTTP writes it, `Wed, 02 Dec 2026 10:00:00 GMT` (RFC 9110, section 5.6.7), at the start of a text.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT", ..] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn days_and_dates() {
        let check = |date: &str, seconds: u64, expect: &str| {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(http_date(date), Some(time), "{date}");
            assert_eq!(day(time), expect);
            #[cfg(target_os = "linux")]
            assert_eq!(to_http_date(time), date);
        };
        check("Thu, 01 Jan 1970 00:00:00 GMT", 0, "1970-01-01");
        check("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799, "2000-02-29");
        check("Wed, 02 Dec 2026 10:00:00 GMT", 1_796_205_600, "2026-12-02");
        check("Fri, 31 Dec 2100 00:00:00 GMT", 4_133_894_400, "2100-12-31");
        for bad in [
            "",
            "tomorrow",
            "Wed, 02 Dec 2026 10:00:00",
            "Wed, 02 Foo 2026 10:00:00 GMT",
            "Wed, 99 Dec 2026 1:0:0 GMT",
        ] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }
}

//! Days of the calendar, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns the day as `YYYY-MM-DD`.
pub(crate) fn day(time: SystemTime) -> String {
    let days = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    // The calendar that begins with March has its leap day at the end of the year (Howard Hinnant's algorithm).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes a time as HTTP does, with the day of the week.
#[cfg(target_os = "linux")]
pub(crate) fn to_http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let of_week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(seconds / 86_400 % 7) as usize];
    let (date, of_day) = (day(time), seconds % 86_400);
    let month: usize = date[5..7].parse().unwrap_or(1);
    let clock = format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{of_week}, {} {} {} {clock} GMT", &date[8..], MONTHS[month - 1], &date[..4])
}

/// Reads a date as HTTP writes it, `Wed, 02 Dec 2026 10:00:00 GMT` (RFC 9110, section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_whitespace().take(6).collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let clock: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hours, minutes, seconds] = clock[..] else { return None };
    let valid = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    if !valid || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let (year, from_march) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)?;
    Some(UNIX_EPOCH + Duration::from_secs(days * 86_400 + hours * 3_600 + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
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

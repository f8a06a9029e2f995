//! Points in absolute time, as playlists write them.

use std::fmt;

/// A point in absolute time, to the microsecond (rfc8216bis-22, section 4.4.4.6).
///
/// Read from ISO 8601; where a text names no zone, it is UTC. It displays in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(i64);

const MICROS: i64 = 1_000_000;
const SECONDS_IN_DAY: i64 = 86_400;

impl DateTime {
    /// Makes one from microseconds since 1970-01-01T00:00:00Z; negative is before.
    pub fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z; negative is before.
    pub fn unix_micros(self) -> i64 {
        self.0
    }

    /// Reads ISO 8601 as playlists have it: basic or extended, `T` or a blank between date and time, a point or
    /// a comma before the fraction, any form of zone or none, which is UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = Cursor(text.trim_ascii().as_bytes());
        let year = rest.number(4)?;
        let extended = rest.take(b"-").is_some();
        let month = rest.number(2)?;
        if extended {
            rest.take(b"-")?;
        }
        let day = rest.number(2)?;
        let days = days(year, month, day)?;
        let (mut seconds, mut micros) = (0, 0);
        if rest.take(b"Tt ").is_some() {
            (seconds, micros) = time(&mut rest)?;
        }
        let zone = zone(&mut rest)?;
        if !rest.0.is_empty() {
            return None;
        }
        Some(Self((days * SECONDS_IN_DAY + seconds - zone) * MICROS + micros))
    }

    /// Adds microseconds; what is beyond 64 bits is cut.
    pub(crate) fn plus(self, micros: u64) -> Self {
        Self(self.0.saturating_add_unsigned(micros))
    }
}

/// Writes RFC 3339 in UTC, with three digits of a second, or six where they are needed.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(MICROS), self.0.rem_euclid(MICROS));
        let (days, second) = (seconds.div_euclid(SECONDS_IN_DAY), seconds.rem_euclid(SECONDS_IN_DAY));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.")?;
        if micros % 1000 == 0 { write!(f, "{:03}Z", micros / 1000) } else { write!(f, "{micros:06}Z") }
    }
}

fn time(rest: &mut Cursor<'_>) -> Option<(i64, i64)> {
    let hour = rest.number(2)?;
    let extended = rest.take(b":").is_some();
    let minute = rest.number(2)?;
    let has_second = if extended { rest.take(b":").is_some() } else { rest.is_digit() };
    let second = if has_second { rest.number(2)? } else { 0 };
    let micros = if rest.take(b".,").is_some() { rest.fraction()? } else { 0 };
    // 24:00 ends a day, and :60 is a leap second.
    let valid = (hour < 24 || (hour == 24 && minute == 0 && second == 0)) && minute < 60 && second <= 60;
    valid.then_some((hour * 3600 + minute * 60 + second, micros))
}

fn zone(rest: &mut Cursor<'_>) -> Option<i64> {
    rest.skip_blanks();
    if rest.0.is_empty() || rest.take(b"Zz").is_some() {
        return Some(0);
    }
    let sign = if rest.take(b"+-")? == b'-' { -1 } else { 1 };
    let hours = rest.number(2)?;
    rest.take(b":");
    let minutes = if rest.is_digit() { rest.number(2)? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Counts the days since 1970-01-01 in the Gregorian calendar; years begin in March here, so that the day
/// that not every year has is the last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - EPOCH)
}

/// The days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = year + era * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |sum, byte| Some(sum * 10 + digit(*byte)?))
    }

    /// Reads digits behind the point as microseconds.
    fn fraction(&mut self) -> Option<i64> {
        if !self.is_digit() {
            return None;
        }
        let (mut micros, mut scale) = (0, MICROS / 10);
        while let [first, rest @ ..] = self.0 {
            let Some(digit) = digit(*first) else { break };
            micros += digit * scale;
            scale /= 10;
            self.0 = rest;
        }
        Some(micros)
    }

    fn take(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !any.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    fn is_digit(&self) -> bool {
        self.0.first().is_some_and(u8::is_ascii_digit)
    }
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_28_odd_forms_are_read_and_no_zone_is_utc() {
        fn check(text: &str, expect: Option<&str>) {
            let got = DateTime::parse(text).map(|date| date.to_string());
            assert_eq!(got.as_deref(), expect, "{text:?}");
        }
        check("2010-02-19T14:54:23.031+08:00", Some("2010-02-19T06:54:23.031Z"));
        check("2010-02-19T14:54:23.031+0800", Some("2010-02-19T06:54:23.031Z"));
        check("2010-02-19T14:54:23-08", Some("2010-02-19T22:54:23.000Z"));
        check("2010-02-19T14:54:23", Some("2010-02-19T14:54:23.000Z"));
        check("20100219T145423,5Z", Some("2010-02-19T14:54:23.500Z"));
        check("2010-02-19 14:54:23.1234567z", Some("2010-02-19T14:54:23.123456Z"));
        check("2010-02-19T14:54Z", Some("2010-02-19T14:54:00.000Z"));
        check("20100219T1454Z", Some("2010-02-19T14:54:00.000Z"));
        check("2010-02-19", Some("2010-02-19T00:00:00.000Z"));
        check("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00.000Z"));
        check("2016-12-31T24:00:00Z", Some("2017-01-01T00:00:00.000Z"));
        check("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00.000Z"));
        for bad in ["", "x", "2010-13-01T00:00:00Z", "2011-02-29T00:00:00Z", "2010-02-19T25:00:00Z"] {
            check(bad, None);
        }
        for bad in ["2010-02-19T14:54:23.Z", "2010-02-19T14:54:23Zx", "2010-0219T00:00:00Z", "2010"] {
            check(bad, None);
        }
    }

    #[test]
    fn every_day_is_one_after_the_other() {
        let first = DateTime::parse("1600-01-01T00:00:00Z").expect("a date").0 / MICROS / SECONDS_IN_DAY;
        for day in first..first + 800 * 366 {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
    }
}

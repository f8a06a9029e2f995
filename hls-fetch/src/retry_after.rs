//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date measured against the `Date` of the same answer.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// How long the server asks to wait, or `None` where it says nothing that makes sense.
///
/// A date is compared with the answer's own `Date`, so that a wrong local clock does no harm; `now` stands in only where
/// the answer has none.
#[must_use]
pub fn parse_retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // Too many digits for a number still means "long", and no time is so far off that a clock can't reckon with it.
        return Some(Duration::from_secs(value.parse::<u32>().unwrap_or(u32::MAX).into()));
    }
    let until = http_date(value)?;
    let base = headers.get(header::DATE).and_then(|d| http_date(d.to_str().ok()?)).unwrap_or(now);
    Some(until.duration_since(base).unwrap_or_default())
}

/// Reads an `HTTP-date` (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, or one of the two obsolete forms.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (value, expect) in [
            ("5", Some(5)),
            (" 120 ", Some(120)),
            ("1000000000", Some(1_000_000_000)),
            ("99999999999999999999", Some(u64::from(u32::MAX))),
            ("18446744073709551615", Some(u64::from(u32::MAX))),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:47 1994", Some(10)),
            ("Sun, 99 Foo 1994 08:49:07 GMT", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, date.parse().unwrap());
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            let got = parse_retry_after(&headers, SystemTime::UNIX_EPOCH);
            assert_eq!(got, expect.map(Duration::from_secs), "{value:?}");
        }
    }
}

//! When a link dies, where it says so itself.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::Url;

/// Names of parameters that hold the second at which a link expires (Amazon CloudFront, Google, Akamai, nginx and many
/// a player).
const NAMES: [&str; 9] =
    ["exp", "expires", "expire", "expiry", "expiration", "e", "validto", "valid_to", "expires_at"];
/// A second before this one, in 2001, or one after this, in 2096, is something else.
const PLAUSIBLE: std::ops::Range<u64> = 1_000_000_000..4_000_000_000;
/// Tokens longer than this are not looked into.
const LONGEST: usize = 8192;

/// When the URL expires, as far as it says so: a Unix time in a parameter such as `Expires` or `exp`, also inside a token of
/// the kind `st=1~exp=2~acl=/*` (Akamai), a date and a lifetime (`X-Amz-Date`, `X-Amz-Expires`), or the `exp` of a JSON Web
/// Token (RFC 7519 section 4.1.4) in a parameter or in the path. The soonest where there are several.
#[must_use]
pub fn expires_at(url: &Url) -> Option<SystemTime> {
    let mut all: Vec<u64> = Vec::new();
    let (mut date, mut lifetime) = (None, None);
    for (name, value) in url.query_pairs() {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "x-amz-date" | "x-goog-date" => date = basic_date(&value),
            "x-amz-expires" | "x-goog-expires" => lifetime = value.parse::<u64>().ok(),
            _ => all.extend(named(&name, &value)),
        }
        all.extend(inside(&value));
        all.extend(of_token(&value));
    }
    all.extend(date.zip(lifetime).and_then(|(date, lifetime)| date.checked_add(lifetime)));
    for part in url.path_segments().into_iter().flatten() {
        all.extend(inside(part));
        all.extend(of_token(part));
    }
    let soonest = all.into_iter().filter(|at| PLAUSIBLE.contains(at)).min()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(soonest))
}

fn named(name: &str, value: &str) -> Option<u64> {
    let at = value.parse::<u64>().ok().filter(|_| NAMES.contains(&name))?;
    // Some count milliseconds.
    Some(if at >= PLAUSIBLE.start * 1000 { at / 1000 } else { at })
}

/// Fields inside a value: `st=1~exp=2~acl=/*`.
fn inside(value: &str) -> impl Iterator<Item = u64> {
    // The first one may stand behind the name of the token: `hdntl=exp=2`.
    let fields = value.split(['~', '&', ';', ',', '!']).filter_map(|field| field.rsplit_once('='));
    fields.filter_map(|(name, value)| {
        let name = name.rsplit('=').next().unwrap_or_default();
        named(&name.to_ascii_lowercase(), value)
    })
}

/// The `exp` of a JSON Web Token.
fn of_token(text: &str) -> Option<u64> {
    let mut parts = text.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let is_one = text.starts_with("ey") && text.len() <= LONGEST;
    let payload = payload.trim_end_matches('=');
    let decode = || URL_SAFE_NO_PAD.decode(payload).or_else(|_| STANDARD_NO_PAD.decode(payload)).ok();
    let json = String::from_utf8(is_one.then(decode)??).ok()?;
    // One number of a flat object: no need for all of JSON.
    let (_, rest) = json.split_once("\"exp\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Seconds since the epoch of `20260102T030405Z`.
fn basic_date(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() != 14 || text.len() != 16 {
        return None;
    }
    let field = |from: usize, to: usize| digits.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (field(0, 4)?, field(4, 6)?, field(6, 8)?);
    if !(1970..2100).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of the civil calendar, the year counted from March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + field(8, 10)? * 3600 + field(10, 12)? * 60 + field(12, 14)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(url: &str) -> Option<u64> {
        let expires = expires_at(&url.parse().unwrap())?;
        expires.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    #[test]
    fn what_links_say_of_their_end() {
        let token = URL_SAFE_NO_PAD.encode(r#"{"sub":"x","exp": 1800000000}"#);
        for (url, expect) in [
            ("https://h/1.ts", None),
            ("https://h/1.ts?Expires=1800000000&Signature=x", Some(1_800_000_000)),
            ("https://h/1.ts?exp=1800000000123", Some(1_800_000_000)),
            ("https://h/1.ts?hdnea=st=1~exp=1800000000~acl=/*~hmac=x", Some(1_800_000_000)),
            ("https://h/hdntl=exp=1800000000~acl=%2f*/1.ts", Some(1_800_000_000)),
            ("https://h/1.ts?X-Amz-Date=20260102T030405Z&X-Amz-Expires=60", Some(1_767_323_105)),
            ("https://h/1.ts?expires=60&e=7&exp=soon", None),
            ("https://h/1.ts?exp=1900000000&t=~exp=1800000000~", Some(1_800_000_000)),
            (&format!("https://h/1.ts?token=eyJhbGciOiJub25lIn0.{token}.x"), Some(1_800_000_000)),
            (&format!("https://h/eyJhbGciOiJub25lIn0.{token}.x/1.ts"), Some(1_800_000_000)),
            ("https://h/1.ts?token=eyJ.%00%ff.x&u=ey..", None),
        ] {
            assert_eq!(at(url), expect, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_url_is_too_odd(query in ".{0,80}") {
            let mut url: Url = "https://h/p".parse().unwrap();
            url.set_query(Some(&query));
            let _ = expires_at(&url);
        }
    }
}

//! Cookies: those that servers set, by RFC 6265, and those that the user gave, which go to the origin they were given for.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use url::{Host, Url};

use crate::Origin;

/// What a jar holds at most of what servers set (RFC 6265 section 6.1).
const MOST: usize = 3000;
const MOST_OF_A_DOMAIN: usize = 50;
const LONGEST: usize = 4096;

/// A bounded jar.
#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<Cookie>,
    /// Counts the cookies that have come.
    clock: u64,
}

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// It goes to this host and to none under it.
    host_only: bool,
    path: String,
    secure: bool,
    expires: Option<SystemTime>,
    /// The user gave it: it goes no further than to its origin.
    is_given: bool,
    came: u64,
}

impl Jar {
    /// Takes a cookie that the user gave for a host. `false`: there is no such host.
    pub(super) fn give(&mut self, host: &str, cookie: &str) -> bool {
        // Secure cookies are only taken from a secure URL.
        let Ok(url) = format!("https://{host}/").parse::<Url>() else { return false };
        if let Some(cookie) = Cookie::parse(cookie, &url, SystemTime::now()) {
            self.put(Cookie { is_given: true, ..cookie }, SystemTime::now());
        }
        true
    }

    /// Takes what an answer from `url` sets.
    pub(super) fn set<'a>(&mut self, values: impl Iterator<Item = &'a HeaderValue>, url: &Url) {
        let now = SystemTime::now();
        for value in values.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()) {
            if let Some(cookie) = Cookie::parse(value, url, now) {
                self.put(cookie, now);
            }
        }
    }

    fn put(&mut self, mut cookie: Cookie, now: SystemTime) {
        self.clock += 1;
        cookie.came = self.clock;
        let is_same = |old: &Cookie| {
            (&old.name, &old.domain, &old.path) == (&cookie.name, &cookie.domain, &cookie.path)
        };
        // One that is replaced keeps its place (RFC 6265 section 5.3).
        if let Some(old) = self.cookies.iter().position(is_same) {
            cookie.came = self.cookies.swap_remove(old).came;
        }
        if cookie.is_over(now) {
            return;
        }
        let domain = cookie.domain.clone();
        self.cookies.push(cookie);
        self.make_room(now, MOST_OF_A_DOMAIN, |cookie| cookie.domain == domain);
        self.make_room(now, MOST, |_| true);
    }

    /// Drops one where there are more than `most` that servers have set: what is over goes first, then the oldest.
    fn make_room(&mut self, now: SystemTime, most: usize, of: impl Fn(&Cookie) -> bool) {
        let set = self.cookies.iter().enumerate().filter(|(_, cookie)| !cookie.is_given && of(cookie));
        if set.clone().count() <= most {
            return;
        }
        if let Some((n, _)) = set.min_by_key(|(_, cookie)| (!cookie.is_over(now), cookie.came)) {
            self.cookies.swap_remove(n);
        }
    }

    /// The cookies for a request to `url`, of a job whose input is at `input`.
    pub(super) fn cookies(&self, url: &Url, input: Option<&Origin>) -> Option<HeaderValue> {
        let now = SystemTime::now();
        let mut sent: Vec<_> = self
            .cookies
            .iter()
            .filter(|c| !c.is_over(now) && c.goes_to(url) && c.may_go_to(url, input))
            .collect();
        sent.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.came));
        if sent.is_empty() {
            return None;
        }
        let pairs: Vec<_> = sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let mut value = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Cookie {
    /// Reads a `Set-Cookie` value (RFC 6265 sections 5.2 and 5.3). Returns `None` for what is no cookie, or not for this host to set.
    fn parse(text: &str, url: &Url, now: SystemTime) -> Option<Self> {
        if text.len() > LONGEST || text.contains(|c: char| c.is_control() && c != '\t') {
            return None;
        }
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let host = host(url)?;
        let mut cookie = Self {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: host.clone(),
            host_only: true,
            path: default_path(url),
            secure: false,
            expires: None,
            is_given: false,
            came: 0,
        };
        let mut max_age = None;
        for attribute in parts {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "domain" if !value.trim_start_matches('.').is_empty() => {
                    let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                    cookie.host_only = is_public_suffix(&domain) && domain == host;
                    if !cookie.host_only && is_public_suffix(&domain) || !is_under(url, &host, &domain) {
                        return None;
                    }
                    cookie.domain = domain;
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => max_age = value.parse::<i64>().ok().or(max_age),
                "expires" => cookie.expires = cookie_date(value).or(cookie.expires),
                _ => {}
            }
        }
        if let Some(seconds) = max_age {
            let seconds = u64::try_from(seconds).unwrap_or(0);
            // Further than a time can say is never.
            let at = now.checked_add(Duration::from_secs(seconds));
            cookie.expires = if seconds == 0 { Some(SystemTime::UNIX_EPOCH) } else { at };
        }
        (!cookie.name.is_empty() && (!cookie.secure || url.scheme() == "https")).then_some(cookie)
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it belongs to a request (RFC 6265 section 5.4): cookies don't tell ports apart.
    fn goes_to(&self, url: &Url) -> bool {
        let Some(host) = host(url) else { return false };
        let to_host = if self.host_only { host == self.domain } else { is_under(url, &host, &self.domain) };
        to_host && is_within(url.path(), &self.path) && (!self.secure || url.scheme() == "https")
    }

    /// What the user gave for a host goes to the origin of the input where that is its host, else to the port that its scheme
    /// has by itself, and never in clear where the input is encrypted.
    fn may_go_to(&self, url: &Url, input: Option<&Origin>) -> bool {
        if !self.is_given {
            return true;
        }
        let to = Origin::of(url);
        match (input, to) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(input), Some(to)) if input.host() == to.host() => *input == to,
            (Some(input), Some(to)) => url.port().is_none() && (to.is_secure() || !input.is_secure()),
        }
    }
}

fn host(url: &Url) -> Option<String> {
    url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase())
}

/// Whether a host is a domain or lies under it (RFC 6265 section 5.1.3): an address has nothing under it.
fn is_under(url: &Url, host: &str, domain: &str) -> bool {
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    host == domain || is_name && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether anybody may have a name under a domain. A rule that is on no list is that of a single label.
fn is_public_suffix(domain: &str) -> bool {
    psl::suffix_str(domain) == Some(domain)
}

/// The folder of a path (RFC 6265 section 5.1.4).
fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => folder.to_owned(),
        _ => "/".to_owned(),
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

/// A date as servers write it in cookies (RFC 6265 section 5.1.1).
fn cookie_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter(|token| !token.is_empty())
    {
        let number = token.parse::<u32>().ok();
        let named = token.get(..3).map(str::to_ascii_lowercase);
        let named = named.and_then(|name| MONTHS.iter().position(|month| *month == name));
        match number {
            _ if time.is_none() && token.contains(':') => {
                let fields: Vec<_> = token.split(':').map(|field| field.parse::<u32>().ok()).collect();
                let [Some(hour @ ..24), Some(minute @ ..60), Some(second @ ..60)] = fields[..] else {
                    return None;
                };
                time = Some((hour, minute, second));
            }
            Some(number @ 1..=31) if day.is_none() && token.len() <= 2 => day = Some(number),
            None if month.is_none() && named.is_some() => month = named,
            Some(number) if year.is_none() => {
                year = Some(match number {
                    70..=99 => number + 1900,
                    ..=69 => number + 2000,
                    _ => number,
                });
            }
            _ => {}
        }
    }
    let ((hour, minute, second), day, month, year) = (time?, day?, month? + 1, year?);
    if !(1601..10_000).contains(&year) {
        return None;
    }
    if year < 1970 {
        return Some(SystemTime::UNIX_EPOCH);
    }
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn set(jar: &mut Jar, value: &str, from: &str) {
        jar.set([HeaderValue::from_str(value).unwrap()].iter(), &url(from));
    }

    fn sent(jar: &Jar, to: &str, input: &str) -> String {
        let value = jar.cookies(&url(to), Origin::of(&url(input)).as_ref());
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn servers_set_cookies_for_themselves() {
        for (value, from, to, goes) in [
            ("k=v", "http://a.example/x/y", "http://a.example/x/z", true),
            ("k=v", "http://a.example/x/y", "http://a.example/z", false),
            ("k=v; Path=/", "http://a.example/x/y", "http://a.example/z", true),
            ("k=v; Path=/x", "http://a.example/", "http://a.example/xy", false),
            ("k=v; Path=/x/", "http://a.example/", "http://a.example/x/y", true),
            // Ports are not told apart by RFC 6265, nor are schemes without Secure.
            ("k=v", "http://a.example/", "http://a.example:8080/", true),
            ("k=v", "https://a.example/", "http://a.example/", true),
            ("k=v; Secure", "https://a.example/", "http://a.example/", false),
            ("k=v; Secure", "http://a.example/", "https://a.example/", false),
            ("k=v", "http://a.example/", "http://b.a.example/", false),
            ("k=v; Domain=a.example", "http://a.example/", "http://b.a.example/", true),
            ("k=v; Domain=.A.example", "http://b.a.example/", "http://c.a.example/", true),
            ("k=v; Domain=b.example", "http://a.example/", "http://b.example/", false),
            ("k=v; Domain=a.example", "http://xa.example/", "http://a.example/", false),
            ("k=v; Domain=0.0.1", "http://127.0.0.1/", "http://127.0.0.1/", false),
            ("k=v; Domain=127.0.0.1", "http://127.0.0.1/", "http://127.0.0.1/", true),
            // Suffixes under which strangers have names, listed and not.
            ("k=v; Domain=test", "http://one.redteam.test/", "http://both.redteam.test/", false),
            ("k=v; Domain=redteam.test", "http://one.redteam.test/", "http://both.redteam.test/", true),
            ("k=v; Domain=co.uk", "http://one.a.co.uk/", "http://two.b.co.uk/", false),
            ("k=v; Domain=uk", "http://one.a.co.uk/", "http://two.b.co.uk/", false),
            ("k=v; Domain=a.co.uk", "http://one.a.co.uk/", "http://two.a.co.uk/", true),
            ("k=v; Domain=github.io", "http://one.github.io/", "http://two.github.io/", false),
            ("k=v; Domain=com", "http://a.com/", "http://a.com/", false),
            // One that is a suffix itself keeps its own.
            ("k=v; Domain=github.io", "http://github.io/", "http://github.io/", true),
            ("k=v; Domain=github.io", "http://github.io/", "http://two.github.io/", false),
            ("k=v; Max-Age=0", "http://a.example/", "http://a.example/", false),
            ("k=v; Max-Age=-5", "http://a.example/", "http://a.example/", false),
            ("k=v; Max-Age=99999999999999999", "http://a.example/", "http://a.example/", true),
            (
                "k=v; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "http://a.example/",
                "http://a.example/",
                true,
            ),
            ("k=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.example/", "http://a.example/", false),
            ("k=v; Expires=Wed, 21-Oct-95 07:28:00 GMT", "http://a.example/", "http://a.example/", false),
            ("k=v; Expires=Wed, 21 Oct 2095 07:28:00 GMT", "http://a.example/", "http://a.example/", true),
            ("k=v; Expires=whenever", "http://a.example/", "http://a.example/", true),
            ("=v", "http://a.example/", "http://a.example/", false),
            ("kv", "http://a.example/", "http://a.example/", false),
        ] {
            let mut jar = Jar::default();
            set(&mut jar, value, from);
            assert_eq!(sent(&jar, to, from), if goes { "k=v" } else { "" }, "{value} from {from} to {to}");
        }
    }

    #[test]
    fn what_the_user_gave_goes_to_its_origin_only() {
        for (host, cookie, input, to, goes) in [
            ("a.example", "k=v; Path=/", "https://a.example/x", "https://a.example/y", true),
            ("a.example", "k=v; Path=/", "https://a.example/x", "https://a.example:8443/y", false),
            ("a.example", "k=v; Path=/", "https://a.example/x", "http://a.example/y", false),
            ("a.example", "k=v; Path=/", "http://a.example:8080/x", "http://a.example:8080/y", true),
            ("a.example", "k=v; Path=/", "http://a.example:8080/x", "http://a.example/y", false),
            ("127.0.0.1", "k=v; Path=/", "http://127.0.0.1:1000/x", "http://127.0.0.1:1001/y", false),
            ("a.example", "k=v; Path=/", "https://b.example/x", "https://a.example/y", true),
            ("a.example", "k=v; Path=/", "https://b.example/x", "https://a.example:8443/y", false),
            ("a.example", "k=v; Path=/", "https://b.example/x", "http://a.example/y", false),
            (
                "a.example",
                "k=v; Path=/; Domain=a.example",
                "https://b.example/x",
                "https://c.a.example/y",
                true,
            ),
            ("a.example", "k=v; Path=/", "https://b.example/x", "https://c.a.example/y", false),
        ] {
            let mut jar = Jar::default();
            assert!(jar.give(host, cookie));
            assert_eq!(sent(&jar, to, input), if goes { "k=v" } else { "" }, "{host} {input} {to}");
        }
        assert!(!Jar::default().give("not a host", "k=v"));
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut jar = Jar::default();
        jar.give("a.example", "given=1; Path=/");
        for n in 0..200 {
            set(&mut jar, &format!("k{n}=v; Path=/"), "https://a.example/");
        }
        assert_eq!(jar.cookies.len(), MOST_OF_A_DOMAIN + 1);
        let sent = sent(&jar, "https://a.example/", "https://a.example/");
        assert!(sent.starts_with("given=1; k150=v") && sent.ends_with("k199=v"), "{sent}");
        for n in 0..4000 {
            set(&mut jar, "k=v", &format!("https://h{n}.example/"));
        }
        assert_eq!(jar.cookies.len(), MOST + 1);
        let mut jar = Jar::default();
        set(&mut jar, &format!("k={}", "v".repeat(LONGEST)), "https://a.example/");
        assert!(jar.cookies.is_empty());
        // One that is set again takes the place of the other.
        for value in ["1", "2"] {
            set(&mut jar, &format!("k={value}"), "https://a.example/");
        }
        assert_eq!(self::sent(&jar, "https://a.example/", "https://a.example/"), "k=2");
    }

    #[test]
    fn dates() {
        for (text, expect) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("06 Nov 1960 08:49:37", Some(0)),
            ("31 Feb 2020 08:49:37", None),
            ("06 Nov 1994", None),
            ("99:99:99 06 Nov 1994", None),
            ("", None),
        ] {
            let at = cookie_date(text).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(at, expect, "{text}");
        }
    }
}

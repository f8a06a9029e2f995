//! Which header field goes to which host.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use crate::{Error, Kind, Origin};

/// Header fields and the hosts that may see them.
///
/// User-Agent, Referer, Origin, Accept, Accept-Language and Sec-* go with every request; of Referer, hosts other than that of
/// the input and its own get the origin only, as from a browser. Cookie, Authorization and every other name go to the origin of the input alone; [`HeaderRules::add_for_host`] widens. What was dropped on the way to
/// another origin is not restored by a hop back.
#[derive(Clone, Debug, Default)]
pub struct HeaderRules {
    input: Option<Origin>,
    /// `Authorization` of the user name and password in the URL of the input: they are for its origin, however a URL there is
    /// written.
    basic: Option<HeaderValue>,
    everywhere: HeaderMap,
    bound: HeaderMap,
    hosts: Vec<(String, HeaderName, HeaderValue)>,
}

impl HeaderRules {
    /// Adds a field; `false` where it is one that a copied request carries and a download must set by itself.
    ///
    /// # Errors
    /// A name or value that HTTP does not allow.
    pub fn add(&mut self, name: &str, value: &str) -> Result<bool, Error> {
        let (name, value) = field(name, value)?;
        if is_ours(&name) {
            return Ok(false);
        }
        let map = if goes_everywhere(&name) { &mut self.everywhere } else { &mut self.bound };
        if name == header::COOKIE {
            join_cookie(map, &value);
        } else if goes_everywhere(&name) {
            map.insert(name, value);
        } else {
            map.append(name, value);
        }
        Ok(true)
    }

    /// Removes a field, as `-H 'Name:'` does in curl.
    pub fn remove(&mut self, name: &str) {
        self.everywhere.remove(name);
        self.bound.remove(name);
    }

    /// Adds a field for one host besides.
    ///
    /// # Errors
    /// A name or value that HTTP does not allow.
    pub fn add_for_host(&mut self, host: &str, name: &str, value: &str) -> Result<bool, Error> {
        let (name, value) = field(name, value)?;
        if is_ours(&name) {
            return Ok(false);
        }
        self.hosts.push((host.to_ascii_lowercase(), name, value));
        Ok(true)
    }

    /// Says which origin the input has: the one that the bound fields belong to.
    pub fn set_input(&mut self, url: &Url) {
        self.input = Origin::of(url);
        self.basic = basic(url);
    }

    /// The origin of the input.
    #[cfg(feature = "client")]
    pub(crate) fn input(&self) -> Option<&Origin> {
        self.input.as_ref()
    }

    /// The fields for a request to `url`, and the names of those held back from it.
    ///
    /// `strayed`: the chain of redirects has been at another origin already.
    #[must_use]
    pub fn for_url(&self, url: &Url, strayed: bool) -> (HeaderMap, Vec<String>) {
        let mut fields = self.everywhere.clone();
        let at_home = !strayed && self.input.is_some() && Origin::of(url) == self.input;
        let mut held_back = Vec::new();
        if self.is_foreign(url) {
            self.shorten_referer(&mut fields, url);
        }
        if at_home {
            fields.extend(self.bound.clone());
            if let Some(basic) = self.basic.as_ref().filter(|_| !fields.contains_key(header::AUTHORIZATION)) {
                fields.insert(header::AUTHORIZATION, basic.clone());
            }
        }
        let host = url.host_str().unwrap_or_default();
        for (_, name, value) in self.hosts.iter().filter(|(h, ..)| h == host) {
            fields.insert(name.clone(), value.clone());
        }
        if !at_home {
            held_back =
                self.bound.keys().filter(|n| !fields.contains_key(*n)).map(ToString::to_string).collect();
        }
        (fields, held_back)
    }

    /// Leaves of `Referer` what a browser tells a stranger: the origin (`strict-origin-when-cross-origin`; over plain http too,
    /// as whoever names the page wants it to be known).
    fn shorten_referer(&self, fields: &mut HeaderMap, url: &Url) {
        let Some(value) = fields.get(header::REFERER) else { return };
        let page = value.to_str().ok().and_then(|text| text.parse::<Url>().ok());
        let Some((page, origin)) = page.and_then(|page| Origin::of(&page).map(|origin| (page, origin)))
        else {
            // No URL that could be shortened. A query of something else is no better in the wrong hands.
            if value.as_bytes().contains(&b'?') {
                fields.remove(header::REFERER);
            }
            return;
        };
        if Origin::of(url) == Some(origin) {
            return;
        }
        let short = HeaderValue::from_str(&format!("{}/", page.origin().ascii_serialization()));
        let _ = short.map(|short| fields.insert(header::REFERER, short));
    }

    /// Whether the origin of `url` is another one than that of the input.
    #[must_use]
    pub fn is_foreign(&self, url: &Url) -> bool {
        self.input.is_some() && Origin::of(url) != self.input
    }
}

/// The credentials in a URL, as a field (RFC 7617).
fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [plain(url.username()), b":".to_vec(), plain(url.password().unwrap_or_default())].concat();
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

pub(crate) fn join_cookie(map: &mut HeaderMap, more: &HeaderValue) {
    let joined = map.get(header::COOKIE).and_then(|old| {
        let bytes = [old.as_bytes(), b"; ", more.as_bytes()].concat();
        HeaderValue::from_bytes(&bytes).ok()
    });
    map.insert(header::COOKIE, joined.unwrap_or_else(|| more.clone()));
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let bad = |what: &str| Error::new(Kind::Configuration(format!("{what} can't be sent"))).with_detail(name);
    let name: HeaderName = name.trim().parse().map_err(|_| bad("a header field of this name"))?;
    let mut value =
        HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| bad("the value of this header"))?;
    value.set_sensitive(!goes_everywhere(&name));
    Ok((name, value))
}

fn goes_everywhere(name: &HeaderName) -> bool {
    [header::USER_AGENT, header::REFERER, header::ORIGIN, header::ACCEPT, header::ACCEPT_LANGUAGE]
        .contains(name)
        || name.as_str().starts_with("sec-")
}

/// Fields of one particular request of a browser, which would make ours ask for something else.
fn is_ours(name: &HeaderName) -> bool {
    [
        header::RANGE,
        header::ACCEPT_ENCODING,
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::UPGRADE,
    ]
    .contains(name)
        || name.as_str().starts_with("if-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> HeaderRules {
        let mut rules = HeaderRules::default();
        rules.set_input(&"https://a.example/x".parse().unwrap());
        for (name, value) in [
            ("User-Agent", "u"),
            ("Referer", "r"),
            ("Sec-Fetch-Mode", "cors"),
            ("X-Token", "s"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
        ] {
            assert!(rules.add(name, value).unwrap());
        }
        for name in ["Range", "If-None-Match", "Accept-Encoding", "Host", "Connection", "Content-Length"] {
            assert!(!rules.add(name, "x").unwrap(), "{name}");
        }
        rules.add_for_host("c.example", "X-Token", "s").unwrap();
        rules
    }

    #[test]
    fn bound_fields_stay_at_home() {
        for (url, strayed, token, cookie, held) in [
            ("https://a.example/y", false, true, true, 0),
            ("https://a.example/y", true, false, false, 2),
            ("http://a.example/y", false, false, false, 2),
            ("https://a.example:444/y", false, false, false, 2),
            ("https://b.example/y", false, false, false, 2),
            ("https://c.example/y", false, true, false, 1),
        ] {
            let (fields, held_back) = rules().for_url(&url.parse().unwrap(), strayed);
            assert_eq!(fields.contains_key("x-token"), token, "{url}");
            assert_eq!(fields.get("cookie").map(|c| c == "a=1; b=2"), cookie.then_some(true), "{url}");
            assert_eq!(held_back.len(), held, "{url}");
            assert!(["user-agent", "referer", "sec-fetch-mode"].iter().all(|n| fields.contains_key(*n)));
        }
    }

    #[test]
    fn strangers_see_the_origin_of_a_page() {
        let page = "https://site.example:8443/watch?t=secret#x";
        for (referer, url, expect) in [
            (page, "https://a.example/y", Some(page)),
            (page, "https://site.example:8443/z", Some(page)),
            (page, "https://b.example/y", Some("https://site.example:8443/")),
            (page, "https://a.example:444/y", Some("https://site.example:8443/")),
            (page, "https://site.example/y", Some("https://site.example:8443/")),
            (page, "http://b.example/y", Some("https://site.example:8443/")),
            ("http://site.example/p?t=s", "http://b.example/y", Some("http://site.example/")),
            ("http://u:p@site.example/p", "https://b.example/y", Some("http://site.example/")),
            ("https://site.example/", "https://b.example/y", Some("https://site.example/")),
            ("word", "https://b.example/y", Some("word")),
            ("word?t=s", "https://b.example/y", None),
        ] {
            let mut rules = HeaderRules::default();
            rules.set_input(&"https://a.example/x".parse().unwrap());
            rules.add("Referer", referer).unwrap();
            let (fields, _) = rules.for_url(&url.parse().unwrap(), false);
            assert_eq!(fields.get("referer").map(|r| r.to_str().unwrap()), expect, "{referer} {url}");
        }
    }

    #[test]
    fn credentials_of_the_input_are_for_its_origin() {
        let basic = Some("Basic bWU6cEBzcw==");
        for (input, url, strayed, expect) in [
            ("http://me:p%40ss@a.example/x", "http://a.example/y", false, basic),
            ("http://me:p%40ss@a.example/x", "http://a.example/y", true, None),
            ("http://me:p%40ss@a.example/x", "http://a.example:81/y", false, None),
            ("http://me:p%40ss@a.example/x", "https://a.example/y", false, None),
            ("http://me:p%40ss@a.example/x", "http://b.example/y", false, None),
            ("http://me@a.example/x", "http://a.example/y", false, Some("Basic bWU6")),
            ("http://a.example/x", "http://a.example/y", false, None),
        ] {
            let mut rules = HeaderRules::default();
            rules.set_input(&input.parse().unwrap());
            let (fields, held_back) = rules.for_url(&url.parse().unwrap(), strayed);
            assert_eq!(fields.get("authorization").map(|f| f.to_str().unwrap()), expect, "{input} {url}");
            assert!(held_back.is_empty());
            rules.add("Authorization", "Bearer x").unwrap();
            let (fields, _) = rules.for_url(&url.parse().unwrap(), strayed);
            assert_eq!(
                fields.get("authorization").is_some_and(|f| f == "Bearer x"),
                expect.is_some() || input.contains("//a.ex")
            );
        }
    }

    #[test]
    fn bad_fields_are_refused() {
        let mut rules = HeaderRules::default();
        assert!(rules.add("X Y", "v").is_err() && rules.add("X", "a\nb").is_err());
    }
}

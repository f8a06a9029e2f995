//! Where an attempt may go next: redirects followed by hand, each hop judged.

use url::Url;

use crate::error::MOST_REDIRECTS;
use crate::{Error, Kind, Origin, Request, redacted};

/// One hop of an attempt.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) url: Url,
    /// The chain has been at another origin than the input's.
    pub(super) strayed: bool,
    /// Where the chain has been.
    before: Vec<Url>,
}

impl Hop {
    pub(super) fn first(request: &Request, allow_http: bool, foreign: bool) -> Result<Self, Error> {
        if !is_http(&request.url) {
            return Err(Error::new(Kind::Scheme(request.url.scheme().to_owned())).at(&request.url));
        }
        if request.parent.as_ref().is_some_and(|parent| names_a_user(parent, &request.url)) {
            return Err(Error::new(Kind::UserInfo).at(&request.url));
        }
        let downgrade = request.parent.as_ref().is_some_and(|parent| is_downgrade(parent, &request.url));
        if downgrade && !allow_http {
            return Err(Error::new(Kind::Downgrade).at(&request.url));
        }
        Ok(Self { url: request.url.clone(), strayed: foreign, before: Vec::new() })
    }

    pub(super) fn follow(
        mut self,
        target: Option<&[u8]>,
        allow_http: bool,
        is_foreign: impl Fn(&Url) -> bool,
    ) -> Result<Self, Error> {
        let in_vain = |hop: &Self, last: Option<&Url>| {
            let chain = hop.before.iter().chain([&hop.url]).chain(last).map(redacted).collect();
            Error::new(Kind::Redirect { chain }).at(&hop.url)
        };
        let target = target.and_then(|t| std::str::from_utf8(t).ok());
        let Some(next) = target.and_then(|t| self.url.join(t).ok()) else {
            return Err(in_vain(&self, None));
        };
        if !is_http(&next) {
            return Err(Error::new(Kind::Scheme(next.scheme().to_owned())).at(&self.url));
        }
        if names_a_user(&self.url, &next) {
            return Err(Error::new(Kind::UserInfo).at(&next));
        }
        if is_downgrade(&self.url, &next) && !allow_http {
            return Err(Error::new(Kind::Downgrade).at(&next));
        }
        if self.before.len() == MOST_REDIRECTS {
            return Err(in_vain(&self, Some(&next)));
        }
        let strayed = self.strayed || is_foreign(&next);
        self.before.push(std::mem::replace(&mut self.url, next));
        Ok(Self { strayed, ..self })
    }
}

/// Whether going from `from` to `to` gives up encryption.
fn is_downgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() == "http"
}

/// Whether `to` brings a user name of its own (RFC 9110 section 4.2.4): only the user may write one into a URL, and what is
/// relative to that URL keeps it.
fn names_a_user(from: &Url, to: &Url) -> bool {
    let has = !to.username().is_empty() || to.password().is_some();
    let inherited = to.username() == from.username()
        && to.password() == from.password()
        && Origin::of(to) == Origin::of(from);
    has && !inherited
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn hops() {
        let start = Request::get(url("https://u:p@a/x/y"));
        for (target, allow_http, expect) in [
            (Some("z?q=1"), false, Ok("https://u:p@a/x/z?q=1")),
            (Some("//b/z"), false, Ok("https://b/z")),
            (Some("http://a/z"), false, Err("policy.downgrade")),
            (Some("http://a/z"), true, Ok("http://a/z")),
            (Some("file:///etc/hosts"), true, Err("policy.scheme")),
            (Some("data:,x"), true, Err("policy.scheme")),
            (None, true, Err("http.redirect")),
            (Some("https://u:p@a/z"), true, Ok("https://u:p@a/z")),
            (Some("https://u@a/z"), true, Err("policy.userinfo")),
            (Some("https://u:p@b/z"), true, Err("policy.userinfo")),
            (Some("https://a@b/z"), true, Err("policy.userinfo")),
        ] {
            let hop = Hop::first(&start, false, false).unwrap().follow(
                target.map(str::as_bytes),
                allow_http,
                |_| false,
            );
            let got = hop.as_ref().map(|h| h.url.as_str()).map_err(Error::code);
            assert_eq!(got, expect, "{target:?}");
            let class = hop.err().filter(|_| target.is_none()).map(|error| error.class());
            assert_eq!(class, target.is_none().then_some(crate::Class::Content), "{target:?}");
        }
    }

    #[test]
    fn a_user_name_comes_from_the_user_alone() {
        for (parent, target, allowed) in [
            (None, "https://u:p@a/x", true),
            (Some("https://u:p@a/i"), "https://u:p@a/x", true),
            (Some("https://a/i"), "https://u:p@a/x", false),
            (Some("https://a/i"), "https://example.com@b/x", false),
            (Some("https://a/i"), "https://:p@a/x", false),
            (Some("https://a/i"), "https://@a/x", true),
        ] {
            let mut request = Request::get(url(target));
            request.parent = parent.map(url);
            let first = Hop::first(&request, false, false).map(|_| ()).map_err(|e| e.code());
            assert_eq!(first, if allowed { Ok(()) } else { Err("policy.userinfo") }, "{parent:?} {target}");
        }
    }

    #[test]
    fn a_loop_ends_and_a_stray_hop_is_remembered() {
        let mut hop = Hop::first(&Request::get(url("http://a/")), false, false).unwrap();
        hop = hop.follow(Some(b"http://b/"), false, |u| u.host_str() != Some("a")).unwrap();
        hop = hop.follow(Some(b"http://a/"), false, |u| u.host_str() != Some("a")).unwrap();
        assert!(hop.strayed);
        let end = loop {
            hop = match hop.follow(Some(b"/"), false, |_| false) {
                Ok(hop) => hop,
                Err(end) => break end,
            };
        };
        assert_eq!(end.code(), "http.redirect");
    }
}

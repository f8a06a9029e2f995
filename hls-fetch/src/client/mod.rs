//! The client over reqwest: one attempt, redirects included.

mod body;
mod builder;
mod classify;
mod redirect;
mod resolve;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use reqwest::cookie::{CookieStore as _, Jar};
use url::Url;

pub use builder::ClientBuilder;

use crate::range::ContentRange;
use crate::{BoxBody, Error, Fetch, FetchFuture, HeaderRules, Kind, Request, Response, parse_retry_after};
use body::TransferBody;
use builder::Settings;
use redirect::Hop;

/// A pooled HTTP/1.1 client that makes one attempt at a time and says exactly how it ended.
///
/// Clones share connections and cookies.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    rules: Arc<HeaderRules>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    jar: Jar,
    // Reading the platform's trust store takes longer than a small download: https is set up when first needed.
    plain: OnceLock<reqwest::Client>,
    secure: OnceLock<reqwest::Client>,
}

impl Client {
    /// Starts a configuration.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same pool for a job whose input is `url`: credentials belong to that origin.
    #[must_use]
    pub fn for_input(&self, url: &Url) -> Self {
        let mut rules = HeaderRules::clone(&self.rules);
        rules.set_input(url);
        Self { shared: Arc::clone(&self.shared), rules: Arc::new(rules) }
    }

    fn transport(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        let Shared { settings, plain, secure, .. } = &*self.shared;
        let needs_tls = url.scheme() == "https" || settings.has_proxy();
        let slot = if needs_tls { secure } else { plain };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let built = settings.transport(needs_tls)?;
        Ok(slot.get_or_init(|| built))
    }

    /// The fields of one hop, and the names of those held back from it.
    fn fields(&self, request: &Request, url: &Url, strayed: bool) -> (HeaderMap, Vec<String>) {
        let (mut fields, held_back) = self.rules.for_url(url, strayed);
        if let Some(cookies) = self.shared.jar.cookies(url) {
            crate::headers::join_cookie(&mut fields, &cookies);
        }
        // Any coding would make lengths and ranges mean something else.
        fields.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
        let ascii = |text: &str| header::HeaderValue::from_str(text).ok();
        if let Some(value) = request.range.and_then(|r| ascii(&r.header())) {
            fields.insert(header::RANGE, value);
            if let Some(tag) = request.if_range.as_deref().and_then(ascii) {
                fields.insert(header::IF_RANGE, tag);
            }
        }
        (fields, held_back)
    }

    async fn attempt(&self, request: Request) -> Result<Response, Error> {
        let rules = match self.rules.is_foreign(&request.url) {
            // Without a job, what is bound belongs to the URL that is asked for.
            false => self.for_input_if_unset(&request.url),
            true => self.clone(),
        };
        let settings = &self.shared.settings;
        let mut hop = Hop::first(&request, settings.allow_http, rules.rules.is_foreign(&request.url))?;
        let allowed = settings.first_byte_timeout;
        loop {
            let (fields, held_back) = rules.fields(&request, &hop.url, hop.strayed);
            let transport = self.transport(&hop.url)?;
            let sent = transport.get(hop.url.clone()).headers(fields).send();
            let answer = match tokio::time::timeout(allowed, sent).await {
                Err(_) => return Err(Error::new(Kind::FirstByteTimeout { after: allowed }).at(&hop.url)),
                Ok(Err(error)) => return Err(classify::failed(error, &hop.url)),
                Ok(Ok(answer)) => answer,
            };
            let mut set = answer.headers().get_all(header::SET_COOKIE).iter().peekable();
            if set.peek().is_some() {
                self.shared.jar.set_cookies(&mut set, &hop.url);
            }
            if answer.status().is_redirection() && answer.status() != http::StatusCode::NOT_MODIFIED {
                let target = answer.headers().get(header::LOCATION).map(|v| v.as_bytes());
                hop = hop.follow(target, settings.allow_http, |url| rules.rules.is_foreign(url))?;
                continue;
            }
            return self.judge(&request, &hop.url, answer, held_back);
        }
    }

    fn for_input_if_unset(&self, url: &Url) -> Self {
        let (_, held_back) = self.rules.for_url(url, false);
        if held_back.is_empty() { self.clone() } else { self.for_input(url) }
    }

    /// Accepts the head of an answer, or says what is wrong with it.
    fn judge(
        &self,
        request: &Request,
        url: &Url,
        answer: reqwest::Response,
        held_back: Vec<String>,
    ) -> Result<Response, Error> {
        let status = answer.status().as_u16();
        let fields = answer.headers();
        let text = |name| fields.get(name).and_then(|v: &header::HeaderValue| v.to_str().ok());
        if !answer.status().is_success() {
            let error = Error::new(Kind::Status(status)).at(url);
            let refused = matches!(status, 401 | 403);
            return Err(error
                .with_retry_after(parse_retry_after(fields, SystemTime::now()))
                .with_held_back(if refused { held_back } else { Vec::new() }));
        }
        if let Some(coding) = text(header::CONTENT_ENCODING).filter(|c| !c.eq_ignore_ascii_case("identity")) {
            return Err(Error::new(Kind::Coded(crate::escaped(coding, 20))).at(url));
        }
        let mut total = None;
        match (&request.range, status) {
            (Some(asked), 206) => {
                let said = text(header::CONTENT_RANGE).unwrap_or("no Content-Range");
                match ContentRange::parse(said).filter(|got| got.answers(asked)) {
                    Some(got) => total = got.total,
                    None => {
                        let (want, got) = (asked.header(), crate::escaped(said, 60));
                        return Err(Error::new(Kind::RangeMismatch { want, got }).at(url));
                    }
                }
            }
            (Some(_), _) => return Err(Error::new(Kind::RangeIgnored).at(url)),
            (None, 206) => {
                let got = crate::escaped(text(header::CONTENT_RANGE).unwrap_or("a part"), 60);
                return Err(Error::new(Kind::RangeMismatch { want: "all of it".into(), got }).at(url));
            }
            (None, _) => {}
        }
        let length = text(header::CONTENT_LENGTH).and_then(|v| v.trim().parse::<u64>().ok());
        let want = request.range.and_then(|r| r.length()).or(length);
        if let (Some(length), Some(range)) = (length, request.range.and_then(|r| r.length()))
            && length != range
        {
            let got = format!("a body of {length} bytes");
            return Err(Error::new(Kind::RangeMismatch { want: format!("{range} bytes"), got }).at(url));
        }
        let limit = request.max_bytes.unwrap_or(u64::MAX);
        if want.is_some_and(|w| w > limit) {
            return Err(Error::new(Kind::TooLarge { limit }).at(url));
        }
        let content_type = text(header::CONTENT_TYPE)
            .and_then(|t| t.split(';').next())
            .map(|t| crate::escaped(t.trim(), 60).to_ascii_lowercase());
        let strong_etag = text(header::ETAG).filter(|t| t.starts_with('"')).map(str::to_owned);
        let url = url.clone();
        let stall = self.shared.settings.stall_timeout;
        let body = TransferBody::new(answer.into(), url.clone(), want, limit, stall);
        let mut response = Response::new(status, url, want, BoxBody::new(body));
        (response.content_type, response.strong_etag, response.total) = (content_type, strong_etag, total);
        Ok(response)
    }
}

impl Fetch for Client {
    fn fetch(&self, request: Request) -> FetchFuture<'_> {
        Box::pin(self.attempt(request))
    }
}

/// Time allowed for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

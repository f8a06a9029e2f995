//! The client over reqwest: one attempt, redirects included.

mod answer;
mod body;
mod builder;
mod classify;
mod coding;
mod content_range;
mod guard;
mod gzip;
mod inflate;
mod jar;
mod lane;
mod patience;
mod pieces;
mod pool;
mod redirect;
mod resolve;
mod slice;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use url::Url;

pub use builder::{ClientBuilder, HttpVersion};
pub use resolve::{Resolve, ResolveFuture};

use crate::{
    Error, Fetch, FetchFuture, HeaderRules, Kind, Oddity, Origin, Request, Response, parse_retry_after,
};
use builder::Settings;
use jar::Jar;
use lane::Seat;
use pool::{Pool, Pools};
use redirect::Hop;

/// A pooled HTTP client that makes one attempt at a time and says exactly how it ended.
///
/// Clones share connections and cookies. A kept connection that turns out to be closed is replaced at once and is no
/// attempt of its own.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    rules: Arc<HeaderRules>,
    /// `None` where no job has said what its input is.
    pool: Option<Arc<Pool>>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    jar: Mutex<Jar>,
    /// Origins that have answered: a connection to one of these may be a kept one.
    known: Mutex<HashSet<Origin>>,
    pools: Pools,
}

impl Client {
    /// Starts a configuration.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same client for a job whose input is `url`: credentials belong to that origin, and of addresses that are not on the
    /// internet only that of the input may be reached. Jobs whose inputs have the same host share their connections.
    ///
    /// Without this, each request counts as a job: its input is its parent, or where it has none, the URL itself.
    #[must_use]
    pub fn for_input(&self, url: &Url) -> Self {
        let mut rules = HeaderRules::clone(&self.rules);
        rules.set_input(url);
        let pool = Some(self.shared.pools.of(url, &self.shared.settings));
        Self { shared: Arc::clone(&self.shared), rules: Arc::new(rules), pool }
    }

    fn pool(&self, request: &Request) -> Arc<Pool> {
        let input = request.parent.as_ref().unwrap_or(&request.url);
        self.pool.clone().unwrap_or_else(|| self.shared.pools.of(input, &self.shared.settings))
    }

    /// The fields of one hop, and the names of those held back from it.
    fn fields(&self, request: &Request, url: &Url, strayed: bool) -> (HeaderMap, Vec<String>) {
        let (mut fields, held_back) = self.rules.for_url(url, strayed);
        let parent = request.parent.as_ref().and_then(Origin::of);
        let input = self.rules.input().or(parent.as_ref());
        if let Some(cookies) = self.shared.jar().cookies(url, input) {
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

    /// Makes one attempt. Where the server sends less than the range that was asked for, its body asks for the rest.
    async fn attempt(&self, request: Request) -> Result<Response, Error> {
        let response = self.once(request.clone()).await?;
        Ok(match response.oddity {
            Some(Oddity::Pieces { end }) => pieces::joined(self.clone(), request, response, end),
            _ => response,
        })
    }

    async fn once(&self, request: Request) -> Result<Response, Error> {
        let rules = match self.rules.is_foreign(&request.url) {
            // Without a job, what is bound belongs to the URL that is asked for.
            false => self.for_input_if_unset(&request.url),
            true => self.clone(),
        };
        let pool = self.pool(&request);
        let allow_http = self.shared.settings.allow_http;
        let mut hop = Hop::first(&request, allow_http, rules.rules.is_foreign(&request.url))?;
        loop {
            pool.guard.judge(&hop.url).map_err(|blocked| Error::from(blocked).at(&hop.url))?;
            let (fields, held_back) = rules.fields(&request, &hop.url, hop.strayed);
            let (answer, seat) = self.answer(&pool, &hop.url, &fields, request.fresh).await?;
            let mut set = answer.headers().get_all(header::SET_COOKIE).iter().peekable();
            if set.peek().is_some() {
                self.shared.jar().set(set, &hop.url);
            }
            if answer.status().is_redirection() && answer.status() != http::StatusCode::NOT_MODIFIED {
                let target = answer.headers().get(header::LOCATION).map(|v| v.as_bytes());
                let next = hop.follow(target, allow_http, |url| rules.rules.is_foreign(url));
                drain(answer).await;
                hop = next?;
                continue;
            }
            if !answer.status().is_success() || is_something_else(answer.status()) {
                let error = refusal(&answer, &hop.url, held_back);
                drain(answer).await;
                return Err(error);
            }
            let stall = self.shared.settings.stall_timeout;
            return answer::accept(&request, &hop.url, (answer, seat), stall).await;
        }
    }

    /// Sends one request and waits for the head of its answer.
    async fn answer(
        &self,
        pool: &Pool,
        url: &Url,
        fields: &HeaderMap,
        fresh: bool,
    ) -> Result<(reqwest::Response, Seat), Error> {
        let seat = pool.seat(url, fresh, &self.shared.settings)?;
        let send = || seat.client.get(url.clone()).headers(fields.clone()).send();
        let sending = async {
            for _ in 0..UNPROCESSED {
                match send().await {
                    // The server says that it has not looked at it (RFC 9113 section 8.7).
                    Err(error) if classify::is_unprocessed(&error) => {}
                    // A server may close a kept connection just as the request goes out. That says nothing about the
                    // server, so it costs no attempt (RFC 9110 section 9.2.2).
                    Err(error) if !fresh && self.shared.knows(url) && classify::is_unanswered(&error) => {
                        break;
                    }
                    sent => return sent,
                }
            }
            send().await
        };
        let after = self.shared.settings.first_byte_timeout;
        match patience::within(after, sending).await {
            None => {
                seat.shun();
                Err(Error::new(Kind::FirstByteTimeout { after }).at(url))
            }
            Some(Err(error)) => Err(classify::failed(error, url)),
            Some(Ok(answer)) => {
                self.shared.remember(url);
                Ok((answer, seat))
            }
        }
    }

    fn for_input_if_unset(&self, url: &Url) -> Self {
        let (_, held_back) = self.rules.for_url(url, false);
        if held_back.is_empty() { self.clone() } else { self.for_input(url) }
    }
}

impl Shared {
    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, url: &Url) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Origin::of(url).is_some_and(|origin| known.contains(&origin))
    }

    fn remember(&self, url: &Url) {
        if let Some(origin) = Origin::of(url) {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(origin);
        }
    }
}

/// Whether a success is none for a `GET` of media: several statuses (RFC 4918), what was told before (RFC 5842), or the result of
/// a change that nobody asked for (RFC 3229), in the place of the resource.
fn is_something_else(status: http::StatusCode) -> bool {
    matches!(status.as_u16(), 207 | 208 | 226)
}

/// What an answer other than a success means.
fn refusal(answer: &reqwest::Response, url: &Url, held_back: Vec<String>) -> Error {
    let status = answer.status().as_u16();
    let is_auth = matches!(status, 401 | 403);
    Error::new(Kind::Status(status))
        .at(url)
        .with_retry_after(parse_retry_after(answer.headers(), SystemTime::now()))
        .with_held_back(if is_auth { held_back } else { Vec::new() })
}

/// Reads a body that nobody wants, where it is short and already on its way: what is not read to its end costs the
/// connection, and with it the next request a handshake.
async fn drain(mut answer: reqwest::Response) {
    if answer.content_length().is_some_and(|length| length > DRAINED) {
        return;
    }
    let reading = async {
        let mut left = DRAINED;
        while let Ok(Some(chunk)) = answer.chunk().await {
            left = left.saturating_sub(chunk.len() as u64);
            if left == 0 {
                break;
            }
        }
    };
    // Either way the answer is dropped, and the connection with it where bytes are left.
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}

impl Fetch for Client {
    fn fetch(&self, request: Request) -> FetchFuture<'_> {
        if let Some(answer) = crate::inline::answered(&request) {
            return Box::pin(std::future::ready(answer));
        }
        Box::pin(self.attempt(request))
    }
}

/// Time allowed for a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request that the server has not looked at is sent again at once, at most.
const UNPROCESSED: usize = 3;

/// Bytes of an unwanted body that are read to keep its connection, at most, and the time for it.
const DRAINED: u64 = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_millis(100);

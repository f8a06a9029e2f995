//! What is asked for, what comes back, and the seam between them.

use std::future::Future;
use std::pin::Pin;

use url::Url;

use crate::{BoxBody, ByteRange, Error};

/// One GET request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// What to get.
    pub url: Url,
    /// The part of it, where not all.
    pub range: Option<ByteRange>,
    /// Send the range only if the representation still has this strong validator (RFC 9110 section 13.1.5).
    pub if_range: Option<String>,
    /// The resource that named this URL: https never leads to http from there.
    pub parent: Option<Url>,
    /// The body may not exceed this many bytes.
    pub max_bytes: Option<u64>,
    /// Use a connection that no other request has used or will use.
    pub fresh: bool,
}

impl Request {
    /// A GET of the whole resource.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self { url, range: None, if_range: None, parent: None, max_bytes: None, fresh: false }
    }

    /// Asks for a part only. The answer has to be exactly that part.
    #[must_use]
    pub fn range(mut self, range: Option<ByteRange>) -> Self {
        self.range = range;
        self
    }

    /// Asks for the part only if the representation still has this strong validator, and for all of it else. Whether the
    /// answer is the part is to be seen by its status and its own validator.
    #[must_use]
    pub fn if_range(mut self, validator: String) -> Self {
        self.if_range = Some(validator);
        self
    }

    /// Names the resource that this URL was found in.
    #[must_use]
    pub fn found_in(mut self, parent: &Url) -> Self {
        self.parent = Some(parent.clone());
        self
    }

    /// Bounds the size of the body.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Asks over a new connection that is shared with nothing: for what replaces a transfer that has stalled. Means nothing
    /// to a transport without connections.
    #[must_use]
    pub fn fresh_connection(mut self) -> Self {
        self.fresh = true;
        self
    }
}

/// An answer that has begun; its body is still to come.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The status, 200 or 206.
    pub status: u16,
    /// Where the answer came from, after redirects.
    pub url: Url,
    /// The length of the body, where the server announced it.
    pub length: Option<u64>,
    /// The media type, without parameters, in lower case.
    pub content_type: Option<String>,
    /// The strong entity tag (RFC 9110 section 8.8.3), fit for `If-Range`.
    pub strong_etag: Option<String>,
    /// Size of the whole representation where a part was asked for and the server said so.
    pub total: Option<u64>,
    /// Nothing but the end of the connection tells where the body ends (RFC 9112 section 6.3): it may have been cut there.
    pub ends_with_connection: bool,
    /// The bytes.
    pub body: BoxBody,
}

impl Response {
    /// An answer made by an implementation of [`Fetch`].
    #[must_use]
    pub fn new(status: u16, url: Url, length: Option<u64>, body: BoxBody) -> Self {
        Self {
            status,
            url,
            length,
            content_type: None,
            strong_etag: None,
            total: None,
            ends_with_connection: false,
            body,
        }
    }

    /// Collects the body.
    ///
    /// # Errors
    /// What fails while reading, and [`Kind::TooLarge`](crate::Kind::TooLarge) above `limit` bytes.
    pub async fn bytes(mut self, limit: u64) -> Result<Vec<u8>, Error> {
        // Never allocate by a claim: the vector grows with what really arrives.
        let mut all = Vec::with_capacity(self.length.unwrap_or(0).min(limit).min(1 << 20) as usize);
        while let Some(chunk) = self.body.next().await? {
            if all.len() as u64 + chunk.len() as u64 > limit {
                return Err(Error::new(crate::Kind::TooLarge { limit }).at(&self.url));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

/// The future of one attempt.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;

/// One attempt to get one URL: the seam between an engine and its transport.
///
/// An implementation makes exactly one attempt (redirects included), verifies status, range and length, and never
/// retries by itself: whoever calls decides that.
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request and returns when the head of the answer is there.
    fn fetch(&self, request: Request) -> FetchFuture<'_>;
}

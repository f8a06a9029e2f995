//! What is asked for, what comes back, and the seam between them.

use std::future::Future;
use std::pin::Pin;

use url::Url;

use crate::{BoxBody, ByteRange, Digest, Error};

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
    /// Undo gzip that the answer does not speak of, where its first bytes show it.
    pub undo_gzip: bool,
    /// A resource that ends before the range does is an error.
    pub grows: bool,
    /// Where the server ignores the range, the answer is all of the resource.
    pub uncut: bool,
}

impl Request {
    /// A GET of the whole resource.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self {
            url,
            range: None,
            if_range: None,
            parent: None,
            max_bytes: None,
            fresh: false,
            undo_gzip: false,
            grows: false,
            uncut: false,
        }
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

    /// Undoes gzip that the server does not declare: for what is never gzip by itself.
    #[must_use]
    pub fn undoing_gzip(mut self) -> Self {
        self.undo_gzip = true;
        self
    }

    /// Asks for a part of what may still be written: where the resource ends before that part does, the rest is to come, and the
    /// answer is no answer.
    #[must_use]
    pub fn of_what_grows(mut self) -> Self {
        self.grows = true;
        self
    }

    /// Takes all of the resource where the server ignores the range, and does not cut the part out of it: the answer has the
    /// status 200 and [`Oddity::Whole`], and its body begins with the first byte of the resource. One body then serves several
    /// parts. A transport that does not know this sends the part.
    #[must_use]
    pub fn uncut(mut self) -> Self {
        self.uncut = true;
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
    /// The entity tag as it was sent, strong or weak.
    pub etag: Option<String>,
    /// The value of `Last-Modified`, as it was sent; none where it is the time of the answer itself, as of what is made for each.
    pub last_modified: Option<String>,
    /// Size of the whole representation, where the server said so.
    pub total: Option<u64>,
    /// What is wrong about the answer although its content is right.
    pub oddity: Option<Oddity>,
    /// The digest that the body has, as the server says.
    pub digest: Option<Digest>,
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
            etag: None,
            last_modified: None,
            total: None,
            oddity: None,
            digest: None,
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

/// What a server got wrong about an answer that is whole by its length.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oddity {
    /// `Content-Encoding` names what is no coding, or one that the body does not have.
    Coding(String),
    /// The body is gzip, and nothing says so.
    Gzip,
    /// All of it was sent as a part of itself, although no part was asked for.
    Part,
    /// All of the resource was sent in place of a part, which was cut out of it unless [`Request::uncut`] asked for all of it.
    Whole,
    /// Less was sent than was asked for, and the rest has to be asked for piece by piece.
    Pieces {
        /// Where the first piece ends.
        end: u64,
    },
    /// The resource ends before the range that was asked for does.
    PastEnd {
        /// Where it ends.
        end: u64,
    },
}

impl Oddity {
    /// A stable symbol, for example `http.coding`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Coding(_) => "http.coding",
            Self::Gzip => "http.undeclared_gzip",
            Self::Part => "http.unasked_part",
            Self::Whole => "http.range_cut",
            Self::Pieces { .. } => "http.range_in_pieces",
            Self::PastEnd { .. } => "http.range_past_end",
        }
    }
}

impl std::fmt::Display for Oddity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Coding(coding) => {
                write!(
                    f,
                    "the server says that the content coding is '{coding}', and sends the content as it is"
                )
            }
            Self::Gzip => f.write_str("the server sends gzip and does not say so; it is undone"),
            Self::Part => f.write_str("the server sends all of it as a part (206) that was not asked for"),
            Self::Whole => f.write_str("the server sends all of a file for each part of it"),
            Self::Pieces { .. } => {
                f.write_str("the server sends less than is asked for, so the rest is asked for again")
            }
            Self::PastEnd { end } => {
                write!(f, "the resource ends at byte {end}, before the range that the playlist names does")
            }
        }
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

//! The log of requests.

use std::sync::OnceLock;
use std::time::Duration;

use super::head::Head;
use super::shared::Counter;

/// One request that an origin received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// Path, without the query.
    pub path: String,
    /// What follows the `?`, empty if there is none.
    pub query: String,
    /// The target as it was sent: an absolute URL where the client takes the origin for its proxy.
    pub target: String,
    /// Method.
    pub method: String,
    /// Header names in lower case, with their values, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// Which request for this path it is, from 1.
    pub attempt: u32,
    /// Number of the connection it came on, from 1.
    pub connection: u64,
    /// When it came, from the start of the origin.
    pub at: Duration,
    /// Status it was answered with, if any yet.
    pub status: Option<u16>,
    /// Body bytes handed to the socket so far.
    pub body_bytes_sent: u64,
    /// When the answer ended, whichever way, from the start of the origin.
    pub ended: Option<Duration>,
}

impl Request {
    /// Returns the first value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A request together with what still changes about it.
#[derive(Debug)]
pub(super) struct Entry {
    request: Request,
    pub(super) body_bytes: Counter,
    pub(super) status: OnceLock<u16>,
    pub(super) ended: OnceLock<Duration>,
}

impl Entry {
    pub(super) fn new(head: Head, attempt: u32, connection: u64, at: Duration) -> Self {
        let request = Request {
            path: head.path,
            query: head.query,
            target: head.target,
            method: head.method,
            headers: head.headers,
            attempt,
            connection,
            at,
            status: None,
            body_bytes_sent: 0,
            ended: None,
        };
        Self { request, body_bytes: Counter::default(), status: OnceLock::new(), ended: OnceLock::new() }
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn snapshot(&self) -> Request {
        Request {
            status: self.status.get().copied(),
            body_bytes_sent: self.body_bytes.get(),
            ended: self.ended.get().copied(),
            ..self.request.clone()
        }
    }
}

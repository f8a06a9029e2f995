//! Bodies: chunks as they arrive.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::Error;

/// The bytes of an answer, as they arrive.
///
/// The end (`Ok(None)`) is reported only when everything that was announced has been received.
pub trait Body: Send {
    /// Returns the next chunk, or `None` at the verified end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>>;
}

/// A boxed [`Body`]. Dropping it abandons the transfer.
pub struct BoxBody(Box<dyn Body>);

impl BoxBody {
    /// Boxes a body.
    #[must_use]
    pub fn new(body: impl Body + 'static) -> Self {
        Self(Box::new(body))
    }

    /// Waits for the next chunk; `None` at the verified end.
    ///
    /// # Errors
    /// Whatever ended the transfer early.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.0.poll_chunk(cx)).await
    }
}

impl Body for BoxBody {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        self.0.poll_chunk(cx)
    }
}

impl fmt::Debug for BoxBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxBody")
    }
}

/// A body of chunks that are already here; for tests and for local sources.
#[derive(Debug, Default)]
pub struct Chunks(std::collections::VecDeque<Bytes>);

impl FromIterator<Bytes> for Chunks {
    fn from_iter<T: IntoIterator<Item = Bytes>>(chunks: T) -> Self {
        Self(chunks.into_iter().collect())
    }
}

impl Body for Chunks {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        Poll::Ready(Ok(self.0.pop_front()))
    }
}

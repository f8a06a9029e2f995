//! A range that a server sends in pieces smaller than what was asked for (RFC 9110 section 15.3.7 lets it): the rest is asked
//! for behind each piece, and has to be of the same representation.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::Client;
use crate::{Body, BoxBody, ByteRange, Error, Kind, Oddity, Request, Response};

/// An answer on its way.
type Coming = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// What was asked for, in pieces.
struct InPieces {
    client: Client,
    request: Request,
    body: BoxBody,
    /// The piece that has been asked for.
    coming: Option<Coming>,
    next: u64,
    end: u64,
    etag: Option<String>,
    last_modified: Option<String>,
    total: Option<u64>,
}

/// An answer whose body goes on behind its first piece, which ends at `next`.
pub(super) fn joined(client: Client, request: Request, mut first: Response, next: u64) -> Response {
    let Some(asked) = request.range else { return first };
    let end = asked.end.unwrap_or(u64::MAX).min(first.total.unwrap_or(u64::MAX));
    let body = std::mem::replace(&mut first.body, BoxBody::new(crate::Chunks::default()));
    first.length = Some(end.saturating_sub(asked.start));
    first.body = BoxBody::new(InPieces {
        client,
        request,
        body,
        coming: None,
        next,
        end,
        etag: first.etag.clone(),
        last_modified: first.last_modified.clone(),
        total: first.total,
    });
    first
}

impl InPieces {
    fn ask(&mut self) {
        let mut request = self.request.clone();
        request.range = Some(ByteRange { start: self.next, end: Some(self.end) });
        request.if_range = self.etag.clone().filter(|tag| tag.starts_with('"'));
        let client = self.client.clone();
        self.coming = Some(Box::pin(async move { client.once(request).await }));
    }

    fn take(&mut self, piece: Response) -> Result<(), Error> {
        let is_same = piece.status == 206
            && piece.total == self.total
            && piece.etag == self.etag
            && piece.last_modified == self.last_modified;
        if !is_same {
            let want = format!("the rest of {} bytes, from {} on", self.end, self.next);
            let got = "a part of another file".to_owned();
            return Err(Error::new(Kind::RangeMismatch { want, got }).at(&self.request.url));
        }
        self.next = match piece.oddity {
            Some(Oddity::Pieces { end }) => end,
            _ => self.end,
        };
        self.body = piece.body;
        Ok(())
    }
}

impl Body for InPieces {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if let Some(coming) = &mut self.coming {
                let piece = ready!(coming.as_mut().poll(cx));
                self.coming = None;
                self.take(piece?)?;
            }
            match ready!(self.body.poll_chunk(cx))? {
                None if self.next < self.end => self.ask(),
                chunk => return Poll::Ready(Ok(chunk)),
            }
        }
    }
}

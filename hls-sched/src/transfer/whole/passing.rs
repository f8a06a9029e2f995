//! A body that holds all of a resource, and the part that is being read from it.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hls_fetch::{Body, BoxBody, ByteRange, Chunks, Error, Kind, Oddity, Response};
use url::Url;

use super::Ticket;

/// An answer that holds all of a resource, as far as it has come.
pub(super) struct Passing {
    answer: Response,
    /// Bytes that came in one piece with the end of the part before.
    left_over: Bytes,
    pub(super) position: u64,
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passing").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Passing {
    pub(super) fn new(answer: Response) -> Self {
        Self { answer, left_over: Bytes::new(), position: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.answer.total.is_some_and(|total| self.position >= total)
    }

    /// The next bytes, `most` of them at most. `None`: there are no more.
    fn poll_next(&mut self, most: u64, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        while self.left_over.is_empty() {
            match ready!(self.answer.body.poll_chunk(cx))? {
                Some(chunk) => self.left_over = chunk,
                None => return Poll::Ready(Ok(None)),
            }
        }
        let len = usize::try_from(most).unwrap_or(usize::MAX).min(self.left_over.len());
        let taken = self.left_over.split_to(len);
        self.position += taken.len() as u64;
        Poll::Ready(Ok(Some(taken)))
    }
}

/// A part that is being read.
pub(super) struct Reading {
    /// `None`: it is read to its end.
    from: Option<(Ticket, Passing)>,
    start: u64,
    end: u64,
    asked: ByteRange,
    url: Url,
    got: u64,
}

impl Reading {
    pub(super) fn new(ticket: Ticket, passing: Passing, asked: ByteRange) -> Self {
        let end = asked.end.unwrap_or(u64::MAX).min(passing.answer.total.unwrap_or(u64::MAX));
        let url = passing.answer.url.clone();
        Self { from: Some((ticket, passing)), start: asked.start, end, asked, url, got: 0 }
    }

    pub(super) fn is_before_part(&self) -> bool {
        self.from.as_ref().is_some_and(|(_, passing)| passing.position < self.start)
    }

    /// Reads some of what is before the part; returns how much.
    pub(super) async fn pass_over(&mut self) -> Result<u64, Error> {
        let start = self.start;
        let passed = poll_fn(|cx| self.poll_until(start, cx)).await?;
        Ok(passed.map_or(0, |chunk| chunk.len() as u64))
    }

    /// The next bytes before this offset.
    fn poll_until(&mut self, until: u64, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let Some((ticket, passing)) = &mut self.from else { return Poll::Ready(Ok(None)) };
        let next = ready!(passing.poll_next(until.saturating_sub(passing.position), cx));
        ticket.position = passing.position;
        match next {
            Ok(None) => {
                self.from = None;
                let cut = Kind::Truncated { got: self.got, want: self.asked.length() };
                Poll::Ready(Err(Error::new(cut).at(&self.url)))
            }
            Err(error) => {
                self.from = None;
                Poll::Ready(Err(error))
            }
            next => Poll::Ready(next),
        }
    }

    /// Leaves the rest to others.
    fn end(&mut self) {
        if let Some((ticket, passing)) = self.from.take() {
            ticket.has_read(passing);
        }
    }

    /// The answer that the part is.
    pub(super) fn into_part(self) -> Response {
        let length = (self.end < u64::MAX).then(|| self.end - self.start);
        let is_past = self.asked.end.is_some_and(|end| self.end < end);
        let empty = BoxBody::new(Chunks::default());
        let mut part = Response::new(206, self.url.clone(), length, empty);
        if let Some((_, Passing { answer: whole, .. })) = &self.from {
            part.content_type.clone_from(&whole.content_type);
            part.strong_etag.clone_from(&whole.strong_etag);
            part.etag.clone_from(&whole.etag);
            part.last_modified.clone_from(&whole.last_modified);
            part.total = whole.total;
        }
        part.oddity = Some(if is_past { Oddity::PastEnd { end: self.end } } else { Oddity::Whole });
        part.body = BoxBody::new(self);
        part
    }
}

impl Body for Reading {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let left = self.end - self.start - self.got;
        if left == 0 || self.from.is_none() {
            self.end();
            return Poll::Ready(Ok(None));
        }
        let chunk = ready!(self.poll_until(self.end, cx))?;
        self.got += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.got == self.end - self.start {
            self.end();
        }
        Poll::Ready(Ok(chunk))
    }
}

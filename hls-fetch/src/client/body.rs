//! A body that knows how long it has to be and notices when it hardly moves.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use tokio::time::{Instant, Sleep};
use url::Url;

use super::classify;
use super::lane::Seat;
use super::patience::is_missed;
use crate::{Body, Error, Kind};

/// Below this rate a transfer counts as stalled.
const LOWEST_RATE: u64 = 1024;
/// A piece below this size waits for others that are here already: HTTP/2 brings some 8 KiB at a time, and each piece has its
/// price in whoever takes it.
const SMALL: usize = 32 << 10;
/// Pieces are joined up to this size.
const JOINED: usize = 128 << 10;

pub(super) struct TransferBody {
    body: reqwest::Body,
    url: Url,
    received: u64,
    want: Option<u64>,
    limit: u64,
    watch: StallWatch,
    timer: Option<Pin<Box<Sleep>>>,
    /// How it ended behind pieces that were joined.
    end: Option<Result<(), Error>>,
    /// Last, so that it is given back when the transfer has gone.
    _seat: Seat,
}

impl TransferBody {
    pub(super) fn new(
        body: reqwest::Body,
        seat: Seat,
        url: Url,
        want: Option<u64>,
        limit: u64,
        stall: Duration,
    ) -> Self {
        Self {
            body,
            url,
            received: 0,
            want,
            limit,
            watch: StallWatch::new(stall),
            timer: None,
            end: None,
            _seat: seat,
        }
    }

    fn error(&self, kind: Kind) -> Error {
        Error::new(kind).at(&self.url)
    }

    fn arrived(&mut self, chunk: &Bytes) -> Result<(), Error> {
        self.watch.arrived(chunk.len() as u64, Instant::now());
        self.received += chunk.len() as u64;
        if self.received > self.limit {
            return Err(self.error(Kind::TooLarge { limit: self.limit }));
        }
        match self.want {
            Some(want) if self.received > want => Err(self.error(Kind::Protocol)),
            _ => Ok(()),
        }
    }

    /// The next piece, as it comes.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            return match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers carry no bytes.
                    let Ok(piece) = frame.into_data() else { continue };
                    Poll::Ready(self.arrived(&piece).map(|()| Some(piece)))
                }
                Poll::Ready(Some(Err(error))) => {
                    Poll::Ready(Err(classify::cut(error, &self.url, self.received, self.want)))
                }
                Poll::Ready(None) => {
                    let short = self.want.is_some_and(|want| self.received < want);
                    let cut = Kind::Truncated { got: self.received, want: self.want };
                    Poll::Ready(if short { Err(self.error(cut)) } else { Ok(None) })
                }
                Poll::Pending => Poll::Pending,
            };
        }
    }

    /// Adds what is here already to a small piece.
    fn joined(&mut self, first: Bytes, cx: &mut Context<'_>) -> Bytes {
        let mut joined = BytesMut::new();
        while first.len().max(joined.len()) < JOINED {
            match self.poll_piece(cx) {
                Poll::Ready(Ok(Some(piece))) => {
                    if joined.is_empty() {
                        joined.reserve(JOINED);
                        joined.extend_from_slice(&first);
                    }
                    joined.extend_from_slice(&piece);
                }
                Poll::Ready(ended) => {
                    self.end = Some(ended.map(drop));
                    break;
                }
                Poll::Pending => break,
            }
        }
        if joined.is_empty() { first } else { joined.freeze() }
    }
}

impl Body for TransferBody {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(end.map(|()| None));
        }
        loop {
            match self.poll_piece(cx) {
                Poll::Ready(Ok(Some(piece))) if piece.len() < SMALL => {
                    return Poll::Ready(Ok(Some(self.joined(piece, cx))));
                }
                Poll::Ready(ready) => return Poll::Ready(ready),
                Poll::Pending => {}
            }
            let deadline = self.watch.waiting(Instant::now());
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            return match timer.as_mut().poll(cx) {
                Poll::Ready(()) if is_missed(deadline, Instant::now()) => {
                    self.watch.begin_anew();
                    continue;
                }
                Poll::Ready(()) => Poll::Ready(Err(self.error(Kind::Stall { after: self.watch.allowed }))),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}

/// Counts only the time spent waiting for the server: a pause on our side is no stall.
#[derive(Debug)]
struct StallWatch {
    allowed: Duration,
    enough: u64,
    waited: Duration,
    bytes: u64,
    since: Option<Instant>,
}

impl StallWatch {
    fn new(allowed: Duration) -> Self {
        let enough = LOWEST_RATE.saturating_mul(allowed.as_secs().max(1));
        Self { allowed, enough, waited: Duration::ZERO, bytes: 0, since: None }
    }

    /// Waiting now; returns when that becomes a stall.
    fn waiting(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        since + self.allowed.saturating_sub(self.waited)
    }

    /// Nobody was there to wait.
    fn begin_anew(&mut self) {
        (self.since, self.bytes, self.waited) = (None, 0, Duration::ZERO);
    }

    fn arrived(&mut self, bytes: u64, now: Instant) {
        if self.since.is_some() && is_missed(self.waiting(now), now) {
            self.begin_anew();
        }
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        self.bytes += bytes;
        if self.bytes >= self.enough {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_counts_and_enough_bytes_start_anew() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut watch = StallWatch::new(30 * second);
        assert_eq!(watch.waiting(start), start + 30 * second);
        watch.arrived(100, start + 10 * second);
        // An hour of pause on our side.
        let later = start + 3600 * second;
        assert_eq!(watch.waiting(later), later + 20 * second);
        watch.arrived(30 * 1024, later + 5 * second);
        assert_eq!(watch.waiting(later + 5 * second), later + 35 * second);
        // Bytes come long after the time was over, and nobody had noticed that it was.
        watch.arrived(1, later + 100 * second);
        assert_eq!(watch.waiting(later + 101 * second), later + 131 * second);
    }
}

//! What a server has coded without being asked: gzip, undone under a cap.

use std::io::{self, Write};
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use url::Url;

use crate::{Body, BoxBody, Error, Kind};

/// More than this much text for each byte of code is an attack, once there is enough to judge by.
pub(super) const MOST_RATIO: u64 = 100;
pub(super) const ENOUGH: u64 = 1 << 20;

/// Code that is undone at once: no step makes more than a thousand times that.
const STEP: usize = 4 << 10;

/// A body without its coding; its end is judged by the length and the checksum that gzip carries (RFC 1952).
pub(super) struct Gunzipped {
    body: BoxBody,
    url: Url,
    decoder: MultiGzDecoder<Bounded>,
    code: Bytes,
    taken: u64,
    limit: u64,
    ended: bool,
}

impl Gunzipped {
    pub(super) fn new(body: BoxBody, url: Url, limit: u64) -> Self {
        let decoder = MultiGzDecoder::new(Bounded { text: Vec::new(), made: 0, bound: 0 });
        Self { body, url, decoder, code: Bytes::new(), taken: 0, limit, ended: false }
    }

    /// Undoes the next piece of the code that is here.
    fn step(&mut self) -> Result<Bytes, Error> {
        let piece = self.code.split_to(self.code.len().min(STEP));
        self.taken += piece.len() as u64;
        self.decoder.get_mut().bound = self.limit.min(ENOUGH.max(self.taken.saturating_mul(MOST_RATIO)));
        self.decoder.write_all(&piece).map_err(|e| self.failed(e))?;
        Ok(self.text())
    }

    fn finish(&mut self) -> Result<Bytes, Error> {
        self.decoder.try_finish().map_err(|e| self.failed(e))?;
        self.ended = true;
        Ok(self.text())
    }

    fn text(&mut self) -> Bytes {
        std::mem::take(&mut self.decoder.get_mut().text).into()
    }

    fn failed(&self, error: io::Error) -> Error {
        let bounded = self.decoder.get_ref();
        let kind = match error.kind() {
            io::ErrorKind::FileTooLarge => Kind::TooLarge { limit: bounded.bound },
            _ => Kind::Coded("gzip".to_owned()),
        };
        let error = Error::new(kind).at(&self.url).caused_by(error);
        match error.kind() {
            Kind::Coded(_) => error.with_detail("the code is damaged"),
            _ => error.with_detail("once its gzip is undone"),
        }
    }
}

impl Body for Gunzipped {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        while !self.ended {
            let text = if self.code.is_empty() {
                match self.body.poll_chunk(cx) {
                    Poll::Ready(Ok(Some(code))) => {
                        self.code = code;
                        continue;
                    }
                    Poll::Ready(Ok(None)) => self.finish()?,
                    other => return other,
                }
            } else {
                self.step()?
            };
            if !text.is_empty() {
                return Poll::Ready(Ok(Some(text)));
            }
        }
        Poll::Ready(Ok(None))
    }
}

/// Takes what is decoded, up to a bound.
#[derive(Debug)]
struct Bounded {
    text: Vec<u8>,
    made: u64,
    bound: u64,
}

impl Write for Bounded {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.made += text.len() as u64;
        if self.made > self.bound {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! What a server has coded with deflate, undone under a cap: as zlib (RFC 1950), or as some servers send it, without its frame.

use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use url::Url;

use super::gzip::{ENOUGH, MOST_RATIO};
use crate::{Body, BoxBody, Error, Kind};

/// Text that is made in one step, at most.
const STEP: usize = 64 << 10;
/// So many letters are no code by chance.
const TEXT: usize = 7;

/// Whether these are the first bytes of zlib (RFC 1950 section 2.2).
pub(super) fn is_zlib(first: &[u8]) -> bool {
    matches!(first, [method, flags, ..]
        if method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([*method, *flags]) % 31 == 0 && flags & 0x20 == 0)
}

/// Whether these can be the first bytes of deflate without a frame: what is not is found out within some bytes.
pub(super) fn is_raw(first: &[u8]) -> bool {
    // Text reads as codes for a while.
    let is_text = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
    if first.len() >= TEXT && first.iter().take(TEXT).all(is_text) {
        return false;
    }
    let (mut inner, mut text) = (Decompress::new(false), Vec::with_capacity(STEP));
    let undone = inner.decompress_vec(first, &mut text, FlushDecompress::None);
    match undone {
        Ok(Status::StreamEnd) => inner.total_in() == first.len() as u64 && !text.is_empty(),
        Ok(_) => !text.is_empty(),
        Err(_) => false,
    }
}

/// A body without its coding. It has to reach the end of the code, and nothing may follow.
pub(super) struct Inflated {
    body: BoxBody,
    url: Url,
    inner: Decompress,
    code: Bytes,
    limit: u64,
    ended: bool,
}

impl Inflated {
    pub(super) fn new(body: BoxBody, url: Url, has_frame: bool, limit: u64) -> Self {
        Self { body, url, inner: Decompress::new(has_frame), code: Bytes::new(), limit, ended: false }
    }

    /// Undoes some of the code that is here.
    fn step(&mut self) -> Result<Bytes, Error> {
        let damaged = || self.error(Kind::Coded("deflate".to_owned())).with_detail("the code is damaged");
        if self.ended {
            return Err(damaged());
        }
        let (before, mut text) = (self.inner.total_in(), Vec::with_capacity(STEP));
        let status = self
            .inner
            .decompress_vec(&self.code, &mut text, FlushDecompress::None)
            .map_err(|error| self.error(Kind::Coded("deflate".to_owned())).caused_by(error))?;
        let used = usize::try_from(self.inner.total_in() - before).unwrap_or(self.code.len());
        if used == 0 && text.is_empty() && status != Status::StreamEnd {
            return Err(self.error(Kind::Coded("deflate".to_owned())).with_detail("the code is damaged"));
        }
        self.code = self.code.split_off(used.min(self.code.len()));
        self.ended = status == Status::StreamEnd;
        let limit = self.limit.min(ENOUGH.max(self.inner.total_in().saturating_mul(MOST_RATIO)));
        match self.inner.total_out() > limit {
            true => Err(self.error(Kind::TooLarge { limit }).with_detail("once its deflate is undone")),
            false => Ok(text.into()),
        }
    }

    fn error(&self, kind: Kind) -> Error {
        Error::new(kind).at(&self.url)
    }
}

impl Body for Inflated {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if self.code.is_empty() {
                match self.body.poll_chunk(cx) {
                    Poll::Ready(Ok(Some(code))) => self.code = code,
                    Poll::Ready(Ok(None)) if !self.ended => {
                        let cut = self.error(Kind::Coded("deflate".to_owned()));
                        return Poll::Ready(Err(cut.with_detail("the code is cut")));
                    }
                    other => return other,
                }
                continue;
            }
            let text = self.step()?;
            if !text.is_empty() {
                return Poll::Ready(Ok(Some(text)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};

    use super::*;
    use crate::Chunks;

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut code = ZlibEncoder::new(Vec::new(), Compression::default());
        code.write_all(text).unwrap();
        code.finish().unwrap()
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut code = DeflateEncoder::new(Vec::new(), Compression::default());
        code.write_all(text).unwrap();
        code.finish().unwrap()
    }

    #[test]
    fn what_is_not_deflate_is_told_by_its_first_bytes() {
        let text: Vec<u8> = (0..9000_u32).map(|n| ((n * n) >> 5) as u8).collect();
        for (bytes, frame, without) in [
            (zlib(&text), true, false),
            (raw(&text), false, true),
            (raw(b"#EXTM3U\n"), false, true),
            (b"#EXTM3U\n#EXT-X-VERSION:3\n".to_vec(), false, false),
            (b"WEBVTT\n\n00:00".to_vec(), false, false),
            ([&[0x47, 0x40, 0x11, 0x10][..], &[0xff; 184]].concat(), false, false),
            (b"\0\0\0\x18ftypiso6\0\0\0\0".to_vec(), false, false),
            (b"ID3\x04\0\0\0\0\0?PRIV".to_vec(), false, false),
            (vec![0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc, 0x21], false, false),
            (Vec::new(), false, false),
        ] {
            assert_eq!(
                (is_zlib(&bytes), !is_zlib(&bytes) && is_raw(&bytes)),
                (frame, without),
                "{:?}",
                bytes.get(..4)
            );
        }
    }

    #[tokio::test]
    async fn only_a_whole_code_is_undone() {
        let text = vec![b'x'; 300_000];
        let whole = zlib(&text);
        for (code, has_frame, limit, expect) in [
            (whole.clone(), true, u64::MAX, None),
            (raw(&text), false, u64::MAX, None),
            (whole[..whole.len() - 1].to_vec(), true, u64::MAX, Some("http.coded")),
            ([&whole[..], b"more"].concat(), true, u64::MAX, Some("http.coded")),
            (raw(&text), true, u64::MAX, Some("http.coded")),
            (whole.clone(), true, 299_999, Some("limit.size")),
            (zlib(&vec![0; 32 << 20]), true, u64::MAX, Some("limit.size")),
        ] {
            for size in [1, 7, code.len()] {
                let chunks: Chunks = code.chunks(size).map(Bytes::copy_from_slice).collect();
                let url = "http://h/".parse().unwrap();
                let mut body = BoxBody::new(Inflated::new(BoxBody::new(chunks), url, has_frame, limit));
                let mut all = Vec::new();
                let ended = loop {
                    match body.next().await {
                        Ok(Some(chunk)) => all.extend_from_slice(&chunk),
                        Ok(None) => break None,
                        Err(error) => break Some(error.code()),
                    }
                };
                assert_eq!(ended, expect);
                assert!(expect.is_some() || all == text);
            }
        }
    }
}

//! The part that was asked for, cut out of a whole that was sent instead.

use std::task::{Context, Poll};

use bytes::Bytes;
use url::Url;

use crate::{Body, BoxBody, Error, Kind};

/// Bytes before a part that are read and thrown away, at most.
pub(super) const WASTE: u64 = 64 << 20;

pub(super) struct Slice {
    body: BoxBody,
    url: Url,
    /// Bytes still to come before the part.
    skip: u64,
    /// Bytes of the part still to come; `None`: to the end.
    left: Option<u64>,
    got: u64,
}

impl Slice {
    pub(super) fn new(body: BoxBody, url: Url, skip: u64, length: Option<u64>) -> Self {
        Self { body, url, skip, left: length, got: 0 }
    }

    fn cut(&mut self, mut chunk: Bytes) -> Bytes {
        let skipped = self.skip.min(chunk.len() as u64);
        self.skip -= skipped;
        // No more than a chunk has, so it fits.
        let mut kept = chunk.split_off(skipped as usize);
        if let Some(left) = &mut self.left {
            kept.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= kept.len() as u64;
        }
        self.got += kept.len() as u64;
        kept
    }
}

impl Body for Slice {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if self.left == Some(0) {
                return Poll::Ready(Ok(None));
            }
            match self.body.poll_chunk(cx) {
                Poll::Ready(Ok(Some(chunk))) => {
                    let kept = self.cut(chunk);
                    if !kept.is_empty() {
                        return Poll::Ready(Ok(Some(kept)));
                    }
                }
                Poll::Ready(Ok(None)) if self.skip > 0 || self.left.is_some() => {
                    let want = self.left.map(|left| left + self.got);
                    let cut = Kind::Truncated { got: self.got, want };
                    return Poll::Ready(Err(Error::new(cut).at(&self.url)));
                }
                end => return end,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chunks;

    async fn read(chunks: &[&'static str], skip: u64, length: Option<u64>) -> Result<String, Error> {
        let body: Chunks = chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())).collect();
        let url = "http://h/".parse().unwrap();
        let mut slice = BoxBody::new(Slice::new(BoxBody::new(body), url, skip, length));
        let mut all = String::new();
        while let Some(chunk) = slice.next().await? {
            assert!(!chunk.is_empty());
            all.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn slices() {
        for chunks in [&["0123456789"][..], &["0", "123", "45", "6789"], &["0123", "", "456789"]] {
            for (skip, length, expect) in [
                (0, Some(10), Some("0123456789")),
                (3, Some(4), Some("3456")),
                (4, Some(1), Some("4")),
                (4, Some(0), Some("")),
                (9, None, Some("9")),
                (10, None, Some("")),
                (11, None, None),
                (9, Some(2), None),
                (12, Some(2), None),
            ] {
                let got = read(chunks, skip, length).await;
                assert_eq!(got.as_deref().ok(), expect, "{chunks:?} {skip} {length:?}");
                assert!(got.is_ok() || got.is_err_and(|e| e.code() == "http.truncated"));
            }
        }
    }
}

//! What a URL itself holds.

use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{Body, BoxBody, Error, Kind, Request, Response};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes that a `data` URL holds (RFC 2397). `None`: it is another one, or can't be read.
///
/// No request can be made for such a URL; a steering manifest may stand in its playlist this way.
#[must_use]
pub fn inline(url: &Url) -> Option<Vec<u8>> {
    if url.scheme() != "data" {
        return None;
    }
    // What looks like a query is data too; a fragment is not.
    let (kind, data) = url[url::Position::BeforePath..url::Position::AfterQuery].split_once(',')?;
    let bytes: Vec<u8> = percent_decode_str(data).collect();
    if !kind.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64")) {
        return Some(bytes);
    }
    let text: Vec<u8> = bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let read = BASE64.decode(&text).or_else(|_| general_purpose::URL_SAFE_NO_PAD.decode(&text));
    read.ok()
}

/// The answer to a request for a `data` URL; `None`: it is for another one. Limits and ranges hold as for any other.
pub(crate) fn answered(request: &Request) -> Option<Result<Response, Error>> {
    let url = &request.url;
    if url.scheme() != "data" {
        return None;
    }
    let failed = |kind| Some(Err(Error::new(kind).at(url)));
    let Some(bytes) = inline(url) else {
        return failed(Kind::File("the data in the URL can't be read".into()));
    };
    let size = bytes.len() as u64;
    let (start, end) = request.range.map_or((0, size), |r| (r.start, r.end.unwrap_or(size)));
    let part = usize::try_from(start)
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(start, end)| bytes.get(start..end));
    let Some(part) = part else {
        let want = request.range.map(|r| r.header()).unwrap_or_default();
        return failed(Kind::RangeMismatch { want, got: format!("{size} bytes in the URL") });
    };
    let length = part.len() as u64;
    if let Some(limit) = request.max_bytes.filter(|limit| length > *limit) {
        return failed(Kind::TooLarge { limit });
    }
    let body = BoxBody::new(Inline(Some(Bytes::copy_from_slice(part)).filter(|part| !part.is_empty())));
    let status = if request.range.is_some() { 206 } else { 200 };
    let mut response = Response::new(status, url.clone(), Some(length), body);
    response.total = request.range.map(|_| size);
    Some(Ok(response))
}

/// A body that is here.
struct Inline(Option<Bytes>);

impl Body for Inline {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        Poll::Ready(Ok(self.0.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ByteRange;

    #[test]
    fn data_is_read_as_it_is_meant() {
        for (url, expect) in [
            ("data:,hello%20there", Some(&b"hello there"[..])),
            ("data:text/plain;charset=utf-8,a?b=c#d", Some(b"a?b=c")),
            (
                "data:text/plain;base64,AAECAwQFBgcICQoLDA0ODw==",
                Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
            ),
            ("data:;BASE64,AAECAw", Some(&[0, 1, 2, 3])),
            ("data:;base64,AA%0AEC%20Aw%3D%3D", Some(&[0, 1, 2, 3])),
            ("data:;base64,_-8", Some(&[0xff, 0xef])),
            ("data:,", Some(b"")),
            ("data:text/plain;base64", None),
            ("data:;base64,A", None),
            ("data:;base64,%ff%fe", None),
            ("https://h/,hello", None),
        ] {
            assert_eq!(inline(&url.parse().unwrap()).as_deref(), expect, "{url}");
        }
    }

    #[test]
    fn limits_and_ranges_hold() {
        let ask = |text: &str| Request::get(text.parse().unwrap());
        let code = |request: Request| match answered(&request) {
            None => "of another".to_owned(),
            Some(Ok(answer)) => format!("{} {:?}", answer.status, answer.length),
            Some(Err(error)) => error.code().to_owned(),
        };
        assert_eq!(code(ask("https://h/x")), "of another");
        assert_eq!(code(ask("data:,hello")), "200 Some(5)");
        assert_eq!(code(ask("data:,hello").range(ByteRange::new(1, 3))), "206 Some(3)");
        assert_eq!(code(ask("data:,hello").range(ByteRange::new(3, 3))), "http.range_mismatch");
        assert_eq!(code(ask("data:,hello").at_most(4)), "limit.size");
        assert!(answered(&ask("data:;base64,A")).is_some_and(|answer| answer.is_err()));
    }
}

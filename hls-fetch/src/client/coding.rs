//! How a body is coded: by what its head says, and by its first bytes where that can't be (RFC 9110 section 8.4).

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};

use super::gzip::Gunzipped;
use super::inflate::{Inflated, is_raw, is_zlib};
use crate::{Body, BoxBody, Error, Oddity, Request, Response, escaped};

/// The content codings that are registered and mean that bytes are other ones (RFC 9110 section 16.6.1). Whatever else servers
/// name there changes nothing: media types, character sets, how a file was uploaded.
const REGISTERED: [&str; 12] = [
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "pack200-gzip",
    "x-compress",
    "x-gzip",
    "zstd",
];
/// Bytes that tell a coding.
const TELLING: usize = 3;
/// And those that tell deflate without a frame, which has a table of codes in front.
const TELLING_RAW: usize = 512;

/// What the head of an answer says of its coding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// None.
    Plain,
    /// Something that is no coding.
    Meaningless(String),
    Gzip,
    /// As zlib, without its frame, or not at all: servers mean all of that by it.
    Deflate,
    /// One that can't be undone here.
    Unknown(String),
}

impl Coding {
    pub(super) fn of(fields: &HeaderMap) -> Self {
        if !fields.contains_key(header::CONTENT_ENCODING) {
            return Self::Plain;
        }
        let said: Vec<_> = fields
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        let said = said.join(", ");
        let named: Vec<_> = said.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        let real: Vec<_> = named.iter().filter(|name| REGISTERED.contains(&name.as_str())).collect();
        match real.as_slice() {
            [] if named.iter().any(|name| name != "identity") => Self::Meaningless(escaped(said.trim(), 20)),
            [] => Self::Plain,
            [one] if one.as_str() == "gzip" || one.as_str() == "x-gzip" => Self::Gzip,
            [one] if one.as_str() == "deflate" => Self::Deflate,
            _ => Self::Unknown(escaped(said.trim(), 20)),
        }
    }

    /// Makes the body of an answer what it was before it was coded.
    ///
    /// # Errors
    /// What fails before the first bytes have come, where those have to tell.
    pub(super) async fn undo(
        self,
        request: &Request,
        mut response: Response,
        limit: u64,
    ) -> Result<Response, Error> {
        let is_whole = request.range.is_none();
        match self {
            Self::Gzip => {
                return Ok(coded(response, |body, url| BoxBody::new(Gunzipped::new(body, url, limit))));
            }
            Self::Meaningless(name) => response.oddity = response.oddity.or(Some(Oddity::Coding(name))),
            // A part of the code is of no use: whether this is one is for whoever knows what it should be.
            Self::Deflate if !is_whole => response.oddity = Some(Oddity::Coding("deflate".to_owned())),
            Self::Deflate => {
                let first = peek(&mut response, TELLING_RAW).await?;
                if is_zlib(&first) || is_raw(&first) {
                    let has_frame = is_zlib(&first);
                    return Ok(coded(response, |body, url| {
                        BoxBody::new(Inflated::new(body, url, has_frame, limit))
                    }));
                }
                response.oddity = Some(Oddity::Coding("deflate".to_owned()));
            }
            Self::Plain | Self::Unknown(_) => {}
        }
        if request.undo_gzip && is_whole && is_gzip(&peek(&mut response, TELLING).await?) {
            response = coded(response, |body, url| BoxBody::new(Gunzipped::new(body, url, limit)));
            response.oddity = Some(Oddity::Gzip);
        }
        Ok(response)
    }
}

/// An answer whose body is undone. Length and tag are those of the code, and say nothing about parts without it.
fn coded(mut response: Response, undone: impl FnOnce(BoxBody, url::Url) -> BoxBody) -> Response {
    response.body = undone(response.body, response.url.clone());
    (response.length, response.strong_etag, response.total) = (None, None, None);
    response.digest = None;
    response
}

/// Whether these are the first bytes of gzip whose flags are possible (RFC 1952 section 2.3.1).
fn is_gzip(first: &[u8]) -> bool {
    matches!(first, [0x1f, 0x8b, 8, rest @ ..] if rest.first().is_none_or(|flags| flags & 0xe0 == 0))
}

/// The first bytes of a body, at least `least` of them where it has as many; they stay in it.
async fn peek(response: &mut Response, least: usize) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    while first.len() < least {
        let Some(chunk) = response.body.next().await? else { break };
        first = match first.is_empty() {
            true => chunk,
            false => {
                let mut both = BytesMut::from(&first[..]);
                both.extend_from_slice(&chunk);
                both.freeze()
            }
        };
    }
    let rest = std::mem::replace(&mut response.body, BoxBody::new(crate::Chunks::default()));
    response.body = BoxBody::new(Rejoined { first: first.clone(), rest });
    Ok(first)
}

/// A body whose first bytes have been looked at.
struct Rejoined {
    first: Bytes,
    rest: BoxBody,
}

impl Body for Rejoined {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        match self.first.is_empty() {
            false => Poll::Ready(Ok(Some(std::mem::take(&mut self.first)))),
            true => self.rest.poll_chunk(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_registered_is_a_coding() {
        let meaningless = |name: &str| Coding::Meaningless(name.to_owned());
        let unknown = |name: &str| Coding::Unknown(name.to_owned());
        for (values, expect) in [
            (&[][..], Coding::Plain),
            (&["identity"], Coding::Plain),
            (&["Identity", "identity"], Coding::Plain),
            (&[""], meaningless("")),
            (&["none"], meaningless("none")),
            (&["UTF-8"], meaningless("UTF-8")),
            (&["aws-chunked"], meaningless("aws-chunked")),
            (&["binary, identity"], meaningless("binary, identity")),
            (&["gzip"], Coding::Gzip),
            (&["X-GZIP"], Coding::Gzip),
            (&["aws-chunked,gzip"], Coding::Gzip),
            (&["gzip", "utf-8"], Coding::Gzip),
            (&["deflate"], Coding::Deflate),
            (&["br"], unknown("br")),
            (&["zstd, utf-8"], unknown("zstd, utf-8")),
            (&["gzip, gzip"], unknown("gzip, gzip")),
            (&["gzip", "deflate"], unknown("gzip, deflate")),
        ] {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(Coding::of(&fields), expect, "{values:?}");
        }
    }
}

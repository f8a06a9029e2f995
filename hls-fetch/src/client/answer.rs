//! What the head of an answer has to be, and what its body then is.

use std::time::Duration;

use http::{HeaderMap, header};
use url::Url;

use super::body::TransferBody;
use super::content_range::ContentRange;
use super::gzip::Gunzipped;
use super::lane::Seat;
use super::slice::{Slice, WASTE};
use crate::{BoxBody, ByteRange, Error, Kind, Request, Response, escaped};

/// A head larger than this is an attack; the transport holds a few times as much at most.
pub(super) const LARGEST_HEAD: usize = 64 << 10;

/// How the body stands to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of the resource.
    Whole,
    /// The part, as its own head says.
    Sent(ContentRange),
    /// All of it in place of the part, which can be cut out.
    ToCut(ByteRange),
}

/// Accepts the head of an answer, or says what is wrong with it; `stall` is for its body.
pub(super) fn accept(
    request: &Request,
    url: &Url,
    (answer, seat): (reqwest::Response, Seat),
    stall: Duration,
) -> Result<Response, Error> {
    let fields = answer.headers();
    let wrong = |kind| Error::new(kind).at(url);
    if size(fields) > LARGEST_HEAD {
        return Err(wrong(Kind::Protocol).with_detail("a head of more than 64 KiB"));
    }
    let text = |name| fields.get(name).and_then(|v: &header::HeaderValue| v.to_str().ok());
    let coding = text(header::CONTENT_ENCODING).filter(|c| !c.eq_ignore_ascii_case("identity"));
    let is_gzip = coding.is_some_and(|c| c.eq_ignore_ascii_case("gzip") || c.eq_ignore_ascii_case("x-gzip"));
    if let Some(coding) = coding.filter(|_| !is_gzip || request.range.is_some()) {
        return Err(wrong(Kind::Coded(escaped(coding, 20))));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|v| v.trim().parse::<u64>().ok());
    let part = part(request, answer.status().as_u16(), text(header::CONTENT_RANGE), length).map_err(wrong)?;
    let limit = request.max_bytes.unwrap_or(u64::MAX);
    let announced = match part {
        Part::Whole => length.filter(|_| !is_gzip),
        // Content-Range says how long a part is, even where it is sent without a length of its own.
        Part::Sent(part) => Some(part.end - part.start),
        Part::ToCut(asked) => asked.length().or(length.map(|all| all - asked.start)),
    };
    if announced.is_some_and(|n| n > limit) {
        return Err(wrong(Kind::TooLarge { limit }));
    }
    let content_type = text(header::CONTENT_TYPE)
        .and_then(|t| t.split(';').next())
        .map(|t| escaped(t.trim(), 60).to_ascii_lowercase());
    // The tag of a coded representation says nothing about parts of it without its coding.
    let strong_etag = text(header::ETAG).filter(|t| t.starts_with('"') && !is_gzip).map(str::to_owned);
    // Chunks and frames tell their end, and so does a coding with a checksum.
    let is_framed =
        fields.contains_key(header::TRANSFER_ENCODING) || answer.version() >= http::Version::HTTP_2;
    let ends_with_connection = length.is_none() && announced.is_none() && !is_framed && !is_gzip;
    let mut status = answer.status().as_u16();
    let transfer =
        |want, limit| BoxBody::new(TransferBody::new(answer.into(), seat, url.clone(), want, limit, stall));
    let (body, total) = match part {
        Part::Whole if is_gzip => {
            (BoxBody::new(Gunzipped::new(transfer(length, limit), url.clone(), limit)), None)
        }
        Part::Whole => (transfer(length, limit), None),
        Part::Sent(part) => (transfer(announced, limit), part.total),
        Part::ToCut(asked) => {
            status = 206;
            let whole = transfer(length, u64::MAX);
            (BoxBody::new(Slice::new(whole, url.clone(), asked.start, asked.length())), length)
        }
    };
    let mut response = Response::new(status, url.clone(), announced, body);
    (response.content_type, response.strong_etag, response.total) = (content_type, strong_etag, total);
    response.ends_with_connection = ends_with_connection;
    Ok(response)
}

fn part(request: &Request, status: u16, said: Option<&str>, length: Option<u64>) -> Result<Part, Kind> {
    let part = match (&request.range, status) {
        (Some(asked), 206) => {
            let said = said.unwrap_or("no Content-Range");
            match ContentRange::parse(said).filter(|got| got.answers(asked)) {
                Some(got) => got,
                None => return Err(Kind::RangeMismatch { want: asked.header(), got: escaped(said, 60) }),
            }
        }
        // The condition did not hold: this is another representation, and all of it.
        (Some(_), 200) if request.if_range.is_some() => return Ok(Part::Whole),
        (Some(asked), 200) if asked.start <= WASTE => {
            let end = asked.end.unwrap_or(asked.start);
            return match length {
                Some(length) if length < end => Err(Kind::RangeMismatch {
                    want: asked.header(),
                    got: format!("a resource of {length} bytes"),
                }),
                _ => Ok(Part::ToCut(*asked)),
            };
        }
        (Some(_), _) => return Err(Kind::RangeIgnored),
        (None, 206) => {
            let got = escaped(said.unwrap_or("a part"), 60);
            return Err(Kind::RangeMismatch { want: "all of it".into(), got });
        }
        (None, _) => return Ok(Part::Whole),
    };
    match length.filter(|length| *length != part.end - part.start) {
        None => Ok(Part::Sent(part)),
        Some(length) => Err(Kind::RangeMismatch {
            want: format!("{} bytes", part.end - part.start),
            got: format!("a body of {length} bytes"),
        }),
    }
}

/// The size of a head, as HTTP/2 counts it (RFC 9113 section 6.5.2).
fn size(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

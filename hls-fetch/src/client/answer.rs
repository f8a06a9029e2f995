//! What the head of an answer has to be, and what its body then is.

use std::time::Duration;

use http::{HeaderMap, header};
use url::Url;

use super::body::TransferBody;
use super::coding::Coding;
use super::content_range::ContentRange;
use super::lane::Seat;
use super::slice::{Slice, WASTE};
use crate::retry_after::http_date;
use crate::{BoxBody, ByteRange, Digest, Error, Kind, Oddity, Request, Response, escaped};

/// A head larger than this is an attack; the transport holds a few times as much at most.
pub(super) const LARGEST_HEAD: usize = 64 << 10;
/// What was modified so shortly before it was sent may have been made for this answer (RFC 9110 section 8.8.2.2).
const JUST_NOW: Duration = Duration::from_secs(2);
/// The longest validator that is believed.
const LONGEST_VALIDATOR: usize = 1024;

/// How the body stands to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of the resource, with as many bytes as are announced.
    Whole(Option<u64>),
    /// All of it as a part of itself, which nobody has asked for.
    Unasked(u64),
    /// The part, as its own head says.
    Sent(ContentRange),
    /// The first piece of it.
    Piece(ContentRange),
    /// All of it in place of the part, which can be cut out.
    ToCut(ByteRange),
    /// All of it in place of the part, and it is to stay whole.
    Uncut(Option<u64>),
}

/// Accepts an answer by its head and, where that does not tell how it is coded, by its first bytes; or says what is wrong with
/// it. `stall` is for its body.
pub(super) async fn accept(
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
    let coding = Coding::of(fields);
    match &coding {
        Coding::Unknown(name) => return Err(wrong(Kind::Coded(name.clone()))),
        Coding::Gzip if request.range.is_some() => return Err(wrong(Kind::Coded("gzip".to_owned()))),
        _ => {}
    }
    let length = text(header::CONTENT_LENGTH).and_then(|v| v.trim().parse::<u64>().ok());
    let is_other = is_other(request, text(header::ETAG));
    let said = text(header::CONTENT_RANGE);
    let part = part((request, is_other), answer.status().as_u16(), said, length).map_err(wrong)?;
    let limit = request.max_bytes.unwrap_or(u64::MAX);
    let is_gzip = matches!(coding, Coding::Gzip);
    let announced = match part {
        Part::Whole(length) => length.filter(|_| !is_gzip),
        Part::Unasked(length) => Some(length).filter(|_| !is_gzip),
        // Content-Range says how long a part is, even where it is sent without a length of its own.
        Part::Sent(part) | Part::Piece(part) => Some(part.end - part.start),
        Part::ToCut(asked) => asked.length().or(length.map(|all| all - asked.start)),
        Part::Uncut(length) => length,
    };
    // The limit is for the part.
    let is_uncut = matches!(part, Part::Uncut(_));
    if !is_uncut && announced.is_some_and(|n| n > limit) {
        return Err(wrong(Kind::TooLarge { limit }));
    }
    let content_type = text(header::CONTENT_TYPE)
        .and_then(|t| t.split(';').next())
        .map(|t| escaped(t.trim(), 60).to_ascii_lowercase());
    let validator = |name| text(name).filter(|value| value.len() <= LONGEST_VALIDATOR).map(str::to_owned);
    let date = text(header::DATE).and_then(http_date);
    let is_old = |modified: &String| {
        let apart = http_date(modified).zip(date).map(|(modified, date)| date.duration_since(modified));
        apart.is_none_or(|apart| apart.is_ok_and(|apart| apart > JUST_NOW))
    };
    let (etag, last_modified) = (validator(header::ETAG), validator(header::LAST_MODIFIED).filter(is_old));
    // Chunks and frames tell their end, and so does a coding with a checksum.
    let is_framed =
        fields.contains_key(header::TRANSFER_ENCODING) || answer.version() >= http::Version::HTTP_2;
    let ends_with_connection = length.is_none() && announced.is_none() && !is_framed && !is_gzip;
    let ends_early = match part {
        Part::Sent(part) => request.range.is_some_and(|asked| part.ends_before(&asked)),
        Part::ToCut(asked) => request.range.is_some_and(|range| range.end != asked.end),
        _ => false,
    };
    if ends_early && request.grows {
        let want = request.range.map_or_else(String::new, |asked| asked.header());
        return Err(wrong(Kind::RangeMismatch { want, got: "a resource that ends before that".to_owned() }));
    }
    let digest = match part {
        Part::Whole(_) | Part::Unasked(_) => Digest::of(fields, true),
        Part::Sent(part) => Digest::of(fields, part.start == 0 && part.total == Some(part.end)),
        // The body is not what the fields are about.
        Part::Piece(_) | Part::ToCut(_) | Part::Uncut(_) => None,
    };
    let mut status = answer.status().as_u16();
    let transfer =
        |want, limit| BoxBody::new(TransferBody::new(answer.into(), seat, url.clone(), want, limit, stall));
    let (body, total, oddity) = match part {
        Part::Whole(length) => (transfer(length, limit), length, None),
        Part::Unasked(length) => {
            status = 200;
            (transfer(Some(length), limit), Some(length), Some(Oddity::Part))
        }
        Part::Sent(part) => {
            let is_past = request.range.is_some_and(|asked| part.ends_before(&asked));
            let oddity = is_past.then_some(Oddity::PastEnd { end: part.end });
            (transfer(announced, limit), part.total, oddity)
        }
        Part::Piece(part) => (transfer(announced, limit), part.total, Some(Oddity::Pieces { end: part.end })),
        Part::ToCut(asked) => {
            status = 206;
            let is_past = request.range.is_some_and(|range| range.end != asked.end);
            let past = length.filter(|_| is_past).map(|end| Oddity::PastEnd { end });
            let oddity = past.or(Some(Oddity::Whole));
            let whole = transfer(length, u64::MAX);
            (BoxBody::new(Slice::new(whole, url.clone(), asked.start, asked.length())), length, oddity)
        }
        Part::Uncut(length) => (transfer(length, u64::MAX), length, Some(Oddity::Whole)),
    };
    let mut response = Response::new(status, url.clone(), announced, body);
    response.content_type = content_type;
    response.strong_etag = etag.clone().filter(|tag| tag.starts_with('"'));
    (response.etag, response.last_modified) = (etag, last_modified);
    (response.total, response.oddity) = (total, oddity);
    response.digest = digest;
    response.ends_with_connection = ends_with_connection;
    coding.undo(request, response, limit).await
}

/// Returns whether the resource differs from the one that `If-Range` names. A server that ignores ranges ignores this condition
/// too. So an equal tag means the same resource where the caller takes the whole body.
fn is_other(request: &Request, etag: Option<&str>) -> bool {
    request.if_range.as_deref().is_some_and(|tag| !request.uncut || etag != Some(tag))
}

fn part(
    (request, is_other): (&Request, bool),
    status: u16,
    said: Option<&str>,
    length: Option<u64>,
) -> Result<Part, Kind> {
    let part = match (&request.range, status) {
        (Some(asked), 206) => {
            let said = said.unwrap_or("no Content-Range");
            match ContentRange::parse(said) {
                Some(got) if got.answers(asked) => got,
                Some(got)
                    if got.begins(asked) && length.is_none_or(|length| length == got.end - got.start) =>
                {
                    return Ok(Part::Piece(got));
                }
                _ => return Err(Kind::RangeMismatch { want: asked.header(), got: escaped(said, 60) }),
            }
        }
        // The condition did not hold: this is another representation, and all of it.
        (Some(_), 200) if is_other => return Ok(Part::Whole(length)),
        // Without a length it might never come to the part.
        (Some(asked), 200) if asked.start <= WASTE || request.uncut && length.is_some() => {
            return match length {
                Some(length) if length <= asked.start => Err(Kind::RangeMismatch {
                    want: asked.header(),
                    got: format!("a resource of {length} bytes"),
                }),
                length if request.uncut && !request.grows => Ok(Part::Uncut(length)),
                Some(length) if asked.end.is_some_and(|end| length < end) => {
                    Ok(Part::ToCut(ByteRange { start: asked.start, end: Some(length) }))
                }
                _ => Ok(Part::ToCut(*asked)),
            };
        }
        (Some(_), _) => return Err(Kind::RangeIgnored),
        (None, 206) => match said.and_then(ContentRange::parse) {
            Some(all) if all.start == 0 && all.total == Some(all.end) => all,
            _ => {
                let got = escaped(said.unwrap_or("a part"), 60);
                return Err(Kind::RangeMismatch { want: "all of it".into(), got });
            }
        },
        (None, _) => return Ok(Part::Whole(length)),
    };
    match length.filter(|length| *length != part.end - part.start) {
        None if request.range.is_none() => Ok(Part::Unasked(part.end)),
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

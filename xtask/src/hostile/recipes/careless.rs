//! Servers whose answers do not fit the requests, or themselves.

use anyhow::Result;
use hls_testkit::{Bytes, Reply, Request};

use super::Verdict;
use super::lies::{any, inner, times};
use crate::hostile::case::Case;
use crate::hostile::run::Try;
use crate::hostile::show::{Container, raw};

const AV: [Container; 4] = [Container::Ts, Container::Fmp4, Container::Cmaf, Container::Adts];

/// A whole segment under a status that is not 200.
pub(super) fn statuses(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &AV, 3)?;
    let at = any(t, &case.show);
    let status = t.pick(
        "status",
        &["201 Created", "203 Transformed", "207 Multi-Status", "226 IM Used", "206 Partial Content"],
    )?;
    let n = t.pick("times", &[1, 2, u32::MAX])?;
    let body = case.show.served(at);
    let length = format!("Content-Length: {}", body.len());
    let range = format!("Content-Range: bytes 0-{}/{}", body.len() - 1, body.len());
    let fields = if status.starts_with("206") && t.dice.below(2) == 0 {
        vec![&*length, &*range]
    } else {
        vec![&*length]
    };
    t.note(format!("{fields:?}"));
    let right = case.truth(t, &case.show)?;
    case.origin.script(&case.published.segment_paths[at], [times(raw(status, &fields, &body), n)]);
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}

/// A part of the segment that nobody asked for, with status 206 or 200.
pub(super) fn unasked_part(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &AV, 3)?;
    let at = any(t, &case.show);
    let body = case.show.served(at);
    let n = body.len();
    let (from, to) = (t.dice.below(n as u64 / 2) as usize, n / 2 + t.dice.below(n as u64 / 2) as usize);
    let total = t.pick("total", &["right", "that of the part", "unknown"])?;
    let total = match total {
        "right" => n.to_string(),
        "unknown" => "*".to_owned(),
        _ => (to - from + 1).to_string(),
    };
    let range = format!("Content-Range: bytes {from}-{to}/{total}");
    t.note(range.clone());
    let often = t.pick("times", &[1, 2])?;
    let length = format!("Content-Length: {}", to - from + 1);
    let reply = raw("206 Partial Content", &[&length, &range], &body[from..=to]);
    let right = case.truth(t, &case.show)?;
    case.origin.script(&case.published.segment_paths[at], [times(reply, often)]);
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}

/// A `Content-Length` that is not the length of the body.
pub(super) fn length(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &AV, 3)?;
    let at = inner(t, &case.show);
    let body = case.show.served(at);
    // A multiple of a packet is a segment that only its times and its neighbours give away.
    let less = match t.dice.below(3) {
        0 => 188 * (1 + t.dice.below(body.len() as u64 / 400)),
        1 => 1 + t.dice.below(body.len() as u64 / 2),
        _ => 0,
    };
    let said = if less == 0 { body.len() as u64 + t.dice.below(5000) + 1 } else { body.len() as u64 - less };
    t.note(format!("{said} instead of {}", body.len()));
    let n = t.pick("times", &[1, 2])?;
    let right = case.truth(t, &case.show)?;
    case.origin
        .script(&case.published.segment_paths[at], [times(Reply::ok(body.clone()).content_length(said), n)]);
    let end = case.run(t, &[])?;
    let short = case.show.with(
        at,
        case.show.segments[at]
            .slice(..said.min(body.len() as u64) as usize % (case.show.segments[at].len() + 1)),
    );
    let kept = if n > 1 { case.truth(t, &short).ok() } else { None };
    case.concluded(t, &end, &right, kept.as_ref())
}

/// Answers to ranges that say other totals, other places, or nothing.
pub(super) fn ranges(t: &mut Try<'_>) -> Result<Verdict> {
    let drawn = Case::draw(t, &AV, 4)?;
    let mut case = Case::of(t, drawn.show.in_ranges(), drawn.output, drawn.manner)?;
    // Each range is a resource of its own, and any may come again.
    case.most += 2 * case.show.segments.len();
    let what = t.pick(
        "Content-Range",
        &["total + 1", "total grows", "no total", "shifted", "none", "ignored", "reversed", "other unit"],
    )?;
    let n = t.pick("times", &[1_u32, 3, u32::MAX])?;
    let (path, bytes) = case
        .published
        .files
        .iter()
        .find(|(path, _)| *path == case.published.segment_paths[0])
        .cloned()
        .unwrap_or_default();
    let asked = std::sync::atomic::AtomicU32::new(0);
    case.origin.rule(move |request: &Request| {
        let (from, to) = request.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let (from, to) = (from.parse::<usize>().ok()?, to.parse::<usize>().ok()?.min(bytes.len() - 1));
        let nth = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if request.path != path || nth >= n.saturating_add(1) || nth == 0 || from > to {
            return None;
        }
        let (length, total) = (format!("Content-Length: {}", to - from + 1), bytes.len());
        let range = match what {
            "total + 1" => format!("bytes {from}-{to}/{}", total + 1),
            "total grows" => format!("bytes {from}-{to}/{}", total + nth as usize),
            "no total" => format!("bytes {from}-{to}/*"),
            "shifted" => format!("bytes {}-{}/{total}", from + 1, to + 1),
            "reversed" => format!("bytes {to}-{from}/{total}"),
            "other unit" => format!("packets {from}-{to}/{total}"),
            "ignored" => return Some(Reply::ignore_range()),
            _ => return Some(raw("206 Partial Content", &[&length], &bytes[from..=to])),
        };
        Some(raw("206 Partial Content", &[&length, &format!("Content-Range: {range}")], &bytes[from..=to]))
    });
    let right = case.truth(t, &case.show)?;
    let end = case.run(t, &[])?;
    case.judge(t, &end, &right, None)
}

/// A connection that is cut, reset or refused, or an error, some times in a row.
pub(super) fn failures(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &Container::ALL, 3)?;
    let at = any(t, &case.show);
    let n = t.number("times", 1..=3) as u32;
    let what = t.pick(
        "answer",
        &[
            "cut",
            "reset",
            "chunked and cut",
            "500",
            "503",
            "404",
            "408",
            "416",
            "302",
            "304",
            "204",
            "refused",
            "no HTTP",
            "two lengths",
        ],
    )?;
    let bytes = case.show.served(at);
    let reply = match what {
        "cut" => Reply::truncated(),
        "reset" => Reply::reset_midway(),
        "chunked and cut" => Reply::chunked_cut(),
        "refused" => Reply::refused(),
        "no HTTP" => Reply::raw(&b"\x16\x03\x01\x02\x00 no HTTP\r\n\r\n"[..]),
        "two lengths" => {
            raw("200 OK", &["Content-Length: 5", &format!("Content-Length: {}", bytes.len())], &bytes)
        }
        "204" => raw("204 No Content", &[], &[]),
        "304" => raw("304 Not Modified", &[], &[]),
        code => Reply::status(code.parse()?),
    };
    let right = case.truth(t, &case.show)?;
    case.origin.script(&case.published.segment_paths[at], [reply.times(n)]);
    let end = case.run(t, &[])?;
    let kept = case.truth(t, &case.show.with(at, Bytes::new())).ok().filter(|_| what == "204" && n > 1);
    case.concluded(t, &end, &right, kept.as_ref())
}

//! The origin when it is told to be ill.

use std::io::{self, ErrorKind};
use std::time::Duration;

use hls_testkit::{Gate, Origin, Reply, Step};

use crate::client::{Client, get};

const BODY: &[u8] = b"0123456789";
/// Long enough for what a busy machine sends, short enough to wait for what never comes.
const PATIENCE: Duration = Duration::from_secs(1);

fn origin(reply: Reply) -> Origin {
    let origin = Origin::start();
    origin.put("/a.ts", BODY);
    origin.script("/a.ts", [reply]);
    origin
}

/// Checks what one request gets: its body, and how that ended.
fn check(reply: Reply, body: &[u8], end: Option<ErrorKind>) -> io::Result<()> {
    let patience = if end == Some(TIMED_OUT) { PATIENCE } else { Duration::from_secs(30) };
    let origin = origin(reply.clone());
    let answer = Client::with_patience(&origin, patience)?.ask("GET", "/a.ts", &[])?;
    assert_eq!(answer.status.split(' ').nth(1), Some("200"), "{reply:?}");
    assert_eq!(answer.body, body, "{reply:?}");
    assert_eq!(answer.end_kind(), end, "{reply:?}");
    Ok(())
}

#[cfg(unix)]
const TIMED_OUT: ErrorKind = ErrorKind::WouldBlock;
#[cfg(windows)]
const TIMED_OUT: ErrorKind = ErrorKind::TimedOut;

#[test]
fn bodies_that_end_badly() -> io::Result<()> {
    check(Reply::truncated(), b"01234", Some(ErrorKind::UnexpectedEof))?;
    check(Reply::reset_midway(), b"01234", Some(ErrorKind::ConnectionReset))?;
    check(Reply::stall_midway(), b"01234", Some(TIMED_OUT))?;
    check(Reply::chunked_cut(), b"01234", Some(ErrorKind::UnexpectedEof))?;
    check(Reply::resource().content_length(12), BODY, Some(ErrorKind::UnexpectedEof))?;
    check(
        Reply::resource().chunked().steps([Step::Rest, Step::Close]),
        BODY,
        Some(ErrorKind::UnexpectedEof),
    )?;
    check(Reply::resource().steps([Step::Bytes(3)]), b"012", Some(ErrorKind::UnexpectedEof))
}

#[test]
fn bodies_that_end_well() -> io::Result<()> {
    check(Reply::resource().chunked(), BODY, None)?;
    check(Reply::resource().http10_close(), BODY, None)?;
    check(Reply::resource().http10_close().steps([Step::UpTo(30)]), b"012", None)?;
    check(Reply::resource().content_length(4), b"0123", None)?;
    check(
        Reply::resource().steps([Step::Bytes(3), Step::Sleep(5), Step::Drip { bytes_per_s: 1000 }]),
        BODY,
        None,
    )?;
    check(Reply::short_consistent(), b"01234", None)?;
    check(Reply::empty(), b"", None)?;
    check(Reply::ok("other"), b"other", None)
}

#[test]
fn a_rate_of_drips() -> io::Result<()> {
    let origin = origin(Reply::resource().steps([Step::Drip { bytes_per_s: 100 }]));
    let answer = get(&origin, "/a.ts", &[])?;
    assert_eq!(answer.body, BODY);
    let request = &origin.requests()[0];
    assert!(origin.wait_until(Duration::from_secs(1), |o| o.requests()[0].ended.is_some()));
    let took = origin.requests()[0].ended.map(|ended| ended - request.at);
    assert!(took >= Some(Duration::from_millis(75)), "{took:?}");
    Ok(())
}

#[test]
fn content_that_is_wrong() -> io::Result<()> {
    let noisy = get(&origin(Reply::noise(4)), "/a.ts", &[])?.body;
    assert_eq!((noisy.len(), &noisy[..3], &noisy[7..]), (10, &b"012"[..], &b"789"[..]));
    assert_ne!(&noisy[3..7], b"3456");
    let garbage =
        get(&origin(Reply::resource().steps([Step::Bytes(2), Step::Garbage(4), Step::Rest])), "/a.ts", &[])?;
    assert_eq!((garbage.body.len(), &garbage.body[..2], &garbage.body[6..]), (10, &b"01"[..], &b"6789"[..]));
    let page = get(&origin(Reply::html()), "/a.ts", &[])?;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.starts_with(b"<!DOCTYPE html>"));
    Ok(())
}

#[test]
fn ranges_that_are_wrong() -> io::Result<()> {
    let mismatch = get(&origin(Reply::range_mismatch()), "/a.ts", &["Range: bytes=2-4"])?;
    assert_eq!((mismatch.header("content-range"), &mismatch.body[..]), (Some("bytes 3-5/10"), &b"345"[..]));
    let unasked = get(&origin(Reply::range_mismatch()), "/a.ts", &[])?;
    assert_eq!(
        (unasked.header("content-range"), &unasked.body[..]),
        (Some("bytes 1-9/10"), &b"123456789"[..])
    );
    let ignored = get(&origin(Reply::ignore_range()), "/a.ts", &["Range: bytes=2-4"])?;
    assert_eq!((ignored.status.as_str(), &ignored.body[..]), ("HTTP/1.1 200 OK", BODY));
    Ok(())
}

#[test]
fn no_answer_at_all() -> io::Result<()> {
    let silent = origin(Reply::hang());
    let mut client = Client::with_patience(&silent, PATIENCE)?;
    assert_eq!(client.ask("GET", "/a.ts", &[]).map_err(|e| e.kind()).err(), Some(TIMED_OUT));
    assert_eq!(silent.in_flight(), 1);
    drop(client);
    assert!(silent.wait_until(Duration::from_secs(5), |o| o.in_flight() == 0));

    let raw = origin(Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"));
    let answer = get(&raw, "/a.ts", &[])?;
    assert_eq!(answer.headers.len(), 2);
    Ok(())
}

#[test]
fn a_gate_holds_a_body_until_it_is_opened() -> io::Result<()> {
    let gate = Gate::new();
    let origin = origin(Reply::resource().steps([Step::Bytes(4), Step::Wait(gate.clone()), Step::Rest]));
    let address = &origin;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| get(address, "/a.ts", &[]));
        assert!(address.wait_until(Duration::from_secs(5), |o| o.body_bytes_sent() == 4));
        gate.open();
        let answer = reader.join().expect("the reader does not panic")?;
        assert_eq!(answer.body, BODY);
        Ok(())
    })
}

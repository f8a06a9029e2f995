//! Parts: exactly the part that was asked for, or an error.

use hls_fetch::{ByteRange, Class, Fetch as _, Kind, Oddity, Request};
use hls_testkit::{Origin, Reply, Resource, Step};

use crate::support::{TestResult, client, failure, noise, request, send};

const PATH: &str = "/all.mp4";

fn origin() -> Origin {
    let origin = Origin::start();
    origin.put(PATH, noise(10_000));
    origin
}

fn part(origin: &Origin, start: u64, length: u64) -> Request {
    request(&origin.url(PATH)).range(ByteRange::new(start, length))
}

#[tokio::test]
async fn honoured() -> TestResult {
    let origin = origin();
    let answer = client().fetch(part(&origin, 100, 50)).await?;
    assert_eq!((answer.status, answer.length, answer.total), (206, Some(50), Some(10_000)));
    assert_eq!(answer.bytes(50).await?, noise(10_000)[100..150]);
    assert_eq!(origin.requests()[0].header("range"), Some("bytes=100-149"));

    let rest = request(&origin.url(PATH)).range(Some(ByteRange::from(9_000)));
    assert_eq!(send(&client(), rest).await?, noise(10_000)[9_000..]);
    Ok(())
}

#[tokio::test]
async fn ignored_and_cut_out() -> TestResult {
    let origin = origin();
    for reply in
        [Reply::ignore_range(), Reply::ignore_range().chunked(), Reply::ignore_range().http10_close()]
    {
        let has_length =
            !format!("{reply:?}").contains("Chunked") && !format!("{reply:?}").contains("UntilClose");
        origin.script(PATH, [reply.clone(), reply]);
        let answer = client().fetch(part(&origin, 100, 50)).await?;
        let total = has_length.then_some(10_000);
        assert_eq!((answer.status, answer.length, answer.total), (206, Some(50), total));
        assert_eq!(answer.bytes(50).await?, noise(10_000)[100..150]);
        let rest = request(&origin.url(PATH)).range(Some(ByteRange::from(9_000)));
        assert_eq!(send(&client(), rest).await?, noise(10_000)[9_000..]);
    }
    // The limit is for the part.
    origin.script(PATH, [Reply::ignore_range()]);
    assert_eq!(send(&client(), part(&origin, 0, 50).at_most(50)).await?, noise(10_000)[..50]);
    Ok(())
}

#[tokio::test]
async fn ignored_and_left_whole() -> TestResult {
    let origin = origin();
    let tag = origin_tag(&origin).await?;
    for (start, length, if_range, expect) in [
        (100, 50, None, Ok((200, Some(Oddity::Whole)))),
        (9_990, 50, None, Ok((200, Some(Oddity::Whole)))),
        // The server ignores the condition too.
        (100, 50, Some(tag.as_str()), Ok((200, Some(Oddity::Whole)))),
        // It is another resource by now.
        (100, 50, Some("\"other\""), Ok((200, None))),
        (10_000, 50, None, Err("http.range_mismatch")),
        (65 << 20, 50, None, Err("http.range_mismatch")),
    ] {
        origin.script(PATH, [Reply::ignore_range()]);
        let asked =
            part(&origin, start, length).uncut().at_most(if if_range.is_some() { 10_000 } else { 50 });
        let asked = if_range.into_iter().fold(asked, |asked, tag| asked.if_range(tag.to_owned()));
        let answer = client().fetch(asked).await;
        let seen = answer.as_ref().map(|a| (a.status, a.oddity.clone())).map_err(hls_fetch::Error::code);
        assert_eq!(seen, expect, "{start}, {length}, {if_range:?}");
        if let Ok(answer) = answer {
            assert_eq!((answer.length, answer.total), (Some(10_000), Some(10_000)));
            assert_eq!(answer.bytes(10_000).await?, noise(10_000));
        }
    }
    // Without a length it might never come to the part; a range that is honoured is the part.
    origin.script(PATH, [Reply::ignore_range().chunked()]);
    let error = send(&client(), part(&origin, 65 << 20, 50).uncut()).await.expect_err("too far");
    assert_eq!(error.code(), "http.range_ignored");
    assert_eq!(send(&client(), part(&origin, 100, 50).uncut()).await?, noise(10_000)[100..150]);
    Ok(())
}

async fn origin_tag(origin: &Origin) -> Result<String, Box<dyn std::error::Error>> {
    let answer = client().fetch(part(origin, 0, 1)).await?;
    answer.strong_etag.ok_or_else(|| "no strong tag".into())
}

#[tokio::test]
async fn ignored_where_the_whole_does_not_cover_the_part() {
    let origin = origin();
    for (start, length, reply, code) in [
        (10_000, 50, Reply::ignore_range(), "http.range_mismatch"),
        (9_990, 50, Reply::ignore_range().chunked(), "http.truncated"),
        (65 << 20, 50, Reply::ignore_range(), "http.range_ignored"),
        (100, 50, Reply::ignore_range().steps([Step::Bytes(120), Step::Close]), "http.truncated"),
    ] {
        origin.script(PATH, [reply]);
        let error = send(&client(), part(&origin, start, length)).await.expect_err("not all of the part");
        assert_eq!(error.code(), code, "{start} {length}");
    }
}

#[tokio::test]
async fn a_resource_that_ends_before_its_last_range_does() -> TestResult {
    let origin = origin();
    for (start, length, oddity) in [
        (9_990, 50, Some(Oddity::PastEnd { end: 10_000 })),
        (0, 20_000, Some(Oddity::PastEnd { end: 10_000 })),
        (9_990, 10, None),
    ] {
        for (reply, honours) in [(Reply::resource(), true), (Reply::ignore_range(), false)] {
            origin.script(PATH, [reply]);
            let answer = client().fetch(part(&origin, start, length)).await?;
            let expect = oddity.clone().or((!honours).then_some(Oddity::Whole));
            assert_eq!((answer.status, &answer.oddity, answer.total), (206, &expect, Some(10_000)));
            assert_eq!(answer.bytes(20_000).await?, noise(10_000)[start as usize..]);
            // What may still be written is not there yet.
            origin.script(PATH, [if honours { Reply::resource() } else { Reply::ignore_range() }]);
            let answer = client().fetch(part(&origin, start, length).of_what_grows()).await;
            let code = answer.err().map(|error| error.code());
            assert_eq!(code, oddity.as_ref().map(|_| "http.range_mismatch"), "{start}, {length}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_part_that_comes_in_pieces() -> TestResult {
    let origin = Origin::start();
    let (all, other) = (noise(100_000), noise(100_001));
    for (most, changes, expect) in [
        (5_000, false, Ok(())),
        (20_000, false, Ok(())),
        (49_999, false, Ok(())),
        (20_000, true, Err("http.range_mismatch")),
        (100, false, Err("http.range_mismatch")),
    ] {
        let (all, other) = (all.clone(), other.clone());
        let folder = format!("/pieces-of-{most}-{changes}");
        origin.serve(&folder, move |request| {
            let asked = request.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
            let (start, end) = (asked.0.parse::<usize>().ok()?, asked.1.parse::<usize>().ok()? + 1);
            let of = if changes && start > 40_000 { &other } else { &all };
            let end = end.min(start + most);
            let range = format!("bytes {start}-{}/{}", end - 1, of.len());
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: {range}\r\n\r\n",
                end - start
            );
            Some(Reply::raw([head.as_bytes(), &of[start..end]].concat()))
        });
        let part = request(&origin.url(&format!("{folder}/a"))).range(ByteRange::new(30_000, 50_000));
        let answer = send(&client(), part).await;
        assert_eq!(answer.as_ref().map(drop).map_err(hls_fetch::Error::code), expect, "{most}");
        assert!(answer.is_err() || answer.is_ok_and(|bytes| bytes == all_of(30_000..80_000)));
    }
    Ok(())
}

fn all_of(range: std::ops::Range<usize>) -> Vec<u8> {
    noise(100_000)[range].to_vec()
}

#[tokio::test]
async fn all_of_it_as_a_part_of_itself() -> TestResult {
    let origin = origin();
    for (range, length, is_right) in [
        ("bytes 0-9/10", "content-length: 10\r\n", true),
        ("bytes 0-9/10", "", true),
        ("bytes 0-8/10", "content-length: 9\r\n", false),
        ("bytes 1-9/10", "content-length: 9\r\n", false),
        ("bytes 0-9/*", "content-length: 10\r\n", false),
        ("bytes 0-9/10", "content-length: 9\r\n", false),
    ] {
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-range: {range}\r\n{length}\r\n"
        );
        origin.script(PATH, [Reply::raw([head.as_bytes(), b"0123456789"].concat())]);
        match client().fetch(request(&origin.url(PATH))).await {
            Ok(answer) => {
                assert!(is_right, "{range} {length}");
                assert_eq!((answer.status, &answer.oddity), (200, &Some(Oddity::Part)));
                assert_eq!(answer.bytes(10).await?, b"0123456789");
            }
            Err(error) => {
                assert_eq!((error.code(), is_right), ("http.range_mismatch", false), "{range} {length}")
            }
        }
    }
    // One that is cut is not all of it.
    let cut = "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-range: bytes 0-9/10\r\n\r\n01234";
    origin.script(PATH, [Reply::raw(cut)]);
    assert_eq!(send(&client(), request(&origin.url(PATH))).await.expect_err("cut").code(), "http.truncated");
    Ok(())
}

#[tokio::test]
async fn another_part_than_asked_for() {
    let origin = origin();
    for (reply, code) in [
        (Reply::range_mismatch(), "http.range_mismatch"),
        (Reply::resource().header("content-range", "bytes 100-148/10000"), "http.range_mismatch"),
        (Reply::resource().header("content-range", "bytes 100-149/120"), "http.range_mismatch"),
        (Reply::resource().header("content-range", "chaos"), "http.range_mismatch"),
        (Reply::resource().content_length(49), "http.range_mismatch"),
        (Reply::status(416), "http.status"),
    ] {
        origin.script(PATH, [reply]);
        let error = send(&client(), part(&origin, 100, 50)).await.expect_err("another part");
        assert_eq!(error.code(), code, "{error:?}");
    }
    // Behind the end there is nothing.
    let error = send(&client(), part(&origin, 10_000, 50)).await.expect_err("no part");
    assert_eq!(error.class(), Class::Client);
}

#[tokio::test]
async fn a_part_that_nobody_asked_for() {
    let origin = origin();
    origin.script(PATH, [Reply::range_mismatch()]);
    let error = failure(&client(), &origin.url(PATH)).await;
    let got = "bytes 1-9999/10000".to_owned();
    assert_eq!(error.kind(), &Kind::RangeMismatch { want: "all of it".into(), got });
}

#[tokio::test]
async fn several_parts_in_one_answer_are_none() {
    let origin = origin();
    let part = |range: &str, bytes: &str| {
        format!("--x\r\ncontent-type: video/mp2t\r\ncontent-range: bytes {range}/10000\r\n\r\n{bytes}\r\n")
    };
    let body = part("100-104", "hello") + &part("200-204", "world") + "--x--\r\n";
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-type: multipart/byteranges; boundary=x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    for range in [ByteRange::new(100, 5), None] {
        origin.script(PATH, [Reply::raw(head.clone() + &body)]);
        let error = send(&client(), request(&origin.url(PATH)).range(range)).await.expect_err("no such part");
        assert_eq!((error.code(), error.class()), ("http.range_mismatch", Class::Range), "{error:?}");
    }
}

#[tokio::test]
async fn a_part_sent_without_length_is_measured_by_its_range() {
    let origin = origin();
    let cut = "HTTP/1.0 206 Partial Content\r\ncontent-range: bytes 9000-9999/10000\r\n\r\ncut here";
    for range in [ByteRange::new(9_000, 1_000), Some(ByteRange::from(9_000))] {
        origin.script(PATH, [Reply::raw(cut)]);
        let error = send(&client(), request(&origin.url(PATH)).range(range)).await.expect_err("cut");
        assert_eq!(error.kind(), &Kind::Truncated { got: 8, want: Some(1_000) }, "{range:?}");
    }
}

#[tokio::test]
async fn a_validator_guards_the_part() -> TestResult {
    let origin = origin();
    origin.put(PATH, Resource::new(noise(10_000)).etag("\"one\""));
    let guarded = part(&origin, 100, 50).if_range("\"one\"".into());
    assert_eq!(send(&client(), guarded.clone()).await?, noise(10_000)[100..150]);
    origin.put(PATH, Resource::new(noise(20_000)).etag("\"two\""));
    // All of what it is now, and said to be so.
    let changed = client().fetch(guarded).await?;
    assert_eq!((changed.status, changed.strong_etag.as_deref()), (200, Some("\"two\"")));
    assert_eq!(changed.bytes(20_000).await?, noise(20_000));
    Ok(())
}

#[tokio::test]
async fn a_date_that_is_that_of_the_answer_says_nothing() -> TestResult {
    let origin = Origin::start();
    for (modified, date, expect) in [
        ("Mon, 02 Nov 2026 08:00:00 GMT", "Mon, 02 Nov 2026 08:00:00 GMT", false),
        ("Mon, 02 Nov 2026 08:00:00 GMT", "Mon, 02 Nov 2026 08:00:02 GMT", false),
        ("Mon, 02 Nov 2026 08:00:05 GMT", "Mon, 02 Nov 2026 08:00:00 GMT", false),
        ("Mon, 02 Nov 2026 08:00:00 GMT", "Mon, 02 Nov 2026 08:00:03 GMT", true),
        ("Mon, 02 Nov 2026 08:00:00 GMT", "whenever", true),
    ] {
        origin.put(PATH, Resource::new("x").last_modified(modified).header("date", date));
        let answer = client().fetch(request(&origin.url(PATH))).await?;
        assert_eq!(answer.last_modified.is_some(), expect, "{modified}, {date}");
    }
    Ok(())
}

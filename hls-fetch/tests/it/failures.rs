//! Statuses, cut bodies and silence: each ends in its own kind and class.

use std::time::Duration;

use hls_fetch::{ByteRange, Class, Client, Fetch as _, Kind, Oddity, Request};
use hls_testkit::{Origin, Reply, Resource, Step};

use crate::support::{TestResult, client, failure, get, noise, quick, request, send, url};

const PATH: &str = "/seg.ts";

/// An origin whose next answer is `reply`, for a resource of 100,000 bytes.
fn scripted(reply: Reply) -> (Origin, String) {
    let origin = Origin::start();
    origin.put(PATH, noise(100_000));
    origin.script(PATH, [reply]);
    let url = origin.url(PATH);
    (origin, url)
}

#[tokio::test]
async fn statuses_have_classes() {
    for (status, class) in [
        (400, Class::Client),
        (401, Class::Auth),
        (403, Class::Auth),
        (404, Class::Permanent),
        (408, Class::Network),
        (410, Class::Permanent),
        (416, Class::Client),
        (429, Class::Throttled),
        (500, Class::Server),
        (503, Class::Throttled),
    ] {
        let (_origin, url) = scripted(Reply::status(status));
        let error = failure(&client(), &url).await;
        assert_eq!((error.status(), error.class(), error.code()), (Some(status), class, "http.status"));
    }
}

#[tokio::test]
async fn retry_after_is_kept() {
    for (status, value, expect) in [(429, "7", Some(7)), (503, "120", Some(120)), (503, "junk", None)] {
        let (_origin, url) = scripted(Reply::status(status).header("retry-after", value));
        let error = failure(&client(), &url).await;
        assert_eq!(error.retry_after(), expect.map(Duration::from_secs), "{status} {value}");
    }
}

#[tokio::test]
async fn a_403_names_the_fields_that_were_held_back() -> TestResult {
    let (home, cdn) = (Origin::start(), Origin::bind("127.0.0.2:0")?);
    cdn.script(PATH, [Reply::status(403), Reply::status(404)]);
    home.script(PATH, [Reply::status(403)]);
    let client =
        Client::builder().header("X-Token", "t")?.header("User-Agent", "u")?.allow_private(true).build()?;
    let client = client.for_input(&url(&home.url("/index.m3u8")));
    assert_eq!(failure(&client, &cdn.url(PATH)).await.held_back(), ["x-token"]);
    // A 404 is no question of rights, and at home nothing was held back.
    assert!(failure(&client, &cdn.url(PATH)).await.held_back().is_empty());
    assert!(failure(&client, &home.url(PATH)).await.held_back().is_empty());
    Ok(())
}

#[tokio::test]
async fn reset_in_the_body() {
    let (_origin, url) = scripted(Reply::reset_midway());
    let error = failure(&client(), &url).await;
    assert_eq!((error.class(), error.is_transient()), (Class::Network, true), "{error:?}");
}

#[tokio::test]
async fn fewer_bytes_than_promised() {
    let (_origin, url) = scripted(Reply::truncated());
    let error = failure(&client(), &url).await;
    assert_eq!(error.kind(), &Kind::Truncated { got: 50_000, want: Some(100_000) });
    assert_eq!(error.to_string(), "got 50000 of 100000 bytes");
}

#[tokio::test]
async fn no_body_where_one_was_promised() {
    let (_origin, url) = scripted(Reply::empty().content_length(10));
    assert_eq!(failure(&client(), &url).await.kind(), &Kind::Truncated { got: 0, want: Some(10) });
}

#[tokio::test]
async fn chunked_is_whole_only_with_its_last_chunk() -> TestResult {
    let (_origin, url) = scripted(Reply::chunked_cut());
    let client = client();
    let error = failure(&client, &url).await;
    assert!(matches!(error.kind(), Kind::Truncated { got: 50_000, want: None }), "{error:?}");
    let (_origin, url) = scripted(Reply::resource().chunked());
    assert_eq!(get(&client, &url).await?, noise(100_000));
    Ok(())
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection() -> TestResult {
    let (_origin, url) = scripted(Reply::resource().http10_close());
    assert_eq!(get(&client(), &url).await?, noise(100_000));
    Ok(())
}

#[tokio::test]
async fn silence_in_the_body_is_a_stall() -> TestResult {
    let (_origin, url) = scripted(Reply::stall_midway());
    let error = failure(&quick().build()?, &url).await;
    assert_eq!(error.kind(), &Kind::Stall { after: Duration::from_millis(300) });
    assert_eq!(error.class(), Class::Network);
    Ok(())
}

#[tokio::test]
async fn a_drip_is_a_stall() -> TestResult {
    let (_origin, url) = scripted(Reply::resource().steps([Step::Drip { bytes_per_s: 100 }]));
    assert_eq!(failure(&quick().build()?, &url).await.code(), "net.stall");
    Ok(())
}

#[tokio::test]
async fn a_slow_but_steady_body_is_none() -> TestResult {
    let origin = Origin::builder().rate_per_connection(100_000).start();
    origin.put(PATH, noise(100_000));
    // Takes a second in all, more than three times what a stall may last.
    assert_eq!(get(&quick().build()?, &origin.url(PATH)).await?, noise(100_000));
    Ok(())
}

#[tokio::test]
async fn no_answer_at_all() -> TestResult {
    let (_origin, url) = scripted(Reply::hang());
    let after = Duration::from_millis(300);
    let error = failure(&quick().first_byte_timeout(after).build()?, &url).await;
    assert_eq!((error.kind(), error.class()), (&Kind::FirstByteTimeout { after }, Class::Network));
    Ok(())
}

#[tokio::test]
async fn a_limit_holds_with_and_without_a_length() {
    for (reply, at_once) in [(Reply::resource(), true), (Reply::resource().chunked(), false)] {
        let (origin, url) = scripted(reply);
        let error = send(&client(), request(&url).at_most(99_999)).await.expect_err("too large");
        assert_eq!((error.kind(), error.class()), (&Kind::TooLarge { limit: 99_999 }, Class::Security));
        assert!(origin.body_bytes_sent() > 0 || at_once);
    }
    let (_origin, url) = scripted(Reply::resource());
    assert!(send(&client(), request(&url).at_most(100_000)).await.is_ok());
}

#[tokio::test]
async fn content_coding_is_undone_or_refused() -> TestResult {
    let origin = Origin::start();
    for coding in ["br", "gzip, deflate", "gzip, gzip", "zstd"] {
        origin.put(PATH, Resource::new("x").header("content-encoding", coding));
        let error = failure(&client(), &origin.url(PATH)).await;
        assert_eq!((error.kind(), error.class()), (&Kind::Coded(coding.into()), Class::Content));
    }
    origin.put(PATH, Resource::new("x").header("content-encoding", "identity"));
    assert_eq!(get(&client(), &origin.url(PATH)).await?, b"x");

    origin.put(PATH, Resource::gzipped(&noise(300_000)));
    let answer = client().fetch(request(&origin.url(PATH))).await?;
    assert_eq!((answer.length, answer.strong_etag.as_deref()), (None, None), "both are of the code");
    assert_eq!(answer.bytes(300_000).await?, noise(300_000));
    assert_eq!(get(&client(), &origin.url(PATH)).await?, noise(300_000));
    // A part of the code is of no use.
    let part = request(&origin.url(PATH)).range(ByteRange::new(0, 10));
    assert_eq!(send(&client(), part).await.expect_err("a part").code(), "http.coded");
    Ok(())
}

#[tokio::test]
async fn what_only_looks_coded_is_taken_as_it_is() -> TestResult {
    let origin = Origin::start();
    for coding in ["none", "UTF-8", "aws-chunked", "binary", "", "chunked", "x-anything", "deflate"] {
        for body in [noise(100_000), [b"#EXTM3U\n".to_vec(), noise(10_000)].concat()] {
            origin.put(PATH, Resource::new(body.clone()).header("content-encoding", coding));
            let answer = client().fetch(request(&origin.url(PATH))).await?;
            assert_eq!(answer.oddity, Some(Oddity::Coding(coding.to_owned())));
            assert_eq!(answer.bytes(200_000).await?, body, "{coding}");
            let part = request(&origin.url(PATH)).range(ByteRange::new(100, 50));
            assert_eq!(client().fetch(part).await?.bytes(50).await?, &body[100..150], "{coding}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn gzip_that_nobody_speaks_of_is_undone_where_it_can_only_be_that() -> TestResult {
    let (origin, text) = (Origin::start(), noise(300_000));
    let gzip = Resource::gzipped(&text);
    for (body, asked, expect) in [
        (gzip.body().to_vec(), true, text.clone()),
        (gzip.body().to_vec(), false, gzip.body().to_vec()),
        (text.clone(), true, text.clone()),
        (b"\x1f\x8b".to_vec(), true, b"\x1f\x8b".to_vec()),
        (b"\x1f\x8b\x08\xff and more".to_vec(), true, b"\x1f\x8b\x08\xff and more".to_vec()),
        (Vec::new(), true, Vec::new()),
    ] {
        origin.put(PATH, Resource::new(body));
        let plain = request(&origin.url(PATH));
        let answer = client().fetch(if asked { plain.undoing_gzip() } else { plain }).await?;
        let is_undone = asked && expect == text && answer.length.is_none();
        assert_eq!(answer.oddity, is_undone.then_some(Oddity::Gzip));
        assert!(!is_undone || answer.strong_etag.is_none());
        assert_eq!(answer.bytes(400_000).await?, expect);
    }
    Ok(())
}

#[tokio::test]
async fn coded_bodies_are_judged_by_what_they_decode_to() {
    let origin = Origin::start();
    origin.put(PATH, Resource::gzipped(&noise(300_000)));
    for (reply, code) in [
        (Reply::truncated(), "http.truncated"),
        // Lengths that agree say nothing about the code.
        (Reply::short_consistent(), "http.coded"),
        (Reply::noise(1000), "http.coded"),
        (Reply::resource().steps([Step::Rest, Step::Garbage(9)]).http10_close(), "http.coded"),
        (Reply::empty().header("content-encoding", "gzip"), "http.coded"),
    ] {
        origin.script(PATH, [reply]);
        let error = failure(&client(), &origin.url(PATH)).await;
        assert_eq!(error.code(), code, "{error:?}");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_short() {
    let origin = Origin::start();
    // 64 MiB of nothing in 64 KiB; what it may become is a hundred times that.
    origin.put(PATH, Resource::gzipped(&vec![0; 64 << 20]));
    let error = failure(&client(), &origin.url(PATH)).await;
    assert_eq!((error.code(), error.class()), ("limit.size", Class::Security), "{error:?}");
    let small =
        send(&client(), request(&origin.url(PATH)).at_most(100_000)).await.expect_err("above the limit");
    assert_eq!(small.kind(), &Kind::TooLarge { limit: 100_000 });
}

#[tokio::test]
async fn errors_show_no_secrets() {
    let gone = Origin::start().url("/a?token=secret");
    let error = failure(&client(), &gone).await;
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!("{error} {error:?}"));
        cause = error.source();
    }
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn only_http_is_fetched() {
    for text in ["file:///etc/hostname", "ftp://127.0.0.1/x"] {
        let error = send(&client(), Request::get(url(text))).await.expect_err("not http");
        assert_eq!((error.class(), error.code()), (Class::Security, "policy.scheme"), "{text}");
    }
}

//! Answers that break the rules of HTTP: a classified error each, and never a panic.

use hls_fetch::{Class, Kind};
use hls_testkit::{Origin, Reply};

use crate::support::{TestResult, client, failure, get, noise, quick};

#[tokio::test]
async fn what_is_not_http() -> TestResult {
    let client = quick().build()?;
    let origin = Origin::start();
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 1\r\n\r\nx", "y".repeat(1 << 20));
    let wide = format!(
        "HTTP/1.1 200 OK\r\n{}content-length: 1\r\n\r\nx",
        format!("x: {}\r\n", "y".repeat(1 << 10)).repeat(100)
    );
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 1\r\n\r\nx", "a: b\r\n".repeat(5000));
    for (name, bytes) in [
        ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!".to_vec()),
        ("negative length", b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello".to_vec()),
        (
            "length beyond 64 bits",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nx".to_vec(),
        ),
        ("bad chunk size", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nhello\r\n".to_vec()),
        (
            "negative chunk size",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nhello\r\n".to_vec(),
        ),
        (
            "chunk size beyond 64 bits",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n".to_vec(),
        ),
        ("garbage", [noise(5000), b"\r\n\r\n".to_vec()].concat()),
        ("a greeting of another protocol", b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()),
        ("no status", b"HTTP/1.1 \r\n\r\n".to_vec()),
        ("a field of a mebibyte", large.into_bytes()),
        ("a head of 100 KiB", wide.into_bytes()),
        ("five thousand fields", many.into_bytes()),
    ] {
        origin.script("/a", [Reply::raw(bytes)]);
        let error = failure(&client, &origin.url("/a")).await;
        assert_eq!((error.kind(), error.class()), (&Kind::Protocol, Class::Content), "{name}: {error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_cut_in_its_head() -> TestResult {
    let client = quick().build()?;
    let origin = Origin::start();
    for bytes in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        origin.script("/a", [Reply::raw(bytes).forever()]);
        assert_eq!(failure(&client, &origin.url("/a")).await.class(), Class::Network, "{bytes:?}");
    }
    Ok(())
}

#[tokio::test]
async fn bytes_behind_the_body_harm_nobody() -> TestResult {
    let origin = Origin::start();
    origin.put("/b", "b");
    origin.script("/a", [Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 200 OK\r\n")]);
    let client = client();
    assert_eq!(get(&client, &origin.url("/a")).await?, b"a");
    assert_eq!(get(&client, &origin.url("/b")).await?, b"b");
    Ok(())
}

#[tokio::test]
async fn text_of_the_server_is_escaped() {
    let origin = Origin::start();
    let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: \x1b[31mred\xc2\x9b\r\ncontent-length: 1\r\n\r\nx";
    origin.script("/a", [Reply::raw(head.to_vec())]);
    let shown = failure(&client(), &origin.url("/a")).await.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

//! The origin when it is well.

use std::io;
use std::time::{Duration, Instant};

use hls_testkit::{Origin, Reply, Resource};

use crate::client::{Client, get};

#[test]
fn a_resource_with_its_headers_on_a_kept_connection() -> io::Result<()> {
    let origin = Origin::start();
    origin.put("/a.ts", &b"0123456789"[..]);
    let mut client = Client::connect(&origin)?;
    for attempt in 1..=2 {
        let answer = client.ask("GET", "/a.ts?token=1", &["X-A: b"])?;
        assert_eq!(answer.status, "HTTP/1.1 200 OK");
        assert_eq!(answer.header("content-type"), Some("video/mp2t"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.body, b"0123456789");
        let log = origin.requests();
        assert_eq!(log.len() as u32, attempt);
        let last = &log[log.len() - 1];
        assert_eq!((last.attempt, last.connection, last.query.as_str()), (attempt, 1, "token=1"));
        assert_eq!((last.header("X-a"), last.status), (Some("b"), Some(200)));
    }
    let head = client.ask("HEAD", "/a.ts", &[])?;
    assert_eq!(head.header("content-length"), Some("10"));
    assert_eq!(client.ask("GET", "/b.ts", &[])?.status, "HTTP/1.1 404 Not Found");
    assert_eq!((origin.connections(), origin.max_in_flight()), (1, 1));
    assert!(origin.wait_until(Duration::from_secs(5), |o| o.body_bytes_sent() == 20 + 10));
    assert_eq!(origin.requests_for("/a.ts")[0].body_bytes_sent, 10);
    Ok(())
}

#[test]
fn ranges_and_validators() -> io::Result<()> {
    let origin = Origin::start();
    origin.put("/a.ts", Resource::new("0123456789").etag("\"v1\""));
    origin.put("/w.ts", Resource::new("0123456789").etag("W/\"v1\""));
    origin.put("/n.ts", Resource::new("0123456789").no_ranges());
    let check =
        |path: &str, headers: &[&str], status: &str, body: &str, range: Option<&str>| -> io::Result<()> {
            let answer = get(&origin, path, headers)?;
            assert_eq!(answer.status.split(' ').nth(1), Some(status), "{path} {headers:?}");
            assert_eq!(answer.body, body.as_bytes(), "{path} {headers:?}");
            assert_eq!(answer.header("content-range"), range, "{path} {headers:?}");
            Ok(())
        };
    check("/a.ts", &["Range: bytes=2-4"], "206", "234", Some("bytes 2-4/10"))?;
    check("/a.ts", &["Range: bytes=8-"], "206", "89", Some("bytes 8-9/10"))?;
    check("/a.ts", &["Range: bytes=10-"], "416", "", Some("bytes */10"))?;
    check("/a.ts", &["Range: bytes=8-", "If-Range: \"v1\""], "206", "89", Some("bytes 8-9/10"))?;
    check("/a.ts", &["Range: bytes=8-", "If-Range: \"v0\""], "200", "0123456789", None)?;
    check("/w.ts", &["Range: bytes=8-", "If-Range: W/\"v1\""], "200", "0123456789", None)?;
    check("/a.ts", &["If-None-Match: \"v1\""], "304", "", None)?;
    check("/n.ts", &["Range: bytes=8-"], "200", "0123456789", None)
}

#[test]
fn a_script_then_the_rule_then_the_resource() -> io::Result<()> {
    let origin = Origin::start();
    origin.put("/a.ts", "a");
    origin.rule(|r| (r.path == "/a.ts" && r.attempt == 4).then(|| Reply::status(500)));
    origin.script("/a.ts", [Reply::status(503).times(2), Reply::status(429).header("retry-after", "1")]);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let answer = get(&origin, "/a.ts", &[])?;
        seen.push(answer.status.split(' ').nth(1).unwrap_or_default().to_owned());
        assert_eq!(answer.header("retry-after"), (seen.len() == 3).then_some("1"));
    }
    assert_eq!(seen, ["503", "503", "429", "500", "200"]);
    Ok(())
}

#[test]
fn a_redirect_for_good() -> io::Result<()> {
    let origin = Origin::start();
    origin.redirect("/old", "/new/a.ts?x");
    for _ in 0..3 {
        let answer = get(&origin, "/old", &[])?;
        assert_eq!(
            (answer.status.as_str(), answer.header("location")),
            ("HTTP/1.1 302 Found", Some("/new/a.ts?x"))
        );
    }
    Ok(())
}

#[test]
fn latency_and_rate() -> io::Result<()> {
    let origin = Origin::builder().latency(20).connect_latency(30).rate_per_connection(1_000_000).start();
    origin.put("/a.ts", vec![7; 100_000]);
    let mut client = Client::connect(&origin)?;
    let start = Instant::now();
    client.ask("HEAD", "/a.ts", &[])?;
    assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
    let start = Instant::now();
    let answer = client.ask("GET", "/a.ts", &[])?;
    assert_eq!(answer.body.len(), 100_000);
    // 20 ms to the first byte, and 100 ms at the rate less the credit of an idle connection.
    assert!(start.elapsed() >= Duration::from_millis(90), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn the_port_is_free_again_after_a_stop() -> io::Result<()> {
    let origin = Origin::start();
    let address = origin.address().to_string();
    let mut idle = Client::connect(&origin)?;
    idle.ask("GET", "/", &[])?;
    drop(origin);
    assert_eq!(idle.rest()?, b"");
    let again = Origin::bind(&address)?;
    assert_eq!(get(&again, "/", &[])?.status, "HTTP/1.1 404 Not Found");
    Ok(())
}

#[test]
fn disconnect_closes_idle_connections() -> io::Result<()> {
    let origin = Origin::start();
    let mut client = Client::connect(&origin)?;
    client.ask("GET", "/", &[])?;
    origin.disconnect();
    assert_eq!(client.rest()?, b"");
    assert_eq!(get(&origin, "/", &[])?.status, "HTTP/1.1 404 Not Found");
    Ok(())
}

//! HTTP/2: shared connections that nobody can block, and peers that send what they should not.

use std::time::{Duration, Instant};

use hls_fetch::{Class, Client, ClientBuilder, Fetch as _, HttpVersion, Response};
use hls_testkit::frames::{Act, FramePeer, data, frame, go_away, kind, ok};
use hls_testkit::{Authority, Gate, Identity, Origin, Reply, Step};

use crate::support::{failure, get, noise, quick, request, send};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type TestResult = Result<(), Failure>;

const HERE: &[&str] = &["127.0.0.1"];

/// An origin that speaks both, and a client that trusts it.
fn pair(version: HttpVersion) -> Result<(Origin, Client), Failure> {
    let authority = Authority::new()?;
    let origin = Origin::builder().http2(&authority.identity(HERE)?)?.start();
    let client = patient().http(version).trust(authority.pem().as_bytes())?.build()?;
    Ok((origin, client))
}

fn patient() -> ClientBuilder {
    Client::builder().first_byte_timeout(Duration::from_secs(10)).stall_timeout(Duration::from_millis(500))
}

/// A peer of hand-written frames, and a client that trusts it.
fn peer(script: impl Fn(u64) -> Vec<Act> + Send + 'static) -> Result<(FramePeer, Client), Failure> {
    let authority = Authority::new()?;
    let peer = FramePeer::start(&authority.identity(HERE)?, script)?;
    let client = quick().http(HttpVersion::Http2).trust(authority.pem().as_bytes())?.build()?;
    Ok((peer, client))
}

async fn begin(client: &Client, url: &str) -> Result<Response, hls_fetch::Error> {
    client.fetch(request(url)).await
}

#[tokio::test]
async fn one_connection_where_the_server_has_http2() -> TestResult {
    for (version, connections) in [(HttpVersion::Http2, 1), (HttpVersion::Auto, 1), (HttpVersion::Http1, 4)] {
        let (origin, client) = pair(version)?;
        let gate = Gate::new();
        let waiting = Reply::resource().steps([Step::Bytes(1), Step::Wait(gate.clone()), Step::Rest]);
        origin.put("/a", noise(1000));
        origin.script("/a", vec![waiting; 4]);
        let mut begun = Vec::new();
        for _ in 0..4 {
            begun.push(begin(&client, &origin.url("/a")).await?);
        }
        assert_eq!(origin.connections(), connections, "{version:?}");
        gate.open();
        for answer in begun {
            assert_eq!(answer.bytes(1 << 20).await?, noise(1000));
        }
    }
    Ok(())
}

#[tokio::test]
async fn http11_where_the_server_has_nothing_else() -> TestResult {
    let authority = Authority::new()?;
    let origin = Origin::builder().tls(&authority.identity(HERE)?)?.start();
    origin.put("/a", "a");
    let client = |version| patient().http(version).trust(authority.pem().as_bytes())?.build();
    assert_eq!(get(&client(HttpVersion::Auto)?, &origin.url("/a")).await?, b"a");
    let error = failure(&client(HttpVersion::Http2)?, &origin.url("/a")).await;
    assert_eq!((error.class(), error.code()), (Class::Security, "net.tls"), "{error:?}");
    // Without TLS there is no HTTP/2 to agree on.
    let plain = Origin::start();
    plain.put("/a", "plain");
    assert_eq!(get(&client(HttpVersion::Http2)?, &plain.url("/a")).await?, b"plain");
    Ok(())
}

/// Pauses all transfers but the last one for longer than a stall may last, and reads that to its end; then the others.
async fn a_head_ends_whoever_pauses(version: HttpVersion, paused: usize) -> TestResult {
    const SIZE: usize = 12 << 20;
    let (origin, client) = pair(version)?;
    let body = noise(SIZE);
    origin.put("/a", body.clone());
    let mut others = Vec::new();
    for _ in 0..paused {
        let mut answer = begin(&client, &origin.url("/a")).await?;
        let first = answer.body.next().await?.ok_or("a body")?;
        others.push((answer, first));
    }
    // The windows are full by then.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let start = Instant::now();
    assert!(send(&client, request(&origin.url("/a"))).await? == body, "{version:?}");
    assert!(start.elapsed() < Duration::from_secs(8), "{version:?}: {:?}", start.elapsed());
    let (answer, first) = others.pop().ok_or("a paused one")?;
    let rest = answer.bytes(SIZE as u64).await?;
    assert!(first[..] == body[..first.len()] && rest == body[first.len()..], "a pause is no stall");
    Ok(())
}

#[tokio::test]
async fn a_paused_transfer_never_blocks_the_head_http11() -> TestResult {
    a_head_ends_whoever_pauses(HttpVersion::Http1, 12).await
}

#[tokio::test]
async fn a_paused_transfer_never_blocks_the_head_http2() -> TestResult {
    // Seven beside it on its connection; fifteen and more on several.
    a_head_ends_whoever_pauses(HttpVersion::Http2, 7).await?;
    a_head_ends_whoever_pauses(HttpVersion::Http2, 20).await
}

#[tokio::test]
async fn a_server_that_allows_one_stream_costs_one_timeout() -> TestResult {
    let authority = Authority::new()?;
    let origin = Origin::builder().max_streams(1).http2(&authority.identity(HERE)?)?.start();
    origin.put("/a", noise(8 << 20));
    let client = quick().http(HttpVersion::Http2).trust(authority.pem().as_bytes())?.build()?;
    let _paused = begin(&client, &origin.url("/a")).await?;
    assert_eq!(failure(&client, &origin.url("/a")).await.code(), "net.timeout");
    let _others = (begin(&client, &origin.url("/a")).await?, begin(&client, &origin.url("/a")).await?);
    assert_eq!(get(&client, &origin.url("/a")).await?, noise(8 << 20));
    Ok(())
}

#[tokio::test]
async fn streams_that_were_not_processed_cost_no_attempt() -> TestResult {
    let (origin, client) = pair(HttpVersion::Http2)?;
    origin.put("/a", "a");
    origin.script("/a", [Reply::refused(), Reply::refused(), Reply::resource()]);
    assert_eq!(get(&client, &origin.url("/a")).await?, b"a");
    assert_eq!(origin.requests().len(), 3);
    origin.script("/a", vec![Reply::refused(); 10]);
    let error = failure(&client, &origin.url("/a")).await;
    assert_eq!((error.class(), error.code()), (Class::Network, "net.reset"), "{error:?}");
    assert_eq!(origin.requests().len(), 3 + 4, "this is bounded");
    Ok(())
}

#[tokio::test]
async fn a_server_that_goes_away_is_asked_again() -> TestResult {
    let (peer, client) = peer(|connection| match connection {
        1 => vec![Act::AwaitRequest, Act::Send(go_away(0, 0)), Act::Close],
        _ => vec![Act::AwaitRequest, Act::Send(ok(1)), Act::Send(data(1, b"hello"))],
    })?;
    assert_eq!(get(&client, &peer.url("/a")).await?, b"hello");
    assert_eq!(peer.connections(), 2);
    Ok(())
}

#[tokio::test]
async fn what_is_under_way_ends_when_a_server_goes_away() -> TestResult {
    let (origin, client) = pair(HttpVersion::Http2)?;
    let gate = Gate::new();
    origin.put("/a", noise(1000));
    origin.script("/a", [Reply::resource().steps([Step::Bytes(5), Step::Wait(gate.clone()), Step::Rest])]);
    let first = begin(&client, &origin.url("/a")).await?;
    origin.go_away();
    for _ in 0..20 {
        assert_eq!(get(&client, &origin.url("/a")).await?, noise(1000));
    }
    gate.open();
    assert_eq!(first.bytes(1000).await?, noise(1000));
    Ok(())
}

#[tokio::test]
async fn bodies_that_end_badly() -> TestResult {
    for (reply, code) in [
        (Reply::reset_midway(), "net.reset"),
        (Reply::resource().steps([Step::UpTo(50), Step::Close]), "net.reset"),
        (Reply::resource().steps([Step::UpTo(50), Step::Stall]), "net.stall"),
        (Reply::resource().content_length(2000), "http.truncated"),
        // The transport does not tell too much from too little here.
        (Reply::resource().content_length(500), "http.truncated"),
    ] {
        let (origin, client) = pair(HttpVersion::Http2)?;
        origin.put("/a", noise(1000));
        origin.script("/a", [reply.clone()]);
        let error = failure(&client, &origin.url("/a")).await;
        assert_eq!(error.code(), code, "{reply:?}: {error:?}");
    }
    Ok(())
}

/// Floods the client, before an answer or in the middle of one: it ends in an error with a name, soon, in little memory.
async fn flood(name: &str, first: Vec<u8>, flood: Vec<u8>, codes: &[&str]) -> TestResult {
    let before = resident()?;
    let many = flood.repeat((64 << 10) / flood.len() + 1);
    let (peer, client) =
        peer(move |_| vec![Act::AwaitRequest, Act::Send(first.clone()), Act::Flood(many.clone())])?;
    let start = Instant::now();
    let error = failure(&client, &peer.url("/a")).await;
    assert!(codes.contains(&error.code()), "{name}: {error:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{name}: {:?}", start.elapsed());
    // Other tests of this process take some too.
    let grown = resident()?.saturating_sub(before);
    assert!(grown < 256 << 20, "{name}: {grown} bytes more");
    Ok(())
}

/// Bytes of memory in use by this process; 0 where that can't be told.
fn resident() -> std::io::Result<u64> {
    if !cfg!(target_os = "linux") {
        return Ok(0);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10)
}

#[tokio::test]
async fn floods_end_in_an_error() -> TestResult {
    use kind::{CONTINUATION, DATA, HEADERS, PING, RST_STREAM, SETTINGS};
    // A field of 4 KiB that is not kept in the table (RFC 7541 section 6.2.2).
    let field = [&[0, 1, b'x', 0x7f, 0x81, 0x1f][..], &[b'y'; 4096]].concat();
    let late = &["net.timeout", "net.stall"][..];
    let refused = &["http.protocol", "net.reset"][..];
    let either = &["net.timeout", "http.protocol", "net.reset"][..];
    flood("settings", vec![], frame(SETTINGS, 0, 0, &[]), either).await?;
    flood("pings", vec![], frame(PING, 0, 0, &[0; 8]), either).await?;
    flood("resets", vec![], frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]), refused).await?;
    flood("endless head", frame(HEADERS, 0, 1, &[0x88]), frame(CONTINUATION, 0, 1, &field), refused).await?;
    flood("empty continuations", frame(HEADERS, 0, 1, &[0x88]), frame(CONTINUATION, 0, 1, &[]), refused)
        .await?;
    flood("empty data", ok(1), frame(DATA, 0, 1, &[]), &[late, refused].concat()).await?;
    flood("unknown frames", vec![], frame(0xee, 0, 0, &[0; 64]), either).await
}

#[tokio::test]
async fn certificates_are_judged_whatever_is_spoken() -> TestResult {
    let authority = Authority::new()?;
    let good = authority.identity(HERE)?;
    for (what, identity, is_good) in [
        ("known", &good, true),
        ("expired", &authority.expired(HERE)?, false),
        ("for another name", &authority.identity(&["other.example"])?, false),
        ("self-signed", &Identity::self_signed(HERE)?, false),
        ("of an unknown authority", &Authority::new()?.identity(HERE)?, false),
    ] {
        for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Auto] {
            let origin = Origin::builder().http2(identity)?.start();
            origin.put("/a", "a");
            let client = patient().http(version).trust(authority.pem().as_bytes())?.build()?;
            let got = get(&client, &origin.url("/a")).await.map_err(|e| (e.class(), e.code()));
            let expect = if is_good { Ok(b"a".to_vec()) } else { Err((Class::Security, "net.tls")) };
            assert_eq!(got, expect, "{what}, {version:?}");
            assert_eq!(origin.requests().len(), usize::from(is_good), "{what}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn https_never_leads_to_http() -> TestResult {
    let plain = Origin::start();
    plain.put("/b", "plain");
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Auto] {
        let (origin, client) = pair(version)?;
        origin.redirect("/a", &plain.url("/b"));
        let error = failure(&client, &origin.url("/a")).await;
        assert_eq!((error.class(), error.code()), (Class::Security, "policy.downgrade"));
    }
    assert_eq!(plain.connections(), 0);
    Ok(())
}

//! The pool: connections are kept, shared, and replaced without a word when a server has closed them.

use std::net::SocketAddr;
use std::time::Duration;

use hls_fetch::{Class, Fetch as _, Kind};
use hls_testkit::{Origin, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Names, TestResult, client, failure, get, noise, quick, request, send, url};

#[tokio::test]
async fn connections_are_reused() -> TestResult {
    let origin = Origin::start();
    origin.put("/a", noise(100_000));
    let client = client();
    for _ in 0..10 {
        assert_eq!(get(&client, &origin.url("/a")).await?, noise(100_000));
    }
    assert_eq!(origin.connections(), 1);
    // Another job on the same pool takes over what is open.
    get(&client.for_input(&url(&origin.url("/b"))), &origin.url("/a")).await?;
    assert_eq!(origin.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn a_fresh_connection_is_shared_with_nothing() -> TestResult {
    let origin = Origin::start();
    origin.put("/a", noise(1000));
    origin.redirect("/b", "/a");
    let client = client();
    get(&client, &origin.url("/a")).await?;
    for _ in 0..3 {
        let fresh = request(&origin.url("/a")).fresh_connection();
        assert_eq!(send(&client, fresh).await?, noise(1000));
    }
    get(&client, &origin.url("/a")).await?;
    let connections: Vec<_> = origin.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [1, 2, 3, 4, 1]);
    // Each hop too.
    assert_eq!(send(&client, request(&origin.url("/b")).fresh_connection()).await?, noise(1000));
    assert_eq!(origin.connections(), 6);
    Ok(())
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_usable() -> TestResult {
    let origin = Origin::start();
    origin.put("/a", "a");
    let client = client();
    for status in [404, 503, 302] {
        origin.script("/no", [Reply::status(status)]);
        failure(&client, &origin.url("/no")).await;
    }
    assert_eq!(get(&client, &origin.url("/a")).await?, b"a");
    assert_eq!(origin.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn fifty_at_once_are_byte_exact() -> TestResult {
    let origin = Origin::builder().latency(20).start();
    let client = client();
    let body = |n: usize| noise(40_000 + n * 997).split_off(n);
    let mut running = tokio::task::JoinSet::new();
    for n in 0..50 {
        origin.put(&format!("/{n}"), body(n));
        let (client, url) = (client.clone(), origin.url(&format!("/{n}")));
        running.spawn(async move { (n, get(&client, &url).await) });
    }
    while let Some(ended) = running.join_next().await {
        let (n, bytes) = ended?;
        assert!(bytes? == body(n), "body {n}");
    }
    assert!(origin.max_in_flight() > 20, "{}", origin.max_in_flight());
    Ok(())
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_unseen() -> TestResult {
    let origin = Origin::start();
    origin.put("/a", noise(1000));
    let client = client();
    for round in 0..30 {
        assert_eq!(get(&client, &origin.url("/a")).await?, noise(1000), "round {round}");
        origin.disconnect();
        // Even rounds meet the close on its way, odd ones after it has arrived.
        if round % 2 == 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn many_connections_closed_while_idle_are_replaced_unseen() -> TestResult {
    let origin = Origin::builder().latency(5).start();
    origin.put("/a", noise(1000));
    let client = client();
    for _ in 0..5 {
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (client, url) = (client.clone(), origin.url("/a"));
            running.spawn(async move { get(&client, &url).await });
        }
        while let Some(ended) = running.join_next().await {
            assert_eq!(ended??, noise(1000));
        }
        origin.disconnect();
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_never_answers_is_asked_once() -> TestResult {
    let origin = Origin::start();
    origin.script("/a", [Reply::raw("").forever()]);
    let error = failure(&client(), &origin.url("/a")).await;
    assert_eq!((error.kind(), error.class()), (&Kind::Reset, Class::Network));
    assert_eq!(origin.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn refused() -> TestResult {
    let gone = Origin::start().url("/a");
    let error = failure(&client(), &gone).await;
    assert_eq!((error.kind(), error.class(), error.code()), (&Kind::Connect, Class::Network, "net.connect"));
    assert_eq!(error.place(), Some(gone.as_str()));
    Ok(())
}

/// A listener whose queue is full drops what else would connect to it, as a firewall does.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_says_nothing_at_all() -> TestResult {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let listener = socket.listen(1)?;
    let address = listener.local_addr()?;
    let mut queued = Vec::new();
    let patience = Duration::from_millis(200);
    while let Ok(connected) = tokio::time::timeout(patience, tokio::net::TcpStream::connect(address)).await {
        queued.push(connected?);
        assert!(queued.len() < 20, "the queue has no end");
    }
    let after = Duration::from_millis(500);
    let client = quick().first_byte_timeout(after).build()?;
    let begun = std::time::Instant::now();
    let error = failure(&client, &format!("http://{address}/a")).await;
    assert_eq!((error.class(), error.code()), (Class::Network, "net.timeout"), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn unknown_host() {
    let error = failure(&quick().build().expect("valid"), "http://name.invalid/a?token=secret").await;
    assert_eq!((error.kind(), error.class()), (&Kind::Dns, Class::Network));
    assert_eq!(error.place(), Some("http://name.invalid/a?token=…"));
}

/// An address that never answers: its queue of connections is full.
#[cfg(target_os = "linux")]
async fn dead(ip: &str, port: u16) -> std::io::Result<(TcpListener, Vec<TcpStream>)> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    let address = SocketAddr::new(ip.parse().expect("an address"), port);
    socket.bind(address)?;
    let (listener, mut waiting) = (socket.listen(0)?, Vec::new());
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream?);
    }
    Ok((listener, waiting))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dead_address_costs_little_where_there_is_another() -> TestResult {
    let origin = Origin::start();
    origin.put("/a", "alive");
    let port = origin.address().port();
    let _dead = dead("127.0.0.2", port).await?;
    for (answer, longest) in [
        (&["127.0.0.2", "127.0.0.1"][..], 2000),
        // Nor where another family comes first.
        (&["::1", "127.0.0.2", "127.0.0.1"], 2000),
        // Refused: the next one at once.
        (&["127.0.0.3", "127.0.0.1"], 500),
    ] {
        let names = Names::default().with("media.test", &[answer]);
        let client = hls_fetch::Client::builder().resolver(names).allow_private(true).build()?;
        let begun = std::time::Instant::now();
        assert_eq!(get(&client, &format!("http://media.test:{port}/a")).await?, b"alive", "{answer:?}");
        assert!(begun.elapsed() < Duration::from_millis(longest), "{answer:?}: {:?}", begun.elapsed());
    }
    Ok(())
}

/// A SOCKS5 proxy (RFC 1928) for one connection, which goes to `target` wherever it is to go; returns what was asked for.
async fn socks(listener: TcpListener, target: SocketAddr) -> std::io::Result<(u8, Vec<u8>, u16)> {
    const NO_AUTHENTICATION: [u8; 2] = [5, 0];
    const SUCCEEDED: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let (mut client, _) = listener.accept().await?;
    let mut hello = [0; 2];
    client.read_exact(&mut hello).await?;
    client.read_exact(&mut vec![0; usize::from(hello[1])]).await?;
    client.write_all(&NO_AUTHENTICATION).await?;
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let length = match head[3] {
        1 => 4,
        3 => usize::from(client.read_u8().await?),
        _ => 16,
    };
    let mut host = vec![0; length];
    client.read_exact(&mut host).await?;
    let port = client.read_u16().await?;
    client.write_all(&SUCCEEDED).await?;
    let mut server = TcpStream::connect(target).await?;
    // A side that goes away ends it, which is no error here.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    Ok((head[3], host, port))
}

#[tokio::test]
async fn a_socks_proxy_reaches_the_server() -> TestResult {
    let (address, name) = (1, 3);
    for (scheme, kind, host) in [
        ("socks5h", name, b"media.test".to_vec()),
        // Without the h the name is resolved here.
        ("socks5", address, vec![192, 0, 2, 7]),
    ] {
        let origin = Origin::start();
        origin.put("/a", noise(100_000));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = format!("{scheme}://{}", listener.local_addr()?);
        let asked = tokio::spawn(socks(listener, origin.address()));
        let names = Names::default().with("media.test", &[&["192.0.2.7"]]);
        let client = quick().resolver(names).proxy(&proxy, None)?.build()?;
        assert_eq!(get(&client, "http://media.test:8000/a").await?, noise(100_000), "{scheme}");
        assert_eq!(origin.requests()[0].header("host"), Some("media.test:8000"));
        drop((client, origin));
        assert_eq!(asked.await??, (kind, host, 8000), "{scheme}");
    }
    Ok(())
}

#[tokio::test]
async fn a_socks_proxy_that_is_gone_is_not_passed_by() -> TestResult {
    let origin = Origin::start();
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let client = quick().proxy(&format!("socks5h://{gone}"), None)?.build()?;
    let error = failure(&client, &origin.url("/a")).await;
    assert_eq!((error.kind(), error.code()), (&Kind::Connect, "net.connect"));
    assert_eq!(origin.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn a_proxy_gets_the_absolute_target() -> TestResult {
    let proxy = Origin::start();
    proxy.put("/a", "through the proxy");
    let client = quick().header("x-token", "t")?.proxy(&proxy.base(), None)?.build()?;
    // The name is the proxy's to resolve.
    assert_eq!(get(&client, "http://name.invalid/a?b=1").await?, b"through the proxy");
    let seen = proxy.requests();
    assert_eq!(seen[0].target, "http://name.invalid/a?b=1");
    assert_eq!(seen[0].header("host"), Some("name.invalid"));
    Ok(())
}

#[test]
fn a_proxy_of_an_unknown_kind_is_not_passed_by() {
    for bad in ["nonsense://127.0.0.1:1", "ftp://127.0.0.1", "http://"] {
        assert!(quick().proxy(bad, None).is_err(), "{bad}");
        assert!(quick().proxy_for(true, bad, None).is_err(), "{bad}");
    }
    assert!(
        quick().proxy("127.0.0.1:3128", None).is_ok() && quick().proxy("SOCKS5h://127.0.0.1", None).is_ok()
    );
}

#[tokio::test]
async fn a_proxy_has_exceptions() -> TestResult {
    let (origin, proxy) = (Origin::start(), Origin::start());
    origin.put("/a", "direct");
    let client = quick().proxy(&proxy.base(), Some("127.0.0.1"))?.build()?;
    assert_eq!(get(&client, &origin.url("/a")).await?, b"direct");
    assert_eq!(proxy.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn the_head_says_what_it_is() -> TestResult {
    let origin = Origin::start();
    origin.put("/a.m3u8", "#EXTM3U");
    let answer = client().fetch(request(&origin.url("/a.m3u8"))).await?;
    assert_eq!((answer.status, answer.length, answer.total), (200, Some(7), Some(7)));
    assert_eq!(answer.content_type.as_deref(), Some("application/vnd.apple.mpegurl"));
    assert!(answer.strong_etag.is_some_and(|tag| tag.starts_with('"')));
    assert_eq!(origin.requests()[0].header("accept-encoding"), Some("identity"));
    Ok(())
}

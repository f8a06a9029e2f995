//! The origin over TLS and HTTP/2, seen from a bare connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use hls_testkit::frames::{Act, FramePeer, data, ok};
use hls_testkit::{Authority, Gate, Identity, Origin, Reply, Step};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type TestResult = Result<(), Failure>;

async fn connect(authority: &Authority, base: &str) -> Result<TlsStream<TcpStream>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = base.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let stream = TcpStream::connect(address).await?;
    Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("127.0.0.1")?, stream).await?)
}

async fn client(authority: &Authority, base: &str) -> Result<SendRequest<Bytes>, Failure> {
    let (client, connection) = h2::client::handshake(connect(authority, base).await?).await?;
    tokio::spawn(connection);
    Ok(client.ready().await?)
}

async fn get(client: &mut SendRequest<Bytes>, path: &str) -> Result<Response<RecvStream>, h2::Error> {
    let request = Request::get(format!("https://test{path}")).body(()).expect("a literal URL");
    client.send_request(request, true)?.0.await
}

/// Reads a body: its bytes, and what it ended in.
async fn read(answer: Response<RecvStream>) -> (Vec<u8>, Option<Reason>) {
    let (mut body, mut all) = (answer.into_body(), Vec::new());
    while let Some(chunk) = body.data().await {
        match chunk {
            Ok(chunk) => {
                let _ = body.flow_control().release_capacity(chunk.len());
                all.extend_from_slice(&chunk);
            }
            Err(error) => return (all, error.reason()),
        }
    }
    (all, None)
}

fn origin() -> Result<(Authority, Origin), Failure> {
    let authority = Authority::new()?;
    let origin = Origin::builder().http2_only(&authority.identity(&["127.0.0.1"])?)?.start();
    origin.put("/a", "0123456789");
    Ok((authority, origin))
}

#[tokio::test]
async fn replies_on_streams_of_one_connection() -> TestResult {
    let (authority, origin) = origin()?;
    let gate = Gate::new();
    let waiting = Reply::resource().steps([Step::Bytes(5), Step::Wait(gate.clone()), Step::Rest]);
    origin.script("/a", [waiting, Reply::refused(), Reply::reset_midway(), Reply::resource()]);
    let mut client = client(&authority, &origin.base()).await?;
    let first = get(&mut client, "/a").await?;
    assert_eq!(first.headers()["content-length"], "10");
    let refused = get(&mut client, "/a").await.map(drop).map_err(|e| e.reason());
    assert_eq!(refused, Err(Some(Reason::REFUSED_STREAM)));
    assert_eq!(read(get(&mut client, "/a").await?).await, (b"01234".to_vec(), Some(Reason::INTERNAL_ERROR)));
    assert_eq!(read(get(&mut client, "/a").await?).await, (b"0123456789".to_vec(), None));
    gate.open();
    assert_eq!(read(first).await, (b"0123456789".to_vec(), None));
    assert_eq!(get(&mut client, "/none").await?.status(), 404);
    assert_eq!(origin.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn going_away_lets_what_is_under_way_end() -> TestResult {
    let (authority, origin) = origin()?;
    let gate = Gate::new();
    origin.script("/a", [Reply::resource().steps([Step::Bytes(5), Step::Wait(gate.clone()), Step::Rest])]);
    let mut client = client(&authority, &origin.base()).await?;
    let first = get(&mut client, "/a").await?;
    origin.go_away();
    // The client learns of it a moment later.
    let mut end = None;
    for _ in 0..200 {
        match get(&mut client, "/a").await {
            Ok(answer) => drop(read(answer).await),
            Err(error) => {
                end = Some(error);
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(end.is_some_and(|error| error.is_go_away()));
    gate.open();
    assert_eq!(read(first).await, (b"0123456789".to_vec(), None));
    Ok(())
}

#[tokio::test]
async fn certificates_that_a_client_refuses() -> TestResult {
    let authority = Authority::new()?;
    for (identity, is_good) in [
        (authority.identity(&["127.0.0.1"])?, true),
        (authority.identity(&["other.example"])?, false),
        (authority.expired(&["127.0.0.1"])?, false),
        (Identity::self_signed(&["127.0.0.1"])?, false),
    ] {
        let origin = Origin::builder().http2(&identity)?.start();
        assert_eq!(connect(&authority, &origin.base()).await.is_ok(), is_good);
    }
    Ok(())
}

#[tokio::test]
async fn frames_by_hand() -> TestResult {
    let authority = Authority::new()?;
    let peer = FramePeer::start(&authority.identity(&["127.0.0.1"])?, |_| {
        vec![Act::AwaitRequest, Act::Send(ok(1)), Act::Send(data(1, b"hello"))]
    })?;
    let mut client = client(&authority, &peer.url("")).await?;
    assert_eq!(read(get(&mut client, "/a").await?).await, (b"hello".to_vec(), None));
    assert_eq!(peer.connections(), 1);
    Ok(())
}

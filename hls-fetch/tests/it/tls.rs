//! https: who is trusted, and what never leads from it to http.

use std::net::SocketAddr;
use std::sync::Arc;

use hls_fetch::{Class, Client, Kind};
use hls_testkit::Origin;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{TestResult, failure, get, quick, request, send, url};

/// An origin behind TLS, with a certificate that nobody knows.
struct Secure {
    origin: Origin,
    address: SocketAddr,
    pem: String,
    task: tokio::task::JoinHandle<()>,
}

impl Secure {
    async fn start(name: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let (acceptor, pem) = acceptor(name)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let origin = Origin::start();
        let task = tokio::spawn(relay(listener, acceptor, origin.address()));
        Ok(Self { origin, address, pem, task })
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server's side of TLS under this name, and its certificate.
fn acceptor(name: &str) -> Result<(TlsAcceptor, String), Box<dyn std::error::Error>> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()])?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), cert.pem()))
}

async fn relay(listener: TcpListener, acceptor: TlsAcceptor, origin: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that refuses the certificate goes away, which is what some tests are about.
            let Ok(mut clear) = acceptor.accept(stream).await else { return };
            if let Ok(mut behind) = TcpStream::connect(origin).await {
                let _ = tokio::io::copy_bidirectional(&mut clear, &mut behind).await;
            }
        });
    }
}

fn trusting(secure: &Secure) -> Result<Client, hls_fetch::Error> {
    quick().trust(secure.pem.as_bytes())?.build()
}

#[tokio::test]
async fn an_unknown_certificate_is_refused() -> TestResult {
    let secure = Secure::start("localhost").await?;
    let error = failure(&quick().build()?, &secure.url("/a")).await;
    assert_eq!((error.kind(), error.class()), (&Kind::Tls, Class::Security), "{error:?}");
    assert!(!error.is_transient());
    assert_eq!(secure.origin.connections(), 0, "not a byte of the request was sent");
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_given_is_trusted() -> TestResult {
    let secure = Secure::start("localhost").await?;
    secure.origin.put("/a", "safe");
    assert_eq!(get(&trusting(&secure)?, &secure.url("/a")).await?, b"safe");
    Ok(())
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() -> TestResult {
    let secure = Secure::start("other.example").await?;
    assert_eq!(failure(&trusting(&secure)?, &secure.url("/a")).await.kind(), &Kind::Tls);
    Ok(())
}

#[tokio::test]
async fn insecure_accepts_anything() -> TestResult {
    let secure = Secure::start("other.example").await?;
    secure.origin.put("/a", "whoever you are");
    assert_eq!(get(&quick().insecure(true).build()?, &secure.url("/a")).await?, b"whoever you are");
    Ok(())
}

#[tokio::test]
async fn a_redirect_to_http_is_refused_unless_allowed() -> TestResult {
    let (secure, plain) = (Secure::start("localhost").await?, Origin::start());
    plain.put("/b", "plain");
    secure.origin.redirect("/a", &plain.url("/b"));
    let error = failure(&trusting(&secure)?, &secure.url("/a")).await;
    assert_eq!((error.class(), error.code()), (Class::Security, "policy.downgrade"));
    assert_eq!(plain.connections(), 0);
    let lax = quick().insecure(true).allow_http(true).build()?;
    assert_eq!(get(&lax, &secure.url("/a")).await?, b"plain");
    Ok(())
}

#[tokio::test]
async fn a_secure_parent_names_no_http_url() -> TestResult {
    let plain = Origin::start();
    plain.put("/b", "plain");
    let parent = url("https://example.com/index.m3u8");
    let found = request(&plain.url("/b")).found_in(&parent);
    let error = send(&quick().build()?, found.clone()).await.expect_err("a downgrade");
    assert_eq!(error.code(), "policy.downgrade");
    assert_eq!(plain.connections(), 0);
    assert_eq!(send(&quick().allow_http(true).allow_private(true).build()?, found).await?, b"plain");
    Ok(())
}

#[tokio::test]
async fn plain_text_on_a_secure_port_is_an_error_that_is_classified() -> TestResult {
    let plain = Origin::start();
    let url = format!("https://localhost:{}/a", plain.address().port());
    let error =
        failure(&quick().first_byte_timeout(std::time::Duration::from_millis(500)).build()?, &url).await;
    assert!(matches!(error.class(), Class::Network | Class::Security), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn damage_in_the_encrypted_stream_passes_for_the_network() -> TestResult {
    let (acceptor, pem) = acceptor("localhost")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://localhost:{}/a", listener.local_addr()?.port());
    let server = async {
        let mut stream = acceptor.accept(listener.accept().await?.0).await?;
        stream.read_buf(&mut Vec::with_capacity(4096)).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await?;
        stream.flush().await?;
        // A record of the right form that nobody with the keys has written.
        stream.get_mut().0.write_all(&[&[23, 3, 3, 0, 40][..], &[7; 40]].concat()).await?;
        stream.get_mut().0.read_to_end(&mut Vec::new()).await
    };
    let client = quick().trust(pem.as_bytes())?.build()?;
    let (error, _) = tokio::join!(failure(&client, &url), server);
    assert_eq!((error.kind(), error.class()), (&Kind::Reset, Class::Network), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn text_without_a_certificate_is_refused() {
    assert_eq!(Client::builder().trust(b"no PEM").map(|_| ()).map_err(|e| e.class()), Err(Class::Local));
}

#[tokio::test]
async fn a_server_with_nothing_in_common_is_told_of_with_what_is_offered() -> TestResult {
    // handshake_failure, protocol_version, insufficient_security (RFC 8446 section 6.2); unknown_ca is a matter of trust.
    for (alert, is_unshared) in [(40, true), (70, true), (71, true), (48, false)] {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}/a", server.local_addr()?);
        let answering = async {
            let (mut connection, _) = server.accept().await?;
            let _ = connection.read(&mut [0; 4096]).await?;
            connection.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await?;
            connection.shutdown().await
        };
        let client = Client::builder().insecure(true).build()?;
        let (error, _) = tokio::join!(failure(&client, &url), answering);
        assert_eq!((error.code(), error.class()), ("net.tls", Class::Security));
        assert_eq!(matches!(error.kind(), Kind::TlsUnshared { .. }), is_unshared, "{alert}: {error}");
        assert_eq!(error.to_string().contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), is_unshared);
    }
    Ok(())
}

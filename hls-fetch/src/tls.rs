//! How a server's certificate is judged.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::{Error, Kind};

/// The certificates in a PEM file.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable =
        || Error::new(Kind::Configuration("no certificate could be read from the PEM text".into()));
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| unusable().caused_by(e))?;
    if found.is_empty() { Err(unusable()) } else { Ok(found) }
}

/// The cipher suites that a server may choose from, by name.
pub(crate) fn offered() -> String {
    let suites = rustls::crypto::ring::default_provider().cipher_suites;
    suites.iter().map(|suite| format!("{:?}", suite.suite())).collect::<Vec<_>>().join(", ")
}

/// The configuration for https: the platform's trust store and `extra` roots, or anything at all where `insecure`.
pub(crate) fn configuration(
    extra: Vec<CertificateDer<'static>>,
    insecure: bool,
) -> Result<ClientConfig, Error> {
    let failed = |e: rustls::Error| {
        Error::new(Kind::Configuration("the trust store can't be read".into())).caused_by(e)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if insecure {
        Arc::new(AcceptAnything(Arc::clone(&provider)))
    } else if extra.is_empty() {
        Arc::new(rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(failed)?)
    } else {
        let with_extra = rustls_platform_verifier::Verifier::new_with_extra_roots;
        Arc::new(with_extra(extra, Arc::clone(&provider)).map_err(failed)?)
    };
    with_verifier(provider, verifier).map_err(failed)
}

/// A configuration that trusts nobody: for the client that speaks plain http only, which then never reads a trust store.
pub(crate) fn unused() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(Kind::Configuration("TLS can't be set up".into())).caused_by(e))?;
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn with_verifier(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// What `-k` asks for: no judgement of the certificate at all.
#[derive(Debug)]
struct AcceptAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! Certificates made at run time: good ones, and those that a client has to refuse.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A certificate authority that nobody knows but who is given its certificate.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, for a server.
#[derive(Clone, Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn new() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Returns its certificate as PEM, for a client to trust.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate for these names and addresses.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn identity(&self, names: &[&str]) -> Result<Identity, Error> {
        self.sign(params(names)?)
    }

    /// Signs a certificate that ended with the year 2000.
    ///
    /// # Errors
    /// As [`identity`](Self::identity).
    pub fn expired(&self, names: &[&str]) -> Result<Identity, Error> {
        let mut params = params(names)?;
        (params.not_before, params.not_after) = (date_time_ymd(1999, 1, 1), date_time_ymd(2000, 12, 31));
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Result<Identity, Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        let chain = vec![certificate.der().clone(), self.0.der().clone()];
        Ok(Identity { chain, key: key.serialize_der() })
    }
}

impl Identity {
    /// Makes one that nobody has signed but itself.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn self_signed(names: &[&str]) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let certificate = params(names)?.self_signed(&key)?;
        Ok(Self { chain: vec![certificate.der().clone()], key: key.serialize_der() })
    }

    /// A server's side of TLS that speaks these protocols (ALPN).
    pub(crate) fn server(&self, protocols: &[&str]) -> Result<Arc<ServerConfig>, rustls::Error> {
        let key = PrivateKeyDer::try_from(self.key.clone())
            .map_err(|e| rustls::Error::General(format!("the key of the test: {e}")))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}

fn params(names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

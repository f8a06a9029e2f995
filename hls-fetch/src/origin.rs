//! Scheme, host and port: what credentials belong to.

use url::{Host, Url};

/// The origin of an http or https URL (RFC 6454): scheme, host and port, compared as parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: Host<String>,
    port: u16,
}

impl Origin {
    /// The origin of `url`, or `None` where it is neither http nor https.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        Some(Self { secure, host: url.host()?.to_owned(), port: url.port_or_known_default()? })
    }

    /// Whether the scheme is https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, as parsed.
    #[must_use]
    pub fn host(&self) -> &Host<String> {
        &self.host
    }
}

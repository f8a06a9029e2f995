//! How a client is set up.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use reqwest::{NoProxy, Proxy};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use url::Url;

use super::answer::LARGEST_HEAD;
use super::guard::{Guard, plain};
use super::jar::Jar;
use super::lane::{CONNECTION_WINDOW, STREAM_WINDOW};
use super::pool::Pools;
use super::resolve::{GuardedResolver, Resolve, SystemResolver};
use super::{CONNECT_TIMEOUT, Client, Shared};
use crate::{Error, HeaderRules, Kind, tls};

/// Which HTTP is spoken over TLS. Without TLS it is always HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1: each transfer has a connection of its own.
    #[default]
    Http1,
    /// HTTP/2, and nothing else.
    Http2,
    /// HTTP/2 where the server has it.
    Auto,
}

const PROXIES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Configuration of a [`Client`]. It reads neither environment nor files.
#[derive(Debug)]
#[must_use]
pub struct ClientBuilder {
    rules: HeaderRules,
    cookies: Vec<(String, String)>,
    settings: Settings,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) first_byte_timeout: Duration,
    pub(super) stall_timeout: Duration,
    pub(super) http: HttpVersion,
    pub(super) allow_http: bool,
    pub(super) allow_private: bool,
    resolver: Arc<dyn Resolve>,
    proxy_hosts: HashSet<String>,
    connections: usize,
    proxies: Vec<Proxy>,
    has_secure_proxy: bool,
    roots: Vec<CertificateDer<'static>>,
    insecure: bool,
    tls: OnceLock<ClientConfig>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        let settings = Settings {
            tls: OnceLock::new(),
            first_byte_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            http: HttpVersion::default(),
            allow_http: false,
            allow_private: false,
            resolver: Arc::new(SystemResolver),
            proxy_hosts: HashSet::new(),
            connections: 16,
            proxies: Vec::new(),
            has_secure_proxy: false,
            roots: Vec::new(),
            insecure: false,
        };
        Self { rules: HeaderRules::default(), cookies: Vec::new(), settings }
    }
}

impl ClientBuilder {
    /// Adds a header field, sent as [`HeaderRules`] says.
    ///
    /// # Errors
    /// A name or value that HTTP does not allow.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        self.rules.add(name, value)?;
        Ok(self)
    }

    /// Takes header rules made elsewhere.
    pub fn rules(mut self, rules: HeaderRules) -> Self {
        self.rules = rules;
        self
    }

    /// Adds cookies, which go to the origin of the input, or of the host that they are for: host and `Set-Cookie` value, as [`parse_cookie_file`](crate::parse_cookie_file) returns them.
    pub fn cookies(mut self, cookies: Vec<(String, String)>) -> Self {
        self.cookies.extend(cookies);
        self
    }

    /// Connections kept ready for each host; the concurrency of the job.
    pub fn connections(mut self, connections: usize) -> Self {
        self.settings.connections = connections;
        self
    }

    /// Time to the head of an answer, connecting included; 15 s unless told.
    pub fn first_byte_timeout(mut self, after: Duration) -> Self {
        self.settings.first_byte_timeout = after;
        self
    }

    /// A transfer under 1 KiB/s for this long has stalled; 30 s unless told.
    pub fn stall_timeout(mut self, after: Duration) -> Self {
        self.settings.stall_timeout = after;
        self
    }

    /// Chooses the version of HTTP; HTTP/1.1 unless told.
    ///
    /// In HTTP/2 up to eight transfers share a connection, and up to 2 MiB of each may be here before they are read.
    pub fn http(mut self, version: HttpVersion) -> Self {
        self.settings.http = version;
        self
    }

    /// Lets https lead to http.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.settings.allow_http = allow;
        self
    }

    /// Lets playlists and redirects lead to loopback, private and link-local addresses; else only the address of the input may
    /// be one.
    pub fn allow_private(mut self, allow: bool) -> Self {
        self.settings.allow_private = allow;
        self
    }

    /// Asks this resolver instead of the system's.
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.settings.resolver = Arc::new(resolver);
        self
    }

    /// Sends every request through a proxy: `http://`, `https://` or `socks5://host:port`, credentials allowed.
    ///
    /// # Errors
    /// A URL that no proxy can have.
    pub fn proxy(self, url: &str, except: Option<&str>) -> Result<Self, Error> {
        self.add_proxy(Proxy::all(url), url, except)
    }

    /// Sends requests for http URLs, or those for https URLs, through a proxy.
    ///
    /// # Errors
    /// A URL that no proxy can have.
    pub fn proxy_for(self, secure: bool, url: &str, except: Option<&str>) -> Result<Self, Error> {
        let proxy = if secure { Proxy::https(url) } else { Proxy::http(url) };
        self.add_proxy(proxy, url, except)
    }

    fn add_proxy(
        mut self,
        proxy: reqwest::Result<Proxy>,
        url: &str,
        except: Option<&str>,
    ) -> Result<Self, Error> {
        // The transport passes by a proxy of a kind it does not know, and asks the server itself.
        let scheme =
            url.split_once("://").map_or("http".to_owned(), |(scheme, _)| scheme.to_ascii_lowercase());
        if !PROXIES.contains(&scheme.as_str()) {
            return Err(Error::new(Kind::Configuration("the proxy is of an unknown kind".into())));
        }
        let proxy = proxy.map_err(|e| {
            Error::new(Kind::Configuration("the proxy can't be used".into())).caused_by(e.without_url())
        })?;
        let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let host = whole.parse::<Url>().ok().and_then(|url| url.host_str().map(plain));
        self.settings.proxy_hosts.extend(host);
        self.settings.has_secure_proxy |= url.to_ascii_lowercase().starts_with("https:");
        self.settings.proxies.push(proxy.no_proxy(except.and_then(NoProxy::from_string)));
        Ok(self)
    }

    /// Trusts the certificates in this PEM text besides the platform's.
    ///
    /// # Errors
    /// Text without a certificate.
    pub fn trust(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.settings.roots.extend(tls::certificates(pem)?);
        Ok(self)
    }

    /// Accepts any certificate.
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.settings.insecure = insecure;
        self
    }

    /// Finishes. Connections are made when first needed.
    ///
    /// # Errors
    /// A cookie for a host that does not exist.
    pub fn build(self) -> Result<Client, Error> {
        let mut jar = Jar::default();
        for (host, cookie) in &self.cookies {
            let bad =
                || Error::new(Kind::Configuration("a cookie names no usable host".into())).with_detail(host);
            if !jar.give(host, cookie) {
                return Err(bad());
            }
        }
        let shared = Shared {
            settings: self.settings,
            jar: Mutex::new(jar),
            known: Mutex::default(),
            pools: Pools::default(),
        };
        Ok(Client { shared: Arc::new(shared), rules: Arc::new(self.rules), pool: None })
    }
}

impl Settings {
    /// Reading the platform's trust store takes a while, so it is done once.
    fn tls(&self) -> Result<ClientConfig, Error> {
        if let Some(made) = self.tls.get() {
            return Ok(made.clone());
        }
        let made = tls::configuration(self.roots.clone(), self.insecure)?;
        Ok(self.tls.get_or_init(|| made).clone())
    }

    /// A transport for https, or for plain http (with TLS where a proxy needs it); `fresh`: each request has a connection of its own.
    pub(super) fn transport(
        &self,
        is_secure: bool,
        fresh: bool,
        guard: &Arc<Guard>,
    ) -> Result<reqwest::Client, Error> {
        let resolver = GuardedResolver {
            resolver: Arc::clone(&self.resolver),
            guard: Arc::clone(guard),
            proxies: self.proxy_hosts.clone(),
        };
        let mut tls = if is_secure || self.has_secure_proxy { self.tls()? } else { tls::unused()? };
        // A configuration that is given is taken as it is (RFC 7301: what is offered, the best first).
        tls.alpn_protocols = match self.http {
            HttpVersion::Auto if is_secure => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            HttpVersion::Http2 if is_secure => vec![b"h2".to_vec()],
            _ => vec![b"http/1.1".to_vec()],
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(15))
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(if fresh { 0 } else { self.connections });
        builder = match self.http {
            HttpVersion::Auto if is_secure => builder,
            HttpVersion::Http2 if is_secure => builder.http2_prior_knowledge(),
            _ => builder.http1_only(),
        };
        builder = builder
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(LARGEST_HEAD as u32);
        for proxy in &self.proxies {
            builder = builder.proxy(proxy.clone());
        }
        builder.build().map_err(|e| {
            Error::new(Kind::Configuration("the client can't be set up".into())).caused_by(e.without_url())
        })
    }
}

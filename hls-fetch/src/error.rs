//! How an attempt failed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use url::Url;

use crate::{AddressRange, Class, escaped, redacted};

/// Redirects followed in one attempt, at most.
pub(crate) const MOST_REDIRECTS: usize = 10;

/// What went wrong in an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The host name could not be resolved.
    Dns,
    /// No connection: refused, unreachable, or not made in time.
    Connect,
    /// The connection was lost before the answer was complete.
    Reset,
    /// The certificate or the TLS handshake was not acceptable.
    Tls,
    /// Server and client have no version, cipher suite or signature of TLS in common.
    TlsUnshared {
        /// The cipher suites that were offered.
        offered: String,
    },
    /// No answer began within the time allowed.
    FirstByteTimeout {
        /// The time allowed.
        after: Duration,
    },
    /// The transfer fell under its lowest rate for too long.
    Stall {
        /// The time that was watched.
        after: Duration,
    },
    /// The body ended early.
    Truncated {
        /// Bytes received.
        got: u64,
        /// Bytes announced, where they were.
        want: Option<u64>,
    },
    /// The answer broke the rules of HTTP.
    Protocol,
    /// The server answered with this status.
    Status(u16),
    /// Redirects without end or without a target.
    Redirect {
        /// The URLs passed through, redacted.
        chain: Vec<String>,
    },
    /// The answer is another range than the one asked for.
    RangeMismatch {
        /// The range asked for.
        want: String,
        /// What the answer says it is.
        got: String,
    },
    /// The whole resource was sent where a range had been asked for.
    RangeIgnored,
    /// The body exceeds the limit for it.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Content coding other than identity where none was asked for.
    Coded(String),
    /// https leads to http.
    Downgrade,
    /// A scheme other than http and https.
    Scheme(String),
    /// A URL with a user name in it, which only the user may write.
    UserInfo,
    /// An address that is not on the internet, named by what is.
    PrivateAddress {
        /// The address, and the name that led to it.
        address: String,
        /// What the address is.
        range: AddressRange,
    },
    /// A file outside the folder that may be read, or one that can't be.
    File(String),
    /// A header, proxy or certificate that can't be used.
    Configuration(String),
    /// No more files and connections may be open, in this process or on this machine.
    Descriptors,
}

/// A failed attempt: what, where, and the cause underneath.
///
/// URLs are kept redacted; `Display` shows this level only, and `source()` the one below.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    place: Option<String>,
    retry_after: Option<Duration>,
    held_back: Vec<String>,
    attempts: u32,
    detail: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind; for implementations of [`Fetch`](crate::Fetch).
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self(Box::new(Inner {
            kind,
            place: None,
            retry_after: None,
            held_back: Vec::new(),
            attempts: 1,
            detail: None,
            source: None,
        }))
    }

    /// Says at which URL; it is redacted at once.
    #[must_use]
    pub fn at(mut self, url: &Url) -> Self {
        self.0.place = Some(redacted(url));
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Keeps how long the server asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    /// Keeps the names of header fields that did not go to this host.
    #[must_use]
    pub fn with_held_back(mut self, names: Vec<String>) -> Self {
        self.0.held_back = names;
        self
    }

    /// Keeps a few words from the answer, escaped and cut.
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.0.detail = Some(escaped(detail, 80));
        self
    }

    /// Says how many attempts were made before this one became final.
    #[must_use]
    pub fn after_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The class that decides whether to try again.
    #[must_use]
    pub fn class(&self) -> Class {
        match &self.0.kind {
            Kind::Dns
            | Kind::Connect
            | Kind::Reset
            | Kind::FirstByteTimeout { .. }
            | Kind::Stall { .. }
            | Kind::Truncated { .. } => Class::Network,
            // A retried protocol error usually lands on another backend, and is bounded as wrong content is.
            Kind::Protocol | Kind::Coded(_) => Class::Content,
            Kind::Status(status) => Class::of_status(*status).unwrap_or(Class::Content),
            Kind::Redirect { chain } if chain.len() > MOST_REDIRECTS => Class::Client,
            Kind::Redirect { .. } => Class::Content,
            Kind::RangeMismatch { .. } | Kind::RangeIgnored => Class::Range,
            Kind::Tls
            | Kind::TlsUnshared { .. }
            | Kind::TooLarge { .. }
            | Kind::Downgrade
            | Kind::Scheme(_)
            | Kind::UserInfo
            | Kind::PrivateAddress { .. } => Class::Security,
            Kind::File(_) | Kind::Configuration(_) | Kind::Descriptors => Class::Local,
        }
    }

    /// A stable symbol for scripts, for example `http.truncated`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.0.kind {
            Kind::Dns => "net.dns",
            Kind::Connect => "net.connect",
            Kind::Reset => "net.reset",
            Kind::Tls | Kind::TlsUnshared { .. } => "net.tls",
            Kind::FirstByteTimeout { .. } => "net.timeout",
            Kind::Stall { .. } => "net.stall",
            Kind::Truncated { .. } => "http.truncated",
            Kind::Protocol => "http.protocol",
            Kind::Status(_) => "http.status",
            Kind::Redirect { .. } => "http.redirect",
            Kind::RangeMismatch { .. } => "http.range_mismatch",
            Kind::RangeIgnored => "http.range_ignored",
            Kind::TooLarge { .. } => "limit.size",
            Kind::Coded(_) => "http.coded",
            Kind::Downgrade => "policy.downgrade",
            Kind::Scheme(_) => "policy.scheme",
            Kind::UserInfo => "policy.userinfo",
            Kind::PrivateAddress { .. } => "policy.private_address",
            Kind::File(_) => "file",
            Kind::Configuration(_) => "configuration",
            Kind::Descriptors => "descriptors",
        }
    }

    /// Where it happened: the URL, redacted.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// How long the server asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Header fields that were held back from this host, where it answered 401 or 403.
    #[must_use]
    pub fn held_back(&self) -> &[String] {
        &self.0.held_back
    }

    /// Attempts made in all.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The status of the answer, where that is what failed.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.0.kind {
            Kind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the same request may well succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class().is_transient()
    }
}

/// Whether the system, or the limit of this process, allows no further file or socket: EMFILE and ENFILE have the same numbers
/// on every Unix, and Windows has one number for files and one for sockets.
pub(crate) fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    let numbers: &[i32] = if cfg!(windows) { &[4, 10024] } else { &[23, 24] };
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Dns => f.write_str("the host name could not be resolved"),
            Kind::Connect => f.write_str("no connection could be made"),
            Kind::Reset => f.write_str("the connection was lost"),
            Kind::Tls => f.write_str("the secure connection was not acceptable"),
            Kind::TlsUnshared { offered } => {
                write!(
                    f,
                    "server and program have no cipher suite of TLS in common; the program offers {offered}"
                )
            }
            Kind::FirstByteTimeout { after } => write!(f, "no answer within {} s", after.as_secs_f32()),
            Kind::Stall { after } => write!(f, "less than 1 KiB/s for {} s", after.as_secs_f32()),
            Kind::Truncated { got, want: Some(want) } => write!(f, "got {got} of {want} bytes"),
            Kind::Truncated { got, want: None } => write!(f, "the body was cut after {got} bytes"),
            Kind::Protocol => f.write_str("the answer was not valid HTTP"),
            Kind::Status(status) => {
                let reason = http::StatusCode::from_u16(*status).ok().and_then(|s| s.canonical_reason());
                write!(f, "the server answered {status}")?;
                reason.map_or(Ok(()), |reason| write!(f, " {reason}"))
            }
            Kind::Redirect { chain } => write!(f, "redirected in vain: {}", chain.join(" -> ")),
            Kind::RangeMismatch { want, got } => write!(f, "asked for {want}, got {got}"),
            Kind::RangeIgnored => f.write_str("the server ignored the range and sent the whole resource"),
            Kind::TooLarge { limit } => write!(f, "larger than the limit of {limit} bytes"),
            Kind::Coded(coding) => write!(f, "sent with content coding {coding}, which was not asked for"),
            Kind::Downgrade => f.write_str("https leads to plain http"),
            Kind::Scheme(scheme) => write!(f, "scheme {scheme} is not allowed, only http and https"),
            Kind::UserInfo => f.write_str("a URL brings a user name, which only the user may write into one"),
            Kind::PrivateAddress { address, range } => {
                write!(f, "{address} is a {range} address, and only the input itself may be at one")
            }
            Kind::Descriptors => f.write_str("no more files and connections may be open"),
            Kind::File(what) | Kind::Configuration(what) => f.write_str(what),
        }?;
        self.0.detail.as_ref().map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

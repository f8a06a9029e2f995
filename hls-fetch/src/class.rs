//! What kind of failure an attempt ended in, in the terms in which it is decided whether to try again.

use std::fmt;

/// The class of a failed attempt. [`RetryPolicy`](crate::RetryPolicy) holds what follows from each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// Time-outs, refused or lost connections, cut bodies, 408: the network, or a server that died in the middle.
    Network,
    /// 5xx other than 503: the server is there and failed.
    Server,
    /// 429 and 503: the server asks for fewer requests.
    Throttled,
    /// 401, 403, 407: not allowed. A fresh link or a credential is needed.
    Auth,
    /// 404, 410: not there.
    Permanent,
    /// Any other 4xx, and redirects in a circle.
    Client,
    /// The answer arrived and is not what it has to be: a page for a segment, an empty body, a wrong key, a 3xx that does not
    /// redirect.
    Content,
    /// The range in the answer is not the range that was asked for.
    Range,
    /// Refused by a rule of safety: certificate, https to http, scheme, size limit.
    Security,
    /// Something on this machine: files, permissions, a request that can't be built.
    Local,
}

impl Class {
    /// Classes in the order of the table in the documentation.
    pub const ALL: [Self; 10] = [
        Self::Network,
        Self::Server,
        Self::Throttled,
        Self::Auth,
        Self::Permanent,
        Self::Client,
        Self::Content,
        Self::Range,
        Self::Security,
        Self::Local,
    ];

    /// The class of an HTTP status that is not a success, or `None` for a success.
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            200..=299 => return None,
            408 | 425 => Self::Network,
            429 | 503 => Self::Throttled,
            401 | 403 | 407 => Self::Auth,
            404 | 410 => Self::Permanent,
            // No condition was sent that 304 could answer, and a redirect has a target.
            300..=399 => Self::Content,
            500..=599 => Self::Server,
            _ => Self::Client,
        })
    }

    /// Whether the same request may well succeed later without anyone doing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Network | Self::Server | Self::Throttled)
    }

    /// The name used in events and documentation, for example `network`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Server => "server",
            Self::Throttled => "throttled",
            Self::Auth => "auth",
            Self::Permanent => "permanent",
            Self::Client => "client",
            Self::Content => "content",
            Self::Range => "range",
            Self::Security => "security",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (status, expect) in [
            (200, None),
            (206, None),
            (302, Some(Class::Content)),
            (304, Some(Class::Content)),
            (400, Some(Class::Client)),
            (401, Some(Class::Auth)),
            (403, Some(Class::Auth)),
            (404, Some(Class::Permanent)),
            (408, Some(Class::Network)),
            (410, Some(Class::Permanent)),
            (425, Some(Class::Network)),
            (429, Some(Class::Throttled)),
            (451, Some(Class::Client)),
            (500, Some(Class::Server)),
            (503, Some(Class::Throttled)),
            (522, Some(Class::Server)),
        ] {
            assert_eq!(Class::of_status(status), expect, "{status}");
        }
    }
}

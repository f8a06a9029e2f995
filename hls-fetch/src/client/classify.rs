//! From reqwest's errors to ours: the chain of causes tells what the top does not.

use std::error::Error as StdError;
use std::io;

use url::Url;

use super::guard::Blocked;
use super::resolve::LookupFailed;
use crate::error::is_out_of_descriptors;
use crate::{Error, Kind, tls};

/// The error of a request that got no answer.
pub(super) fn failed(error: reqwest::Error, url: &Url) -> Error {
    let error = error.without_url();
    if let Some(blocked) = find::<Blocked>(&error) {
        return Error::from(blocked.clone()).at(url);
    }
    let kind = if find::<io::Error>(&error).is_some_and(is_out_of_descriptors) {
        Kind::Descriptors
    } else if find::<LookupFailed>(&error).is_some() {
        Kind::Dns
    } else if find::<rustls::Error>(&error).is_some_and(is_unshared) {
        Kind::TlsUnshared { offered: tls::offered() }
    } else if find::<rustls::Error>(&error).is_some_and(is_trust) {
        Kind::Tls
    } else if error.is_connect() || error.is_timeout() {
        Kind::Connect
    } else if error.is_builder() {
        Kind::Configuration("the request can't be built".into())
    } else if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse)
        || find::<h2::Error>(&error).is_some_and(is_against_the_rules)
    {
        Kind::Protocol
    } else {
        Kind::Reset
    };
    Error::new(kind).at(url).caused_by(error)
}

/// Whether a connection that had been made ended before anything was answered.
pub(super) fn is_unanswered(error: &reqwest::Error) -> bool {
    use io::ErrorKind as E;
    let lost = |e: &io::Error| {
        matches!(e.kind(), E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe | E::NotConnected)
    };
    !error.is_connect()
        && (find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message)
            || find::<io::Error>(error).is_some_and(lost))
}

/// Whether the server says that it has done nothing about the request: it goes away, or has no room for the stream.
pub(super) fn is_unprocessed(error: &reqwest::Error) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        let reason = error.reason();
        error.is_remote()
            && (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
                || error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// Whether it is this side that ended an HTTP/2 connection or stream, for what came over it.
fn is_against_the_rules(error: &h2::Error) -> bool {
    error.is_library() && error.reason().is_some()
}

/// The error of a body that did not reach its end.
pub(super) fn cut(error: reqwest::Error, url: &Url, got: u64, want: Option<u64>) -> Error {
    let error = error.without_url();
    let io_kind = find::<io::Error>(&error).map(io::Error::kind);
    let ended_early = io_kind == Some(io::ErrorKind::UnexpectedEof)
        || find::<hyper::Error>(&error).is_some_and(hyper::Error::is_incomplete_message);
    let kind = match io_kind {
        _ if ended_early => Kind::Truncated { got, want },
        // HTTP/2 compares the length by itself.
        _ if find::<h2::Error>(&error).is_some_and(is_against_the_rules) => match want {
            Some(all) if got < all => Kind::Truncated { got, want },
            _ => Kind::Protocol,
        },
        // Damage under TLS says nothing about the HTTP inside it.
        _ if find::<rustls::Error>(&error).is_some() => Kind::Reset,
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => Kind::Protocol,
        _ => Kind::Reset,
    };
    Error::new(kind).at(url).caused_by(error)
}

/// Whether the two sides have nothing in common that both would speak: no certificate is to blame.
fn is_unshared(error: &rustls::Error) -> bool {
    use rustls::{AlertDescription as Alert, Error as Tls};
    matches!(
        error,
        Tls::PeerIncompatible(_)
            | Tls::AlertReceived(
                Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity
            )
    )
}

/// Damage and a server in trouble come and go; a certificate, or a version that is not spoken, does not.
fn is_trust(error: &rustls::Error) -> bool {
    use rustls::{AlertDescription as Alert, Error as Tls};
    if let Tls::AlertReceived(alert) = error {
        let passing = [Alert::InternalError, Alert::CloseNotify, Alert::UserCanceled, Alert::BadRecordMac];
        return !passing.contains(alert);
    }
    matches!(
        error,
        Tls::InvalidCertificate(_)
            | Tls::NoCertificatesPresented
            | Tls::UnsupportedNameType
            | Tls::InvalidCertRevocationList(_)
            | Tls::PeerIncompatible(_)
    )
}

fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An io::Error hides the error it was made from behind get_ref, and may hold another io::Error there.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

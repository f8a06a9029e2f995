//! Why a job ended without its output.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use hls_fetch::Class;
use url::Url;

use crate::failure::Failure;

/// What to do where no more files and connections may be open.
const TOO_MANY_OPEN: &str =
    "raise the limit (ulimit -n), or end what has many files open, and run the same command again";

/// What kind of end it is: what a script, or a person, has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request itself makes no sense: a name that contradicts the stream, a choice that matches nothing.
    Usage,
    /// The server refuses or does not have it.
    Refused,
    /// A failure of network or server that outlasted all attempts.
    Temporary,
    /// Blocked for safety.
    Blocked,
    /// Not a playlist, not valid, or not supported.
    Playlist,
    /// The content is wrong, or not what it was.
    Content,
    /// Disk or quota full.
    Full,
    /// Something else on this machine.
    Local,
    /// Another process holds this job.
    InUse,
    /// The state on disk is from a newer version.
    Newer,
    /// The output exists.
    Exists,
    /// Whoever read the output has gone.
    ReaderGone,
    /// Stopped by the caller; what was done is kept.
    Stopped,
    /// A defect of this program.
    Internal,
}

/// An error that says where, what, why, what is kept and what to do next.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    code: String,
    message: String,
    place: Option<String>,
    why: Option<String>,
    kept: Option<String>,
    next: Option<String>,
    class: Option<Class>,
    retry_after: Option<Duration>,
    timed_out: bool,
    is_final: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Returns the error of a resource that was replaced while its parts were fetched: those that are here are of the one before.
    pub(crate) fn resource_changed(url: &url::Url) -> Self {
        let shown = hls_fetch::redacted(url);
        Self::new(
            Kind::Content,
            "playlist.changed",
            format!("{shown} was replaced while its parts were fetched"),
        )
        .why("its length, tag or date are other ones now, and parts of two files are no file")
        .next("--restart discards what is there and starts over, -o gives another name")
        .finally()
    }

    /// Returns the error of a stream that is another one, by this segment, than in the earlier run.
    pub(crate) fn stream_changed(number: u64, why: &str) -> Self {
        Self::new(
            Kind::Content,
            "playlist.changed",
            format!("the stream changed at segment {number} since the earlier run"),
        )
        .why(why)
        .next("--restart discards what is there and starts over, -o gives another name")
    }

    pub(crate) fn new(kind: Kind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: code.into(),
            message: message.into(),
            place: None,
            why: None,
            kept: None,
            next: None,
            class: None,
            retry_after: None,
            timed_out: false,
            is_final: false,
            source: None,
        }))
    }

    /// Content that is not what it has to be; worth another try.
    pub(crate) fn content(code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(Kind::Content, code, message);
        error.0.class = Some(Class::Content);
        error
    }

    /// What failed while fetching `what` (`segment`, `key`, `init` or `playlist`), said about `subject`.
    pub(crate) fn fetch(what: &str, subject: &str, error: hls_fetch::Error) -> Self {
        use hls_fetch::Kind as Cause;
        let class = error.class();
        let kind = match class {
            Class::Network | Class::Server | Class::Throttled => Kind::Temporary,
            Class::Auth | Class::Permanent | Class::Client => Kind::Refused,
            Class::Content | Class::Range => Kind::Content,
            Class::Security => Kind::Blocked,
            _ if matches!(error.kind(), Cause::Configuration(_)) => Kind::Usage,
            _ => Kind::Local,
        };
        let code = match error.code().split_once('.') {
            Some(("http", detail)) => format!("{what}.{detail}"),
            _ => error.code().to_owned(),
        };
        let mut made = Self::new(kind, code, format!("{subject}: {error}"));
        made.0.place = error.place().map(|place| format!("GET {place}"));
        made.0.class = Some(class);
        made.0.retry_after = error.retry_after();
        made.0.timed_out = matches!(error.kind(), Cause::FirstByteTimeout { .. } | Cause::Stall { .. });
        made.0.why = error.source().map(innermost);
        if !error.held_back().is_empty() {
            let host = error
                .place()
                .and_then(|p| p.parse::<Url>().ok())
                .and_then(|u| Some(u.host_str()?.to_owned()));
            let (names, host) = (error.held_back().join(", "), host.unwrap_or_else(|| "HOST".to_owned()));
            made.0.why =
                Some(format!("{names} went to the origin of the input only, and {host} is another host"));
            let name = error.held_back().first().map_or("NAME", String::as_str);
            made.0.next =
                Some(format!("if {host} is meant to see it, add --header-for {host} '{name}: ...'"));
        } else if *error.kind() == Cause::Descriptors {
            made.0.next = Some(TOO_MANY_OPEN.to_owned());
        } else if matches!(error.status(), Some(401 | 403)) {
            made.0.next =
                Some("the link may have expired: give a fresh one; what is kept is used again".to_owned());
        } else if kind == Kind::Blocked {
            made.0.next = match error.kind() {
                Cause::PrivateAddress { .. } => {
                    Some("if this playlist may reach into your own network, add --allow-private")
                }
                Cause::Downgrade => Some("if plain http is good enough here, add --allow-http"),
                Cause::TlsUnshared { .. } => Some(
                    "no option changes that: the server needs newer software, or a proxy (-x) that speaks both",
                ),
                Cause::Tls => Some("--ca FILE trusts a certificate, -k accepts any"),
                _ => None,
            }
            .map(str::to_owned);
        } else if what == "playlist" {
            made.0.next = match kind {
                Kind::Temporary => Some("run the same command again later"),
                Kind::Refused => Some("check that the link is right and not out of date"),
                _ => None,
            }
            .map(str::to_owned);
        }
        made.0.source = Some(Box::new(error));
        made
    }

    pub(crate) fn stopped() -> Self {
        Self::new(Kind::Stopped, "stopped", "stopped before the end")
            .next("run the same command again to go on")
    }

    pub(crate) fn writer_gone() -> Self {
        Self::new(Kind::Internal, "internal", "the writing thread is gone")
    }

    pub(crate) fn state(error: hls_state::Error) -> Self {
        use hls_state::Kind as Cause;
        let kind = match error.kind() {
            Cause::Full => Kind::Full,
            Cause::InUse { .. } => Kind::InUse,
            Cause::Exists | Cause::Appeared | Cause::Taken => Kind::Exists,
            Cause::Newer { .. } => Kind::Newer,
            Cause::Io | Cause::Descriptors => Kind::Local,
            _ => Kind::Internal,
        };
        let mut made = Self::new(kind, error.code(), error.to_string());
        made.0.why = error.source().map(innermost);
        let part = error.complete().map(|part| hls_fetch::escaped(&part.display().to_string(), 300));
        made.0.kept = part.as_ref().map(|part| format!("all of it, complete and verified, in {part}"));
        made.0.next = match error.kind() {
            Cause::Full => Some("free some space and run the same command again".to_owned()),
            Cause::InUse { pid: Some(pid) } => {
                made.0.why = Some(format!("process {pid} is writing it"));
                Some("wait for it to end".to_owned())
            }
            Cause::InUse { pid: None } => Some("wait for it to end".to_owned()),
            Cause::Exists => {
                Some("--force replaces it, --skip-existing keeps it, -o gives another name".to_owned())
            }
            Cause::Taken => Some("--restart takes it and writes over it, -o gives another name".to_owned()),
            Cause::Appeared => part.map(|part| {
                format!(
                    "the complete bytes are in {part}: move the other file away and run the same command again, \
                     or use --force to replace it"
                )
            }),
            Cause::Io => Some("check that the folder exists and may be written to".to_owned()),
            Cause::Descriptors => Some(TOO_MANY_OPEN.to_owned()),
            Cause::Newer { .. } => Some("use the newer version, or another output name".to_owned()),
            _ => None,
        };
        made.0.source = Some(Box::new(error));
        made
    }

    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place = Some(place.into());
        self
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.0.why = Some(why.into());
        self
    }

    /// Adds to the cause.
    pub(crate) fn also(mut self, more: &str) -> Self {
        let why = self.0.why.take().into_iter().chain([more.to_owned()]).filter(|part| !part.is_empty());
        self.0.why = Some(why.collect::<Vec<_>>().join("; ")).filter(|why| !why.is_empty());
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.0.next = Some(next.into());
        self
    }

    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(crate) fn keeping(mut self, kept: impl Into<String>) -> Self {
        self.0.kept = Some(kept.into());
        self
    }

    /// No further attempt can help, whatever the class.
    pub(crate) fn finally(mut self) -> Self {
        self.0.is_final = true;
        self
    }

    pub(crate) fn after_attempts(mut self, attempts: u32) -> Self {
        if attempts > 1 {
            let place = self.0.place.take().unwrap_or_default();
            self.0.place = Some(format!("{place} (try {attempts} of {attempts})").trim_start().to_owned());
        }
        self
    }

    pub(crate) fn is_final(&self) -> bool {
        self.0.is_final || self.0.class.is_none()
    }

    #[cfg(test)]
    pub(crate) fn of_class(mut self, class: Class) -> Self {
        self.0.class = Some(class);
        self
    }

    /// How it failed, for those who decide what follows.
    pub(crate) fn failure(&self, class: Class) -> Failure {
        Failure {
            timed_out: self.0.timed_out,
            retry_after: self.0.retry_after,
            too_many: self.status() == Some(429),
            turned_away: self.is_turned_away(),
            unsent: self.is_out_of_descriptors(),
            ..Failure::new(class)
        }
    }

    /// The status of the answer, where that is what failed.
    pub(crate) fn status(&self) -> Option<u16> {
        let source = self.0.source.as_deref()?.downcast_ref::<hls_fetch::Error>()?;
        source.status()
    }

    /// No connection was let in.
    fn is_turned_away(&self) -> bool {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let io = error.downcast_ref::<std::io::Error>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    pub(crate) fn class(&self) -> Class {
        self.0.class.unwrap_or(Class::Local)
    }

    /// What kind of end it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// A stable symbol for scripts, for example `segment.truncated`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Where: the request, with secrets left out.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// The cause, in words.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.why.as_deref()
    }

    /// What is kept for the next run.
    #[must_use]
    pub fn kept(&self) -> Option<&str> {
        self.0.kept.as_deref()
    }

    /// What to do next.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.0.next.as_deref()
    }

    /// Whether no more files and connections may be open: others close some soon.
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        self.0.code == "descriptors"
    }

    /// Whether the same job may well succeed later without anyone doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.kind == Kind::Temporary
    }

    /// How long the server asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    hls_fetch::escaped(&error.to_string(), 200)
}

impl From<hls_state::Error> for Error {
    fn from(error: hls_state::Error) -> Self {
        Self::state(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

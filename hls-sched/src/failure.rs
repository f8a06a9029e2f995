//! How attempts fail.

use std::time::Duration;

use hls_fetch::Class;

/// How an attempt failed, as far as it matters for what comes next.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The class of the error.
    pub class: Class,
    /// It ended by a time-out or a stall.
    pub timed_out: bool,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
    /// The server said that there are too many requests (429). Of class [`Throttled`](Class::Throttled) and without a time to
    /// come again it is a 503, and one alone is an error of the server as any other.
    pub too_many: bool,
    /// The server, or what is in front of it, let no connection in.
    pub turned_away: bool,
    /// No connection could be opened on this machine: nothing was sent, and one that is open already may serve.
    pub unsent: bool,
}

impl Failure {
    /// A failure of this class, at once, and without a word on when to come again.
    #[must_use]
    pub fn new(class: Class) -> Self {
        Self {
            class,
            timed_out: false,
            retry_after: None,
            too_many: false,
            turned_away: false,
            unsent: false,
        }
    }
}

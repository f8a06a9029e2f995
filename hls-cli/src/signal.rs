//! Signals: the first one ends a download well, the second one at once.

use std::process::ExitCode;

/// What the user asks for from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end, by this signal.
    End(i32),
    /// For a line of status.
    Status,
}

/// The signals a download listens to.
#[cfg(unix)]
pub(crate) struct Signals {
    ends: [(i32, tokio::signal::unix::Signal); 3],
    status: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind: SignalKind| signal(kind).map(|s| (kind.as_raw_value(), s));
        Ok(Self {
            ends: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
            status: signal(SignalKind::user_defined1())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        let [(int, a), (term, b), (hup, c)] = &mut self.ends;
        tokio::select! {
            _ = a.recv() => Asked::End(*int),
            _ = b.recv() => Asked::End(*term),
            _ = c.recv() => Asked::End(*hup),
            _ = self.status.recv() => Asked::Status,
        }
    }
}

/// Dies by the signal, so that shell loops stop and supervisors understand.
#[cfg(unix)]
pub(crate) fn die_by(signal: i32) -> ExitCode {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    ExitCode::from(128 + u8::try_from(signal).unwrap_or(2))
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> Asked {
        let _ = tokio::signal::ctrl_c().await;
        Asked::End(2)
    }
}

#[cfg(not(unix))]
pub(crate) fn die_by(signal: i32) -> ExitCode {
    ExitCode::from(128 + u8::try_from(signal).unwrap_or(2))
}

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
    ends: [(i32, tokio::signal::unix::Signal); 2],
    hangup: Option<tokio::signal::unix::Signal>,
    status: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind: SignalKind| signal(kind).map(|s| (kind.as_raw_value(), s));
        Ok(Self {
            ends: [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?],
            // A download that was started under nohup stays when the terminal goes.
            hangup: if is_ignored(HANGUP) { None } else { Some(signal(SignalKind::hangup())?) },
            status: signal(SignalKind::user_defined1())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        let [(int, a), (term, b)] = &mut self.ends;
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = a.recv() => Asked::End(*int),
            _ = b.recv() => Asked::End(*term),
            _ = hangup => Asked::End(HANGUP),
            _ = self.status.recv() => Asked::Status,
        }
    }
}

#[cfg(unix)]
const HANGUP: i32 = 1;

/// Whether the signal was ignored from the start. Only Linux tells without a change of what it asks about.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
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

//! Signals: the first one ends a download well, the second one at once.

use std::process::ExitCode;
#[cfg(unix)]
use std::sync::{Arc, atomic::AtomicBool};
#[cfg(unix)]
use std::task::Poll;

/// What the user asks for from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end, by this signal.
    End(i32),
    /// For a line of status.
    #[cfg_attr(windows, expect(dead_code, reason = "no such signal there"))]
    Status,
}

/// The signals a download listens to.
#[cfg(unix)]
pub(crate) struct Signals {
    /// Those that end it.
    ends: Vec<(i32, tokio::signal::unix::Signal)>,
    status: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // Under nohup a download stays when the terminal goes. A script's background starts with INT ignored too, but whoever
        // sends that by hand wants the download to end well.
        let hangup = Some(SignalKind::hangup()).filter(|kind| !is_ignored(kind.as_raw_value()));
        // A file that may grow no further is an error like any other, not the end of the program.
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        let ends = [SignalKind::interrupt(), SignalKind::terminate()].into_iter().chain(hangup);
        let listen = |kind: SignalKind| signal(kind).map(|s| (kind.as_raw_value(), s));
        Ok(Self {
            ends: ends.map(listen).collect::<Result<_, _>>()?,
            status: signal(SignalKind::user_defined1())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        std::future::poll_fn(|cx| {
            for (number, signal) in &mut self.ends {
                if signal.poll_recv(cx).is_ready() {
                    return Poll::Ready(Asked::End(*number));
                }
            }
            self.status.poll_recv(cx).map(|_| Asked::Status)
        })
        .await
    }
}

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

#[cfg(windows)]
pub(crate) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    pub(crate) async fn next(&mut self) -> Asked {
        let _ = self.0.recv().await;
        Asked::End(2)
    }
}

#[cfg(windows)]
pub(crate) fn die_by(signal: i32) -> ExitCode {
    ExitCode::from(128 + u8::try_from(signal).unwrap_or(2))
}

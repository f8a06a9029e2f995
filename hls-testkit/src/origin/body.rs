//! Sending a body, step by step and at a rate.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::silence;
use super::log::Entry;
use super::reply::Step;
use super::shared::Counters;
use super::stream::Stream;
use crate::noise;

/// What becomes of a connection after a step or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    KeepAlive,
    Close,
    Reset,
}

/// A body on its way.
pub(super) struct Body<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) pace: &'a mut Pace,
    pub(super) entry: &'a Entry,
    pub(super) counters: &'a Counters,
    pub(super) bytes: Bytes,
    pub(super) at: usize,
    pub(super) chunked: bool,
}

impl Body<'_> {
    pub(super) async fn step(&mut self, step: &Step) -> io::Result<After> {
        let length = self.bytes.len();
        match step {
            Step::Bytes(n) => self.send_up_to(self.at.saturating_add(*n)).await?,
            Step::UpTo(hundredths) => self.send_up_to(length * usize::from(*hundredths) / 100).await?,
            Step::Rest => self.send_up_to(length).await?,
            Step::Drip { bytes_per_s } => {
                let own = std::mem::replace(self.pace, Pace::new(Some((*bytes_per_s).max(1))));
                let sent = self.send_up_to(length).await;
                *self.pace = own;
                sent?;
            }
            Step::Garbage(n) => {
                let mut garbage = vec![0; *n];
                noise::fill(&mut garbage, 0x6761_7262);
                self.write(&garbage).await?;
                self.at += *n;
            }
            Step::Endless(bytes) => {
                let many = bytes.repeat((64 << 10) / bytes.len().max(1) + 1);
                loop {
                    self.write(&many).await?;
                }
            }
            Step::Sleep(ms) => {
                self.stream.flush().await?;
                sleep(Duration::from_millis(*ms)).await;
            }
            Step::Wait(gate) => {
                self.stream.flush().await?;
                gate.passed().await;
            }
            Step::Stall => {
                self.stream.flush().await?;
                silence(self.stream).await;
                return Ok(After::Close);
            }
            Step::Close => return Ok(After::Close),
            Step::Reset => return Ok(After::Reset),
        }
        Ok(After::KeepAlive)
    }

    async fn send_up_to(&mut self, end: usize) -> io::Result<()> {
        let end = end.min(self.bytes.len());
        if end > self.at {
            let slice = self.bytes.slice(self.at..end);
            self.write(&slice).await?;
            self.at = end;
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(self.pace.piece()) {
            if self.pace.bytes_per_s.is_some() {
                self.stream.flush().await?;
            }
            self.pace.wait(piece.len()).await;
            if self.chunked {
                self.stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            }
            let mut left = piece;
            while !left.is_empty() {
                let n = self.stream.write(left).await?;
                self.entry.body_bytes.add(n as u64);
                self.counters.body_bytes.add(n as u64);
                left = &left[n..];
            }
            if self.chunked {
                self.stream.write_all(b"\r\n").await?;
            }
        }
        Ok(())
    }
}

/// The rate of one connection, shared by the requests that follow each other on it.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_s: Option<u64>,
    next: Instant,
}

impl Pace {
    /// Idle time that may be made up for; timers are no finer than a millisecond.
    const CREDIT: Duration = Duration::from_millis(20);

    pub(super) fn new(bytes_per_s: Option<u64>) -> Self {
        Self { bytes_per_s, next: Instant::now() }
    }

    pub(super) fn piece(&self) -> usize {
        match self.bytes_per_s {
            Some(rate) => (rate / 100).clamp(1, 64 << 10) as usize,
            None => 256 << 10,
        }
    }

    pub(super) async fn wait(&mut self, n: usize) {
        let Some(rate) = self.bytes_per_s else { return };
        let now = Instant::now();
        let earliest = now.checked_sub(Self::CREDIT).unwrap_or(now);
        self.next = self.next.max(earliest) + Duration::from_secs_f64(n as f64 / rate as f64);
        sleep_until(self.next).await;
    }
}

//! Syncs in groups, beside the writing.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::log::Log;
use crate::part::{Behind, Part};
use crate::record::Record;
use crate::{Error, Kind, sys};

#[derive(Debug)]
enum Request {
    /// Begin to write out this part of an output, and do not wait for it.
    SendOut(usize, Behind),
    Sync,
}

/// A thread that syncs the outputs and the log while the writer goes on.
#[derive(Debug)]
pub(crate) struct Syncer {
    requests: Option<Sender<Request>>,
    results: Receiver<Result<Duration, Error>>,
    thread: Option<JoinHandle<()>>,
    busy: bool,
}

impl Syncer {
    pub(crate) fn start(parts: Vec<(Arc<File>, PathBuf)>, log: Arc<Mutex<Log>>) -> std::io::Result<Self> {
        let (requests, wanted) = channel();
        let (done, results) = channel();
        let work = move || {
            for request in wanted {
                let started = Instant::now();
                match request {
                    Request::SendOut(output, behind) => {
                        if let Some((part, _)) = parts.get(output) {
                            sys::send_out(part, behind.offset, behind.len);
                        }
                    }
                    Request::Sync => {
                        if done.send(sync(&parts, &log).map(|()| started.elapsed())).is_err() {
                            break;
                        }
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("hls-sync".into()).spawn(work)?;
        Ok(Self { requests: Some(requests), results, thread: Some(thread), busy: false })
    }

    /// Asks for a sync of all that has been written and recorded; `false` while one is under way.
    pub(crate) fn request(&mut self) -> bool {
        let asked = !self.busy && self.requests.as_ref().is_some_and(|r| r.send(Request::Sync).is_ok());
        self.busy |= asked;
        asked
    }

    /// Has a part of an output written out early, so that the sync at the end has little left to wait for.
    pub(crate) fn send_out(&self, output: usize, behind: Behind) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(Request::SendOut(output, behind));
        }
    }

    /// Whether a sync that was asked for has ended since, and how long it took.
    pub(crate) fn ended(&mut self) -> Option<Result<Duration, Error>> {
        let result = match self.results.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) if !self.busy => return None,
            Err(TryRecvError::Disconnected) => {
                Err(Error::new(Kind::Io, "the thread that syncs is gone:", &PathBuf::new()))
            }
        };
        self.busy = false;
        Some(result)
    }

    /// Waits for a sync under way. Its failure must not be lost: the system tells of one only once.
    pub(crate) fn end(mut self) -> Result<(), Error> {
        self.join();
        self.ended().map_or(Ok(()), |ended| ended.map(|_| ()))
    }

    fn join(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.join();
    }
}

/// Syncs the outputs, then says so in the log, then syncs the log. A failed sync is never tried again.
pub(crate) fn sync(parts: &[(Arc<File>, PathBuf)], log: &Mutex<Log>) -> Result<(), Error> {
    for (part, path) in parts {
        Part::sync(part, path)?;
    }
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.append(&[Record::Synced])?;
    log.sync()
}

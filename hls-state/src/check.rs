//! The check of what an earlier run left in its outputs, beside everything else that is done with them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use crate::error::Context as _;
use crate::{Checked, Error, Fingerprint, Hasher, Kind, Placed, sys};

/// Reads in pieces of this size, and can be stopped behind each.
const PIECE: usize = 1 << 20;

/// An output, and the units that are claimed to be in it.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    pub(crate) units: Vec<Placed>,
}

#[derive(Debug)]
enum Found {
    Damaged(Placed),
    Failed(Error),
    /// Said and not merely meant by an end: a thread that dies has found nothing out.
    NothingMore,
}

/// A thread that hashes outputs against what is claimed of them. Nobody else writes there meanwhile, but over a unit that
/// it has found to be damaged.
#[derive(Debug)]
pub(crate) struct Check {
    found: Receiver<Found>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Check {
    pub(crate) fn start(outputs: Vec<Claimed>) -> std::io::Result<Self> {
        let (tell, found) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            let end = match outputs.iter().try_for_each(|output| output.check(&tell, &stopped)) {
                Ok(()) => Found::NothingMore,
                Err(error) => Found::Failed(error),
            };
            if !stopped.load(Ordering::Relaxed) {
                let _ = tell.send(end);
            }
        };
        let thread = std::thread::Builder::new().name("hls-check".into()).spawn(work)?;
        Ok(Self { found, stop, thread: Some(thread) })
    }

    /// What has been found since the last call; `wait`: until it has come to the end.
    pub(crate) fn found(&self, wait: bool) -> Result<Checked, Error> {
        let mut checked = Checked { damaged: Vec::new(), is_done: false };
        while !checked.is_done {
            let found = match wait {
                true => self.found.recv().map_err(|_| TryRecvError::Disconnected),
                false => self.found.try_recv(),
            };
            match found {
                Ok(Found::Damaged(unit)) => checked.damaged.push(unit),
                Ok(Found::NothingMore) => checked.is_done = true,
                Ok(Found::Failed(error)) => return Err(error),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(Error::new(Kind::Io, "the thread that checks is gone:", &PathBuf::new()));
                }
            }
        }
        Ok(checked)
    }

    /// Ends it where it is. What it has not come to is never found right.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Claimed {
    fn check(&self, tell: &Sender<Found>, stop: &AtomicBool) -> Result<(), Error> {
        let mut buffer = vec![0; PIECE];
        for unit in self.units.iter().filter(|unit| unit.len > 0) {
            match self.hash(unit, &mut buffer, stop)? {
                Some(hash) if hash == unit.hash => {}
                _ if stop.load(Ordering::Relaxed) => return Ok(()),
                _ => {
                    let _ = tell.send(Found::Damaged(*unit));
                }
            }
        }
        Ok(())
    }

    /// The hash of what is there of a unit; `None` where the file ends before it does, or nobody wants to know any more.
    fn hash(
        &self,
        unit: &Placed,
        buffer: &mut [u8],
        stop: &AtomicBool,
    ) -> Result<Option<Fingerprint>, Error> {
        let mut hasher = Hasher::default();
        let (mut at, end) = (unit.offset, unit.offset + unit.len);
        while at < end {
            let most = buffer.len().min(usize::try_from(end - at).unwrap_or(PIECE));
            let piece = buffer.get_mut(..most).unwrap_or_default();
            let got = sys::read_at(&self.file, piece, at).at("can't read", &self.path)?;
            if got == 0 || stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            hasher.update(piece.get(..got).unwrap_or_default());
            at += got as u64;
        }
        Ok(Some(hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn claimed(path: &Path, units: &[&[u8]]) -> Claimed {
        let mut offset = 0;
        let place = |(index, data): (u64, &&[u8])| {
            let len = data.len() as u64;
            offset += len;
            let hash = Fingerprint::of(data);
            Placed { output: 0, index, identity: 0, offset: offset - len, len, hash }
        };
        let units = (0..).zip(units).map(place).collect();
        Claimed { file: Arc::new(File::open(path).unwrap()), path: path.to_owned(), units }
    }

    #[test]
    fn what_does_not_match_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        let large = vec![7; PIECE + 1];
        for (is, damaged) in [
            ([b"one".to_vec(), large.clone(), b"end".to_vec()].concat(), &[][..]),
            ([b"two".to_vec(), large.clone(), b"end".to_vec()].concat(), &[0]),
            ([b"one".to_vec(), vec![7; PIECE], b"!end".to_vec()].concat(), &[1]),
            ([b"one".to_vec(), large.clone(), b"en".to_vec()].concat(), &[3]),
            (Vec::new(), &[0, 1, 3]),
        ] {
            std::fs::write(&path, &is).unwrap();
            let check = Check::start(vec![claimed(&path, &[b"one", &large, b"", b"end"])]).unwrap();
            let checked = check.found(true).unwrap();
            assert!(checked.is_done);
            assert_eq!(checked.damaged.iter().map(|unit| unit.index).collect::<Vec<_>>(), damaged);
        }
    }

    #[test]
    fn one_that_is_stopped_or_fails_has_not_said_that_all_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        std::fs::write(&path, "one").unwrap();
        let stopped = AtomicBool::new(true);
        let (tell, found) = channel();
        claimed(&path, &[b"one", b"two"]).check(&tell, &stopped).unwrap();
        assert!(found.try_recv().is_err());
        // A file that may not be read.
        let mut unreadable = claimed(&path, &[b"one"]);
        unreadable.file = Arc::new(File::options().append(true).open(&path).unwrap());
        let check = Check::start(vec![unreadable]).unwrap();
        assert_eq!(check.found(true).unwrap_err().kind(), Kind::Io);
        assert!(check.found(true).is_err(), "it stays so");
    }
}

//! Reading and writing beside the work between them, each in a thread of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::source::{PIECE, Source};
use crate::error::{Error, Kind};

/// So many pieces are under way on each side.
const PIECES: usize = 2;

/// A track that is read ahead.
pub(super) struct Reading {
    full: Receiver<Result<Vec<u8>, Error>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
}

impl Reading {
    pub(super) fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        mut source: Source<'env>,
    ) -> Self {
        let ((fill, full), (empty, emptied)) = (channel(), channel::<Vec<u8>>());
        for _ in 1..PIECES {
            let _ = empty.send(Vec::new());
        }
        scope.spawn(move || {
            for mut piece in emptied {
                let read = source.next().map(|bytes| {
                    piece.clear();
                    piece.extend_from_slice(bytes);
                    piece
                });
                let is_last = read.as_ref().map_or(true, Vec::is_empty);
                if fill.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Self { full, empty, current: Vec::new() }
    }

    /// More bytes; none at the end.
    pub(super) fn next(&mut self) -> Result<&[u8], Error> {
        let _ = self.empty.send(std::mem::take(&mut self.current));
        self.current = self.full.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
        Ok(&self.current)
    }
}

/// What is written, in pieces.
pub(super) struct Writing<'scope> {
    full: Sender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    current: Vec<u8>,
    thread: ScopedJoinHandle<'scope, Result<(), Error>>,
}

impl<'scope> Writing<'scope> {
    pub(super) fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        write: &'env mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send),
    ) -> Self {
        let ((full, filled), (give_back, empty)) = (channel::<Vec<u8>>(), channel());
        for _ in 0..PIECES {
            let _ = give_back.send(Vec::with_capacity(2 * PIECE));
        }
        let thread = scope.spawn(move || {
            filled.into_iter().try_for_each(|mut piece| {
                write(&piece)?;
                piece.clear();
                let _ = give_back.send(piece);
                Ok(())
            })
        });
        Self { full, empty, current: Vec::with_capacity(2 * PIECE), thread }
    }

    /// Takes more bytes; `false`: they can't be written, and [`end`](Self::end) says why.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        // Chunks of audio are small.
        self.current.extend_from_slice(bytes);
        if self.current.len() < PIECE {
            return true;
        }
        let Ok(next) = self.empty.recv() else { return false };
        self.full.send(std::mem::replace(&mut self.current, next)).is_ok()
    }

    /// Waits until all is written.
    pub(super) fn end(self) -> Result<(), Error> {
        let _ = self.full.send(self.current);
        drop(self.full);
        let panicked = |_| Err(Error::new(Kind::Internal, "internal", "writing panicked"));
        self.thread.join().unwrap_or_else(panicked)
    }
}

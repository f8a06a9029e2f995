//! Where the bytes of an attempt go.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hls_state::Mark;

use crate::error::Error;
use crate::policy::planner::LARGEST_HEDGE;
use crate::transfer::pipeline::Whole;

/// What a doubted segment has when it is asked for again is kept up to this size, in case it is another one.
const LARGEST_SPARE: u64 = 4 << 20;

/// Where the bytes of an attempt go.
pub(super) trait Sink {
    /// Returns once they are taken; given up before that, none of them is.
    async fn take(&self, data: Bytes) -> Result<(), Error>;

    /// Waits until more may be taken.
    async fn ready(&self);

    /// Takes what is left of a unit that is whole.
    async fn take_all(&self, whole: &mut Whole) -> Result<(), Error> {
        for rest in whole.rest.drain(..) {
            self.take(rest).await?;
        }
        self.ready().await;
        Ok(())
    }

    /// What was taken so far is void.
    fn start_over(&self);

    fn mark(&self, mark: Mark);
}

/// Keeps what a second attempt brings.
#[derive(Default)]
pub(super) struct Memory(Mutex<Vec<Bytes>>);

impl Memory {
    pub(super) fn chunks(self) -> Vec<Bytes> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Memory {
    async fn take(&self, data: Bytes) -> Result<(), Error> {
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.push(data);
        match chunks.iter().map(Bytes::len).sum::<usize>() as u64 > LARGEST_HEDGE {
            true => Err(Error::content("content.size", "larger than it was said to be")),
            false => Ok(()),
        }
    }

    async fn ready(&self) {}

    fn start_over(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn mark(&self, _: Mark) {}
}

/// Keeps what comes the second time, where that is little enough.
#[derive(Default)]
pub(super) struct Spare(Mutex<(Vec<Bytes>, u64)>);

impl Spare {
    /// All of it; `None` where that was too much.
    pub(super) fn chunks(self) -> Option<Vec<Bytes>> {
        let (chunks, len) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        (len <= LARGEST_SPARE).then_some(chunks)
    }
}

impl Sink for Spare {
    async fn take(&self, data: Bytes) -> Result<(), Error> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1 += data.len() as u64;
        match kept.1 > LARGEST_SPARE {
            true => kept.0.clear(),
            false => kept.0.push(data),
        }
        Ok(())
    }

    async fn ready(&self) {}

    fn start_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Vec::new(), 0);
    }

    fn mark(&self, _: Mark) {}
}

/// Takes bytes that nobody needs: only their hash counts.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    async fn take(&self, _: Bytes) -> Result<(), Error> {
        Ok(())
    }

    async fn ready(&self) {}

    fn start_over(&self) {}

    fn mark(&self, _: Mark) {}
}

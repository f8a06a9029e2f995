//! HTTP/2: how many transfers share a connection, so that none of them can hold up another.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;

/// Transfers on one connection, at most.
const STREAMS: u32 = 8;

/// Bytes that may be under way, or here and unread, on one stream.
pub(super) const STREAM_WINDOW: u32 = 2 << 20;

/// The same for a connection. What a paused stream has not read counts here too (RFC 9113 section 5.2.1): were this less than
/// the windows of all of its streams, some paused ones could block the one that everything waits for.
pub(super) const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// Clients with one HTTP/2 connection for each server; a new one where all are full, as waiting for a paused stream to end
/// might mean waiting for oneself.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    lanes: Vec<Arc<Lane>>,
    /// One of them was shunned: from then on each transfer has a connection of its own, as in HTTP/1.1. Else every new
    /// connection to a server that allows few streams would cost a time-out again.
    is_wary: bool,
}

#[derive(Debug)]
struct Lane {
    client: reqwest::Client,
    taken: AtomicUsize,
    /// A stream has waited in vain: the connection may be dead, or the server allows fewer streams than are open.
    is_shunned: AtomicBool,
}

impl Lanes {
    /// Takes a seat in the first lane that has one.
    pub(super) fn seat(&self, build: impl FnOnce() -> Result<reqwest::Client, Error>) -> Result<Seat, Error> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = open.lanes.len();
        open.lanes.retain(|lane| !lane.is_shunned.load(Ordering::Relaxed));
        open.is_wary |= open.lanes.len() < before;
        let most = if open.is_wary { 1 } else { STREAMS as usize };
        if let Some(lane) = open.lanes.iter().find(|lane| lane.taken.load(Ordering::Relaxed) < most) {
            return Ok(Seat::of(lane));
        }
        let lane = Arc::new(Lane {
            client: build()?,
            taken: AtomicUsize::new(0),
            is_shunned: AtomicBool::new(false),
        });
        let seat = Seat::of(&lane);
        open.lanes.push(lane);
        Ok(seat)
    }
}

/// The right to one transfer, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) client: reqwest::Client,
    lane: Option<Arc<Lane>>,
}

impl Seat {
    /// On a client whose transfers share no connection.
    pub(super) fn alone(client: reqwest::Client) -> Self {
        Self { client, lane: None }
    }

    fn of(lane: &Arc<Lane>) -> Self {
        lane.taken.fetch_add(1, Ordering::Relaxed);
        Self { client: lane.client.clone(), lane: Some(Arc::clone(lane)) }
    }

    /// Lets nothing new begin where this is; what is under way there goes on.
    pub(super) fn shun(&self) {
        if let Some(lane) = &self.lane {
            lane.is_shunned.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(lane) = &self.lane {
            lane.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats() {
        let (lanes, mut built) = (Lanes::default(), 0);
        let client = reqwest::Client::builder().tls_backend_preconfigured(crate::tls::unused().unwrap());
        let client = client.build().unwrap();
        let mut seat = || {
            lanes
                .seat(|| {
                    built += 1;
                    Ok(client.clone())
                })
                .unwrap()
        };
        let mut first: Vec<_> = (0..STREAMS).map(|_| seat()).collect();
        let second = seat();
        first.pop();
        let again = seat();
        again.shun();
        let third = seat();
        assert!(!Arc::ptr_eq(third.lane.as_ref().unwrap(), second.lane.as_ref().unwrap()));
        // Nothing is shared any more; what is free again is taken.
        drop((first, again, second));
        let fourth = seat();
        assert!(!Arc::ptr_eq(third.lane.as_ref().unwrap(), fourth.lane.as_ref().unwrap()));
        drop((third, fourth));
        drop((seat(), seat()));
        assert_eq!(built, 3);
    }
}

//! Segments that arrived whole and are odd all the same: doubted, asked for again over another connection, and kept with a
//! warning when that brings the same bytes, for then the server has no others.
//!
//! This is the one place where that is decided. A doubt learns: once enough segments of a track that are odd in one way came
//! back the same, that way is trusted for the track and the run, as far as it went.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hls_state::Fingerprint;
use tokio::sync::Notify;

use crate::error::Error;
use crate::event::Event;
use crate::place::Place;
use crate::policy::doubt::{Doubt, Way};

/// Bytes that differ each time are not remembered without end.
const MANY: usize = 8;
/// As many fetches that brought the same bytes settle a way of being odd.
const ENOUGH: u32 = 3;

/// What came of the segments that are doubted.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// What is odd is an error.
    is_strict: bool,
    seen: Mutex<Seen>,
    /// Told when a doubt has been settled, either way.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    bytes: HashMap<Place, Arrivals>,
    ways: HashMap<(u8, Way), Known>,
}

/// The bytes that came for a segment.
#[derive(Debug, Default)]
struct Arrivals(Vec<Arrived>);

/// Bytes that came for a segment, by their hash.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    hash: Fingerprint,
    /// They came twice, so the server has them.
    is_settled: bool,
}

impl Arrivals {
    fn find(&mut self, hash: Fingerprint) -> Option<&mut Arrived> {
        self.0.iter_mut().find(|arrived| arrived.hash == hash)
    }

    fn add(&mut self, arrived: Arrived) {
        if self.0.len() >= MANY {
            self.0.remove(0);
        }
        self.0.push(arrived);
    }
}

/// What is known of one way of being odd in one track.
#[derive(Debug, Default)]
struct Known {
    /// Fetches that brought the same bytes again.
    same: u32,
    /// Fetches that are under way for that.
    asking: u32,
    /// The furthest that came back the same.
    most: f64,
}

impl Known {
    fn covers(&self, doubt: Doubt) -> bool {
        self.same >= ENOUGH && doubt.extent() <= doubt.reach(self.most)
    }
}

/// How often these bytes have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    /// The second time, which is to be told.
    Again,
    /// It has been told.
    Known,
}

/// What to do about a segment that is doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// All that is odd about it is known to be what the server has.
    Trust,
    /// Ask for it again.
    Ask,
    /// Others of its kind are being asked for again.
    Wait,
}

impl Doubts {
    pub(crate) fn new(is_strict: bool) -> Self {
        Self { is_strict, ..Self::default() }
    }

    fn seen<T>(&self, with: impl FnOnce(&mut Seen) -> T) -> T {
        with(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that bytes with this hash came for a segment that is doubted.
    pub(crate) fn note(&self, place: Place, hash: Fingerprint) -> Arrival {
        self.seen(|seen| {
            let arrivals = seen.bytes.entry(place).or_default();
            match arrivals.find(hash) {
                Some(arrived) if arrived.is_settled => Arrival::Known,
                Some(arrived) => {
                    arrived.is_settled = true;
                    Arrival::Again
                }
                None => {
                    arrivals.add(Arrived { hash, is_settled: false });
                    Arrival::First
                }
            }
        })
    }

    /// Notes that bytes with this hash came twice for a segment.
    pub(crate) fn settle(&self, place: Place, hash: Fingerprint) {
        if self.note(place, hash) == Arrival::First {
            self.note(place, hash);
        }
    }

    /// Whether all that is odd about a segment is known to be what the server has.
    pub(crate) fn trusts(&self, track: u8, doubts: &[Doubt]) -> bool {
        self.seen(|seen| doubts.iter().all(|doubt| seen.covers(track, *doubt)))
    }

    /// Whether these bytes have come twice for a segment.
    pub(crate) fn is_settled(&self, place: Place, hash: Fingerprint) -> bool {
        self.seen(|seen| {
            let arrived = seen.bytes.get_mut(&place).and_then(|arrivals| arrivals.find(hash));
            arrived.is_some_and(|arrived| arrived.is_settled)
        })
    }

    /// Notes that what is odd about a segment came again as it was, by so many fetches. Returns whether that is news, and then
    /// whether others of its kind are trusted from here on.
    pub(crate) fn confirmed(&self, track: u8, doubt: Doubt, fetches: u32) -> Option<bool> {
        let news = self.seen(|seen| seen.came_again(track, doubt, fetches));
        self.changed.notify_waiters();
        news
    }

    /// Waits until what is doubted may be asked for again, and so may `beside` of its neighbours. `None`: all that is odd about it has
    /// become known meanwhile as what the server has.
    pub(crate) async fn turn<'a>(
        &'a self,
        track: u8,
        doubts: &'a [Doubt],
        beside: u32,
    ) -> Option<Asking<'a>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.seen(|seen| seen.next(track, doubts, beside)) {
                Next::Trust => return None,
                Next::Ask => return Some(Asking { doubts: self, track, of: doubts, beside }),
                Next::Wait => changed.await,
            }
        }
    }

    /// Judges a segment by what is odd about it. `again` asks for its hash once more. `beside` asks for its neighbours once more, so
    /// many of them, where it is what the server has, and says whether one of them is another now. `Ok`: it is kept, and whoever listens has been
    /// told.
    ///
    /// # Errors
    /// The unit differs from the server's, a second fetch failed, or odd data counts as an error. Another attempt may bring it.
    pub(crate) async fn judge(
        &self,
        (place, name): (Place, &str),
        doubts: &[Doubt],
        hash: Fingerprint,
        again: impl Future<Output = Result<Fingerprint, Error>>,
        (neighbours, beside): (u32, impl Future<Output = bool>),
        tell: impl Fn(Event),
    ) -> Result<(), Error> {
        let track = place.track;
        let Some(mut first) = doubts.first() else { return Ok(()) };
        let mut arrival = self.note(place, hash);
        let mut asking = None;
        if arrival == Arrival::First {
            asking = self.turn(track, doubts, neighbours).await;
            if asking.is_none() && !self.is_strict {
                self.seen(|seen| seen.bytes.remove(&place));
                return Ok(());
            }
            let came = again.await;
            match came {
                Ok(came) if came == hash => arrival = self.note(place, hash),
                Ok(came) => drop(self.note(place, came)),
                // The job ends with that, whatever comes of others.
                Err(error) if error.is_final() => return Err(error),
                Err(_) => {}
            }
        }
        if arrival == Arrival::First {
            return Err(first.error(name));
        }
        // What the neighbour was at fault for is not odd about this one.
        let is_explained = beside.await;
        drop(asking);
        let mut own = doubts.iter().filter(|doubt| !is_explained || !doubt.is_of_border()).peekable();
        match own.peek() {
            Some(doubt) => first = doubt,
            None => {
                self.changed.notify_waiters();
                return Ok(());
            }
        }
        if self.is_strict {
            return Err(first.refused(name));
        }
        let mut told: Vec<Doubt> = Vec::new();
        for doubt in own {
            let settled = self.seen(|seen| seen.came_again(track, *doubt, doubt.fetches(neighbours)));
            if arrival == Arrival::Again && settled.is_some() && !told.iter().any(|told| told.tells(*doubt)) {
                tell(doubt.warning(name, settled == Some(true)));
                told.push(*doubt);
            }
        }
        self.changed.notify_waiters();
        Ok(())
    }
}

impl Seen {
    fn covers(&self, track: u8, doubt: Doubt) -> bool {
        self.ways.get(&(track, doubt.way())).is_some_and(|known| known.covers(doubt))
    }

    fn next(&mut self, track: u8, doubts: &[Doubt], beside: u32) -> Next {
        let way = |doubt: &Doubt| (track, doubt.way());
        let open = || doubts.iter().filter(|doubt| !self.covers(track, **doubt));
        if open().next().is_none() {
            return Next::Trust;
        }
        // One that goes further than what is trusted has to be asked for whatever others do.
        let may_ask = |doubt: &Doubt| {
            self.ways.get(&way(doubt)).is_none_or(|known| {
                let all = known.same + known.asking;
                known.same >= ENOUGH || known.asking == 0 || all + doubt.fetches(beside) <= ENOUGH
            })
        };
        if !open().any(may_ask) {
            return Next::Wait;
        }
        for doubt in doubts {
            self.ways.entry(way(doubt)).or_default().asking += doubt.fetches(beside);
        }
        Next::Ask
    }

    fn ended(&mut self, track: u8, doubts: &[Doubt], beside: u32) {
        for doubt in doubts {
            if let Some(known) = self.ways.get_mut(&(track, doubt.way())) {
                known.asking = known.asking.saturating_sub(doubt.fetches(beside));
            }
        }
    }

    /// Counts fetches that brought the same bytes again. `Some`: that is news; `true`: others of its kind are trusted from here on.
    fn came_again(&mut self, track: u8, doubt: Doubt, fetches: u32) -> Option<bool> {
        let known = self.ways.entry((track, doubt.way())).or_default();
        let (is_news, before) = (!known.covers(doubt), known.same);
        known.same = known.same.saturating_add(fetches);
        known.most = known.most.max(doubt.extent());
        is_news.then_some(before < ENOUGH && known.same >= ENOUGH)
    }
}

/// Tells that a segment is being asked for again, as long as it is.
pub(crate) struct Asking<'a> {
    doubts: &'a Doubts,
    track: u8,
    of: &'a [Doubt],
    /// So many of its neighbours are asked for too.
    beside: u32,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.doubts.seen(|seen| seen.ended(self.track, self.of, self.beside));
        self.doubts.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;

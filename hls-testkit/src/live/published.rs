//! A broadcast on an origin, in real time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answer::{Answer, Asked, Manner, Offer};
use super::{Broadcast, Transmission};
use crate::{Origin, Reply, Request, Resource, Step};

impl Broadcast {
    /// Begins a transmission that `origin` serves in real time.
    pub fn publish(&self, origin: &Origin) -> PublishedBroadcast {
        self.publish_on(&[origin])
    }

    /// Begins a transmission that each of these origins serves, all its pathways included. Where a pathway is to be reached by
    /// one of them is up to its base.
    pub fn publish_on(&self, origins: &[&Origin]) -> PublishedBroadcast {
        let transmission = Arc::new(Mutex::new(self.start()));
        let began = Instant::now();
        for origin in origins {
            let transmission = Arc::clone(&transmission);
            origin.serve(&self.prefix, move |request| reply(&transmission, began, request));
        }
        let url = |path: &str| origins.first().map(|origin| origin.url(path)).unwrap_or_default();
        PublishedBroadcast {
            master_url: url(&self.master_path()),
            playlist_url: url(&self.playlist_path(0, 0)),
            transmission,
            began,
        }
    }
}

/// A broadcast that is being transmitted in real time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishedBroadcast {
    /// URL of the multivariant playlist, on the first origin.
    pub master_url: String,
    /// URL of the media playlist of the picture, on the first origin and the first pathway.
    pub playlist_url: String,
    transmission: Arc<Mutex<Transmission>>,
    began: Instant,
}

impl PublishedBroadcast {
    /// Returns the time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns the segments of a track so far, as [`Transmission::offered`].
    pub fn offered(&self, track: usize) -> Vec<Offer> {
        self.transmission().offered(track, self.elapsed())
    }

    /// Returns what a recording has to be, as [`Transmission::bytes`].
    pub fn bytes(&self, track: usize, from: usize, to: usize) -> Bytes {
        self.transmission().bytes(track, from, to)
    }

    /// Returns what was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.transmission().asked().to_vec()
    }

    /// Returns when the media playlist of a track was asked for, over all pathways.
    pub fn polls(&self, track: usize) -> Vec<Duration> {
        self.transmission().polls(track)
    }

    /// Returns how often the media playlist of a track was asked for, as [`Transmission::most_polls`].
    pub fn most_polls(&self, track: usize, within: Duration) -> usize {
        self.transmission().most_polls(track, within)
    }

    fn transmission(&self) -> MutexGuard<'_, Transmission> {
        locked(&self.transmission)
    }
}

fn locked(transmission: &Mutex<Transmission>) -> MutexGuard<'_, Transmission> {
    transmission.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reply(transmission: &Mutex<Transmission>, began: Instant, request: &Request) -> Option<Reply> {
    let answer = locked(transmission).answer(&request.path, &request.query, began.elapsed());
    let Answer { manner, after, status, headers, body } = answer;
    let reply = match manner {
        Manner::Silence => Reply::hang(),
        Manner::Reset => Reply::ok("x").steps([Step::Reset]),
        Manner::Whole if status == 200 => {
            let mut resource = Resource::new(body).no_etag();
            for (name, value) in &headers {
                resource = match name.as_str() {
                    "etag" => resource.etag(value),
                    _ => resource.header(name, value),
                };
            }
            Reply::serving(resource)
        }
        Manner::Whole => Reply::status(status),
    };
    Some(reply.delay(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
}

//! The connections of jobs that may reach the same addresses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use url::{Host, Url};

use super::HttpVersion;
use super::builder::Settings;
use super::guard::Guard;
use super::lane::{Lanes, Seat};
use crate::Error;

/// Pools kept without a job that uses them, at most.
const KEPT: usize = 64;

/// The pools of a client, by the host of the input: a connection that one job may have made is not for every other job.
#[derive(Debug, Default)]
pub(super) struct Pools(Mutex<HashMap<Option<Host<String>>, Arc<Pool>>>);

impl Pools {
    pub(super) fn of(&self, input: &Url, settings: &Settings) -> Arc<Pool> {
        // Where nothing is forbidden, all share all.
        let home = input.host().map(|host| host.to_owned()).filter(|_| !settings.allow_private);
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&home) {
            return Arc::clone(pool);
        }
        if pools.len() >= KEPT {
            pools.retain(|_, pool| Arc::strong_count(pool) > 1);
        }
        let pool = Arc::new(Pool::new(Guard::new(home.as_ref(), settings.allow_private)));
        pools.insert(home, Arc::clone(&pool));
        pool
    }
}

/// Connections, and the decision where they may lead.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) guard: Arc<Guard>,
    // Reading the platform's trust store takes longer than a small download: https is set up when first needed.
    plain: OnceLock<reqwest::Client>,
    secure: OnceLock<reqwest::Client>,
    lanes: Lanes,
    /// As above, for requests that ask for a connection of their own.
    plain_fresh: OnceLock<reqwest::Client>,
    secure_fresh: OnceLock<reqwest::Client>,
}

impl Pool {
    fn new(guard: Guard) -> Self {
        Self {
            guard: Arc::new(guard),
            plain: OnceLock::new(),
            secure: OnceLock::new(),
            lanes: Lanes::default(),
            plain_fresh: OnceLock::new(),
            secure_fresh: OnceLock::new(),
        }
    }

    /// The client for `url`, and room on it.
    pub(super) fn seat(&self, url: &Url, fresh: bool, settings: &Settings) -> Result<Seat, Error> {
        let is_secure = url.scheme() == "https";
        let build = || settings.transport(is_secure, fresh, &self.guard);
        let slot = match (is_secure, fresh) {
            (true, false) if settings.http != HttpVersion::Http1 => return self.lanes.seat(build),
            (false, false) => &self.plain,
            (true, false) => &self.secure,
            (false, true) => &self.plain_fresh,
            (true, true) => &self.secure_fresh,
        };
        if let Some(client) = slot.get() {
            return Ok(Seat::alone(client.clone()));
        }
        let built = build()?;
        Ok(Seat::alone(slot.get_or_init(|| built).clone()))
    }
}

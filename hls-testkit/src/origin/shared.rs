//! What the test's side and the server's side of an origin share.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::log::{Entry, Request};
use super::{Reply, Resource};

#[derive(Clone, Debug, Default)]
pub(super) struct Config {
    pub(super) latency: Duration,
    pub(super) connect_latency: Duration,
    pub(super) rate_per_connection: Option<u64>,
    pub(super) send_buffer: Option<u32>,
    pub(super) tls: Option<Tls>,
    pub(super) max_streams: Option<u32>,
}

#[derive(Clone)]
pub(super) struct Tls(pub(super) Arc<ServerConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

type Choose = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

#[derive(Clone)]
pub(super) struct Rule(pub(super) Arc<Choose>);

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) resources: HashMap<String, Resource>,
    pub(super) scripts: HashMap<String, VecDeque<Reply>>,
    pub(super) rule: Option<Rule>,
    /// What answers for a folder; the name of each ends with a slash.
    pub(super) services: Vec<(String, Rule)>,
    attempts: HashMap<String, u32>,
}

impl Content {
    pub(super) fn next_attempt(&mut self, path: &str) -> u32 {
        let attempt = self.attempts.entry(path.to_owned()).or_default();
        *attempt += 1;
        *attempt
    }

    /// Takes the next reply of the script of `path`.
    pub(super) fn scripted(&mut self, path: &str) -> Option<Reply> {
        let script = self.scripts.get_mut(path)?;
        let reply = script.front()?.clone();
        match &mut script.front_mut()?.times {
            None => {}
            Some(left) if *left > 1 => *left -= 1,
            Some(_) => drop(script.pop_front()),
        }
        Some(reply)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds `n` and returns the sum.
    pub(super) fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Relaxed) + n
    }

    fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) body_bytes: Counter,
    pub(super) connections: Counter,
    pub(super) in_flight: Counter,
    pub(super) max_in_flight: Counter,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) start: Instant,
    pub(super) counters: Counters,
    pub(super) disconnect: watch::Sender<u64>,
    pub(super) go_away: watch::Sender<u64>,
    content: Mutex<Content>,
    log: Mutex<Vec<Arc<Entry>>>,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            start: Instant::now(),
            counters: Counters::default(),
            disconnect: watch::Sender::new(0),
            go_away: watch::Sender::new(0),
            content: Mutex::default(),
            log: Mutex::default(),
        }
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reset_log(&self) {
        self.log().clear();
        self.counters.body_bytes.set(0);
        self.counters.connections.set(0);
        self.counters.max_in_flight.set(self.counters.in_flight.get());
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(super) fn begin(&self) -> InFlight<'_> {
        let now = self.counters.in_flight.add(1);
        self.counters.max_in_flight.0.fetch_max(now, Ordering::Relaxed);
        InFlight(&self.counters.in_flight)
    }
}

pub(super) struct InFlight<'a>(&'a Counter);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

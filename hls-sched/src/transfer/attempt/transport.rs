//! How a job has its bytes, put together.

use std::sync::Arc;

use hls_fetch::Fetch;
use tokio::sync::mpsc;

use super::{Missing, Transport};
use crate::config::Config;
use crate::event::Event;
use crate::transfer::buffer_pool::Buffers;
use crate::transfer::ciphertext::Kept;
use crate::transfer::keys::Keys;
use crate::transfer::meter::Meters;
use crate::transfer::odd::Odd;
use crate::transfer::rate_limit::Pacer;
use crate::transfer::resources::Resources;

impl Transport {
    /// Begins with nothing that is known of servers, keys and rates.
    pub(crate) fn new(fetch: Arc<dyn Fetch>, config: &Config, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            fetch,
            keys: Keys::new(config.policy.clone()),
            kept: Kept::default(),
            pacer: Pacer::new(config.rate),
            meters: Meters::default(),
            buffers: Buffers::default(),
            missing: Missing::default(),
            resources: Resources::default(),
            wholes: Arc::default(),
            odd: Odd::new(events),
        }
    }
}

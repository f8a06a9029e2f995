//! How a job has its bytes, put together.

use std::sync::Arc;

use hls_fetch::Fetch;
use tokio::sync::mpsc;

use super::{Missing, Transport};
use crate::buffers::Buffers;
use crate::config::Config;
use crate::event::Event;
use crate::kept::Kept;
use crate::keys::Keys;
use crate::meter::Meters;
use crate::odd::Odd;
use crate::pace::Pacer;
use crate::resources::Resources;

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

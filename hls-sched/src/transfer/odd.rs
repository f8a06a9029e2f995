//! Answers that are right and odd all the same: told once for each kind.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use hls_fetch::Response;
use tokio::sync::mpsc;

use crate::event::Event;

/// The kinds of oddities that have been told.
#[derive(Debug)]
pub(crate) struct Odd {
    told: Mutex<HashSet<&'static str>>,
    events: mpsc::UnboundedSender<Event>,
}

impl Odd {
    pub(crate) fn new(events: mpsc::UnboundedSender<Event>) -> Self {
        Self { told: Mutex::default(), events }
    }

    /// Tells what is odd about an answer, unless one like that has been told of.
    pub(crate) fn note(&self, answer: &Response, name: &str) {
        let Some(oddity) = &answer.oddity else { return };
        let is_new = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(oddity.code());
        if is_new {
            let message = format!("{name}: {oddity}; what it sends is verified, and kept");
            let _ = self.events.send(Event::Warning { kind: oddity.code(), message });
        }
    }
}

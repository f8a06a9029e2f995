//! What a job is told while it runs.

use std::time::Duration;

use tokio::sync::watch;

/// How long attempts that are under way may go on after [`JobHandle::stop`](crate::JobHandle::stop).
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) rate: Option<u64>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    None,
    /// Begin nothing new, and keep what is there.
    Stop,
    /// At once.
    Cancel,
}

pub(crate) async fn asked_to_end(orders: &mut watch::Receiver<Control>) {
    asked_to(orders, End::Stop).await;
}

/// Waits until it is to end so, or sooner.
pub(crate) async fn asked_to(orders: &mut watch::Receiver<Control>, end: End) {
    while orders.borrow_and_update().end < end {
        if orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

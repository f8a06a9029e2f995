//! Where bytes end: the thread that writes, and what stands in front of a store.

pub(crate) mod gap_report;
pub(crate) mod observer;
pub(crate) mod pipe;
pub(crate) mod space;
pub(crate) mod tee;
pub(crate) mod writer;

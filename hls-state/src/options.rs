//! How a job is opened, and what it has to survive.

use std::path::PathBuf;

/// What has to survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A kill of the process: the same records, no syncs.
    Fast,
    /// A loss of power too: all but the last seconds of a job that runs, and everything once it has finished.
    #[default]
    Safe,
}

/// How to open a job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The outputs; the first one is the main output.
    pub outputs: Vec<PathBuf>,
    /// Where outputs are [made](crate::Making) of others: the names of these, as [`Layout::track`](crate::Layout::track) gives
    /// them, in the order of the units' outputs. Units go to them, and they stay in the folder of the job. `None`: units go to
    /// the output in the same place. Empty: all of them do.
    pub tracks: Vec<Option<String>>,
    /// What has to survive.
    pub durability: Durability,
    /// Replace outputs that exist, at the very end.
    pub force: bool,
    /// Discard what an earlier run left.
    pub restart: bool,
    /// Keep the places of units that an earlier run could not have; else what lies behind the first of them is had again.
    pub keep_gaps: bool,
    /// What is missing at the end can never be had: nothing is kept for a run that may fill it.
    pub final_gaps: bool,
}

impl Options {
    /// Nothing is replaced or discarded.
    #[must_use]
    pub fn new(outputs: Vec<PathBuf>) -> Self {
        Self {
            outputs,
            tracks: Vec::new(),
            durability: Durability::default(),
            force: false,
            restart: false,
            keep_gaps: false,
            final_gaps: false,
        }
    }
}

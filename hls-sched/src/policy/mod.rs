//! Decisions, without a clock, a file, a socket, a thread or a runtime: time and facts are arguments, actions are values.

pub(crate) mod assembler;
pub(crate) mod doubt;
pub(crate) mod extension;
pub(crate) mod gains;
pub(crate) mod gaps;
pub(crate) mod habits;
pub(crate) mod live;
pub(crate) mod name;
pub(crate) mod network;
pub(crate) mod order;
pub(crate) mod pathway;
pub(crate) mod pick;
pub(crate) mod plan;
pub(crate) mod planner;
pub(crate) mod remembered;
pub(crate) mod rendition;
pub(crate) mod source;
pub(crate) mod variant;

//! What an earlier run left, and its proof.

pub(crate) mod parts;
pub(crate) mod previous_run;

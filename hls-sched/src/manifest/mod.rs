//! The manifest of a download: written before outputs get their names, and read to verify them.

pub(crate) mod format;
pub(crate) mod joined;
pub(crate) mod verify;
pub(crate) mod write;

//! One unit over the network: request, key, decryption, verification, and what is kept of it.

pub(crate) mod attempt;
pub(crate) mod buffer_pool;
pub(crate) mod ciphertext;
pub(crate) mod integrity;
pub(crate) mod keys;
pub(crate) mod meter;
pub(crate) mod odd;
pub(crate) mod partial;
pub(crate) mod pipeline;
pub(crate) mod playlist;
pub(crate) mod rate_limit;
pub(crate) mod remuxed;
pub(crate) mod resources;
pub(crate) mod stats;
pub(crate) mod whole;

//! The hash that runs over every byte.

use std::fmt;

use twox_hash::XxHash3_128;

/// 128 bits of XXH3: fast enough for every byte, strong enough against accidents, no protection against an attacker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// Stands for the bytes of a unit that is there and has none, which is no gap.
    pub const EMPTY_UNIT: Self = Self(0x6e6f_7468_696e_6720_6974_2069_7320_6f6b);

    /// The fingerprint of bytes that are all here.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(XxHash3_128::oneshot(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A [`Fingerprint`] of bytes as they pass.
#[derive(Clone)]
pub struct Hasher(XxHash3_128);

impl Default for Hasher {
    fn default() -> Self {
        Self(XxHash3_128::new())
    }
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The fingerprint of all bytes added so far.
    #[must_use]
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.0.finish_128())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

//! Initialisation vectors.

use std::fmt;

use thiserror::Error;

use crate::hex::{self, HexError};

/// An initialisation vector: sixteen bytes, not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Iv([u8; 16]);

impl Iv {
    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Derives the vector that applies where a key has no IV attribute.
    ///
    /// It is the media sequence number as a big-endian 128-bit number (rfc8216bis-22, section 5.2).
    pub fn from_sequence(media_sequence: u64) -> Self {
        Self(u128::from(media_sequence).to_be_bytes())
    }

    /// Reads an IV attribute: hexadecimal digits after `0x` or `0X`, in either case.
    ///
    /// Fewer than 32 digits are padded on the left, because the attribute is a 128-bit number
    /// (rfc8216bis-22, section 4.4.4.4). The prefix may be missing.
    ///
    /// # Errors
    ///
    /// Where there is no digit, something that is no digit, or more than 32 digits.
    pub fn from_hex(text: &str) -> Result<Self, IvError> {
        match hex::parse(text) {
            Ok((bytes, _)) => Ok(Self(bytes)),
            Err(HexError::Empty) => Err(IvError::Empty),
            Err(HexError::NotHex) => Err(IvError::NotHex),
            Err(HexError::TooLong) => Err(IvError::TooLong),
        }
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Iv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Iv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iv({self})")
    }
}

/// Why a text is no initialisation vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IvError {
    /// There is no digit.
    #[error("initialisation vector has no digits")]
    Empty,
    /// There is a character that is no hexadecimal digit.
    #[error("initialisation vector is not hexadecimal")]
    NotHex,
    /// There are more than 32 digits.
    #[error("initialisation vector is longer than 128 bits")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, IvError>) {
        assert_eq!(Iv::from_hex(text).map(|iv| iv.to_string()), expect.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn hex_forms() {
        check("0x00000000000000000000000000000001", Ok("0x00000000000000000000000000000001"));
        check("0X1", Ok("0x00000000000000000000000000000001"));
        check("abcDEF", Ok("0x00000000000000000000000000abcdef"));
        check("0xffffffffffffffffffffffffffffffff", Ok("0xffffffffffffffffffffffffffffffff"));
        check("0x", Err(IvError::Empty));
        check("", Err(IvError::Empty));
        check("0x1g", Err(IvError::NotHex));
        check("+1", Err(IvError::NotHex));
        check("0x000000000000000000000000000000001", Err(IvError::TooLong));
    }

    #[test]
    fn sequence_is_big_endian() {
        assert_eq!(Iv::from_sequence(0x0102).to_string(), "0x00000000000000000000000000000102");
        assert_eq!(Iv::from_sequence(u64::MAX).as_bytes()[..8], [0; 8]);
    }
}

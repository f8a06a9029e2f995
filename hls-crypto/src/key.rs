//! Secret keys, and what may be wrong with them.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hex::{self, HexError};

/// An AES-128 key: sixteen secret bytes, wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// Takes what a key server sent: exactly sixteen bytes (rfc8216bis-22, section 5).
    ///
    /// # Errors
    ///
    /// Any other length. The error names the length and what the bytes look like, because servers
    /// answer with error pages or with the key in hexadecimal; it never holds the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.try_into() {
            Ok(key) => Ok(Self(key)),
            Err(_) => Err(KeyError::Length { len: bytes.len(), looks_like: Appearance::of(bytes) }),
        }
    }

    /// Reads 32 hexadecimal digits, after an optional `0x`.
    ///
    /// # Errors
    ///
    /// Where there are more or fewer digits, or other characters. Unlike an [`Iv`](crate::Iv), a key is
    /// not padded: a short one is far more likely a slip than a number.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        match hex::parse(text) {
            Ok((bytes, 32)) => Ok(Self(bytes)),
            Ok((_, digits)) => Err(KeyError::Digits { digits }),
            Err(HexError::NotHex) => Err(KeyError::NotHex),
            Err(HexError::Empty) => Err(KeyError::Digits { digits: 0 }),
            Err(HexError::TooLong) => Err(KeyError::Digits { digits: text.len() }),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(redacted)")
    }
}

/// Why something is no key; never holds the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are not sixteen.
    #[error("key is {len} bytes instead of 16{}", .looks_like.remark())]
    Length {
        /// How many bytes there are.
        len: usize,
        /// What they seem to be.
        looks_like: Appearance,
    },
    /// The hexadecimal text has not 32 digits.
    #[error("key has {digits} hexadecimal digits instead of 32")]
    Digits {
        /// How many digits there are.
        digits: usize,
    },
    /// The text is not hexadecimal.
    #[error("key is not hexadecimal")]
    NotHex,
}

/// What bytes that should have been a key seem to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appearance {
    /// Nothing at all.
    Empty,
    /// The key as hexadecimal text.
    HexText,
    /// An HTML or XML page.
    Html,
    /// A JSON document.
    Json,
    /// Other printable text.
    Text,
    /// Binary data.
    Binary,
}

impl Appearance {
    fn of(bytes: &[u8]) -> Self {
        let trimmed = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
        match trimmed {
            [] => Self::Empty,
            [b'<', ..] => Self::Html,
            [b'{' | b'[', ..] => Self::Json,
            _ if trimmed.len() >= 32 && trimmed.iter().all(u8::is_ascii_hexdigit) => Self::HexText,
            _ if trimmed.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')) => Self::Text,
            _ => Self::Binary,
        }
    }

    fn remark(self) -> &'static str {
        match self {
            Self::Empty | Self::Binary => "",
            Self::HexText => ", it looks like hexadecimal text",
            Self::Html => ", it looks like an HTML page",
            Self::Json => ", it looks like JSON",
            Self::Text => ", it looks like text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: &str) {
        let got = match Key::from_bytes(bytes) {
            Ok(key) => format!("{key:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn from_server() {
        check(&[7; 16], "Key(redacted)");
        check(&[200; 15], "key is 15 bytes instead of 16");
        check(b"", "key is 0 bytes instead of 16");
        check(b"<!doctype html>....", "key is 19 bytes instead of 16, it looks like an HTML page");
        check(b"{\"error\":\"denied\"}", "key is 18 bytes instead of 16, it looks like JSON");
        check(&[b'a'; 33], "key is 33 bytes instead of 16, it looks like hexadecimal text");
        check(b"forbidden\n", "key is 10 bytes instead of 16, it looks like text");
    }

    #[test]
    fn from_hex() {
        assert_eq!(Key::from_hex("07070707070707070707070707070707"), Key::from_bytes(&[7; 16]));
        assert_eq!(Key::from_hex("0x07070707070707070707070707070707"), Key::from_bytes(&[7; 16]));
        assert_eq!(Key::from_hex("0x07"), Err(KeyError::Digits { digits: 2 }));
        assert_eq!(Key::from_hex("zz"), Err(KeyError::NotHex));
    }
}

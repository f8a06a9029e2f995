//! Decryption of HTTP Live Streaming segments: AES-128-CBC as the bytes pass.
//!
//! Three types do the work. A [`Key`] is sixteen secret bytes that are wiped when dropped and never
//! printed; an [`Iv`] is sixteen public bytes, explicit in the playlist or derived from the media
//! sequence; a [`CbcDecryptor`] takes ciphertext in chunks of any size, appends plaintext to a buffer
//! that the caller owns, and holds the last block back until the padding can be checked.
//!
//! The crate does no I/O and knows nothing of playlists.
//!
//! ```
//! use hls_crypto::{CbcDecryptor, Iv, Key};
//!
//! let key = Key::from_hex("000102030405060708090a0b0c0d0e0f")?;
//! let iv = Iv::from_sequence(7);
//! let ciphertext = [
//!     0xcb, 0x8f, 0x2c, 0x2e, 0x25, 0xdc, 0xec, 0xe0, 0x76, 0x4a, 0x02, 0x9c, 0x8b, 0x89, 0x67, 0xd0,
//! ];
//!
//! let mut decryptor = CbcDecryptor::new(&key, &iv);
//! let mut plaintext = Vec::new();
//! for chunk in ciphertext.chunks(5) {
//!     decryptor.update(chunk, &mut plaintext);
//! }
//! decryptor.finish(&mut plaintext)?;
//! assert_eq!(plaintext, b"hello segment");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limitations
//!
//! A wrong key passes the padding check about once in 256 times, so the plaintext still has to be
//! recognised as media. SAMPLE-AES, common encryption and AES-256-GCM are not here yet.

mod decrypt;
mod hex;
mod iv;
mod key;

pub use decrypt::{CbcDecryptor, DecryptError, decrypt_in_place};
pub use iv::{Iv, IvError};
pub use key::{Appearance, Key, KeyError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

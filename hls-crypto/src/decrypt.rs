//! AES-128-CBC with the last block held back.

use std::fmt;

use aes::Aes128;
use cbc::cipher::{
    BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, IvState, KeyInit,
    array::{Array, sizes::U16},
};
use thiserror::Error;

use crate::{Iv, Key};

const BLOCK: usize = 16;
/// So much is decrypted and then chained, while the processor still has both at hand. Chaining block by block, as the `cbc`
/// crate does, takes 1.6 times as long.
const TILE: usize = 16 << 10;

/// Decrypts one AES-128-CBC unit as its bytes arrive.
///
/// A unit is what was encrypted as a whole: a segment, a byte range of one, or an initialisation
/// section; the chain never goes on from one to the next (rfc8216bis-22, section 4.4.4.4). Cloning
/// keeps the state at that point.
#[derive(Clone)]
pub struct CbcDecryptor {
    cipher: Aes128,
    chain: Iv,
    // Ciphertext that can't be released yet: it may be the last block, or is less than one.
    held: [u8; BLOCK],
    held_len: usize,
    ciphertext_len: u64,
}

impl CbcDecryptor {
    /// Begins a unit.
    pub fn new(key: &Key, iv: &Iv) -> Self {
        let cipher = Aes128::new(key.as_bytes().into());
        Self { cipher, chain: *iv, held: [0; BLOCK], held_len: 0, ciphertext_len: 0 }
    }

    /// Takes more ciphertext and appends the plaintext that is certain so far.
    ///
    /// Chunks may end anywhere. The last full block stays behind, because it may be padding.
    pub fn update(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.releases(input.len()), 0);
        self.release(input, &mut out[start..]);
    }

    /// As [`update`](Self::update), into memory that is there already; returns what was filled, from the front.
    ///
    /// Returns `None`, and takes nothing, where `out` is shorter than [`releases`](Self::releases) says.
    pub fn update_into<'a>(&mut self, input: &[u8], out: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let filled = out.get_mut(..self.releases(input.len()))?;
        self.release(input, filled);
        Some(filled)
    }

    /// Returns how many bytes of plaintext so many more bytes of ciphertext make certain: a multiple of sixteen.
    pub fn releases(&self, ciphertext_len: usize) -> usize {
        (self.held_len + ciphertext_len).saturating_sub(1) / BLOCK * BLOCK
    }

    /// Fills `out`, which is as long as what the input releases.
    fn release(&mut self, input: &[u8], out: &mut [u8]) {
        self.ciphertext_len = self.ciphertext_len.saturating_add(input.len() as u64);
        if out.is_empty() {
            self.hold(input);
            return;
        }
        let held = self.held_len > 0;
        let (head, rest) = input.split_at(if held { BLOCK - self.held_len } else { 0 });
        let (first, others) = out.split_at_mut(if held { BLOCK } else { 0 });
        let (body, tail) = rest.split_at(others.len());
        if held {
            self.hold(head);
            first.copy_from_slice(&self.held);
            self.decrypt(first);
        }
        self.decrypt_into(body, others);
        self.held_len = 0;
        self.hold(tail);
    }

    /// Ends the unit: checks the PKCS#7 padding and appends the rest of the plaintext.
    ///
    /// # Errors
    ///
    /// Where there was no byte, not a whole number of blocks, or no valid padding. Nothing is appended
    /// then, but what [`update`](Self::update) appended before is worthless too where the padding is bad.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), DecryptError> {
        check_length(self.ciphertext_len)?;
        let start = out.len();
        out.extend_from_slice(&self.held);
        self.decrypt(&mut out[start..]);
        match padding(&block_at(out, start)) {
            Some(padding) => {
                out.truncate(out.len() - padding);
                Ok(())
            }
            None => {
                out.truncate(start);
                Err(DecryptError::BadPadding)
            }
        }
    }

    /// Returns how many bytes of ciphertext were taken.
    pub fn ciphertext_len(&self) -> u64 {
        self.ciphertext_len
    }

    /// Returns from where another decryptor could go on: a ciphertext offset and the vector to use there.
    ///
    /// Everything before that offset has been appended. The vector is the ciphertext block before it.
    pub fn checkpoint(&self) -> (u64, Iv) {
        let released = self.ciphertext_len.saturating_sub(self.held_len as u64);
        (released, self.chain)
    }

    fn hold(&mut self, bytes: &[u8]) {
        let end = self.held_len + bytes.len();
        self.held[self.held_len..end].copy_from_slice(bytes);
        self.held_len = end;
    }

    /// Both are whole blocks of the same number.
    fn decrypt_into(&mut self, ciphertext: &[u8], plaintext: &mut [u8]) {
        for (input, output) in ciphertext.chunks(TILE).zip(plaintext.chunks_mut(TILE)) {
            let (blocks, _) = Array::<u8, U16>::slice_as_chunks(input);
            let (out, _) = Array::<u8, U16>::slice_as_chunks_mut(output);
            if self.cipher.decrypt_blocks_b2b(blocks, out).is_err() {
                return;
            }
            let (first, others) = output.split_at_mut(BLOCK.min(input.len()));
            xor(first, self.chain.as_bytes());
            xor(others, input);
            if let Some(last) = input.last_chunk() {
                self.chain = Iv::from_bytes(*last);
            }
        }
    }

    fn decrypt(&mut self, whole_blocks: &mut [u8]) {
        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(whole_blocks);
        let mut mode = cbc::Decryptor::inner_iv_init(&self.cipher, self.chain.as_bytes().into());
        mode.decrypt_blocks(blocks);
        self.chain = Iv::from_bytes(mode.iv_state().into());
    }
}

impl fmt::Debug for CbcDecryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CbcDecryptor").field("ciphertext_len", &self.ciphertext_len).finish_non_exhaustive()
    }
}

/// Decrypts a unit that is whole in memory, in place, and cuts its padding off.
///
/// # Errors
///
/// As [`CbcDecryptor::finish`]. The buffer then holds nothing of use.
pub fn decrypt_in_place(key: &Key, iv: &Iv, buffer: &mut Vec<u8>) -> Result<(), DecryptError> {
    check_length(buffer.len() as u64)?;
    CbcDecryptor::new(key, iv).decrypt(buffer);
    let last = block_at(buffer, buffer.len().saturating_sub(BLOCK));
    let padding = padding(&last).ok_or(DecryptError::BadPadding)?;
    buffer.truncate(buffer.len().saturating_sub(padding));
    Ok(())
}

/// Why a unit could not be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// There was no ciphertext; even an empty plaintext has a block of padding.
    #[error("encrypted data is empty")]
    Empty,
    /// The length is not a multiple of sixteen: most likely the transfer was cut.
    #[error("encrypted data of {len} bytes is not a whole number of 16-byte blocks")]
    NotWholeBlocks {
        /// The length of the ciphertext.
        len: u64,
    },
    /// The padding is wrong: most likely the key or the vector is.
    #[error("decrypted data has no valid padding, the key or the initialisation vector is wrong")]
    BadPadding,
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    bytes.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}

fn check_length(len: u64) -> Result<(), DecryptError> {
    match len {
        0 => Err(DecryptError::Empty),
        _ if !len.is_multiple_of(BLOCK as u64) => Err(DecryptError::NotWholeBlocks { len }),
        _ => Ok(()),
    }
}

fn block_at(bytes: &[u8], start: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    if let Some(found) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
        block = *found;
    }
    block
}

fn padding(last: &[u8; BLOCK]) -> Option<usize> {
    let count = usize::from(last[BLOCK - 1]);
    let from = BLOCK.checked_sub(count).filter(|&from| from < BLOCK)?;
    last[from..].iter().all(|&byte| usize::from(byte) == count).then_some(count)
}

#[cfg(test)]
mod tests {
    use cbc::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
    use proptest::prelude::*;

    use super::*;

    fn encrypt(key: [u8; 16], iv: [u8; 16], plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = plaintext.to_vec();
        buffer.resize(plaintext.len() + BLOCK, 0);
        let encryptor = cbc::Encryptor::<Aes128>::new(&key.into(), &iv.into());
        encryptor.encrypt_padded::<Pkcs7>(&mut buffer, plaintext.len()).unwrap().to_vec()
    }

    fn decrypt(key: [u8; 16], iv: [u8; 16], chunks: &[&[u8]]) -> Result<Vec<u8>, DecryptError> {
        let mut decryptor = CbcDecryptor::new(&Key::from_bytes(&key).unwrap(), &Iv::from_bytes(iv));
        let mut out = Vec::new();
        for chunk in chunks {
            decryptor.update(chunk, &mut out);
        }
        decryptor.finish(&mut out).map(|()| out)
    }

    #[test]
    fn lengths_are_told_apart() {
        let good = encrypt([1; 16], [2; 16], &[0x55; 100]);
        assert_eq!(decrypt([1; 16], [2; 16], &[]), Err(DecryptError::Empty));
        assert_eq!(decrypt([1; 16], [2; 16], &[&good[..20]]), Err(DecryptError::NotWholeBlocks { len: 20 }));
        assert_eq!(decrypt([1; 16], [2; 16], &[&good[..96]]), Err(DecryptError::BadPadding));
        assert_eq!(decrypt([9; 16], [2; 16], &[&good]), Err(DecryptError::BadPadding));
        assert_eq!(decrypt([1; 16], [2; 16], &[&good]), Ok(vec![0x55; 100]));
    }

    #[test]
    fn padding_forms() {
        fn check(end: &[u8], expect: Option<usize>) {
            let mut block = [0xaa; BLOCK];
            block[BLOCK - end.len()..].copy_from_slice(end);
            assert_eq!(padding(&block), expect, "{end:?}");
        }
        check(&[1], Some(1));
        check(&[2, 2], Some(2));
        check(&[16; 16], Some(16));
        check(&[0], None);
        check(&[17; 16], None);
        check(&[3, 2, 3], None);
    }

    #[test]
    fn tiles_are_chained() {
        let plaintext: Vec<u8> =
            (0..3 * TILE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for len in [TILE - 17, TILE - 1, TILE, TILE + 1, TILE + 16, 2 * TILE, 3 * TILE - 5] {
            let ciphertext = encrypt([1; 16], [2; 16], &plaintext[..len]);
            for cut in [0, 7, 16, TILE] {
                let (head, tail) = ciphertext.split_at(cut.min(ciphertext.len()));
                assert!(
                    decrypt([1; 16], [2; 16], &[head, tail]).unwrap() == plaintext[..len],
                    "{len}, {cut}"
                );
            }
        }
    }

    #[test]
    fn a_bad_end_appends_nothing() {
        let good = encrypt([1; 16], [2; 16], &[0x55; 100]);
        let mut decryptor = CbcDecryptor::new(&Key::from_bytes(&[1; 16]).unwrap(), &Iv::from_bytes([2; 16]));
        let mut out = Vec::new();
        decryptor.update(&good[..64], &mut out);
        assert_eq!((out.len(), decryptor.ciphertext_len()), (48, 64));
        assert!(decryptor.finish(&mut out).is_err());
        assert_eq!(out.len(), 48);
    }

    proptest! {
        #[test]
        fn chunked_is_whole(
            key: [u8; 16], iv: [u8; 16],
            plaintext in proptest::collection::vec(any::<u8>(), 0..300),
            cuts in proptest::collection::vec(0_usize..40, 0..60),
        ) {
            let ciphertext = encrypt(key, iv, &plaintext);
            let mut rest = &ciphertext[..];
            let mut chunks = Vec::new();
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            prop_assert_eq!(decrypt(key, iv, &chunks), Ok(plaintext.clone()));

            let mut decryptor = CbcDecryptor::new(&Key::from_bytes(&key).unwrap(), &Iv::from_bytes(iv));
            let (mut memory, mut into) = ([0xee; 400], Vec::new());
            for chunk in &chunks {
                let releases = decryptor.releases(chunk.len());
                if let Some(shorter) = releases.checked_sub(1) {
                    prop_assert_eq!(decryptor.update_into(chunk, &mut memory[..shorter]), None);
                }
                into.extend_from_slice(decryptor.update_into(chunk, &mut memory).unwrap());
            }
            decryptor.finish(&mut into).unwrap();
            prop_assert_eq!(&into, &plaintext);

            let mut buffer = ciphertext;
            let whole = decrypt_in_place(&Key::from_bytes(&key).unwrap(), &Iv::from_bytes(iv), &mut buffer);
            prop_assert_eq!(whole.map(|()| buffer), Ok(plaintext));
        }

        #[test]
        fn a_checkpoint_goes_on(
            key: [u8; 16], iv: [u8; 16],
            plaintext in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..200,
        ) {
            let ciphertext = encrypt(key, iv, &plaintext);
            let secret = Key::from_bytes(&key).unwrap();
            let mut first = CbcDecryptor::new(&secret, &Iv::from_bytes(iv));
            let mut out = Vec::new();
            first.update(&ciphertext[..cut.min(ciphertext.len())], &mut out);
            let (offset, vector) = first.checkpoint();
            prop_assert_eq!(offset, out.len() as u64);

            let mut second = CbcDecryptor::new(&secret, &vector);
            second.update(&ciphertext[out.len()..], &mut out);
            second.finish(&mut out).unwrap();
            prop_assert_eq!(out, plaintext);
        }
    }
}

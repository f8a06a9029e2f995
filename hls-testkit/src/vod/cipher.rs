//! Encryption as a packager does it.

use aes::Aes128;
use bytes::Bytes;
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};

pub(crate) fn encrypt(clear: &[u8], key: [u8; 16], iv: [u8; 16]) -> Bytes {
    let mut buffer = vec![0; clear.len() / 16 * 16 + 16];
    buffer[..clear.len()].copy_from_slice(clear);
    Encryptor::<Aes128>::new(&key.into(), &iv.into())
        .encrypt_padded::<Pkcs7>(&mut buffer, clear.len())
        .expect("the buffer has room for the padding");
    buffer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        // NIST SP 800-38A, F.2.1, first block.
        let key =
            [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
        let iv = std::array::from_fn(|i| i as u8);
        let clear =
            [0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a];
        let sealed = encrypt(&clear, key, iv);
        assert_eq!(sealed.len(), 32);
        assert_eq!(sealed[..4], [0x76, 0x49, 0xab, 0xac]);
        assert_eq!(encrypt(&clear[..15], key, iv).len(), 16);
    }
}

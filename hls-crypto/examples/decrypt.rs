//! Decrypting only: `decrypt KEY IV < CIPHERTEXT > PLAINTEXT`, key and vector in hexadecimal. Memory does not grow with the
//! input.

use std::error::Error;
use std::io::{self, Read as _, Write as _};

use hls_crypto::{CbcDecryptor, Iv, Key};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(key), Some(iv)) = (arguments.next(), arguments.next()) else {
        return Err("usage: decrypt KEY IV < CIPHERTEXT > PLAINTEXT".into());
    };
    let mut decryptor = CbcDecryptor::new(&Key::from_hex(&key)?, &Iv::from_hex(&iv)?);
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let (mut chunk, mut plaintext) = (vec![0; 64 << 10], Vec::new());
    loop {
        let len = input.read(&mut chunk)?;
        if len == 0 {
            break;
        }
        decryptor.update(&chunk[..len], &mut plaintext);
        output.write_all(&plaintext)?;
        plaintext.clear();
    }
    // Only now the padding is known to be right.
    decryptor.finish(&mut plaintext)?;
    output.write_all(&plaintext)?;
    Ok(())
}

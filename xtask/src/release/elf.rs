//! Whether a program of Linux needs anything beside it.

use anyhow::{Context, Result, ensure};

/// The name of a loader, which then looks for libraries.
const INTERPRETER: u32 = 3;

/// Tells whether a program (ELF, 64 bits, little endian) is loaded by the kernel alone.
pub(crate) fn is_static(program: &[u8]) -> Result<bool> {
    ensure!(program.starts_with(b"\x7fELF\x02\x01"), "this is no 64-bit little-endian program of Linux");
    let number = |at: usize, len: usize| -> Result<usize> {
        let bytes = program.get(at..at + len).context("a program that is cut")?;
        Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        if number(table + index * size, 4)? == INTERPRETER as usize {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_with_and_without_a_loader() {
        let program = |kinds: &[u8]| {
            let mut bytes = vec![0_u8; 64 + 56 * kinds.len()];
            bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            (bytes[32], bytes[54], bytes[56]) = (64, 56, kinds.len() as u8);
            for (index, kind) in kinds.iter().enumerate() {
                bytes[64 + 56 * index] = *kind;
            }
            bytes
        };
        assert!(is_static(&program(&[6, 1, 1])).unwrap());
        assert!(!is_static(&program(&[6, 3, 1])).unwrap());
        assert!(is_static(&program(&[1, 1])[..100]).is_err());
        assert!(is_static(b"MZ").is_err());
        #[cfg(target_os = "linux")]
        assert!(!is_static(&std::fs::read("/bin/sh").unwrap()).unwrap());
    }
}

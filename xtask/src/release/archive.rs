//! The archives that releases are made of: tar, ar, gzip. Small, and the same bytes for the same content.

use std::io::{Read as _, Write as _};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

const BLOCK: usize = 512;

/// A tar archive (ustar) that grows; all of it belongs to root, and has one time.
pub(crate) struct Tar {
    bytes: Vec<u8>,
    /// Seconds since 1970.
    time: u64,
}

impl Tar {
    pub(crate) const fn new(time: u64) -> Self {
        Self { bytes: Vec::new(), time }
    }

    /// Adds a folder; its name ends with a slash.
    pub(crate) fn folder(&mut self, path: &str) -> Result<()> {
        self.header(path, 0o755, 0, b'5')
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.header(path, mode, content.len(), b'0')?;
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }

    fn header(&mut self, path: &str, mode: u32, size: usize, kind: u8) -> Result<()> {
        ensure!(path.len() <= 100, "{path}: the name is too long for ustar");
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, path);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{size:011o}"));
        put(136, &format!("{:011o}", self.time));
        put(148, "        ");
        put(257, "ustar\x0000");
        put(265, "root");
        put(297, "root");
        header[156] = kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        Ok(())
    }
}

/// Returns a regular file of a tar archive.
pub(crate) fn untar<'a>(tar: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    let mut rest = tar;
    while rest.len() >= BLOCK && rest[0] != 0 {
        let (header, behind) = rest.split_at(BLOCK);
        let size = text(&header[124..136]);
        let size = usize::from_str_radix(size.trim(), 8).context("a tar header without a size")?;
        let padded = size.next_multiple_of(BLOCK);
        ensure!(padded <= behind.len(), "a tar archive that is cut");
        if matches!(header[156], b'0' | 0) && text(&header[..100]) == name {
            return Ok(Some(&behind[..size]));
        }
        rest = &behind[padded..];
    }
    Ok(None)
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).unwrap_or_default()
}

/// Makes an ar archive, as Debian packages are.
pub(crate) fn ar(members: &[(&str, &[u8])], time: u64) -> Result<Vec<u8>> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        ensure!(name.len() <= 16, "{name}: the name is too long for ar");
        writeln!(bytes, "{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, "100644", content.len())?;
        bytes.extend_from_slice(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    Ok(bytes)
}

/// Compresses; there is no time and no name in what comes out.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

/// Undoes gzip, up to a length.
pub(crate) fn gunzip(bytes: &[u8], most: u64) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).take(most + 1).read_to_end(&mut plain).context("this is no gzip")?;
    ensure!(plain.len() as u64 <= most, "more than {most} bytes");
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out() {
        let mut tar = Tar::new(1_700_000_000);
        tar.folder("x/").unwrap();
        tar.file("x/empty", 0o644, b"").unwrap();
        tar.file("x/file", 0o755, &[7; 513]).unwrap();
        assert!(tar.file(&"x".repeat(101), 0o644, b"").is_err());
        let tar = tar.finish();
        assert_eq!(tar.len() % BLOCK, 0);
        let packed = gzip(&tar).unwrap();
        assert_eq!(packed, gzip(&tar).unwrap());
        let unpacked = gunzip(&packed, 1 << 20).unwrap();
        assert_eq!(untar(&unpacked, "x/file").unwrap(), Some(&[7; 513][..]));
        assert_eq!(untar(&unpacked, "x/empty").unwrap(), Some(&[][..]));
        assert_eq!(untar(&unpacked, "x/").unwrap(), None);
        assert!(untar(&unpacked[..BLOCK * 3], "x/file").is_err());
        assert!(gunzip(&packed, 100).is_err());
        assert!(gunzip(b"no gzip", 100).is_err());
    }

    #[test]
    fn members_begin_at_even_places() {
        let bytes = ar(&[("debian-binary", b"2.0\n"), ("odd", b"x"), ("last", b"yy")], 0).unwrap();
        assert_eq!(bytes.len(), 8 + 60 + 4 + 60 + 2 + 60 + 2);
        assert!(ar(&[("a name of more than 16", b"")], 0).is_err());
    }
}

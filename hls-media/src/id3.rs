//! The ID3 tag in front of packed audio (ID3v2.4, and rfc8216bis-22, section 3.1.3).

/// What a tag begins with, and what is in front of the content of each of its frames.
const HEADER: usize = 10;

/// What a tag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// The timestamp of the first sample, in ticks of 90 kHz.
    pub(crate) time: Option<i64>,
    /// Its frames fill it, and no more than that.
    pub(crate) holds_together: bool,
}

/// Reads a tag from its first byte on; `None`: it is none, or not all of it is there.
pub(crate) fn read(tag: &[u8]) -> Option<Told> {
    let [b'I', b'D', b'3', version, _, flags, rest @ ..] = tag else { return None };
    let sum =
        |bytes: &[u8], bits: u32| bytes.iter().fold(0_usize, |sum, byte| sum << bits | usize::from(*byte));
    let (size, rest) = rest.split_at_checked(4)?;
    let mut rest = rest.get(..sum(size, 7))?;
    let (mut time, is_plain) = (None, flags & 0xc0 == 0 && matches!(version, 3 | 4));
    // What comes behind zeros is padding.
    while is_plain && rest.first().is_some_and(|first| *first != 0) {
        let Some((head, behind)) = rest.split_first_chunk::<HEADER>() else { break };
        let [name @ .., a, b, c, d, _, _] = head;
        let len = sum(&[*a, *b, *c, *d], if *version == 4 { 7 } else { 8 });
        let is_name = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let Some((content, behind)) = behind.split_at_checked(len).filter(|_| is_name) else { break };
        time = time.or_else(|| of_private(name, content));
        rest = behind;
    }
    let holds_together = !is_plain || rest.iter().all(|byte| *byte == 0);
    Some(Told { time, holds_together })
}

fn of_private(name: &[u8], content: &[u8]) -> Option<i64> {
    let time = content.strip_prefix(b"com.apple.streaming.transportStreamTimestamp\0")?.first_chunk::<8>()?;
    i64::try_from(u64::from_be_bytes(*time) & 0x1_ffff_ffff).ok().filter(|_| name == b"PRIV")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        let frame = |name: &[u8; 4], content: &[u8]| {
            [&name[..], &(content.len() as u32).to_be_bytes(), &[0, 0], content].concat()
        };
        let tag =
            |flags: u8, body: &[u8]| [&b"ID3\x04\0"[..], &[flags, 0, 0, 0, body.len() as u8], body].concat();
        let stamp = |time: u64| {
            let owner = &b"com.apple.streaming.transportStreamTimestamp\0"[..];
            frame(b"PRIV", &[owner, &time.to_be_bytes()].concat())
        };
        let check = |tag: &[u8], time, holds_together| {
            assert_eq!(read(tag), Some(Told { time, holds_together }), "{tag:?}");
        };
        check(&tag(0, &stamp(90_000)), Some(90_000), true);
        check(&tag(0, &stamp(1 << 33 | 7)), Some(7), true);
        check(&tag(0, &[frame(b"TXXX", b"x"), stamp(5), vec![0; 9]].concat()), Some(5), true);
        check(&tag(0, &frame(b"PRIV", b"owner\0of something")), None, true);
        check(&tag(0, b""), None, true);
        check(&tag(0x40, b"an extended header"), None, true);
        // One byte of the length, or of the name, is another one.
        let mut damaged = tag(0, &stamp(90_000));
        damaged[15] ^= 1;
        check(&damaged, None, false);
        let mut damaged = tag(0, &stamp(90_000));
        damaged[11] ^= 0x20;
        check(&damaged, None, false);
        check(&tag(0, b"PRIV\0"), None, false);
        assert_eq!(read(&tag(0, &stamp(1))[..40]), None);
        assert_eq!(read(b"TAG of old"), None);
    }
}

//! Headers of packets of elementary streams (ISO/IEC 13818-1, 2.4.3.6).

/// How long a header is at most.
pub(super) const LONGEST_HEADER: usize = 9 + 255;

/// The header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) len: usize,
    /// How many bytes of the packet come behind it; `None`: up to the next packet.
    pub(super) remaining: Option<usize>,
    /// DTS and PTS.
    pub(super) time: Option<(i64, i64)>,
}

impl Header {
    /// `None`: it is not whole. An error: it is none; `true`: because what follows is scrambled.
    pub(super) fn read(bytes: &[u8]) -> Option<Result<Self, bool>> {
        if !bytes.iter().zip([0, 0, 1]).all(|(byte, start)| *byte == start) {
            return Some(Err(false));
        }
        let &[_, _, _, _, a, b, marks, flags, len, ..] = bytes else { return None };
        if marks >> 6 != 2 {
            return Some(Err(false));
        }
        if marks & 0x30 != 0 {
            return Some(Err(true));
        }
        let len = 9 + usize::from(len);
        let header = bytes.get(..len)?;
        let pts = || timestamp(header.get(9..)?);
        let time = match flags >> 6 {
            2 => pts().map(|pts| (pts, pts)),
            3 => pts().map(|pts| (header.get(14..).and_then(timestamp).unwrap_or(pts), pts)),
            _ => None,
        };
        let whole = usize::from(a) << 8 | usize::from(b);
        let remaining = (whole > 0).then(|| (whole + 6).saturating_sub(len));
        Some(Ok(Self { len, remaining, time }))
    }
}

fn timestamp(bytes: &[u8]) -> Option<i64> {
    let &[a, b, c, d, e] = bytes.first_chunk::<5>()?;
    let parts = [(a >> 1 & 7, 30), (b, 22), (c >> 1, 15), (d, 7), (e >> 1, 0)];
    Some(parts.into_iter().map(|(part, shift)| i64::from(part) << shift).sum())
}

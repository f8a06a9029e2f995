//! Opus in a transport stream, by the mapping that multiplexers share, and in MP4.

use super::boxes::boxed;

/// What the header in front of an Opus packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the header, and of the packet behind it.
    pub(crate) len: usize,
    pub(crate) packet: usize,
}

/// What is at a place where a packet may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    Packet(Header),
    Short,
    None,
}

/// Reads the control header of an access unit.
pub(crate) fn header(head: &[u8], at_end: bool) -> Begin {
    match head {
        [0x7f, b, ..] if b & 0xe0 == 0xe0 => {
            let (mut len, mut packet) = (2, 0_usize);
            while let Some(byte) = head.get(len) {
                len += 1;
                packet += usize::from(*byte);
                if *byte != 255 {
                    // Samples to leave out at the begin and at the end, and an extension.
                    len += if b & 0x10 != 0 { 2 } else { 0 } + if b & 0x08 != 0 { 2 } else { 0 };
                    if b & 0x04 != 0 {
                        let Some(more) = head.get(len) else { break };
                        len += 1 + usize::from(*more);
                    }
                    return Begin::Packet(Header { len, packet });
                }
            }
            if at_end { Begin::None } else { Begin::Short }
        }
        [0x7f] | [] if !at_end => Begin::Short,
        _ => Begin::None,
    }
}

/// Returns how many samples of 48 kHz a packet lasts (RFC 6716, section 3.1), or `None` for what is no Opus packet.
pub(crate) fn samples(packet: &[u8]) -> Option<u32> {
    let (&toc, rest) = packet.split_first()?;
    let configuration = u32::from(toc >> 3);
    let frame = match configuration {
        0..=11 => [480, 960, 1920, 2880][configuration as usize % 4],
        12..=15 => [480, 960][configuration as usize % 2],
        _ => [120, 240, 480, 960][configuration as usize % 4],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    // 120 ms is the most.
    Some(frame * count).filter(|samples| (1..=5760).contains(samples))
}

/// Channels by the channel configuration code of the descriptor: streams, pairs of them, and the order of RFC 7845, section 5.1.1.2.
const LAYOUTS: [(u8, u8, &[u8]); 9] = [
    (1, 1, &[0, 1]),
    (1, 0, &[0]),
    (1, 1, &[0, 1]),
    (2, 1, &[0, 2, 1]),
    (2, 2, &[0, 1, 2, 3]),
    (3, 2, &[0, 4, 1, 2, 3]),
    (4, 2, &[0, 4, 1, 2, 3, 5]),
    (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
    (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
];

/// Returns the number of channels by the channel configuration code; `None`: it says them in another way.
pub(crate) fn channels(code: u8) -> Option<u8> {
    LAYOUTS.get(usize::from(code)).map(|(_, _, map)| map.len() as u8)
}

/// Makes the `dOps` box (Encapsulation of Opus in ISO Base Media File Format, section 4.3.2).
pub(crate) fn specific(code: u8) -> Vec<u8> {
    let (streams, pairs, map) = LAYOUTS.get(usize::from(code)).copied().unwrap_or((1, 1, &[0, 1]));
    let mut body = vec![0, map.len() as u8, 0, 0];
    body.extend(48_000_u32.to_be_bytes());
    body.extend([0, 0]);
    if map.len() <= 2 {
        body.push(0);
    } else {
        body.extend([1, streams, pairs]);
        body.extend_from_slice(map);
    }
    boxed(b"dOps", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let check = |head: &[u8], expect| assert_eq!(header(head, false), expect, "{head:x?}");
        check(&[0x7f, 0xe0, 5], Begin::Packet(Header { len: 3, packet: 5 }));
        check(&[0x7f, 0xf0, 255, 2], Begin::Packet(Header { len: 6, packet: 257 }));
        check(&[0x7f, 0xfc, 9, 0, 0, 0, 0, 2], Begin::Packet(Header { len: 10, packet: 9 }));
        check(&[0x7f, 0xfc, 9, 0, 0, 0, 0], Begin::Short);
        check(&[0x7f, 0xe0, 255], Begin::Short);
        check(&[0x7f], Begin::Short);
        check(&[0x7f, 0xd0, 5], Begin::None);
        check(&[0x47], Begin::None);
        assert_eq!(header(&[0x7f, 0xe0, 255], true), Begin::None);
    }

    #[test]
    fn durations() {
        let check = |packet: &[u8], expect| assert_eq!(samples(packet), expect, "{packet:x?}");
        check(&[0xf8, 1], Some(960));
        check(&[0x80], Some(120));
        check(&[0x19], Some(5760));
        check(&[0x63, 0x03], Some(1440));
        check(&[0x1b, 0x03], None);
        check(&[0xfb], None);
        check(&[], None);
    }
}

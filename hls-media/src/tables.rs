//! Tables of transport streams and their checksums (ISO/IEC 13818-1, section 2.4.4 and annex A).

/// A section is never longer.
const LONGEST: usize = 4096;
/// More tables than any real stream has.
const MANY: usize = 64;

/// What a section tells that is needed to judge a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The tables of a program are in this PID.
    Map(u16),
    /// An elementary stream is in this PID.
    Stream(u16),
}

/// Puts the sections of the tables of a stream together, and checks each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables(Vec<(usize, Vec<u8>)>);

impl Tables {
    /// Takes the payload of a packet of a table; returns what is told, and whether each section is right.
    pub(crate) fn push(
        &mut self,
        pid: usize,
        begins: bool,
        payload: &[u8],
        tell: &mut impl FnMut(Told),
    ) -> bool {
        let number = match self.0.iter().position(|(known, _)| *known == pid) {
            Some(number) => number,
            None if self.0.len() < MANY => {
                self.0.push((pid, Vec::new()));
                self.0.len() - 1
            }
            None => return true,
        };
        let Some((_, section)) = self.0.get_mut(number) else { return true };
        if !begins {
            if !section.is_empty() && section.len() <= LONGEST {
                section.extend_from_slice(payload);
            }
            return check(pid, section, tell);
        }
        let Some((&pointer, rest)) = payload.split_first() else { return true };
        let Some((end, begin)) = rest.split_at_checked(usize::from(pointer)) else {
            section.clear();
            return false;
        };
        // A section begins in this packet, and PID 0 has those of the program association table alone.
        if pid == 0 && begin.first().is_some_and(|id| *id != 0) {
            section.clear();
            return false;
        }
        // What is in front of where the pointer points ends the section before.
        let mut is_right = true;
        if !section.is_empty() {
            section.extend_from_slice(end);
            is_right = check(pid, section, tell);
        }
        section.clear();
        section.extend_from_slice(begin);
        check(pid, section, tell) && is_right
    }
}

/// Takes all whole sections out of what has come; `false`: one of them is damaged.
fn check(pid: usize, bytes: &mut Vec<u8>, tell: &mut impl FnMut(Told)) -> bool {
    let mut is_right = true;
    loop {
        let [id, b, c, ..] = bytes[..] else { return is_right };
        // Stuffing, up to the end of the packet.
        if id == 0xff {
            bytes.clear();
            return is_right;
        }
        let len = 3 + (usize::from(b & 0x0f) << 8 | usize::from(c));
        let Some(section) = bytes.get(..len) else { return is_right };
        // Only those with the long syntax have a checksum.
        if b & 0x80 != 0 || id == 0 || id == 2 {
            let is_whole = len >= 12 && b & 0x80 != 0 && crc(section) == 0;
            if is_whole {
                read(pid, section, tell);
            }
            is_right &= is_whole;
        }
        bytes.drain(..len);
    }
}

fn pid_of(two: &[u8]) -> u16 {
    two.iter().fold(0, |pid, byte| pid << 8 | u16::from(*byte)) & 0x1fff
}

fn read(pid: usize, section: &[u8], tell: &mut impl FnMut(Told)) {
    let body = section.len().checked_sub(4).and_then(|end| section.get(..end)).unwrap_or(&[]);
    match *body {
        [0, _, _, _, _, _, _, _, ref programs @ ..] if pid == 0 => {
            for program in programs.chunks_exact(4).filter(|program| program.get(..2) != Some(&[0, 0])) {
                tell(Told::Map(pid_of(program.get(2..).unwrap_or(&[]))));
            }
        }
        [2, _, _, _, _, _, _, _, _, _, a, b, ref rest @ ..] => {
            let info = usize::from(a & 0x0f) << 8 | usize::from(b);
            let mut rest = rest.get(info..).unwrap_or(&[]);
            while let [kind, a, b, c, d, after @ ..] = rest {
                let len = usize::from(c & 0x0f) << 8 | usize::from(*d);
                rest = after.get(len..).unwrap_or(&[]);
                if is_elementary(*kind) {
                    tell(Told::Stream(pid_of(&[*a, *b])));
                }
            }
        }
        _ => {}
    }
}

/// Stream types that are sent in packets of elementary streams for certain (table 2-34, and those of ATSC and Apple).
fn is_elementary(kind: u8) -> bool {
    matches!(
        kind,
        0x01..=0x04 | 0x06 | 0x0f..=0x11 | 0x15 | 0x1b | 0x20 | 0x21 | 0x24 | 0x33 | 0x81 | 0x87 | 0xcf | 0xdb | 0xc1 | 0xc2
    )
}

const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut crc, mut bit) = ((n as u32) << 24, 0);
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

/// Tells whether a packet with a whole program association table comes first (ISO/IEC 13818-1, 2.4.4.3). Its checksum is proof enough:
/// what comes behind the tables of an initialization section may be anything.
pub(crate) fn is_association(head: &[u8]) -> bool {
    let Some([0x47, b, 0, c, pointer, body @ ..]) = head.first_chunk::<{ crate::ts::PACKET }>() else {
        return false;
    };
    let Some(section) = body.get(usize::from(*pointer)..) else { return false };
    let &[0, high, low, ..] = section else { return false };
    let len = 3 + (usize::from(high & 0x0f) << 8 | usize::from(low));
    *b == 0x40 && c & 0xf0 == 0x10 && section.get(..len).is_some_and(|section| crc(section) == 0)
}

/// Returns the checksum of a section (ISO/IEC 13818-1, annex A); 0 over all of one that is right, as its own is at its end.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        let index = (crc >> 24) as u8 ^ byte;
        crc << 8 ^ CRC.get(usize::from(index)).copied().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ffmpeg writes them.
    const PAT: [u8; 16] = [0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];

    fn with_crc(mut section: Vec<u8>) -> Vec<u8> {
        let crc = crc(&section).to_be_bytes();
        section.extend(crc);
        section
    }

    fn map() -> Vec<u8> {
        with_crc(vec![
            2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x86, 0xe1, 1, 0xf0, 0,
        ])
    }

    #[test]
    fn an_association_table_alone_tells_the_container() {
        let packet = |section: &[u8]| {
            let mut packet = [&[0x47, 0x40, 0, 0x10, 0][..], section].concat();
            packet.resize(188, 0xff);
            packet
        };
        let damaged = [&PAT[..15], &[0]].concat();
        for (what, head, expect) in [
            ("alone", packet(&PAT), true),
            ("before anything", [packet(&PAT), b"ID3".to_vec()].concat(), true),
            ("damaged", packet(&damaged), false),
            ("another table", packet(&map()), false),
            ("cut", packet(&PAT)[..187].to_vec(), false),
            ("nothing", Vec::new(), false),
        ] {
            assert_eq!(is_association(&head), expect, "{what}");
        }
    }

    #[test]
    fn sections() {
        let check = |pid, payloads: &[(bool, Vec<u8>)], expect: bool, told: &[Told]| {
            let (mut tables, mut heard, mut is_right) = (Tables::default(), Vec::new(), true);
            for (begins, payload) in payloads {
                is_right &= tables.push(pid, *begins, payload, &mut |t| heard.push(t));
            }
            assert_eq!((is_right, &heard[..]), (expect, told), "{payloads:x?}");
        };
        let begin = |section: &[u8]| (true, [&[0], section, &[0xff; 20]].concat());
        check(0, &[begin(&PAT)], true, &[Told::Map(0x1000)]);
        check(0x1000, &[begin(&map())], true, &[Told::Stream(0x100)]);
        for at in 0..PAT.len() {
            let mut wrong = PAT;
            wrong[at] ^= 1;
            // Its length may be longer than what came, and then it never ends.
            let is_seen = at != 2 && at != 1;
            if is_seen {
                check(0, &[begin(&wrong)], false, &[]);
            }
        }
        let whole = map();
        let (first, rest) = whole.split_at(9);
        let in_two = [(true, [&[0], first].concat()), (false, [rest, &[0xff; 9]].concat())];
        check(0x1000, &in_two, true, &[Told::Stream(0x100)]);
        let pointed = (true, [&[rest.len() as u8], rest, &PAT[..]].concat());
        check(0x1000, &[(true, [&[0], first].concat()), pointed], true, &[Told::Stream(0x100)]);
        check(0, &[begin(&[0; 40])], false, &[]);
        check(0x11, &[(true, vec![200, 1])], false, &[]);
    }
}

//! Tables of a transport stream: which streams it has (ISO/IEC 13818-1, section 2.4.4).

use super::error::RemuxError;
use crate::Container;

/// How an elementary stream is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Avc,
    Hevc,
    Audio(Container),
}

/// All that [`codec`] tells.
const CODES: [Codec; 6] = [
    Codec::Avc,
    Codec::Hevc,
    Codec::Audio(Container::Adts),
    Codec::Audio(Container::Mp3),
    Codec::Audio(Container::Ac3),
    Codec::Audio(Container::Eac3),
];

impl Codec {
    pub(crate) fn is_video(self) -> bool {
        !matches!(self, Self::Audio(_))
    }

    /// A number for records.
    pub(crate) fn code(self) -> u8 {
        CODES.iter().zip(0..).find(|(codec, _)| **codec == self).map_or(u8::MAX, |(_, code)| code)
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        CODES.get(usize::from(code)).copied()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avc => "H.264",
            Self::Hevc => "HEVC",
            Self::Audio(Container::Adts) => "AAC",
            Self::Audio(Container::Mp3) => "MPEG audio",
            Self::Audio(Container::Ac3) => "AC-3",
            Self::Audio(_) => "E-AC-3",
        }
    }
}

/// An elementary stream of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elementary {
    pub(crate) pid: u16,
    pub(crate) codec: Codec,
    pub(crate) language: Option<[u8; 3]>,
}

/// Puts sections together that are longer than a packet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sections(Vec<u8>);

impl Sections {
    /// Takes the payload of a packet, and returns the section that ends in it.
    pub(crate) fn push(&mut self, begins: bool, payload: &[u8]) -> Option<&[u8]> {
        if begins {
            let (&pointer, rest) = payload.split_first()?;
            self.0.clear();
            self.0.extend_from_slice(rest.get(usize::from(pointer)..)?);
        } else if self.0.is_empty() || self.0.len() > 4096 {
            return None;
        } else {
            self.0.extend_from_slice(payload);
        }
        let [_, b, c, ..] = *self.0 else { return None };
        let len = 3 + (usize::from(b & 0x0f) << 8 | usize::from(c));
        self.0.get(..len)
    }
}

/// Reads the PID of the first program's map.
pub(crate) fn map_pid(section: &[u8]) -> Option<u16> {
    if section.first() != Some(&0) {
        return None;
    }
    let programs = section.get(8..section.len().checked_sub(4)?)?;
    // Number 0 is the network's.
    let program = programs.chunks_exact(4).find(|program| program.get(..2) != Some(&[0, 0]))?;
    Some(pid(program.get(2..4)?))
}

fn pid(two: &[u8]) -> u16 {
    two.iter().fold(0, |pid, byte| pid << 8 | u16::from(*byte)) & 0x1fff
}

/// Reads the audio and video streams of a program map. `None`: it is none, or damaged.
pub(crate) fn streams(section: &[u8]) -> Result<Option<Vec<Elementary>>, RemuxError> {
    let body = section.len().checked_sub(4).and_then(|end| section.get(..end)).unwrap_or(&[]);
    let [2, _, _, _, _, _, _, _, _, _, a, b, ..] = *body else { return Ok(None) };
    let info = usize::from(a & 0x0f) << 8 | usize::from(b);
    let mut rest = body.get(12 + info..).unwrap_or(&[]);
    let mut streams = Vec::new();
    while let [kind, a, b, c, d, after @ ..] = rest {
        let len = usize::from(c & 0x0f) << 8 | usize::from(*d);
        let Some((descriptors, after)) = after.split_at_checked(len) else { return Ok(None) };
        rest = after;
        if let Some(codec) = codec(*kind, descriptors)? {
            streams.push(Elementary { pid: pid(&[*a, *b]), codec, language: language(descriptors) });
        }
    }
    Ok(rest.is_empty().then_some(streams))
}

/// Stream types: table 2-34, ATSC A/52 annex A, SCTE 57. What is neither audio nor video is `None`.
fn codec(kind: u8, descriptors: &[u8]) -> Result<Option<Codec>, RemuxError> {
    let registered = |name: &[u8]| find(descriptors, 5).is_some_and(|body| body.starts_with(name));
    Ok(Some(match kind {
        0x1b => Codec::Avc,
        0x24 => Codec::Hevc,
        0x0f => Codec::Audio(Container::Adts),
        0x03 | 0x04 => Codec::Audio(Container::Mp3),
        0x81 => Codec::Audio(Container::Ac3),
        0x87 => Codec::Audio(Container::Eac3),
        0x06 if find(descriptors, 0x6a).is_some() || registered(b"AC-3") => Codec::Audio(Container::Ac3),
        0x06 if find(descriptors, 0x7a).is_some() || registered(b"EAC3") => Codec::Audio(Container::Eac3),
        0x06 if registered(b"HEVC") => Codec::Hevc,
        0xdb | 0xcf | 0xc1 | 0xc2 => {
            return Err(RemuxError::Encrypted { what: format!("SAMPLE-AES, stream type 0x{kind:02x}") });
        }
        0x01 | 0x02 => return Err(RemuxError::unsupported("MPEG-2 video")),
        0x10 => return Err(RemuxError::unsupported("MPEG-4 part 2 video")),
        0x11 => return Err(RemuxError::unsupported("AAC in LATM")),
        0x33 => return Err(RemuxError::unsupported("VVC video")),
        0x80 => return Err(RemuxError::unsupported("uncompressed audio")),
        0x82 | 0x85 | 0x86 if registered(b"DTS") => return Err(RemuxError::unsupported("DTS audio")),
        0x83 => return Err(RemuxError::unsupported("TrueHD audio")),
        0xea => return Err(RemuxError::unsupported("VC-1 video")),
        _ => return Ok(None),
    }))
}

fn find(descriptors: &[u8], tag: u8) -> Option<&[u8]> {
    let mut rest = descriptors;
    while let [found, len, after @ ..] = rest {
        let (body, after) = after.split_at_checked(usize::from(*len))?;
        if *found == tag {
            return Some(body);
        }
        rest = after;
    }
    None
}

fn language(descriptors: &[u8]) -> Option<[u8; 3]> {
    let code = find(descriptors, 0x0a)?.first_chunk::<3>()?.to_ascii_lowercase();
    <[u8; 3]>::try_from(code).ok().filter(|code| code.iter().all(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
        let mut section = vec![2, 0xb0, 0, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0];
        for (kind, pid, descriptors) in streams {
            section.extend([*kind, (pid >> 8) as u8 | 0xe0, *pid as u8, 0xf0, descriptors.len() as u8]);
            section.extend_from_slice(descriptors);
        }
        section.extend([0; 4]);
        section
    }

    fn check(kind: u8, descriptors: &[u8], expect: Result<Option<Codec>, &str>) {
        let found = streams(&map(&[(kind, 0x101, descriptors)]));
        let found = found.map(|streams| streams.expect("a map").first().map(|stream| stream.codec));
        assert_eq!(found.map_err(|error| error.code()), expect, "{kind:x}");
    }

    #[test]
    fn codecs() {
        check(0x1b, b"", Ok(Some(Codec::Avc)));
        check(0x0f, b"", Ok(Some(Codec::Audio(Container::Adts))));
        check(0x06, b"", Ok(None));
        check(0x06, &[0x59, 1, 0, 0x7a, 1, 0], Ok(Some(Codec::Audio(Container::Eac3))));
        check(0x06, b"\x05\x04AC-3", Ok(Some(Codec::Audio(Container::Ac3))));
        check(0x15, b"", Ok(None));
        check(0x86, b"", Ok(None));
        check(0xdb, b"", Err("remux.encrypted"));
        check(0x02, b"", Err("remux.unsupported"));
        check(0x11, b"", Err("remux.unsupported"));
        check(0x06, &[0x7a, 9, 0], Ok(None));
    }

    #[test]
    fn maps() {
        let section = map(&[(0x0f, 0x101, b"\x0a\x04DEU\0"), (0x1b, 0x1ffe, b"")]);
        let found = streams(&section).expect("supported").expect("a map");
        let expect = [(0x101, Some(*b"deu")), (0x1ffe, None)];
        assert_eq!(found.iter().map(|s| (s.pid, s.language)).collect::<Vec<_>>(), expect);
        assert_eq!(streams(&section[..20]), Ok(None));
        assert_eq!(
            map_pid(&[0, 0xb0, 17, 0, 1, 0xc1, 0, 0, 0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0, 1, 2, 3, 4]),
            Some(0x1000)
        );
        let mut sections = Sections::default();
        let mut long = section.clone();
        long[2] = (section.len() - 3) as u8;
        assert_eq!(sections.push(false, &long), None);
        assert_eq!(sections.push(true, &[&[2, 9, 9][..], &long[..9]].concat()), None);
        assert_eq!(sections.push(false, &[&long[9..], &[0xff; 9]].concat()), Some(&long[..]));
    }
}

//! Tables of a transport stream: which streams it has (ISO/IEC 13818-1, section 2.4.4).

use super::{error::RemuxError, pairing::Language};
use crate::{Container, tables::crc};

/// How an elementary stream is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Avc,
    Hevc,
    Audio(Container),
    /// AAC in LATM.
    Latm,
    /// With the channel configuration code of the descriptor.
    Opus(u8),
    Dts,
}

/// All that [`codec`] tells.
const CODES: [Codec; 17] = [
    Codec::Avc,
    Codec::Hevc,
    Codec::Audio(Container::Adts),
    Codec::Audio(Container::Mp3),
    Codec::Audio(Container::Ac3),
    Codec::Audio(Container::Eac3),
    Codec::Latm,
    Codec::Dts,
    Codec::Opus(0),
    Codec::Opus(1),
    Codec::Opus(2),
    Codec::Opus(3),
    Codec::Opus(4),
    Codec::Opus(5),
    Codec::Opus(6),
    Codec::Opus(7),
    Codec::Opus(8),
];

impl Codec {
    pub(crate) fn is_video(self) -> bool {
        matches!(self, Self::Avc | Self::Hevc)
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
            Self::Latm => "AAC in LATM",
            Self::Opus(_) => "Opus",
            Self::Dts => "DTS",
        }
    }
}

/// An elementary stream of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elementary {
    pub(crate) pid: u16,
    pub(crate) what: What,
    pub(crate) language: Language,
}

impl Elementary {
    /// Returns the codec and the language of a stream that an MP4 can hold.
    pub(super) fn carried(&self) -> Option<(Codec, Language)> {
        match self.what {
            What::Carried(codec) => Some((codec, self.language)),
            _ => None,
        }
    }
}

/// What an elementary stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Audio or video that an MP4 can hold.
    Carried(Codec),
    /// Audio, video or subtitles that are not put into an MP4 here.
    Media(Kind, String),
    /// Its packets tell whether it is audio or video (their `stream_id`).
    Unknown(u8),
    /// Data for machines, of this kind.
    Data(&'static str),
}

/// Tells by the begin of a packet what its elementary stream is (ISO/IEC 13818-1, table 2-22).
pub(crate) fn told_by_packet(kind: u8, payload: &[u8]) -> What {
    let unknown = |media| What::Media(media, format!("a stream of type 0x{kind:02x}"));
    let body = payload.get(8).and_then(|len| payload.get(9 + usize::from(*len)..)).unwrap_or(&[]);
    match payload {
        [0, 0, 1, 0xbd | 0xc0..=0xdf | 0xfd, ..] if body.starts_with(&[0x7f, 0xfe, 0x80, 0x01]) => {
            What::Carried(Codec::Dts)
        }
        _ if kind == 0x82 => What::Media(Kind::Subtitles, "SCTE-27 subtitles".to_owned()),
        [0, 0, 1, 0xe0..=0xef, ..] => unknown(Kind::Picture),
        [0, 0, 1, 0xc0..=0xdf | 0xfd, ..] => unknown(Kind::Sound),
        // Some multiplexers leave out what would tell.
        [0, 0, 1, 0xbd, ..] => match body {
            [0x0b, 0x77, _, _, _, f, ..] if f >> 3 > 10 => What::Carried(Codec::Audio(Container::Eac3)),
            [0x0b, 0x77, ..] => What::Carried(Codec::Audio(Container::Ac3)),
            _ => What::Data("data of no known kind"),
        },
        _ => What::Data("data of no known kind"),
    }
}

/// Kinds of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Picture,
    Sound,
    Subtitles,
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

/// Reads the PIDs of the maps of all programs, in order. `None`: it is no table of them, or damaged.
pub(crate) fn map_pids(section: &[u8]) -> Option<Vec<u16>> {
    if section.first() != Some(&0) || crc(section) != 0 {
        return None;
    }
    let programs = section.get(8..section.len().checked_sub(4)?)?;
    // Number 0 is the network's.
    let of_programs = programs.chunks_exact(4).filter(|program| program.get(..2) != Some(&[0, 0]));
    Some(of_programs.filter_map(|program| program.get(2..4)).map(pid).collect())
}

fn pid(two: &[u8]) -> u16 {
    two.iter().fold(0, |pid, byte| pid << 8 | u16::from(*byte)) & 0x1fff
}

/// Reads the streams of a program map. Returns `None` for a damaged one, and for any other table.
pub(crate) fn streams(section: &[u8]) -> Result<Option<Vec<Elementary>>, RemuxError> {
    if crc(section) != 0 {
        return Ok(None);
    }
    let body = section.len().checked_sub(4).and_then(|end| section.get(..end)).unwrap_or(&[]);
    let [2, _, _, _, _, _, _, _, _, _, a, b, ..] = *body else { return Ok(None) };
    let info = usize::from(a & 0x0f) << 8 | usize::from(b);
    let mut rest = body.get(12 + info..).unwrap_or(&[]);
    let mut streams = Vec::new();
    while let [kind, a, b, c, d, after @ ..] = rest {
        let len = usize::from(c & 0x0f) << 8 | usize::from(*d);
        let Some((descriptors, after)) = after.split_at_checked(len) else { return Ok(None) };
        rest = after;
        let what = what(*kind, descriptors)?;
        streams.push(Elementary { pid: pid(&[*a, *b]), what, language: language(descriptors) });
    }
    Ok(rest.is_empty().then_some(streams))
}

/// Tells what a stream is by its type and descriptors: table 2-34, ETSI EN 300 468 annex D, ATSC A/52 annex A, SCTE 57.
fn what(kind: u8, descriptors: &[u8]) -> Result<What, RemuxError> {
    let carried = |codec| Ok(What::Carried(codec));
    let media = |kind, what: &str| Ok(What::Media(kind, what.to_owned()));
    let registered = registration(descriptors);
    match kind {
        0x1b => carried(Codec::Avc),
        0x24 => carried(Codec::Hevc),
        0x0f => carried(Codec::Audio(Container::Adts)),
        0x11 => carried(Codec::Latm),
        0x03 | 0x04 => carried(Codec::Audio(Container::Mp3)),
        0x81 => carried(Codec::Audio(Container::Ac3)),
        0x84 | 0x87 | 0xa1 => carried(Codec::Audio(Container::Eac3)),
        0xdb | 0xcf | 0xc1 | 0xc2 => {
            Err(RemuxError::Encrypted { what: format!("SAMPLE-AES, stream type 0x{kind:02x}") })
        }
        0x01 | 0x02 => media(Kind::Picture, "MPEG-2 video"),
        0x10 => media(Kind::Picture, "MPEG-4 part 2 video"),
        0x1c => media(Kind::Sound, "MPEG-4 audio without a framing"),
        0x21 => media(Kind::Picture, "JPEG 2000 video"),
        0x32 => media(Kind::Picture, "JPEG XS video"),
        0x33 | 0x34 => media(Kind::Picture, "VVC video"),
        0x35 => media(Kind::Picture, "EVC video"),
        0x42 | 0xd2 | 0xd4 => media(Kind::Picture, "AVS video"),
        0xd1 => media(Kind::Picture, "Dirac video"),
        0xea => media(Kind::Picture, "VC-1 video"),
        0x80 if registered == Some(*b"HDMV") => media(Kind::Sound, "uncompressed audio"),
        0x83 => media(Kind::Sound, "TrueHD audio"),
        0x86 if registered == Some(*b"CUEI") || registered.is_none() => Ok(What::Data("SCTE-35 messages")),
        // DTS or, in North America, subtitles.
        0x82 if registered.is_none() || registered == Some(*b"GA94") => Ok(What::Unknown(kind)),
        0x82 | 0x85 | 0x86 | 0x8a | 0xa2 => carried(Codec::Dts),
        0x90 | 0x92 if registered == Some(*b"HDMV") => media(Kind::Subtitles, "Blu-ray subtitles"),
        0x06 => private(kind, descriptors, registered),
        0x15 => Ok(What::Data("timed metadata")),
        // Layers that build on another stream, and all that is not for eyes and ears.
        0x05 | 0x08..=0x0e | 0x12..=0x1a | 0x1d..=0x20 | 0x22 | 0x23 | 0x25..=0x31 | 0x7f => {
            Ok(What::Data("data"))
        }
        _ => match registered.as_ref().and_then(registered_codec) {
            Some(what) => Ok(what),
            None => Ok(What::Unknown(kind)),
        },
    }
}

/// Tells what a stream of packets for private use is.
fn private(kind: u8, descriptors: &[u8], registered: Option<[u8; 4]>) -> Result<What, RemuxError> {
    let has = |tag| find(descriptors, tag).is_some();
    // Descriptors of DVB behind the number that says so (ETSI EN 300 468, section 6.4).
    let extended = find(descriptors, 0x7f);
    if let Some(what) = registered.as_ref().and_then(registered_codec) {
        if what == What::Carried(Codec::Opus(0)) {
            let code = extended.and_then(|body| body.strip_prefix(&[0x80])).and_then(|body| body.first());
            return Ok(match code.copied() {
                Some(code) if super::opus::channels(code).is_some() => What::Carried(Codec::Opus(code)),
                None => What::Carried(Codec::Opus(2)),
                Some(_) => What::Media(Kind::Sound, "Opus with a channel layout of its own".to_owned()),
            });
        }
        return Ok(what);
    }
    Ok(match extended.and_then(<[u8]>::first) {
        _ if has(0x6a) => What::Carried(Codec::Audio(Container::Ac3)),
        _ if has(0x7a) => What::Carried(Codec::Audio(Container::Eac3)),
        _ if has(0x7b) => What::Carried(Codec::Dts),
        _ if has(0x7c) => What::Carried(Codec::Latm),
        Some(0x15) => What::Media(Kind::Sound, "AC-4 audio".to_owned()),
        Some(0x0e) => What::Carried(Codec::Dts),
        _ if has(0x59) => What::Media(Kind::Subtitles, "DVB subtitles".to_owned()),
        _ if has(0x56) || has(0x46) => What::Media(Kind::Subtitles, "teletext".to_owned()),
        _ if has(0x45) || has(0x26) => What::Data("metadata"),
        _ => What::Unknown(kind),
    })
}

fn registration(descriptors: &[u8]) -> Option<[u8; 4]> {
    find(descriptors, 5)?.first_chunk().copied()
}

/// What a format identifier of the SMPTE registry says.
fn registered_codec(name: &[u8; 4]) -> Option<What> {
    let media = |kind, what: &str| What::Media(kind, what.to_owned());
    Some(match name {
        b"AC-3" => What::Carried(Codec::Audio(Container::Ac3)),
        b"EAC3" => What::Carried(Codec::Audio(Container::Eac3)),
        b"DTS1" | b"DTS2" | b"DTS3" => What::Carried(Codec::Dts),
        b"Opus" => What::Carried(Codec::Opus(0)),
        b"HEVC" => What::Carried(Codec::Hevc),
        b"BSSD" => media(Kind::Sound, "SMPTE 302M audio"),
        b"AC-4" => media(Kind::Sound, "AC-4 audio"),
        b"AV01" => media(Kind::Picture, "AV1 video in MPEG-TS"),
        b"VP09" => media(Kind::Picture, "VP9 video in MPEG-TS"),
        b"VC-1" => media(Kind::Picture, "VC-1 video"),
        b"drac" => media(Kind::Picture, "Dirac video"),
        b"KLVA" => What::Data("KLV metadata"),
        b"ID3 " => What::Data("ID3 metadata"),
        b"VANC" => What::Data("ancillary data"),
        b"CUEI" => What::Data("SCTE-35 messages"),
        _ => return None,
    })
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
        section[2] = section.len() as u8 + 1;
        section.extend(crc(&section).to_be_bytes());
        section
    }

    fn check(kind: u8, descriptors: &[u8], expect: Result<What, &str>) {
        let found = streams(&map(&[(kind, 0x101, descriptors)]));
        let found = found.map(|streams| streams.expect("a map")[0].what.clone());
        assert_eq!(found.map_err(|error| error.code()), expect, "{kind:x} {descriptors:x?}");
    }

    #[test]
    fn what_streams_are() {
        let audio = |container| Ok(What::Carried(Codec::Audio(container)));
        let media = |kind, what: &str| Ok(What::Media(kind, what.to_owned()));
        check(0x1b, b"", Ok(What::Carried(Codec::Avc)));
        check(0x0f, b"", audio(Container::Adts));
        check(0x11, b"", Ok(What::Carried(Codec::Latm)));
        check(0x06, b"", Ok(What::Unknown(6)));
        check(0x06, &[0x59, 1, 0, 0x7a, 1, 0], audio(Container::Eac3));
        check(0x06, b"\x05\x04AC-3", audio(Container::Ac3));
        check(0x06, b"\x05\x04Opus\x7f\x02\x80\x06", Ok(What::Carried(Codec::Opus(6))));
        check(
            0x06,
            b"\x05\x04Opus\x7f\x02\x80\xff",
            media(Kind::Sound, "Opus with a channel layout of its own"),
        );
        check(0x06, b"\x05\x04BSSD", media(Kind::Sound, "SMPTE 302M audio"));
        check(0x06, &[0x59, 1, 0], media(Kind::Subtitles, "DVB subtitles"));
        check(0x06, &[0x56, 1, 0], media(Kind::Subtitles, "teletext"));
        check(0x06, b"\x05\x04KLVA", Ok(What::Data("KLV metadata")));
        check(0x15, b"", Ok(What::Data("timed metadata")));
        check(0x86, b"", Ok(What::Data("SCTE-35 messages")));
        check(0x86, b"\x05\x04CUEI", Ok(What::Data("SCTE-35 messages")));
        check(0x86, b"\x05\x04HDMV", Ok(What::Carried(Codec::Dts)));
        check(0x82, b"\x05\x04DTS2", Ok(What::Carried(Codec::Dts)));
        check(0xdb, b"", Err("remux.encrypted"));
        check(0x02, b"", media(Kind::Picture, "MPEG-2 video"));
        check(0x83, b"", media(Kind::Sound, "TrueHD audio"));
        check(0xf3, b"", Ok(What::Unknown(0xf3)));
        check(0xf3, b"\x05\x04VC-1", media(Kind::Picture, "VC-1 video"));
        check(0x06, &[0x7a, 9, 0], Ok(What::Unknown(6)));
    }

    #[test]
    fn maps() {
        let section = map(&[(0x0f, 0x101, b"\x0a\x04DEU\0"), (0x1b, 0x1ffe, b"")]);
        let found = streams(&section).expect("supported").expect("a map");
        let expect = [(0x101, Some(*b"deu")), (0x1ffe, None)];
        assert_eq!(found.iter().map(|s| (s.pid, s.language)).collect::<Vec<_>>(), expect);
        assert_eq!(streams(&section[..20]), Ok(None));
        for at in 0..section.len() {
            let mut other = section.clone();
            other[at] ^= 4;
            assert_eq!(streams(&other), Ok(None), "byte {at} is damaged");
        }
        let mut table = vec![0, 0xb0, 21, 0, 1, 0xc1, 0, 0, 0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0, 0, 2, 0xe1, 0];
        table.extend(crc(&table).to_be_bytes());
        assert_eq!(map_pids(&table), Some(vec![0x1000, 0x100]));
        table[17] = 3;
        assert_eq!(map_pids(&table), None);
        let mut sections = Sections::default();
        assert_eq!(sections.push(false, &section), None);
        assert_eq!(sections.push(true, &[&[2, 9, 9][..], &section[..9]].concat()), None);
        assert_eq!(sections.push(false, &[&section[9..], &[0xff; 9]].concat()), Some(&section[..]));
    }
}

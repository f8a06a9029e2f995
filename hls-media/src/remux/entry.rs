//! Which codec a sample entry (ISO/IEC 14496-12, section 8.5.2) is of.

use std::fmt;

use crate::configuration::object_type;

/// The codec of a sample entry: its format and, for `mp4a`, the object type behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryCodec {
    Aac,
    MpegAudio,
    /// Another codec in `mp4a`, by its object type indication.
    Object(u8),
    Format([u8; 4]),
}

impl EntryCodec {
    /// Reads a whole box; `None`: it has no format.
    pub(crate) fn of(entry: &[u8]) -> Option<Self> {
        let (format, body) = entry.get(4..)?.split_first_chunk()?;
        Some(match format {
            // The object types are registered at https://mp4ra.org/registered-types/object-types. An entry whose descriptors
            // can't be read is taken for AAC, as nearly all are.
            b"mp4a" => match object_type(body) {
                None | Some(0x40 | 0x66..=0x68) => Self::Aac,
                Some(0x69 | 0x6b) => Self::MpegAudio,
                Some(other) => Self::Object(other),
            },
            // Formats that differ in where parameter sets may stand, and not in the codec (ISO/IEC 14496-15), are one.
            b"avc2" | b"avc3" | b"avc4" => Self::Format(*b"avc1"),
            b"hev1" | b"hvc2" | b"hev2" => Self::Format(*b"hvc1"),
            b"dvhe" => Self::Format(*b"dvh1"),
            other => Self::Format(*other),
        })
    }
}

impl fmt::Display for EntryCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aac => f.write_str("AAC"),
            Self::MpegAudio => f.write_str("MPEG audio"),
            // As RFC 6381 writes it.
            Self::Object(object) => write!(f, "mp4a.{object:02x}"),
            Self::Format(format) => write!(f, "{}", format.escape_ascii()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::boxes::boxed;
    use super::*;

    /// A sample entry of sound that has `children`, behind as many more fields as its version has.
    pub(crate) fn sound(format: &[u8; 4], version: u8, children: &[u8]) -> Vec<u8> {
        let more = [0, 16, 36][usize::from(version)];
        let head = [&[0; 9][..], &[version], &[0; 18], &vec![0; more]].concat();
        boxed(format, &[&head, children].concat())
    }

    /// An `esds` box with an object type; `long` lengths have four bytes, as some encoders write them.
    pub(crate) fn esds(object: u8, long: bool) -> Vec<u8> {
        let tagged = |tag: u8, body: &[u8]| {
            let len = body.len() as u8;
            let len = if long { vec![0x80, 0x80, 0x80, len] } else { vec![len] };
            [&[tag][..], &len, body].concat()
        };
        let decoder = [&[object, 0x15][..], &[0; 11], &tagged(5, &[0x11, 0x90])].concat();
        let stream = tagged(3, &[&[0, 1, 0][..], &tagged(4, &decoder), &tagged(6, &[2])].concat());
        boxed(b"esds", &[&[0; 4][..], &stream].concat())
    }

    #[test]
    fn codecs() {
        let check = |entry: &[u8], expect: &str| {
            let found = EntryCodec::of(entry).map(|codec| codec.to_string());
            assert_eq!(found.unwrap_or_default(), expect, "{}", entry.escape_ascii());
        };
        for (object, expect) in [
            (0x40, "AAC"),
            (0x66, "AAC"),
            (0x67, "AAC"),
            (0x68, "AAC"),
            (0x69, "MPEG audio"),
            (0x6b, "MPEG audio"),
            (0x6a, "mp4a.6a"),
            (0xa5, "mp4a.a5"),
            (0xdd, "mp4a.dd"),
            (0x00, "mp4a.00"),
        ] {
            for (version, long) in [(0, false), (0, true), (1, true), (2, false)] {
                check(&sound(b"mp4a", version, &esds(object, long)), expect);
                let wave = boxed(b"wave", &[boxed(b"frma", b"mp4a"), esds(object, long)].concat());
                check(&sound(b"mp4a", version, &wave), expect);
            }
            let behind = [boxed(b"btrt", &[0; 12]), esds(object, true), vec![0; 4]].concat();
            check(&sound(b"mp4a", 0, &behind), expect);
        }
        // What can't be read.
        let cut = esds(0x6b, true);
        check(&sound(b"mp4a", 0, &boxed(b"esds", &cut[8..20])), "AAC");
        check(&sound(b"mp4a", 0, &[]), "AAC");
        check(&boxed(b"mp4a", &[]), "AAC");
        check(b"\0\0\0\x08mp4", "");
        // An object type is nothing to other formats.
        check(&sound(b"ac-3", 0, &esds(0x6b, false)), "ac-3");
        for (format, expect) in
            [(b"avc1", "avc1"), (b"avc3", "avc1"), (b"hev1", "hvc1"), (b"dvhe", "dvh1"), (b"av01", "av01")]
        {
            check(&boxed(format, &[0; 78]), expect);
        }
    }
}

//! Which codec a sample entry (ISO/IEC 14496-12, section 8.5.2) is of, as far as its samples are looked at.

use crate::configuration::decoder;
use crate::fmp4::children;
use crate::remux::{bits::Bits, nal::each_stored};

/// Fields of a sample entry of pictures, in front of its boxes.
const VISUAL: usize = 78;
/// Those of sound, by the versions that QuickTime has.
const AUDIO: [usize; 3] = [28, 44, 64];
const HEVC_SEQUENCE: u8 = 33;

/// What the samples of an entry have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// NAL units behind lengths of so many bytes (ISO/IEC 14496-15).
    Nal {
        length: usize,
        is_hevc: bool,
        has_sets: bool,
    },
    Av1,
    Vp9,
    /// `is_narrow`: it has one or two channels, and no element for low frequencies.
    Aac {
        is_narrow: bool,
    },
    MpegAudio,
    Dolby,
    Dts,
    /// Packets of so many streams in each sample.
    Opus {
        streams: u8,
    },
    Flac,
    /// WebVTT in boxes (ISO/IEC 14496-30).
    WebVtt,
    /// TTML, a document in each sample (ISO/IEC 14496-30).
    Ttml,
    /// 3GPP timed text (3GPP TS 26.245).
    Text,
}

impl Codec {
    /// Reads the format and the body of a sample entry. `None`: nothing is known of its samples.
    pub(super) fn of(format: [u8; 4], body: &[u8]) -> Option<Self> {
        Some(match &format {
            b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => {
                let config = inside(body, &[VISUAL], *b"avcC")?;
                let length = usize::from(config.get(4)? & 3) + 1;
                Self::Nal { length, is_hevc: false, has_sets: config.get(5)? & 0x1f > 0 }
            }
            b"hvc1" | b"hvc2" | b"hev1" | b"hev2" | b"dvh1" | b"dvhe" => {
                let config = inside(body, &[VISUAL], *b"hvcC")?;
                let length = usize::from(config.get(21)? & 3) + 1;
                Self::Nal { length, is_hevc: true, has_sets: has_sequence(config) }
            }
            b"av01" => Self::Av1,
            b"vp09" => Self::Vp9,
            b"mp4a" => match decoder(body)? {
                (0x40 | 0x66..=0x68, Some(config)) => aac(config)?,
                (0x69 | 0x6b, _) => Self::MpegAudio,
                // The object types are registered at https://mp4ra.org/registered-types/object-types.
                (0xa5 | 0xa6, _) => Self::Dolby,
                (0xa9..=0xac, _) => Self::Dts,
                _ => return None,
            },
            b"ac-3" | b"ec-3" => Self::Dolby,
            b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => Self::Dts,
            b"Opus" => {
                let config = inside(body, &AUDIO, *b"dOps")?;
                let streams = if *config.get(10)? == 0 { 1 } else { *config.get(11)? };
                Self::Opus { streams }
            }
            b"fLaC" => Self::Flac,
            b"wvtt" => Self::WebVtt,
            b"stpp" => Self::Ttml,
            b"tx3g" => Self::Text,
            _ => return None,
        })
    }

    /// What the samples are called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nal { is_hevc: false, .. } => "H.264 NAL units behind their lengths (ISO/IEC 14496-15)",
            Self::Nal { is_hevc: true, .. } => "HEVC NAL units behind their lengths (ISO/IEC 14496-15)",
            Self::Av1 => "AV1 OBUs",
            Self::Vp9 => "VP9 frames",
            Self::Aac { .. } => "AAC frames (raw_data_block, ISO/IEC 14496-3)",
            Self::MpegAudio => "MPEG audio frames",
            Self::Dolby => "AC-3 or E-AC-3 frames",
            Self::Dts => "DTS frames",
            Self::Opus { .. } => "Opus packets",
            Self::Flac => "FLAC frames",
            Self::WebVtt => "WebVTT cues in boxes (ISO/IEC 14496-30)",
            Self::Ttml => "TTML documents (ISO/IEC 14496-30)",
            Self::Text => "3GPP timed text",
        }
    }
}

/// Finds a box behind the fields of a sample entry, of which there may be more or fewer.
fn inside<'a>(entry: &'a [u8], fields: &[usize], name: [u8; 4]) -> Option<&'a [u8]> {
    fields.iter().find_map(|fields| {
        let mut boxes = children(entry.get(*fields..)?).map_while(Result::ok);
        boxes.find(|(found, _)| *found == name).map(|(_, body)| body)
    })
}

/// Whether an `hvcC` box holds a sequence parameter set; one that can't be read may.
fn has_sequence(config: &[u8]) -> bool {
    let Some((&arrays, mut rest)) = config.get(22..).and_then(<[u8]>::split_first) else { return true };
    for _ in 0..arrays {
        let [kind, a, b, units @ ..] = rest else { return true };
        let count = u16::from_be_bytes([*a, *b]);
        if kind & 0x3f == HEVC_SEQUENCE && count > 0 {
            return true;
        }
        let Some(behind) = each_stored(units, count, |_| {}) else { return true };
        rest = behind;
    }
    false
}

/// Reads an AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1). `None`: its frames are no raw data blocks of elements.
fn aac(config: &[u8]) -> Option<Codec> {
    let mut bits = Bits::new(config);
    let mut object = bits.read(5)?;
    let rate = |bits: &mut Bits<'_>| if bits.read(4)? == 15 { bits.skip(24) } else { Some(()) };
    rate(&mut bits)?;
    let channels = bits.read(4)?;
    // Spectral band replication and parametric stereo: the codec under them follows.
    if matches!(object, 5 | 29) {
        rate(&mut bits)?;
        object = bits.read(5)?;
    }
    matches!(object, 1..=4).then_some(Codec::Aac { is_narrow: matches!(channels, 1 | 2) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
    }

    #[test]
    fn entries() {
        let check = |format: &[u8; 4], fields: usize, boxes: &[u8], expect: Option<Codec>| {
            let body = [&vec![0; fields], boxes].concat();
            assert_eq!(Codec::of(*format, &body), expect, "{}", format.escape_ascii());
        };
        let avc = |length, has_sets| Some(Codec::Nal { length, is_hevc: false, has_sets });
        check(b"avc1", 78, &boxed(b"avcC", &[1, 66, 0, 30, 0xff, 0xe1, 0, 0]), avc(4, true));
        check(b"avc3", 78, &boxed(b"avcC", &[1, 66, 0, 30, 0xfd, 0xe0, 0]), avc(2, false));
        check(b"avc1", 78, &boxed(b"avcC", &[1, 66]), None);
        check(b"avc1", 78, &[], None);
        check(b"encv", 78, &boxed(b"avcC", &[1, 66, 0, 30, 0xff, 0xe1, 0, 0]), None);
        let hvcc = |arrays: &[u8]| boxed(b"hvcC", &[&[0; 21][..], &[3], arrays].concat());
        let hevc = |has_sets| Some(Codec::Nal { length: 4, is_hevc: true, has_sets });
        check(b"hev1", 78, &hvcc(&[0]), hevc(false));
        check(b"hvc1", 78, &hvcc(&[2, 0x20, 0, 1, 0, 1, 7, 0x21, 0, 1, 0, 1, 7]), hevc(true));
        check(b"hvc1", 78, &hvcc(&[1, 0x20, 0, 1, 0, 1, 7]), hevc(false));
        check(b"hvc1", 78, &hvcc(&[1, 0x20, 0, 1, 0]), hevc(true));
        let esds = |object: u8, config: &[u8]| {
            let tagged = |tag: u8, body: &[u8]| [&[tag, body.len() as u8], body].concat();
            let specific = if config.is_empty() { Vec::new() } else { tagged(5, config) };
            let decoder = [&[object, 0x15][..], &[0; 11], &specific].concat();
            boxed(
                b"esds",
                &[&[0; 4][..], &tagged(3, &[&[0, 1, 0][..], &tagged(4, &decoder)].concat())].concat(),
            )
        };
        let aac = |is_narrow| Some(Codec::Aac { is_narrow });
        check(b"mp4a", 28, &esds(0x40, &[0x11, 0x90]), aac(true));
        check(b"mp4a", 28, &esds(0x40, &[0x11, 0xb0]), aac(false));
        check(b"mp4a", 28, &esds(0x40, &[0x2b, 0x11, 0x88, 0x00]), aac(true));
        // Low delay (23) and one whose configuration is not there.
        check(b"mp4a", 28, &esds(0x40, &[0xb9, 0x90]), None);
        check(b"mp4a", 28, &esds(0x40, &[]), None);
        check(b"mp4a", 28, &esds(0x6b, &[]), Some(Codec::MpegAudio));
        check(b"mp4a", 28, &esds(0xa9, &[]), Some(Codec::Dts));
        check(b"mp4a", 28, &[], None);
        let dops =
            |family: &[u8]| boxed(b"dOps", &[&[0, 6, 0, 0, 0, 0, 0xbb, 0x80, 0, 0][..], family].concat());
        check(b"Opus", 28, &dops(&[0]), Some(Codec::Opus { streams: 1 }));
        check(b"Opus", 28, &dops(&[1, 4, 2, 0, 4, 1, 2, 3, 5]), Some(Codec::Opus { streams: 4 }));
        check(b"Opus", 28, &dops(&[1]), None);
        check(b"sowt", 28, &[], None);
    }
}

//! Audio codecs: what a frame header says, and the sample entries made of it.

use super::{
    aac::{self, Layout},
    bits::BitWriter,
    boxes::boxed,
    dts,
    error::RemuxError,
    latm::Multiplex,
    opus,
};
use crate::Container;

/// What all frames of a configuration have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sound {
    /// Samples in a second, and in a frame.
    pub(crate) rate: u32,
    pub(crate) samples: u32,
    /// Bytes of the frame that stay out of the MP4.
    pub(crate) header: usize,
    /// What tells it from other configurations.
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Aac {
        object: u32,
        rate_code: u32,
        channels: u32,
        layout: Option<Layout>,
    },
    /// AAC with an AudioSpecificConfig of its own.
    Configured {
        config: Vec<u8>,
        channels: u16,
    },
    Opus {
        code: u8,
    },
    Dts {
        core: dts::Core,
        has_extension: bool,
    },
    Mpeg {
        is_first: bool,
        channels: u16,
    },
    Ac3 {
        bits: [u8; 3],
        channels: u16,
    },
    Eac3 {
        substreams: Vec<Substream>,
    },
}

/// An independent substream of E-AC-3 and how many others hang on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Substream {
    rate_code: u32,
    id: u32,
    mode: u32,
    low: u32,
    kilobits: u32,
    dependent: u32,
}

const DOLBY_RATES: [u32; 3] = [48_000, 44_100, 32_000];
const DOLBY_CHANNELS: [u16; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// Spectral band replication, which doubles the rate of HE-AAC and is not said in ADTS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Extension {
    #[default]
    Unknown,
    /// HE-AAC.
    Sbr,
    /// HE-AAC version 2: parametric stereo too.
    Ps,
}

impl Extension {
    /// Reads the `CODECS` of a playlist.
    pub(crate) fn of(codecs: &str) -> Self {
        let mut codecs = codecs.split(',').map(|codec| codec.trim().to_ascii_lowercase());
        codecs
            .find_map(|codec| match &codec[..] {
                "mp4a.40.5" | "mp4a.40.05" => Some(Self::Sbr),
                "mp4a.40.29" => Some(Self::Ps),
                _ => None,
            })
            .unwrap_or_default()
    }
}

impl Sound {
    /// Reads the header of a frame, which is whole.
    pub(crate) fn of(container: Container, frame: &[u8]) -> Result<Option<Self>, RemuxError> {
        match container {
            Container::Adts => aac(frame),
            Container::Mp3 => Ok(mpeg(frame)),
            Container::Ac3 => Ok(ac3(frame)),
            Container::Eac3 => Ok(eac3(frame)),
            _ => Ok(None),
        }
    }

    /// What an AAC frame is whose header leaves the channels to a program config element that maybe only earlier frames have.
    pub(crate) fn with_layout_of(self, known: Option<&Self>) -> Self {
        let Kind::Aac { channels: 0, layout: None, .. } = self.kind else { return self };
        let is_same =
            |known: &&Self| known.rate == self.rate && matches!(known.kind, Kind::Aac { channels: 0, .. });
        known.filter(is_same).cloned().unwrap_or(self)
    }

    pub(crate) fn of_multiplex(multiplex: &Multiplex) -> Self {
        let aac::Config { rate, samples, channels, .. } = multiplex.config;
        let kind = Kind::Configured { config: multiplex.bytes.clone(), channels };
        Self { rate, samples, header: 0, kind }
    }

    /// Reads a packet behind its control header.
    pub(crate) fn of_opus(packet: &[u8], header: usize, code: u8) -> Option<Self> {
        let samples = opus::samples(packet)?;
        Some(Self { rate: 48_000, samples, header, kind: Kind::Opus { code } })
    }

    /// Reads a core frame and what stands behind it.
    pub(crate) fn of_dts(unit: &[u8]) -> Option<Self> {
        let core = dts::Core::read(unit)?;
        let kind = Kind::Dts { core, has_extension: unit.len() > core.len };
        Some(Self { rate: core.rate, samples: core.samples, header: 0, kind })
    }

    /// Whether both can share a sample entry; the bit rate, which is only told for information, may differ, and so may how
    /// long a packet of Opus lasts.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Opus { code }, Kind::Opus { code: other }) => return code == other,
            (Kind::Dts { core, has_extension }, Kind::Dts { core: other, has_extension: has_other }) => {
                return has_extension == has_other && core.is_like(other);
            }
            _ => {}
        }
        let (Kind::Eac3 { substreams: ours }, Kind::Eac3 { substreams: theirs }) = (&self.kind, &other.kind)
        else {
            return self == other;
        };
        let mut pairs = ours.iter().zip(theirs);
        self.rate == other.rate
            && ours.len() == theirs.len()
            && pairs.all(|(a, b)| *a == Substream { kilobits: a.kilobits, ..*b })
    }

    /// Makes the sample entry.
    pub(crate) fn entry(&self, extension: Extension) -> Vec<u8> {
        match &self.kind {
            Kind::Aac { object, rate_code, channels, layout } => {
                let own = layout.as_ref().map_or_else(|| aac::channels(*channels), |layout| layout.channels);
                let shown = if extension == Extension::Ps { 2 } else { own };
                let config = aac_config((*object, *rate_code, *channels, layout.as_ref()), extension);
                self.audio_entry(*b"mp4a", shown, &descriptors(0x40, Some(&config)))
            }
            Kind::Configured { config, channels } => {
                self.audio_entry(*b"mp4a", *channels, &descriptors(0x40, Some(config)))
            }
            Kind::Opus { code } => {
                let channels = u16::from(opus::channels(*code).unwrap_or(2));
                self.audio_entry(*b"Opus", channels, &opus::specific(*code))
            }
            Kind::Dts { core, has_extension } => {
                let format = if *has_extension { *b"dtsh" } else { *b"dtsc" };
                self.audio_entry(format, core.channels, &core.specific(*has_extension))
            }
            Kind::Mpeg { is_first, channels } => {
                self.audio_entry(*b"mp4a", *channels, &descriptors(if *is_first { 0x6b } else { 0x69 }, None))
            }
            Kind::Ac3 { bits, channels } => self.audio_entry(*b"ac-3", *channels, &boxed(b"dac3", bits)),
            Kind::Eac3 { substreams } => {
                let channels = substreams.first().map_or(2, |first| dolby_channels(first.mode, first.low));
                self.audio_entry(*b"ec-3", channels, &boxed(b"dec3", &eac3_config(substreams)))
            }
        }
    }

    fn audio_entry(&self, format: [u8; 4], channels: u16, config: &[u8]) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        body.extend(channels.to_be_bytes());
        body.extend([0, 16, 0, 0, 0, 0]);
        // 16.16; what does not fit is said by the codec itself.
        body.extend(u16::try_from(self.rate).unwrap_or(0).to_be_bytes());
        body.extend([0, 0]);
        body.extend_from_slice(config);
        boxed(&format, &body)
    }
}

/// Whether a sample entry of AAC leaves the channels to a program config element that it does not have: those are said by another
/// frame of the track.
pub(crate) fn is_bare(entry: &[u8]) -> bool {
    // The AudioSpecificConfig has two bytes then, and the channel configuration is in the second one.
    let is_config = |some: &[u8]| matches!(some, [5, 2, _, channels, 6, 1, 2] if channels >> 3 & 0xf == 0);
    entry.get(4..8) == Some(b"mp4a") && entry.windows(7).any(is_config)
}

fn aac(frame: &[u8]) -> Result<Option<Sound>, RemuxError> {
    let &[_, b, c, d, _, _, g, ..] = frame else { return Ok(None) };
    let rate_code = u32::from(c >> 2 & 0xf);
    let Some(&rate) = aac::RATES.get(rate_code as usize) else { return Ok(None) };
    let channels = u32::from(c & 1) << 2 | u32::from(d >> 6);
    if g & 3 != 0 {
        return Err(RemuxError::unsupported("AAC with several blocks in a frame"));
    }
    let header = if b & 1 == 0 { 9 } else { 7 };
    let layout = frame.get(header..).filter(|_| channels == 0).and_then(Layout::in_block);
    let kind = Kind::Aac { object: u32::from(c >> 6) + 1, rate_code, channels, layout };
    Ok(Some(Sound { rate, samples: 1024, header, kind }))
}

/// Makes the AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1).
fn aac_config(
    (object, rate_code, channels, layout): (u32, u32, u32, Option<&Layout>),
    extension: Extension,
) -> Vec<u8> {
    let config = aac::config(object, rate_code, channels, layout);
    // Where the rate can be doubled. The extension stands behind, so that what does not know it plays the rest.
    let doubled =
        aac::RATES.iter().position(|rate| aac::RATES.get(rate_code as usize).map(|r| r * 2) == Some(*rate));
    match (extension, doubled) {
        (Extension::Unknown, _) | (_, None) => config,
        (Extension::Sbr, Some(doubled)) => config.put(0x2b7, 11).put(5, 5).put(1, 1).put(doubled as u32, 4),
        (Extension::Ps, Some(doubled)) => {
            config.put(0x2b7, 11).put(5, 5).put(1, 1).put(doubled as u32, 4).put(0x548, 11).put(1, 1)
        }
    }
    .bytes()
}

/// Makes the `esds` box (ISO/IEC 14496-1, section 7.2.6).
fn descriptors(object: u8, config: Option<&[u8]>) -> Vec<u8> {
    // A length has seven bits a byte.
    let tagged = |tag: u8, body: &[u8]| {
        let (high, low) = ((body.len() >> 7 & 0x7f) as u8, (body.len() & 0x7f) as u8);
        let len = if high > 0 { vec![0x80 | high, low] } else { vec![low] };
        [&[tag][..], &len, body].concat()
    };
    let config = config.map(|config| tagged(5, config)).unwrap_or_default();
    // Audio; sizes and rates are not known.
    let decoder = [&[object, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &config].concat();
    let stream = [&[0, 0, 0][..], &tagged(4, &decoder), &tagged(6, &[2])].concat();
    super::boxes::full(b"esds", 0, 0, &tagged(3, &stream))
}

fn mpeg(frame: &[u8]) -> Option<Sound> {
    let &[_, b, c, d, ..] = frame else { return None };
    let (version, layer) = (b >> 3 & 3, 4 - (b >> 1 & 3));
    let rates: [u32; 3] = match version {
        3 => [44_100, 48_000, 32_000],
        2 => [22_050, 24_000, 16_000],
        0 => [11_025, 12_000, 8000],
        _ => return None,
    };
    let samples = match layer {
        1 => 384,
        3 if version != 3 => 576,
        _ => 1152,
    };
    let kind = Kind::Mpeg { is_first: version == 3, channels: if d >> 6 == 3 { 1 } else { 2 } };
    Some(Sound { rate: *rates.get(usize::from(c >> 2 & 3))?, samples, header: 0, kind })
}

fn dolby_channels(mode: u32, low: u32) -> u16 {
    DOLBY_CHANNELS.get(mode as usize).map_or(2, |channels| channels + low as u16)
}

/// ETSI TS 102 366, sections 4.3 and F.4.
fn ac3(frame: &[u8]) -> Option<Sound> {
    let mut bits = super::bits::Bits::new(frame.get(4..)?);
    let (rate_code, size_code) = (bits.read(2)?, bits.read(6)?);
    let (id, stream_mode, mode) = (bits.read(5)?, bits.read(3)?, bits.read(3)?);
    if mode & 1 != 0 && mode != 1 {
        bits.skip(2)?;
    }
    if mode & 4 != 0 {
        bits.skip(2)?;
    }
    if mode == 2 {
        bits.skip(2)?;
    }
    let low = bits.read(1)?;
    let rate = *DOLBY_RATES.get(rate_code as usize)? >> id.saturating_sub(8).min(2);
    let config = BitWriter::default().put(rate_code, 2).put(id, 5).put(stream_mode, 3).put(mode, 3);
    let config = config.put(low, 1).put(size_code >> 1, 5).put(0, 5).bytes();
    let kind = Kind::Ac3 { bits: *config.first_chunk()?, channels: dolby_channels(mode, low) };
    Some(Sound { rate, samples: 1536, header: 0, kind })
}

/// What a syncframe of E-AC-3 is in its access unit (ETSI TS 102 366, section E.1.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syncframe {
    /// It sounds on its own, and is the first to sound at its time.
    pub(crate) leads: bool,
    /// It hangs on the one before.
    dependent: bool,
    /// Blocks of 256 samples.
    pub(crate) blocks: u32,
    substream: Substream,
    rate: u32,
    pub(crate) len: usize,
}

impl Syncframe {
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
        let mut bits = super::bits::Bits::new(frame.get(2..)?);
        let (kind, number, words) = (bits.read(2)?, bits.read(3)?, bits.read(11)?);
        let (rate_code, code) = (bits.read(2)?, bits.read(2)?);
        let (blocks, rate) = match DOLBY_RATES.get(rate_code as usize) {
            Some(rate) => (*[1, 2, 3, 6].get(code as usize)?, *rate),
            None => (6, DOLBY_RATES.get(code as usize)? / 2),
        };
        let (mode, low, id) = (bits.read(3)?, bits.read(1)?, bits.read(5)?);
        let len = (words as usize + 1) * 2;
        let kilobits = (len as u32 * 8).saturating_mul(rate) / (blocks * 256) / 1000;
        let substream = Substream { rate_code, id, mode, low, kilobits, dependent: 0 };
        let dependent = kind == 1;
        Some(Self { leads: !dependent && number == 0, dependent, blocks, substream, rate, len })
    }
}

/// Reads an access unit, all its substreams.
fn eac3(unit: &[u8]) -> Option<Sound> {
    let mut substreams: Vec<Substream> = Vec::new();
    let (mut rest, mut rate, mut blocks) = (unit, 0, 0);
    while let Some(frame) = Syncframe::of(rest) {
        if rate == 0 {
            (rate, blocks) = (frame.rate, frame.blocks);
        }
        if frame.dependent {
            substreams.last_mut()?.dependent += 1;
        } else if !frame.leads || substreams.is_empty() {
            substreams.push(frame.substream);
        } else {
            // The first substream again: more blocks of the same access unit.
            break;
        }
        rest = rest.get(frame.len..).unwrap_or(&[]);
    }
    (!substreams.is_empty() && rate > 0 && blocks > 0).then_some(Sound {
        rate,
        samples: 1536,
        header: 0,
        kind: Kind::Eac3 { substreams },
    })
}

/// Makes the body of `dec3` (ETSI TS 102 366, section F.6).
fn eac3_config(substreams: &[Substream]) -> Vec<u8> {
    let kilobits = substreams.iter().map(|substream| substream.kilobits).sum::<u32>().min(0x1fff);
    let count = (substreams.len() as u32).saturating_sub(1);
    let mut config = BitWriter::default().put(kilobits, 13).put(count, 3);
    for Substream { rate_code, id, mode, low, dependent, .. } in substreams.iter().take(8) {
        config =
            config.put(*rate_code, 2).put(*id, 5).put(0, 1).put(0, 1).put(0, 3).put(*mode, 3).put(*low, 1);
        config = config.put(0, 3).put((*dependent).min(15), 4).put(0, if *dependent > 0 { 9 } else { 1 });
    }
    config.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(container: Container, frame: &[u8], extension: Extension) -> Vec<u8> {
        Sound::of(container, frame).expect("supported").expect("a frame").entry(extension)
    }

    #[test]
    fn aac_and_its_extensions() {
        // AAC-LC, 24 kHz, stereo.
        let frame = [0xff, 0xf1, 0x58, 0x80, 0x02, 0x1f, 0xfc];
        let check = |codecs: &str, config: &[u8]| {
            let entry = entry(Container::Adts, &frame, Extension::of(codecs));
            let expect = [&[5, config.len() as u8][..], config, &[6, 1, 2]].concat();
            assert!(entry.ends_with(&expect), "{codecs}: {entry:x?}");
        };
        check("avc1.64001f,mp4a.40.2", &[0x13, 0x10]);
        check("avc1.64001f, mp4a.40.5", &[0x13, 0x10, 0x56, 0xe5, 0x98]);
        check("mp4a.40.29", &[0x13, 0x10, 0x56, 0xe5, 0x9d, 0x48, 0x80]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let check = |frame: &[u8]| Sound::of(Container::Adts, frame).expect_err("refused").code();
        assert_eq!(check(&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfd]), "remux.unsupported");
    }

    #[test]
    fn dolby() {
        // 48 kHz, 192 kbit/s, bsid 8, 2/0.
        let found = entry(Container::Ac3, &[0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40, 0, 0], Extension::Unknown);
        assert!(found.ends_with(&boxed(b"dac3", &[0x10, 0x11, 0x40])), "{found:x?}");
        // 48 kHz, six blocks, 1024 bytes, 3/2 with low frequencies, bsid 16.
        let unit = [&[0x0b, 0x77, 0x01, 0xff, 0x3f, 0x87][..], &[0; 1018]].concat();
        let found = entry(Container::Eac3, &unit, Extension::Unknown);
        assert!(found.ends_with(&boxed(b"dec3", &[0x08, 0x00, 0x20, 0x0f, 0x00])), "{found:x?}");
        assert_eq!(found[24..26], [0, 6]);
    }

    #[test]
    fn mpeg_audio() {
        let found = entry(Container::Mp3, &[0xff, 0xfb, 0x90, 0xc0], Extension::Unknown);
        assert_eq!(found[24..26], [0, 1]);
        assert_eq!(found[32..34], 44_100_u16.to_be_bytes());
        assert!(found.windows(2).any(|two| two == [0x6b, 0x15]));
    }
}

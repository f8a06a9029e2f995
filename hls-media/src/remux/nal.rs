//! NAL units: found in a byte stream, and what the two codecs that have them share.

use memchr::memmem::Finder;

use super::bits::Bits;

/// Finds NAL units between start codes (H.264 and H.265, annex B).
#[derive(Debug, Clone)]
pub(crate) struct StartCodes(Finder<'static>);

impl Default for StartCodes {
    fn default() -> Self {
        Self(Finder::new(&[0, 0, 1]))
    }
}

impl StartCodes {
    /// Returns where the next start code is, from a place on.
    pub(crate) fn next(&self, stream: &[u8], from: usize) -> Option<usize> {
        self.0.find(stream.get(from..)?).map(|at| from + at)
    }
}

/// Hands over so many NAL units, each behind its length in 16 bits, as sample entries store parameter sets (ISO/IEC 14496-15).
/// Returns the bytes behind them, or `None` where the data ends inside one.
pub(crate) fn each_stored(mut data: &[u8], count: u16, mut each: impl FnMut(&[u8])) -> Option<&[u8]> {
    for _ in 0..count {
        let [a, b, units @ ..] = data else { return None };
        let (nal, behind) = units.split_at_checked(usize::from(u16::from_be_bytes([*a, *b])))?;
        each(nal);
        data = behind;
    }
    Some(data)
}

/// Parameter sets of one kind by their number, as bytes of the stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sets(Vec<(u32, Vec<u8>)>);

impl Sets {
    /// Takes a set; `true`: it is new, or another one than before.
    pub(crate) fn put(&mut self, id: u32, set: &[u8]) -> bool {
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => {
                let Some((_, known)) = self.0.get_mut(at) else { return false };
                if known == set {
                    return false;
                }
                set.clone_into(known);
            }
            Err(at) => self.0.insert(at, (id, set.to_vec())),
        }
        true
    }

    /// Whether this very set is there, whatever its number.
    pub(crate) fn has(&self, set: &[u8]) -> bool {
        self.0.iter().any(|(_, known)| known == set)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.0.first().map(|(_, set)| &set[..])
    }

    /// Writes each set behind its length in two bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (_, set) in &self.0 {
            out.extend(u16::try_from(set.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(set);
        }
    }
}

/// What a sequence parameter set says of the pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Columns and rows that are shown.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The shape of a pixel, width to height; 0 to 0 where it is not said.
    pub(crate) pixel: (u32, u32),
    /// Chroma format, and bits of a sample of each kind.
    pub(crate) chroma: u32,
    pub(crate) depth_luma: u32,
    pub(crate) depth_chroma: u32,
    /// Colour primaries, transfer characteristics, matrix coefficients (ITU-T H.273), and whether samples use the full range;
    /// `None` where they are not said.
    pub(crate) colour: Option<(u8, u8, u8, bool)>,
    /// How long a picture lasts, in ticks of 90 kHz; 0 where it is not said.
    pub(crate) lasts: u32,
}

/// Reads what video usability information says of the signal (H.264, section E.1.1, and H.265, section E.2.1, which begin
/// alike): the shape of a pixel and the colours.
pub(crate) fn signal(bits: &mut Bits<'_>, geometry: &mut Geometry) -> Option<()> {
    if bits.bit()? {
        geometry.pixel = match bits.read(8)? {
            255 => (bits.read(16)?, bits.read(16)?),
            number => PIXELS.get(number as usize).copied().unwrap_or_default(),
        };
    }
    if bits.bit()? {
        bits.skip(1)?;
    }
    if bits.bit()? {
        bits.skip(3)?;
        let is_full = bits.bit()?;
        if bits.bit()? {
            let mut code = || bits.read(8).and_then(|code| u8::try_from(code).ok());
            geometry.colour = Some((code()?, code()?, code()?, is_full));
        }
    }
    if bits.bit()? {
        bits.ue()?;
        bits.ue()?;
    }
    Some(())
}

/// Returns how long `units` of the clock of a stream last in ticks of 90 kHz; 0 where no stream has such a rate.
pub(crate) fn lasting(units: u32, per_second: u32) -> u32 {
    let ticks = u64::from(units) * 90_000 / u64::from(per_second.max(1));
    // From 480 pictures in a second to one in a second.
    u32::try_from(ticks).ok().filter(|ticks| (180..=90_000).contains(ticks)).unwrap_or(0)
}

/// The part that a NAL unit has in the structure of a stream (H.264, section 7.4.1.2.3, and H.265, section 7.4.2.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// An access unit delimiter.
    Delimiter,
    /// A sequence parameter set or a video parameter set.
    Sequence,
    /// Something else that begins an access unit where it stands behind a picture.
    Prefix,
    /// A slice; `begins`: the first one of a picture.
    Slice { begins: bool },
    /// All that stands behind a picture, or says nothing of where access units begin.
    Other,
}

/// What the header of a slice says of its picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    /// `frame_num`, and whether it is the bottom field; for a field alone.
    pub(crate) field: Option<(u32, bool)>,
    /// The order of output counts anew from here.
    pub(crate) restarts: bool,
    /// Others are predicted from its place in the order of output.
    pub(crate) is_reference: bool,
    /// The lower bits of that place, and how many there are.
    pub(crate) order: Option<(u32, u32)>,
}

impl Geometry {
    /// Columns and rows of square pixels, for the track header.
    pub(crate) fn shown(&self) -> (u32, u32) {
        let (x, y) = self.pixel;
        let width = if x == 0 || y == 0 { self.width } else { (self.width * x).div_ceil(y) };
        (width.min(0xffff), self.height)
    }
}

/// The shapes of pixels that have a number (H.264, table E-1).
pub(crate) const PIXELS: [(u32, u32); 17] = [
    (0, 0),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// Makes the sample entry of a picture format (ISO/IEC 14496-12, section 12.1.3).
pub(crate) fn visual_entry(format: [u8; 4], geometry: &Geometry, config: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 6];
    body.extend([0, 1]);
    body.extend([0; 16]);
    for side in [geometry.width, geometry.height] {
        body.extend(u16::try_from(side).unwrap_or(u16::MAX).to_be_bytes());
    }
    // 72 dots to the inch, one picture in a sample.
    body.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend([0; 32]);
    body.extend([0, 0x18, 0xff, 0xff]);
    body.extend_from_slice(config);
    let (x, y) = geometry.pixel;
    if x != y {
        body.extend([0, 0, 0, 16]);
        body.extend(b"pasp");
        body.extend(x.to_be_bytes());
        body.extend(y.to_be_bytes());
    }
    // 2 is "unspecified" (ITU-T H.273).
    if let Some((primaries, transfer, matrix, is_full)) =
        geometry.colour.filter(|c| (c.0, c.1, c.2) != (2, 2, 2))
    {
        let codes = [primaries, transfer, matrix].map(u16::from).map(u16::to_be_bytes).concat();
        body.extend(super::boxes::boxed(b"colr", &[b"nclx", &codes[..], &[u8::from(is_full) << 7]].concat()));
    }
    super::boxes::boxed(&format, &body)
}

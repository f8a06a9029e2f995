//! H.264: parameter sets, and what a sample needs to be known of its NAL units (ISO/IEC 14496-10 and 14496-15).

use super::{
    bits::{Bits, unescaped},
    boxes::boxed,
    nal::{Geometry, Part, Sets, Slice, each_stored, lasting, signal, visual_entry},
};

/// The parameter sets that hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Avc {
    sequence: Sets,
    picture: Sets,
    pub(crate) geometry: Geometry,
    /// How slice headers are written, by the number of the sequence parameter set.
    headers: Vec<(u32, Header)>,
    /// The sequence parameter set of each picture parameter set.
    belongs: Vec<(u32, u32)>,
}

/// What of a sequence parameter set has to be known to read a slice header (section 7.3.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Header {
    has_planes: bool,
    frame_bits: u32,
    frames_only: bool,
    /// Bits of `pic_order_cnt_lsb`; 0: the order is told in another way.
    order_bits: u32,
}

/// What a NAL unit is to the sample that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing: it delimits or fills, which the container does in MP4.
    Dropped,
    /// A part of a picture.
    Picture {
        is_sync: bool,
    },
    /// Decoding can begin here, although the picture does not say so itself.
    EntryPoint,
    /// Parameter sets; `changes`: other ones than before.
    Parameters {
        changes: bool,
    },
    Other,
}

impl Avc {
    /// Returns the part of a NAL unit in the structure of the stream.
    pub(crate) fn part(nal: &[u8]) -> Part {
        match nal.first().map(|header| header & 0x1f) {
            // The first macroblock is number 0: a single bit.
            Some(1 | 2 | 5) => Part::Slice { begins: nal.get(1).is_some_and(|byte| byte & 0x80 != 0) },
            Some(7) => Part::Sequence,
            Some(6 | 8 | 14..=18) => Part::Prefix,
            Some(9) => Part::Delimiter,
            _ => Part::Other,
        }
    }

    /// Reads the header of a slice; `None`: its parameter sets are missing.
    pub(crate) fn slice(&self, nal: &[u8]) -> Option<Slice> {
        let first = *nal.first()?;
        // No header that matters is longer, escaped or not.
        let rbsp = unescaped(nal.get(1..nal.len().min(40))?);
        let mut bits = Bits::new(&rbsp);
        bits.ue()?;
        bits.ue()?;
        let id = bits.ue()?;
        let (_, sequence) = self.belongs.iter().find(|(picture, _)| *picture == id)?;
        let (_, header) = self.headers.iter().find(|(known, _)| known == sequence)?;
        if header.has_planes {
            bits.skip(2)?;
        }
        let frame = bits.read(header.frame_bits)?;
        let field = if !header.frames_only && bits.bit()? { Some((frame, bits.bit()?)) } else { None };
        let restarts = first & 0x1f == 5;
        if restarts {
            bits.ue()?;
        }
        let order = match header.order_bits {
            0 => None,
            count => Some((bits.read(count)?, count)),
        };
        Some(Slice { field, restarts, is_reference: first & 0x60 != 0, order })
    }

    /// Takes the parameter sets of a sample entry that was made by [`entry`](Self::entry).
    pub(crate) fn prime(&mut self, config: &[u8]) {
        let mut rest = config.get(5..).unwrap_or(&[]);
        for mask in [0x1f, 0xff] {
            let Some((count, sets)) = rest.split_first() else { return };
            let after = each_stored(sets, u16::from(count & mask), |nal| _ = self.role(nal));
            let Some(after) = after else { return };
            rest = after;
        }
    }

    pub(crate) fn role(&mut self, nal: &[u8]) -> Role {
        let Some(&header) = nal.first() else { return Role::Dropped };
        match header & 0x1f {
            kind @ (1 | 2 | 5) => Role::Picture { is_sync: kind == 5 },
            6 if recovers(nal) => Role::EntryPoint,
            7 => Role::Parameters { changes: self.sequence(nal) },
            8 => Role::Parameters { changes: self.picture(nal) },
            9 | 12 => Role::Dropped,
            _ => Role::Other,
        }
    }

    fn sequence(&mut self, nal: &[u8]) -> bool {
        if self.sequence.has(nal) && self.sequence.len() == 1 {
            return false;
        }
        let Some((id, geometry, header)) = sequence(&unescaped(nal)) else { return false };
        if !self.sequence.put(id, nal) {
            return false;
        }
        // The picture parameter sets of the one before mean nothing now; what is still of use comes again.
        self.picture.clear();
        self.belongs.clear();
        self.headers.retain(|(known, _)| *known != id);
        self.headers.push((id, header));
        self.geometry = geometry;
        true
    }

    fn picture(&mut self, nal: &[u8]) -> bool {
        if self.picture.has(nal) {
            return false;
        }
        let rbsp = unescaped(nal.get(1..).unwrap_or(&[]));
        let mut bits = Bits::new(&rbsp);
        let Some((id, sequence)) = bits.ue().zip(bits.ue()).filter(|(id, _)| *id < 256) else { return false };
        self.belongs.retain(|(known, _)| *known != id);
        self.belongs.push((id, sequence));
        self.picture.put(id, nal)
    }

    /// Makes the sample entry. `None`: parameter sets are missing.
    pub(crate) fn entry(&self) -> Option<Vec<u8>> {
        let sequence = self.sequence.first()?;
        let [_, profile, compatibility, level, ..] = *sequence else { return None };
        if self.picture.is_empty() {
            return None;
        }
        let mut config =
            vec![1, profile, compatibility, level, 0xff, 0xe0 | (self.sequence.len() & 0x1f) as u8];
        self.sequence.write(&mut config);
        config.push((self.picture.len() & 0xff) as u8);
        self.picture.write(&mut config);
        if !matches!(profile, 66 | 77 | 88) {
            let Geometry { chroma, depth_luma, depth_chroma, .. } = self.geometry;
            let depth = |bits: u32| 0xf8 | (bits.saturating_sub(8) & 7) as u8;
            config.extend([0xfc | (chroma & 3) as u8, depth(depth_luma), depth(depth_chroma), 0]);
        }
        Some(visual_entry(*b"avc1", &self.geometry, &boxed(b"avcC", &config)))
    }
}

/// Whether supplemental information says that decoding can begin with this very picture (section D.2.8).
fn recovers(nal: &[u8]) -> bool {
    let bytes = unescaped(nal.get(1..nal.len().min(400)).unwrap_or(&[]));
    let mut rest = &bytes[..];
    while rest.len() > 2 {
        let mut number = || {
            let mut sum = 0_usize;
            loop {
                let (&byte, after) = rest.split_first()?;
                rest = after;
                sum += usize::from(byte);
                if byte != 0xff {
                    return Some(sum);
                }
            }
        };
        let (Some(kind), Some(len)) = (number(), number()) else { return false };
        if kind == 6 {
            return Bits::new(rest).ue() == Some(0);
        }
        rest = rest.get(len..).unwrap_or(&[]);
    }
    false
}

/// Returns the columns and rows that are shown of pictures, by a sequence parameter set and whatever is behind it.
pub(crate) fn size(nal: &[u8]) -> Option<(u32, u32)> {
    sequence(&unescaped(nal)).map(|(_, geometry, _)| (geometry.width, geometry.height))
}

/// Reads a sequence parameter set: its number, the geometry, and how slice headers are written (section 7.3.2.1).
fn sequence(rbsp: &[u8]) -> Option<(u32, Geometry, Header)> {
    let mut bits = Bits::new(rbsp.get(1..)?);
    let profile = bits.read(8)?;
    bits.skip(16)?;
    let id = bits.ue().filter(|id| *id < 32)?;
    let mut geometry = Geometry { chroma: 1, depth_luma: 8, depth_chroma: 8, ..Geometry::default() };
    let mut header = Header::default();
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        geometry.chroma = bits.ue()?;
        if geometry.chroma == 3 {
            header.has_planes = bits.bit()?;
        }
        geometry.depth_luma = bits.ue()?.checked_add(8)?;
        geometry.depth_chroma = bits.ue()?.checked_add(8)?;
        bits.skip(1)?;
        if bits.bit()? {
            for list in 0..if geometry.chroma == 3 { 12 } else { 8 } {
                if bits.bit()? {
                    scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    header.frame_bits = bits.ue()?.checked_add(4).filter(|bits| *bits <= 16)?;
    match bits.ue()? {
        0 => header.order_bits = bits.ue()?.checked_add(4).filter(|bits| *bits <= 16)?,
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue().filter(|count| *count < 256)? {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    bits.skip(1)?;
    let (columns, rows) = (bits.ue()?.checked_add(1)?, bits.ue()?.checked_add(1)?);
    if columns > 4096 || rows > 4096 {
        return None;
    }
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.skip(1)?;
    }
    header.frames_only = frames_only;
    bits.skip(1)?;
    let field = if frames_only { 1 } else { 2 };
    let (mut width, mut height) = (columns * 16, rows * 16 * field);
    if bits.bit()? {
        let (x, y) = match geometry.chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let mut cut = |unit: u32| bits.ue()?.checked_add(bits.ue()?)?.checked_mul(unit);
        width = width.checked_sub(cut(x)?)?;
        height = height.checked_sub(cut(y * field)?)?;
    }
    (geometry.width, geometry.height) = (width, height);
    if bits.bit()? {
        // What can't be read of it is not said.
        usability(&mut bits, &mut geometry);
    }
    Some((id, geometry, header))
}

/// Reads video usability information (section E.1.1).
fn usability(bits: &mut Bits<'_>, geometry: &mut Geometry) -> Option<()> {
    signal(bits, geometry)?;
    if bits.bit()? {
        // A unit is a field: two of them are a picture.
        let (units, per_second) = (bits.read(32)?, bits.read(32)?);
        geometry.lasts = lasting(units.saturating_mul(2), per_second);
    }
    Some(())
}

fn scaling_list(bits: &mut Bits<'_>, len: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8);
    for _ in 0..len {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// High profile, 160x90 (96 rows, 6 cut off), as x264 writes it.
    const SPS: [u8; 26] = [
        0x67, 0x64, 0x00, 0x0c, 0xac, 0x4c, 0x22, 0x14, 0x6f, 0xc9, 0x80, 0x88, 0x00, 0x00, 0x03, 0x00, 0x08,
        0x00, 0x00, 0x03, 0x01, 0x90, 0x78, 0xa1, 0x50, 0x8c,
    ];
    const PPS: [u8; 7] = [0x68, 0xe8, 0x43, 0x02, 0x12, 0xc8, 0xb0];

    #[test]
    fn an_entry_needs_both_sets() {
        let mut avc = Avc::default();
        assert_eq!(avc.role(&PPS), Role::Parameters { changes: true });
        assert_eq!(avc.entry(), None);
        assert_eq!(avc.role(&SPS), Role::Parameters { changes: true });
        assert_eq!(avc.entry(), None, "the picture parameter set was one of something else");
        assert_eq!(avc.role(&PPS), Role::Parameters { changes: true });
        let (sps, pps) = (avc.role(&SPS), avc.role(&PPS));
        assert_eq!((sps, pps), (Role::Parameters { changes: false }, Role::Parameters { changes: false }));
        let geometry = avc.geometry;
        assert_eq!((geometry.width, geometry.height, geometry.chroma), (160, 90, 1));
        let entry = avc.entry().expect("an entry");
        let config =
            [&[1, 0x64, 0, 0x0c, 0xff, 0xe1, 0, 26][..], &SPS, &[1, 0, 7], &PPS, &[0xfd, 0xf8, 0xf8, 0]];
        assert!(entry.ends_with(&boxed(b"avcC", &config.concat())), "{entry:x?}");
    }

    #[test]
    fn roles() {
        let mut avc = Avc::default();
        let mut check = |nal: &[u8], expect| assert_eq!(avc.role(nal), expect, "{nal:x?}");
        check(&[0x65, 0x88], Role::Picture { is_sync: true });
        check(&[0x41, 0x9a], Role::Picture { is_sync: false });
        check(&[0x41, 0x40], Role::Picture { is_sync: false });
        check(&[0x06, 5, 2, 1, 1, 6, 1, 0xc4, 0x80], Role::EntryPoint);
        check(&[0x06, 6, 1, 0x44, 0x80], Role::Other);
        check(&[0x06, 0xff], Role::Other);
        check(&[0x09, 0xf0], Role::Dropped);
        check(&[0x0c, 0xff, 0x80], Role::Dropped);
        check(&[0x0a], Role::Other);
        check(&[0x67, 1, 2], Role::Parameters { changes: false });
    }
}

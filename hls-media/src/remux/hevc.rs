//! H.265: parameter sets, and what a sample needs to be known of its NAL units (ISO/IEC 23008-2 and 14496-15).

use super::{
    avc::Role,
    bits::{Bits, unescaped},
    boxes::boxed,
    nal::{Geometry, Part, Sets, Slice, each_stored, lasting, signal, visual_entry},
};

/// The parameter sets that hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hevc {
    video: Sets,
    sequence: Sets,
    picture: Sets,
    parameters: Parameters,
    /// How slice headers are written, by the number of the picture parameter set.
    headers: Vec<(u32, Header)>,
}

/// What has to be known of parameter sets to read a slice header (section 7.3.6.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Header {
    extra_bits: u32,
    has_output_flag: bool,
}

/// What `hvcC` says of a sequence parameter set.
#[derive(Debug, Clone, Default)]
struct Parameters {
    geometry: Geometry,
    /// Profile, tier and level as they stand in the set.
    profile: Vec<u8>,
    layers: u32,
    nested: bool,
    has_planes: bool,
    /// Bits of `slice_pic_order_cnt_lsb`.
    order_bits: u32,
}

impl Hevc {
    pub(crate) fn geometry(&self) -> Geometry {
        self.parameters.geometry
    }

    /// Returns the part of a NAL unit in the structure of the stream.
    pub(crate) fn part(nal: &[u8]) -> Part {
        let &[first, second, ..] = nal else { return Part::Other };
        if (first & 1) != 0 || second >> 3 != 0 {
            return Part::Other;
        }
        match first >> 1 & 0x3f {
            0..=31 => Part::Slice { begins: nal.get(2).is_some_and(|byte| byte & 0x80 != 0) },
            32 | 33 => Part::Sequence,
            35 => Part::Delimiter,
            34 | 39 | 41..=44 | 48..=55 => Part::Prefix,
            _ => Part::Other,
        }
    }

    /// Reads the header of the first slice segment of a picture; `None`: its parameter sets are missing.
    pub(crate) fn slice(&self, nal: &[u8]) -> Option<Slice> {
        let &[first, second, ..] = nal else { return None };
        let kind = first >> 1 & 0x3f;
        let rbsp = unescaped(nal.get(2..nal.len().min(40))?);
        let mut bits = Bits::new(&rbsp);
        if !bits.bit()? {
            return None;
        }
        if (16..=23).contains(&kind) {
            bits.skip(1)?;
        }
        let id = bits.ue()?;
        let (_, header) = self.headers.iter().find(|(known, _)| *known == id)?;
        bits.skip(header.extra_bits as usize)?;
        bits.ue()?;
        if header.has_output_flag {
            bits.skip(1)?;
        }
        if self.parameters.has_planes {
            bits.skip(2)?;
        }
        let restarts = matches!(kind, 19 | 20);
        let count = self.parameters.order_bits;
        let order = match (restarts, count) {
            (_, 0) => None,
            (true, _) => Some((0, count)),
            (false, _) => Some((bits.read(count)?, count)),
        };
        // Leading pictures and those that no other one needs have no say (section 8.3.1).
        let is_reference = second & 7 == 1 && !(6..=9).contains(&kind) && (kind > 15 || kind % 2 == 1);
        // A picture of a broken link has no lower bits of anything before it either.
        Some(Slice { field: None, restarts: restarts || (16..=18).contains(&kind), is_reference, order })
    }

    /// Takes the parameter sets of a sample entry that was made by [`entry`](Self::entry).
    pub(crate) fn prime(&mut self, config: &[u8]) {
        let Some((arrays, mut rest)) = config.get(22..).and_then(<[u8]>::split_first) else { return };
        for _ in 0..*arrays {
            let [_, a, b, sets @ ..] = rest else { return };
            let after = each_stored(sets, u16::from_be_bytes([*a, *b]), |nal| _ = self.role(nal));
            let Some(after) = after else { return };
            rest = after;
        }
    }

    pub(crate) fn role(&mut self, nal: &[u8]) -> Role {
        let &[first, second, ..] = nal else { return Role::Dropped };
        let kind = first >> 1 & 0x3f;
        // Other layers (3D, scalable) are carried, and have no say.
        if (first & 1) != 0 || second >> 3 != 0 {
            return Role::Other;
        }
        match kind {
            0..=31 => Role::Picture { is_sync: (16..=23).contains(&kind) },
            32 => Role::Parameters { changes: !self.video.has(nal) && self.put_video(nal) },
            33 => Role::Parameters { changes: !self.sequence.has(nal) && self.put_sequence(nal) },
            34 => Role::Parameters { changes: !self.picture.has(nal) && self.put_picture(nal) },
            35 | 38 => Role::Dropped,
            _ => Role::Other,
        }
    }

    fn put_video(&mut self, nal: &[u8]) -> bool {
        nal.get(2).is_some_and(|byte| self.video.put(u32::from(byte >> 4), nal))
    }

    fn put_sequence(&mut self, nal: &[u8]) -> bool {
        let Some((id, parameters)) = sequence(&unescaped(nal)) else { return false };
        if !self.sequence.put(id, nal) {
            return false;
        }
        self.picture.clear();
        self.headers.clear();
        self.parameters = parameters;
        true
    }

    fn put_picture(&mut self, nal: &[u8]) -> bool {
        let rbsp = unescaped(nal.get(2..).unwrap_or(&[]));
        let mut bits = Bits::new(&rbsp);
        let mut read = || {
            let id = bits.ue().filter(|id| *id < 64)?;
            bits.ue()?;
            bits.skip(1)?;
            Some((id, Header { has_output_flag: bits.bit()?, extra_bits: bits.read(3)? }))
        };
        let Some((id, header)) = read() else { return false };
        self.headers.retain(|(known, _)| *known != id);
        self.headers.push((id, header));
        self.picture.put(id, nal)
    }

    /// Makes the sample entry. `None`: parameter sets are missing.
    pub(crate) fn entry(&self) -> Option<Vec<u8>> {
        if self.video.is_empty() || self.sequence.is_empty() || self.picture.is_empty() {
            return None;
        }
        let Parameters { geometry, profile, layers, nested, .. } = &self.parameters;
        let depth = |bits: u32| 0xf8 | (bits.saturating_sub(8) & 7) as u8;
        let mut config = vec![1];
        config.extend_from_slice(profile);
        // Nothing is known of spatial segments and parallel decoding.
        config.extend([0xf0, 0, 0xfc, 0xfc | (geometry.chroma & 3) as u8]);
        config.extend([depth(geometry.depth_luma), depth(geometry.depth_chroma), 0, 0]);
        // Lengths have four bytes.
        config.push(((layers & 7) << 3) as u8 | u8::from(*nested) << 2 | 3);
        config.push(3);
        for (kind, sets) in [(32, &self.video), (33, &self.sequence), (34, &self.picture)] {
            // All sets of this kind are here: the highest bit.
            config.push(0x80 | kind);
            config.extend(u16::try_from(sets.len()).unwrap_or(u16::MAX).to_be_bytes());
            sets.write(&mut config);
        }
        Some(visual_entry(*b"hvc1", geometry, &boxed(b"hvcC", &config)))
    }
}

/// Returns the columns and rows that are shown of pictures, by a sequence parameter set and whatever is behind it.
pub(crate) fn size(nal: &[u8]) -> Option<(u32, u32)> {
    sequence(&unescaped(nal)).map(|(_, found)| (found.geometry.width, found.geometry.height))
}

/// Reads a sequence parameter set (section 7.3.2.2).
fn sequence(rbsp: &[u8]) -> Option<(u32, Parameters)> {
    let head = rbsp.get(2..)?;
    let profile = head.get(1..13)?.to_vec();
    let mut bits = Bits::new(head);
    bits.skip(4)?;
    let sub_layers = bits.read(3)?;
    let nested = bits.bit()?;
    bits.skip(96)?;
    sub_layer_profiles(&mut bits, sub_layers)?;
    let id = bits.ue().filter(|id| *id < 16)?;
    let mut geometry = Geometry { chroma: bits.ue()?, ..Geometry::default() };
    let has_planes = geometry.chroma == 3 && bits.bit()?;
    let (mut width, mut height) = (bits.ue()?, bits.ue()?);
    if width > 0xffff || height > 0xffff {
        return None;
    }
    if bits.bit()? {
        let (x, y) = match geometry.chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let mut cut = |unit: u32| bits.ue()?.checked_add(bits.ue()?)?.checked_mul(unit);
        width = width.checked_sub(cut(x)?)?;
        height = height.checked_sub(cut(y)?)?;
    }
    (geometry.width, geometry.height) = (width, height);
    geometry.depth_luma = bits.ue()?.checked_add(8)?;
    geometry.depth_chroma = bits.ue()?.checked_add(8)?;
    let order_bits = bits.ue()?.checked_add(4).filter(|bits| *bits <= 16)?;
    // The shape of a pixel stands behind much that is of no use here; where it can't be reached, it is not said.
    usability(&mut bits, sub_layers, order_bits, &mut geometry);
    Some((id, Parameters { geometry, profile, layers: sub_layers + 1, nested, has_planes, order_bits }))
}

fn sub_layer_profiles(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.bit()?, bits.bit()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// Goes on to the usability information (section E.2.1) and reads it.
fn usability(bits: &mut Bits<'_>, sub_layers: u32, order_bits: u32, geometry: &mut Geometry) -> Option<()> {
    for _ in if bits.bit()? { 0..=sub_layers } else { 0..=0 } {
        for _ in 0..3 {
            bits.ue()?;
        }
    }
    for _ in 0..6 {
        bits.ue()?;
    }
    if bits.bit()? && bits.bit()? {
        scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.bit()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    reference_sets(bits)?;
    if bits.bit()? {
        for _ in 0..bits.ue().filter(|count| *count <= 32)? {
            bits.skip(order_bits as usize + 1)?;
        }
    }
    bits.skip(2)?;
    if !bits.bit()? {
        return Some(());
    }
    signal(bits, geometry)?;
    bits.skip(3)?;
    if bits.bit()? {
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    if bits.bit()? {
        geometry.lasts = lasting(bits.read(32)?, bits.read(32)?);
    }
    Some(())
}

fn scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.bit()? {
                bits.ue()?;
                continue;
            }
            if size > 1 {
                bits.se()?;
            }
            for _ in 0..(1 << (4 + (size << 1))).min(64) {
                bits.se()?;
            }
        }
    }
    Some(())
}

fn reference_sets(bits: &mut Bits<'_>) -> Option<()> {
    let mut deltas = 0_u32;
    for set in 0..bits.ue().filter(|count| *count <= 64)? {
        if set > 0 && bits.bit()? {
            bits.skip(1)?;
            bits.ue()?;
            let mut kept = 0;
            for _ in 0..=deltas {
                // Used by the current picture, or else at least of use to a later one.
                if bits.bit()? || bits.bit()? {
                    kept += 1;
                }
            }
            deltas = kept;
        } else {
            deltas = bits.ue()?.checked_add(bits.ue()?).filter(|count| *count <= 32)?;
            for _ in 0..deltas {
                bits.ue()?;
                bits.skip(1)?;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles() {
        let mut hevc = Hevc::default();
        let mut check = |nal: &[u8], expect| assert_eq!(hevc.role(nal), expect, "{nal:x?}");
        check(&[0x28, 1, 0xaf], Role::Picture { is_sync: true });
        check(&[0x2a, 1, 0xaf], Role::Picture { is_sync: true });
        check(&[0x02, 1, 0xd0], Role::Picture { is_sync: false });
        check(&[0x02, 1, 0x50], Role::Picture { is_sync: false });
        check(&[0x46, 1, 0x50], Role::Dropped);
        check(&[0x4c, 1, 0xff], Role::Dropped);
        check(&[0x4e, 1, 5, 0], Role::Other);
        check(&[0x42, 9, 1], Role::Other);
        check(&[0x42, 1, 1], Role::Parameters { changes: false });
        check(&[0x46], Role::Dropped);
    }
}

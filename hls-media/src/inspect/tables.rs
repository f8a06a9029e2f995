//! The tables of an MP4 that say where samples are (ISO/IEC 14496-12, sections 8.6 and 8.7).

use crate::fmp4::children;

/// How large samples are.
#[derive(Debug, Default)]
pub(super) struct Sizes<'a> {
    pub(super) count: u64,
    each: u32,
    table: &'a [u8],
}

impl<'a> Sizes<'a> {
    pub(super) fn of(stsz: &'a [u8]) -> Self {
        let count = word(stsz, 8).map_or(0, u64::from);
        Self { count, each: word(stsz, 4).unwrap_or(0), table: stsz.get(12..).unwrap_or(&[]) }
    }

    /// The size of each sample; 0: they differ.
    pub(super) fn each(&self) -> u32 {
        self.each
    }

    /// The sizes of those that differ.
    pub(super) fn each_listed(&self) -> impl Iterator<Item = u32> + '_ {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let listed = if self.each == 0 { self.table } else { &[] };
        listed.chunks_exact(4).filter_map(|four| word(four, 0)).take(count)
    }

    /// How many bytes so many samples have from one on.
    fn sum(&self, first: u64, samples: u64) -> Option<u64> {
        if self.each > 0 {
            return samples.checked_mul(u64::from(self.each));
        }
        let from = usize::try_from(first.checked_mul(4)?).ok()?;
        let len = usize::try_from(samples.checked_mul(4)?).ok()?;
        let table = self.table.get(from..from.checked_add(len)?)?;
        Some(table.chunks_exact(4).filter_map(|four| word(four, 0)).map(u64::from).sum())
    }
}

/// Samples one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// From where to where.
    pub(super) begin: u64,
    pub(super) end: u64,
    /// How many.
    pub(super) count: u32,
    /// The number of their sample entry.
    pub(super) entry: u32,
}

/// Reads where chunks are. `None`: the tables do not go together.
pub(super) fn chunks(stbl: &[u8], sizes: &Sizes<'_>) -> Option<Vec<Chunk>> {
    let one = |name: &[u8; 4]| all(stbl, *name).next();
    let offsets: Vec<u64> = match (one(b"stco"), one(b"co64")) {
        (Some(stco), _) => {
            stco.get(8..)?.chunks_exact(4).filter_map(|four| word(four, 0)).map(u64::from).collect()
        }
        (_, Some(co64)) => co64.get(8..)?.chunks_exact(8).filter_map(|eight| long(eight, 0)).collect(),
        _ => return None,
    };
    let stsc = one(b"stsc")?.get(8..)?;
    let row = |row| Some((word(row, 0)?, word(row, 4)?, word(row, 8)?));
    let rows = stsc.chunks_exact(12).map(row).collect::<Option<Vec<_>>>()?;
    let (mut chunks, mut sample) = (Vec::with_capacity(offsets.len()), 0_u64);
    let mut rows = rows.into_iter().peekable();
    let (mut count, mut entry) = (0, 0);
    for (number, begin) in (1_u32..).zip(offsets) {
        while let Some((_, samples, described)) = rows.next_if(|(first, ..)| *first <= number) {
            (count, entry) = (samples, described);
        }
        let end = begin.checked_add(sizes.sum(sample, u64::from(count))?)?;
        chunks.push(Chunk { begin, end, count, entry });
        sample += u64::from(count);
    }
    (sample == sizes.count).then_some(chunks)
}

/// Pairs of a count and a value.
pub(super) fn runs(table: &[u8]) -> Vec<(u32, u32)> {
    let rows = table.get(8..).unwrap_or(&[]).chunks_exact(8);
    rows.filter_map(|row| word(row, 0).zip(word(row, 4))).collect()
}

pub(super) fn all(body: &[u8], name: [u8; 4]) -> impl Iterator<Item = &[u8]> {
    children(body).filter_map(Result::ok).filter(move |(found, _)| *found == name).map(|(_, body)| body)
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|four| u32::from_be_bytes(*four))
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|eight| u64::from_be_bytes(*eight))
}

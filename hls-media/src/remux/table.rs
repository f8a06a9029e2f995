//! The table of samples: some bytes each, whatever their number.

use super::sample::Sample;

/// Blocks instead of one vector, so that growing never holds two copies.
const BLOCK: usize = 64 << 10;
/// The longest record.
const RECORD: usize = 32;

/// What is kept of a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// From the sample before to this one; from 0 to the first one. In ticks.
    pub(crate) step: i64,
    /// From decoding to presentation, in ticks.
    pub(crate) offset: i64,
    pub(crate) size: u32,
    pub(crate) is_sync: bool,
    pub(crate) entry: u8,
}

/// The samples of one track, in order.
///
/// A record is a number with the size, three flags and, where they differ from the sample before, the step, the offset
/// and the sample entry. Audio takes about three bytes for a sample, video with B-frames about eight.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    blocks: Vec<Vec<u8>>,
    len: u64,
    last: Row,
    last_dts: i64,
}

impl Table {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn push(&mut self, sample: &Sample) {
        let row = Row {
            step: sample.dts.saturating_sub(self.last_dts),
            offset: sample.pts.saturating_sub(sample.dts),
            size: sample.size,
            is_sync: sample.is_sync,
            entry: sample.entry,
        };
        self.last_dts = sample.dts;
        if self.blocks.last().is_none_or(|block| block.len() + RECORD > BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let is_step = row.step != self.last.step;
        let is_offset = row.offset != self.last.offset;
        let is_entry = row.entry != self.last.entry;
        let flags = [row.is_sync, is_step, is_offset, is_entry];
        let flags = flags.into_iter().fold(0, |all, flag| all << 1 | u64::from(flag));
        put(block, u64::from(row.size) << 4 | flags);
        if is_step {
            put(block, zigzag(row.step));
        }
        if is_offset {
            put(block, zigzag(row.offset));
        }
        if is_entry {
            block.push(row.entry);
        }
        self.last = row;
        self.len += 1;
    }

    #[cfg(test)]
    pub(crate) fn rows(&self) -> Rows<'_> {
        self.rows_from(Cursor::default())
    }

    /// Goes on where another pass has stopped.
    pub(crate) fn rows_from(&self, cursor: Cursor) -> Rows<'_> {
        Rows { table: self, cursor }
    }

    /// Returns how many bytes it takes.
    pub(crate) fn footprint(&self) -> usize {
        self.blocks.len() * BLOCK
    }
}

/// A place in a table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    block: usize,
    at: usize,
    last: Row,
}

/// The rows of a table, in order.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a> {
    table: &'a Table,
    cursor: Cursor,
}

impl Rows<'_> {
    pub(crate) fn cursor(&self) -> Cursor {
        self.cursor
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let Cursor { block, at, last } = &mut self.cursor;
        let mut bytes = self.table.blocks.get(*block)?;
        if *at >= bytes.len() {
            (*block, *at) = (*block + 1, 0);
            bytes = self.table.blocks.get(*block)?;
        }
        let head = take(bytes, at)?;
        let mut row = Row { size: u32::try_from(head >> 4).ok()?, is_sync: head & 8 != 0, ..*last };
        if head & 4 != 0 {
            row.step = unzigzag(take(bytes, at)?);
        }
        if head & 2 != 0 {
            row.offset = unzigzag(take(bytes, at)?);
        }
        if head & 1 != 0 {
            row.entry = *bytes.get(*at)?;
            *at += 1;
        }
        *last = row;
        Some(row)
    }
}

pub(crate) fn put(block: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        block.push(value as u8 | 0x80);
        value >>= 7;
    }
    block.push(value as u8);
}

pub(crate) fn take(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> impl Strategy<Value = Sample> {
        let time = prop_oneof![-9000_i64..9000, any::<i64>().prop_map(|time| time / 8)];
        (time.clone(), time, any::<u32>(), any::<bool>(), any::<u8>()).prop_map(
            |(dts, pts, size, is_sync, entry)| Sample {
                offset: 0,
                unit: 0,
                dts,
                pts,
                duration: 0,
                size,
                is_sync,
                entry,
            },
        )
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(samples in proptest::collection::vec(sample(), 0..6000)) {
            let mut table = Table::default();
            samples.iter().for_each(|sample| table.push(sample));
            let mut dts = 0;
            let rows = table.rows().map(|row| {
                dts += row.step;
                (dts, dts + row.offset, row.size, row.is_sync, row.entry)
            });
            prop_assert!(rows.eq(samples.iter().map(|s| (s.dts, s.pts, s.size, s.is_sync, s.entry))));
            prop_assert_eq!(table.len(), samples.len() as u64);
        }
    }

    #[test]
    fn three_million_samples_take_24_mib_at_most() {
        let mut table = Table::default();
        for number in 0..3_000_000_i64 {
            let size = 3000 + (number % 977) as u32 * 40;
            let pts = number * 1501 + [3003, 6006, 1501, 0][(number % 4) as usize];
            let dts = number * 1501;
            table.push(&Sample { offset: 0, unit: 0, dts, pts, duration: 0, size, is_sync: false, entry: 0 });
        }
        assert!(table.footprint() < 24 << 20, "{}", table.footprint());
    }
}

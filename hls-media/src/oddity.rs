//! What is odd about a unit that may be all that its server has all the same.

/// A way for media to be odd. Encoders, multiplexers and recorders make all of these, and so does damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Odd {
    /// MPEG-TS: packets are missing by their continuity counters, or say themselves that they are damaged.
    Continuity,
    /// MPEG-TS: bytes that are no packet, such as one that has lost its sync byte.
    Sync,
    /// MPEG-TS: it begins inside a packet.
    CutHead,
    /// MPEG-TS: a packet ends too early.
    CutTail,
    /// MPEG-TS: zeros behind the last packet, or a few of them between two.
    Zeros,
    /// MPEG-TS: the checksum of a table is wrong.
    Table,
    /// MPEG-TS: a packet of an elementary stream does not begin as one does.
    Start,
    /// MPEG-TS: a packet of an elementary stream has fewer or more bytes than it says.
    Length,
    /// MPEG-TS: packets of a stream that the tables announce say that they are scrambled.
    Scrambled,
    /// An ID3 tag in front of a container that has none.
    Tag,
    /// A picture in front.
    Picture,
    /// Packed audio: it begins or ends inside a frame.
    Frame,
    /// Packed audio: frames say that they are of another kind than those before them.
    Header,
    /// Packed audio: the ID3 tag in front does not hold together.
    Id3,
    /// Fragmented MP4: a fragment brings bytes that belong to none of its samples.
    Unused,
    /// Fragmented MP4: samples are outside of the `mdat` box of their fragment, or where others are.
    Outside,
    /// Fragmented MP4: its last box goes on to the end of the file, whatever comes behind the unit.
    Open,
    /// Many zeros in a row where media should be.
    Blank,
    /// WebVTT: it ends inside the times of a cue.
    Cue,
    /// It holds no media.
    Empty,
}

impl Odd {
    /// It is about how the unit begins.
    pub(crate) fn is_in_front(self) -> bool {
        matches!(self, Self::Tag | Self::Picture | Self::CutHead | Self::Empty)
    }
}

/// Something odd about a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oddity {
    /// What.
    pub odd: Odd,
    /// Where it is seen first, in bytes from the first one of the unit.
    pub at: u64,
    /// How often.
    pub count: u64,
}

impl Oddity {
    pub(crate) fn new(odd: Odd, at: u64) -> Self {
        Self { odd, at, count: 1 }
    }
}

/// What has been found odd so far: each kind once, with how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found(Vec<Oddity>);

impl Found {
    #[cold]
    pub(crate) fn add(&mut self, odd: Odd, at: u64) {
        match self.0.iter_mut().find(|known| known.odd == odd) {
            Some(known) => known.count = known.count.saturating_add(1),
            None => self.0.push(Oddity::new(odd, at)),
        }
    }

    pub(crate) fn list(&self) -> &[Oddity] {
        &self.0
    }
}

/// Media has no more zeros in a row than this: what is coded looks like noise, and what is lost is often filled with zeros.
const MOST_ZEROS: usize = 1024;
/// They are looked for in pieces of this size.
const PIECE: usize = 64;

/// Finds zeros in a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blank {
    run: usize,
}

impl Blank {
    /// Whether what is too long a row of zeros goes on into `bytes`, and was not before.
    pub(crate) fn begins_in(&mut self, bytes: &[u8]) -> bool {
        let mut begins = false;
        for piece in bytes.chunks(PIECE) {
            let before = self.run;
            self.run = if is_blank(piece) { before.saturating_add(piece.len()) } else { 0 };
            begins |= before < MOST_ZEROS && self.run >= MOST_ZEROS;
        }
        begins
    }
}

/// Whether there is nothing but zeros.
#[inline]
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_zeros() {
        let count = |bytes: &[u8], step: usize| {
            let mut blank = Blank::default();
            bytes.chunks(step).filter(|bytes| blank.begins_in(bytes)).count()
        };
        let noise = [7_u8; 500];
        let check = |zeros: usize, expect| {
            let bytes = [&noise[..], &vec![0; zeros], &noise, &vec![0; zeros], &noise].concat();
            for step in [bytes.len(), 700, 100] {
                assert_eq!(count(&bytes, step).min(1), expect, "{zeros} in pieces of {step}");
            }
        };
        check(MOST_ZEROS / 2, 0);
        check(MOST_ZEROS + 2 * PIECE, 1);
        check(MOST_ZEROS * 10, 1);
    }
}

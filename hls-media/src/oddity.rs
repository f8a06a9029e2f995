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
    /// An ID3 tag in front of a container that has none.
    Tag,
    /// A picture in front.
    Picture,
    /// Packed audio: it begins or ends inside a frame.
    Frame,
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

//! What the caller knows of an input.

use std::time::Duration;

use super::program::Kind;

/// One input: the finished bytes of one track, all its units one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// The units in order, by their offset. May be empty: then all of it is one unit of unknown length.
    pub units: Vec<Unit>,
    /// The language of its audio (BCP 47: `en`, `pt-BR`); `None`: what the media says itself.
    pub language: Option<String>,
    /// A name to show for its audio, as `NAME` in the playlist.
    pub name: Option<String>,
    /// Whether its audio is the one to play unless another is asked for.
    pub is_default: bool,
    /// The `CODECS` of the playlist. Transport streams do not say whether AAC is HE-AAC; this does.
    pub codecs: Option<String>,
    /// Which of its tracks are wanted.
    pub takes: Takes,
    /// What may be left out where an MP4 can't hold it.
    pub may_lack: MayLack,
}

/// What of an input may be missing in the output because an MP4 can't hold it. All else of that kind is an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MayLack {
    /// Nothing.
    #[default]
    Nothing,
    /// Subtitles, which nobody wants.
    Subtitles,
    /// Any track; the [report](super::Report) says which.
    Tracks,
}

/// What of an input is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) takes: Takes,
    pub(crate) may_lack: MayLack,
}

impl Wants {
    /// Whether something of this kind is taken.
    pub(crate) fn takes(self, kind: Kind) -> bool {
        match (kind, self.takes) {
            (_, Takes::All) => true,
            (Kind::Picture, takes) => takes == Takes::Pictures,
            (Kind::Sound, takes) => takes == Takes::Sound,
            (Kind::Subtitles, takes) => takes == Takes::Pictures,
        }
    }

    /// Whether the output may not be without it.
    pub(crate) fn needs(self, kind: Kind) -> bool {
        let may_lack = match self.may_lack {
            MayLack::Nothing => false,
            MayLack::Subtitles => kind == Kind::Subtitles,
            MayLack::Tracks => true,
        };
        self.takes(kind) && !may_lack
    }

    /// Whether it is missed where it is left out.
    pub(crate) fn misses(self, kind: Kind) -> bool {
        self.takes(kind) && !(kind == Kind::Subtitles && self.may_lack == MayLack::Subtitles)
    }
}

/// Which tracks of an input become tracks of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Takes {
    /// All that can be in an MP4.
    #[default]
    All,
    /// Those with pictures alone: their sound comes from another input, or is not wanted.
    Pictures,
    /// Those with sound alone.
    Sound,
}

impl Unit {
    /// The offset of a unit of which it is not known where it begins before its bytes come: see
    /// [`Index::begin_unit`](super::Index::begin_unit).
    pub const SOMEWHERE: u64 = u64::MAX;
}

impl Input {
    pub(crate) fn wants(&self) -> Wants {
        Wants { takes: self.takes, may_lack: self.may_lack }
    }
}

impl Takes {
    pub(crate) fn takes(self, handler: &[u8; 4]) -> bool {
        match self {
            Self::All => true,
            Self::Pictures => handler == b"vide",
            Self::Sound => handler == b"soun",
        }
    }
}

/// A segment in an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Where it begins, in bytes from the begin of the input. An initialization section belongs to the unit behind it.
    pub offset: u64,
    /// How long it is by the playlist (`EXTINF`).
    pub duration: Duration,
    /// The discontinuity sequence number of the playlist. Units of the same number share a clock, in all inputs of a
    /// job; each number has a clock of its own, and the media of each is put behind that of the number before.
    pub timeline: u64,
    /// It is missing: it has no bytes, and its time stays empty.
    pub is_gap: bool,
    /// A chapter that begins here.
    pub chapter: Option<String>,
}

//! What is odd about a segment, in words, and the code of each way.

use hls_media::Odd;

use super::Doubt;
use crate::error::Error;
use crate::event::Event;

impl Doubt {
    pub(crate) fn code(self) -> &'static str {
        let Self::Media(oddity) = self else {
            return match self {
                Self::Short { .. } => "segment.short",
                Self::Unbounded { .. } => "segment.unbounded",
                Self::Counters => "segment.discontinuous",
                Self::Lasts { seconds } if seconds < 0.0 => "segment.short",
                Self::Lasts { .. } => "segment.long",
                Self::Twin => "segment.twin",
                Self::Coding => "segment.header",
                Self::Inside | Self::Unfinished | Self::Ending => "segment.cut",
                Self::Streams => "segment.tracks",
                Self::Stranger => "segment.stranger",
                Self::Size => "segment.size",
                Self::Digest => "segment.digest",
                _ => "segment.apart",
            };
        };
        match oddity.odd {
            Odd::Continuity => "segment.discontinuous",
            Odd::Sync => "segment.unsynced",
            Odd::CutHead | Odd::CutTail | Odd::Frame | Odd::Cue | Odd::Length => "segment.cut",
            Odd::Header | Odd::Id3 => "segment.header",
            Odd::Unused => "segment.unused",
            Odd::Open => "segment.open",
            Odd::Outside => "segment.outside",
            Odd::Blank => "segment.blank",
            Odd::Zeros => "segment.padded",
            Odd::Table => "segment.table",
            Odd::Start => "segment.start",
            Odd::Scrambled => "segment.scrambled",
            Odd::Tag | Odd::Picture => "segment.front",
            Odd::Empty => "segment.empty",
            _ => "segment.odd",
        }
    }

    fn message(self, name: &str) -> String {
        let oddity = match self {
            Self::Short { lasts, said } => {
                let (lasts, said) = (lasts.as_secs_f64(), said.as_secs_f64());
                return format!("{name} lasts {lasts:.1} s, and the playlist says {said:.1} s");
            }
            Self::Unbounded { .. } => {
                return format!("the server does not say how long {name} is, and ended its connection");
            }
            Self::Apart { seconds } if seconds < 0.0 => {
                let back = -seconds;
                return format!("timestamps go back by {back:.2} s where {name} begins or ends");
            }
            Self::Apart { seconds } => {
                return format!("timestamps leave out {seconds:.2} s where {name} begins or ends");
            }
            Self::Within { seconds } => {
                let way = if seconds < 0.0 { "go back by" } else { "leave out" };
                return format!("timestamps {way} {:.2} s inside {name}", seconds.abs());
            }
            Self::Counters => {
                return format!(
                    "the counters of packets or fragments do not go on where {name} begins or ends"
                );
            }
            Self::Lasts { seconds } => {
                let (by, way) = (seconds.abs(), if seconds < 0.0 { "less" } else { "more" });
                return format!("{name} lasts {by:.2} s {way} than the playlist says, unlike the others");
            }
            Self::Twin => return format!("{name} has the same bytes as another segment"),
            Self::Coding => {
                return format!(
                    "pictures, sound or times of {name} are coded in another way than in the others"
                );
            }
            Self::Inside => {
                return format!(
                    "{name} begins inside a packet of a stream, or without its tables or timestamp, unlike the others"
                );
            }
            Self::Unfinished => {
                return format!("the last packet of an elementary stream in {name} is not whole");
            }
            Self::Streams => {
                return format!("{name} lacks pictures or sound, or has more of them than the others");
            }
            Self::Ending => return format!("{name} ends inside a line or a cue, unlike the others"),
            Self::Stranger => {
                return format!(
                    "{name} has samples of a track that its initialization section does not have"
                );
            }
            Self::Size => {
                return format!(
                    "pictures of {name} are of another size than the playlist says, unlike those of others"
                );
            }
            Self::Digest => {
                return format!("{name} does not have the digest that the server sends with it");
            }
            Self::Media(oddity) => oddity,
        };
        let at = oddity.at;
        match oddity.odd {
            Odd::Continuity => {
                format!("packets of {name} are missing or damaged at byte {at}, by its continuity counters")
            }
            Odd::Sync => format!("bytes of {name} are no packets at byte {at}"),
            Odd::CutHead => format!("{name} begins inside a packet"),
            Odd::CutTail => format!("a packet of {name} ends too early at byte {at}"),
            Odd::Zeros => format!("{name} has zeros behind a packet at byte {at}"),
            Odd::Table => format!("a table of {name} at byte {at} has a wrong checksum"),
            Odd::Start => {
                format!("a packet of {name} at byte {at} does not begin as one of pictures or sound")
            }
            Odd::Length => {
                format!("a packet of sound in {name} at byte {at} has fewer or more bytes than it says")
            }
            Odd::Scrambled => format!("a packet of {name} at byte {at} says that it is scrambled"),
            Odd::Tag => format!("{name} has an ID3 tag in front of its container"),
            Odd::Picture => format!("{name} has a picture in front of its packets"),
            Odd::Frame => format!("{name} begins or ends inside a frame of sound, at byte {at}"),
            Odd::Cue => format!("{name} ends inside the times of a cue, at byte {at}"),
            Odd::Header => {
                format!("a frame of {name} at byte {at} says that it is of another kind than those before it")
            }
            Odd::Id3 => format!("the ID3 tag of {name} does not hold together"),
            Odd::Unused => format!("{name} has bytes that belong to none of its samples, behind byte {at}"),
            Odd::Open => format!("a box of {name} at byte {at} goes on to the end of the file"),
            Odd::Outside => {
                format!(
                    "samples of a fragment of {name} at byte {at} are not in its data, or where others are"
                )
            }
            Odd::Blank => format!("{name} has zeros in the place of media at byte {at}"),
            Odd::Empty => format!("{name} holds no media"),
            _ => format!("{name} is odd at byte {at}"),
        }
    }

    /// It is asked for again.
    pub(crate) fn error(self, name: &str) -> Error {
        Error::content(self.code(), self.message(name)).why("every attempt brought other bytes")
    }

    /// It is what the server has, and only what is as it should be is wanted.
    pub(crate) fn refused(self, name: &str) -> Error {
        Error::content(self.code(), self.message(name))
            .why("the server sends these same bytes again, and what is odd is an error here")
            .finally()
    }

    /// It is what the server has.
    pub(crate) fn warning(self, name: &str, is_settled: bool) -> Event {
        let kept = "the server sends these same bytes again, so they are kept";
        let settled = if is_settled { "; from here on so are others of this kind, unasked" } else { "" };
        Event::Warning { kind: self.code(), message: format!("{}; {kept}{settled}", self.message(name)) }
    }
}

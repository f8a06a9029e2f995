//! What the servers offer: whole streams of any length in each container, and what they say of their files.

use anyhow::Result;
use hls_testkit::{Bytes, Media, Origin, Published, Reply, Request, Resource, Vod};

use super::bytes::{self, PACKET};
use crate::dice::Dice;

pub(crate) const KEY: [u8; 16] = *b"0123456789abcdef";
pub(crate) const MONDAY: &str = "Mon, 02 Nov 2026 08:00:00 GMT";
pub(crate) const TUESDAY: &str = "Tue, 03 Nov 2026 08:00:00 GMT";

/// How long pictures and sound of the media are. Each goes on from its own end where the media begins again.
const ROUND: [f64; 2] = [12.0, 564.0 * 1024.0 / 48_000.0];

/// What the segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Ts,
    /// One fragment in each segment.
    Fmp4,
    /// Several fragments in each segment.
    Cmaf,
    Adts,
    Vtt,
}

impl Container {
    pub(crate) const ALL: [Self; 5] = [Self::Ts, Self::Fmp4, Self::Cmaf, Self::Adts, Self::Vtt];

    pub(crate) fn is_mp4(self) -> bool {
        matches!(self, Self::Fmp4 | Self::Cmaf)
    }
}

/// How the bodies of segments end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// HTTP/1.1 with `Connection: close` and without a length (RFC 9112, section 6.3).
    Close,
    Http10,
}

impl Framing {
    pub(crate) const ALL: [Self; 4] = [Self::Length, Self::Chunked, Self::Close, Self::Http10];

    /// Nothing says where the body ends.
    pub(crate) fn is_unbounded(self) -> bool {
        matches!(self, Self::Close | Self::Http10)
    }
}

/// What a server says of its files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) framing: Framing,
    pub(crate) has_tag: bool,
    pub(crate) has_date: bool,
}

impl Manner {
    pub(crate) const PLAIN: Self = Self { framing: Framing::Length, has_tag: true, has_date: true };

    pub(crate) fn draw(dice: &mut Dice) -> Result<Self> {
        let framing = *dice.among(&Framing::ALL)?;
        Ok(Self { framing, has_tag: dice.below(2) == 0, has_date: dice.below(2) == 0 })
    }

    pub(crate) fn resource(self, bytes: Bytes) -> Resource {
        let plain = Resource::new(bytes);
        let tagged = if self.has_tag { plain } else { plain.no_etag() };
        if self.has_date { tagged.last_modified(MONDAY) } else { tagged }
    }

    /// An answer with these bytes, framed in this manner.
    pub(crate) fn reply(self, bytes: impl Into<Bytes>) -> Reply {
        let bytes = bytes.into();
        match self.framing {
            Framing::Length => Reply::serving(self.resource(bytes)),
            Framing::Chunked => Reply::serving(self.resource(bytes)).chunked(),
            Framing::Http10 => Reply::serving(self.resource(bytes)).http10_close(),
            Framing::Close => raw("200 OK", &["Connection: close"], &bytes),
        }
    }
}

/// An answer that is written by hand, and ends with its connection.
pub(crate) fn raw(status: &str, fields: &[&str], body: &[u8]) -> Reply {
    let head = fields.iter().fold(format!("HTTP/1.1 {status}\r\n"), |head, field| head + field + "\r\n");
    Reply::raw([head.as_bytes(), b"\r\n", body].concat())
}

/// A stream that ends.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    pub(crate) container: Container,
    pub(crate) is_encrypted: bool,
    pub(crate) section: Option<Bytes>,
    pub(crate) segments: Vec<Bytes>,
    /// Seconds of each segment.
    pub(crate) seconds: f64,
    has_ranges: bool,
    pub(crate) sequence: u64,
}

impl Show {
    /// Draws a stream in one of these containers, of at least this many segments.
    pub(crate) fn draw(dice: &mut Dice, containers: &[Container], least: u64) -> Result<Self> {
        let container = *dice.among(containers)?;
        // Most are short, so that a run of the table takes no longer than it has to.
        let more = if dice.below(4) == 0 { 40_u64.saturating_sub(least) } else { 8 };
        let n = (least.max(3) + dice.below(more + 1)) as usize;
        let mut show = Self::new(container, n, 1 + dice.below(3) as usize)?;
        show.is_encrypted = container != Container::Vtt && dice.below(3) == 0;
        show.sequence = *dice.among(&[0, 0, 1, 1000, 4_000_000_000])?;
        Ok(show)
    }

    /// A stream of `n` segments; those of several fragments have `each`, and two at least.
    pub(crate) fn new(container: Container, n: usize, each: usize) -> Result<Self> {
        let each = if container == Container::Cmaf { each.max(2) } else { 1 };
        let media = match container {
            Container::Ts => Media::Ts,
            Container::Adts => Media::AudioAdts,
            _ => Media::Fmp4,
        };
        let pieces = Media::segments(media);
        let count = n * each;
        let section = container.is_mp4().then(|| media.init()).flatten();
        let mut frames = 0;
        let timed = (0..count).map(|at| {
            let (round, piece) = (at / pieces.len(), pieces[at % pieces.len()]);
            let later = ROUND.map(|seconds| seconds * round as f64);
            Ok(match container {
                Container::Ts => bytes::delayed(piece, later),
                Container::Fmp4 | Container::Cmaf => {
                    bytes::fragment(piece, section.unwrap_or_default(), later, at as u32 + 1)?
                }
                Container::Adts => {
                    let before = frames;
                    frames += bytes::frames(piece).len() as u64;
                    [tag(before), piece.to_vec()].concat()
                }
                Container::Vtt => subtitles(at).into_bytes(),
            })
        });
        let mut timed = timed.collect::<Result<Vec<_>>>()?;
        if container == Container::Ts {
            bytes::renumber(&mut timed);
        }
        let segments = timed.chunks(each).map(|pieces| pieces.concat().into()).collect();
        let seconds = Media::SEGMENT_SECONDS * each as f64;
        let section = section.map(Bytes::from_static);
        Ok(Self {
            container,
            is_encrypted: false,
            section,
            segments,
            seconds,
            has_ranges: false,
            sequence: 0,
        })
    }

    pub(crate) fn about(&self) -> String {
        let n = self.segments.len();
        let key = if self.is_encrypted { ", AES-128" } else { "" };
        let ranges = if self.has_ranges { ", byte ranges of one file" } else { "" };
        format!("{:?}, {n} segments of {} s{key}{ranges}", self.container, self.seconds)
    }

    /// All of it is in one file.
    pub(crate) fn in_ranges(mut self) -> Self {
        self.has_ranges = true;
        self
    }

    /// The stream with other bytes in the place of a segment.
    pub(crate) fn with(&self, at: usize, bytes: impl Into<Bytes>) -> Self {
        let mut other = self.clone();
        other.segments[at] = bytes.into();
        other
    }

    /// The bytes of all segments in a row.
    pub(crate) fn joined(&self) -> Vec<u8> {
        let section = self.section.iter().map(|section| &section[..]);
        section.chain(self.segments.iter().map(|segment| &segment[..])).collect::<Vec<_>>().concat()
    }

    pub(crate) fn vod(&self) -> Vod {
        let extension = match self.container {
            Container::Ts => "ts",
            Container::Fmp4 | Container::Cmaf => "m4s",
            Container::Adts => "aac",
            Container::Vtt => "vtt",
        };
        let vod = Vod::of(self.segments.clone(), extension).segment_seconds(self.seconds);
        let vod = vod.media_sequence(self.sequence);
        let vod = self.section.iter().fold(vod, |vod, section| vod.section(section.clone()));
        let vod = if self.is_encrypted { vod.aes128(KEY) } else { vod };
        if self.has_ranges { vod.byterange() } else { vod }
    }

    /// Puts it on an origin that speaks in this manner.
    pub(crate) fn publish(&self, origin: &Origin, manner: Manner) -> Published {
        let published = self.vod().publish(origin);
        for (path, bytes) in &published.files {
            origin.put(path, manner.resource(bytes.clone()));
        }
        let files = published.files.clone();
        origin.rule(move |request: &Request| {
            let (_, bytes) = files.iter().find(|(path, _)| *path == request.path)?;
            match manner.framing {
                Framing::Length => None,
                Framing::Chunked => Some(Reply::resource().chunked()),
                Framing::Http10 => Some(Reply::resource().http10_close()),
                Framing::Close => Some(manner.reply(bytes.clone())),
            }
        });
        published
    }

    /// What is served for a segment of this stream, encrypted where it is.
    pub(crate) fn served(&self, at: usize) -> Bytes {
        let scratch = Origin::start();
        let published = self.vod().publish(&scratch);
        let path = published.segment_paths.get(at);
        let file = published.files.into_iter().find(|(name, _)| Some(name) == path);
        file.map(|(_, bytes)| bytes).unwrap_or_default()
    }
}

/// The tag that says when packed audio is presented (RFC 8216, section 3.4), behind so many frames of 48 kHz.
fn tag(frames: u64) -> Vec<u8> {
    let owner = b"com.apple.streaming.transportStreamTimestamp\0";
    let ticks = (126_000 + frames * 1024 * 90 / 48).to_be_bytes();
    let body = [owner, &ticks[..]].concat();
    let frame = [b"PRIV", &(body.len() as u32).to_be_bytes()[..], &[0, 0], &body].concat();
    [b"ID3\x04\0\0\0\0\0", &[frame.len() as u8][..], &frame].concat()
}

/// A segment of six cues in two seconds.
fn subtitles(nth: usize) -> String {
    let head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:126000\n\n".to_owned();
    (0..6).fold(head, |text, cue| {
        let from = nth * 2000 + cue * 333;
        let time = |ms: usize| format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000);
        text + &format!("{} --> {}\nword {cue} of segment {nth}\n\n", time(from), time(from + 300))
    })
}

/// The same with other bytes in the payloads; it is as long, and its headers are the same.
pub(crate) fn changed(show: &Show, at: usize) -> Vec<u8> {
    let mut other = show.segments[at].to_vec();
    match show.container {
        Container::Ts => {
            let plain = |packet: &&mut [u8]| packet[1] & 0x40 == 0 && bytes::pid(packet) == 0x100;
            other.chunks_exact_mut(PACKET).filter(plain).for_each(|packet| packet[PACKET - 20] ^= 0x55);
        }
        Container::Fmp4 | Container::Cmaf => {
            for data in bytes::boxes(&show.segments[at]).filter(|one| one.name == *b"mdat") {
                other[data.range()].iter_mut().skip(40).step_by(90).for_each(|byte| *byte ^= 0x55);
            }
        }
        Container::Adts => {
            for frame in bytes::frames(&show.segments[at]).into_iter().filter(|frame| frame.len() > 20) {
                other[frame.start + 15] ^= 0x55;
            }
        }
        Container::Vtt => {
            for at in bytes::places(&show.segments[at], b"word") {
                other[at..at + 4].copy_from_slice(b"WORD");
            }
        }
    }
    other
}

//! The bytes of segments: a function of where they are.

use std::time::Duration;

use bytes::Bytes;

use super::fragment;
use crate::transport::{self, Timed, ticks};
use crate::{Media, vod};

/// How long a round of the media with pictures is: a little longer than they are, as the sound outlasts them.
const PERIOD: Duration = Duration::from_millis(12_080);
/// How long a round of the media without pictures is.
const SOUND_PERIOD: Duration = Duration::from_millis(11_904);
/// Where the timestamps of the transport streams in this crate begin.
const TRANSPORT_BASE: Duration = Duration::from_millis(1400);
/// Samples in a frame of AAC, and in a second of the sound in this crate.
const FRAME: u64 = 1024;
const RATE: u64 = 48_000;

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Noise in transport packets.
    Packets { bytes: usize, is_sound: bool },
    /// Noise in fragmented MP4.
    Fragments { bytes: usize },
    /// Segments of the real media.
    Real(Media),
    /// The packed sound of the real media, cut anywhere.
    Sound,
    /// Subtitles: a cue for each segment.
    Text,
}

/// Which segment of a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Tells apart the runs of an encoder, and tracks.
    pub(super) seed: u64,
    /// Its place since the clock began.
    pub(super) nth: usize,
    /// Where it begins on the clock, and what the clock began with.
    pub(super) clock: Duration,
    pub(super) base: Duration,
    pub(super) duration: Duration,
    /// How many parts it has.
    pub(super) pieces: usize,
}

impl Content {
    /// The durations that can't be chosen.
    pub(super) fn own_durations(&self) -> Option<Vec<Duration>> {
        let Self::Real(media) = self else { return None };
        let mut durations = vec![Duration::from_secs(2); 6];
        durations[5] = period(*media) - Duration::from_secs(10);
        Some(durations)
    }

    /// What the clock begins with, for all tracks of a stream that has this one for its first.
    pub(super) fn base(&self) -> Duration {
        match self {
            Self::Fragments { .. } | Self::Real(Media::Fmp4 | Media::AudioFmp4) => Duration::ZERO,
            _ => TRANSPORT_BASE,
        }
    }

    pub(super) fn extension(&self) -> &'static str {
        match self {
            Self::Packets { .. } => "ts",
            Self::Fragments { .. } => "m4s",
            Self::Real(media) => media.extension(),
            Self::Sound => "aac",
            Self::Text => "vtt",
        }
    }

    pub(super) fn codecs(&self) -> &'static str {
        match self {
            Self::Packets { is_sound: true, .. } | Self::Sound => "mp4a.40.2",
            Self::Text => "wvtt",
            Self::Packets { .. } | Self::Fragments { .. } => "avc1.64000c,mp4a.40.2",
            Self::Real(media) => media.codecs(),
        }
    }

    pub(super) fn init(&self, number: usize, is_other: bool) -> Option<Bytes> {
        match self {
            Self::Fragments { .. } => fragment::init(Media::Fmp4, number, is_other),
            Self::Real(media) => fragment::init(*media, number, is_other),
            Self::Packets { .. } | Self::Sound | Self::Text => None,
        }
    }

    /// The parts of a segment, which in a row are the segment.
    pub(super) fn parts(&self, cut: Cut) -> Vec<Bytes> {
        let start = cut.base + cut.clock;
        match self {
            Self::Packets { bytes, is_sound } => {
                let timed = Timed {
                    seed: cut.seed,
                    nth: cut.nth,
                    bytes: *bytes,
                    start,
                    duration: cut.duration,
                    pieces: cut.pieces,
                    is_sound: *is_sound,
                };
                let whole = timed.make().freeze();
                timed.cuts().windows(2).map(|cut| whole.slice(cut[0]..cut[1])).collect()
            }
            Self::Fragments { bytes } => {
                fragment::synthetic(cut.seed, cut.nth, *bytes, start, cut.duration, cut.pieces)
            }
            Self::Real(media) => vec![real(*media, cut)],
            Self::Sound => vec![sound(cut)],
            Self::Text => vec![text(cut)],
        }
    }

    pub(super) fn segment(&self, cut: Cut) -> Bytes {
        let mut parts = self.parts(cut);
        if parts.len() == 1 { parts.remove(0) } else { parts.concat().into() }
    }
}

fn period(media: Media) -> Duration {
    if matches!(media, Media::Ts | Media::Fmp4) { PERIOD } else { SOUND_PERIOD }
}

fn real(media: Media, cut: Cut) -> Bytes {
    let which = cut.nth % 6;
    let segment = media.segments()[which];
    let by = cut.clock.saturating_sub(Duration::from_secs(2 * which as u64));
    match media {
        Media::Ts | Media::AudioTs => transport::delayed(segment, by.as_secs_f64()),
        Media::Fmp4 => fragment::delayed(segment, by, &[12_800, 48_000]),
        Media::AudioFmp4 => fragment::delayed(segment, by, &[48_000]),
        // Without timestamps: one frame follows the other.
        Media::AudioAdts => Bytes::from_static(segment),
    }
}

/// The frames that begin in this time, behind the tag that says when (rfc8216bis-22, section 3.1.3).
fn sound(cut: Cut) -> Bytes {
    let number = |time: Duration| (time.as_micros() as u64 * RATE).div_ceil(FRAME * 1_000_000);
    let (first, end) = (number(cut.clock), number(cut.clock + cut.duration));
    let all = Media::AudioAdts.segments().concat();
    let frames = frames(&all);
    let mut out = tag(ticks(cut.base) + first * FRAME * 90_000 / RATE);
    for frame in first..end {
        out.extend_from_slice(frames[(frame % frames.len() as u64) as usize]);
    }
    out.into()
}

/// A cue that is shown for as long as the segment lasts, and says which one that is (rfc8216bis-22, section 3.1.4).
fn text(cut: Cut) -> Bytes {
    let mpegts = ticks(cut.base + cut.clock) & 0x1_ffff_ffff;
    let (minutes, seconds) = (cut.duration.as_secs() / 60, cut.duration.as_millis() % 60_000);
    let end = format!("00:{minutes:02}:{:02}.{:03}", seconds / 1000, seconds % 1000);
    let words = format!("{:x} {}", cut.seed, cut.nth);
    let map = format!("X-TIMESTAMP-MAP=MPEGTS:{mpegts},LOCAL:00:00:00.000");
    format!("WEBVTT\n{map}\n\n00:00:00.000 --> {end}\n{words}\n\n").into()
}

fn frames(mut adts: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let [_, _, _, d, e, f, ..] = adts {
        let length = usize::from(d & 3) << 11 | usize::from(*e) << 3 | usize::from(f >> 5);
        let (frame, rest) = adts.split_at(length.clamp(7, adts.len()));
        frames.push(frame);
        adts = rest;
    }
    frames
}

/// An ID3 tag with a timestamp.
pub(crate) fn tag(ticks: u64) -> Vec<u8> {
    const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
    let body = [OWNER, &(ticks & 0x1_ffff_ffff).to_be_bytes()].concat();
    let length = |n: usize| [0, 0, (n >> 7 & 0x7f) as u8, (n & 0x7f) as u8];
    let frame = [b"PRIV", &length(body.len())[..], &[0, 0], &body].concat();
    [b"ID3", &[4, 0, 0][..], &length(frame.len()), &frame].concat()
}

/// Encrypts as a packager does.
pub(super) fn encrypt(clear: &[u8], key: [u8; 16], iv: [u8; 16]) -> Bytes {
    vod::encrypt(clear, key, iv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_cut_without_loss() {
        let cut = |nth: u64, millis: u64| Cut {
            seed: 0,
            nth: nth as usize,
            clock: Duration::from_millis(nth * millis),
            base: TRANSPORT_BASE,
            duration: Duration::from_millis(millis),
            pieces: 1,
        };
        let body = |bytes: &Bytes| bytes.slice(73..);
        let one = body(&sound(cut(0, 30_000)));
        let many: Vec<u8> = (0..20).flat_map(|nth| body(&sound(cut(nth, 1500)))).collect();
        assert_eq!(one.len(), many.len());
        assert_eq!(one, many);
        let second = sound(cut(1, 1500));
        // 71 frames of 1920 ticks behind 1.4 s.
        assert_eq!(second[65..73], (126_000_u64 + 71 * 1920).to_be_bytes());
    }
}

//! Streams drawn at random, with what a right download of each shows.
//!
//! A seed decides everything: containers, codecs, tracks, clocks and their borders, how packets and boxes are written, how
//! playlists number and name what they list. The pictures and sounds come from ffmpeg; all that surrounds them is written here, by
//! code that shares nothing with the crates under test.

mod film;
mod fragment_mux;
mod segments;
mod shape;
mod source;
mod transport_mux;

use bytes::Bytes;

pub use self::film::{Cue, Film, Shown};
use self::shape::{Border, Container, Encryption, Front, Layout, Shape};
pub use self::source::{Codec, Source, Sources, Unit};
use crate::noise::Noise;
use crate::{Origin, vod};

/// A stream with a known end.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What was drawn, in one line.
    pub about: String,
    /// Paths below the stream's own, and their contents.
    pub files: Vec<(String, Bytes)>,
    /// The path that a download begins with.
    pub entry: String,
    /// What a right download shows.
    pub film: Film,
    /// The bytes of all segments of the first track in a row, behind its initialization section, as they are in a file of them.
    pub joined: Vec<u8>,
    /// The bytes in a row are a right file: times go on from near 0, there is one section, and samples are where it says.
    pub can_be_joined: bool,
    /// The extension of a file of such bytes.
    pub extension: &'static str,
    /// How many playlists of media there are beside the first.
    pub renditions: usize,
    /// What is coded changes within a track.
    pub changes_codec: bool,
    /// A segment is not there.
    pub has_gap: bool,
}

/// An ID3 tag without any frame.
const TAG: &[u8] = b"ID3\x04\0\0\0\0\0\0";
/// A grey picture of one dot.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDAT\x08\xd7c\xf8\0\0\x01\x01\0\x1b\xb6\xeeV\0\0\0\0IEND\xaeB`\x82";

/// A listed segment.
struct Listed {
    bytes: Vec<u8>,
    seconds: f64,
    is_marked: bool,
    section: Option<usize>,
    /// It is not there; `true`: the playlist says so.
    missing: Option<bool>,
}

/// One playlist of media, yet to be written.
struct Track {
    name: &'static str,
    extension: &'static str,
    listed: Vec<Listed>,
    sections: Vec<Vec<u8>>,
}

impl Stream {
    /// Draws the stream of this seed.
    pub fn draw(sources: &Sources, seed: u64) -> Self {
        let mut dice = Noise::new(seed ^ 0x5354_5245_414d);
        let shape = shape::draw(sources, &mut dice);
        let mut film = Film::of(&shape.periods);
        let (first, others) = segments::tracks(&shape, seed, &mut film);
        let has_own_clocks = shape.periods.iter().any(shape::Period::has_own_clock);
        let mut joined = first.sections.first().cloned().unwrap_or_default();
        for one in first.listed.iter().filter(|one| one.missing.is_none()) {
            // Tags in front of AC-3 are left out: players lose a frame by each.
            let is_dolby = matches!(first.extension, "ac3" | "ec3");
            let begin = one.bytes.windows(2).position(|two| is_dolby && two == [0x0b, 0x77]).unwrap_or(0);
            joined.extend_from_slice(if shape.front == Front::Tag && !is_dolby { TAG } else { &[] });
            joined.extend_from_slice(&one.bytes[begin..]);
        }
        let is_late = shape.periods.iter().any(|period| period.base >= shape::WALL_CLOCK);
        let is_one = !has_own_clocks && !is_late && first.sections.len() < 2;
        let is_fragmented = first.extension == "mp4";
        let can_be_joined = !is_fragmented || (is_one && !shape.fragments.is_placed());
        let name = |period: &shape::Period<'_>| period.sound.map(|source| source.codec);
        let mut codecs: Vec<_> = shape.periods.iter().filter_map(name).collect();
        codecs.dedup();
        let changes_codec = codecs.len() > 1;
        let mut stream = Self {
            about: shape.about(),
            files: Vec::new(),
            entry: "first.m3u8".to_owned(),
            film,
            joined,
            can_be_joined,
            extension: if first.extension == "mp4" { "m4s" } else { first.extension },
            renditions: others.len(),
            changes_codec,
            has_gap: shape.gap.is_some(),
        };
        if !others.is_empty() {
            stream.entry = "master.m3u8".to_owned();
            stream.files.push((stream.entry.clone(), master(&others).into()));
        }
        let tracks = std::iter::once(&first).chain(&others);
        for (number, track) in tracks.enumerate() {
            stream.publish_track(&shape, number, track);
        }
        stream
    }

    /// Puts the stream onto an origin below `prefix` and returns its URL.
    pub fn publish(&self, origin: &Origin, prefix: &str) -> String {
        for (path, bytes) in &self.files {
            origin.put(&format!("{prefix}/{path}"), bytes.clone());
        }
        origin.url(&format!("{prefix}/{}", self.entry))
    }

    fn publish_track(&mut self, shape: &Shape<'_>, number: usize, track: &Track) {
        let name = track.name;
        let target = track.listed.iter().map(|one| one.seconds.round() as u64).max().unwrap_or(1).max(1);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
            shape.media_sequence
        );
        if shape.discontinuity_sequence > 0 {
            text.push_str(&format!("#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", shape.discontinuity_sequence));
        }
        let mut file = Vec::new();
        let (mut section, mut key) = (None, String::new());
        for (nth, one) in track.listed.iter().enumerate() {
            if one.is_marked {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            // In front of the key, so that the section is clear (rfc8216bis-22, section 4.4.4.4).
            if one.section != section {
                section = one.section;
                let number = section.unwrap_or(0);
                text.push_str(&format!("#EXT-X-MAP:URI=\"{name}-section{number}.mp4\"\n"));
            }
            let sealed = self.seal(shape, (number, track), nth, one);
            if sealed.0 != key {
                key.clone_from(&sealed.0);
                text.push_str(&key);
            }
            match shape.has_round_durations {
                true => text.push_str(&format!("#EXTINF:{},\n", one.seconds.round().max(1.0))),
                false => text.push_str(&format!("#EXTINF:{:.3},\n", one.seconds)),
            }
            if one.missing == Some(true) {
                text.push_str("#EXT-X-GAP\n");
            }
            if shape.has_ranges {
                text.push_str(&format!("#EXT-X-BYTERANGE:{}@{}\n", sealed.1.len(), file.len()));
                text.push_str(&format!("{name}.{}\n", track.extension));
                file.extend(sealed.1);
            } else {
                let path = format!("{name}-{nth}.{}", track.extension);
                text.push_str(&format!("{path}\n"));
                if one.missing.is_none() {
                    self.files.push((path, sealed.1.into()));
                }
            }
        }
        text.push_str("#EXT-X-ENDLIST\n");
        if shape.has_ranges {
            self.files.push((format!("{name}.{}", track.extension), file.into()));
        }
        for (nth, bytes) in track.sections.iter().enumerate() {
            self.files.push((format!("{name}-section{nth}.mp4"), bytes.clone().into()));
        }
        let playlist = if number == 0 { "first.m3u8".to_owned() } else { format!("{name}.m3u8") };
        self.files.push((playlist, text.into()));
    }

    /// Encrypts a segment where it has to be, and returns the tag of its key.
    fn seal(
        &mut self,
        shape: &Shape<'_>,
        (number, track): (usize, &Track),
        nth: usize,
        one: &Listed,
    ) -> (String, Vec<u8>) {
        let is_text = track.extension == "vtt";
        if shape.encryption == Encryption::Clear || is_text || track.sections.len() > 1 {
            let front: &[u8] = match shape.front {
                Front::Tag if number == 0 => TAG,
                Front::Picture if number == 0 => PICTURE,
                _ => &[],
            };
            return (String::new(), [front, &one.bytes].concat());
        }
        let turn = if shape.encryption == Encryption::Rotating { (nth / 2) as u8 } else { 0 };
        let key = [turn ^ 0x5a; 16];
        let path = format!("key{turn}.bin");
        if !self.files.iter().any(|(known, _)| *known == path) {
            self.files.push((path.clone(), key.to_vec().into()));
        }
        let sequence = shape.media_sequence + nth as u64;
        let (vector, said) = match shape.encryption {
            Encryption::Explicit => ([9; 16], format!(",IV=0x{}", "09".repeat(16))),
            _ => (u128::from(sequence).to_be_bytes(), String::new()),
        };
        let tag = format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{path}\"{said}\n");
        (tag, vod::encrypt(&one.bytes, key, vector).to_vec())
    }
}

fn master(others: &[Track]) -> String {
    let mut text = "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    let mut groups = String::new();
    for track in others {
        let (kind, group) =
            if track.extension == "vtt" { ("SUBTITLES", "words") } else { ("AUDIO", "sound") };
        text.push_str(&format!(
            "#EXT-X-MEDIA:TYPE={kind},GROUP-ID=\"{group}\",NAME=\"one\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,URI=\"{}.m3u8\"\n",
            track.name
        ));
        groups.push_str(&format!(",{kind}=\"{group}\""));
    }
    text.push_str(&format!("#EXT-X-STREAM-INF:BANDWIDTH=500000{groups}\nfirst.m3u8\n"));
    text
}

fn is_marked(border: Border) -> bool {
    matches!(border, Border::Tagged | Border::Jump)
}

/// The extension of the segments of a container.
fn extension(container: Container, codec: Option<Codec>) -> &'static str {
    match (container, codec) {
        (Container::Transport, _) => "ts",
        (Container::Fragments, _) => "mp4",
        (Container::Packed, Some(Codec::Mp3)) => "mp3",
        (Container::Packed, Some(Codec::Ac3)) => "ac3",
        (Container::Packed, Some(Codec::Eac3)) => "ec3",
        (Container::Packed, _) => "aac",
    }
}

/// Says whether the first playlist has pictures in it, and whether it has sound.
fn holds(layout: Layout) -> (bool, bool) {
    match layout {
        Layout::Muxed => (true, true),
        Layout::PicturesAlone | Layout::Apart(_) => (true, false),
        Layout::SoundAlone(_) => (false, true),
    }
}

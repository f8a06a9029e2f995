//! Coded pictures and sounds that ffmpeg makes, one access unit at a time.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::judge::{has_tool, sha256};

/// How pictures or sounds are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// AAC-LC.
    Aac,
    /// MPEG-1 layer 2.
    Mp2,
    /// MPEG-1 layer 3.
    Mp3,
    /// Dolby Digital.
    Ac3,
    /// Dolby Digital Plus.
    Eac3,
    /// Opus.
    Opus,
}

impl Codec {
    /// Says whether it codes pictures.
    pub fn is_video(self) -> bool {
        matches!(self, Self::Avc | Self::Hevc)
    }
}

/// One access unit: a picture, or a frame of sound.
#[derive(Clone, Debug)]
pub struct Unit {
    /// A picture in the byte stream format (ISO/IEC 14496-10, annex B) without a delimiter, or a frame without a header of a
    /// transport.
    pub(super) bytes: Vec<u8>,
    /// In ticks of the source, with 0 for the first picture that is shown.
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) is_key: bool,
    /// The SHA-256 of the decoded picture, or of the frame of sound.
    pub(super) hash: String,
}

/// Pictures or sounds of one encoder run.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) name: &'static str,
    pub(super) codec: Codec,
    /// Ticks in a second.
    pub(super) rate: u32,
    /// Ticks of each unit.
    pub(super) duration: i64,
    pub(super) units: Vec<Unit>,
    /// The sample description box of an MP4 of it.
    pub(super) stsd: Vec<u8>,
    /// The frames in LOAS (ISO/IEC 14496-3, 1.7), where it is AAC.
    pub(super) loas: Vec<Vec<u8>>,
}

/// Pictures in a group; each group begins with a picture that needs none before it, and none of it needs a later one.
pub(super) const GROUP: usize = 12;
/// Groups in a source of pictures.
pub(super) const GROUPS: usize = 20;
const SECONDS: f64 = 11.0;

/// All that streams are made of.
#[derive(Clone, Debug)]
pub struct Sources {
    pub(super) pictures: Vec<Source>,
    pub(super) sounds: Vec<Source>,
}

/// Name, codec, pictures in a second, size, and arguments of the encoder.
type Pictures = (&'static str, Codec, &'static str, &'static str, &'static [&'static str]);
/// Name, codec, samples in a second, channels, samples in a frame, and arguments of the encoder.
type Sounds = (&'static str, Codec, u32, u32, i64, &'static [&'static str]);

const X264: &[&str] = &["-c:v", "libx264", "-preset", "fast", "-bf", "2"];
const X264_FLAT: &[&str] = &["-c:v", "libx264", "-preset", "fast", "-bf", "0"];
const X265: &[&str] = &["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-bf", "2"];

const PICTURES: &[Pictures] = &[
    ("avc", Codec::Avc, "25", "96x64", X264),
    // Three slices to a picture, and none that waits for a later one.
    ("avc-slices", Codec::Avc, "25", "96x64", X264_FLAT),
    ("avc-30", Codec::Avc, "30", "64x96", X264),
    ("avc-ntsc", Codec::Avc, "30000/1001", "96x64", X264),
    ("hevc", Codec::Hevc, "25", "96x64", X265),
];

const SOUNDS: &[Sounds] = &[
    ("aac", Codec::Aac, 48_000, 2, 1024, &["-c:a", "aac"]),
    ("aac-mono", Codec::Aac, 44_100, 1, 1024, &["-c:a", "aac"]),
    ("mp3", Codec::Mp3, 48_000, 2, 1152, &["-c:a", "libmp3lame", "-write_xing", "0"]),
    ("mp2", Codec::Mp2, 48_000, 2, 1152, &["-c:a", "mp2"]),
    ("ac3", Codec::Ac3, 48_000, 2, 1536, &["-c:a", "ac3"]),
    ("eac3", Codec::Eac3, 48_000, 2, 1536, &["-c:a", "eac3"]),
    ("opus", Codec::Opus, 48_000, 2, 960, &["-c:a", "libopus"]),
];

impl Sources {
    /// Makes all sources with ffmpeg, in a folder for files that may be removed afterwards; `None` where there is no ffmpeg.
    ///
    /// # Errors
    ///
    /// ffmpeg lacks an encoder, or the folder can't be written.
    pub fn make(folder: &Path) -> io::Result<Option<Self>> {
        if !has_tool("ffmpeg") {
            return Ok(None);
        }
        fs::create_dir_all(folder)?;
        let pictures = PICTURES.iter().map(|each| pictures(folder, each)).collect::<io::Result<_>>()?;
        let sounds = SOUNDS.iter().map(|each| sounds(folder, each)).collect::<io::Result<_>>()?;
        Ok(Some(Self { pictures, sounds }))
    }

    pub(super) fn picture(&self, name: &str) -> &Source {
        named(&self.pictures, name)
    }

    pub(super) fn sound(&self, name: &str) -> &Source {
        named(&self.sounds, name)
    }
}

fn named<'a>(all: &'a [Source], name: &str) -> &'a Source {
    // The names are those of the two tables above.
    all.iter().find(|source| source.name == name).expect("a source of this name")
}

fn pictures(folder: &Path, (name, codec, rate, size, encoder): &Pictures) -> io::Result<Source> {
    let film = folder.join(format!("{name}.mp4"));
    let input = format!("testsrc2=size={size}:rate={rate},noise=alls=12:allf=t");
    let group = GROUP.to_string();
    let count = (GROUP * GROUPS).to_string();
    let parameters = match codec {
        Codec::Hevc => ["-x265-params", "open-gop=0:log-level=none:keyint=12:min-keyint=12:scenecut=0"],
        _ if *name == "avc-slices" => ["-x264-params", "open-gop=0:slices=3"],
        _ => ["-x264-params", "open-gop=0"],
    };
    let mut arguments = vec!["-f", "lavfi", "-i", &input];
    arguments.extend_from_slice(encoder);
    arguments.extend(parameters);
    arguments.extend(["-g", &group, "-keyint_min", &group, "-sc_threshold", "0", "-frames:v", &count]);
    arguments.extend(["-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709"]);
    encode(&arguments, &film)?;
    let filter = if *codec == Codec::Hevc { "hevc_mp4toannexb" } else { "h264_mp4toannexb" };
    let (rate, packets) = packets(folder, &film, &["-map", "0:v", "-c", "copy", "-bsf:v", filter])?;
    let decoded = ffmpeg(
        &["-i", &text(&film)],
        &["-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framehash", "-hash", "sha256", "-"],
    )?;
    let hashes: Vec<_> = lines(&decoded).filter_map(|line| line.last().cloned()).collect();
    let mut shown: Vec<_> = packets.iter().map(|packet| packet.pts).collect();
    shown.sort_unstable();
    let first = shown.first().copied().unwrap_or(0);
    let units = packets.into_iter().map(|packet| {
        let nth = shown.partition_point(|pts| *pts < packet.pts);
        Unit {
            dts: packet.dts - first,
            pts: packet.pts - first,
            is_key: packet.is_key,
            hash: hashes.get(nth).cloned().unwrap_or_default(),
            bytes: packet.bytes,
        }
    });
    let units: Vec<_> = units.collect();
    let duration = shown.get(1).copied().unwrap_or(0) - first;
    let stsd = description(&film)?;
    Ok(Source { name, codec: *codec, rate, duration, units, stsd, loas: Vec::new() })
}

fn sounds(folder: &Path, (name, codec, rate, channels, frame, encoder): &Sounds) -> io::Result<Source> {
    let film = folder.join(format!("{name}.mp4"));
    // Each frame differs from every other one: a tone that rises, and noise.
    let tone = "0.3*sin(t*t*300)+0.1*random(0)";
    let input = format!("aevalsrc={}:s={rate}:d={SECONDS}", vec![tone; *channels as usize].join("|"));
    let mut arguments = vec!["-f", "lavfi", "-i", &input];
    arguments.extend_from_slice(encoder);
    encode(&arguments, &film)?;
    let (rate, packets) = packets(folder, &film, &["-map", "0:a", "-c", "copy"])?;
    let units = packets.into_iter().enumerate().map(|(nth, packet)| {
        let at = nth as i64 * frame;
        Unit { dts: at, pts: at, is_key: true, hash: sha256(&packet.bytes), bytes: packet.bytes }
    });
    let units = units.collect();
    let loas = if *codec == Codec::Aac { loas(folder, &film)? } else { Vec::new() };
    let stsd = description(&film)?;
    Ok(Source { name, codec: *codec, rate, duration: *frame, units, stsd, loas })
}

fn encode(arguments: &[&str], film: &Path) -> io::Result<()> {
    ffmpeg(arguments, &["-bitexact", &text(film)]).map(drop)
}

struct Packet {
    dts: i64,
    pts: i64,
    is_key: bool,
    bytes: Vec<u8>,
}

/// Returns the ticks in a second, and all packets of one track.
fn packets(folder: &Path, film: &Path, which: &[&str]) -> io::Result<(u32, Vec<Packet>)> {
    let raw = folder.join("packets");
    let mut arguments = which.to_vec();
    let file = text(&raw);
    arguments.extend(["-f", "data", &file]);
    arguments.extend(which);
    arguments.extend(["-f", "framecrc", "-"]);
    let listed = ffmpeg(&["-i", &text(film)], &arguments)?;
    let bytes = fs::read(&raw)?;
    let rate = listed.lines().find_map(|line| line.strip_prefix("#tb 0: 1/"));
    let rate = rate.and_then(|rate| rate.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut at = 0;
    let mut packets = Vec::new();
    for line in lines(&listed) {
        let number = |n: usize| line.get(n).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let end = at + number(4) as usize;
        let is_key = line.last().is_none_or(|flags| flags != "F=0x0");
        let bytes = bytes.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?.to_vec();
        packets.push(Packet { dts: number(1), pts: number(2), is_key, bytes });
        at = end;
    }
    Ok((rate, packets))
}

fn loas(folder: &Path, film: &Path) -> io::Result<Vec<Vec<u8>>> {
    let raw = folder.join("loas");
    ffmpeg(&["-i", &text(film)], &["-map", "0:a", "-c", "copy", "-f", "latm", &text(&raw)])?;
    let bytes = fs::read(raw)?;
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    while let [0x56, b, c, ..] = rest {
        let length = 3 + (usize::from(b & 0x1f) << 8 | usize::from(*c));
        let (frame, behind) = rest.split_at(length.min(rest.len()));
        frames.push(frame.to_vec());
        rest = behind;
    }
    Ok(frames)
}

/// Returns the first sample description box of a file.
fn description(film: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(film)?;
    let moov = bytes.windows(4).position(|name| name == b"moov").unwrap_or(0);
    let at = bytes[moov..].windows(4).position(|name| name == b"stsd").map(|at| moov + at - 4);
    let found = at.and_then(|at| {
        let size = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        bytes.get(at..at + size)
    });
    Ok(found.ok_or(io::ErrorKind::InvalidData)?.to_vec())
}

/// Runs ffmpeg and returns what it wrote to its standard output.
fn ffmpeg(input: &[&str], output: &[&str]) -> io::Result<String> {
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-v", "error", "-y"])
        .args(input)
        .args(output)
        .stdin(Stdio::null())
        .output()?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        return Err(io::Error::other(format!("ffmpeg {}: {said}", output.join(" "))));
    }
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}

/// The fields of each line that is no comment.
fn lines(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split(',').map(|field| field.trim().to_owned()).collect())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

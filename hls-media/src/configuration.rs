//! Codec configurations of initialisation sections.

use std::fmt;

use crate::{MediaError, fmp4::children};

/// More tracks, or sample descriptions of one track, than any real initialisation section has.
const MANY: usize = 64;

/// The codec configuration that an initialisation section sets up.
///
/// Two are equal where the media of either decodes with the other, so that both can stand in one file:
/// the same tracks with the same time scales, the same sample descriptions and the same fragment defaults.
/// What does not matter is left out: creation times, durations, names, bit rates, edit lists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Configuration {
    /// The tracks in order.
    pub tracks: Vec<Track>,
}

/// One track of an initialisation section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Track {
    /// The number that fragments name it by.
    pub id: u32,
    /// What it is: `vide`, `soun`, `subt`, `text` and so on.
    pub handler: [u8; 4],
    /// Ticks in a second.
    pub timescale: u32,
    /// The sample descriptions.
    pub entries: Vec<SampleEntry>,
    /// The body of the `trex` box, which fragments take their defaults from.
    pub fragment_defaults: Vec<u8>,
}

/// How samples are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampleEntry {
    /// The format: `avc1`, `hvc1`, `mp4a`, `wvtt` and so on.
    pub format: [u8; 4],
    /// Pixels in a row; 0 where it is not video.
    pub width: u16,
    /// Rows; 0 where it is not video.
    pub height: u16,
    /// Channels; 0 where it is not audio.
    pub channels: u16,
    /// Samples in a second; 0 where it is not audio.
    pub sample_rate: u32,
    /// The boxes that configure the codec (`avcC`, `hvcC`, `esds`, `sinf` and so on) with their bodies.
    pub config: Vec<([u8; 4], Vec<u8>)>,
}

impl Configuration {
    /// Reads the `moov` box of an initialisation section that is whole in memory.
    ///
    /// # Errors
    ///
    /// Where there is no `moov`, where a box does not fit into the one that it is in, or where a track lacks
    /// what describes it.
    pub fn from_init(init: &[u8]) -> Result<Self, MediaError> {
        let moov = required(init, "moov")?;
        let mut tracks = Vec::new();
        for child in children(moov) {
            if let (b"trak", trak) = named(&child?) {
                if tracks.len() >= MANY {
                    return Err(bad("has too many tracks"));
                }
                tracks.push(track(trak)?);
            }
        }
        if tracks.is_empty() {
            return Err(MediaError::MissingBox { name: "trak" });
        }
        if let Some(mvex) = find(moov, *b"mvex")? {
            for child in children(mvex) {
                if let (b"trex", trex) = named(&child?) {
                    let id = be32(trex, 4);
                    if let Some(track) = tracks.iter_mut().find(|track| Some(track.id) == id) {
                        track.fragment_defaults = trex.get(..24).unwrap_or(trex).to_vec();
                    }
                }
            }
        }
        Ok(Self { tracks })
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.tracks.iter().flat_map(|track| &track.entries).enumerate() {
            let between = if index == 0 { "" } else { " + " };
            write!(f, "{between}{}", entry.format.escape_ascii())?;
            if entry.height > 0 {
                write!(f, " {}x{}", entry.width, entry.height)?;
            }
            if entry.sample_rate > 0 {
                write!(f, " {} Hz", entry.sample_rate)?;
            }
        }
        Ok(())
    }
}

fn track(trak: &[u8]) -> Result<Track, MediaError> {
    let tkhd = required(trak, "tkhd")?;
    let mdia = required(trak, "mdia")?;
    let mdhd = required(mdia, "mdhd")?;
    let hdlr = required(mdia, "hdlr")?;
    let stsd = required(required(required(mdia, "minf")?, "stbl")?, "stsd")?;
    // Version 1 has times of 64 bits before the number that is wanted.
    let wide = |body: &[u8]| body.first() == Some(&1);
    let id = be32(tkhd, if wide(tkhd) { 20 } else { 12 }).ok_or(bad("tkhd is too short"))?;
    let timescale = be32(mdhd, if wide(mdhd) { 20 } else { 12 }).ok_or(bad("mdhd is too short"))?;
    let handler = array(hdlr, 8).ok_or(bad("hdlr is too short"))?;
    let mut entries = Vec::new();
    for child in children(stsd.get(8..).ok_or(bad("stsd is too short"))?) {
        let (format, body) = child?;
        if entries.len() >= MANY {
            return Err(bad("has too many sample descriptions"));
        }
        entries.push(sample_entry(handler, format, body)?);
    }
    Ok(Track { id, handler, timescale, entries, fragment_defaults: Vec::new() })
}

fn sample_entry(handler: [u8; 4], format: [u8; 4], body: &[u8]) -> Result<SampleEntry, MediaError> {
    let mut entry =
        SampleEntry { format, width: 0, height: 0, channels: 0, sample_rate: 0, config: Vec::new() };
    let fields = match &handler {
        b"vide" => {
            entry.width = be16(body, 24).ok_or(bad("video description is too short"))?;
            entry.height = be16(body, 26).ok_or(bad("video description is too short"))?;
            78
        }
        b"soun" => {
            entry.channels = be16(body, 16).ok_or(bad("audio description is too short"))?;
            entry.sample_rate = be32(body, 24).ok_or(bad("audio description is too short"))? >> 16;
            // QuickTime put more fields there.
            match be16(body, 8) {
                Some(1) => 44,
                Some(2) => 64,
                _ => 28,
            }
        }
        // Other descriptions differ by format; their bytes are compared as they are.
        _ => {
            entry.config.push((format, body.to_vec()));
            return Ok(entry);
        }
    };
    let boxes = body.get(fields..).ok_or(bad("sample description is too short"))?;
    // Some encoders end the list with four zeros.
    let boxes = boxes.strip_suffix(&[0; 4]).filter(|_| find(boxes, *b"\0\0\0\0").is_err()).unwrap_or(boxes);
    for child in children(boxes) {
        match named(&child?) {
            (b"btrt" | b"free" | b"skip", _) => {}
            (b"esds", esds) => entry.config.push((*b"esds", without_bit_rates(esds))),
            (name, config) => entry.config.push((*name, config.to_vec())),
        }
    }
    Ok(entry)
}

/// Returns the object type indication (ISO 14496-1, 7.2.6.6) that the body of a sample entry of sound has; `None`: it can't be read.
pub(crate) fn object_type(entry: &[u8]) -> Option<u8> {
    decoder(entry).map(|(object, _)| object)
}

/// Returns the object type indication and, where there is one, what configures the decoder (ISO 14496-1, 7.2.6.7).
pub(crate) fn decoder(entry: &[u8]) -> Option<(u8, Option<&[u8]>)> {
    // Children stand behind the fields of version 0, or behind those that QuickTime has more.
    let esds = [28, 44, 64].into_iter().find_map(|fields| {
        let mut boxes = children(entry.get(fields..)?).map_while(Result::ok);
        boxes.find_map(|child| match named(&child) {
            (b"esds", esds) => Some(esds),
            // QuickTime has it one level deeper.
            (b"wave", wave) => {
                children(wave).map_while(Result::ok).find(|(name, _)| name == b"esds").map(|(_, esds)| esds)
            }
            _ => None,
        })
    })?;
    let at = decoder_config(esds)?;
    let specific = descriptor(esds, at + 13, 5).and_then(|body| esds.get(body..));
    Some((*esds.get(at)?, specific))
}

/// Blanks the buffer size and the bit rates of an MPEG-4 decoder description (ISO 14496-1, 7.2.6.6).
fn without_bit_rates(esds: &[u8]) -> Vec<u8> {
    let mut out = esds.to_vec();
    let rates = decoder_config(esds).and_then(|at| out.get_mut(at + 2..at + 13));
    if let Some(rates) = rates {
        rates.fill(0);
    }
    out
}

/// Finds where the body of the decoder description begins.
fn decoder_config(esds: &[u8]) -> Option<usize> {
    let body = descriptor(esds, 4, 3)?;
    let flags = *esds.get(body + 2)?;
    let mut at = body + 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*esds.get(at)?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    descriptor(esds, at, 4)
}

/// Finds where the body of the descriptor with a tag begins.
fn descriptor(esds: &[u8], at: usize, tag: u8) -> Option<usize> {
    (esds.get(at) == Some(&tag)).then_some(())?;
    // The length takes one to four bytes, all but the last with the high bit.
    let len = esds.get(at + 1..)?.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    Some(at + 2 + len)
}

fn find(body: &[u8], name: [u8; 4]) -> Result<Option<&[u8]>, MediaError> {
    for child in children(body) {
        let (found, body) = child?;
        if found == name {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

fn required<'a>(body: &'a [u8], name: &'static str) -> Result<&'a [u8], MediaError> {
    let missing = MediaError::MissingBox { name };
    let Ok(wanted) = name.as_bytes().try_into() else { return Err(missing) };
    find(body, wanted)?.ok_or(missing)
}

fn named<'a, 'b>(child: &'b ([u8; 4], &'a [u8])) -> (&'b [u8; 4], &'a [u8]) {
    (&child.0, child.1)
}

fn bad(why: &'static str) -> MediaError {
    MediaError::BadBox { offset: 0, why }
}

fn array<const N: usize>(body: &[u8], at: usize) -> Option<[u8; N]> {
    body.get(at..)?.first_chunk().copied()
}

fn be16(body: &[u8], at: usize) -> Option<u16> {
    array(body, at).map(u16::from_be_bytes)
}

fn be32(body: &[u8], at: usize) -> Option<u32> {
    array(body, at).map(u32::from_be_bytes)
}

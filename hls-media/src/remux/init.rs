//! Initialization sections of fragmented MP4 (ISO/IEC 14496-12), as a muxer needs them.

use super::{
    boxes::boxed, clock::scaled, error::RemuxError, input::Wants, moov::matrix, program::Kind,
    report::LeftOut, sample::TrackInfo,
};
use crate::{MediaError, fmp4::children};

/// A track as an initialization section sets it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitTrack {
    pub(crate) id: u32,
    pub(crate) info: TrackInfo,
    pub(crate) defaults: Defaults,
}

/// What holds for samples that do not say it themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// From 1.
    pub(crate) description: u32,
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

/// What an initialization section sets up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Init {
    pub(crate) tracks: Vec<InitTrack>,
    /// Tracks of which nothing can be taken.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Reads the body of a `moov` box.
pub(crate) fn read(moov: &[u8], wants: Wants) -> Result<Init, RemuxError> {
    let movie_scale = find(moov, *b"mvhd")?.and_then(time_scale).unwrap_or(0);
    let (mut tracks, mut left_out) = (Vec::new(), Vec::new());
    for child in children(moov) {
        let child = child?;
        let (b"trak", trak) = named(&child) else { continue };
        match track(trak, movie_scale, wants)? {
            Some(track) => tracks.push(track),
            // What is neither seen nor heard (metadata, hints) does not come along.
            None => left_out.push(LeftOut { what: "data".to_owned(), pid: None, is_missed: false }),
        }
    }
    if let Some(mvex) = find(moov, *b"mvex")? {
        for child in children(mvex) {
            if let (b"trex", trex) = named(&child?) {
                let mut words = Words(trex.get(4..).unwrap_or(&[]));
                let id = words.next();
                let defaults = (|| {
                    let (description, duration) = (words.next()?, words.next()?);
                    Some(Defaults { description, duration, size: words.next()?, flags: words.next()? })
                })();
                if let Some(track) = tracks.iter_mut().find(|track| Some(track.id) == id) {
                    track.defaults = defaults.unwrap_or_default();
                }
            }
        }
    }
    Ok(Init { tracks, left_out })
}

fn track(trak: &[u8], movie_scale: u32, wants: Wants) -> Result<Option<InitTrack>, RemuxError> {
    let tkhd = required(trak, "tkhd")?;
    let mdia = required(trak, "mdia")?;
    let (mdhd, hdlr) = (required(mdia, "mdhd")?, required(mdia, "hdlr")?);
    let minf = required(mdia, "minf")?;
    let stbl = required(minf, "stbl")?;
    let stsd = required(stbl, "stsd")?;
    let is_long = tkhd.first() == Some(&1);
    let id = word(tkhd, if is_long { 20 } else { 12 }).ok_or(bad("tkhd is too short"))?;
    let Some(handler) = hdlr.get(8..12).and_then(|four| <[u8; 4]>::try_from(four).ok()) else {
        return Err(bad("hdlr is too short").into());
    };
    if !matches!(&handler, b"vide" | b"soun" | b"subt" | b"text" | b"sbtl") {
        return Ok(None);
    }
    let stsz = find(stbl, *b"stsz")?;
    if stsz.and_then(|stsz| word(stsz, 8)).is_some_and(|count| count > 0) {
        return Err(RemuxError::NotFragmented);
    }
    let timescale = time_scale(mdhd).filter(|scale| *scale > 0).ok_or(bad("mdhd has no time scale"))?;
    let language =
        mdhd.get(if mdhd.first() == Some(&1) { 32.. } else { 20.. }).and_then(<[u8]>::first_chunk::<2>);
    let mut entries = Vec::new();
    for entry in children(stsd.get(8..).unwrap_or(&[])) {
        let (format, body) = entry?;
        let kind = match &handler {
            b"vide" => Kind::Picture,
            b"soun" => Kind::Sound,
            _ => Kind::Subtitles,
        };
        if matches!(&format, b"encv" | b"enca" | b"encs" | b"enct") && wants.takes(kind) {
            let what = format!("sample entry {}", format.escape_ascii());
            return Err(RemuxError::Encrypted { what });
        }
        entries.push(boxed(&format, body));
    }
    if entries.is_empty() {
        return Err(MediaError::MissingBox { name: "sample entry" }.into());
    }
    let mut header = boxed(b"nmhd", &[0; 4]);
    for child in children(minf) {
        let (name, body) = child?;
        if matches!(&name, b"vmhd" | b"smhd" | b"nmhd" | b"sthd") {
            header = boxed(&name, body);
        }
    }
    let side = |from: usize| {
        tkhd.get(tkhd.len().checked_sub(from)?..).and_then(|rest| word(rest, 0)).map(|w| w >> 16)
    };
    let info = TrackInfo {
        handler,
        timescale,
        language: language.and_then(|code| unpacked(*code)),
        entries,
        header,
        size: (side(8).unwrap_or(0), side(4).unwrap_or(0)),
        matrix: turned(tkhd),
        wraps: false,
        floats: false,
        shift: 0,
        opens_at: None,
    };
    let info = match find(trak, *b"edts")? {
        Some(edts) => edited(info, find(edts, *b"elst")?, movie_scale),
        None => info,
    };
    Ok(Some(InitTrack { id, info, defaults: Defaults::default() }))
}

/// Returns the matrix of a track header, in front of columns and rows, where it is another one than that which changes nothing.
fn turned(tkhd: &[u8]) -> Option<[u8; 36]> {
    let found = tkhd.get(tkhd.len().checked_sub(44)?..)?.first_chunk::<36>()?;
    (found[..] != matrix()[..]).then_some(*found)
}

/// Takes an edit list into account: time that is empty at the begin, and where the media begins behind it.
fn edited(info: TrackInfo, elst: Option<&[u8]>, movie_scale: u32) -> TrackInfo {
    let Some(elst) = elst else { return info };
    let is_long = elst.first() == Some(&1);
    let mut empty = 0_i64;
    for edit in elst.get(8..).unwrap_or(&[]).chunks_exact(if is_long { 20 } else { 12 }) {
        let mut words = Words(edit);
        let mut number = || {
            let high = words.next()?;
            let number =
                if is_long { u64::from(high) << 32 | u64::from(words.next()?) } else { u64::from(high) };
            Some((number, is_long))
        };
        let (Some((duration, _)), Some((media, _))) = (number(), number()) else { break };
        let media = if is_long { media as i64 } else { i64::from(media as u32 as i32) };
        if media < 0 {
            let duration = i64::try_from(duration).unwrap_or(0);
            empty = empty.saturating_add(scaled(duration, i64::from(info.timescale), i64::from(movie_scale)));
            continue;
        }
        return TrackInfo { shift: empty.saturating_sub(media), opens_at: Some(empty), ..info };
    }
    info
}

/// Big-endian numbers of 32 bits, one after another.
pub(crate) struct Words<'a>(pub(crate) &'a [u8]);

impl Words<'_> {
    pub(crate) fn next(&mut self) -> Option<u32> {
        let (four, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*four))
    }
}

pub(crate) fn named<'a>(child: &'a ([u8; 4], &'a [u8])) -> (&'a [u8; 4], &'a [u8]) {
    (&child.0, child.1)
}

pub(crate) fn find(body: &[u8], name: [u8; 4]) -> Result<Option<&[u8]>, MediaError> {
    for child in children(body) {
        let (found, body) = child?;
        if found == name {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

fn required<'a>(body: &'a [u8], name: &'static str) -> Result<&'a [u8], MediaError> {
    let Some(four) = name.as_bytes().first_chunk() else { return Err(MediaError::MissingBox { name }) };
    find(body, *four)?.ok_or(MediaError::MissingBox { name })
}

fn bad(why: &'static str) -> MediaError {
    MediaError::BadBox { offset: 0, why }
}

pub(crate) fn word(body: &[u8], at: usize) -> Option<u32> {
    Words(body.get(at..)?).next()
}

/// Of `mvhd` and `mdhd`, which begin alike.
fn time_scale(body: &[u8]) -> Option<u32> {
    word(body, if body.first()? == &1 { 20 } else { 12 })
}

fn unpacked(code: [u8; 2]) -> Option<[u8; 3]> {
    let code = u16::from_be_bytes(code);
    let letters = [code >> 10 & 31, code >> 5 & 31, code & 31].map(|letter| letter as u8 + 0x60);
    letters.iter().all(u8::is_ascii_lowercase).then_some(letters)
}

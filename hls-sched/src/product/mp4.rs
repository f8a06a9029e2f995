//! One MP4 of tracks: each is read twice, in order.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use hls_media::remux::{Finding, Index, Indexed, Input, RemuxError, Remuxer, Step as Next};
use hls_state::{Hasher, Placed};

use super::{Product, Step, Told, units};
use crate::error::{Error, Kind};

/// Reads, and writes, in pieces of this size.
const PIECE: usize = 1 << 20;
/// More findings than these are only counted.
const MOST_FINDINGS: usize = 10;

/// Writes an MP4.
pub(super) fn make(
    step: &Step,
    product: &Product,
    placed: &[Vec<Placed>],
    write: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    told: &mut Told<'_>,
) -> Result<(), Error> {
    let mut sources = Vec::new();
    let mut inputs = Vec::new();
    for number in product.tracks.iter().copied() {
        let (Some(path), Some(placed)) = (step.making.tracks().get(number), placed.get(number)) else {
            continue;
        };
        let mut source = Source::open(path, placed)?;
        inputs.push(index(step, (number, product.tracks.first() == Some(&number)), &mut source, told)?);
        source.rewind()?;
        sources.push(source);
    }
    let refused = |error: RemuxError| refused(step, product, error);
    let mut remuxer = Remuxer::new(inputs, &[]).map_err(refused)?;
    tell(step, product, remuxer.report().findings.as_slice(), remuxer.report().more, told);
    // Chunks of audio are small.
    let mut buffer = Vec::with_capacity(2 * PIECE);
    loop {
        match remuxer.step().map_err(refused)? {
            Next::Write(bytes) => {
                buffer.extend_from_slice(bytes);
                if buffer.len() >= PIECE {
                    write(&buffer)?;
                    buffer.clear();
                }
            }
            Next::Read(input) => {
                let Some(source) = sources.get_mut(input) else {
                    return Err(refused(RemuxError::Differs { input }));
                };
                match source.next()? {
                    [] => remuxer.end(input).map_err(refused)?,
                    bytes => {
                        told.read(bytes.len())?;
                        remuxer.push(input, bytes).map_err(refused)?;
                    }
                }
            }
            Next::Done => return write(&buffer),
        }
    }
}

/// The first pass over a track.
fn index(
    step: &Step,
    (number, is_first): (usize, bool),
    source: &mut Source<'_>,
    told: &mut Told<'_>,
) -> Result<Indexed, Error> {
    let (Some(track), Some(about)) = (step.tracks.0.get(number), step.abouts.get(number)) else {
        return Err(Error::new(Kind::Internal, "internal", "a track is missing"));
    };
    let input = Input {
        units: units::units(track, source.placed, is_first),
        language: about.language.clone(),
        name: about.name.clone(),
        is_default: about.is_default,
        codecs: about.codecs.clone(),
    };
    let refused = |error| refused_track(source.path, &track.label, error);
    let mut index = Index::new(input);
    loop {
        let bytes = source.next()?;
        if bytes.is_empty() {
            return index.finish().map_err(refused);
        }
        told.read(bytes.len())?;
        index.push(bytes).map_err(refused)?;
    }
}

/// The bytes of a track, each unit held to its record.
struct Source<'a> {
    path: &'a Path,
    file: File,
    placed: &'a [Placed],
    buffer: Vec<u8>,
    /// The unit that is read, its bytes so far, and their hash.
    unit: usize,
    read: u64,
    hasher: Hasher,
}

impl<'a> Source<'a> {
    fn open(path: &'a Path, placed: &'a [Placed]) -> Result<Self, Error> {
        let file = File::open(path).map_err(|e| failed(path, e))?;
        Ok(Self { path, file, placed, buffer: vec![0; PIECE], unit: 0, read: 0, hasher: Hasher::default() })
    }

    fn rewind(&mut self) -> Result<(), Error> {
        (self.unit, self.read, self.hasher) = (0, 0, Hasher::default());
        self.file.rewind().map_err(|e| failed(self.path, e))
    }

    /// More bytes; none at the end.
    fn next(&mut self) -> Result<&[u8], Error> {
        let len = self.file.read(&mut self.buffer).map_err(|e| failed(self.path, e))?;
        let bytes = self.buffer.get(..len).unwrap_or_default();
        let mut rest = bytes;
        while let Some(unit) = self.placed.get(self.unit) {
            let left = usize::try_from(unit.len - self.read).unwrap_or(usize::MAX);
            let (of_unit, behind) = rest.split_at(left.min(rest.len()));
            self.hasher.update(of_unit);
            self.read += of_unit.len() as u64;
            rest = behind;
            if self.read < unit.len {
                break;
            }
            let hash = std::mem::take(&mut self.hasher).finish();
            if !unit.is_gap() && hash != unit.hash {
                return Err(damaged(self.path));
            }
            (self.unit, self.read) = (self.unit + 1, 0);
        }
        let is_short = len == 0 && self.unit < self.placed.len();
        if is_short || !rest.is_empty() {
            return Err(damaged(self.path));
        }
        Ok(bytes)
    }
}

fn shown(path: &Path) -> String {
    hls_fetch::escaped(&path.display().to_string(), 300)
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::state(hls_state::Error::from_io("can't read", path, error))
}

fn damaged(path: &Path) -> Error {
    Error::new(Kind::Local, "disk.damaged", "what was verified has changed on the disk")
        .at(shown(path))
        .next("run the same command again: what is damaged is fetched again")
}

/// What can't be in an MP4 stays in its tracks.
fn refused_track(path: &Path, label: &str, error: RemuxError) -> Error {
    let what = if label.is_empty() { String::new() } else { format!("{}: ", hls_fetch::escaped(label, 80)) };
    Error::new(Kind::Content, error.code(), format!("{what}{error}"))
        .at(shown(path))
        .why("all of it was fetched and verified, and can't be made into one MP4")
        .next("--format join with another name keeps the bytes as they come")
}

fn refused(step: &Step, product: &Product, error: RemuxError) -> Error {
    let input = match error {
        RemuxError::Differs { input } => input,
        _ => 0,
    };
    let number = product.tracks.get(input).copied().unwrap_or_default();
    let path = step.making.tracks().get(number).map(|path| path.as_path()).unwrap_or(Path::new(""));
    refused_track(path, step.tracks.0.get(number).map_or("", |track| &track.label), error)
}

/// Says what is odd in the timing; all of it is in the output as it is in the stream.
fn tell(step: &Step, product: &Product, findings: &[Finding], more: u64, told: &Told<'_>) {
    for finding in findings.iter().take(MOST_FINDINGS) {
        let track = product.tracks.get(finding.input).and_then(|n| step.tracks.0.get(*n));
        let label = track.map_or(String::new(), |track| hls_fetch::escaped(&track.label, 80));
        let of = if label.is_empty() { String::new() } else { format!("{label}, ") };
        told.warn(format!(
            "{of}segment {}, at {:.3} s: {}",
            finding.unit,
            finding.at.as_secs_f64(),
            finding.what
        ));
    }
    let rest = findings.len().saturating_sub(MOST_FINDINGS) as u64 + more;
    if rest > 0 {
        told.warn(format!("{rest} more like these in the timing"));
    }
}

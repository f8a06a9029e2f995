//! Whether a file is whole: held to its manifest, or else to its container.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use hls_media::{Container, Inspector, Kind as Holds, Lookahead, MediaError, Problem};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Kind};
use crate::manifest::format::{Entry, Manifest, Part, Sha, broken, manifest_path, shown, unreadable};
use crate::store::gap_report;

const PIECE: usize = 1 << 20;

/// A file that is whole, and what that was proved by.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// Its bytes.
    pub bytes: u64,
    /// What proved it.
    pub by: Proof,
    /// Segments that the download could not fetch, by its manifest or its report of gaps.
    pub gaps: u64,
}

/// What proved that a file is whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Proof {
    /// Every byte is what it was when it was downloaded.
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Segments that were compared, initialisation sections included.
        segments: u64,
        /// Segments that could not be had when it was downloaded: it is as it was then, and lacks these.
        gaps: u64,
        /// The hash of the file, in hexadecimal digits.
        sha256: String,
    },
    /// Its outer structure holds from the first byte to the last.
    Container {
        /// The container.
        name: String,
        /// What that can and can't prove, in words.
        means: &'static str,
    },
}

/// A file that is not whole, or can't be judged.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unverified {
    /// Why.
    pub error: Error,
    /// The first segment that is not what it has to be, where there is a manifest.
    pub first_difference: Option<Difference>,
    /// What is wrong with it, as far as its container tells.
    pub problems: Vec<Wrong>,
}

/// Something that is wrong with a file by its container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wrong {
    /// A short name of its kind, for scripts.
    pub name: &'static str,
    /// The number of the track.
    pub track: Option<u32>,
    /// Where it is seen first, in bytes.
    pub at: Option<u64>,
    /// How many samples have it.
    pub samples: Option<u64>,
    /// What it is, in words.
    pub message: String,
}

impl Wrong {
    fn of(problem: &Problem) -> Self {
        let samples = match problem {
            Problem::Samples { count, .. } => Some(*count),
            _ => None,
        };
        let message = problem.to_string();
        Self { name: problem.name(), track: problem.track(), at: problem.place(), samples, message }
    }
}

/// A segment that is not what it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The track.
    pub track: u8,
    /// Its number in the track; none for an initialisation section.
    pub index: Option<u64>,
    /// Its media sequence number.
    pub sequence: Option<u64>,
    /// Where its first byte is.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

impl From<Error> for Unverified {
    fn from(error: Error) -> Self {
        Self { error, first_difference: None, problems: Vec::new() }
    }
}

/// Reads a file from its first byte to its last and holds it to its manifest: the one given, or else the one beside it that
/// is named after it. Without one its container is checked. Blocks until all is read; takes the same memory for any file.
///
/// # Errors
/// The file is not whole, it or its manifest can't be read, or the manifest is broken or of a newer version.
pub fn verify(path: &Path, manifest: Option<&Path>) -> Result<Verified, Unverified> {
    let file = open(path)?;
    let beside = manifest_path(path);
    match manifest.or_else(|| std::fs::symlink_metadata(&beside).is_ok().then_some(beside.as_path())) {
        Some(manifest) => by_manifest(file, path, manifest),
        None => by_container(file, path),
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let failed = |e| {
        let error = unreadable(path, "file.missing", &e);
        match hls_state::unfinished(path) {
            Some(_) => error.next("its download is not finished: hls jobs shows how to go on"),
            None => error,
        }
    };
    // What is no file is not opened: a pipe would wait for whoever writes to it.
    let is_file = std::fs::metadata(path).map_err(failed)?.is_file();
    if !is_file {
        return Err(Error::new(Kind::Local, "disk.io", format!("{} is not a regular file", shown(path))));
    }
    File::open(path).map_err(failed)
}

fn by_manifest(mut file: File, path: &Path, manifest: &Path) -> Result<Verified, Unverified> {
    let (expected, segments) = Manifest::read(manifest)?.of_file(path, manifest)?;
    let mut whole = Sha256::new();
    let mut buffer = vec![0; PIECE];
    for entry in &segments {
        let mut hasher = Sha256::new();
        let mut left = entry.length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let got = read(&mut file, buffer.get_mut(..most).unwrap_or_default(), path)?;
            let piece = buffer.get(..got).unwrap_or_default();
            if piece.is_empty() {
                let end = entry.offset + (entry.length - left);
                let what = format!("the file ends at byte {end} of {}", expected.length);
                return Err(differs(path, entry, &what));
            }
            hasher.update(piece);
            whole.update(piece);
            left -= got as u64;
        }
        if Sha::of(hasher) != entry.sha256 {
            return Err(differs(path, entry, "its bytes are not those that were downloaded"));
        }
    }
    if read(&mut file, &mut buffer, path)? > 0 {
        let message = format!("{} goes on after its end, byte {}", shown(path), expected.length);
        return Err(Error::new(Kind::Content, "file.differs", message).next(AGAIN).into());
    }
    let sha256 = Sha::of(whole);
    if sha256 != expected.sha256 {
        return Err(broken(manifest, "its segments hold, and the hash of the whole file does not").into());
    }
    let gaps = segments.iter().filter(|entry| entry.kind == Part::Gap).count() as u64;
    let (segments, sha256) = (segments.len() as u64 - gaps, sha256.to_string());
    let by = Proof::Manifest { path: manifest.to_owned(), segments, gaps, sha256 };
    Ok(Verified { bytes: expected.length, by, gaps })
}

const AGAIN: &str = "download it again: hls get ... --force replaces it";
const ON_ONE_TIMELINE: &str =
    "a stream whose timestamps begin anew is right as an MP4, on one timeline: hls get ... -o NAME.mp4";

fn differs(path: &Path, entry: &Entry, what: &str) -> Unverified {
    let name = match (entry.index, entry.sequence) {
        (Some(index), Some(sequence)) => format!("segment {index} (sequence {sequence})"),
        (Some(index), None) => format!("segment {index}"),
        (None, _) => "the initialization section".to_owned(),
    };
    let message = format!("{name} of track {} differs", entry.track);
    let end = entry.offset + entry.length;
    let place = format!("bytes {} to {} of {}", entry.offset, end.saturating_sub(1), shown(path));
    let error = Error::new(Kind::Content, "file.differs", message).at(place).why(what).next(AGAIN);
    let Entry { track, index, sequence, offset, length, .. } = *entry;
    let first_difference = Some(Difference { track, index, sequence, offset, length });
    Unverified { error, first_difference, problems: Vec::new() }
}

fn by_container(mut file: File, path: &Path) -> Result<Verified, Unverified> {
    let mut inspector = Inspector::with_lookahead(look_ahead(&mut file, path)?);
    let mut buffer = vec![0; PIECE];
    loop {
        let got = read(&mut file, &mut buffer, path)?;
        if got == 0 {
            break;
        }
        inspector.push(buffer.get(..got).unwrap_or_default()).map_err(|e| damaged(path, &e))?;
    }
    let (summary, problems) = inspector.finish().map_err(|e| damaged(path, &e))?;
    let missing = match (summary.container, summary.kind) {
        (Container::Fmp4, Holds::Init) => Some("moof"),
        (Container::Fmp4, Holds::Media) => Some("moov"),
        _ => None,
    };
    if let Some(name) = missing {
        return Err(damaged(path, &MediaError::MissingBox { name }).into());
    }
    let gaps = gap_report::reported(path);
    // What is known to be missing is no news.
    let is_news = |problem: &&Problem| gaps == 0 || !matches!(problem, Problem::Hole { .. });
    let problems = problems.iter().filter(is_news).collect::<Vec<_>>();
    if !problems.is_empty() {
        let is_damaged = problems.iter().any(|problem| matches!(problem, Problem::Odd { .. }));
        let (code, word) = if is_damaged { ("content.damaged", "whole") } else { ("content.wrong", "right") };
        let why = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let message = format!("{} is not {word}", shown(path));
        let why = hls_fetch::escaped(&why, 1000);
        // The same bytes would come again.
        let begins_anew = problems.iter().all(|problem| matches!(problem, Problem::Back { .. }));
        let next = if begins_anew { ON_ONE_TIMELINE } else { AGAIN };
        let problems = problems.into_iter().map(Wrong::of).collect();
        let error = Error::new(Kind::Content, code, message).why(why).next(next);
        return Err(Unverified { error, first_difference: None, problems });
    }
    let by = Proof::Container { name: summary.container.to_string(), means: means(summary.container) };
    Ok(Verified { bytes: summary.bytes, by, gaps })
}

/// Reads the tables that stand behind samples, and goes back to the first byte.
fn look_ahead(file: &mut File, path: &Path) -> Result<Lookahead, Error> {
    let failed = |e| unreadable(path, "disk.io", &e);
    let mut ahead = Lookahead::new(file.metadata().map_err(failed)?.len());
    while let Some(range) = ahead.wants() {
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(range.end - range.start).read_to_end(&mut bytes).map_err(failed)?;
        ahead.take(&bytes);
    }
    file.rewind().map_err(failed)?;
    Ok(ahead)
}

/// What the check of a container proves, and what it can't.
fn means(container: Container) -> &'static str {
    match container {
        Container::MpegTs => {
            "every packet begins in its place, the last one is whole, and timestamps go on from the first to the last; what is in \
             them can't be told without a manifest"
        }
        Container::Fmp4 => {
            "every box ends where it says, samples are where the tables say and what their sample entries say, as far as they can be \
             told without being decoded, and their times go on from the first to the last; whether every byte is right can't be told \
             without a manifest"
        }
        Container::WebVtt => "it begins as WebVTT has to; the rest can't be told without a manifest",
        _ => {
            "every frame begins where the one before ends and the last one is whole; what is in them, and frames that are \
             missing, can't be told without a manifest"
        }
    }
}

fn damaged(path: &Path, error: &MediaError) -> Error {
    let code = match error {
        MediaError::NotMedia { .. } | MediaError::Unrecognised { .. } => "content.not_media",
        _ => "content.damaged",
    };
    let why = hls_fetch::escaped(&error.to_string(), 300);
    Error::new(Kind::Content, code, format!("{} is not whole", shown(path))).why(why).next(AGAIN)
}

fn read(file: &mut File, buffer: &mut [u8], path: &Path) -> Result<usize, Error> {
    loop {
        match file.read(buffer) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(path, "disk.io", &e)),
            Ok(got) => return Ok(got),
        }
    }
}

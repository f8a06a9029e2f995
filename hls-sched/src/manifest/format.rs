//! The manifest of a download: what every byte of it has to be, so that it can be proved later.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use hls_state::Beside;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Kind};

/// The format that is written.
const FORMAT: u32 = 0;
/// What a manifest begins with, and nothing else is likely to.
const MAGIC: &str = "{\"hls_manifest\":";
/// A larger file is no manifest: it would be one of ten million segments.
const LARGEST: u64 = 4 << 30;

/// The name of the manifest of an output: `movie.ts.json`.
#[must_use]
pub fn manifest_path(output: &Path) -> PathBuf {
    Beside::path(output, "json")
}

/// Whether there is a manifest: one that is there may be replaced by that of a later run, another file may not.
pub(crate) fn is_one(path: &Path) -> bool {
    Beside::begins_with(path, MAGIC)
}

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sha(pub(crate) [u8; 32]);

impl Sha {
    pub(crate) fn of(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Sha {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut hash = [0; 32];
        let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)).filter(|_| is_hex) {
            let digits = std::str::from_utf8(digits).map_err(D::Error::custom)?;
            *byte = u8::from_str_radix(digits, 16).map_err(D::Error::custom)?;
        }
        is_hex.then_some(Self(hash)).ok_or_else(|| D::Error::custom("not a SHA-256 hash"))
    }
}

/// What is at a place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    Segment,
    Init,
    /// Nothing: the segment could not be had.
    Gap,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Init => "init",
            Self::Gap => "gap",
        }
    }
}

/// A unit in a file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) track: u8,
    pub(crate) kind: Part,
    /// Number among the segments of the track; none for an initialisation section.
    pub(crate) index: Option<u64>,
    pub(crate) sequence: Option<u64>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) sha256: Sha,
}

/// A file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) track: u8,
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) sha256: Sha,
}

/// What a manifest says, but for what only people want to know.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) segments: Vec<Entry>,
    pub(crate) files: Vec<FileEntry>,
}

#[derive(Deserialize)]
struct Version {
    hls_manifest: u32,
}

impl Manifest {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let open = || -> Result<_, Error> {
            let file = File::open(path).map_err(|e| unreadable(path, "manifest.missing", &e))?;
            Ok(BufReader::with_capacity(64 << 10, file.take(LARGEST)))
        };
        let version: Version = serde_json::from_reader(open()?).map_err(|e| broken(path, &e.to_string()))?;
        if version.hls_manifest > FORMAT {
            let message = format!("the manifest has format {}, which is newer", version.hls_manifest);
            let error = Error::new(Kind::Newer, "manifest.newer", message).at(shown(path));
            return Err(error.next("use the newer version"));
        }
        serde_json::from_reader(open()?).map_err(|e| broken(path, &e.to_string()))
    }

    /// The file that is meant by a name, and what it is made of, from its first byte to its last.
    pub(crate) fn of_file(mut self, name: &Path, path: &Path) -> Result<(FileEntry, Vec<Entry>), Error> {
        let named = self.files.iter().position(|f| name.file_name().is_some_and(|n| *n == *f.name));
        // The only one may have another name by now.
        let found = named.or_else(|| (self.files.len() == 1).then_some(0));
        let file = found.map(|n| self.files.swap_remove(n)).ok_or_else(|| {
            let names: Vec<_> = self.files.iter().map(|f| hls_fetch::escaped(&f.name, 200)).collect();
            let message = format!("the manifest is about {}", names.join(", "));
            Error::new(Kind::Usage, "manifest.other", message).at(shown(path))
        })?;
        let mut segments = self.segments;
        segments.retain(|segment| segment.track == file.track);
        segments.sort_by_key(|segment| segment.offset);
        let end = segments.iter().try_fold(0_u64, |end, segment| {
            if segment.offset == end { end.checked_add(segment.length) } else { None }
        });
        match end == Some(file.length) {
            true => Ok((file, segments)),
            false => Err(broken(path, "its segments do not make up the file")),
        }
    }
}

/// Writes a manifest, unit by unit, then the files.
pub(crate) struct Lines<W> {
    out: W,
    first: bool,
}

impl<W: Write> Lines<W> {
    pub(crate) fn begin(mut out: W, source: &str) -> std::io::Result<Self> {
        writeln!(out, "{MAGIC}{FORMAT},\n\"source\":{},\n\"segments\":[", json!(source))?;
        Ok(Self { out, first: true })
    }

    pub(crate) fn segment(&mut self, entry: &Entry, url_path: &str) -> std::io::Result<()> {
        let separator = if std::mem::take(&mut self.first) { "" } else { ",\n" };
        let line = json!({
            "track": entry.track, "kind": entry.kind.name(),
            "index": entry.index, "sequence": entry.sequence, "offset": entry.offset,
            "length": entry.length, "sha256": entry.sha256.to_string(), "path": url_path,
        });
        write!(self.out, "{separator}{line}")
    }

    pub(crate) fn end(mut self, files: &[FileEntry]) -> std::io::Result<W> {
        write!(self.out, "\n],\n\"files\":[")?;
        for (n, file) in files.iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            let line = json!({
                "track": file.track, "name": file.name, "length": file.length,
                "sha256": file.sha256.to_string(),
            });
            write!(self.out, "{separator}\n{line}")?;
        }
        writeln!(self.out, "\n]}}")?;
        Ok(self.out)
    }
}

pub(crate) fn shown(path: &Path) -> String {
    hls_fetch::escaped(&path.display().to_string(), 300)
}

/// A file that can't be read.
pub(crate) fn unreadable(path: &Path, code: &str, error: &std::io::Error) -> Error {
    let code = if error.kind() == std::io::ErrorKind::NotFound { code } else { "disk.io" };
    Error::new(Kind::Local, code, format!("can't read {}", shown(path)))
        .why(hls_fetch::escaped(&error.to_string(), 200))
}

pub(crate) fn broken(path: &Path, why: &str) -> Error {
    Error::new(Kind::Local, "manifest.broken", "the manifest is broken, or no manifest of hls")
        .at(shown(path))
        .why(hls_fetch::escaped(why, 200))
        .next(
            "take it away, and the container alone is checked; or download the stream again with --manifest",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(track: u8, offset: u64, length: u64) -> Entry {
        let (index, sequence) = ((offset > 0).then_some(offset), Some(7));
        let kind = if index.is_some() { Part::Segment } else { Part::Init };
        Entry { track, kind, index, sequence, offset, length, sha256: Sha([offset as u8; 32]) }
    }

    fn written(entries: &[Entry], files: &[FileEntry]) -> String {
        let mut lines = Lines::begin(Vec::new(), "https://h/\"p\"").unwrap();
        entries.iter().for_each(|entry| lines.segment(entry, "/v/1.ts").unwrap());
        String::from_utf8(lines.end(files).unwrap()).unwrap()
    }

    fn file(track: u8, name: &str, length: u64) -> FileEntry {
        FileEntry { track, name: name.to_owned(), length, sha256: Sha([0xab; 32]) }
    }

    fn read(text: &str) -> Result<Manifest, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.json");
        std::fs::write(&path, text).unwrap();
        assert_eq!(is_one(&path), text.starts_with(MAGIC));
        Manifest::read(&path)
    }

    #[test]
    fn what_is_written_is_read() {
        let files = [file(0, "a.ts", 9), file(1, "a.aac", 5)];
        let text = written(&[entry(0, 0, 4), entry(0, 4, 5), entry(1, 0, 5)], &files);
        let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&whole["hls_manifest"], &whole["source"]), (&json!(0), &json!("https://h/\"p\"")));
        assert_eq!(whole["segments"][0]["kind"], "init");
        for (name, segments, length) in [("a.ts", 2, 9), ("d/a.aac", 1, 5)] {
            let (file, found) = read(&text).unwrap().of_file(Path::new(name), Path::new("m")).unwrap();
            assert_eq!(
                (found.len(), file.length, file.sha256),
                (segments, length, Sha([0xab; 32])),
                "{name}"
            );
        }
        let other = read(&text).unwrap().of_file(Path::new("b.ts"), Path::new("m")).unwrap_err();
        assert_eq!(other.code(), "manifest.other");
        let renamed = read(&written(&[entry(0, 0, 4)], &[file(0, "a.ts", 4)])).unwrap();
        assert!(renamed.of_file(Path::new("b.ts"), Path::new("m")).is_ok());
    }

    #[test]
    fn what_is_broken_is_named() {
        let good = written(&[entry(0, 0, 4), entry(0, 4, 5)], &[file(0, "a.ts", 9)]);
        for (text, code) in [
            (String::new(), "manifest.broken"),
            ("{\"title\": \"a film\"}".to_owned(), "manifest.broken"),
            (good[..good.len() / 2].to_owned(), "manifest.broken"),
            (good.replace("\"offset\":4", "\"offset\":5"), "manifest.broken"),
            (good.replace("\"offset\":4", "\"offset\":-4"), "manifest.broken"),
            (good.replace("\"length\":5", "\"length\":18446744073709551615"), "manifest.broken"),
            (good.replace("abab", "abag"), "manifest.broken"),
            (good.replace("\"hls_manifest\":0", "\"hls_manifest\":1"), "manifest.newer"),
            ("{\"hls_manifest\":9}".to_owned(), "manifest.newer"),
        ] {
            let read = read(&text).and_then(|m| m.of_file(Path::new("a.ts"), Path::new("m")));
            assert_eq!(read.err().map(|e| e.code().to_owned()).as_deref(), Some(code), "{text}");
        }
    }
}

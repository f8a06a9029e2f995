//! The manifest that is written before outputs get their names.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hls_state::{Beside, Error, Hasher, Layout, Placed, ResumeStore};
use sha2::{Digest as _, Sha256};

use crate::manifest::format::{Entry, FileEntry, Lines, Part, Sha, is_one, manifest_path};
use crate::policy::plan::Tracks;
use crate::store::observer::Watch;

/// Reads in pieces of this size.
const PIECE: usize = 1 << 20;

/// What a manifest is about.
pub(crate) struct About {
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) tracks: Arc<Tracks>,
    /// The URL of the playlist without query and credentials.
    pub(crate) source: String,
    pub(crate) replace: bool,
    pub(crate) sync: bool,
    /// For each output its units, in order.
    pub(crate) placed: Vec<Vec<Placed>>,
}

impl About {
    fn note(&mut self, placed: Placed) {
        let Some(units) = self.placed.get_mut(usize::from(placed.output)) else { return };
        // A unit that is placed again replaces the one that was there.
        match units.iter_mut().rev().find(|known| known.index <= placed.index) {
            Some(known) if known.index == placed.index => *known = placed,
            _ => {
                let at = units.partition_point(|known| known.index < placed.index);
                units.insert(at, placed);
            }
        }
    }

    /// Hashes the outputs, where they lie now, and writes the manifest beside the main one.
    pub(crate) fn write(&self, lies_at: impl Fn(usize) -> PathBuf) -> Result<(), Error> {
        let Some(main) = self.outputs.first() else { return Ok(()) };
        let mut manifest = Beside::create(main, "json")?;
        match self.write_into(&mut manifest, lies_at) {
            Ok(()) => {}
            Err(error) => {
                manifest.discard();
                return Err(error);
            }
        }
        let replace = self.replace || is_one(&manifest_path(main));
        manifest.commit(replace, self.sync).map(|_| ())
    }

    fn write_into(&self, out: &mut Beside, lies_at: impl Fn(usize) -> PathBuf) -> Result<(), Error> {
        let to = manifest_path(self.outputs.first().map(PathBuf::as_path).unwrap_or(Path::new("")));
        let failed = |e| Error::from_io("can't write", &to, e);
        let mut lines = Lines::begin(out, &self.source).map_err(failed)?;
        let mut files = Vec::new();
        for ((n, output), units) in (0..).zip(&self.outputs).zip(&self.placed) {
            let path = lies_at(usize::from(n));
            let mut reader = Reader::open(&path)?;
            for placed in units {
                let sha256 = reader.hash(placed)?;
                let Some(unit) = self.tracks.0.get(usize::from(n)).and_then(|t| t.unit(placed.index)) else {
                    continue;
                };
                let (offset, length) = (placed.offset, placed.len);
                let index = (!unit.is_init).then_some(unit.number);
                let sequence = Some(unit.sequence);
                let kind = match unit.is_init {
                    _ if placed.is_gap() => Part::Gap,
                    true => Part::Init,
                    false => Part::Segment,
                };
                let entry = Entry { track: n, kind, index, sequence, offset, length, sha256 };
                lines.segment(&entry, &hls_fetch::redacted_path(unit.url.path())).map_err(failed)?;
            }
            let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push(FileEntry { track: n, name, length: reader.offset, sha256: reader.end()? });
        }
        lines.end(&files).map_err(failed)?;
        Ok(())
    }
}

/// An output that is read once, from its first byte to its last.
struct Reader<'a> {
    path: &'a Path,
    file: File,
    offset: u64,
    whole: Sha256,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let file = hls_state::open_to_read(path).map_err(|e| Error::from_io("can't read", path, e))?;
        Ok(Self { path, file, offset: 0, whole: Sha256::new(), buffer: vec![0; PIECE] })
    }

    /// Hashes the next unit, and holds it to what was noted when it was verified.
    fn hash(&mut self, placed: &Placed) -> Result<Sha, Error> {
        let (mut known, mut sha) = (Hasher::default(), Sha256::new());
        let mut left = placed.len;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = self.buffer.get_mut(..most).unwrap_or_default();
            self.file.read_exact(piece).map_err(|e| Error::from_io("can't read", self.path, e))?;
            known.update(piece);
            sha.update(&*piece);
            self.whole.update(&*piece);
            left -= most as u64;
        }
        if self.offset != placed.offset || known.finish() != placed.hash {
            let other = std::io::Error::other("what is read is not what was written");
            return Err(Error::from_io("can't trust", self.path, other));
        }
        self.offset += placed.len;
        Ok(Sha::of(sha))
    }

    fn end(mut self) -> Result<Sha, Error> {
        match self.file.read(&mut self.buffer) {
            Ok(0) => Ok(Sha::of(self.whole)),
            Ok(_) => {
                let more = std::io::Error::other("there is more than was written");
                Err(Error::from_io("can't trust", self.path, more))
            }
            Err(e) => Err(Error::from_io("can't read", self.path, e)),
        }
    }
}

/// Notes where each unit lies, and at the end hashes what is on the disk: what was placed by an earlier run too.
impl Watch for About {
    fn placed(&mut self, placed: Placed) {
        self.note(placed);
    }

    fn finishes(&mut self, _: &mut dyn ResumeStore) -> Result<(), Error> {
        let layout = Layout::new(self.outputs.clone());
        self.write(|n| layout.as_ref().map(|l| l.part(n)).unwrap_or_default())
    }
}

/// How many bytes a file has, and their hash.
pub(crate) fn sum_of_file(path: &Path) -> Result<(u64, Sha), Error> {
    let mut file = hls_state::open_to_read(path).map_err(|e| Error::from_io("can't read", path, e))?;
    let (mut sum, mut len, mut buffer) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut buffer).map_err(|e| Error::from_io("can't read", path, e))?;
        if read == 0 {
            return Ok((len, Sha::of(sum)));
        }
        sum.update(buffer.get(..read).unwrap_or_default());
        len += read as u64;
    }
}

/// Writes the manifest of outputs that are no segments one behind the other.
pub(crate) fn write_of_files(
    main: &Path,
    source: &str,
    files: &[FileEntry],
    (replace, sync): (bool, bool),
) -> Result<(), Error> {
    let to = manifest_path(main);
    let mut out = Beside::create(main, "json")?;
    let lines = Lines::begin(&mut out, source).and_then(|lines| lines.end(files).map(drop));
    if let Err(error) = lines {
        out.discard();
        return Err(Error::from_io("can't write", &to, error));
    }
    out.commit(replace || is_one(&to), sync).map(drop)
}

/// The earlier run had done all but the last renames: what it left has its names by now.
pub(crate) async fn manifest_of_finished(about: About) -> Result<(), crate::error::Error> {
    let written = tokio::task::spawn_blocking(move || {
        about.write(|n| about.outputs.get(n).cloned().unwrap_or_default())
    });
    let gone = |_| {
        crate::error::Error::new(
            crate::error::Kind::Internal,
            "internal",
            "the manifest could not be written",
        )
    };
    written.await.map_err(gone)?.map_err(crate::error::Error::state)
}

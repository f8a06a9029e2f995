//! Where things lie: everything beside the output, nothing in a temporary folder elsewhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The paths of a job.
#[derive(Clone, Debug)]
pub struct Layout {
    outputs: Vec<PathBuf>,
    /// What is made of those of the outputs that are tracks, and so no more than material.
    made: Vec<PathBuf>,
    folder: PathBuf,
}

impl Layout {
    /// The layout for these outputs; the first one is the main output and names the job's folder.
    ///
    /// Returns `None` where there is no output or one has no file name.
    #[must_use]
    pub fn new(outputs: Vec<PathBuf>) -> Option<Self> {
        let named = !outputs.is_empty() && outputs.iter().all(|o| o.file_name().is_some());
        let folder = suffixed(outputs.first()?, ".hls");
        named.then_some(Self { outputs, made: Vec::new(), folder })
    }

    /// The layout of a job whose files are made of others, its tracks, which lie in its folder under these names. Where there
    /// is no name in the place of a file, that file is an output: units go to it, and nothing is made.
    ///
    /// Returns `None` as [`new`](Self::new) does, where a name is not that of a [track](Self::track), and where there is none.
    #[must_use]
    pub fn of_tracks(files: Vec<PathBuf>, tracks: &[Option<String>]) -> Option<Self> {
        let Self { outputs: files, folder, .. } = Self::new(files)?;
        let fits = |name: &String| is_track(name) && !name.contains(['/', '\\', '\0']);
        let named = tracks.iter().any(Option::is_some) && tracks.iter().flatten().all(fits);
        let place = |(n, name): (usize, &Option<String>)| match name {
            Some(name) => Some(folder.join(name)),
            None => files.get(n).cloned(),
        };
        let outputs = tracks.iter().enumerate().map(place).collect::<Option<Vec<_>>>()?;
        let is_made = |n: usize| tracks.get(n).is_none_or(Option::is_some);
        let made = (0..).zip(files).filter(|(n, _)| is_made(*n)).map(|(_, file)| file).collect();
        named.then_some(Self { outputs, made, folder })
    }

    /// The name of a track with this number and this extension.
    #[must_use]
    pub fn track(number: usize, extension: &str) -> String {
        format!("{TRACK}{number}.{extension}")
    }

    /// Whether a file in the folder of a job is called as its tracks are.
    #[must_use]
    pub fn is_track_name(name: &std::ffi::OsStr) -> bool {
        name.to_str().is_some_and(is_track)
    }

    /// Whether an earlier run has left a log.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.log().exists() || self.gapped_log().exists()
    }

    /// What is made of tracks; empty where nothing is.
    #[must_use]
    pub fn made(&self) -> &[PathBuf] {
        &self.made
    }

    /// Where one of these grows.
    #[must_use]
    pub fn made_part(&self, number: usize) -> PathBuf {
        self.made.get(number).map(|o| suffixed(o, ".part")).unwrap_or_default()
    }

    /// What was made, as long as it may have to be known again.
    pub(crate) fn made_note(&self) -> PathBuf {
        self.folder.join("made")
    }

    /// The final names.
    #[must_use]
    pub fn outputs(&self) -> &[PathBuf] {
        &self.outputs
    }

    /// Where an output grows.
    #[must_use]
    pub fn part(&self, output: usize) -> PathBuf {
        self.outputs.get(output).map(|o| suffixed(o, ".part")).unwrap_or_default()
    }

    /// Whether an output is a track: nobody's result.
    pub(crate) fn is_track(&self, output: usize) -> bool {
        !self.made.is_empty() && self.outputs.get(output).is_some_and(|o| o.parent() == Some(&self.folder))
    }

    /// The outputs that are somebody's result.
    pub(crate) fn results(&self) -> impl Iterator<Item = &PathBuf> {
        let all = self.outputs.iter().enumerate();
        all.filter(|(n, _)| !self.is_track(*n)).map(|(_, output)| output)
    }

    /// The folder of the job's state.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("written")
    }

    /// The log of outputs that have their names and lack units.
    pub(crate) fn gapped_log(&self) -> PathBuf {
        self.folder.join("gapped")
    }

    pub(crate) fn memo(&self) -> PathBuf {
        self.folder.join("job")
    }

    pub(crate) fn position(&self) -> PathBuf {
        self.folder.join("last")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.folder.join("index")
    }

    /// The folder in which an output lies; never empty.
    pub(crate) fn parent(path: &Path) -> &Path {
        path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
    }
}

/// What names of tracks begin with.
const TRACK: &str = "track-";

/// Whether a file in the folder of a job is a track, whole or growing.
pub(crate) fn is_track(name: &str) -> bool {
    name.starts_with(TRACK)
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

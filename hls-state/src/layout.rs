//! Where things lie: everything beside the output, nothing in a temporary folder elsewhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The paths of a job.
#[derive(Clone, Debug)]
pub struct Layout {
    outputs: Vec<PathBuf>,
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
        named.then_some(Self { outputs, folder })
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

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

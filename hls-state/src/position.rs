//! Where a finished output ended, for a job that goes on behind it in another file.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::error::Context as _;
use crate::{Error, Layout, sys};

/// A longer one is not ours, in bytes.
const LARGEST: u64 = 64 << 10;

/// Words of the engine that stay behind a finished output, in the file `last` of its folder of state, and nothing else with
/// them. Losing them loses nothing but the knowledge of what came between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(pub BTreeMap<String, String>);

impl Position {
    /// What stayed behind an output; nothing where that is missing, damaged or somebody else's.
    #[must_use]
    pub fn of(output: &Path) -> Option<Self> {
        let layout = Layout::new(vec![output.to_owned()])?;
        let file = sys::open_options(true).read(true).open(layout.position()).ok()?;
        if !sys::is_ours_alone(&file) || !sys::is_folder_of_ours(layout.folder()) {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok().map(Self)
    }

    /// Puts it behind a finished output.
    ///
    /// # Errors
    /// I/O errors.
    pub fn keep(&self, output: &Path) -> Result<(), Error> {
        let Some(layout) = Layout::new(vec![output.to_owned()]) else { return Ok(()) };
        match sys::create_private_folder(layout.folder()) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::from_io("can't create", layout.folder(), error));
            }
            _ => {}
        }
        let (path, fresh) = (layout.position(), layout.position().with_extension("new"));
        let _ = std::fs::remove_file(&fresh);
        let mut options = sys::open_options(true);
        let file = options.write(true).create_new(true).open(&fresh).at("can't create", &fresh)?;
        let text = serde_json::to_vec(&self.0).unwrap_or_default();
        sys::write_all_at(&file, &text, 0).at("can't write", &fresh)?;
        std::fs::rename(&fresh, &path).at("can't rename", &fresh)
    }

    /// Takes away what stayed behind an output; it is no longer the last one.
    pub fn forget(output: &Path) {
        let Some(layout) = Layout::new(vec![output.to_owned()]) else { return };
        let _ = std::fs::remove_file(layout.position());
        // What else may lie there is somebody's.
        let _ = std::fs::remove_dir(layout.folder());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a.ts");
        assert_eq!(Position::of(&output), None);
        for sequence in ["1", "2"] {
            let position = Position([("next".to_owned(), sequence.to_owned())].into());
            position.keep(&output).unwrap();
            assert_eq!(Position::of(&output), Some(position));
        }
        assert!(crate::unfinished(&output).is_none(), "nothing is unfinished there");
        Position::forget(&output);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

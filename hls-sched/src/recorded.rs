//! Recordings that are finished: the part that comes next, and what it has to know of the last one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hls_state::Position;

use crate::live::Window;
use crate::name;

/// More parts than this are somebody else's files.
const MOST: u32 = 100_000;

/// The part of a recording that is written next.
#[derive(Debug)]
pub(crate) struct NextPart {
    pub(crate) path: PathBuf,
    pub(crate) number: u32,
    /// The one before, where its stream had not ended.
    pub(crate) behind: Option<PathBuf>,
}

/// The first part of which there is no file yet; the output itself, where that is no recording that was ended before its
/// stream.
pub(crate) fn next_part(output: &Path, replaces: bool) -> NextPart {
    let mut next = NextPart { path: output.to_owned(), number: 1, behind: None };
    if replaces {
        return next;
    }
    while next.number < MOST && std::fs::symlink_metadata(&next.path).is_ok() {
        let number = next.number + 1;
        let path = name::numbered(output, number);
        let goes_on = Position::of(&next.path).is_some();
        // Of several parts only the last one says that it is one.
        if !goes_on && std::fs::symlink_metadata(&path).is_err() && !is_unfinished(&path) {
            if next.number > 1 {
                // The stream has ended with this part.
                return NextPart { path: output.to_owned(), number: 1, behind: None };
            }
            return next;
        }
        next = NextPart { behind: goes_on.then_some(next.path), path, number };
    }
    next
}

/// A part that is not finished.
fn is_unfinished(path: &Path) -> bool {
    hls_state::unfinished(path).is_some()
}

/// Whether there is a recording to go on with: in a part that is not finished, or behind one that is.
pub(crate) fn has_begun(output: &Path, replaces: bool) -> bool {
    let next = next_part(output, replaces);
    next.behind.is_some() || !hls_state::notes_of(&next.path).is_empty()
}

/// What stays behind a part: for each track how often its numbers had begun anew, which is next, and when the last one ended.
pub(crate) fn position(windows: &[Window]) -> Position {
    let mut fields = BTreeMap::new();
    for (n, window) in windows.iter().enumerate() {
        let Some(next) = window.next() else { continue };
        let end = window.end_date().map(|at| at.to_string()).unwrap_or_default();
        fields.insert(n.to_string(), format!("{} {next} {end}", window.epoch()));
    }
    Position(fields)
}

/// The windows that go on behind a part, in the order of its tracks.
pub(crate) fn windows(position: &Position, tracks: usize) -> Option<Vec<Window>> {
    let window = |n: usize| {
        let mut fields = position.0.get(&n.to_string())?.split(' ');
        let (epoch, next) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let end = fields.next().and_then(|at| at.parse().ok());
        Some(Window::behind(epoch, next, end))
    };
    (0..tracks).map(window).collect()
}

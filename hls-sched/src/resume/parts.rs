//! Recordings that are finished: the part that comes next, and what it has to know of the last one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hls_state::{Condition, Position};

use crate::policy::live::Window;
use crate::policy::name;

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

/// The part that comes next, of those behind the `seen_to` first ones: one that is all there and was not finished, else the first of
/// which there is no file yet; the output itself, where that is no recording that was ended before its stream.
pub(crate) fn next_part(output: &Path, replaces: bool, seen_to: u32) -> NextPart {
    let mut next = NextPart { path: output.to_owned(), number: 1, behind: None };
    if replaces {
        let number = seen_to + 1;
        return NextPart { path: name::numbered(output, number), number, behind: None };
    }
    while next.number < MOST {
        let is_seen_to = next.number <= seen_to;
        let is_free = || std::fs::symlink_metadata(&next.path).is_err();
        if !is_seen_to && (is_whole(&next.path) || is_free()) {
            return next;
        }
        let number = next.number + 1;
        let path = name::numbered(output, number);
        let says_so = Position::of(&next.path).is_some();
        let goes_on = says_so || is_seen_to;
        // Of several parts only the last one says that it is one.
        if !goes_on && std::fs::symlink_metadata(&path).is_err() && !is_unfinished(&path) {
            if next.number > 1 {
                // The stream has ended with this part.
                return NextPart { path: output.to_owned(), number: 1, behind: None };
            }
            return next;
        }
        next = NextPart { behind: says_so.then_some(next.path), path, number };
    }
    next
}

/// A part that has all it can have, and that its run was killed over, or could not finish.
fn is_whole(path: &Path) -> bool {
    hls_state::unfinished(path).is_some_and(|job| matches!(job.condition, Condition::Complete { .. }))
}

/// A part that is not finished.
fn is_unfinished(path: &Path) -> bool {
    hls_state::unfinished(path).is_some()
}

/// Whether there is a recording to go on with: in a part that is not finished, or behind one that is.
pub(crate) fn has_begun(output: &Path, replaces: bool) -> bool {
    let next = next_part(output, replaces, 0);
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

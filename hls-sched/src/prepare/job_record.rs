//! What a job keeps of itself for whoever lists unfinished jobs.

use std::path::Path;

use hls_state::{Ended, Expected, Memo};
use url::Position;

use crate::config::{Config, Input};
use crate::error::Error;
use crate::policy::plan::Tracks;
use crate::policy::remembered::Choice;
use crate::prepare::Ends;

/// The memo of a job that begins.
pub(crate) fn of(config: &Config, choice: Option<Choice>, ends: &Ends, tracks: &Tracks) -> Memo {
    let mut memo = Memo::default();
    memo.choice = choice.map(Choice::into_fields).unwrap_or_default();
    let (url, source) = (config.url(), source(config));
    memo.source_is_whole = matches!(config.input, Input::Url(_))
        && source == url[..url::Position::AfterPath]
        && url.query().is_none();
    memo.source = source;
    memo.options = config.options.clone();
    memo.remembered = config.remembered.clone();
    let of_file = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = ends.outputs.first().map(|main| of_file(main)).unwrap_or_default();
    memo.outputs = (0..)
        .zip(&tracks.0)
        .map(|(n, track)| {
            // Tracks that are no outputs lie in the folder of the job.
            let name = match ends.tracks.get(n).and_then(Option::as_ref) {
                Some(name) => format!("{folder}.hls/{name}"),
                None => ends.outputs.get(n).map(|path| of_file(path)).unwrap_or_default(),
            };
            let mut expected = Expected::new(name, track.units(), track.init_places());
            expected.estimated_bytes = track.estimated_bytes();
            expected
        })
        .collect();
    memo
}

/// Compares a job with what an earlier run of it kept: a list that has lost segments is no reason to end earlier.
///
/// # Errors
/// The same tracks have fewer units than they had. What is kept is how many those were.
pub(crate) fn is_as_long(now: &mut Memo, output: &Path) -> Result<(), Error> {
    let Some(earlier) = Memo::of(output).filter(|earlier| earlier.choice == now.choice) else {
        return Ok(());
    };
    // What is read from a file may be anything.
    let segments = |of: &Expected| of.units.saturating_sub(of.uncounted.len() as u64);
    let pairs = earlier.outputs.iter().zip(&now.outputs);
    match pairs.filter(|(was, is)| was.name == is.name).find(|(was, is)| was.units > is.units) {
        Some((was, is)) => {
            let (was, is) = (segments(was), segments(is));
            now.outputs = earlier.outputs;
            Err(Error::stream_changed(
                is,
                &format!("the playlist listed {was} segments then, and lists {is} now"),
            ))
        }
        None => Ok(()),
    }
}

/// Where a job's bytes come from: scheme, host and path, without what may be secret.
pub(crate) fn source(config: &Config) -> String {
    // These fail only where a URL can't have them.
    let mut source = config.url().clone();
    let _ = source.set_username("");
    let _ = source.set_password(None);
    let path = hls_fetch::redacted_path(source.path());
    format!("{}{path}", &source[..Position::BeforePath])
}

/// How a job ended that a later run may complete, for its memo.
pub(crate) fn ended_with_gaps(gaps: usize) -> Ended {
    Ended::new("segment.gap", format!("finished without {gaps} of its segments"))
}

/// How a job ended, for its memo.
pub(crate) fn ended(error: &Error) -> Ended {
    Ended::new(error.code(), error.to_string())
}

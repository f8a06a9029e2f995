//! What outputs are made of tracks, decided before anything is fetched.

use std::path::Path;

use hls_media::Container;
use hls_media::remux::Takes;

use super::{Chosen, Role, Selection};
use crate::config::Format;
use crate::policy::extension::{Made, extension, text_of};

/// What a job's outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// Each is the bytes of a track.
    Joined,
    /// Subtitles are merged, beside others that are the bytes of a track.
    Beside,
    /// All are made of tracks.
    Made(Made),
}

/// An output that is made of tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) made: Made,
    /// Which of the outputs it is.
    pub(crate) output: usize,
    /// Which tracks. Of an MP4 the first has the chapters; of subtitles the first are they, and the others tell the time.
    pub(crate) tracks: Vec<usize>,
}

/// What outputs of this name are.
pub(crate) fn outputs_of(format: Format, path: &Path, selection: &Selection) -> Outputs {
    let chosen = &selection.chosen;
    let is_mp4 = match format {
        Format::Join | Format::Ts => false,
        Format::Mp4 => true,
        Format::Auto => matches!(extension(path).as_str(), "mp4" | "m4v" | "mov" | "m4a"),
    };
    let is_text = Chosen::is_text;
    if is_mp4 {
        return if chosen.iter().all(is_text) { Outputs::Joined } else { Outputs::Made(Made::Mp4) };
    }
    if format != Format::Auto || chosen.is_empty() {
        return Outputs::Joined;
    }
    match text_of(path).filter(|_| chosen.iter().all(|one| is_text(one) || one.role == Role::Clock)) {
        Some(text) => Outputs::Made(text),
        None if chosen.len() > 1 && chosen.iter().any(is_text) => Outputs::Beside,
        None => Outputs::Joined,
    }
}

/// Whether an older release would have joined a film that is made into an MP4 now: one track of fragmented MP4 with one
/// initialization section.
pub(crate) fn was_joined(selection: &Selection) -> bool {
    let is_one = |one: &Chosen| {
        one.container == Container::Fmp4 && !one.track.has_several_inits() && !is_partly_taken(one)
    };
    selection.films.iter().all(|film| film.tracks.len() == 1) && selection.chosen.iter().all(is_one)
}

/// Whether something that may be in the segments is not wanted.
pub(crate) fn is_partly_taken(chosen: &Chosen) -> bool {
    chosen.about.takes != Takes::All
}

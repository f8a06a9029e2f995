//! What the extension of an output says.

use std::path::Path;

/// What an output is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    Mp4,
    Vtt,
    Srt,
}

/// Whether a name says that subtitles alone are wanted.
pub(crate) fn is_text(path: &Path) -> bool {
    text_of(path).is_some()
}

/// Whether a name says that sound alone is wanted.
pub(crate) fn is_sound(path: &Path) -> bool {
    extension(path) == "m4a"
}

/// Returns the form of subtitles that a name asks for.
pub(crate) fn text_of(path: &Path) -> Option<Made> {
    match extension(path).as_str() {
        "vtt" | "webvtt" => Some(Made::Vtt),
        "srt" => Some(Made::Srt),
        _ => None,
    }
}

/// Returns the extension of a name in lower case; empty where it has none.
pub(crate) fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

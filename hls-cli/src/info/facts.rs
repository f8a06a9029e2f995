//! What else is worth knowing of a stream, for people and for programs alike.

use std::collections::HashSet;
use std::time::Duration;

use hls_fetch::escaped;
use hls_parse::{Media, Multivariant};

use crate::human::count;

/// Numbers of a media playlist.
pub(super) struct Facts {
    pub(super) discontinuities: u64,
    pub(super) gaps: u64,
    /// Different keys, by their URLs.
    pub(super) keys: u64,
    /// When the first segment begins, in absolute time.
    pub(super) start: Option<String>,
}

impl Facts {
    pub(super) fn of(media: &Media) -> Self {
        let keys: HashSet<_> =
            media.segments().flat_map(|s| s.keys()).filter_map(|key| key.url.as_ref()).collect();
        Self {
            discontinuities: media.segments().filter(|segment| segment.is_discontinuity()).count() as u64,
            gaps: media.segments().filter(|segment| segment.is_gap()).count() as u64,
            keys: keys.len() as u64,
            start: media.segment(0).and_then(|segment| segment.date_time()).map(|date| date.to_string()),
        }
    }
}

/// What a person should know, in few words each; nothing for a plain stream that has ended.
pub(super) fn of_media(media: &Media) -> Vec<String> {
    let Facts { discontinuities, gaps, keys, start } = Facts::of(media);
    let mut words = Vec::new();
    if !media.ended {
        let last = media.end_sequence().saturating_sub(1);
        if let Some(first) = media.segment(0) {
            words.push(format!("segments {} to {last}", first.media_sequence()));
        }
        words.extend(media.target_duration.map(|target| format!("target duration {}", seconds(target))));
        words.extend(media.hold_back().map(|hold| format!("play {} behind the end", seconds(hold))));
        words.extend(media.part_target.map(|part| format!("parts of {}", seconds(part))));
    }
    words.extend(start.map(|start| format!("from {start}")));
    let counted = [
        (keys, 2, "key"),
        (media.maps().len() as u64, 2, "initialisation section"),
        (discontinuities, 1, "discontinuity"),
        (gaps, 1, "gap"),
        (media.date_ranges.len() as u64, 1, "date range"),
        (media.markers.len() as u64, 1, "mark of an advertisement"),
        (media.skipped_segments, 1, "segment left out"),
    ];
    let plural = |n, what: &str| match what {
        "discontinuity" if n != 1 => format!("{n} discontinuities"),
        "mark of an advertisement" if n != 1 => format!("{n} marks of advertisements"),
        "segment left out" if n != 1 => format!("{n} segments left out"),
        _ => count(n, what),
    };
    let counted = counted.into_iter().filter(|(n, least, _)| n >= least);
    words.extend(counted.map(|(n, _, what)| plural(n, what)));
    words.extend(media.i_frames_only.then(|| "I-frames only".to_owned()));
    words
}

pub(super) fn of_multivariant(playlist: &Multivariant) -> Vec<String> {
    let counted = [
        (playlist.i_frame_variants.len(), "I-frame variant"),
        (playlist.session_keys.len(), "session key"),
        (playlist.pathways().len(), "pathway"),
    ];
    // A single pathway is what every stream has.
    let counted = counted.into_iter().filter(|(n, what)| *n > usize::from(*what == "pathway"));
    let mut words: Vec<_> = counted.map(|(n, what)| count(n as u64, what)).collect();
    words.extend(playlist.content_steering.as_ref().map(|steering| steered(playlist, &steering.url)));
    words
}

/// Who says which pathway to take, and which one it begins with.
fn steered(playlist: &Multivariant, server: &url::Url) -> String {
    let host = server.host_str().map_or("the playlist itself".to_owned(), |host| escaped(host, 100));
    let begins = playlist.initial_pathway().map(|id| format!(", begins with pathway {}", escaped(id, 40)));
    format!("content steering by {host}{}", begins.unwrap_or_default())
}

/// `4 s`, `0.334 s`.
fn seconds(duration: Duration) -> String {
    let text = format!("{:.3}", duration.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The words in lines of at most 80 columns.
pub(super) fn lines(words: &[String]) -> String {
    const COLUMNS: usize = 80;
    let mut lines = String::new();
    let mut width = 0;
    for word in words {
        let length = word.chars().count();
        if width > 0 && width + 2 + length <= COLUMNS {
            lines.push_str(", ");
            width += 2;
        } else {
            lines.push_str(if lines.is_empty() { "  " } else { ",\n  " });
            width = 2;
        }
        lines.push_str(word);
        width += length;
    }
    if lines.is_empty() { lines } else { lines + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_what_digits_they_need() {
        for (millis, expect) in [(4000, "4 s"), (334, "0.334 s"), (10_500, "10.5 s"), (0, "0 s")] {
            assert_eq!(seconds(Duration::from_millis(millis)), expect);
        }
    }

    #[test]
    fn lines_are_short() {
        assert_eq!(lines(&[]), "");
        let words: Vec<_> = (0..12).map(|n| format!("number {n:05}")).collect();
        let lines = lines(&words);
        assert!(lines.lines().all(|line| line.len() <= 81), "{lines}");
        assert_eq!(lines.split_whitespace().count(), 24);
    }
}

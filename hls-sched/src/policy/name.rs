//! What an output is called, and whether its name keeps its promise.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hls_media::Container;
use hls_parse::{DateTime, Media};
use url::Url;

use crate::error::{Error, Kind};

/// Bytes of a name, at most; the file systems' limit is 255, and suffixes have to fit.
const LONGEST: usize = 180;

/// The name of an output, without extension, from the URL of its playlist: the last part of the path that says something,
/// else the host.
#[must_use]
pub fn suggest(url: &Url) -> String {
    let parts = url.path_segments().into_iter().flatten().rev();
    // A token is a secret, and no name.
    let parts = parts.filter(|part| hls_fetch::redacted_path(part) == **part);
    let telling = parts.map(decoded).map(|part| stem(&part).to_owned()).find(|s| says_something(s));
    let name = telling.unwrap_or_else(|| url.host_str().unwrap_or("stream").to_owned());
    sanitise(&name)
}

/// Makes foreign text fit for a file name on every system: no separators, control or invisible characters, reserved
/// names, leading dots or dashes, trailing dots or blanks.
#[must_use]
pub fn sanitise(text: &str) -> String {
    let forbidden = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut name: String = text.chars().map(|c| if forbidden(c) { '_' } else { c }).collect();
    while name.len() > LONGEST {
        name.pop();
    }
    let trimmed = name.trim_start_matches(['.', '-', ' ']).trim_end_matches(['.', ' ']);
    let bare = trimmed.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        bare.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let reserved =
        matches!(bare.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT");
    match trimmed {
        "" => "stream".to_owned(),
        _ if reserved => format!("_{trimmed}"),
        _ => trimmed.to_owned(),
    }
}

fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        let value = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(value.unwrap_or(first));
        rest = after.get(if value.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn stem(part: &str) -> &str {
    let lower = part.to_ascii_lowercase();
    let known = [".m3u8", ".m3u", ".smil", ".ism", ".mp4", ".ts", ".urlset", ".csmil"];
    let suffix = known.iter().find(|suffix| lower.ends_with(**suffix));
    let stem = suffix.and_then(|suffix| part.get(..part.len() - suffix.len())).unwrap_or(part);
    if suffix.is_some() && stem != part { self::stem(stem) } else { stem }
}

fn says_something(stem: &str) -> bool {
    let lower = stem.to_ascii_lowercase();
    let generic = [
        "",
        "index",
        "master",
        "playlist",
        "manifest",
        "chunklist",
        "prog_index",
        "media",
        "main",
        "stream",
        "live",
        "hls",
        ".",
        "..",
    ];
    let number = lower.strip_suffix('p').unwrap_or(&lower).bytes().all(|b| b.is_ascii_digit());
    !generic.contains(&lower.as_str()) && !number && !lower.starts_with("chunklist_")
}

/// The container that a media playlist leads to expect.
pub(crate) fn expected_container(media: &Media) -> Container {
    let Some(first) = media.segments().next() else { return Container::MpegTs };
    if first.map().is_some() {
        return Container::Fmp4;
    }
    let path = first.url().ok().map(|u| u.path().to_ascii_lowercase()).unwrap_or_default();
    match path.rsplit('.').next().unwrap_or_default() {
        "mp4" | "m4s" | "m4v" | "m4a" | "cmfv" | "cmfa" => Container::Fmp4,
        "aac" => Container::Adts,
        "mp3" => Container::Mp3,
        "ac3" => Container::Ac3,
        "ec3" | "eac3" => Container::Eac3,
        "vtt" | "webvtt" => Container::WebVtt,
        _ => Container::MpegTs,
    }
}

/// Whether a name leaves no doubt that it is of fragmented MP4.
pub(crate) fn is_fragmented(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    matches!(
        path.rsplit('.').next().unwrap_or_default(),
        "mp4" | "m4s" | "m4v" | "m4a" | "m4i" | "cmfv" | "cmfa" | "cmfi" | "mp4a" | "mp4v" | "mov"
    )
}

/// Whether a name says that it is of WebVTT as text.
pub(crate) fn is_web_vtt(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    matches!(path.rsplit('.').next().unwrap_or_default(), "vtt" | "webvtt")
}

/// The container that a playlist of subtitles leads to expect: a MAP may hold the header of WebVTT.
pub(crate) fn expected_subtitles(media: &Media) -> Container {
    let path = media.segments().next().and_then(|first| Some(first.url().ok()?.path().to_ascii_lowercase()));
    match path.as_deref().unwrap_or_default().rsplit('.').next().unwrap_or_default() {
        "mp4" | "m4s" | "cmft" => Container::Fmp4,
        _ => Container::WebVtt,
    }
}

/// The name of a part of a recording: the first one has that of the whole.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number < 2 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Fills `{start}`, or `{start:FORMAT}` with the letters of strftime that dates need, with a time in UTC.
pub(crate) fn with_start(template: &str, time: DateTime) -> String {
    let text = time.to_string();
    let digits = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    let field = |letter: char| match letter {
        'Y' => digits(0, 4),
        'm' => digits(5, 7),
        'd' => digits(8, 10),
        'H' => digits(11, 13),
        'M' => digits(14, 16),
        'S' => digits(17, 19),
        other => other.to_string(),
    };
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, field_on)) = rest.split_once("{start") {
        out.push_str(before);
        let Some((format, after)) = field_on.split_once('}') else {
            out.push_str("{start");
            rest = field_on;
            continue;
        };
        let format = format.strip_prefix(':').filter(|f| !f.is_empty()).unwrap_or(DEFAULT_START);
        let mut letters = format.chars();
        while let Some(c) = letters.next() {
            match c {
                '%' => out.extend(letters.next().map(field)),
                c => out.push(c),
            }
        }
        rest = after;
    }
    out + rest
}

/// As it stands in names where nothing else is said.
const DEFAULT_START: &str = "%Y%m%d-%H%M%S";

/// The extension for a container.
pub(crate) fn extension(container: Container, has_pictures: bool) -> &'static str {
    match container {
        Container::Fmp4 if !has_pictures => "m4a",
        other => other.extension(),
    }
}

/// Every extension that a name without one may end up with.
pub(crate) const EXTENSIONS: [&str; 8] = ["ts", "mp4", "m4a", "aac", "mp3", "ac3", "eac3", "vtt"];

/// Whether the extension of `path` promises `container`; a name without a known extension promises nothing.
pub(crate) fn promises(path: &Path, container: Container) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "ts" | "mts" | "m2ts" | "tsv" => container == Container::MpegTs,
        "mp4" | "m4v" | "mov" | "m4a" | "m4s" => container == Container::Fmp4,
        "aac" => container == Container::Adts,
        "mp3" => container == Container::Mp3,
        "ac3" => container == Container::Ac3,
        "eac3" | "ec3" => container == Container::Eac3,
        "vtt" => container == Container::WebVtt,
        "mkv" | "webm" | "avi" | "flv" | "wmv" | "srt" => false,
        _ => true,
    }
}

/// Refuses a name whose extension promises another container.
pub(crate) fn check(path: &Path, container: Container, has_pictures: bool) -> Result<(), Error> {
    if promises(path, container) {
        return Ok(());
    }
    let right = path.with_extension(extension(container, has_pictures));
    let shown = hls_fetch::escaped(&right.display().to_string(), 300);
    Err(Error::new(
        Kind::Usage,
        "output.container",
        format!("the stream is {container}, and the name says otherwise"),
    )
    .at(hls_fetch::escaped(&path.display().to_string(), 300))
    .why("only MP4 is made of other containers")
    .next(format!("use -o {shown}, or --format join to keep the name")))
}

/// A name for one of several that are alike: `movie.mp4` and `1080p` make `movie.1080p.mp4`.
pub(crate) fn tagged(main: &Path, label: &str) -> PathBuf {
    let extension = main.extension().and_then(|e| e.to_str()).unwrap_or_default();
    match extension.is_empty() {
        true => {
            let mut name: OsString = main.file_name().map(ToOwned::to_owned).unwrap_or_default();
            name.push(format!(".{}", sanitise(label)));
            main.with_file_name(name)
        }
        false => beside(main, label, extension),
    }
}

/// The name of a side output: `movie.ts` and `audio-en` make `movie.audio-en.aac`.
pub(crate) fn beside(main: &Path, label: &str, extension: &str) -> PathBuf {
    let mut name: OsString = main.file_stem().map(ToOwned::to_owned).unwrap_or_default();
    name.push(format!(".{}.{extension}", sanitise(label)));
    main.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_from_urls() {
        for (url, expect) in [
            ("https://h.example/movies/my-film/720p/index.m3u8", "my-film"),
            ("https://h.example/big%20buck.m3u8?token=1", "big buck"),
            ("https://h.example/a/clip.mp4/master.m3u8", "clip"),
            ("https://h.example/x.ism/manifest.m3u8", "x"),
            ("https://h.example/live/1080/playlist.m3u8", "h.example"),
            ("https://h.example/vod/chunklist_w123.m3u8", "vod"),
            ("https://h.example/", "h.example"),
            ("https://h.example/%2e%2e%2fetc%2fpasswd.m3u8", "_etc_passwd"),
            ("https://h.example/CON.m3u8", "_CON"),
            ("https://h.example/%1b%5b31m.m3u8", "_[31m"),
        ] {
            assert_eq!(suggest(&url.parse().unwrap()), expect, "{url}");
        }
    }

    #[test]
    fn extensions_are_promises() {
        for (name, container, kept) in [
            ("a.ts", Container::MpegTs, true),
            ("a.TS", Container::MpegTs, true),
            ("a.mp4", Container::MpegTs, false),
            ("a.mp4", Container::Fmp4, true),
            ("a.ts", Container::Fmp4, false),
            ("a.mkv", Container::Fmp4, false),
            ("a.aac", Container::Adts, true),
            ("a", Container::MpegTs, true),
            ("a.bin", Container::Fmp4, true),
        ] {
            assert_eq!(promises(Path::new(name), container), kept, "{name} {container}");
        }
        let error = check(Path::new("d/a.mp4"), Container::MpegTs, true).unwrap_err();
        assert!(error.advice().unwrap().contains("-o d/a.ts"));
        assert_eq!(
            beside(Path::new("d/movie.ts"), "audio-en/../x", "aac"),
            Path::new("d/movie.audio-en_.._x.aac")
        );
    }

    proptest! {
        #[test]
        fn a_sanitised_name_is_one_harmless_name(text: String) {
            let name = sanitise(&text);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST + 1);
            prop_assert!(!name.contains(['/', '\\', ':', '\0']) && name != "." && name != "..");
            prop_assert!(!name.starts_with(['.', '-']) && !name.chars().any(char::is_control));
        }
    }
}

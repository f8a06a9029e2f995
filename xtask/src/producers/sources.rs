//! What is packaged: short films of pictures that all differ, with sound.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::packaging;
use super::variants::Variant;

/// How long each source is.
pub(super) const SECONDS: f64 = 12.0;

const PICTURES: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=12";
/// A tone, and noise over it so that no two frames of it are alike.
const SOUND: &str = "-f lavfi -i aevalsrc=0.2*sin(440*2*PI*t)+0.1*random(0)|0.1*random(1):s=48000:d=12";
const H264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -keyint_min 25 -sc_threshold 0";
const AAC: &str = "-c:a aac -b:a 96k";

/// A source: the codecs of its pictures and of its sound, as arguments of ffmpeg; empty where it has none.
struct Source {
    name: &'static str,
    pictures: &'static str,
    sound: &'static str,
    /// It has its sound twice, the second time in mono.
    is_double: bool,
}

const PLAIN: Source = Source { name: "", pictures: "", sound: "", is_double: false };

const SOURCES: [Source; 13] = [
    Source { name: "avc", pictures: "-bf 2", sound: "", ..PLAIN },
    Source { name: "open", pictures: "-bf 3 -x264-params open-gop=1", sound: "", ..PLAIN },
    Source { name: "flat", pictures: "-bf 0", sound: "", ..PLAIN },
    Source { name: "pyramid", pictures: "-bf 4 -x264-params b-pyramid=normal:ref=4", sound: "", ..PLAIN },
    Source {
        name: "hevc",
        pictures: "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=50:min-keyint=25:bframes=2 -tag:v hvc1",
        sound: "",
        ..PLAIN
    },
    Source { name: "ac3", pictures: "-bf 2", sound: "-c:a ac3 -b:a 128k", ..PLAIN },
    Source { name: "eac3", pictures: "-bf 2", sound: "-c:a eac3 -b:a 128k", ..PLAIN },
    Source { name: "mp3", pictures: "-bf 2", sound: "-c:a libmp3lame -b:a 128k", ..PLAIN },
    Source { name: "mp2", pictures: "-bf 2", sound: "-c:a mp2 -b:a 128k", ..PLAIN },
    Source { name: "opus", pictures: "-bf 2", sound: "-c:a libopus -b:a 96k", ..PLAIN },
    Source { name: "double", pictures: "-bf 2", sound: "", is_double: true },
    Source { name: "silent", pictures: "-bf 2", sound: "none", ..PLAIN },
    Source { name: "blind", pictures: "none", sound: "", ..PLAIN },
];

/// The cues of `{words}`, a file of WebVTT: first and last second, and what is read.
pub(super) const CUES: [(u32, u32, &str); 5] = [
    (1, 2, "one"),
    (3, 4, "two\nlines"),
    (5, 7, "across"),
    (8, 9, "größer & <kleiner>"),
    (10, 11, "the last"),
];

/// Where the sources lie.
pub(super) struct Sources {
    pub(super) folder: PathBuf,
}

impl Sources {
    /// Makes those that these variants ask for.
    pub(super) fn make(folder: &Path, variants: &[&Variant]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let is_named = |line: &&str, name: &str| line.contains(&format!("{{{name}}}"));
        let asks = |variant: &Variant, name: &str| {
            variant.sources.contains(&name) || variant.lines.iter().any(|line| is_named(line, name))
        };
        for source in SOURCES.iter().filter(|source| variants.iter().any(|v| asks(v, source.name))) {
            let as_is = |word: &str| Ok(word.to_owned());
            packaging::command(&line(source), folder, as_is)?;
            // What players say of these is the measure: packaged the plain way.
            let plain = format!("ffmpeg -i {}.mp4 -map 0 -c copy {0}.ts", source.name);
            packaging::command(&plain, folder, as_is)?;
        }
        let mut words = "WEBVTT\n".to_owned();
        for (from, to, text) in CUES {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            words.push_str(&format!("\n00:00:{from:02}.000 --> 00:00:{to:02}.000\n{text}\n"));
        }
        fs::write(folder.join("words.vtt"), words)?;
        Ok(Self { folder: folder.to_owned() })
    }

    pub(super) fn plain(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{name}.{extension}"))
    }

    /// Puts paths in the place of `{name}`.
    pub(super) fn fill(&self, line: &str) -> Result<String> {
        let mut filled = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').context("no closing brace")?;
            let extension = match name {
                "words" => "vtt",
                _ if SOURCES.iter().any(|source| source.name == name) => "mp4",
                _ => bail!("no such source: {name}"),
            };
            filled += before;
            filled += &self.plain(name, extension).display().to_string();
            rest = after;
        }
        Ok(filled + rest)
    }
}

fn line(source: &Source) -> String {
    let mut line = "ffmpeg".to_owned();
    let (has_pictures, has_sound) = (source.pictures != "none", source.sound != "none");
    if has_pictures {
        line += &format!(" {PICTURES}");
    }
    if has_sound {
        line += &format!(" {SOUND}");
    }
    if has_pictures {
        let is_other = source.pictures.starts_with("-c:v");
        line += &format!(" -map 0:v {} {}", if is_other { "" } else { H264 }, source.pictures);
    }
    if has_sound {
        let codec = if source.sound.is_empty() { AAC } else { source.sound };
        let input = u32::from(has_pictures);
        line += &format!(" -map {input}:a {codec}");
        if source.is_double {
            line += &format!(
                " -map {input}:a -ac:a:1 1 -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu"
            );
        }
    }
    line + &format!(" -threads 1 {}.mp4", source.name)
}

//! What a file or a playlist shows, as ffmpeg reads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use hls_testkit::streams::{Cue, Shown};

use crate::streams::judge::{self, listed};

/// The hash of a picture or a frame of sound, and its time.
type Track = Vec<(String, f64)>;

/// Each picture, frame of sound and cue.
#[derive(Clone, Default)]
pub(super) struct Seen {
    pub(super) pictures: Track,
    pub(super) sounds: Vec<Track>,
    /// As SRT.
    pub(super) words: Option<String>,
}

impl Seen {
    /// Reads a file, or a playlist on this disk.
    pub(super) fn of(input: &Path, folder: &Path) -> Result<Self> {
        let is_playlist = input.extension().is_some_and(|extension| extension == "m3u8");
        let open: &[&str] = if is_playlist { &["-allowed_extensions", "ALL"] } else { &[] };
        let probe = Command::new("ffprobe")
            .args(["-v", "error"])
            .args(open)
            .args(["-show_entries", "stream=index,codec_name,codec_type,width,sample_rate", "-of", "csv=p=0"])
            .arg(input)
            .stdin(Stdio::null())
            .output()
            .context("can't run ffprobe")?;
        let text = String::from_utf8_lossy(&probe.stdout).into_owned();
        let mut streams: Vec<(&str, &str, &str)> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.trim().split(',');
                let stream = (fields.next()?, fields.next()?, fields.next()?);
                // A track that is declared and never comes has no width and no rate.
                let is_there = stream.2 == "subtitle" || fields.next().is_some_and(|field| field != "0");
                is_there.then_some(stream)
            })
            .collect();
        // A transport stream lists them for its program too.
        let mut known = BTreeSet::new();
        streams.retain(|stream| known.insert(stream.0));
        let is = |kind: &str| streams.iter().filter(move |s| s.2 == kind).copied().collect::<Vec<_>>();
        let file = |name: &str| folder.join(format!("seen-{name}"));
        let hashes = ["-f", "framehash", "-hash", "sha256"];

        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-hide_banner", "-v", "error", "-y", "-copyts"])
            .args(open)
            .arg("-i")
            .arg(input);
        let (video, audio, words) = (is("video"), is("audio"), is("subtitle"));
        for (index, ..) in video.iter().take(1) {
            command.args(["-map", &format!("0:{index}")]);
            command.args(["-autoscale", "0", "-fps_mode", "passthrough", "-enc_time_base", "-1"]);
            command.args(hashes).arg(file("pictures"));
        }
        for (index, codec, _) in &audio {
            command.args(["-map", &format!("0:{index}"), "-c", "copy"]);
            if *codec == "aac" {
                command.args(["-bsf:a", "aac_adtstoasc"]);
            }
            command.args(hashes).arg(file(index));
        }
        for (index, ..) in words.iter().take(1) {
            command.args(["-map", &format!("0:{index}"), "-f", "srt"]).arg(file("words"));
        }
        ensure!(!streams.is_empty(), "ffprobe: {}", String::from_utf8_lossy(&probe.stderr).trim());
        let run = command.stdin(Stdio::null()).output().context("can't run ffmpeg")?;
        let said = String::from_utf8_lossy(&run.stderr);
        let said: Vec<_> = said.lines().filter(|line| !line.starts_with("[NULL @")).collect();
        // Of the playlist of a producer, what it has to say is the producer's affair.
        ensure!(run.status.success() && (is_playlist || said.is_empty()), "ffmpeg: {}", said.join(" | "));
        Ok(Self {
            pictures: if video.is_empty() { Track::new() } else { listed(&file("pictures"))? },
            sounds: audio.iter().map(|(index, ..)| listed(&file(index))).collect::<Result<_>>()?,
            words: if words.is_empty() { None } else { Some(fs::read_to_string(file("words"))?) },
        })
    }

    /// Adds the tracks of another file of the same film.
    pub(super) fn beside(&mut self, other: Self) {
        if self.pictures.is_empty() {
            self.pictures = other.pictures;
        }
        self.sounds.extend(other.sounds);
    }

    /// Its first picture, or its first sound where there is none.
    fn begin(&self) -> f64 {
        let first = self.pictures.first().or_else(|| self.sounds.first()?.first());
        first.map_or(0.0, |(_, at)| *at)
    }

    /// Takes off its front what is as long as `part`.
    fn cut(&mut self, part: &Self) -> Self {
        let take = |track: &mut Track, n: usize| track.drain(..n.min(track.len())).collect();
        let lengths = part.sounds.iter().map(Vec::len).chain(std::iter::repeat(0));
        Self {
            pictures: take(&mut self.pictures, part.pictures.len()),
            sounds: self.sounds.iter_mut().zip(lengths).map(|(track, n)| take(track, n)).collect(),
            words: None,
        }
    }

    /// From the first to the last of all that it shows.
    pub(super) fn seconds(&self) -> f64 {
        let times = || self.sounds.iter().chain([&self.pictures]).flatten().map(|(_, at)| *at);
        (times().fold(0.0, f64::max) - times().fold(f64::MAX, f64::min)).max(0.0)
    }
}

/// Returns playlists of what lies between discontinuities, beside the playlist: each has a clock of its own.
pub(super) fn parts(playlist: &Path) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string(playlist)?;
    let is_head = |line: &&str| {
        ["#EXTM3U", "#EXT-X-VERSION", "#EXT-X-TARGETDURATION"].iter().any(|tag| line.starts_with(tag))
    };
    let head: Vec<_> = text.lines().filter(is_head).collect();
    let body: Vec<_> = text.lines().filter(|line| !is_head(line) && *line != "#EXT-X-ENDLIST").collect();
    let map = body.iter().find(|line| line.starts_with("#EXT-X-MAP"));
    let pieces = body.split(|line| *line == "#EXT-X-DISCONTINUITY");
    let pieces: Vec<_> =
        pieces.filter(|piece| piece.iter().any(|line| line.starts_with("#EXTINF"))).collect();
    if pieces.len() < 2 {
        return Ok(vec![playlist.to_owned()]);
    }
    let write = |(nth, piece): (usize, &&[&str])| {
        let path = playlist.with_extension(format!("part-{nth}.m3u8"));
        let map = map.filter(|map| !piece.contains(map));
        let lines = head.iter().chain(map).chain(*piece).chain(&["#EXT-X-ENDLIST", ""]).copied();
        fs::write(&path, lines.collect::<Vec<_>>().join("\n"))?;
        Ok(path)
    };
    pieces.iter().enumerate().map(write).collect()
}

/// Holds what was downloaded to the parts it was made of; the time of each counts from its begin.
pub(super) fn compare(parts: &[Seen], mut found: Seen) -> Result<()> {
    let mut last: Option<f64> = None;
    for (nth, right) in parts.iter().enumerate() {
        let is_last = nth + 1 == parts.len();
        let part = if is_last { std::mem::take(&mut found) } else { found.cut(right) };
        let (from, to) = (right.begin(), part.begin());
        if let Some(last) = last {
            let gap = to - last;
            ensure!((0.0..0.2).contains(&gap), "part {nth} begins {gap:.3} s behind the last picture");
        }
        track("picture", &right.pictures, &part.pictures, from, to)?;
        let (n, m) = (part.sounds.len(), right.sounds.len());
        ensure!(n == m, "{n} tracks of sound instead of {m}");
        for (nth, (right, found)) in right.sounds.iter().zip(&part.sounds).enumerate() {
            track(&format!("sound of track {nth}"), right, found, from, to)?;
        }
        last = part.pictures.last().map(|(_, at)| *at);
    }
    Ok(())
}

/// Compares the hashes alone: a file of nothing but packed frames has no clock.
pub(super) fn compare_frames(right: &[(String, f64)], found: &[(String, f64)]) -> Result<()> {
    let timeless =
        |track: &[(String, f64)]| track.iter().map(|(hash, _)| (hash.clone(), 0.0)).collect::<Vec<_>>();
    track("frame", &timeless(right), &timeless(found), 0.0, 0.0)
}

fn track(what: &str, right: &[(String, f64)], found: &[(String, f64)], from: f64, to: f64) -> Result<()> {
    let shown = |(hash, at): &(String, f64)| Shown { hash: hash.clone(), with_header: None, at: at - from };
    let right: Vec<_> = right.iter().map(shown).collect();
    let found: Vec<_> = found.iter().map(|(hash, at)| (hash.clone(), at - to)).collect();
    judge::same(what, &right, &found)
}

/// Compares the subtitles, which come late by so many seconds as the producer has it.
pub(super) fn compare_words(cues: &[(u32, u32, &str)], late: f64, found: &Seen) -> Result<()> {
    let cue = |(from, to, words): &(u32, u32, &str)| Cue {
        words: (*words).to_owned(),
        from: f64::from(*from) + late + found.begin(),
        to: f64::from(*to) + late + found.begin(),
    };
    let right: Vec<_> = cues.iter().map(cue).collect();
    judge::same_cues(&right, found.words.as_deref().context("no subtitles")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(names: &str, from: f64) -> Seen {
        let track = |step: f64| {
            names.chars().zip(0..).map(|(name, n)| (name.to_string(), from + f64::from(n) * step)).collect()
        };
        Seen { pictures: track(0.04), sounds: vec![track(0.02)], words: None }
    }

    #[test]
    fn what_is_missing_twice_or_late_is_found() {
        let check = |parts: &[Seen], found: Seen, expect: &str| {
            let said = compare(parts, found).err().map_or("right".to_owned(), |error| format!("{error:#}"));
            assert!(said.contains(expect), "{said}, not {expect}");
        };
        let right = [seen("abcd", 0.0)];
        let changed = |change: fn(&mut Seen)| {
            let mut found = seen("abcd", 1.4);
            change(&mut found);
            found
        };
        check(&right, changed(|_| ()), "right");
        check(&right, seen("abd", 1.4), "picture 2 is another one");
        check(&right, seen("abc", 1.4), "3 of picture instead of 4");
        check(&right, seen("abbcd", 1.4), "picture 2 is another one");
        check(&right, seen("abcdd", 1.4), "5 of picture instead of 4");
        check(&right, changed(|found| found.pictures[2].1 += 0.01), "picture 2 is +0.0100 s off");
        check(&right, changed(|found| _ = found.sounds[0].pop()), "3 of sound of track 0");
        check(&right, changed(|found| found.sounds[0][0].1 -= 0.02), "sound of track 0 0 is -0.0200 s off");
        check(&right, changed(|found| found.sounds.clear()), "0 tracks of sound instead of 1");

        let twice = [seen("abcd", 0.0), seen("abcd", 0.0)];
        let joined = |from: f64| {
            let (mut first, second) = (seen("abcd", 1.4), seen("abcd", from));
            first.pictures.extend(second.pictures);
            first.sounds[0].extend(second.sounds[0].clone());
            first
        };
        check(&twice, joined(1.56), "right");
        check(&twice, joined(1.4), "part 1 begins -0.120 s behind");
        check(&twice, joined(9.0), "part 1 begins 7.480 s behind");
        check(&twice, seen("abcd", 1.4), "part 1 begins");
    }
}

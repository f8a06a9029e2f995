//! Compares a finished file with what its stream shows.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::streams::{Cue, Film, Shown, Stream};

/// Times of MP4 are rounded to the ticks of their tracks, and those of subtitles to milliseconds.
pub(crate) const NEAR: f64 = 0.002;

/// Decodes a film and compares each picture, frame of sound and cue, and when it is shown.
pub(super) fn film(file: &Path, film: &Film, folder: &Path) -> Result<()> {
    let [pictures, sounds, words] = ["pictures", "sounds", "words.srt"].map(|name| folder.join(name));
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-v", "error", "-y", "-copyts", "-i"]).arg(file);
    let hashes = ["-f", "framehash", "-hash", "sha256"];
    if !film.pictures.is_empty() {
        command.args(["-map", "0:v", "-autoscale", "0", "-fps_mode", "passthrough", "-enc_time_base", "-1"]);
        command.args(hashes).arg(&pictures);
    }
    if !film.sounds.is_empty() {
        command.args(["-map", "0:a", "-c", "copy"]).args(hashes).arg(&sounds);
    }
    if !film.cues.is_empty() {
        command.args(["-map", "0:s", "-f", "srt"]).arg(&words);
    }
    let run = command.stdin(Stdio::null()).output().context("can't run ffmpeg")?;
    let said = String::from_utf8_lossy(&run.stderr);
    // Its parser, which decodes nothing, knows the first sample entry of a track only.
    let said: String = said.lines().filter(|line| !line.starts_with("[NULL @")).collect();
    ensure!(run.status.success() && said.trim().is_empty(), "ffmpeg: {}", said.trim());
    if !film.pictures.is_empty() {
        same("picture", &film.pictures, &listed(&pictures)?)?;
    }
    if !film.sounds.is_empty() {
        same("sound", &film.sounds, &listed(&sounds)?)?;
    }
    if !film.cues.is_empty() {
        same_cues(&film.cues, &fs::read_to_string(&words)?)?;
    }
    Ok(())
}

/// Lets the program judge its own file; a gap is known to it.
pub(crate) fn verify(program: &Path, file: &Path, has_gap: bool) -> Result<()> {
    let run = Command::new(program).arg("verify").arg(file).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    let right = if has_gap { Some(4) } else { Some(0) };
    ensure!(run.status.code() == right, "hls verify: {}: {}", run.status, said.trim().replace('\n', " | "));
    Ok(())
}

/// Compares the bytes of segments in a row.
pub(super) fn joined(file: &Path, stream: &Stream) -> Result<()> {
    ensure!(stream.can_be_joined, "times begin again within the file, or it has other sections");
    let bytes = fs::read(file)?;
    let differs = bytes.iter().zip(&stream.joined).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| bytes.len().min(stream.joined.len()));
    let (length, right) = (bytes.len(), stream.joined.len());
    ensure!(bytes == stream.joined, "{length} bytes instead of {right}, and they differ from byte {at} on");
    Ok(())
}

/// Reads lines of hashes: hash and seconds of each.
pub(crate) fn listed(path: &Path) -> Result<Vec<(String, f64)>> {
    let text = fs::read_to_string(path)?;
    let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: ")).context("no time base")?;
    let (number, rate) = base.split_once('/').context("no time base")?;
    let tick = number.trim().parse::<f64>()? / rate.trim().parse::<f64>()?;
    let mut all = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let [_, _, pts, _, _, hash, ..] = fields.as_slice() else { bail!("unknown line: {line}") };
        all.push(((*hash).to_owned(), pts.parse::<f64>()? * tick));
    }
    Ok(all)
}

pub(crate) fn same(what: &str, right: &[Shown], found: &[(String, f64)]) -> Result<()> {
    let is_same =
        |shown: &Shown, hash: &String| shown.hash == *hash || shown.with_header.as_ref() == Some(hash);
    for (nth, (shown, (hash, at))) in right.iter().zip(found).enumerate() {
        let (n, m) = (found.len(), right.len());
        ensure!(is_same(shown, hash), "{what} {nth} is another one ({n} instead of {m}); at {at:.3} s");
        let off = at - shown.at;
        ensure!(off.abs() <= NEAR, "{what} {nth} is {off:+.4} s off its place at {:.3} s", shown.at);
    }
    ensure!(found.len() == right.len(), "{} of {what} instead of {}", found.len(), right.len());
    Ok(())
}

pub(crate) fn same_cues(right: &[Cue], text: &str) -> Result<()> {
    let mut found = Vec::new();
    for block in text.replace('\r', "").split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut lines = block.trim().lines().skip(1);
        let (from, to) = lines.next().and_then(|times| times.split_once(" --> ")).context("no times")?;
        found.push((seconds(from)?, seconds(to)?, lines.collect::<Vec<_>>().join("\n")));
    }
    for (nth, (cue, (from, to, words))) in right.iter().zip(&found).enumerate() {
        ensure!(cue.words == *words, "cue {nth} reads {words:?} instead of {:?}", cue.words);
        let off = (from - cue.from).abs().max((to - cue.to).abs());
        ensure!(
            off <= NEAR,
            "cue {nth} from {from:.3} to {to:.3} s instead of {:.3} to {:.3}",
            cue.from,
            cue.to
        );
    }
    ensure!(found.len() == right.len(), "{} cues instead of {}", found.len(), right.len());
    Ok(())
}

fn seconds(clock: &str) -> Result<f64> {
    let parts: Vec<_> = clock.trim().split([':', ',']).map(str::parse::<f64>).collect::<Result<_, _>>()?;
    let [hours, minutes, seconds, millis] = parts.as_slice() else { bail!("no time: {clock}") };
    Ok(hours * 3600.0 + minutes * 60.0 + seconds + millis / 1000.0)
}

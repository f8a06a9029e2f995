//! A download of a whole stream from a server that misbehaves, and what has to come of it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use hls_testkit::{Origin, Published, judge};

use super::Verdict;
use super::run::{End, Try};
use super::show::{Container, Manner, Show};
use crate::dice::Dice;

/// Requests for one resource, or one range of it.
const MOST_OF_ONE: usize = 7;
/// Requests that a download may make beyond those for each of its files: doubts of three kinds, and the repetitions of what fails.
pub(crate) const MORE: usize = 16;
/// What a download may take of memory: 100 MiB beside what a small one takes.
pub(crate) const MEMORY: u64 = (100 + 16) << 20;
/// The exit codes of docs/errors.md, without that for an error of no class.
const DOCUMENTED: [i32; 14] = [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];

/// What is made of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A file of the bytes as they come; of subtitles, one text.
    Join,
    /// An MP4; of subtitles, SRT.
    Film,
    Pipe,
}

pub(crate) struct Case {
    pub(crate) show: Show,
    pub(crate) output: Output,
    pub(crate) jobs: u64,
    pub(crate) manner: Manner,
    pub(crate) origin: Origin,
    pub(crate) published: Published,
    /// Requests in all, the playlist included.
    pub(crate) most: usize,
}

/// An output that is right, and what the program says on the way to it.
pub(crate) struct Truth {
    pub(crate) bytes: Vec<u8>,
    said: String,
}

impl From<Vec<u8>> for Truth {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, said: String::new() }
    }
}

impl Case {
    /// Draws a stream in one of these containers, and how it is served and fetched.
    pub(crate) fn draw(t: &mut Try<'_>, containers: &[Container], least: u64) -> Result<Self> {
        let show = Show::draw(&mut t.dice, containers, least)?;
        let output = *t.dice.among(&[Output::Join, Output::Film, Output::Pipe])?;
        let manner = Manner::draw(&mut t.dice)?;
        Self::of(t, show, output, manner)
    }

    pub(crate) fn of(t: &mut Try<'_>, show: Show, output: Output, manner: Manner) -> Result<Self> {
        let jobs = 1 + t.dice.below(16);
        t.note(format!("{}, to {output:?}, -j {jobs}, {manner:?}", show.about()));
        let origin = Origin::start();
        let published = show.publish(&origin, manner);
        // Where a film can't be made of a transport stream in one pass, all of it is fetched first, and anew.
        let passes = if output == Output::Film && show.container == Container::Ts { 2 } else { 1 };
        let most = 1 + passes * published.files.len() + MORE;
        Ok(Self { show, output, jobs, manner, origin, published, most })
    }

    pub(crate) fn name(&self) -> &'static str {
        match (self.output, self.show.container) {
            (Output::Pipe, _) => "-",
            (Output::Film, Container::Vtt) => "out.srt",
            (Output::Film, _) => "out.mp4",
            (Output::Join, Container::Ts) => "out.ts",
            (Output::Join, Container::Fmp4 | Container::Cmaf) => "out.m4s",
            (Output::Join, Container::Adts) => "out.aac",
            (Output::Join, Container::Vtt) => "out.vtt",
        }
    }

    pub(crate) fn file(&self, t: &Try<'_>) -> PathBuf {
        t.file(self.name())
    }

    pub(crate) fn args(&self, more: &[&str]) -> Vec<String> {
        let jobs = self.jobs.to_string();
        let own = ["get", &self.published.url, "-o", self.name(), "-j", &jobs];
        own.iter().chain(more).map(ToString::to_string).collect()
    }

    pub(crate) fn run(&self, t: &Try<'_>, more: &[&str]) -> Result<End> {
        let args = self.args(more);
        t.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What an honest server of this stream leads to.
    pub(crate) fn truth(&self, t: &Try<'_>, show: &Show) -> Result<Truth> {
        let is_made = self.output == Output::Film || show.container == Container::Vtt;
        if !is_made {
            return Ok(show.joined().into());
        }
        let folder = t.file("honest");
        fs::create_dir_all(&folder)?;
        let honest = Try { dice: Dice::new(0), program: t.program, folder, values: Vec::new() };
        let origin = Origin::start();
        let published = show.publish(&origin, Manner::PLAIN);
        let end = honest.run(&["get", &published.url, "-o", self.name(), "--force"])?;
        ensure!(end.code() == Some(0), "an honest server: {} {}", end.kind(), end.words());
        let bytes = if self.output == Output::Pipe { end.out } else { fs::read(honest.file(self.name()))? };
        Ok(Truth { bytes, said: end.said })
    }

    /// Holds the end of a run to the law. `kept` are bytes that are right too where a warning tells of them.
    pub(crate) fn judge(
        &self,
        t: &Try<'_>,
        end: &End,
        right: &Truth,
        kept: Option<&Truth>,
    ) -> Result<Verdict> {
        if let Some(wrong) = outlaw(end).or_else(|| self.asked_too_much()) {
            return Ok(wrong);
        }
        let file = self.file(t);
        if end.code() != Some(0) {
            let may_be_there = self.output == Output::Pipe || matches!(end.code(), Some(4 | 13));
            let is_left = !may_be_there && file.exists();
            return Ok(match is_left {
                true => Verdict::Wrong(format!("{}, and there is an output", end.kind())),
                false => Verdict::Refused(end.kind()),
            });
        }
        let got = if self.output == Output::Pipe { end.out.clone() } else { fs::read(&file)? };
        let is_warned = end.said.lines().any(|line| line.contains("warning: ") && !right.said.contains(line));
        if got == right.bytes {
            return Ok(Verdict::Right);
        }
        let is_film = self.output == Output::Film && self.show.container != Container::Vtt;
        if let Some(kept) = kept {
            // What a film is made of depends on when the damage was seen.
            match is_warned {
                true if is_film || got == kept.bytes => return Ok(Verdict::Kept),
                false if got == kept.bytes => {
                    return Ok(Verdict::Wrong(
                        "exit 0, and no warning tells of the bytes that were kept".to_owned(),
                    ));
                }
                _ => {}
            }
        }
        if is_film && same_samples(t, &file, &right.bytes)? {
            return Ok(Verdict::Right);
        }
        let at = got.iter().zip(&right.bytes).take_while(|(a, b)| a == b).count();
        let words = if is_warned { end.words() } else { "no warning".to_owned() };
        Ok(Verdict::Wrong(format!(
            "exit 0, {} bytes instead of {}, other from {at} on: {words}",
            got.len(),
            right.bytes.len()
        )))
    }

    /// A resource that was asked for too often.
    fn asked_too_much(&self) -> Option<Verdict> {
        let requests = self.origin.requests();
        let mut counts = HashMap::new();
        for one in &requests {
            let range = one.header("range").unwrap_or_default().to_owned();
            *counts.entry((one.path.clone(), range)).or_insert(0_usize) += 1;
        }
        let worst = counts.into_iter().max_by_key(|(_, n)| *n).filter(|(_, n)| *n > MOST_OF_ONE);
        if let Some(((path, range), n)) = worst {
            return Some(Verdict::Wrong(format!("{n} requests for {path} {range}")));
        }
        let n = requests.len();
        (n > self.most).then(|| Verdict::Wrong(format!("{n} requests, and {} are enough", self.most)))
    }

    /// The law; and after an end that was no success, what an honest server at the same place leads to.
    pub(crate) fn concluded(
        &self,
        t: &Try<'_>,
        end: &End,
        right: &Truth,
        kept: Option<&Truth>,
    ) -> Result<Verdict> {
        let verdict = self.judge(t, end, right, kept)?;
        if !matches!(verdict, Verdict::Refused(_)) {
            return Ok(verdict);
        }
        for path in self.published.files.iter().map(|(path, _)| path) {
            self.origin.script(path, []);
        }
        // What is finished with exit 4 is not gone on with.
        let anew: &[&[&str]] = &[&["--restart", "--force"]];
        let both: &[&[&str]] = &[&[], &["--restart", "--force"]];
        for more in if end.code() == Some(4) { anew } else { both } {
            self.origin.reset_log();
            let again = self.run(t, more)?;
            match self.judge(t, &again, right, None)? {
                Verdict::Wrong(why) => {
                    return Ok(Verdict::Wrong(format!("{}, then from an honest server: {why}", end.kind())));
                }
                Verdict::Refused(_) => {}
                Verdict::Right | Verdict::Kept => return Ok(verdict),
            }
        }
        Ok(Verdict::Wrong(format!("{}, and --restart does not help with an honest server", end.kind())))
    }
}

/// Says whether two films have the same samples at the same times, however they are laid out.
fn same_samples(t: &Try<'_>, film: &Path, right: &[u8]) -> Result<bool> {
    if !judge::has_tool("ffmpeg") {
        judge::skip("ffmpeg is not installed: films of other layouts are not compared");
        return Ok(true);
    }
    let other = t.file("right.mp4");
    fs::write(&other, right)?;
    let samples = |film: &Path| {
        let run = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(film)
            .args(["-map", "0", "-c", "copy", "-f", "framemd5", "-"])
            .output()?;
        anyhow::Ok(String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr))
    };
    Ok(samples(film)? == samples(&other)?)
}

/// What no run may end with, whatever the server does.
pub(crate) fn outlaw(end: &End) -> Option<Verdict> {
    let Some(status) = end.status else { return Some(Verdict::Wrong("it took too long".to_owned())) };
    let why = match status.code() {
        _ if end.said.contains("panicked") => format!("a panic: {}", end.words()),
        None => format!("{status}"),
        Some(code) if !DOCUMENTED.contains(&code) => format!("exit {code}: {}", end.words()),
        // What is finished with something missing, or with the end of a live stream, is no error.
        Some(code) if ![0, 4, 14].contains(&code) && !end.said.contains("error[") => {
            format!("exit {code} without an error: {}", end.words())
        }
        _ if end.peak > MEMORY => format!("{} MiB of memory", end.peak >> 20),
        _ => return None,
    };
    Some(Verdict::Wrong(why))
}

//! What players have to say of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hls_testkit::{Origin, Resource, browser};

use super::packaging;
use super::sources::SECONDS;
use crate::streams::within;

const LIMIT: Duration = Duration::from_secs(60);
/// For each film the browser plays.
const PATIENCE: Duration = Duration::from_secs(12);

struct Player {
    /// The program, and what has to be there.
    name: &'static str,
    /// `{}` is the file.
    arguments: &'static [&'static str],
    /// Lines of what it says that hold one of these are complaints; none: every line is one.
    complaints: &'static [&'static str],
    /// Lines that hold one of these depend on how busy this machine is.
    noise: &'static [&'static str],
}

const PLAYERS: [Player; 4] = [
    Player {
        name: "mpv",
        arguments: &[
            "--no-config",
            "--vo=null",
            "--ao=null",
            "--ao-null-untimed",
            "--untimed",
            "--msg-level=all=warn",
            "{}",
        ],
        complaints: &[],
        noise: &[
            "Audio/Video desynchronisation detected",
            "hardware, temporary CPU spikes",
            "position will not match to the video",
            // Nor does a file of packed frames say how long it is.
            "Estimating duration from bitrate",
        ],
    },
    Player {
        name: "gst-discoverer-1.0",
        arguments: &["file://{}"],
        complaints: &["error", "warn", "missing", "fail", "could not", "not seekable", "seekable: no"],
        noise: &[],
    },
    Player {
        name: "gst-launch-1.0",
        arguments: &[
            "-q",
            "playbin",
            "uri=file://{}",
            "video-sink=fakesink sync=false",
            "audio-sink=fakesink sync=false",
        ],
        complaints: &[],
        noise: &[],
    },
    Player {
        name: "mediainfo",
        arguments: &["--Full", "{}"],
        complaints: &["conformance", "truncated", "error", "malformed", "invalid", "missing"],
        noise: &[],
    },
];

/// The names of what is asked.
pub(super) fn names() -> Vec<&'static str> {
    PLAYERS.iter().map(|player| player.name).collect()
}

/// What players say of sources that were packaged the plain way, by the file.
#[derive(Default)]
pub(super) struct Plain(Mutex<BTreeMap<String, BTreeSet<String>>>);

/// Returns what the players that are installed say of a file, and neither of a plain one nor of what the producer made.
pub(super) fn complaints(
    file: &Path,
    measure: &Path,
    theirs: &[PathBuf],
    plain: &Plain,
    folder: &Path,
) -> Result<Vec<String>> {
    let mut more = Vec::new();
    for player in PLAYERS.iter().filter(|player| packaging::missing(player.name).is_none()) {
        let said = player.of(file, folder)?;
        let name = format!("{} {}", player.name, measure.display());
        let known = plain.0.lock().ok().context("a worker has panicked")?.get(&name).cloned();
        let known = match known {
            Some(known) => known,
            None => {
                let known = player.of(measure, folder)?;
                plain.0.lock().ok().context("a worker has panicked")?.insert(name, known.clone());
                known
            }
        };
        let mut new: Vec<_> = said.difference(&known).collect();
        for path in theirs {
            if new.is_empty() {
                break;
            }
            let known = player.of(path, folder)?;
            new.retain(|line| !known.contains(*line));
        }
        more.extend(new.into_iter().map(|line| format!("{}: {line}", player.name)));
    }
    Ok(more)
}

impl Player {
    fn of(&self, file: &Path, folder: &Path) -> Result<BTreeSet<String>> {
        let (path, said) = (file.canonicalize()?.display().to_string(), folder.join("player"));
        let output = File::create(&said)?;
        let mut command = Command::new(self.name);
        command.args(self.arguments.iter().map(|argument| argument.replace("{}", &path)));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let code = within(&mut command, LIMIT)?;
        let text = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
        let is_complaint = |line: &&str| {
            if self.noise.iter().any(|noise| line.contains(noise)) {
                return false;
            }
            let line = line.to_lowercase();
            !line.trim().is_empty()
                && (self.complaints.is_empty() || self.complaints.iter().any(|word| line.contains(word)))
        };
        let lines = text.lines().filter(is_complaint).map(|line| general(&line.replace(&path, "FILE")));
        let mut all: BTreeSet<_> = lines.collect();
        if code != Some(0) {
            all.insert(format!("ends with {code:?}"));
        }
        Ok(all)
    }
}

/// The kind of a line: without what differs from file to file.
fn general(line: &str) -> String {
    let mut kind = String::new();
    for letter in line.trim().chars() {
        match letter.is_ascii_digit() {
            true if kind.ends_with('#') => {}
            true => kind.push('#'),
            false => kind.push(letter),
        }
    }
    kind
}

/// Films for the browser, which starts once for all of them.
#[derive(Default)]
pub(super) struct Screen {
    origin: Option<Origin>,
    films: Vec<Film>,
    /// The plain ones, by their path.
    plain: BTreeMap<PathBuf, usize>,
}

struct Film {
    name: String,
    seconds: f64,
    /// The place of the plain one.
    measure: Option<usize>,
}

const PLAYS: &str = r"
const told = [];
for (const [name, seconds] of FILMS) {
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  const on = (name) => new Promise((ok, no) => {
    video.addEventListener(name, ok, { once: true });
    video.addEventListener('error', () => no('error ' + video.error?.message), { once: true });
    setTimeout(() => no('no ' + name), 8000);
  });
  const play = async () => {
    const loaded = on('loadedmetadata');
    video.src = '/' + name;
    await loaded;
    if (Math.abs(video.duration - seconds) > 0.5) throw `${video.duration} s instead of ${seconds}`;
    for (const part of [0, 0.5, 0.9]) {
      if (part > 0) {
        const sought = on('seeked');
        video.currentTime = video.duration * part;
        await sought;
      }
      const now = () => [video.currentTime, video.webkitDecodedFrameCount, video.webkitAudioDecodedByteCount];
      const from = now();
      await video.play();
      for (let i = 0; i < 100 && video.currentTime < from[0] + 0.3; i++) await new Promise((ok) => setTimeout(ok, 30));
      video.pause();
      if (!now().every((value, n) => value > from[n])) throw `does not play from ${part}: ${from} to ${now()}`;
    }
    return 'fine';
  };
  told.push(await play().catch((error) => String(error)));
  video.remove();
}
return told.join('\n');
";

impl Screen {
    /// Takes a film and what ffmpeg packaged the plain way, which lasts 12 s; returns its place.
    pub(super) fn add(&mut self, file: &Path, seconds: f64, measure: &Path) -> Result<usize> {
        let plain = match self.plain.get(measure) {
            Some(&plain) => plain,
            None => {
                let place = self.put(measure, SECONDS, None)?;
                self.plain.insert(measure.to_owned(), place);
                place
            }
        };
        self.put(file, seconds, Some(plain))
    }

    fn put(&mut self, file: &Path, seconds: f64, measure: Option<usize>) -> Result<usize> {
        let name = format!("film-{}.mp4", self.films.len());
        self.origin
            .get_or_insert_with(Origin::start)
            .put(&format!("/{name}"), Resource::new(fs::read(file)?));
        self.films.push(Film { name, seconds, measure });
        Ok(self.films.len() - 1)
    }

    /// Plays them all and returns what is wrong with each and not with its plain one; `None` where there is no browser.
    pub(super) fn play(self) -> Result<Option<Vec<Option<String>>>> {
        let Some(origin) = self.origin else { return Ok(Some(Vec::new())) };
        let films: Vec<_> =
            self.films.iter().map(|film| format!("['{}', {:.3}]", film.name, film.seconds)).collect();
        let script = PLAYS.replace("FILMS", &format!("[{}]", films.join(", ")));
        let limit = PATIENCE * (u32::try_from(films.len())? + 5);
        let Some(told) = browser::ask(&origin, &script, limit)? else { return Ok(None) };
        let told: Vec<_> = told.lines().collect();
        ensure!(told.len() == films.len(), "the browser: {}", told.join(" | "));
        let more = self.films.iter().zip(&told).map(|(film, line)| {
            let plain = film.measure.and_then(|place| told.get(place)).copied().unwrap_or("fine");
            (*line != "fine" && of_browser(line) != of_browser(plain)).then(|| format!("chromium: {line}"))
        });
        Ok(Some(more.collect()))
    }
}

/// The kind of an error: up to what it tells of the picture where it came.
fn of_browser(line: &str) -> String {
    general(line.split('{').next().unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_complaints() {
        let check = |line: &str, expect: &str| assert_eq!(general(line), expect);
        check(
            "[ffmpeg/demuxer] mpegts: DTS 1234 < 77 out of order ",
            "[ffmpeg/demuxer] mpegts: DTS # < # out of order",
        );
        assert_eq!(of_browser("error 3: no {timestamp=7}"), of_browser("error 4: no {timestamp=8}"));
        check("0:00:12.500000000", "#:#:#.#");
    }
}

//! `cargo xtask streams`: streams drawn at random, downloaded to each kind of output and judged by ffmpeg.
//!
//! What has to hold for each: exit 0 and a file that shows what the stream shows, when it shows it; or an end with another exit code
//! where the output can't hold the stream. Any other refusal of a legal stream is a violation too.

pub(crate) mod judge;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::Origin;
use hls_testkit::streams::{Sources, Stream};

use crate::{download, workspace};

/// What a download of a few seconds of small pictures takes at most.
const LIMIT: Duration = Duration::from_secs(60);
const WORKERS: u64 = 2;

struct Options {
    seeds: u64,
    from: u64,
    /// Another build of the program.
    program: Option<PathBuf>,
}

/// What a download is told to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Output {
    /// The bytes as they come, in a file.
    Joined,
    Film,
    Pipe,
}

/// How a download ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    Right,
    /// The output can't hold this stream, and the exit code says so.
    Refused(String),
    Wrong(String),
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let program = options.program.clone().map_or_else(download::build, Ok)?;
    let folder = workspace::target()?.join("streams");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let start = Instant::now();
    let made = Sources::make(&folder.join("sources"))?;
    let Some(sources) = made else {
        hls_testkit::judge::skip("ffmpeg is not installed");
        return Ok(());
    };
    println!(
        "{} streams from seed {}; sources: {:.0} s",
        options.seeds,
        options.from,
        start.elapsed().as_secs_f64()
    );

    let ground = Ground { program: &program, folder: &folder, sources: &sources, tally: Mutex::default() };
    let next = AtomicU64::new(options.from);
    let end = options.from + options.seeds;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (ground, next) = (&ground, &next);
                scope.spawn(move || ground.work(worker, next, end))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().ok().context("a worker has panicked")?)
    })?;

    let tally = ground.tally.into_inner().ok().context("a worker has panicked")?;
    for ((output, what), n) in &tally.ends {
        println!("{n:6} {output:?}: {what}");
    }
    let wrong = tally.wrong.len();
    ensure!(
        wrong == 0,
        "{wrong} violations, the first at seed {}",
        tally.wrong.first().copied().unwrap_or(0)
    );
    println!("{} streams, no violation, {:.0} s", options.seeds, start.elapsed().as_secs_f64());
    fs::remove_dir_all(&folder)?;
    Ok(())
}

#[derive(Default)]
struct Tally {
    ends: BTreeMap<(Output, String), u64>,
    wrong: Vec<u64>,
}

struct Ground<'a> {
    program: &'a Path,
    folder: &'a Path,
    sources: &'a Sources,
    tally: Mutex<Tally>,
}

impl Ground<'_> {
    /// Takes one seed after the other.
    fn work(&self, worker: u64, next: &AtomicU64, end: u64) -> Result<()> {
        let folder = self.folder.join(worker.to_string());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return Ok(());
            }
            let origin = Origin::start();
            let stream = Stream::draw(self.sources, seed);
            let url = stream.publish(&origin, &format!("/{seed}"));
            let mut is_right = true;
            for output in [Output::Joined, Output::Film, Output::Pipe] {
                if folder.exists() {
                    fs::remove_dir_all(&folder)?;
                }
                fs::create_dir_all(&folder)?;
                let verdict = self.judged(&folder, &stream, &url, output)?;
                is_right &= self.count(seed, &stream, output, verdict)?;
            }
            if !is_right {
                self.keep(seed, &stream)?;
            }
        }
    }

    fn count(&self, seed: u64, stream: &Stream, output: Output, verdict: Verdict) -> Result<bool> {
        let mut tally = self.tally.lock().ok().context("a worker has panicked")?;
        let what = match &verdict {
            Verdict::Right => "right".to_owned(),
            Verdict::Refused(why) => format!("refused, {why}"),
            Verdict::Wrong(_) => "WRONG".to_owned(),
        };
        *tally.ends.entry((output, what)).or_default() += 1;
        let Verdict::Wrong(why) = verdict else { return Ok(true) };
        println!("seed {seed}, {output:?}: {why}\n    {}", stream.about);
        tally.wrong.push(seed);
        Ok(false)
    }

    /// Leaves the files of a stream for whoever looks into it.
    fn keep(&self, seed: u64, stream: &Stream) -> Result<()> {
        let folder = self.folder.join(format!("seed-{seed}"));
        fs::create_dir_all(&folder)?;
        stream.files.iter().try_for_each(|(path, bytes)| fs::write(folder.join(path), bytes))?;
        Ok(())
    }

    fn judged(&self, folder: &Path, stream: &Stream, url: &str, output: Output) -> Result<Verdict> {
        let file = match output {
            Output::Joined | Output::Pipe => folder.join(format!("out.{}", stream.extension)),
            Output::Film => folder.join("out.mp4"),
        };
        let target = if output == Output::Pipe { Path::new("-") } else { &file };
        let ended = self.download(folder, url, target, &file)?;
        let right = if stream.has_gap { 4 } else { 0 };
        let has_problem = matches!(output, Output::Joined | Output::Pipe) && !stream.can_be_joined;
        if ended.code != Some(right) || (stream.has_gap && has_problem) {
            let is_expected = may_be_refused(stream, output, ended.code);
            let why = format!("exit {:?}: {}", ended.code.unwrap_or(-1), ended.said);
            return Ok(if is_expected { Verdict::Refused(ended.kind()) } else { Verdict::Wrong(why) });
        }
        let judged = match output {
            Output::Film => judge::film(&file, &stream.film, folder)
                .and_then(|()| judge::verify(self.program, &file, stream.has_gap)),
            Output::Joined | Output::Pipe => judge::joined(&file, stream),
        };
        Ok(judged.err().map_or(Verdict::Right, |error| Verdict::Wrong(format!("exit {right}: {error:#}"))))
    }

    fn download(&self, folder: &Path, url: &str, target: &Path, file: &Path) -> Result<Ended> {
        let mut more = vec!["--allow-gaps"];
        if file.extension().is_some_and(|extension| extension == "mp4") {
            more.extend(["--subs", "all"]);
        }
        get(self.program, folder, url, target, file, &more)
    }
}

/// Downloads to `target`, a file or `-`, with more arguments; what goes to the pipe ends in `file`.
pub(crate) fn get(
    program: &Path,
    folder: &Path,
    url: &str,
    target: &Path,
    file: &Path,
    more: &[&str],
) -> Result<Ended> {
    let said = folder.join("stderr");
    let mut command = Command::new(program);
    command
        .args(["get", url, "-q", "-o"])
        .arg(target)
        .args(more)
        .stdin(Stdio::null())
        .stderr(File::create(&said)?);
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    match target == Path::new("-") {
        true => command.stdout(File::create(file)?),
        false => command.stdout(Stdio::null()),
    };
    let code = within(&mut command, LIMIT)?;
    Ok(Ended { code, said: fs::read_to_string(said)?.trim().replace('\n', " | ") })
}

/// Runs a command and returns its exit code; `None`: it was killed, by us where it took too long.
pub(crate) fn within(command: &mut Command, limit: Duration) -> Result<Option<i32>> {
    let mut child = command.spawn().with_context(|| format!("can't run {command:?}"))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) struct Ended {
    /// `None`: it was killed because it took too long.
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

impl Ended {
    /// The exit code and the name of the error.
    pub(crate) fn kind(&self) -> String {
        let name = self.said.split_once("error[").and_then(|(_, rest)| rest.split_once(']'));
        format!("exit {} {}", self.code.unwrap_or(-1), name.map_or("", |(name, _)| name))
    }
}

/// Says whether the output can't hold this stream, so that this exit code is right.
fn may_be_refused(stream: &Stream, output: Output, code: Option<i32>) -> bool {
    match (output, code) {
        (Output::Joined | Output::Pipe, Some(4)) => !stream.can_be_joined || stream.changes_codec,
        // Another section is refused at the segment that brings it.
        (Output::Joined | Output::Pipe, Some(7)) => !stream.can_be_joined,
        // A pipe holds one track.
        (Output::Pipe, Some(2)) => stream.renditions > 0,
        (Output::Film, Some(7)) => stream.changes_codec,
        // Packed sound is told by its first bytes, as its container.
        (Output::Joined | Output::Film, Some(2)) => stream.changes_codec,
        // Segments of another container are left out, or end it.
        (_, Some(4 | 8)) => stream.changes_codec,
        _ => false,
    }
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self { seeds: 200, from: 1, program: None };
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name == "--seeds" => options.seeds = value.parse()?,
                [name, value] if name == "--from" => options.from = value.parse()?,
                [name, value] if name == "--program" => options.program = Some(value.into()),
                _ => bail!("usage: cargo xtask streams [--seeds N] [--from N] [--program PATH]"),
            }
        }
        Ok(options)
    }
}

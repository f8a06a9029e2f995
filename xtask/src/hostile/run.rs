//! One try: the program in a folder of its own, how it ended, and what it took.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::dice::Dice;

/// What a run may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(2);

/// One try of a recipe.
pub(crate) struct Try<'a> {
    pub(crate) dice: Dice,
    pub(crate) program: &'a Path,
    pub(crate) folder: PathBuf,
    /// What was drawn, for whoever looks into it.
    pub(crate) values: Vec<String>,
}

impl Try<'_> {
    /// Says what was drawn.
    pub(crate) fn note(&mut self, value: impl Into<String>) {
        self.values.push(value.into());
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// One of these, and says which.
    pub(crate) fn pick<T: Copy + std::fmt::Debug>(&mut self, what: &str, all: &[T]) -> Result<T> {
        let one = *self.dice.among(all)?;
        self.note(format!("{what} {one:?}"));
        Ok(one)
    }

    /// A number of these, the last included, and says which.
    pub(crate) fn number(&mut self, what: &str, all: std::ops::RangeInclusive<u64>) -> u64 {
        let n = all.start() + self.dice.below(all.end() - all.start() + 1);
        self.note(format!("{what} {n}"));
        n
    }

    /// Starts the program in the folder.
    pub(crate) fn start(&self, args: &[&str]) -> Result<Running> {
        let mut command = Command::new(self.program);
        command.args(args).current_dir(&self.folder).stdin(Stdio::null());
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        let (out, err) = (self.file("stdout"), self.file("stderr"));
        command.stdout(File::create(&out)?).stderr(File::create(&err)?);
        let child = command.spawn().with_context(|| format!("can't run {command:?}"))?;
        Ok(Running { child, out, err, peak: 0, begin: Instant::now() })
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Result<End> {
        self.start(args)?.end(LIMIT)
    }
}

/// A run that has not ended.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    peak: u64,
    begin: Instant,
}

impl Running {
    /// Waits until something is so; false where the program ends before, or it takes too long.
    pub(crate) fn until(&mut self, is_so: impl Fn() -> bool) -> Result<bool> {
        while !is_so() {
            if self.child.try_wait()?.is_some() || self.begin.elapsed() > LIMIT {
                return Ok(false);
            }
            self.look();
            sleep(LOOK);
        }
        Ok(true)
    }

    /// Lets it run for a while, or to its end.
    pub(crate) fn pass(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        self.until(|| Instant::now() > end).map(drop)
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-s", name, &id]).stderr(Stdio::null()).status()?;
        Ok(())
    }

    /// Waits for its end, and kills it where that takes too long.
    pub(crate) fn end(mut self, limit: Duration) -> Result<End> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return self.ended(Some(status));
            }
            if begin.elapsed() > limit {
                self.child.kill()?;
                self.child.wait()?;
                return self.ended(None);
            }
            self.look();
            sleep(LOOK);
        }
    }

    fn look(&mut self) {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak =
            line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
        self.peak = self.peak.max(peak.unwrap_or(0) << 10);
    }

    fn ended(&self, status: Option<ExitStatus>) -> Result<End> {
        let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
        let said = String::from_utf8_lossy(&read(&self.err)?).into_owned();
        Ok(End { status, said, out: read(&self.out)?, peak: self.peak })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a run ended.
pub(crate) struct End {
    /// `None`: it took too long.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) said: String,
    pub(crate) out: Vec<u8>,
    /// The most memory it had.
    pub(crate) peak: u64,
}

impl End {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// The exit code, and the name of the error.
    pub(crate) fn kind(&self) -> String {
        let name = self.said.split_once("error[").and_then(|(_, rest)| rest.split_once(']'));
        format!("exit {} {}", self.code().unwrap_or(-1), name.map_or("", |(name, _)| name)).trim().to_owned()
    }

    /// The last lines of what it said.
    pub(crate) fn words(&self) -> String {
        let lines = self.said.lines().collect::<Vec<_>>();
        lines[lines.len().saturating_sub(6)..].join(" | ")
    }
}

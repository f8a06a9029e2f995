//! The release build of `hls`, run against an origin and killed.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::judge;

use crate::workspace;

/// A download that is slower than this has stopped.
const LIMIT: Duration = Duration::from_secs(300);

/// Builds `hls` and returns the path of the program.
pub(crate) fn build() -> Result<PathBuf> {
    workspace::run(&mut workspace::cargo(&["build", "--release", "--package", "hls-cli"]))?;
    let program = workspace::target()?.join("release").join(format!("hls{}", std::env::consts::EXE_SUFFIX));
    program.is_file().then_some(()).with_context(|| format!("no program at {}", program.display()))?;
    Ok(program)
}

/// One download: the program, what to fetch, and where to.
pub(crate) struct Download<'a> {
    pub(crate) program: &'a Path,
    pub(crate) url: &'a str,
    pub(crate) output: &'a Path,
    pub(crate) connections: u32,
    pub(crate) quiet: bool,
}

impl Download<'_> {
    /// What a shell would be given; `wrapper` is a program that runs others, such as strace, with its arguments.
    pub(crate) fn command(&self, wrapper: &[&str]) -> Command {
        let mut command = match wrapper {
            [] => Command::new(self.program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(self.program);
                command
            }
        };
        command.args(["get", self.url, "-j", &self.connections.to_string(), "-o"]).arg(self.output);
        // A proxy of the environment has no way to this machine's loopback.
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").stdin(Stdio::null());
        if self.quiet {
            command.arg("-q");
        }
        command
    }

    pub(crate) fn start(&self) -> Result<Child> {
        self.command(&[]).spawn().with_context(|| format!("can't run {}", self.program.display()))
    }

    /// Runs it to its end, with more arguments, and listens.
    pub(crate) fn listen(&self, more: &[&str]) -> Result<Ended> {
        Ended::of(self.command(&[]).args(more))
    }

    /// Starts it and kills it once `moment` has come; returns false where it ended by itself before.
    pub(crate) fn start_and_kill(&self, moment: impl Fn() -> bool) -> Result<bool> {
        let mut child = self.start()?;
        let start = Instant::now();
        while !moment() {
            if let Some(status) = child.try_wait()? {
                return if status.success() {
                    Ok(false)
                } else {
                    bail!("hls ended before it was killed: {status}")
                };
            }
            if start.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                bail!("hls has not come far enough in {} s", LIMIT.as_secs());
            }
            sleep(Duration::from_millis(1));
        }
        child.kill()?;
        child.wait()?;
        Ok(true)
    }

    pub(crate) fn run(&self) -> Result<ExitStatus> {
        end_of(&mut self.start()?)
    }

    /// Compares the output with what was published, and looks for what should not be left beside it.
    pub(crate) fn verify(&self, sha256: &str) -> Result<()> {
        let found = judge::sha256_file(self.output)
            .with_context(|| format!("can't read the result {}", self.output.display()))?;
        if found != sha256 {
            bail!("{}: wrong bytes: SHA-256 is {found}, should be {sha256}", self.output.display());
        }
        for left in self.companions() {
            if left.exists() {
                bail!("{} is left behind", left.display());
            }
        }
        Ok(())
    }

    /// Removes what an earlier run left.
    pub(crate) fn clear(&self) -> Result<()> {
        if let Some(folder) = self.output.parent() {
            fs::create_dir_all(folder)?;
        }
        let [part, state] = self.companions();
        absent(fs::remove_file(self.output))?;
        absent(fs::remove_file(part))?;
        absent(fs::remove_dir_all(state))?;
        Ok(())
    }

    /// Names that are there only while the download is unfinished.
    pub(crate) fn companions(&self) -> [PathBuf; 2] {
        ["part", "hls"].map(|suffix| {
            let mut name = self.output.as_os_str().to_owned();
            name.push(".");
            name.push(suffix);
            name.into()
        })
    }
}

/// How a run ended, and what it said on its way.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

impl Ended {
    pub(crate) fn of(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut words = child.stderr.take().context("no standard error")?;
        let listener = std::thread::spawn(move || {
            let mut said = Vec::new();
            words.read_to_end(&mut said).map(|_| String::from_utf8_lossy(&said).into_owned())
        });
        let status = end_of(&mut child)?;
        let said = listener.join().map_err(|_| anyhow::anyhow!("nobody listened"))??;
        Ok(Self { status, said })
    }

    /// The exit code, where the end is one that a user may see: success, or an error with a name and the same code.
    pub(crate) fn code(&self) -> Result<i32> {
        let code = self.status.code().with_context(|| format!("{self}"))?;
        ensure!(!self.said.contains("panicked"), "a panic: {self}");
        let named = self.said.contains("error[") && self.said.contains(&format!("(exit {code})"));
        ensure!(code == 0 || named, "no named error: {self}");
        Ok(code)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.said.trim())
    }
}

fn end_of(child: &mut Child) -> Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("hls has not ended in {} s", LIMIT.as_secs());
        }
        sleep(Duration::from_millis(2));
    }
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

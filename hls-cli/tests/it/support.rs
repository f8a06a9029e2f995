//! What the tests share: a folder, the program in it, and what it says and leaves behind.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hls_testkit::{Gate, Origin, Published, Reply, Step, Vod};
use tempfile::TempDir;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

pub(crate) const KEY: [u8; 16] = *b"0123456789abcdef";
/// Nothing here takes longer, however busy the machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What stands for a secret in URLs, headers and keys: it may never be shown.
pub(crate) const SECRET: &str = "sesame";

/// A folder that the program runs in.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Result<Self, std::io::Error> {
        tempfile::tempdir().map(Self)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.file(name)).map_err(|e| format!("{name}: {e}; there are {:?}", self.names()))
    }

    /// The names of everything in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A program that runs in this folder, with nothing in its environment that would change what it does.
    pub(crate) fn command(&self, program: &str) -> Command {
        // By its path, as a test may take the search path away.
        let mut command = Command::new(if ignores_signals() { "/usr/bin/env" } else { program });
        if ignores_signals() {
            command.args(["--default-signal=HUP,INT,TERM", program]);
        }
        command.current_dir(self.path()).stdin(Stdio::null());
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }

    /// The program, with these arguments.
    pub(crate) fn hls(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_hls"));
        command.args(args);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Run, Box<dyn Error>> {
        Run::of(&mut self.hls(args))
    }

    /// Starts the program with its words in the file `log`.
    pub(crate) fn spawn(&self, args: &[&str]) -> Result<Running, Box<dyn Error>> {
        Running::of(&mut self.hls(args), &self.file("log"))
    }

    /// A file is what it has to be, and nothing is left beside it.
    pub(crate) fn holds_only(&self, name: &str, expected: &[u8]) -> Outcome {
        same(&self.read(name)?, expected);
        let mut names = self.names();
        names.retain(|n| n != "log");
        assert_eq!(names, [name]);
        Ok(())
    }
}

/// Compares without printing megabytes.
#[track_caller]
pub(crate) fn same(got: &[u8], expected: &[u8]) {
    let at = got.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((got.len(), at), (expected.len(), None), "length, and place of the first difference");
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let run = command.output()?;
        let run = Self { status: run.status, out: run.stdout, err: String::from_utf8(run.stderr)? };
        run.is_clean();
        Ok(run)
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Its standard output as lines of JSON.
    pub(crate) fn events(&self) -> Result<Vec<serde_json::Value>, Box<dyn Error>> {
        events(&self.out())
    }

    /// It went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "{}\n{}", self.status, self.err);
        self
    }

    /// It ended with this code and this error, told in one block; returns the lines of the block by name.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, symbol: &str) -> Block {
        assert_eq!(self.status.code(), Some(code), "{}", self.err);
        let blocks = self.err.lines().filter(|line| line.starts_with("error[")).count();
        assert_eq!(blocks, 1, "one block: {}", self.err);
        let begin = format!("error[{symbol}] (exit {code}): ");
        let at = self.err.find(&begin);
        assert!(at.is_some(), "{begin:?} is not in {}", self.err);
        Block(self.err[at.unwrap_or_default()..].to_owned())
    }

    /// What is said has no control characters, and no secrets.
    #[track_caller]
    fn is_clean(&self) {
        assert_clean(&self.err);
        if !self.out.contains(&0) {
            assert!(!self.out().contains(SECRET), "a secret: {}", self.out());
        }
    }
}

#[track_caller]
pub(crate) fn assert_clean(said: &str) {
    let foreign = |c: char| c.is_control() && c != '\n';
    assert!(!said.contains(foreign), "a control character: {said:?}");
    assert!(!said.contains(SECRET), "a secret: {said}");
}

pub(crate) fn events(lines: &str) -> Result<Vec<serde_json::Value>, Box<dyn Error>> {
    lines.lines().map(|line| serde_json::from_str(line).map_err(|e| format!("{e}: {line}").into())).collect()
}

/// The block of an error.
pub(crate) struct Block(String);

impl Block {
    /// One of its lines has this name, and each of these words in it.
    #[track_caller]
    pub(crate) fn has(&self, name: &str, words: &[&str]) -> &Self {
        let label = format!("  {:<6} ", format!("{name}:"));
        let line = self.0.lines().find_map(|line| line.strip_prefix(label.as_str()));
        assert!(line.is_some(), "no line {name:?} in {}", self.0);
        for word in words {
            assert!(line.is_some_and(|line| line.contains(word)), "{word:?} is not in {name}: {}", self.0);
        }
        self
    }
}

/// A run that goes on.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn of(command: &mut Command, log: &Path) -> Result<Self, Box<dyn Error>> {
        let child = command.stdout(Stdio::null()).stderr(File::create(log)?).spawn()?;
        Ok(Self { child, log: log.to_owned() })
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL, or what comes closest.
    pub(crate) fn kill(mut self) -> Outcome {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    #[cfg(unix)]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) -> Outcome {
        signal(name, &self.child.id().to_string())
    }

    /// Waits for its end; returns how it ended and what it said.
    pub(crate) fn wait(mut self) -> Result<(ExitStatus, String), Box<dyn Error>> {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait()? {
                let said = self.said();
                assert_clean(&said);
                return Ok((status, said));
            }
            pause();
        }
        self.child.kill()?;
        Err(format!("it did not end: {}", self.said()).into())
    }
}

#[cfg(unix)]
pub(crate) fn signal(name: &str, target: &str) -> Outcome {
    let sent = Command::new("kill").args([&format!("-{name}"), "--", target]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("no signal for {target}").into()) }
}

pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Waits until something outside this process is so.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited for {what}");
        pause();
    }
}

/// A stream whose segments from number `from` on wait for a gate.
pub(crate) fn gated(origin: &Origin, vod: &Vod, from: usize) -> (Published, Gate) {
    let published = vod.publish(origin);
    let gate = Gate::new();
    for path in published.segment_paths.iter().skip(from) {
        let reply = Reply::resource().steps([Step::Wait(gate.clone()), Step::Rest]);
        origin.script(path, [reply.forever()]);
    }
    (published, gate)
}

/// Bytes in the unfinished output.
pub(crate) fn part_length(folder: &Folder, output: &str) -> u64 {
    std::fs::metadata(folder.file(&format!("{output}.part"))).map_or(0, |meta| meta.len())
}

/// Paths of an origin's requests, playlists left out.
pub(crate) fn media_requests(origin: &Origin) -> usize {
    origin.requests().iter().filter(|r| !r.path.ends_with(".m3u8")).count()
}

/// Whether these tests were started with signals ignored, which programs inherit: under nohup, or in the background of a
/// script. Only Linux says so.
fn ignores_signals() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let [hup, int, term] = [1, 2, 15].map(|signal| 1_u64 << (signal - 1));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (hup | int | term) != 0)
}

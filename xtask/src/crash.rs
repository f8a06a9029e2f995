//! `cargo xtask crash`: downloads that die, or are told of an error, at each system call that touches a file.
//!
//! What has to hold after each: the final name holds all the right bytes or is not there, and running the same command
//! again ends right, with nothing left behind, and finds none of its records untrue.

use std::collections::BTreeMap;
use std::ffi::os_str::Display;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Origin, Published, Reply, Vod, judge};

use crate::dice::Dice;
use crate::download::{self, Download};
use crate::workspace;

/// The system calls by which files and folders come, change and go.
const CALLS: [&str; 13] = [
    "openat",
    "write",
    "pwrite64",
    "pwritev",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat2",
    "unlink",
    "mkdir",
    "rmdir",
    "sync_file_range",
];
// Not `write`: no file is written by it, only sockets and the wake-ups of the runtime, which no disk makes fail.
const ERRORS: [(&str, &[&str]); 7] = [
    ("pwrite64", &["EIO", "ENOSPC"]),
    ("pwritev", &["EIO", "ENOSPC"]),
    ("ftruncate", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("renameat2", &["EIO", "ENOSPC"]),
    ("openat", &["EMFILE"]),
];
/// Milliseconds; what waits for two seconds is moved to disk.
const LATE: u64 = 3000;
/// The late job waits more than it works, so so many of it share its faults.
const LANES: usize = 4;
/// A count of one call in one thread that no job here reaches.
const FAR: u32 = 2000;

struct Options {
    most: u32,
    doubles: u32,
    seed: u64,
}

/// What happens at the `nth` of these calls, counted for each thread by itself.
#[derive(Clone, Copy)]
struct Fault {
    call: &'static str,
    nth: u32,
    error: Option<&'static str>,
}

/// What has become of the kills of a job.
struct Kills {
    reached: Vec<Fault>,
    tried: usize,
}

struct Job<'a> {
    program: &'a Path,
    output: PathBuf,
    published: Published,
    /// Of the right output.
    sha256: String,
    /// The first segment of the first run comes so late that the others wait on disk. Takes seconds, so fewer are tried.
    late: Option<Arc<AtomicBool>>,
    share: Share,
}

/// Every so-and-so-many-th of the faults of a job, the rest being for others that are the same job elsewhere.
#[derive(Clone, Copy)]
struct Share {
    nth: usize,
    of: usize,
}

impl Share {
    const ALL: Self = Self { nth: 0, of: 1 };

    fn take<T>(self, all: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        all.into_iter().skip(self.nth).step_by(self.of)
    }
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !strace.is_ok_and(|status| status.success()) {
        judge::skip("strace is not installed: no call can be made to fail");
        return Ok(());
    }
    let program = download::build()?;
    let folder = workspace::target()?.join("crash");
    std::fs::create_dir_all(&folder)?;
    let origin = Origin::builder().start();
    let small = Vod::synthetic(6, 200 << 10).prefix("/small").aes128([7; 16]).publish(&origin);
    // One MP4 is made of this: what it has to be is told by a run without any fault.
    let film = Vod::looped(4).prefix("/film").publish(&origin);
    let job = |name: &str, published: Published| Job {
        program: &program,
        output: folder.join(name),
        sha256: published.sha256.clone(),
        published,
        late: None,
        share: Share::ALL,
    };
    let mut film = job("film.mp4", film);
    film.learn()?;
    let mut jobs = vec![job("small.ts", small), film];
    let mut firsts = Vec::new();
    for nth in 0..LANES {
        let published = Vod::synthetic(6, 200 << 10).prefix(&format!("/aside-{nth}")).publish(&origin);
        let late = Arc::new(AtomicBool::new(false));
        firsts.push((published.segment_paths[0].clone(), Arc::clone(&late)));
        let share = Share { nth, of: LANES };
        jobs.push(Job { late: Some(late), share, ..job(&format!("aside-{nth}.ts"), published) });
    }
    origin.rule(move |request| {
        let (_, late) = firsts.iter().find(|(first, _)| *first == request.path)?;
        late.swap(false, Ordering::Relaxed).then(|| Reply::resource().delay(LATE))
    });

    println!(
        "at most {} of each call, {} double kills, --seed {}",
        options.most, options.doubles, options.seed
    );
    let start = Instant::now();
    // Beside each other: most of them wait for their late segment.
    let kills_of_jobs: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = jobs.iter().map(|job| scope.spawn(|| job.single_faults(&options))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
            .collect()
    });
    let mut boundaries = Vec::new();
    // The lanes together, as the few kills of one may all miss by chance.
    let mut kills = BTreeMap::<String, (usize, usize)>::new();
    for (job, kills_of_job) in jobs.iter().zip(kills_of_jobs) {
        let Kills { reached, tried } = kills_of_job?;
        let name = if job.late.is_some() { "aside".to_owned() } else { job.name().to_string() };
        let known = kills.entry(name).or_default();
        *known = (known.0 + reached.len(), known.1 + tried);
        boundaries.extend(reached.into_iter().map(|fault| (job, fault)));
    }
    for (name, (reached, tried)) in kills {
        ensure!(2 * reached >= tried, "{name}: {reached} of {tried} kills happen");
    }
    double_kills(&boundaries, &options)?;
    println!("{} kills and errors, no violation, {:.0} s", boundaries.len(), start.elapsed().as_secs_f64());
    Ok(())
}

fn double_kills(boundaries: &[(&Job<'_>, Fault)], options: &Options) -> Result<()> {
    let mut dice = Dice::new(options.seed);
    let mut second_hits = 0;
    for _ in 0..options.doubles {
        let (job, first) = *dice.among(boundaries)?;
        let (_, mut second) = *dice.among(boundaries)?;
        second.nth = second.nth.div_ceil(2);
        job.clear()?;
        job.with(first)?;
        let again = job.with(second)?;
        second_hits += u32::from(killed(&again));
        job.final_is_whole_or_absent()
            .and_then(|()| job.recovers())
            .with_context(|| format!("{first}, then {second}"))?;
    }
    println!("double kills: {} right, {second_hits} of the second ones hit", options.doubles);
    Ok(())
}

impl Job<'_> {
    /// Takes what comes of a run without any fault for right, if ffmpeg has nothing to say about it.
    fn learn(&mut self) -> Result<()> {
        self.clear()?;
        ensure!(self.plainly()?.status.success(), "{}: a download without any fault failed", self.name());
        match judge::ffmpeg_silent(&self.output) {
            judge::Verdict::Complaint(complaint) => bail!("{}: {complaint}", self.name()),
            judge::Verdict::Skipped => judge::skip("no ffmpeg judges the MP4"),
            judge::Verdict::Fine => {}
        }
        self.sha256 = judge::sha256_file(&self.output)?;
        Ok(())
    }

    /// Each kill and each error by itself.
    fn single_faults(&self, options: &Options) -> Result<Kills> {
        self.clear()?;
        ensure!(self.plainly()?.status.success(), "{}: a download without any fault failed", self.name());
        let counts = self.count()?;
        let sample = |call| self.sample(counts.get(call).copied().unwrap_or(0), options);
        let (mut reached, mut tried) = (Vec::new(), 0);
        for call in self.share.take(CALLS) {
            tried += self.kills(call, &sample(call), &mut reached)?;
        }
        let errors = ERRORS.iter().flat_map(|(call, errors)| errors.iter().map(|error| (*call, *error)));
        for (call, error) in self.share.take(errors) {
            self.errors(call, error, &sample(call))?;
        }
        Ok(Kills { reached, tried })
    }

    /// Kills at each of these calls, adds those that were reached, and returns how many it tried.
    fn kills(&self, call: &'static str, sample: &[u32], reached: &mut Vec<Fault>) -> Result<usize> {
        let before = reached.len();
        for nth in sample.iter().copied() {
            let mut fault = Fault { call, nth, error: None };
            // The calls fall to threads as chance has it, so another run may have fewer of them in one.
            while !self.kill(fault)? {
                fault.nth /= 2;
                if fault.nth == 0 {
                    break;
                }
            }
            if fault.nth > 0 {
                reached.push(fault);
            }
        }
        println!("{} {call}: {} kills of {}, all right", self.name(), reached.len() - before, sample.len());
        Ok(sample.len())
    }

    /// Whether the kill took place; whichever it was, the next run is right.
    fn kill(&self, fault: Fault) -> Result<bool> {
        self.clear()?;
        let output = self.with(fault)?;
        let killed = killed(&output);
        ensure!(killed || output.status.success(), "{} {fault}: {}", self.name(), said(&output));
        self.final_is_whole_or_absent()
            .and_then(|()| self.recovers())
            .with_context(|| format!("{} {fault}", self.name()))?;
        Ok(killed)
    }

    fn errors(&self, call: &'static str, error: &'static str, sample: &[u32]) -> Result<()> {
        let mut codes = BTreeMap::<i32, u32>::new();
        for nth in sample.iter().copied() {
            let fault = Fault { call, nth, error: Some(error) };
            self.clear()?;
            let output = self.with(fault)?;
            let code = output.status.code().unwrap_or(-1);
            *codes.entry(code).or_default() += 1;
            let named = String::from_utf8_lossy(&output.stderr).contains("error[");
            let panicked = String::from_utf8_lossy(&output.stderr).contains("panicked");
            ensure!(!panicked, "{} {fault}: a panic: {}", self.name(), said(&output));
            ensure!(code == 0 || named, "{} {fault}: no named error, but {}", self.name(), said(&output));
            ensure!(code != 101 && code >= 0, "{} {fault}: {}", self.name(), said(&output));
            ensure!(code != 0 || self.output.exists(), "{} {fault}: exit 0 and no output", self.name());
            self.final_is_whole_or_absent()
                .and_then(|()| self.recovers())
                .with_context(|| format!("{} {fault}", self.name()))?;
        }
        let codes: Vec<_> = codes.iter().map(|(code, n)| format!("{n} x exit {code}")).collect();
        println!("{} {call} {error}: {}, then all right", self.name(), codes.join(", "));
        Ok(())
    }

    /// How many of each call one thread of a download makes, at most.
    fn count(&self) -> Result<BTreeMap<&'static str, u32>> {
        self.clear()?;
        let trace = self.output.with_extension("trace");
        let mut counting = self.strace(&["-e", &format!("trace={}", CALLS.join(","))], &trace);
        ensure!(counting.output()?.status.success(), "{}: a traced download failed", self.name());
        let mut of_thread = BTreeMap::<(&str, String), u32>::new();
        for line in std::fs::read_to_string(&trace)?.lines() {
            let thread = line.split(' ').next().unwrap_or_default();
            for call in CALLS.into_iter().filter(|call| line.contains(&format!(" {call}("))) {
                *of_thread.entry((call, thread.to_owned())).or_default() += 1;
            }
        }
        std::fs::remove_file(&trace)?;
        let mut most = BTreeMap::new();
        for ((call, _), count) in of_thread {
            let known = most.entry(call).or_insert(0);
            *known = count.clamp(*known, FAR);
        }
        Ok(most)
    }

    /// Which of so many calls to take: all, or as many as asked for, spread evenly.
    fn sample(&self, calls: u32, options: &Options) -> Vec<u32> {
        let take = calls.min(if self.late.is_some() { options.most.div_ceil(4) } else { options.most });
        (1..=take).map(|n| (n * calls).div_ceil(take)).collect()
    }

    fn strace(&self, what: &[&str], trace: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(trace).args(what).arg("--").arg(self.program);
        self.arguments(&mut command);
        command
    }

    fn with(&self, fault: Fault) -> Result<Output> {
        let what = match fault.error {
            Some(error) => format!("error={error}"),
            None => "signal=KILL".to_owned(),
        };
        let inject = format!("inject={}:{what}:when={}", fault.call, fault.nth);
        let trace = format!("trace={}", fault.call);
        Ok(self.strace(&["-e", &trace, "-e", &inject], Path::new("/dev/null")).output()?)
    }

    fn plainly(&self) -> Result<Output> {
        let mut command = Command::new(self.program);
        self.arguments(&mut command);
        Ok(command.output()?)
    }

    fn arguments(&self, command: &mut Command) {
        command.args(["get", &self.published.url, "-j", "6", "--progress", "none", "-o"]).arg(&self.output);
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").stdin(Stdio::null());
    }

    fn final_is_whole_or_absent(&self) -> Result<()> {
        if !self.output.exists() {
            return Ok(());
        }
        let found = judge::sha256_file(&self.output)?;
        ensure!(found == self.sha256, "{} holds wrong bytes", self.output.display());
        Ok(())
    }

    /// The same command again, undisturbed.
    fn recovers(&self) -> Result<()> {
        let [part, state] = self.as_download().companions();
        // Without them it was finished, and only the cleaning up was left: the output exists, as after any download.
        let finished = self.output.exists() && !part.exists() && !state.join("written").exists();
        let output = self.plainly()?;
        let expected = if finished { 13 } else { 0 };
        ensure!(output.status.code() == Some(expected), "the next run: {}", said(&output));
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(!errors.contains("damaged"), "a record was not true: {errors}");
        self.as_download().verify(&self.sha256)
    }

    fn clear(&self) -> Result<()> {
        if let Some(late) = &self.late {
            late.store(true, Ordering::Relaxed);
        }
        self.as_download().clear()
    }

    fn name(&self) -> Display<'_> {
        self.output.file_name().unwrap_or_default().display()
    }

    fn as_download(&self) -> Download<'_> {
        let (program, url, output) = (self.program, self.published.url.as_str(), self.output.as_path());
        Download { program, url, output, connections: 6, quiet: true }
    }
}

/// strace dies by the signal that it has seen its program die by.
fn killed(output: &Output) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    output.status.signal() == Some(9) || output.status.code() == Some(137)
}

fn said(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} no. {}", self.error.unwrap_or("killed"), self.call, self.nth)
    }
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self { most: FAR, doubles: 300, seed: 1 };
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name == "--most" => options.most = value.parse()?,
                [name, value] if name == "--doubles" => options.doubles = value.parse()?,
                [name, value] if name == "--seed" => options.seed = value.parse()?,
                _ => bail!("usage: cargo xtask crash [--most N] [--doubles N] [--seed N]"),
            }
        }
        ensure!(options.most > 0, "--most is at least 1");
        Ok(options)
    }
}

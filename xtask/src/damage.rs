//! `cargo xtask damage`: unfinished jobs whose files are damaged at random, and run again.
//!
//! What has to hold after each: exit 0 and every byte right, with nothing left beside it; or an error with a name, no
//! wrong byte under a final name, and `--restart` as the way out.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Gate, Master, Origin, Published, Reply, Step, Vod, judge};

use crate::dice::Dice;
use crate::download::{self, Download};
use crate::workspace;

const SEGMENTS: usize = 12;
const SEGMENT_BYTES: usize = 60_000;
/// The first segment that the run before the damage does not get.
const HALF: usize = 6;
/// What any of the states takes to come into being, at most.
const LIMIT: Duration = Duration::from_secs(30);

/// Ends that damage may lead to: content, disk, version, output.
const NAMED: [i32; 4] = [8, 10, 12, 13];

struct Options {
    runs: u32,
    seed: u64,
}

/// An unfinished job as it lies on disk, and what it has to end as.
struct State {
    name: &'static str,
    url: String,
    /// A copy of all its files.
    copy: PathBuf,
    /// Names of the outputs, and the hashes of what has to be in them.
    expected: BTreeMap<String, String>,
    /// What is under the name of the main output already: all but a gap, which was allowed.
    with_gaps: Option<String>,
}

/// Where the jobs are made, damaged and run again.
struct Ground<'a> {
    program: &'a Path,
    origin: &'a Origin,
    work: PathBuf,
    copies: PathBuf,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let program = download::build()?;
    let folder = workspace::target()?.join("damage");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let origin = Origin::start();
    let ground = Ground {
        program: &program,
        origin: &origin,
        work: folder.join("work"),
        copies: folder.join("states"),
    };
    let states = ground.states()?;
    for state in &states {
        ground.recovers(state).with_context(|| format!("{}, without any damage", state.name))?;
    }
    println!("{} states, {} runs, --seed {}", states.len(), options.runs, options.seed);

    let start = Instant::now();
    let mut codes = BTreeMap::<(&str, i32), u32>::new();
    for n in 0..options.runs {
        let mut dice = Dice::new(options.seed.wrapping_add(u64::from(n)));
        let state = dice.among(&states)?;
        state.restore(&ground.work)?;
        let damage = Damage::roll(&ground.work, &mut dice)?;
        let code = ground.judged(state).with_context(|| {
            format!("{}: {damage}; --seed {} --runs 1", state.name, options.seed + u64::from(n))
        })?;
        *codes.entry((state.name, code)).or_default() += 1;
    }
    for ((name, code), n) in &codes {
        println!("{name:18} {n:4} x exit {code}");
    }
    println!("{} runs, no violation, {:.0} s", options.runs, start.elapsed().as_secs_f64());
    fs::remove_dir_all(&folder)?;
    Ok(())
}

impl Ground<'_> {
    fn output(&self) -> PathBuf {
        self.work.join("out.ts")
    }

    /// Runs the command on what lies there and judges the end; returns the exit code.
    fn judged(&self, state: &State) -> Result<i32> {
        let output = self.output();
        let download = self.download(&state.url, &output);
        let before = contents(&self.work)?;
        let ended = download.listen(&[])?;
        let code = ended.code()?;
        if code == 0 {
            state.is_finished(&self.work).with_context(|| format!("exit 0: {ended}"))?;
            return Ok(code);
        }
        ensure!(NAMED.contains(&code), "an end that damage does not explain: {ended}");
        if code == 12 {
            // What a newer version may have written is left as it was, and so there is no way out of it here.
            let untouched = contents(&self.work)? == before;
            ensure!(untouched, "the state of a newer version was touched: {ended}");
            return Ok(code);
        }
        state.has_no_wrong_output(&self.work).with_context(|| format!("{ended}"))?;
        let again = download.listen(&["--restart", "--force"])?;
        ensure!(again.code()? == 0, "--restart after {ended}\n{again}");
        state.is_finished(&self.work).with_context(|| format!("--restart after {ended}"))?;
        Ok(code)
    }

    fn recovers(&self, state: &State) -> Result<()> {
        state.restore(&self.work)?;
        let code = self.judged(state)?;
        ensure!(code == 0, "exit {code}");
        Ok(())
    }

    fn download<'a>(&'a self, url: &'a str, output: &'a Path) -> Download<'a> {
        Download { program: self.program, url, output, connections: 3, quiet: true }
    }

    /// One job at each stage that a kill or a failure can leave it at.
    fn states(&self) -> Result<Vec<State>> {
        let vod = || Vod::synthetic(SEGMENTS, SEGMENT_BYTES);
        let half = |part: u64| move |ground: &Self| ground.part_len() >= part * SEGMENT_BYTES as u64;
        let nearly = HALF as u64 - 1;
        Ok(vec![
            self.killed("begun", &vod().prefix("/begun"), 0, |ground| {
                ground.work.join("out.ts.part").exists()
            })?,
            self.killed("clear", &vod().prefix("/clear"), HALF, half(nearly))?,
            self.killed("aes", &vod().prefix("/aes").aes128([7; 16]), HALF, half(nearly))?,
            self.inside(&vod().prefix("/inside"))?,
            self.aside(&vod().prefix("/aside"))?,
            self.failed(&vod().prefix("/failed").aes128([9; 16]))?,
            self.two_outputs()?,
            self.complete("complete", &vod().prefix("/complete"))?,
            self.two_complete()?,
            self.gaps(&vod().prefix("/gaps"))?,
        ])
    }

    fn part_len(&self) -> u64 {
        fs::metadata(self.work.join("out.ts.part")).map_or(0, |meta| meta.len())
    }

    /// Killed once `moment` has come, with segments from number `from` on held back until then.
    fn killed(
        &self,
        name: &'static str,
        vod: &Vod,
        from: usize,
        moment: impl Fn(&Self) -> bool,
    ) -> Result<State> {
        let published = vod.publish(self.origin);
        let gate = self.held(&published, from);
        self.kill(&published.url, moment)?;
        gate.open();
        self.state(name, &published.url, [("out.ts", &published)])
    }

    /// Killed in the middle of a segment.
    fn inside(&self, vod: &Vod) -> Result<State> {
        let published = vod.publish(self.origin);
        let gate = self.held(&published, HALF);
        let reply = || {
            Reply::resource().steps([Step::Bytes(SEGMENT_BYTES / 2), Step::Wait(gate.clone()), Step::Rest])
        };
        self.origin.script(&published.segment_paths[HALF], [reply().forever()]);
        let reached = (HALF * (SEGMENT_BYTES / 188 * 188) + SEGMENT_BYTES / 3) as u64;
        self.kill(&published.url, |ground| ground.part_len() >= reached)?;
        gate.open();
        self.state("inside", &published.url, [("out.ts", &published)])
    }

    /// Killed while most of it waits on disk for a late segment.
    fn aside(&self, vod: &Vod) -> Result<State> {
        let published = vod.publish(self.origin);
        let gate = Gate::new();
        let late = Reply::resource().steps([Step::Wait(gate.clone()), Step::Rest]);
        self.origin.script(&published.segment_paths[2], [late.forever()]);
        let waiting = |ground: &Self| {
            let entries = fs::read_dir(ground.work.join("out.ts.hls")).into_iter().flatten().flatten();
            entries.filter(|e| e.path().extension().is_some_and(|x| x == "seg")).count() >= 5
        };
        self.kill(&published.url, waiting)?;
        gate.open();
        self.state("aside", &published.url, [("out.ts", &published)])
    }

    /// Ended by itself because the server did not have a segment, after so long that the index was in use.
    fn failed(&self, vod: &Vod) -> Result<State> {
        let published = vod.publish(self.origin);
        self.origin.script(&published.segment_paths[HALF], [Reply::status(404).delay(2500).forever()]);
        self.fresh()?;
        let output = self.output();
        let ended = self.download(&published.url, &output).listen(&[])?;
        ensure!(ended.code()? == 3, "a segment that is not there: {ended}");
        self.origin.script(&published.segment_paths[HALF], []);
        self.state("failed", &published.url, [("out.ts", &published)])
    }

    /// Finished without a segment that the server did not have then.
    fn gaps(&self, vod: &Vod) -> Result<State> {
        let published = vod.publish(self.origin);
        self.origin.script(&published.segment_paths[HALF], [Reply::status(404).forever()]);
        self.fresh()?;
        let output = self.output();
        let ended = self.download(&published.url, &output).listen(&["--allow-gaps"])?;
        ensure!(ended.status.code() == Some(4), "a segment that is not there: {ended}");
        self.origin.script(&published.segment_paths[HALF], []);
        let with_gaps = judge::sha256_file(&output)?;
        let state = self.state("gaps", &published.url, [("out.ts", &published)])?;
        Ok(State { with_gaps: Some(with_gaps), ..state })
    }

    fn two_outputs(&self) -> Result<State> {
        let master = Master::new("/two")
            .variant(800_000, 640, 360, Vod::synthetic(SEGMENTS, SEGMENT_BYTES))
            .audio("en", true, Vod::synthetic(SEGMENTS, SEGMENT_BYTES / 2))
            .publish(self.origin);
        let gates = [self.held(&master.variants[0], HALF), self.held(&master.audio[0], HALF)];
        let nearly = (HALF - 1) * SEGMENT_BYTES;
        let side = self.work.join("out.audio-en.ts.part");
        let moment = |ground: &Self| {
            let side = fs::metadata(&side).map_or(0, |meta| meta.len());
            ground.part_len() >= nearly as u64 && side >= nearly as u64 / 2
        };
        self.kill(&master.url, moment)?;
        gates.iter().for_each(Gate::open);
        let outputs = [("out.ts", &master.variants[0]), ("out.audio-en.ts", &master.audio[0])];
        self.state("two outputs", &master.url, outputs)
    }

    /// Ended between the last byte and the final name: all is there but the rename.
    fn complete(&self, name: &'static str, vod: &Vod) -> Result<State> {
        let published = vod.publish(self.origin);
        let gate = self.held(&published, HALF);
        self.obstructed(&published.url, &[gate])?;
        self.state(name, &published.url, [("out.ts", &published)])
    }

    /// The same with a side output that has its final name already.
    fn two_complete(&self) -> Result<State> {
        let master = Master::new("/both")
            .variant(800_000, 640, 360, Vod::synthetic(SEGMENTS, SEGMENT_BYTES))
            .audio("en", true, Vod::synthetic(SEGMENTS, SEGMENT_BYTES / 2).discontinuity_at(3))
            .publish(self.origin);
        let gates = [self.held(&master.variants[0], HALF), self.held(&master.audio[0], HALF)];
        self.obstructed(&master.url, &gates)?;
        ensure!(self.work.join("out.audio-en.ts").exists(), "the side output has no final name yet");
        let outputs = [("out.ts", &master.variants[0]), ("out.audio-en.ts", &master.audio[0])];
        self.state("one of two renamed", &master.url, outputs)
    }

    fn held(&self, published: &Published, from: usize) -> Gate {
        let gate = Gate::new();
        for path in published.segment_paths.iter().skip(from) {
            let reply = Reply::resource().steps([Step::Wait(gate.clone()), Step::Rest]);
            self.origin.script(path, [reply.forever()]);
        }
        gate
    }

    fn fresh(&self) -> Result<()> {
        if self.work.exists() {
            fs::remove_dir_all(&self.work)?;
        }
        Ok(fs::create_dir_all(&self.work)?)
    }

    fn kill(&self, url: &str, moment: impl Fn(&Self) -> bool) -> Result<()> {
        self.fresh()?;
        let output = self.output();
        let killed = self.download(url, &output).start_and_kill(|| {
            let come = moment(self);
            if come {
                // The record follows the bytes by a moment.
                std::thread::sleep(Duration::from_millis(100));
            }
            come
        })?;
        ensure!(killed, "it ended before it was killed");
        Ok(())
    }

    /// A file appears under the final name of the main output while the job runs.
    fn obstructed(&self, url: &str, gates: &[Gate]) -> Result<()> {
        self.fresh()?;
        let output = self.output();
        let download = self.download(url, &output);
        let mut command = download.command(&[]);
        let mut child = command.stderr(std::process::Stdio::null()).spawn()?;
        let start = Instant::now();
        while self.part_len() < SEGMENT_BYTES as u64 {
            ensure!(start.elapsed() < LIMIT, "nothing arrives");
            std::thread::sleep(Duration::from_millis(2));
        }
        fs::write(&output, "an obstacle")?;
        gates.iter().for_each(Gate::open);
        let status = child.wait()?;
        ensure!(status.code() == Some(13), "an obstacle at the final name: {status}");
        Ok(fs::remove_file(&output)?)
    }

    fn state<'p>(
        &self,
        name: &'static str,
        url: &str,
        outputs: impl IntoIterator<Item = (&'p str, &'p Published)>,
    ) -> Result<State> {
        let copy = self.copies.join(name);
        copy_folder(&self.work, &copy)?;
        let expected = outputs.into_iter().map(|(name, p)| (name.to_owned(), p.sha256.clone())).collect();
        Ok(State { name, url: url.to_owned(), copy, expected, with_gaps: None })
    }
}

impl State {
    fn restore(&self, work: &Path) -> Result<()> {
        fs::remove_dir_all(work)?;
        copy_folder(&self.copy, work)
    }

    /// The outputs are right, and nothing lies beside them.
    fn is_finished(&self, work: &Path) -> Result<()> {
        let found = contents(work)?;
        ensure!(found == self.expected, "{found:?} is there, and should be {:?}", self.expected);
        ensure!(!work.join("out.ts.hls").exists(), "the folder of the state is left behind");
        Ok(())
    }

    fn has_no_wrong_output(&self, work: &Path) -> Result<()> {
        for (name, sha256) in &self.expected {
            let path = work.join(name);
            let found = if path.exists() { Some(judge::sha256_file(&path)?) } else { None };
            let right = found.is_none() || found.as_ref() == Some(sha256) || found == self.with_gaps;
            ensure!(right, "{name} holds wrong bytes");
        }
        Ok(())
    }
}

/// What was done to a file.
struct Damage {
    what: String,
    file: String,
}

impl Damage {
    /// Does something to one of the files of a job that has no final name yet.
    fn roll(work: &Path, dice: &mut Dice) -> Result<Self> {
        let mut kinds = BTreeMap::<&str, Vec<PathBuf>>::new();
        for path in files(work)? {
            if let Some(kind) = kind(&path) {
                kinds.entry(kind).or_default().push(path);
            }
        }
        let kinds: Vec<_> = kinds.into_values().collect();
        // A kind first, or the many files of the index would get most of it.
        let of_kind = dice.among(&kinds)?;
        let file = dice.among(of_kind)?.clone();
        let all: Vec<_> = kinds.iter().flatten().collect();
        let mut bytes = fs::read(&file)?;
        let len = bytes.len() as u64;
        let what = match dice.below(8) {
            0 | 1 if len > 0 => {
                let at = dice.below(len) as usize;
                bytes[at] ^= 1 << dice.below(8);
                format!("a flipped bit at {at} of {len}")
            }
            2 if len > 0 => {
                bytes.truncate(dice.below(len) as usize);
                format!("{len} bytes cut to {}", bytes.len())
            }
            3 if len > 0 => {
                let at = dice.below(len) as usize;
                let zeros = dice.below(len - at as u64) as usize + 1;
                bytes[at..at + zeros].fill(0);
                format!("{zeros} zeros at {at} of {len}")
            }
            4 => {
                fs::remove_file(&file)?;
                return Ok(Self::new("deleted", &file, work));
            }
            5 => {
                let other = dice.among(&all)?;
                let theirs = fs::read(other)?;
                fs::write(other, &bytes)?;
                bytes = theirs;
                format!("swapped with {}", other.strip_prefix(work)?.display())
            }
            6 if dice.below(4) == 0 => {
                fs::remove_dir_all(work.join("out.ts.hls"))?;
                return Ok(Self::new("deleted", &work.join("out.ts.hls"), work));
            }
            _ => {
                let more = dice.below(100_000);
                bytes.extend((0..more).map(|n| (n * 37) as u8));
                format!("{more} bytes added to {len}")
            }
        };
        fs::write(&file, bytes)?;
        Ok(Self::new(&what, &file, work))
    }

    fn new(what: &str, file: &Path, work: &Path) -> Self {
        let file = file.strip_prefix(work).unwrap_or(file).display().to_string();
        Self { what: what.to_owned(), file }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// What a file of an unfinished job is for; `None` for a finished output.
fn kind(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    if path.components().any(|part| part.as_os_str() == "index") {
        return Some("index");
    }
    match name {
        "written" => Some("log"),
        "lock" => Some("lock"),
        _ if name.ends_with(".part") => Some("part"),
        _ if path.parent()?.extension()? == "hls" => Some("segment"),
        _ => None,
    }
}

/// The hashes of all files but that of the lock, which names its last holder.
fn contents(work: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for path in files(work)? {
        let name = path.strip_prefix(work)?.to_string_lossy().into_owned();
        if !name.ends_with("lock") {
            found.insert(name, judge::sha256_file(&path)?);
        }
    }
    Ok(found)
}

/// All files in a folder and the folders in it, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => all.extend(files(&path)?),
            false => all.push(path),
        }
    }
    all.sort();
    Ok(all)
}

pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("a file without a name")?);
        match path.is_dir() {
            true => copy_folder(&path, &target)?,
            false => fs::copy(&path, &target).map(|_| ())?,
        }
    }
    Ok(())
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self { runs: 500, seed: 1 };
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name == "--runs" => options.runs = value.parse()?,
                [name, value] if name == "--seed" => options.seed = value.parse()?,
                _ => bail!("usage: cargo xtask damage [--runs N] [--seed N]"),
            }
        }
        Ok(options)
    }
}

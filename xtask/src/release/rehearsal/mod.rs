//! `release rehearse`: the whole way of a release, against a registry on this machine. The crates are published as they
//! are in the tree, interrupted and all; then, for each, a fresh project that knows only the registry runs what the front
//! page shows.

mod fronts;
mod rehearsed;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use super::archive::{Tar, gzip};
use super::facts;
use super::registry::{LocalRegistry, OWNER, TOKEN};
use crate::workspace;
use rehearsed::Rehearsed;

const REGISTRY: &str = "rehearsal";
/// What the manifests of the copy say, where ours say nothing yet.
const HOME: &str = "https://example.com/hls";
/// No step takes longer than this.
const LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let stage = Stage::set()?;
    println!("-- {} crates in {}", stage.crates.len(), stage.copy.root().display());
    stage.a_stranger_is_refused()?;
    stage.interrupted_and_finished()?;
    fronts::run(&stage)?;
    println!("rehearsal: ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// A copy of the tree with a history of its own, and a registry.
struct Stage {
    registry: LocalRegistry,
    copy: Rehearsed,
    /// Where all that is built goes.
    target: PathBuf,
    /// `NAME VERSION`, in the order of publishing.
    crates: Vec<String>,
}

impl Stage {
    fn set() -> Result<Self> {
        let folder = workspace::target()?.join(REGISTRY);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let copy = Rehearsed::of(workspace::root(), &folder.join("tree"), HOME)?;
        let registry = LocalRegistry::start()?;
        let mut stage = Self { registry, copy, target: folder.join("build"), crates: Vec::new() };
        stage.release(&["bump", "--execute"])?;
        stage.copy.commit("versions")?;
        let order = super::plan::plan(&facts::without_comparison(stage.copy.root())?);
        stage.crates = order.steps.iter().map(|step| format!("{} {}", step.name, step.to)).collect();
        let members = facts::members(stage.copy.root())?.len();
        ensure!(stage.crates.len() == members, "the plan leaves something out: {order}");
        Ok(stage)
    }

    /// Returns a call that finds the registry, and builds where the others do.
    fn at_home(&self, command: &mut Command) {
        command
            .env("CARGO_REGISTRIES_REHEARSAL_INDEX", self.registry.index())
            .env("CARGO_REGISTRIES_REHEARSAL_TOKEN", TOKEN)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::null());
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("release").args(args).arg("--root").arg(self.copy.root());
        self.at_home(&mut command);
        // Cargo runs below it, and is to die with it.
        command.process_group(0);
        Ok(command)
    }

    fn release(&self, args: &[&str]) -> Result<()> {
        workspace::run(&mut self.command(args)?)
    }

    fn publish(&self, more: &[&str]) -> Result<Command> {
        let args = ["publish", "--registry", REGISTRY, "--owner", OWNER, "--no-verify"];
        self.command(&[&args[..], more].concat())
    }

    fn tags(&self) -> Result<Vec<String>> {
        Ok(self.copy.git().ask(&["tag", "--list"])?.lines().map(str::to_owned).collect())
    }

    /// A name that belongs to somebody else stops all of it, and so does a tree that is not clean.
    fn a_stranger_is_refused(&self) -> Result<()> {
        self.registry.set_stranger("hls-parse", Some(("0.1.4", stranger()?)));
        for args in [&[][..], &["--execute"]] {
            let output = self.publish(args)?.output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            print!("{said}");
            ensure!(!output.status.success(), "the name of a stranger was no obstacle");
            ensure!(
                said.contains("0.1.4 of a-stranger, from https://example.com/theirs"),
                "whose it is was not told"
            );
            ensure!(said.contains("ways out:"), "no ways out were told");
        }
        self.registry.set_stranger("hls-parse", None);

        let stain = self.copy.root().join("stain");
        fs::write(&stain, "x")?;
        let output = self.publish(&["--execute"])?.output()?;
        ensure!(!output.status.success(), "a tree that is not clean was no obstacle");
        fs::remove_file(stain)?;
        ensure!(
            self.registry.uploads().is_empty() && self.tags()?.is_empty(),
            "what was refused was published"
        );
        Ok(())
    }

    /// Kills it behind the second upload, lets the registry ask for patience, and runs it until all are there.
    fn interrupted_and_finished(&self) -> Result<()> {
        workspace::run(&mut self.publish(&[])?)?;
        ensure!(self.registry.uploads().is_empty(), "a dry run has uploaded something");

        let mut child = self.publish(&["--execute"])?.spawn()?;
        let ended = wait(&mut child, || self.registry.uploads().len() >= 2)?;
        ensure!(!ended, "it ended before it could be killed");
        kill_group(&mut child)?;
        let before = self.registry.uploads();
        println!("-- killed behind {}; tags: {}", before.join(", "), self.tags()?.join(" "));

        for refusal in patience() {
            self.registry.refuse_next(refusal);
        }
        let begun = Instant::now();
        workspace::run(&mut self.publish(&["--execute"])?)?;
        ensure!(begun.elapsed() > Duration::from_secs(3), "what the registry asked for was not waited for");
        ensure!(self.registry.uploads() == self.crates, "uploads: {:?}", self.registry.uploads());
        let mut expect: Vec<String> = self.crates.iter().map(|one| one.replace(' ', "-v")).collect();
        expect.sort();
        ensure!(self.tags()? == expect, "tags: {:?}", self.tags()?);

        workspace::run(&mut self.publish(&["--execute"])?)?;
        ensure!(self.registry.uploads() == self.crates, "a third run has uploaded something");
        let plan = super::plan::plan(&facts::without_comparison(self.copy.root())?);
        ensure!(plan.steps.is_empty(), "something is left to release: {plan}");
        println!("-- published in order, nothing twice: {}", self.crates.join(", "));
        Ok(())
    }
}

/// A package as a stranger might have published it.
fn stranger() -> Result<Vec<u8>> {
    let mut tar = Tar::new(0);
    let manifest = b"[package]\nname = \"hls-parse\"\nversion = \"0.1.4\"\nrepository = \"https://example.com/theirs\"\n";
    tar.file("hls-parse-0.1.4/Cargo.toml", 0o644, manifest)?;
    gzip(&tar.finish())
}

/// The two ways in which a registry asks to come again later.
fn patience() -> [(String, String); 2] {
    let soon = crate::calendar::to_http_date(SystemTime::now() + Duration::from_secs(2));
    let words = format!("You have published too many crates. Please try again after {soon} or email us");
    let answer = serde_json::json!({ "errors": [{ "detail": words }] }).to_string();
    [
        ("429 Too Many Requests".to_owned(), answer),
        ("429 Too Many Requests\r\nRetry-After: 2".to_owned(), "slow down".to_owned()),
    ]
}

/// Waits for a moment; returns true where the process ended before it.
fn wait(child: &mut Child, moment: impl Fn() -> bool) -> Result<bool> {
    let start = Instant::now();
    while !moment() {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        if start.elapsed() > LIMIT {
            kill_group(child)?;
            bail!("nothing has come of it in {} s", LIMIT.as_secs());
        }
        sleep(Duration::from_millis(2));
    }
    Ok(false)
}

/// Kills a process and all that it has started.
fn kill_group(child: &mut Child) -> Result<()> {
    let group = format!("-{}", child.id());
    workspace::run(Command::new("kill").args(["-KILL", "--", &group]))?;
    child.wait()?;
    Ok(())
}

/// Runs a command, and returns what it prints.
fn ask(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("can't run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    Ok(fs::write(path, text)?)
}

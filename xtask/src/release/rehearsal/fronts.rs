//! For each published crate a fresh project, which depends on it from the registry, and does what the front page shows.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hls_testkit::{Iv, Origin, Published, Vod, judge};

use super::{REGISTRY, Stage, ask, kill_group, wait, write};
use crate::workspace::cargo_in;

/// On two cores, from nothing but the downloaded packages.
const SECONDS_FOR_A_LEAF: f64 = 30.0;

/// A library, and what a project on it needs to know.
struct Front {
    name: &'static str,
    /// In the name of the project, where one crate has several.
    as_what: &'static str,
    features: &'static str,
    /// What the front page uses beside it.
    beside: &'static str,
    /// What may not be in its tree.
    without: &'static [&'static str],
    runs: Runs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Alone,
    /// With the URL of a segment.
    Segment,
    /// With the URL of a playlist, which is downloaded to `movie.ts`, killed half way and run again.
    Playlist,
}

const URL: &str = "url = \"2\"\n";
const URL_AND_RUNTIME: &str = "url = \"2\"\ntokio = { version = \"1\", features = [\"macros\", \"rt\"] }\n";
const NO_RUNTIME: &[&str] = &["tokio", "reqwest", "hyper", "sled", "backoff"];
const SLIM: &str = ", default-features = false, features = [\"client\"]";
/// What the advisory database has entries for, and what brings it in.
const ADVISED: &[&str] = &["backoff", "instant", "fxhash", "sled"];

const FRONTS: [Front; 7] = [
    front("hls-parse", URL, NO_RUNTIME, Runs::Alone),
    front("hls-crypto", "", NO_RUNTIME, Runs::Alone),
    front("hls-media", "", NO_RUNTIME, Runs::Alone),
    front("hls-state", "", &["tokio", "reqwest", "hyper"], Runs::Alone),
    front("hls-fetch", URL_AND_RUNTIME, &["sled"], Runs::Segment),
    Front { features: SLIM, as_what: "slim", ..front("hls-sched", URL_AND_RUNTIME, ADVISED, Runs::Playlist) },
    front("hls-sched", URL_AND_RUNTIME, &["clap", "indicatif"], Runs::Playlist),
];

const fn front(
    name: &'static str,
    beside: &'static str,
    without: &'static [&'static str],
    runs: Runs,
) -> Front {
    Front { name, as_what: "front", features: "", beside, without, runs }
}

pub(super) fn run(stage: &Stage) -> Result<()> {
    for front in &FRONTS {
        front.check(stage)?;
    }
    program(stage)
}

impl Front {
    fn check(&self, stage: &Stage) -> Result<()> {
        let folder = self.project(stage)?;
        let start = Instant::now();
        let mut build = cargo_in(&folder, &["build", "--quiet"]);
        stage.at_home(&mut build);
        ask(&mut build)?;
        let seconds = start.elapsed().as_secs_f64();

        let mut tree =
            cargo_in(&folder, &["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
        stage.at_home(&mut tree);
        let tree = ask(&mut tree)?;
        let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        names.sort_unstable();
        names.dedup();
        for unwanted in self.without {
            ensure!(!names.contains(unwanted), "{} has {unwanted} in its tree", self.name);
        }
        let program = stage.target.join("debug").join(self.package());
        let said = match self.runs {
            Runs::Alone => ask(Command::new(&program).current_dir(&folder))?,
            Runs::Segment => {
                let origin = Origin::start();
                let stream = Vod::synthetic(1, 1 << 20).publish(&origin);
                ask(Command::new(&program).arg(origin.url(&stream.segment_paths[0])))?
            }
            Runs::Playlist => self.killed_and_resumed(&program, &folder)?,
        };
        println!(
            "-- {:<11} built in {seconds:.0} s, {} crates, without {}: {}",
            self.name,
            names.len() - 1,
            self.without.join(", "),
            said.lines().last().unwrap_or_default()
        );
        // The first of them builds with nothing there but the packages.
        let is_leaf = ["hls-parse", "hls-crypto"].contains(&self.name);
        ensure!(!is_leaf || seconds < SECONDS_FOR_A_LEAF, "{} took {seconds:.0} s to build", self.name);
        if self.as_what == "slim" {
            advisories(stage, &folder)?;
        }
        Ok(())
    }

    fn package(&self) -> String {
        format!("{}-{}", self.as_what, self.name)
    }

    fn project(&self, stage: &Stage) -> Result<PathBuf> {
        let folder = stage.target.with_file_name("projects").join(self.package());
        let version = stage.crates.iter().find_map(|one| one.strip_prefix(self.name)?.strip_prefix(' '));
        let version = version.with_context(|| format!("{} was not published", self.name))?;
        let manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             {} = {{ version = \"{version}\", registry = \"{REGISTRY}\"{} }}\n{}\n[workspace]\n",
            self.package(),
            self.name,
            self.features,
            self.beside
        );
        write(&folder.join("Cargo.toml"), &manifest)?;
        let page = fs::read_to_string(stage.copy.root().join(self.name).join("README.md"))?;
        write(&folder.join("src/main.rs"), example(&page)?)?;
        // The versions that the tests ran with, not what was published this morning.
        fs::copy(stage.copy.root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(folder)
    }

    fn killed_and_resumed(&self, program: &Path, folder: &Path) -> Result<String> {
        let (origin, stream, bytes) = slow_stream();
        let mut first = Command::new(program);
        first.arg(&stream.url).current_dir(folder).stdout(Stdio::null()).process_group(0);
        let mut child = first.spawn()?;
        let ended = wait(&mut child, || origin.body_bytes_sent() >= bytes * 2 / 3)?;
        ensure!(!ended, "the download ended before it could be killed");
        kill_group(&mut child)?;
        let before = origin.body_bytes_sent();
        let said = ask(Command::new(program).arg(&stream.url).current_dir(folder))?;
        let after = origin.body_bytes_sent() - before;
        let found = judge::sha256_file(folder.join("movie.ts"))?;
        ensure!(found == stream.sha256, "{}: wrong bytes after a kill", self.name);
        ensure!(after < before, "{}: nothing was resumed: {after} bytes after {before}", self.name);
        Ok(format!(
            "killed, went on, every byte is right; {}",
            said.trim_end().lines().last().unwrap_or_default()
        ))
    }
}

/// Installs the program from the registry, and downloads with it.
fn program(stage: &Stage) -> Result<()> {
    let place = stage.target.with_file_name("installed");
    let start = Instant::now();
    let mut install =
        cargo_in(stage.copy.root(), &["install", "hls-cli", "--registry", REGISTRY, "--locked", "--debug"]);
    install.args(["--quiet", "--root"]).arg(&place);
    stage.at_home(&mut install);
    ask(&mut install)?;
    let hls = place.join("bin").join("hls");
    let version = ask(Command::new(&hls).arg("--version"))?;
    let origin = Origin::start();
    let stream = Vod::synthetic(8, 100_000).aes128([7; 16]).iv(Iv::PerSegment).publish(&origin);
    let output = place.join("movie.ts");
    ask(Command::new(&hls).args(["get", "-q", &stream.url, "-o"]).arg(&output).env("NO_PROXY", "127.0.0.1"))?;
    ensure!(judge::sha256_file(&output)? == stream.sha256, "hls: wrong bytes");
    println!("-- hls-cli     installed in {:.0} s: {}", start.elapsed().as_secs_f64(), version.trim_end());
    Ok(())
}

/// Holds a tree to the advisory database, with nothing excepted.
fn advisories(stage: &Stage, folder: &Path) -> Result<()> {
    write(&folder.join("deny.toml"), "[advisories]\nyanked = \"deny\"\n")?;
    let mut deny = cargo_in(folder, &["deny", "check", "advisories"]);
    stage.at_home(&mut deny);
    let output = deny.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("no such command") {
        println!("   SKIPPED cargo deny check advisories: cargo-deny is not installed");
    } else if said.contains("failed to fetch advisory database") {
        println!(
            "   !! NOT CHECKED: advisories, as the database can't be reached from here; by name there are none"
        );
    } else {
        eprint!("{said}");
        ensure!(output.status.success(), "cargo deny check advisories: {}", output.status);
        println!("   cargo deny check advisories: nothing, with nothing excepted");
    }
    Ok(())
}

/// A stream that takes some seconds.
fn slow_stream() -> (Origin, Published, u64) {
    let origin = Origin::builder().rate_per_connection(1 << 20).send_buffer(64 << 10).start();
    let vod = Vod::synthetic(48, 512 << 10);
    let stream = vod.publish(&origin);
    (origin, stream, vod.bytes())
}

/// Returns the first program of a front page.
fn example(page: &str) -> Result<&str> {
    let from = page.find("```rust").context("no program on the front page")?;
    let code = page[from..].split_once('\n').context("a program without end")?.1;
    let code = code.split_once("\n```").context("a program without end")?.0;
    ensure!(code.contains("fn main() -> "), "what the front page shows is no whole program");
    Ok(code)
}

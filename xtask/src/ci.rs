//! `cargo xtask ci`: the steps of `.ci/run`, once everything is installed.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Result, ensure};

#[cfg(unix)]
use crate::bare;
use crate::workspace::{self, cargo};
#[cfg(target_os = "linux")]
use crate::{crash, disk, release::rehearsal};
use crate::{damage, examples, fuzz, hostile, release::alone, sim, streams, test, tidy};

/// What could not be checked on this machine: in no way green, though nothing has failed.
pub(crate) type Unchecked = Vec<String>;

pub(crate) fn run() -> Result<Unchecked> {
    let mut unchecked = Unchecked::new();
    step("fmt", || workspace::run(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", || {
        workspace::run(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("doc", || {
        workspace::run(
            cargo(&["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings"),
        )
    })?;
    step("tidy", tidy::run)?;
    unchecked.extend(step("deny", deny)?);
    step("test", || test::run(&[]))?;
    #[cfg(unix)]
    step("bare", bare::run)?;
    step("examples", examples::run)?;
    step("features", || alone::features(workspace::root()))?;
    unchecked.extend(step("web", || alone::web(workspace::root()))?);
    #[cfg(target_os = "linux")]
    step("rehearsal", rehearsal::run)?;
    #[cfg(target_os = "linux")]
    step("crash", || crash::run(&["--most", "4", "--doubles", "6"].map(str::to_owned)))?;
    step("damage", || damage::run(&["--runs", "100"].map(str::to_owned)))?;
    #[cfg(target_os = "linux")]
    step("disk", || disk::run(&[]))?;
    step("streams", || streams::run(&["--seeds", "150"].map(str::to_owned)))?;
    step("hostile", || hostile::run(&["--seeds", "77"].map(str::to_owned)))?;
    step("fuzz", || fuzz::parse(&["--seconds".to_owned(), "60".to_owned()]))?;
    step("sim", || sim::run(&[]))?;
    Ok(unchecked)
}

pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let start = Instant::now();
    let outcome = work()?;
    println!("== {name}: ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(outcome)
}

/// Says it at the end, where it is read.
pub(crate) fn tell(unchecked: &[String]) {
    for what in unchecked {
        println!("!! NOT CHECKED: {what}");
    }
}

fn deny() -> Result<Option<String>> {
    let found = cargo(&["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success();
    if !found {
        ensure!(!is_set("HLS_CI_STRICT") && !is_set("CI"), "cargo-deny is not installed");
        return Ok(Some("licences and advisories: cargo install cargo-deny --locked".to_owned()));
    }
    workspace::run(&mut cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))?;

    // The database is on a forge: where that can't be reached, its advisories can't be known. The hosted
    // workflow reaches it, so there a check that did not happen is a failure.
    let mut advisories = cargo(&["deny", "check", "advisories"]);
    let output = advisories.output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("failed to fetch advisory database") && !is_set("GITHUB_ACTIONS") {
        return Ok(Some("advisories: their database can't be reached from here".to_owned()));
    }
    eprint!("{text}");
    ensure!(output.status.success(), "cargo deny check advisories: {}", output.status);
    Ok(None)
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1" || value == "true")
}

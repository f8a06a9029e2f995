//! `cargo xtask test`: every test of the workspace.

use std::io::{BufRead, BufReader};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::workspace;

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    skipped: Vec<String>,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let start = Instant::now();
    let mut tally = Tally::default();
    let whole = tally.run(&["test", "--workspace"], args)?;
    let mut others = Vec::new();
    if args.is_empty() {
        for feature in FEATURES {
            others.push((feature, tally.run(feature, &[])?));
        }
    }
    println!("\n{} in {:.0} s", tally.summary(), start.elapsed().as_secs_f64());
    ensure!(whole.success(), "cargo test: {whole}");
    for (feature, status) in others {
        ensure!(status.success(), "cargo {}: {status}", feature.join(" "));
    }
    Ok(())
}

/// What is off by default, and what can be turned off, has tests of its own; doing it for all would build the workspace twice.
const FEATURES: [&[&str]; 2] = [
    &["test", "--package", "hls-parse", "--features", "m3u8-rs", "--test", "it"],
    &["test", "--package", "hls-state", "--no-default-features"],
];

impl Tally {
    fn run(&mut self, command: &[&str], args: &[String]) -> Result<ExitStatus> {
        let mut tests = workspace::cargo(command);
        if !args.iter().any(|arg| arg == "--") {
            tests.arg("--no-fail-fast");
        }
        let mut tests = tests.args(args).stdout(Stdio::piped()).spawn().context("can't run cargo test")?;
        for line in BufReader::new(tests.stdout.take().context("no stdout")?).lines() {
            let line = line?;
            println!("{line}");
            self.read(&line);
        }
        Ok(tests.wait()?)
    }

    fn read(&mut self, line: &str) {
        if let Some(at) = line.find("SKIPPED ") {
            self.skipped.push(line[at..].to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        // "ok. 4 passed; 0 failed; 0 ignored; ..."
        for part in result.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((n, "passed")) => self.passed += n.parse().unwrap_or(0),
                Some((n, "failed")) => self.failed += n.parse().unwrap_or(0),
                Some((n, "ignored")) => self.ignored += n.parse().unwrap_or(0),
                _ => {}
            }
        }
    }

    fn summary(&self) -> String {
        let mut text =
            format!("{} tests passed, {} failed, {} ignored", self.passed, self.failed, self.ignored);
        for skipped in &self.skipped {
            text = format!("{skipped}\n{text}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up() {
        let mut tally = Tally::default();
        tally.read(
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        tally.read("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out");
        tally.read("test a::b ... SKIPPED ffmpeg is not installed");
        assert_eq!(tally.summary(), "SKIPPED ffmpeg is not installed\n6 tests passed, 3 failed, 1 ignored");
    }
}

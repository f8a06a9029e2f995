//! `cargo xtask fuzz`: hostile input, made at random.

use anyhow::Result;

use crate::workspace;

/// Runs the fuzzer of the parser; see `hls-parse/examples/fuzz` for what it takes and does.
pub(crate) fn parse(args: &[String]) -> Result<()> {
    let findings = workspace::target()?.join("fuzz");
    let run = ["run", "--release", "--package", "hls-parse", "--example", "fuzz", "--"];
    workspace::run(workspace::cargo(&run).arg("--findings").arg(findings).args(args))
}

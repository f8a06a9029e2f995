//! `cargo xtask sim`: the planner against networks in virtual time.

use anyhow::Result;

use crate::workspace;

/// Runs the simulator; see `hls-sched/examples/sim` for what it takes and does.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let sim = ["run", "--release", "--package", "hls-sched", "--example", "sim", "--"];
    workspace::run(workspace::cargo(&sim).args(args))
}

//! `cargo xtask check CRATE`: one crate by itself, as CI looks at it.

use anyhow::Result;

use crate::workspace::{self, cargo};

pub(crate) fn run(name: &str) -> Result<()> {
    workspace::run(&mut cargo(&["fmt", "--check", "--package", name]))?;
    let clippy = ["clippy", "--package", name, "--all-targets", "--all-features", "--", "-D", "warnings"];
    workspace::run(&mut cargo(&clippy))?;
    workspace::run(&mut cargo(&["test", "--package", name]))
}

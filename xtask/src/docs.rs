//! `cargo xtask docs`: what is written from the code.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::workspace::{self, cargo};

pub(crate) fn run(args: &[String]) -> Result<()> {
    let reference =
        cargo(&["run", "--quiet", "--package", "hls-cli", "--", "generate", "markdown"]).output()?;
    ensure!(
        reference.status.success(),
        "hls generate markdown: {}",
        String::from_utf8_lossy(&reference.stderr)
    );
    let path = workspace::root().join("docs/cli.md");
    if fs::read(&path).context("docs/cli.md")? != reference.stdout {
        fs::write(&path, reference.stdout)?;
        println!("docs/cli.md was written anew");
    }
    workspace::run(
        cargo(&["doc", "--workspace", "--no-deps", "--all-features"])
            .args(args)
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

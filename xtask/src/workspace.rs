//! The workspace as cargo sees it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Returns the folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of xtask lies in that of the workspace")
}

/// Returns a call of cargo in the folder of the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    cargo_in(root(), args)
}

/// Returns a call of cargo in a folder.
pub(crate) fn cargo_in(folder: &Path, args: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args).current_dir(folder);
    // What cargo told this process of xtask would have ring, and all above it, built again, and again by the next cargo
    // of the shell.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Tells whether `cargo run` sets a variable to say which package it runs.
fn is_of_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Runs a command with the terminal of this process, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("can't run {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// Returns `cargo metadata`, with the whole tree of dependencies.
pub(crate) fn metadata() -> Result<Value> {
    let output =
        cargo(&["metadata", "--format-version", "1"]).output().context("can't run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}

/// Returns the folder that cargo builds in.
pub(crate) fn target() -> Result<PathBuf> {
    target_of(root())
}

/// Returns the folder that cargo builds in, for another workspace.
pub(crate) fn target_of(root: &Path) -> Result<PathBuf> {
    let output = cargo_in(root, &["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    Ok(metadata["target_directory"].as_str().context("no target directory")?.into())
}

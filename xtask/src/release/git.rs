//! The history, as git tells it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::version::Version;

pub(crate) struct Git<'a>(pub(crate) &'a Path);

impl Git<'_> {
    /// Returns the newest release of a crate that is tagged.
    pub(crate) fn newest(&self, name: &str) -> Result<Option<Version>> {
        let tags = self.ask(&["tag", "--list", &format!("{name}-v*")])?;
        Ok(tags.lines().filter_map(|tag| tag.strip_prefix(name)?.strip_prefix("-v")?.parse().ok()).max())
    }

    /// Returns the files of a folder that are others than they were at a tag, committed or not.
    pub(crate) fn changed(&self, tag: &str, folder: &Path) -> Result<Vec<PathBuf>> {
        let folder = folder.to_str().context("a folder whose name is no UTF-8")?;
        Ok(self
            .ask(&["diff", "--name-only", "--relative", tag, "--", folder])?
            .lines()
            .map(Into::into)
            .collect())
    }

    /// Returns a file as it was at a tag; nothing, where it was not there.
    pub(crate) fn at(&self, tag: &str, path: &str) -> Option<String> {
        self.ask(&["show", &format!("{tag}:{path}")]).ok()
    }

    /// Returns what is not committed, a line for each file.
    pub(crate) fn dirt(&self) -> Result<String> {
        self.ask(&["status", "--porcelain"])
    }

    pub(crate) fn head(&self) -> Result<String> {
        Ok(self.ask(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    pub(crate) fn has_commit(&self, commit: &str) -> bool {
        self.ask(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok()
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.ask(&["rev-parse", "--verify", "--quiet", &format!("refs/tags/{tag}")]).is_ok()
    }

    pub(crate) fn tag(&self, tag: &str, commit: &str) -> Result<()> {
        self.ask(&["tag", tag, commit]).map(drop)
    }

    /// Runs git in the folder, and returns what it prints.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<String> {
        let output = Command::new("git").args(args).current_dir(self.0).output().context("can't run git")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "git {}: {}", args.join(" "), errors.trim());
        String::from_utf8(output.stdout).context("git prints what is no UTF-8")
    }
}

pub(crate) fn tag_of(name: &str, version: Version) -> String {
    format!("{name}-v{version}")
}

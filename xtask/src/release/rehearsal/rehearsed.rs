//! A copy of the tree, as it lies on the disk, with a history of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::write;
use crate::release::git::Git;
use crate::release::{facts, manifest};

pub(super) struct Rehearsed(PathBuf);

impl Rehearsed {
    /// Copies what git knows of and what it would not ignore, says in each manifest where it comes from, and commits.
    pub(super) fn of(tree: &Path, folder: &Path, home: &str) -> Result<Self> {
        let listed = Git(tree).ask(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
        for path in listed.split_terminator('\0').filter(|path| tree.join(path).is_file()) {
            let to = folder.join(path);
            fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
            fs::copy(tree.join(path), to)?;
        }
        let copy = Self(folder.to_owned());
        for member in facts::members(folder)? {
            let path = folder.join(&member.folder).join("Cargo.toml");
            write(&path, &manifest::with_repository(&fs::read_to_string(&path)?, home)?)?;
        }
        copy.git().ask(&["init", "--quiet", "--initial-branch", "main"])?;
        copy.commit("the tree")?;
        Ok(copy)
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn git(&self) -> Git<'_> {
        Git(&self.0)
    }

    pub(super) fn commit(&self, message: &str) -> Result<()> {
        self.git().ask(&["add", "--all"])?;
        let author = [
            "-c",
            "user.name=rehearsal",
            "-c",
            "user.email=rehearsal@localhost",
            "-c",
            "commit.gpgsign=false",
        ];
        self.git().ask(&[&author[..], &["commit", "--quiet", "--message", message]].concat()).map(drop)
    }
}

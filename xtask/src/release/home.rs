//! `release home`: where the crates come from, written into every manifest and front page once that is settled.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::{facts, manifest};

/// What the front pages have in place of an address.
const PLACEHOLDER: &str = "REPOSITORY";

pub(crate) fn run(root: &Path, url: &str, execute: bool) -> Result<()> {
    ensure!(url.starts_with("https://"), "{url} is no https address");
    for member in facts::members(root)? {
        let folder = root.join(&member.folder);
        let path = folder.join("Cargo.toml");
        let text = manifest::with_repository(&fs::read_to_string(&path)?, url)?;
        write(root, &path, &text, execute)?;
        let path = folder.join("README.md");
        write(root, &path, &front(&fs::read_to_string(&path)?, url), execute)?;
    }
    if !execute {
        println!("nothing was written: --execute does");
    }
    Ok(())
}

/// Puts the address into the commands of a front page; the words that explain the placeholder go.
fn front(text: &str, url: &str) -> String {
    let text = text.replace(&format!("; {PLACEHOLDER} is the address that this was cloned from:"), ":");
    let text = text.replace(&format!("     # {PLACEHOLDER}: the address that this was cloned from"), "");
    text.replace(&format!("--git {PLACEHOLDER} "), &format!("--git {url} "))
}

fn write(root: &Path, path: &Path, text: &str, execute: bool) -> Result<()> {
    if fs::read_to_string(path)? != text {
        println!("{} {}", if execute { "written:" } else { "to write:" }, path.strip_prefix(root)?.display());
        if execute {
            fs::write(path, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_pages() {
        let text = "so from\nthe repository; REPOSITORY is the address that this was cloned from:\n\ncargo add --git REPOSITORY x\n\
            cargo install --git REPOSITORY y     # REPOSITORY: the address that this was cloned from\n";
        let expect =
            "so from\nthe repository:\n\ncargo add --git https://h/x x\ncargo install --git https://h/x y\n";
        assert_eq!(front(text, "https://h/x"), expect);
        assert_eq!(front(expect, "https://h/x"), expect);
    }
}

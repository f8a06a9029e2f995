//! What each source file has to have, and must not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::layers::Package;
use crate::workspace;

const LINES_AT_MOST: usize = 600;

/// Written in two halves, or this file would not pass.
const FORBIDDEN: [&str; 4] =
    [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("db", "g!("), concat!("#[ign", "ore")];

/// Returns the faults and the number of files looked at.
pub(super) fn faults(packages: &[Package]) -> Result<(Vec<String>, usize)> {
    let mut faults = Vec::new();
    let mut files = 0;
    for package in packages {
        let mut found = Vec::new();
        for folder in ["src", "tests", "benches", "examples", "fuzz"] {
            walk(&package.folder.join(folder), &mut found)?;
        }
        found.push(package.folder.join("Cargo.toml"));
        for path in found {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let shown = path.strip_prefix(workspace::root()).unwrap_or(&path).display().to_string();
            let is_rust = path.extension().is_some_and(|e| e == "rs");
            let is_source = is_rust && path.starts_with(package.folder.join("src"));
            faults.extend(
                of_file(&text, is_rust, is_source).into_iter().map(|fault| format!("{shown}:{fault}")),
            );
            files += 1;
        }
    }
    Ok((faults, files))
}

/// Returns each fault as `line: what`.
fn of_file(text: &str, is_rust: bool, is_source: bool) -> Vec<String> {
    let mut faults = Vec::new();
    if is_source && !text.starts_with("//! ") {
        faults.push("1: no `//!` line that says what the file is".to_owned());
    }
    let lines = text.lines().count();
    if is_source && lines > LINES_AT_MOST {
        faults.push(format!("{lines}: more than {LINES_AT_MOST} lines"));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(format!("{lines}: no line feed at the end"));
    }
    for (line, number) in text.lines().zip(1..) {
        if line.ends_with([' ', '\t', '\r']) {
            faults.push(format!("{number}: space at the end"));
        }
        let found = FORBIDDEN.iter().filter(|word| is_rust && line.contains(**word));
        faults.extend(found.map(|word| format!("{number}: `{word}`")));
    }
    faults
}

pub(super) fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let check = |text: &str, expect: &[&str]| assert_eq!(of_file(text, true, true), expect, "{text:?}");
        check("//! A file.\n", &[]);
        check("use x;\n", &["1: no `//!` line that says what the file is"]);
        check("//! A file.\nlet x = 1; \n", &["2: space at the end"]);
        check("//! A file.", &["1: no line feed at the end"]);
        let line = format!("{}x)", FORBIDDEN[2]);
        check(&format!("//! A file.\n{line}\n"), &[&format!("2: `{}`", FORBIDDEN[2])]);
    }
}

//! Dependencies that nothing uses.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::layers::{Kind, Package};
use super::sources::walk;

/// Returns each dependency of which the name is in no source file that may use it.
pub(super) fn faults(packages: &[Package]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in packages {
        let shipped = text_of(package, &["src", "build.rs"])?;
        let tests = text_of(package, &["src", "tests", "examples", "benches"])?;
        for dependency in &package.dependencies {
            let text = if dependency.kind == Kind::Dev { &tests } else { &shipped };
            if !uses(text, &dependency.name) {
                faults.push(format!("{}: {} is used nowhere", package.name, dependency.name));
            }
        }
    }
    Ok(faults)
}

fn text_of(package: &Package, places: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for place in places {
        let path = package.folder.join(place);
        match path.is_file() {
            true => files.push(path),
            false => walk(&path, &mut files)?,
        }
    }
    // The front page is compiled too.
    files.push(package.folder.join("README.md"));
    let rust = files.iter().filter(|path| is_source(path));
    Ok(rust.filter_map(|path| fs::read_to_string(path).ok()).collect::<Vec<_>>().join("\n"))
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs" || extension == "md")
}

/// Tells whether a path begins with the name of the crate.
fn uses(text: &str, name: &str) -> bool {
    let name = name.replace('-', "_");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        let begins = !before.chars().next_back().is_some_and(|c| is_word(c) || c == '.');
        begins && (behind.starts_with("::") || (before.ends_with("use ") && !behind.starts_with(is_word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths() {
        for (text, name, expect) in [
            ("use serde_json::Value;", "serde-json", true),
            ("let x = url::Url::parse(y);", "url", true),
            ("pub use hls_fetch as fetch;", "hls-fetch", true),
            ("use my_url::Url;", "url", false),
            ("use url_more::Url;", "url", false),
            ("let url = 1;", "url", false),
            ("#[tokio::test]", "tokio", true),
        ] {
            assert_eq!(uses(text, name), expect, "{text}");
        }
    }
}

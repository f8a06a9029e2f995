//! The README shows commands that exist.

use std::collections::BTreeSet;
use std::path::Path;

use hls_testkit::judge::skip;

use crate::support::{Folder, Outcome};

#[test]
fn every_flag_in_the_readme_exists() -> Outcome {
    let folder = Folder::new()?;
    let mut known = BTreeSet::new();
    for command in ["get", "info", "jobs", "verify"] {
        let help = folder.run(&[command, "--help"])?.ok().out();
        known.extend(flags(&help));
    }
    for (path, needed) in [("README.md", false), ("../README.md", true)] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let Ok(text) = std::fs::read_to_string(&file) else {
            if needed && file.exists() {
                return Err(format!("{} can't be read", file.display()).into());
            }
            skip("the workspace has no README yet");
            continue;
        };
        for line in commands(&text) {
            for flag in flags(&line) {
                assert!(known.contains(&flag), "{path} has {flag}, which no help knows: {line}");
            }
        }
    }
    Ok(())
}

/// The `hls` commands in the shell blocks of a text, continued lines joined.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut inside = false;
    let mut found = Vec::new();
    for line in joined.lines().map(str::trim) {
        match line.strip_prefix("```") {
            Some(language) => inside = !inside && matches!(language, "sh" | "bash" | "console" | "shell"),
            None if inside => {
                let line = line.trim_start_matches("$ ");
                let ours = line.starts_with("hls ") || line.contains("$(hls ") || line.contains("| hls ");
                found.extend(ours.then(|| line.to_owned()));
            }
            None => {}
        }
    }
    found
}

/// The long flags in a line, up to where a comment or another program begins.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || "[](),=|'\"".contains(c));
    let long = words
        .filter(|w| w.strip_prefix("--").is_some_and(|w| w.starts_with(|c: char| c.is_ascii_lowercase())));
    long.map(|w| w.trim_end_matches(['.', ':', ';']).to_owned()).collect()
}

#[test]
fn commands_are_found() {
    let text = "hls no\n```sh\n# hls no\nhls get URL \\\n  --force\nf=$(hls URL --quiet)\n```\nhls no\n```rust\nhls no\n```\n";
    assert_eq!(commands(text), ["hls get URL    --force", "f=$(hls URL --quiet)"]);
    assert_eq!(
        flags("a --force, [--json] -x --limit-rate=2M"),
        ["--force", "--json", "--limit-rate"].map(str::to_owned).into()
    );
}

//! Which folder of `hls-sched` may use which, and what decisions may not touch.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::sources;
use crate::workspace;

/// The folders and single files of the crate. Each may use those behind it in this list.
const ROOMS: [&str; 16] = [
    "job", "engine", "remux", "prepare", "resume", "manifest", "transfer", "store", "config", "policy",
    "event", "error", "control", "failure", "place", "size",
];
/// The room of decisions.
const PURE: &str = "policy";
/// Clocks, files, sockets, threads and runtimes: decisions get time and facts as arguments.
const IMPURE: [&str; 9] = [
    "tokio",
    "std::fs",
    "std::net",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "async fn",
    "File::",
    "spawn(",
];
/// Tests stand behind this line.
const TESTS: &str = "#[cfg(test)]";

/// Returns the faults of `hls-sched`.
pub(super) fn faults() -> Result<Vec<String>> {
    let src = workspace::root().join("hls-sched/src");
    let mut found = Vec::new();
    sources::walk(&src, &mut found)?;
    let mut faults = Vec::new();
    for path in found {
        let inside = path.strip_prefix(&src).unwrap_or(&path);
        if inside == Path::new("lib.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let shown = path.strip_prefix(workspace::root()).unwrap_or(&path).display();
        faults.extend(of_file(inside, &text).into_iter().map(|fault| format!("{shown}:{fault}")));
    }
    Ok(faults)
}

/// Returns each fault of a file as `line: what`. `inside`: its path below `src`.
fn of_file(inside: &Path, text: &str) -> Vec<String> {
    let first = inside.iter().next().and_then(|first| first.to_str()).unwrap_or_default();
    let room = first.trim_end_matches(".rs");
    let Some(own) = rank(room) else {
        return vec![format!("1: `{room}` has no place in the list of rooms (xtask/src/tidy/rooms.rs)")];
    };
    let is_pure = room == PURE && !inside.ends_with("tests.rs");
    let mut is_test = false;
    let mut faults = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        is_test |= line.trim() == TESTS;
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        for used in code.split("crate::").skip(1) {
            let name: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if rank(&name).is_some_and(|other| other < own) {
                faults.push(format!("{number}: `{room}` may not use `{name}`, which stands above it"));
            }
        }
        let touched = IMPURE.iter().filter(|name| is_pure && !is_test && code.contains(**name));
        faults.extend(touched.map(|name| format!("{number}: `{name}` in `{room}`, which only decides")));
    }
    faults
}

/// Returns where a room stands in the list.
fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_what() {
        let check = |path: &str, text: &str, expect: &[&str]| {
            assert_eq!(of_file(Path::new(path), text), expect, "{path} {text:?}");
        };
        check("store/writer.rs", "use crate::policy::name;\nuse crate::store::pipe;\n", &[]);
        check(
            "store/writer.rs",
            "//! x\nuse crate::engine::Engine;\n",
            &["2: `store` may not use `engine`, which stands above it"],
        );
        check("store/writer.rs", "/// As [`Job`](crate::job::Job).\n", &[]);
        check("event.rs", "use crate::error::Error;\n", &[]);
        check(
            "error.rs",
            "use crate::event::Event;\n",
            &["1: `error` may not use `event`, which stands above it"],
        );
        check(
            "policy/name.rs",
            "let now = Instant::now();",
            &["1: `Instant::now` in `policy`, which only decides"],
        );
        check("policy/name.rs", "#[cfg(test)]\nmod tests { let now = Instant::now(); }", &[]);
        check("policy/name/tests.rs", "let now = Instant::now();", &[]);
        check("engine/mod.rs", "let now = Instant::now();", &[]);
        let unknown = "1: `attic` has no place in the list of rooms (xtask/src/tidy/rooms.rs)";
        check("attic/old.rs", "//! x\n", &[unknown]);
    }
}

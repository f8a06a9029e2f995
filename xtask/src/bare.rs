//! `cargo xtask bare`: tests on a machine that has none of the programs that some of them use as judges.
//!
//! The tests are those that are built already. Only such are run as lie in a folder that names one of these programs, or
//! asks the judges of `hls-testkit`: in all others nothing would be different.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace;

/// How the names of these programs begin.
const PROGRAMS: [&str; 7] = ["ffmpeg", "ffprobe", "ffplay", "chrom", "google-chrome", "strace", "node"];
/// What stands in the source of a test that uses one of them.
const SIGNS: [&str; 6] = ["judge::", "browser::", "\"ffmpeg\"", "\"ffprobe\"", "\"strace\"", "\"node\""];

/// Runs them with a search path that leads to none of the programs.
pub(crate) fn run() -> Result<()> {
    let folder = workspace::target()?.join("bare");
    let path = path_without(&folder)?;
    let tests = tests()?;
    ensure!(!tests.is_empty(), "no test uses a program that need not be there");
    let (mut skipped, mut failed) = (0, Vec::new());
    for test in &tests {
        let mut run = Command::new(&test.program);
        run.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder).env("PATH", &path);
        run.env_remove("HLS_CI_STRICT").stdout(Stdio::piped());
        let mut run = run.spawn().with_context(|| format!("can't run {}", test.program.display()))?;
        for line in BufReader::new(run.stdout.take().context("no stdout")?).lines() {
            let line = line?;
            skipped += u64::from(line.contains("SKIPPED "));
            if !line.ends_with("... ok") {
                println!("{line}");
            }
        }
        if !run.wait()?.success() {
            failed.push(test.program.display().to_string());
        }
    }
    println!("bare: {} programs of tests, {skipped} lines that say SKIPPED", tests.len());
    ensure!(failed.is_empty(), "without {}: {} failed", PROGRAMS.join(", "), failed.join(", "));
    ensure!(skipped > 0, "nothing was skipped: the programs were found all the same");
    Ok(())
}

/// A program of tests that is built.
struct Test {
    program: PathBuf,
    /// That of its package, where cargo would run it.
    folder: PathBuf,
}

/// Returns those that use such a program.
fn tests() -> Result<Vec<Test>> {
    let mut built = workspace::cargo(&["test", "--workspace", "--no-run", "--message-format=json"]);
    let output = built.stderr(Stdio::inherit()).output().context("can't run cargo test")?;
    ensure!(output.status.success(), "cargo test --no-run: {}", output.status);
    let mut tests = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        let is_test = message["profile"]["test"] == true;
        let Some(program) = message["executable"].as_str().filter(|_| is_test) else { continue };
        let path = |value: &Value| value.as_str().map(PathBuf::from);
        let source = path(&message["target"]["src_path"]).context("a test without a source")?;
        let manifest = path(&message["manifest_path"]).context("a test without a package")?;
        let (Some(sources), Some(folder)) = (source.parent(), manifest.parent()) else { continue };
        if uses(sources)? {
            tests.push(Test { program: program.into(), folder: folder.to_owned() });
        }
    }
    Ok(tests)
}

/// Whether a source in this folder or in one below it uses such a program.
fn uses(folder: &Path) -> Result<bool> {
    for entry in fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))? {
        let path = entry?.path();
        let found = match path.is_dir() {
            true => uses(&path)?,
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                let source = fs::read_to_string(&path)?;
                SIGNS.iter().any(|sign| source.contains(sign))
            }
            false => false,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes a folder with links to all programs of the search path but these; returns a search path of it alone.
fn path_without(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    for other in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        let Ok(entries) = fs::read_dir(&other) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_one = name.to_str().is_some_and(is_one_of_them);
            let link = folder.join(&name);
            // Of two of a name the first one counts, as in the search path.
            if !is_one && link.symlink_metadata().is_err() {
                std::os::unix::fs::symlink(entry.path(), link)?;
            }
        }
    }
    Ok(folder.to_owned())
}

fn is_one_of_them(name: &str) -> bool {
    PROGRAMS.iter().any(|program| name.starts_with(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out() {
        for (name, is_left_out) in [
            ("ffmpeg", true),
            ("ffmpeg-7", true),
            ("ffprobe", true),
            ("chromium-browser", true),
            ("google-chrome-stable", true),
            ("nodejs", true),
            ("strace", true),
            ("bash", false),
            ("kill", false),
            ("mkfifo", false),
        ] {
            assert_eq!(is_one_of_them(name), is_left_out, "{name}");
        }
    }

    #[test]
    fn tests_that_ask_a_judge_are_found() -> Result<()> {
        for (folder, is_found) in
            [("hls-cli/tests/it", true), ("hls-media/tests/it", true), ("hls-parse/src", false)]
        {
            assert_eq!(uses(&workspace::root().join(folder))?, is_found, "{folder}");
        }
        Ok(())
    }
}

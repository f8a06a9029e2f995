//! Each crate by itself: each feature alone, the oldest compiler that it promises, and what builds where there is no system.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::facts::{self, Member};
use crate::ci::Unchecked;
use crate::workspace::{self, cargo_in};

/// What needs no system to run on.
const FOR_THE_WEB: [&str; 3] = ["hls-parse", "hls-crypto", "hls-media"];
const WEB: &str = "wasm32-unknown-unknown";

/// Checks each crate without features, with each of them alone, and with all of them.
pub(crate) fn features(root: &Path) -> Result<()> {
    let mut count = 0;
    for member in facts::members(root)? {
        for features in combinations(&member.features) {
            let mut check =
                cargo_in(root, &["check", "--quiet", "--package", &member.name, "--no-default-features"]);
            workspace::run(check.args(["--features", &features]))?;
            count += 1;
        }
    }
    println!("features: {count} combinations build");
    Ok(())
}

fn combinations(features: &[String]) -> Vec<String> {
    let single: Vec<String> = features.iter().filter(|name| *name != "default").cloned().collect();
    let all = (single.len() > 1).then(|| single.join(","));
    std::iter::once(String::new()).chain(single).chain(all).collect()
}

/// Checks each crate with the compiler that its manifest names, where that is installed; returns where it is not.
pub(crate) fn compilers(root: &Path) -> Result<Unchecked> {
    let installed = installed_toolchains();
    let mut unchecked = Unchecked::new();
    for Member { name, compiler, .. } in facts::members(root)? {
        let Some(version) = compiler else { continue };
        let toolchain = installed.iter().find(|toolchain| is_of(toolchain, &version));
        let Some(toolchain) = toolchain else {
            unchecked.push(format!(
                "{name} with Rust {version}: rustup toolchain install {version} --profile minimal"
            ));
            continue;
        };
        let target = workspace::target_of(root)?.join(format!("rust-{version}"));
        let mut check = Command::new("rustup");
        check.args([
            "run",
            toolchain,
            "cargo",
            "check",
            "--quiet",
            "--locked",
            "--package",
            &name,
            "--target-dir",
        ]);
        check.arg(target).current_dir(root);
        // What this process was started with is another compiler.
        for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
            check.env_remove(variable);
        }
        workspace::run(&mut check)?;
        println!("{name} builds with Rust {version}");
    }
    Ok(unchecked)
}

fn installed_toolchains() -> Vec<String> {
    let output = Command::new("rustup").args(["toolchain", "list"]).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Tells whether `1.85.0-x86_64-unknown-linux-gnu`, or `1.85-...`, is 1.85.
fn is_of(toolchain: &str, version: &str) -> bool {
    let number = toolchain.split('-').next().unwrap_or_default();
    let short = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
    short(number) == short(version) && number.split('.').nth(2).is_none_or(|patch| patch == "0")
}

/// Builds what needs no system for the web, where that target is installed; returns what is open where it is not.
pub(crate) fn web(root: &Path) -> Result<Option<String>> {
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", WEB]).output()?;
    if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
        return Ok(Some(format!("{}: rustup target add {WEB}", FOR_THE_WEB.join(", "))));
    }
    for name in FOR_THE_WEB {
        workspace::run(&mut cargo_in(root, &["check", "--quiet", "--package", name, "--target", WEB]))?;
    }
    println!("web: {} build for {WEB}", FOR_THE_WEB.join(", "));
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_alone() {
        let check = |features: &[&str], expect: &[&str]| {
            let features: Vec<String> = features.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(combinations(&features), expect);
        };
        check(&[], &[""]);
        check(&["default", "a"], &["", "a"]);
        check(&["a", "b", "default"], &["", "a", "b", "a,b"]);
    }

    #[test]
    fn the_oldest_of_a_series() {
        for (toolchain, version, expect) in [
            ("1.85.0-x86_64-unknown-linux-gnu", "1.85", true),
            ("1.85-x86_64-unknown-linux-gnu", "1.85", true),
            ("1.85.1-x86_64-unknown-linux-gnu", "1.85", false),
            ("1.8.0-x", "1.85", false),
            ("stable-x86_64-unknown-linux-gnu", "1.85", false),
        ] {
            assert_eq!(is_of(toolchain, version), expect, "{toolchain}");
        }
    }
}

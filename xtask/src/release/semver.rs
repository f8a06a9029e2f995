//! What `cargo semver-checks` says of a public interface against that of a tag.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;

use super::plan::Verdict;
use crate::workspace::cargo_in;

const HOW: &str = "cargo install cargo-semver-checks --locked";

pub(crate) fn installed(root: &Path) -> bool {
    let mut ask = cargo_in(root, &["semver-checks", "--version"]);
    ask.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Compares a crate with itself at a tag.
pub(crate) fn compare(root: &Path, name: &str, tag: &str) -> Result<Verdict> {
    if !installed(root) {
        return Ok(Verdict::NotMade(format!("cargo-semver-checks is not installed ({HOW})")));
    }
    // "minor" asks: does it break anyone? Below 1.0 the tool reads it as the patch number by itself.
    let args = [
        "semver-checks",
        "--package",
        name,
        "--baseline-rev",
        tag,
        "--release-type",
        "minor",
        "--color",
        "never",
    ];
    let output = cargo_in(root, &args).output()?;
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    Ok(judge(output.status.success(), &text))
}

fn judge(success: bool, text: &str) -> Verdict {
    if success {
        return Verdict::Compatible;
    }
    // "--- failure function_missing: pub fn removed or renamed ---"
    let rules = text.lines().filter_map(|line| line.trim().strip_prefix("--- failure ")?.split(':').next());
    let rules: Vec<String> = rules.map(str::to_owned).collect();
    if !rules.is_empty() {
        return Verdict::Breaking(rules);
    }
    let reason =
        text.lines().map(str::trim).find(|line| line.starts_with("error")).unwrap_or("no reason given");
    Verdict::Failed(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        assert_eq!(judge(true, "     Summary no semver update required"), Verdict::Compatible);
        let text = "     Checked [   0.010s] 2 checks\n\n--- failure function_missing: pub fn removed or renamed ---\n\n\
            Description:\n--- failure enum_missing: gone ---\n     Summary semver requires new major version: 2 major";
        let rules = ["function_missing", "enum_missing"].map(str::to_owned).to_vec();
        assert_eq!(judge(false, text), Verdict::Breaking(rules));
        let broken = "   Building x\nerror: running cargo-doc on crate 'x' failed";
        assert_eq!(
            judge(false, broken),
            Verdict::Failed("error: running cargo-doc on crate 'x' failed".to_owned())
        );
    }
}

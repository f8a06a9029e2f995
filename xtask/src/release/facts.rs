//! What there is: crates, tags, changes, changelogs. Gathered for the planner.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::changelog;
use super::git::{Git, tag_of};
use super::manifest::shared_dependencies;
use super::plan::{Crate, Verdict};
use super::semver;
use super::version::Version;
use crate::workspace::cargo_in;

/// A crate that may be published, as it lies on the disk.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Relative to the folder of the workspace.
    pub(crate) folder: PathBuf,
    pub(crate) is_library: bool,
    pub(crate) repository: Option<String>,
    pub(crate) features: Vec<String>,
    /// The oldest compiler it promises.
    pub(crate) compiler: Option<String>,
    /// What it is built from: crates of ours, and others.
    needs: Vec<String>,
    others: Vec<String>,
}

/// Returns the crates that may be published, in the order in which the workspace lists them.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>> {
    let output = cargo_in(root, &["metadata", "--format-version", "1", "--no-deps"]).output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let published = packages.iter().filter(|one| !one["publish"].as_array().is_some_and(Vec::is_empty));
    let top = metadata["workspace_root"].as_str().context("a workspace without root")?;
    let mut members = published.map(|one| member(one, Path::new(top))).collect::<Result<Vec<_>>>()?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    members.sort_by_key(|one| (manifest.find(&format!("\"{}\"", one.folder.display())), one.name.clone()));
    Ok(members)
}

fn member(package: &Value, root: &Path) -> Result<Member> {
    let text = |field: &str| package[field].as_str().map(str::to_owned);
    let manifest = text("manifest_path").context("a package without manifest")?;
    let folder = Path::new(&manifest).parent().context("a manifest without folder")?;
    let used = package["dependencies"].as_array().into_iter().flatten().filter(|one| one["kind"] != "dev");
    let (ours, others): (Vec<&Value>, Vec<&Value>) = used.partition(|one| one["path"].is_string());
    let names =
        |list: Vec<&Value>| list.iter().filter_map(|one| one["name"].as_str()).map(str::to_owned).collect();
    let kinds =
        package["targets"].as_array().into_iter().flatten().flat_map(|target| target["kind"].as_array());
    Ok(Member {
        name: text("name").context("a package without name")?,
        version: text("version").context("a package without version")?.parse()?,
        folder: folder.strip_prefix(root).context("a member outside of the workspace")?.into(),
        is_library: kinds.flatten().any(|kind| kind == "lib"),
        repository: text("repository"),
        features: package["features"].as_object().into_iter().flat_map(|all| all.keys().cloned()).collect(),
        compiler: text("rust_version"),
        needs: names(ours),
        others: names(others),
    })
}

/// Gathers what the planner wants to know; the comparison of interfaces takes a minute for each crate that has changed.
pub(crate) fn crates(root: &Path) -> Result<Vec<Crate>> {
    gather(root, |name, tag| semver::compare(root, name, tag))
}

/// Gathers the same for those who publish what was planned and compared before.
pub(crate) fn without_comparison(root: &Path) -> Result<Vec<Crate>> {
    gather(root, |_, _| Ok(Verdict::Needless))
}

fn gather(root: &Path, compare: impl Fn(&str, &str) -> Result<Verdict>) -> Result<Vec<Crate>> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    members(root)?.iter().map(|member| fact(root, &manifest, member, &compare)).collect()
}

fn fact(
    root: &Path,
    manifest: &str,
    member: &Member,
    compare: impl Fn(&str, &str) -> Result<Verdict>,
) -> Result<Crate> {
    let git = Git(root);
    let tagged = git.newest(&member.name)?;
    let tag = tagged.map(|version| tag_of(&member.name, version));
    let changed = match &tag {
        None => true,
        Some(tag) => {
            let files = git.changed(tag, &member.folder)?;
            let before = git.at(tag, "Cargo.toml").unwrap_or_default();
            files.iter().any(|file| matters(file, &member.folder)) || moved(&member.others, &before, manifest)
        }
    };
    let path = root.join(&member.folder).join("CHANGELOG.md");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let verdict = match &tag {
        Some(tag) if changed && member.is_library => compare(&member.name, tag)?,
        _ => Verdict::Needless,
    };
    Ok(Crate {
        name: member.name.clone(),
        version: member.version,
        tagged,
        changed,
        is_library: member.is_library,
        changelog: changelog::read(&text),
        needs: member.needs.clone(),
        verdict,
    })
}

/// Tells whether a file of a crate is anything to those who use the crate.
fn matters(file: &Path, folder: &Path) -> bool {
    let Ok(inside) = file.strip_prefix(folder) else { return false };
    let first = inside.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
    !matches!(first, "tests" | "benches" | "proptest-regressions" | "CHANGELOG.md")
}

/// Tells whether one of these dependencies has another line in the manifest of the workspace than before.
fn moved(names: &[String], before: &str, after: &str) -> bool {
    let line = |text, name: &str| {
        shared_dependencies(text).find(|(of, _)| *of == name).map(|(_, line)| line.to_owned())
    };
    names.iter().any(|name| line(before, name) != line(after, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_get() {
        let check = |file: &str, expect: bool| {
            assert_eq!(matters(Path::new(file), Path::new("hls-x")), expect, "{file}");
        };
        check("hls-x/src/lib.rs", true);
        check("hls-x/src/tests/a.rs", true);
        check("hls-x/Cargo.toml", true);
        check("hls-x/README.md", true);
        check("hls-x/tests/it/main.rs", false);
        check("hls-x/CHANGELOG.md", false);
        check("hls-xy/src/lib.rs", false);
    }

    #[test]
    fn a_shared_line_that_moves() {
        let text =
            |url: &str| format!("[workspace]\n\n[workspace.dependencies]\nurl = \"{url}\"\naes = \"1\"\n");
        let names = ["url".to_owned()];
        assert!(moved(&names, &text("1"), &text("2")));
        assert!(!moved(&names, &text("1"), &text("1")));
        assert!(!moved(&["aes".to_owned()], &text("1"), &text("2")));
    }
}

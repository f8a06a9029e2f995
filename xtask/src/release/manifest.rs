//! Changes to manifests, made in their text so that nothing else in them moves.

use anyhow::{Context, Result, ensure};

use super::version::Version;

/// Sets the version of the package.
pub(crate) fn with_version(text: &str, version: Version) -> Result<String> {
    let mut in_package = false;
    edit(text, "no version in [package]", |line| {
        if line.starts_with('[') {
            in_package = line == "[package]";
        }
        (in_package && line.starts_with("version = ")).then(|| format!("version = \"{version}\""))
    })
}

/// Sets the lowest version of a crate of ours that the others ask for, in the manifest of the workspace.
pub(crate) fn with_floor(text: &str, name: &str, version: Version) -> Result<String> {
    edit_line_of(text, name, |line| {
        let (before, after) = line.split_once("version = \"")?;
        let (_, after) = after.split_once('"')?;
        Some(format!("{before}version = \"{version}\"{after}"))
    })
}

/// Says in which registry a crate of ours is looked for once it is published.
pub(crate) fn with_registry(text: &str, name: &str, registry: &str) -> Result<String> {
    edit_line_of(text, name, |line| {
        let (before, after) = line.split_once("{ ")?;
        Some(format!("{before}{{ registry = \"{registry}\", {after}"))
    })
}

/// Says where a package comes from, in its own line or behind that of the licence.
pub(crate) fn with_repository(text: &str, url: &str) -> Result<String> {
    let (ours, licence) = (format!("repository = \"{url}\""), "license = ");
    if text.contains("\nrepository = ") {
        return edit(text, "two repositories", |line| {
            line.starts_with("repository = ").then(|| ours.clone())
        });
    }
    edit(text, "no licence", |line| line.starts_with(licence).then(|| format!("{line}\n{ours}")))
}

/// Returns the lines of `[workspace.dependencies]` with the names that they are for.
pub(crate) fn shared_dependencies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let below = text.split("\n[workspace.dependencies]\n").nth(1).unwrap_or_default();
    let lines = below.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some((line.split_once(" = ")?.0, line)))
}

fn edit_line_of(text: &str, name: &str, change: impl Fn(&str) -> Option<String>) -> Result<String> {
    let what = format!("no line for {name}, with path and version, in [workspace.dependencies]");
    let line = shared_dependencies(text).find(|(of, _)| *of == name).context(what.clone())?.1;
    edit(text, &what, |candidate| (candidate == line).then(|| change(line)).flatten())
}

/// Replaces the one line for which there is another.
fn edit(text: &str, otherwise: &str, mut change: impl FnMut(&str) -> Option<String>) -> Result<String> {
    let mut changes = 0;
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| change(line).inspect(|_| changes += 1).unwrap_or_else(|| line.to_owned()))
        .collect();
    ensure!(changes == 1, "{otherwise}");
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace]\nmembers = []\n\n[workspace.dependencies]\n\
        hls-a = { path = \"hls-a\", version = \"0.1.0\", default-features = false }\nhls-b = { path = \"hls-b\" }\n\
        url = \"2.5.8\"\n\n[profile.dev]\nhls-a = 1\n";

    #[test]
    fn one_line_changes() {
        let version: Version = "0.2.0".parse().unwrap();
        let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\n\n[dependencies]\nversion = \"1\"\n";
        assert_eq!(
            with_version(manifest, version).unwrap(),
            "[package]\nname = \"x\"\nversion = \"0.2.0\"\n\n[dependencies]\nversion = \"1\"\n"
        );
        assert!(with_version("[package]\nversion.workspace = true\n", version).is_err());

        let floor = with_floor(ROOT, "hls-a", version).unwrap();
        assert_eq!(floor, ROOT.replace("0.1.0", "0.2.0"));
        assert!(with_floor(ROOT, "hls-b", version).is_err());
        assert!(with_floor(ROOT, "hls-c", version).is_err());

        let elsewhere = with_registry(ROOT, "hls-a", "mine").unwrap();
        assert!(
            elsewhere.contains("\nhls-a = { registry = \"mine\", path = \"hls-a\", version"),
            "{elsewhere}"
        );
    }

    #[test]
    fn a_repository_is_named_once() {
        let text = "[package]\nlicense = \"MIT\"\nreadme = \"x\"\n";
        let one = with_repository(text, "https://h/x").unwrap();
        assert_eq!(one, "[package]\nlicense = \"MIT\"\nrepository = \"https://h/x\"\nreadme = \"x\"\n");
        assert_eq!(with_repository(&one, "https://h/y").unwrap(), one.replace("h/x", "h/y"));
        assert!(with_repository("[package]\n", "https://h/x").is_err());
    }

    #[test]
    fn shared_lines_have_names() {
        let names: Vec<&str> = shared_dependencies(ROOT).map(|(name, _)| name).collect();
        assert_eq!(names, ["hls-a", "hls-b", "url"]);
        assert_eq!(shared_dependencies("[package]\n").count(), 0);
    }
}

//! What a registry has under a name: asked over its sparse index and its web interface, without a token.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::archive::{gunzip, untar};
use super::version::Version;

/// The index of the public Rust registry.
pub(crate) const PUBLIC: &str = "https://index.crates.io/";
/// A package is not larger than this when it is unpacked.
const PACKAGE_AT_MOST: u64 = 256 << 20;

pub(crate) struct Registry {
    index: String,
    download: String,
    api: Option<String>,
}

/// What there is under a name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// All that was ever published, yanked versions too: a version is never published twice.
    pub(crate) versions: Vec<Version>,
    /// Where the newest one says that it comes from.
    pub(crate) repository: Option<String>,
    /// Who may publish; empty where the registry does not tell.
    pub(crate) owners: Vec<String>,
}

impl Registry {
    /// Reads the configuration of an index, given by an address with or without `sparse+`.
    pub(crate) fn open(index: &str) -> Result<Self> {
        let index = index.strip_prefix("sparse+").unwrap_or(index);
        ensure!(index.starts_with("http"), "{index}: only sparse indexes are understood");
        let index = format!("{}/", index.trim_end_matches('/'));
        let text = ask(&format!("{index}config.json"))?.context("the registry has no config.json")?;
        let config: Value = serde_json::from_slice(&text).context("config.json of the registry")?;
        let field = |name: &str| config[name].as_str().map(str::to_owned);
        Ok(Self { download: field("dl").context("config.json has no dl")?, api: field("api"), index })
    }

    /// Returns what is under a name, or nothing where the name is free.
    pub(crate) fn listing(&self, name: &str) -> Result<Option<Listing>> {
        let Some(lines) = ask(&format!("{}{}", self.index, path(name)))? else { return Ok(None) };
        let (versions, newest) = entries(&String::from_utf8_lossy(&lines))?;
        let repository = match newest {
            Some(newest) => {
                let manifest =
                    self.inside(name, &newest, "Cargo.toml")?.context("a package without Cargo.toml")?;
                repository(&manifest)
            }
            None => None,
        };
        Ok(Some(Listing { versions, repository, owners: self.owners(name)? }))
    }

    /// Returns the commit that a published version was made of, where its package says so.
    pub(crate) fn commit(&self, name: &str, version: Version) -> Result<Option<String>> {
        let Some(info) = self.inside(name, &version.to_string(), ".cargo_vcs_info.json")? else {
            return Ok(None);
        };
        let info: Value = serde_json::from_str(&info).context(".cargo_vcs_info.json")?;
        Ok(info["git"]["sha1"].as_str().map(str::to_owned))
    }

    fn inside(&self, name: &str, version: &str, file: &str) -> Result<Option<String>> {
        let package = ask(&download(&self.download, name, version))?;
        let package = package.with_context(|| format!("{name} {version} is listed and not there"))?;
        let tar = gunzip(&package, PACKAGE_AT_MOST)?;
        let file = untar(&tar, &format!("{name}-{version}/{file}"))?;
        Ok(file.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    fn owners(&self, name: &str) -> Result<Vec<String>> {
        let Some(api) = &self.api else { return Ok(Vec::new()) };
        let answer = ask(&format!("{}/api/v1/crates/{name}/owners", api.trim_end_matches('/')))?;
        let Some(answer) = answer else { return Ok(Vec::new()) };
        let answer: Value = serde_json::from_slice(&answer).context("the owners are no JSON")?;
        let users = answer["users"].as_array().into_iter().flatten();
        Ok(users.filter_map(|user| user["login"].as_str()).map(str::to_owned).collect())
    }
}

/// Returns where in an index a name is (the Cargo Book, "Index Format").
fn path(name: &str) -> String {
    let name = name.to_lowercase();
    format!("{}/{name}", prefix(&name))
}

fn prefix(name: &str) -> String {
    match name.len() {
        n @ (1 | 2) => n.to_string(),
        3 => format!("3/{}", &name[..1]),
        _ => format!("{}/{}", &name[..2], &name[2..4]),
    }
}

fn download(template: &str, name: &str, version: &str) -> String {
    if !template.contains('{') {
        return format!("{}/{name}/{version}/download", template.trim_end_matches('/'));
    }
    let filled = template.replace("{crate}", name).replace("{version}", version);
    filled.replace("{prefix}", &prefix(name)).replace("{lowerprefix}", &prefix(&name.to_lowercase()))
}

/// Reads the lines of an index file: the versions of our kind, and the one that was published last.
fn entries(lines: &str) -> Result<(Vec<Version>, Option<String>)> {
    let (mut versions, mut newest) = (Vec::new(), None);
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let entry: Value = serde_json::from_str(line).context("a line of the index is no JSON")?;
        let version = entry["vers"].as_str().context("a line of the index has no version")?;
        // What has a suffix is no version that this workspace would publish.
        versions.extend(version.parse::<Version>());
        newest = Some(version.to_owned());
    }
    Ok((versions, newest))
}

fn repository(manifest: &str) -> Option<String> {
    let package = manifest
        .split("\n[")
        .find(|part| part.trim_start().trim_start_matches('[').starts_with("package]"))?;
    let line = package.lines().find_map(|line| line.strip_prefix("repository = \""))?;
    Some(line.trim_end_matches('"').to_owned())
}

/// Asks for a resource; one that is not there, or not for everyone, is nothing. 429 and 503 are waited out by curl.
fn ask(url: &str) -> Result<Option<Vec<u8>>> {
    let agent = concat!("hls-release/", env!("CARGO_PKG_VERSION"));
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--location", "--max-time", "120", "--retry", "5"])
        .args(["--user-agent", agent, "--write-out", "\n%{http_code}", "--", url])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .context("can't run curl, which asks the registry")?;
    ensure!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr).trim());
    let at = output.stdout.iter().rposition(|byte| *byte == b'\n').context("curl says no status")?;
    let (body, code) = output.stdout.split_at(at);
    match &code[1..] {
        b"200" => Ok(Some(body.to_vec())),
        b"401" | b"403" | b"404" | b"410" | b"451" => Ok(None),
        code => bail!("{url}: status {}", String::from_utf8_lossy(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_an_index() {
        for (name, expect) in
            [("a", "1/a"), ("ab", "2/ab"), ("abc", "3/a/abc"), ("hls-Parse", "hl/s-/hls-parse")]
        {
            assert_eq!(path(name), expect);
        }
        assert_eq!(download("http://h/crates", "x", "1.0.0"), "http://h/crates/x/1.0.0/download");
        assert_eq!(
            download("http://h/{prefix}/{crate}-{version}", "hls-x", "1.0.0"),
            "http://h/hl/s-/hls-x-1.0.0"
        );
    }

    #[test]
    fn lines_of_an_index() {
        let lines =
            "{\"name\":\"x\",\"vers\":\"0.1.0\",\"yanked\":true}\n{\"name\":\"x\",\"vers\":\"0.2.0-rc.1\"}\n";
        let (versions, newest) = entries(lines).unwrap();
        assert_eq!((versions, newest.as_deref()), (vec!["0.1.0".parse().unwrap()], Some("0.2.0-rc.1")));
        assert!(entries("{}").is_err());
    }

    #[test]
    fn where_a_package_comes_from() {
        let text = "# generated\n\n[package]\nname = \"x\"\nrepository = \"https://h/x\"\n\n[dependencies.y]\nversion = \"1\"\n";
        assert_eq!(repository(text).as_deref(), Some("https://h/x"));
        assert_eq!(repository("[package]\nname = \"x\"\n\n[x]\nrepository = \"no\"\n"), None);
    }
}

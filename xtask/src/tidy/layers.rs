//! Which crate may depend on which.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

const LEAVES: [&str; 5] = ["hls-parse", "hls-crypto", "hls-media", "hls-fetch", "hls-state"];
const PURE: [&str; 3] = ["hls-parse", "hls-crypto", "hls-media"];
const ENGINE: &str = "hls-sched";
const PROGRAM: &str = "hls-cli";
const TESTKIT: &str = "hls-testkit";
const XTASK: &str = "xtask";

/// What does I/O, keeps time, or runs things: nothing for a crate without I/O, however far down.
const IMPURE: [&str; 8] = ["tokio", "mio", "socket2", "hyper", "reqwest", "sled", "rustls", "signal-hook"];
/// What belongs to the program alone.
const FOR_THE_PROGRAM: [&str; 4] = ["clap", "anyhow", "indicatif", "tracing-subscriber"];

/// A member of the workspace.
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) manifest: Value,
    pub(super) dependencies: Vec<Dependency>,
}

/// A line in the manifest of a member.
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) requirement: String,
    pub(super) path: bool,
    default_features: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Dev,
    Build,
}

impl Dependency {
    fn is_ours(&self) -> bool {
        self.path
    }
}

pub(super) fn members(metadata: &Value) -> Result<Vec<Package>> {
    let ids: HashSet<&str> = array(metadata, "workspace_members").filter_map(Value::as_str).collect();
    let ours = array(metadata, "packages").filter(|p| p["id"].as_str().is_some_and(|id| ids.contains(id)));
    ours.map(package).collect()
}

fn package(manifest: &Value) -> Result<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata lacks a field");
    let dependencies = array(manifest, "dependencies")
        .map(|d| {
            Ok(Dependency {
                // The name in the code, where that is another one than the package has.
                name: d["rename"].as_str().map_or_else(|| text(&d["name"]), |name| Ok(name.to_owned()))?,
                kind: match d["kind"].as_str() {
                    Some("dev") => Kind::Dev,
                    Some("build") => Kind::Build,
                    _ => Kind::Normal,
                },
                requirement: text(&d["req"])?,
                path: d["path"].is_string(),
                default_features: d["uses_default_features"] == true,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Package {
        id: text(&manifest["id"])?,
        name: text(&manifest["name"])?,
        folder: Path::new(&text(&manifest["manifest_path"])?)
            .parent()
            .context("a manifest without folder")?
            .into(),
        manifest: manifest.clone(),
        dependencies,
    })
}

/// Checks each dependency between members.
pub(super) fn faults(packages: &[Package]) -> Vec<String> {
    let all = packages.iter().flat_map(|p| p.dependencies.iter().map(move |d| (p.name.as_str(), d)));
    all.filter_map(|(from, dependency)| {
        Some(format!("{from} -> {}: {}", dependency.name, fault(from, dependency)?))
    })
    .collect()
}

fn fault(from: &str, to: &Dependency) -> Option<&'static str> {
    let name = to.name.as_str();
    let is_leaf = LEAVES.contains(&from);
    if !to.is_ours() {
        let reserved =
            FOR_THE_PROGRAM.contains(&name) && from != PROGRAM && from != XTASK && to.kind == Kind::Normal;
        return reserved.then_some("belongs to the program alone");
    }
    match name {
        _ if from == TESTKIT => Some("the test kit depends on no crate of ours"),
        TESTKIT if to.kind == Kind::Dev || from == XTASK => None,
        TESTKIT => Some("the test kit is for tests, benches and xtask"),
        _ if from == XTASK => Some("xtask holds no product code"),
        _ if is_leaf => Some("leaves never depend on each other"),
        _ if from == ENGINE && !LEAVES.contains(&name) => Some("the engine stands on leaves only"),
        _ if from == ENGINE && to.default_features && to.kind == Kind::Normal => {
            Some("the engine takes leaves with default-features = false")
        }
        _ => None,
    }
}

/// Looks for what does I/O in the whole tree below each pure crate.
pub(super) fn impurities(metadata: &Value, packages: &[Package]) -> Vec<String> {
    let names: HashMap<&str, &str> =
        array(metadata, "packages").filter_map(|p| Some((p["id"].as_str()?, p["name"].as_str()?))).collect();
    let edges: HashMap<&str, Vec<&str>> = array(&metadata["resolve"], "nodes")
        .filter_map(|node| {
            Some((node["id"].as_str()?, array(node, "deps").filter_map(normal_edge).collect()))
        })
        .collect();
    let mut faults = Vec::new();
    for package in packages.iter().filter(|p| PURE.contains(&p.name.as_str())) {
        let mut seen = HashSet::new();
        let mut open = vec![package.id.as_str()];
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            open.extend(edges.get(id).into_iter().flatten());
            if let Some(name) = names.get(id).filter(|name| IMPURE.contains(name)) {
                faults.push(format!("{} -> {name}: this crate does no I/O", package.name));
            }
        }
    }
    faults
}

fn normal_edge(edge: &Value) -> Option<&str> {
    let used = array(edge, "dep_kinds").any(|kind| kind["kind"].as_str() != Some("dev"));
    edge["pkg"].as_str().filter(|_| used)
}

fn array<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let check = |from: &str, to: &str, kind, ours, allowed: bool| {
            let to = to.to_owned();
            let requirement = "^0.1".to_owned();
            let dependency = Dependency { name: to, kind, requirement, path: ours, default_features: false };
            assert_eq!(fault(from, &dependency).is_none(), allowed, "{from} -> {}", dependency.name);
        };
        check("hls-parse", "hls-media", Kind::Normal, true, false);
        check("hls-parse", "hls-media", Kind::Dev, true, false);
        check("hls-fetch", "hls-testkit", Kind::Dev, true, true);
        check("hls-fetch", "hls-testkit", Kind::Normal, true, false);
        check("hls-sched", "hls-parse", Kind::Normal, true, true);
        check("hls-sched", "hls-cli", Kind::Dev, true, false);
        check("hls-testkit", "hls-crypto", Kind::Dev, true, false);
        check("xtask", "hls-testkit", Kind::Normal, true, true);
        check("xtask", "hls-sched", Kind::Normal, true, false);
        check("hls-sched", "clap", Kind::Normal, false, false);
        check("hls-cli", "clap", Kind::Normal, false, true);
    }
}

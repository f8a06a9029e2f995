//! Types of other crates in our public interfaces: `docs/external-types.md` has each of them with the reason, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::facts;
use crate::workspace::{self, cargo_in};

const FILE: &str = "docs/external-types.md";
const STANDARD: [&str; 4] = ["std", "core", "alloc", "proc_macro"];

/// A crate of ours, and the path of a type that is not.
type Exposed = (String, String);

/// Compares what rustdoc finds with the list.
///
/// The description that rustdoc writes for machines is unstable, so the compiler is told that we know, as
/// cargo-semver-checks does; in a folder of its own, since that makes it build everything anew.
pub(crate) fn check(root: &Path) -> Result<()> {
    let target = workspace::target_of(root)?.join("interfaces");
    let mut found = BTreeSet::new();
    for member in facts::members(root)?.into_iter().filter(|member| member.is_library) {
        let args = ["rustdoc", "--quiet", "--package", &member.name, "--lib", "--all-features"];
        let mut rustdoc = cargo_in(root, &args);
        rustdoc.arg("--target-dir").arg(&target).args([
            "--",
            "-Z",
            "unstable-options",
            "--output-format",
            "json",
        ]);
        workspace::run(rustdoc.env("RUSTC_BOOTSTRAP", "1"))?;
        let path = target.join("doc").join(format!("{}.json", member.name.replace('-', "_")));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let types = exposed(&serde_json::from_str(&text)?)?;
        found.extend(types.into_iter().map(|path| (member.name.clone(), path)));
    }
    let list = fs::read_to_string(root.join(FILE)).context(FILE)?;
    let faults = differences(&found, &listed(&list));
    ensure!(faults.is_empty(), "{FILE}:\n{}", faults.join("\n"));
    println!("interfaces: {} types of other crates, each with its reason in {FILE}", found.len());
    Ok(())
}

/// Returns the paths of all types and traits of other crates in signatures, fields and implementations.
fn exposed(rustdoc: &Value) -> Result<BTreeSet<String>> {
    let index = rustdoc["index"].as_object().context("rustdoc's description has no index")?;
    let mut found = BTreeSet::new();
    for item in index.values().filter(|item| item["crate_id"] == 0) {
        let inner = &item["inner"];
        // What the compiler, or a blanket implementation elsewhere, adds to every type is not our doing.
        let added = &inner["impl"];
        if added["is_synthetic"] == true || !added["blanket_impl"].is_null() {
            continue;
        }
        walk(inner, rustdoc, &mut found);
        note(&inner["use"], rustdoc, &mut found);
    }
    Ok(found)
}

fn walk(value: &Value, rustdoc: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if ["resolved_path", "trait", "trait_"].contains(&name.as_str()) {
                    note(value, rustdoc, found);
                }
                walk(value, rustdoc, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, rustdoc, found)),
        _ => {}
    }
}

/// Notes what a reference leads to, where that is in another crate.
fn note(reference: &Value, rustdoc: &Value, found: &mut BTreeSet<String>) {
    let Some(id) = reference["id"].as_u64() else { return };
    let target = &rustdoc["paths"][id.to_string()];
    let path: Vec<&str> = target["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_ours = target["crate_id"].as_u64().unwrap_or_default() == 0;
    if !is_ours && !path.first().is_some_and(|name| STANDARD.contains(name)) {
        found.insert(path.join("::"));
    }
}

/// Reads the rows `| crate | type | reason |`.
fn listed(text: &str) -> BTreeSet<Exposed> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    rows.filter_map(|(name, rest)| Some((name.to_owned(), rest.split_once('`')?.0.to_owned()))).collect()
}

fn differences(found: &BTreeSet<Exposed>, listed: &BTreeSet<Exposed>) -> Vec<String> {
    let missing =
        found.difference(listed).map(|(name, path)| format!("  {name} exposes {path}, which is not listed"));
    let idle = listed
        .difference(found)
        .map(|(name, path)| format!("  {name} does not expose {path}, which is listed"));
    missing.chain(idle).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_of_others_are_found() -> Result<()> {
        let to = |id: u32| json!({ "resolved_path": { "id": id, "path": "x" } });
        let rustdoc = json!({
            "index": {
                "1": { "crate_id": 0, "inner": { "function": { "sig": { "inputs": [["a", to(7)], ["b", { "slice": to(8) }]] } } } },
                "2": { "crate_id": 0, "inner": { "impl": { "trait": { "id": 9 }, "is_synthetic": false, "blanket_impl": null } } },
                "3": { "crate_id": 0, "inner": { "impl": { "trait": { "id": 10 }, "is_synthetic": true } } },
                "4": { "crate_id": 5, "inner": { "struct_field": to(10) } },
                "5": { "crate_id": 0, "inner": { "use": { "id": 11, "source": "d" } } },
            },
            "paths": {
                "7": { "crate_id": 2, "path": ["url", "Url"] },
                "8": { "crate_id": 1, "path": ["std", "Vec"] },
                "9": { "crate_id": 3, "path": ["zeroize", "ZeroizeOnDrop"] },
                "10": { "crate_id": 4, "path": ["never", "Told"] },
                "11": { "crate_id": 6, "path": ["d"] },
            },
        });
        let found = exposed(&rustdoc)?;
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["d", "url::Url", "zeroize::ZeroizeOnDrop"]);
        Ok(())
    }

    #[test]
    fn the_list_and_what_is_found() {
        let list = listed(
            "| crate | type | why |\n|---|---|---|\n| `a` | `url::Url` | addresses |\n| `b` | `x::Y` | once |\n",
        );
        let one = |name: &str, path: &str| (name.to_owned(), path.to_owned());
        assert!(differences(&list, &list).is_empty());
        let found = BTreeSet::from([one("a", "url::Url"), one("c", "x::Y")]);
        assert_eq!(
            differences(&found, &list),
            ["  c exposes x::Y, which is not listed", "  b does not expose x::Y, which is listed"]
        );
    }
}

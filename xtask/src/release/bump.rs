//! `release bump`: what the plan says, written into manifests and changelogs. Run again, it changes nothing more.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::plan::{Plan, Why};
use super::{changelog, facts, manifest};
use crate::calendar;
use crate::workspace::{self, cargo_in};

/// Writes the versions of the plan; without `execute` it only says what it would write.
pub(crate) fn run(root: &Path, plan: &Plan, execute: bool) -> Result<()> {
    print!("{plan}");
    if !plan.refusals.is_empty() {
        bail!("{} refused", plan.refusals.len());
    }
    let today = calendar::day(SystemTime::now());
    let mut changes = Vec::new();
    let top = root.join("Cargo.toml");
    let mut floors = fs::read_to_string(&top)?;
    let members = facts::members(root)?;
    for step in &plan.steps {
        let member = members.iter().find(|one| one.name == step.name).context("a step without crate")?;
        floors = match manifest::with_floor(&floors, &step.name, step.to) {
            Ok(floors) => floors,
            // Nothing of ours is built on it.
            Err(_) if !plan.steps.iter().any(|other| other.because_of.contains(&step.name)) => floors,
            Err(error) => return Err(error),
        };
        let folder = root.join(&member.folder);
        changes.push((
            folder.join("Cargo.toml"),
            manifest::with_version(&read(&folder, "Cargo.toml")?, step.to)?,
        ));
        // In a first release all of it is new.
        let below = if step.why == Why::First { &[][..] } else { &step.because_of };
        let needs: Vec<String> = below
            .iter()
            .filter_map(|name| plan.steps.iter().find(|other| other.name == *name))
            .map(|other| format!("- Needs {} {}.", other.name, other.to))
            .collect();
        let log = changelog::release(&read(&folder, "CHANGELOG.md")?, step.to, &today, &needs)?;
        changes.push((folder.join("CHANGELOG.md"), log));
    }
    changes.push((top, floors));
    let mut written = 0;
    for (path, text) in changes {
        if fs::read_to_string(&path)? == text {
            continue;
        }
        let shown = path.strip_prefix(root).unwrap_or(&path).display();
        println!("{} {shown}", if execute { "written:" } else { "to write:" });
        if execute {
            fs::write(&path, text)?;
        }
        written += 1;
    }
    match (written, execute) {
        (0, _) => println!("everything is as the plan says"),
        (_, true) => {
            // Only the versions of the members move in it.
            workspace::run(&mut cargo_in(root, &["update", "--workspace", "--offline", "--quiet"]))?;
            println!("next: look at it, commit it, cargo xtask release verify");
        }
        (_, false) => println!("nothing was written: --execute does"),
    }
    Ok(())
}

fn read(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

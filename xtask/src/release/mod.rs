//! `cargo xtask release`: from what has changed to what is published. Nothing is written, tagged or uploaded without
//! `--execute`, and each step may be run again.

pub(crate) mod alone;
mod archive;
mod bump;
mod changelog;
mod deb;
mod dist;
mod elf;
mod facts;
mod git;
mod home;
mod index;
mod interfaces;
mod judge;
mod manifest;
mod plan;
mod publish;
#[cfg(target_os = "linux")]
mod registry;
#[cfg(target_os = "linux")]
pub(crate) mod rehearsal;
mod semver;
#[cfg(test)]
mod tests;
mod verify;
mod version;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::ci;
use crate::workspace;
use publish::Publishing;

const USAGE: &str =
    "usage: cargo xtask release plan | bump [--execute] | home --url URL [--execute] | rehearse | alone | interfaces | verify
       | dist [--target TARGET]
       | publish [--registry NAME] [--index URL] [--owner LOGIN] [--no-verify] [--execute]";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (step, rest) = args.split_first().context(USAGE)?;
    let mut options = Options::read(rest)?;
    let root = options.value("--root").map_or_else(|| workspace::root().to_owned(), PathBuf::from);
    let execute = options.flag("--execute");
    match step.as_str() {
        "plan" => {
            options.end()?;
            ensure!(!execute, "a plan has nothing to execute");
            show(&root)
        }
        "bump" => {
            options.end()?;
            bump::run(&root, &plan::plan(&facts::crates(&root)?), execute)
        }
        "verify" => {
            options.end()?;
            verify::run(&root)
        }
        "alone" => {
            options.end()?;
            alone::features(&root)?;
            let mut unchecked: Vec<_> = alone::web(&root)?.into_iter().collect();
            unchecked.extend(alone::compilers(&root)?);
            ci::tell(&unchecked);
            Ok(())
        }
        "interfaces" => {
            options.end()?;
            interfaces::check(&root)
        }
        "home" => {
            let url = options.value("--url").context(USAGE)?;
            options.end()?;
            home::run(&root, &url, execute)
        }
        #[cfg(target_os = "linux")]
        "rehearse" => {
            options.end()?;
            rehearsal::run()
        }
        "dist" => {
            let target = options.value("--target");
            options.end()?;
            dist::run(&root, target).map(drop)
        }
        "publish" => {
            let publishing = Publishing {
                registry: options.value("--registry"),
                index: options.value("--index"),
                owner: options.value("--owner"),
                verify: !options.flag("--no-verify"),
                root,
                execute,
            };
            options.end()?;
            publish::run(&publishing)
        }
        _ => bail!(USAGE),
    }
}

fn show(root: &Path) -> Result<()> {
    let plan = plan::plan(&facts::crates(root)?);
    print!("{plan}");
    ensure!(plan.refusals.is_empty(), "{} refused", plan.refusals.len());
    Ok(())
}

/// What stands behind the name of a step.
struct Options(Vec<(String, Option<String>)>);

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut found: Vec<(String, Option<String>)> = Vec::new();
        for word in args {
            match found.last_mut() {
                _ if word.starts_with("--") => found.push((word.clone(), None)),
                Some((_, value @ None)) => *value = Some(word.clone()),
                _ => bail!("{word} belongs to no option"),
            }
        }
        Ok(Self(found))
    }

    fn take(&mut self, name: &str) -> Option<Option<String>> {
        let at = self.0.iter().position(|(option, _)| option == name)?;
        Some(self.0.remove(at).1)
    }

    fn value(&mut self, name: &str) -> Option<String> {
        self.take(name).flatten()
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    fn end(self) -> Result<()> {
        match self.0.first() {
            Some((option, _)) => bail!("there is no {option} here\n\n{USAGE}"),
            None => Ok(()),
        }
    }
}

//! `release verify`: all that has to hold before anything is published. It takes its time.

use std::path::Path;

use anyhow::Result;

use super::{alone, interfaces, semver};
use crate::ci;
use crate::workspace::{self, cargo_in};

pub(crate) fn run(root: &Path) -> Result<()> {
    let mut unchecked = ci::run()?;
    unchecked.extend(ci::step("compilers", || alone::compilers(root))?);
    ci::step("interfaces", || interfaces::check(root))?;
    // Builds each package from its own archive; what is taken on a registry it does not see, so that is for `publish`.
    ci::step("packages", || {
        workspace::run(&mut cargo_in(
            root,
            &["publish", "--workspace", "--dry-run", "--allow-dirty", "--locked"],
        ))
    })?;
    if !semver::installed(root) {
        unchecked.push(
            "interfaces against what was released: cargo install cargo-semver-checks --locked".to_owned(),
        );
    }
    ci::tell(&unchecked);
    let first = if unchecked.is_empty() { "" } else { "have that checked elsewhere, then " };
    println!("next: {first}cargo xtask release publish");
    Ok(())
}

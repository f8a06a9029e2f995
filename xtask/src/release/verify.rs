//! `release verify`: all that has to hold before anything is published. It takes its time.

use std::path::Path;

use anyhow::Result;

use super::{alone, interfaces, semver};
use crate::ci;
use crate::workspace::{self, cargo_in};

pub(crate) fn run(root: &Path) -> Result<()> {
    ci::run()?;
    ci::step("compilers", || alone::compilers(root))?;
    ci::step("interfaces", || interfaces::check(root))?;
    // Builds each package from its own archive; what is taken on a registry it does not see, so that is for `publish`.
    ci::step("packages", || {
        workspace::run(&mut cargo_in(
            root,
            &["publish", "--workspace", "--dry-run", "--allow-dirty", "--locked"],
        ))
    })?;
    if !semver::installed(root) {
        println!("!! NOT COMPARED with what was released: cargo-semver-checks is not installed");
    }
    println!("next: cargo xtask release publish");
    Ok(())
}

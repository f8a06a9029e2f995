//! `cargo xtask tidy`: proves the layers and the house rules.

mod layers;
mod manifests;
mod proofs;
mod rooms;
mod sources;
mod unused;

use anyhow::{Result, bail};

use crate::workspace;

pub(crate) fn run() -> Result<()> {
    let metadata = workspace::metadata()?;
    let packages = layers::members(&metadata)?;
    let mut faults = layers::faults(&packages);
    faults.extend(layers::impurities(&metadata, &packages));
    faults.extend(manifests::faults(&packages));
    faults.extend(unused::faults(&packages)?);
    faults.extend(proofs::faults()?);
    faults.extend(rooms::faults()?);
    let (found, files) = sources::faults(&packages)?;
    faults.extend(found);
    if faults.is_empty() {
        println!("tidy: {} crates, {files} files, nothing to complain about", packages.len());
        return Ok(());
    }
    for fault in &faults {
        println!("tidy: {fault}");
    }
    bail!("{} faults", faults.len());
}

//! What each crate has to have.

use super::layers::{Kind, Package};

const UNPUBLISHED: [&str; 2] = ["hls-testkit", "xtask"];

pub(super) fn faults(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<String> {
    let Package { name, folder, manifest, .. } = package;
    let mut faults = Vec::new();
    let mut check = |holds: bool, fault: &str| {
        if !holds {
            faults.push(format!("{name}: {fault}"));
        }
    };
    check(folder.ends_with(name), "the folder has another name");
    check(manifest["license"] == "MIT OR Apache-2.0", "license is not MIT OR Apache-2.0");
    check(manifest["edition"] == "2024", "edition is not 2024");
    for field in ["description", "rust_version"] {
        check(manifest[field].is_string(), &format!("no {field}"));
    }
    check(folder.join("README.md").is_file(), "no README.md");
    check(name == "xtask" || folder.join("CHANGELOG.md").is_file(), "no CHANGELOG.md");
    let published = !manifest["publish"].as_array().is_some_and(Vec::is_empty);
    check(
        published != UNPUBLISHED.contains(&name.as_str()),
        "published and should not be, or the other way round",
    );
    for dependency in package.dependencies.iter().filter(|d| d.path) {
        // Cargo leaves a dev-dependency without version out of what it publishes.
        let may_lack = dependency.kind == Kind::Dev || !published;
        let fault = format!("{} has a path and no version", dependency.name);
        check(may_lack || dependency.requirement != "*", &fault);
    }
    faults
}

//! `release publish`: uploads what is not there, in order, and tags each crate as it lands.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

use super::facts::{self, Member};
use super::git::{Git, tag_of};
use super::index::{self, Registry};
use super::judge::{Standing, WAIT_AT_MOST, standing, wait_of};
use super::{manifest, plan};
use crate::workspace::cargo_in;

const WAYS_OUT: &str = "\
ways out:
  - publish to a registry where the names are free: --registry NAME, or --index URL
  - ask the owner of a taken name for it, by the address in its package
  - give the package another name and keep the library's: `name = \"OTHER\"` in its [package], `[lib] name = \"hls_...\"`
    below it, and `package = \"OTHER\"` in its line of [workspace.dependencies]; docs/RELEASING.md has the steps";

pub(crate) struct Publishing {
    pub(crate) root: PathBuf,
    /// The name of a registry, as cargo's configuration knows it; none is the public one.
    pub(crate) registry: Option<String>,
    /// The address of its index, where no configuration has it.
    pub(crate) index: Option<String>,
    /// Who publishes.
    pub(crate) owner: Option<String>,
    /// Build each package from its own archive before it is uploaded.
    pub(crate) verify: bool,
    pub(crate) execute: bool,
}

pub(crate) fn run(publishing: &Publishing) -> Result<()> {
    let git = Git(&publishing.root);
    let dirt = git.dirt()?;
    ensure!(dirt.is_empty(), "nothing is published from a tree with changes that are not committed:\n{dirt}");
    let members = publishing.prepared()?;
    let index = publishing.index()?;
    let registry = Registry::open(&index)?;

    println!("{index}");
    let mut open = Vec::new();
    let mut taken = 0;
    for member in &members {
        let Member { name, version, .. } = member;
        let listing = registry.listing(name)?;
        let repository = member.repository.as_deref().unwrap_or_default();
        let standing = standing(*version, repository, publishing.owner.as_deref(), listing.as_ref());
        let told = match &standing {
            Standing::Free => "to upload; the name is free".to_owned(),
            Standing::New => "to upload".to_owned(),
            Standing::There => "is there".to_owned(),
            Standing::Taken(whose) => format!("TAKEN by somebody else: {whose}"),
        };
        println!("  {name:<11} {version:<7} {told}");
        match standing {
            Standing::Free | Standing::New => open.push(member),
            Standing::There if publishing.execute => publishing.catch_up(&git, &registry, member)?,
            Standing::There => {}
            Standing::Taken(_) => taken += 1,
        }
    }
    if taken > 0 {
        println!("{WAYS_OUT}");
        bail!("{taken} of the names belong to somebody else; nothing was uploaded");
    }
    if !publishing.execute {
        println!("nothing was uploaded: --execute does");
        return Ok(());
    }
    let place = Place::of(publishing, &members)?;
    let head = git.head()?;
    for (done, member) in open.iter().enumerate() {
        if let Err(error) = publishing.upload(&place, member) {
            let rest: Vec<&str> = open[done..].iter().map(|one| one.name.as_str()).collect();
            println!("remains: {}; run it again to go on", rest.join(", "));
            return Err(error);
        }
        tag(&git, member, &head)?;
    }
    println!("all {} crates are there; the tags are in this clone: git push --tags", members.len());
    Ok(())
}

impl Publishing {
    /// Returns what may be published, once versions and changelogs are as the plan wants them.
    fn prepared(&self) -> Result<Vec<Member>> {
        let crates = facts::without_comparison(&self.root)?;
        let plan = plan::plan(&crates);
        ensure!(plan.refusals.is_empty(), "{plan}");
        for step in &plan.steps {
            let ready = crates.iter().any(|one| {
                one.name == step.name && one.version == step.to && one.changelog.versions.contains(&step.to)
            });
            ensure!(ready, "{} is not prepared: cargo xtask release bump --execute, and commit", step.name);
        }
        let order = plan::order(&crates).context("the crates need each other in a circle")?;
        let mut members = facts::members(&self.root)?;
        members.sort_by_key(|member| order.iter().position(|one| one.name == member.name));
        for member in &members {
            ensure!(
                member.repository.is_some(),
                "{}: its manifest does not say where it comes from (repository), so nobody could tell it from a \
                 stranger's: cargo xtask release home --url URL --execute",
                member.name
            );
        }
        Ok(members)
    }

    fn index(&self) -> Result<String> {
        match (&self.index, &self.registry) {
            (Some(index), _) => Ok(index.clone()),
            (None, None) => Ok(index::PUBLIC.to_owned()),
            (None, Some(name)) => configured(&self.root, name),
        }
    }

    /// Tags what an earlier run uploaded, and was ended before it could tag.
    fn catch_up(&self, git: &Git<'_>, registry: &Registry, member: &Member) -> Result<()> {
        if git.has_tag(&tag_of(&member.name, member.version)) {
            return Ok(());
        }
        let commit = registry.commit(&member.name, member.version)?;
        let commit = commit.filter(|commit| git.has_commit(commit)).with_context(|| {
            format!("{} {} is there, made of a commit that is not in this clone", member.name, member.version)
        })?;
        tag(git, member, &commit)
    }

    /// Uploads one crate, and waits as long as the registry asks for.
    fn upload(&self, place: &Place<'_>, member: &Member) -> Result<()> {
        loop {
            let mut cargo =
                cargo_in(place.folder(), &["publish", "--color", "never", "--package", &member.name]);
            if let Some(name) = &self.registry {
                cargo.args(["--registry", name]);
            }
            if !self.verify {
                cargo.arg("--no-verify");
            }
            if place.changed() {
                cargo.arg("--allow-dirty");
            }
            if let (Some(name), Some(index)) = (&self.registry, &self.index) {
                cargo.args(["--config", &format!("registries.{name}.index = \"{index}\"")]);
            }
            let (success, said) = listen(&mut cargo)?;
            if success {
                return Ok(());
            }
            let wait = wait_of(&said, SystemTime::now())
                .with_context(|| format!("{} {} was not uploaded", member.name, member.version))?;
            ensure!(wait <= WAIT_AT_MOST, "the registry asks to wait for {} s", wait.as_secs());
            println!("the registry asks to wait for {} s", wait.as_secs());
            sleep(wait);
        }
    }
}

fn tag(git: &Git<'_>, member: &Member, commit: &str) -> Result<()> {
    let tag = tag_of(&member.name, member.version);
    if git.has_tag(&tag) {
        return Ok(());
    }
    git.tag(&tag, commit)?;
    println!("tagged {tag}");
    Ok(())
}

/// Where cargo packages: the tree itself, or a copy in which the crates of ours look for each other elsewhere.
enum Place<'a> {
    Tree(&'a Path),
    Copy { root: &'a Path, folder: PathBuf },
}

impl<'a> Place<'a> {
    /// A dependency is looked for on the public registry unless its line names another; so for another registry
    /// the lines of our crates have to name it, in a work tree of their own.
    fn of(publishing: &'a Publishing, members: &[Member]) -> Result<Self> {
        let root = publishing.root.as_path();
        let Some(registry) = &publishing.registry else { return Ok(Self::Tree(root)) };
        let folder = root.join("target").join("publish");
        let copy = Self::Copy { root, folder };
        copy.remove();
        let git = Git(root);
        let path = copy.folder().to_str().context("a folder whose name is no UTF-8")?;
        git.ask(&["worktree", "add", "--quiet", "--detach", path, "HEAD"])?;
        let manifest = copy.folder().join("Cargo.toml");
        let mut text = fs::read_to_string(&manifest)?;
        for member in members {
            let needed = manifest::shared_dependencies(&text).any(|(name, _)| name == member.name);
            if needed {
                text = manifest::with_registry(&text, &member.name, registry)?;
            }
        }
        fs::write(&manifest, text)?;
        Ok(copy)
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Tree(folder) => folder,
            Self::Copy { folder, .. } => folder,
        }
    }

    const fn changed(&self) -> bool {
        matches!(self, Self::Copy { .. })
    }

    /// Takes a work tree away, that of an earlier run too.
    fn remove(&self) {
        let Self::Copy { root, folder } = self else { return };
        let Some(path) = folder.to_str() else { return };
        // What is not there need not be removed.
        let _ = Git(root).ask(&["worktree", "remove", "--force", path]);
        let _ = fs::remove_dir_all(folder);
        let _ = Git(root).ask(&["worktree", "prune"]);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Runs a command, passes on what it says, and keeps it.
fn listen(command: &mut Command) -> Result<(bool, String)> {
    let mut child = command.stderr(Stdio::piped()).spawn().context("can't run cargo")?;
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().context("no standard error")?).lines() {
        let line = line?;
        eprintln!("{line}");
        said.push_str(&line);
        said.push('\n');
    }
    Ok((child.wait()?.success(), said))
}

/// Looks for the index of a registry where cargo does: the environment, then configurations from the folder upwards.
fn configured(root: &Path, name: &str) -> Result<String> {
    let variable = format!("CARGO_REGISTRIES_{}_INDEX", name.to_uppercase().replace('-', "_"));
    if let Ok(index) = std::env::var(variable) {
        return Ok(index);
    }
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let folders = root.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    let files = folders.flat_map(|folder| [folder.join("config.toml"), folder.join("config")]);
    files
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| index_in(&text, name))
        .with_context(|| format!("no configuration knows a registry {name}: --index URL"))
}

fn index_in(config: &str, name: &str) -> Option<String> {
    let mut table = "";
    config.lines().map(str::trim).find_map(|line| {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']);
        }
        let (key, value) = line.split_once('=')?;
        let key = key.trim();
        let path = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
        (path == format!("registries.{name}.index")).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_in_configurations() {
        let config = "[registries.other]\nindex = \"sparse+http://o/\"\n[registries.mine]\ntoken = \"x\"\nindex = \"sparse+http://m/\"\n";
        assert_eq!(index_in(config, "mine").as_deref(), Some("sparse+http://m/"));
        assert_eq!(index_in("[registries]\nmine.index = \"a\"\n", "mine").as_deref(), Some("a"));
        assert_eq!(index_in("registries.mine.index = \"a\"\n", "mine").as_deref(), Some("a"));
        assert_eq!(index_in(config, "none"), None);
    }
}

//! `release dist`: what is handed to those who build nothing: a static program in a tarball and in a Debian package, with
//! manual, completions and sums.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hls_testkit::judge::sha256;

use super::archive::{Tar, gzip};
use super::deb::{self, Installed, Package};
use super::git::Git;
use super::version::Version;
use super::{elf, facts};
use crate::workspace::{self, cargo_in};

const PROGRAM: &str = "hls";
const CRATE: &str = "hls-cli";
const PROFILE: &str = "shipped";
/// What `hls generate` calls it, and where Debian, and then the tarball, have it.
const COMPLETIONS: [(&str, &str, &str); 4] = [
    ("bash", "usr/share/bash-completion/completions/hls", "completions/hls.bash"),
    ("zsh", "usr/share/zsh/vendor-completions/_hls", "completions/_hls"),
    ("fish", "usr/share/fish/vendor_completions.d/hls.fish", "completions/hls.fish"),
    ("powershell", "", "completions/_hls.ps1"),
];

/// What all packages are made of.
struct Content {
    program: Vec<u8>,
    /// Names such as `hls-get.1`, and pages.
    manual: Vec<(String, Vec<u8>)>,
    completions: Vec<Vec<u8>>,
    texts: Vec<(&'static str, Vec<u8>)>,
}

/// Makes all of it for a target, into `target/dist`, and returns that folder.
pub(crate) fn run(root: &Path, target: Option<String>) -> Result<PathBuf> {
    let target = target.unwrap_or_else(|| format!("{}-unknown-linux-musl", env::consts::ARCH));
    let program = build(root, &target)?;
    let member = facts::members(root)?.into_iter().find(|one| one.name == CRATE).context("no program")?;
    let git = Git(root);
    let time: u64 = match env::var("SOURCE_DATE_EPOCH") {
        Ok(time) => time.parse().context("SOURCE_DATE_EPOCH is no number")?,
        Err(_) => git.ask(&["log", "-1", "--format=%ct"])?.trim().parse()?,
    };
    let author = git.ask(&["log", "-1", "--format=%an <%ae>"])?;
    let content = Content::gather(root, &program)?;
    ensure!(elf::is_static(&content.program)?, "{} needs a loader and libraries", program.display());

    let folder = workspace::target_of(root)?.join("dist");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let name = format!("{PROGRAM}-{}-{target}", member.version);
    let mut made = vec![(format!("{name}.tar.gz"), content.tarball(&name, time)?)];
    if let Some(architecture) = deb::architecture(&target) {
        let package = Package {
            version: member.version,
            architecture,
            maintainer: author.trim(),
            homepage: member.repository.as_deref(),
            time,
        };
        let package = package.write(&content.installed(member.version)?)?;
        made.push((format!("{PROGRAM}_{}-1_{architecture}.deb", member.version), package));
    }
    let mut sums = String::new();
    for (name, bytes) in &made {
        fs::write(folder.join(name), bytes)?;
        sums.push_str(&format!("{}  {name}\n", sha256(bytes)));
        println!("{:>9} {name}", bytes.len());
    }
    fs::write(folder.join("SHA256SUMS"), sums)?;
    println!("{:>9} {PROGRAM}, static, in each of them; {}", content.program.len(), folder.display());
    Ok(folder)
}

fn build(root: &Path, target: &str) -> Result<PathBuf> {
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output()?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&libraries.stdout).trim());
    ensure!(libraries.is_dir(), "the target is not installed: rustup target add {target}");
    let args = ["build", "--profile", PROFILE, "--locked", "--package", CRATE, "--target", target];
    workspace::run(&mut cargo_in(root, &args))?;
    let program = workspace::target_of(root)?.join(target).join(PROFILE).join(PROGRAM);
    ensure!(program.is_file(), "no program at {}", program.display());
    Ok(program)
}

impl Content {
    fn gather(root: &Path, program: &Path) -> Result<Self> {
        let generate = |args: &[&str]| -> Result<Vec<u8>> {
            let output = Command::new(program).arg("generate").args(args).output();
            let output = output.with_context(|| format!("{} does not run here", program.display()))?;
            ensure!(output.status.success(), "hls generate {}: {}", args.join(" "), output.status);
            Ok(output.stdout)
        };
        let first = generate(&["man"])?;
        let mut manual = Vec::new();
        // "hls\-get(1)" leads to the page of a command.
        let text = String::from_utf8_lossy(&first).replace("\\-", "-");
        for command in text.lines().filter_map(|line| line.strip_prefix("hls-")?.strip_suffix("(1)")) {
            manual.push((format!("hls-{command}.1"), generate(&["man", command])?));
        }
        ensure!(!manual.is_empty(), "the manual names no commands");
        manual.push(("hls.1".to_owned(), first));
        let texts = [
            ("README.md", "README.md"),
            ("CHANGELOG.md", "hls-cli/CHANGELOG.md"),
            ("LICENSE-MIT", "LICENSE-MIT"),
            ("LICENSE-APACHE", "LICENSE-APACHE"),
        ];
        Ok(Self {
            program: fs::read(program)?,
            manual,
            completions: COMPLETIONS.iter().map(|(shell, ..)| generate(&[shell])).collect::<Result<_>>()?,
            texts: texts
                .into_iter()
                .map(|(name, path)| Ok((name, fs::read(root.join(path))?)))
                .collect::<Result<_>>()?,
        })
    }

    fn tarball(&self, name: &str, time: u64) -> Result<Vec<u8>> {
        let mut tar = Tar::new(time);
        for folder in ["", "completions/", "man/", "man/man1/"] {
            tar.folder(&format!("{name}/{folder}"))?;
        }
        tar.file(&format!("{name}/{PROGRAM}"), 0o755, &self.program)?;
        for (file, text) in &self.texts {
            tar.file(&format!("{name}/{file}"), 0o644, text)?;
        }
        for (page, text) in &self.manual {
            tar.file(&format!("{name}/man/man1/{page}"), 0o644, text)?;
        }
        for ((_, _, path), text) in COMPLETIONS.iter().zip(&self.completions) {
            tar.file(&format!("{name}/{path}"), 0o644, text)?;
        }
        gzip(&tar.finish())
    }

    fn installed(&self, version: Version) -> Result<Vec<Installed>> {
        let mut files = Vec::new();
        let mut add = |path: String, mode, content: Vec<u8>| files.push(Installed { path, mode, content });
        add(format!("usr/bin/{PROGRAM}"), 0o755, self.program.clone());
        for (page, text) in &self.manual {
            add(format!("usr/share/man/man1/{page}.gz"), 0o644, gzip(text)?);
        }
        for ((_, path, _), text) in COMPLETIONS.iter().zip(&self.completions) {
            if !path.is_empty() {
                add((*path).to_owned(), 0o644, text.clone());
            }
        }
        let text =
            |name: &str| self.texts.iter().find(|(file, _)| *file == name).map(|(_, text)| text.clone());
        let mit = text("LICENSE-MIT").unwrap_or_default();
        let copyright = format!(
            "hls {version}\n\nLicensed under either of the MIT licence, below, or the Apache License 2.0\n\
             (/usr/share/common-licenses/Apache-2.0), at your option.\n\n{}",
            String::from_utf8_lossy(&mit)
        );
        add(format!("usr/share/doc/{PROGRAM}/copyright"), 0o644, copyright.into_bytes());
        let changes = text("CHANGELOG.md").unwrap_or_default();
        add(format!("usr/share/doc/{PROGRAM}/changelog.gz"), 0o644, gzip(&changes)?);
        Ok(files)
    }
}

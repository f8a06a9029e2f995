//! Plans and bumps of a small workspace with a history of its own: two leaves, a library on top of both, a program.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;

use super::git::{Git, tag_of};
use super::plan::{self, Plan, Verdict};
use super::{bump, facts, semver};

const MEMBERS: [(&str, &[&str]); 4] =
    [("leaf-a", &[]), ("leaf-b", &[]), ("top", &["leaf-a", "leaf-b"]), ("program", &["top"])];

type Outcome = anyhow::Result<()>;

struct Synthetic(TempDir);

impl Synthetic {
    /// Makes the workspace, all of it committed and nothing of it released.
    fn new() -> anyhow::Result<Self> {
        let one = Self(tempfile::tempdir()?);
        let names = MEMBERS.map(|(name, _)| format!("\"{name}\"")).join(", ");
        let shared = MEMBERS
            .map(|(name, _)| format!("{name} = {{ path = \"{name}\", version = \"0.1.0\" }}\n"))
            .concat();
        one.write(
            "Cargo.toml",
            &format!(
                "[workspace]\nresolver = \"3\"\nmembers = [{names}]\n\n[workspace.dependencies]\n{shared}"
            ),
        )?;
        one.write(".gitignore", "target\n")?;
        for (name, needs) in MEMBERS {
            let needs: String = needs.iter().map(|need| format!("{need}.workspace = true\n")).collect();
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n\
                 description = \"x\"\n\n[dependencies]\n{needs}"
            );
            one.write(&format!("{name}/Cargo.toml"), &manifest)?;
            one.write(&format!("{name}/CHANGELOG.md"), &format!("# {name}\n\n## Unreleased\n\n- First.\n"))?;
            match name {
                "program" => one.write("program/src/main.rs", "fn main() {}\n")?,
                _ => one.write(&format!("{name}/src/lib.rs"), "pub fn one() {}\npub fn two() {}\n")?,
            }
        }
        for args in [
            &["init", "--quiet", "--initial-branch", "main"][..],
            &["config", "user.name", "test"],
            &["config", "user.email", "test@localhost"],
            &["config", "commit.gpgsign", "false"],
            &["config", "tag.gpgsign", "false"],
        ] {
            one.git().ask(args)?;
        }
        one.commit()?;
        Ok(one)
    }

    /// Makes the workspace, with its first versions released.
    fn released() -> anyhow::Result<Self> {
        let one = Self::new()?;
        bump::run(one.root(), &one.plan()?, true)?;
        one.commit()?;
        one.tag()?;
        Ok(one)
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn git(&self) -> Git<'_> {
        Git(self.0.path())
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        Ok(plan::plan(&facts::crates(self.root())?))
    }

    fn write(&self, path: &str, text: &str) -> Outcome {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        Ok(fs::write(path, text)?)
    }

    /// Changes a file of a crate, and says so in its changelog where there is something to say.
    fn change(&self, name: &str, file: &str, text: &str, line: Option<&str>) -> Outcome {
        self.write(&format!("{name}/{file}"), text)?;
        if let Some(line) = line {
            let log = self.root().join(name).join("CHANGELOG.md");
            let old = fs::read_to_string(&log)?;
            fs::write(&log, old.replace("## Unreleased\n", &format!("## Unreleased\n\n- {line}\n")))?;
        }
        self.commit()
    }

    fn commit(&self) -> Outcome {
        self.git().ask(&["add", "--all"])?;
        self.git().ask(&["commit", "--quiet", "--message", "x"]).map(drop)
    }

    /// Tags what the plan holds, as publishing does.
    fn tag(&self) -> Outcome {
        for step in self.plan()?.steps {
            self.git().tag(&tag_of(&step.name, step.to), "HEAD")?;
        }
        Ok(())
    }

    fn check(&self, expect: &str) -> anyhow::Result<Plan> {
        let plan = self.plan()?;
        let steps: Vec<String> = plan.steps.iter().map(|step| format!("{} {}", step.name, step.to)).collect();
        assert_eq!(steps.join(", "), expect, "{plan}");
        Ok(plan)
    }
}

#[test]
fn the_first_release_is_all_of_it_in_order() -> Outcome {
    let one = Synthetic::new()?;
    let plan = one.check("leaf-a 0.1.0, leaf-b 0.1.0, top 0.1.0, program 0.1.0")?;
    assert!(plan.refusals.is_empty(), "{plan}");
    bump::run(one.root(), &plan, false)?;
    assert!(one.git().dirt()?.is_empty(), "a dry run writes nothing");
    bump::run(one.root(), &plan, true)?;
    let log = fs::read_to_string(one.root().join("top/CHANGELOG.md"))?;
    assert!(log.starts_with("# top\n\n## Unreleased\n\n## 0.1.0 - 20"), "{log}");
    assert!(log.ends_with("\n\n- First.\n"), "{log}");
    Ok(())
}

#[test]
fn nothing_changed() -> Outcome {
    let one = Synthetic::released()?;
    one.check("")?;
    one.change("leaf-a", "tests/it.rs", "#[test]\nfn x() {}\n", None)?;
    one.check("")?;
    Ok(())
}

#[test]
fn one_leaf() -> Outcome {
    let one = Synthetic::released()?;
    let three = "pub fn one() {}\npub fn two() {}\npub fn three() {}\n";
    one.change("leaf-a", "src/lib.rs", three, None)?;
    let plan = one.check("leaf-a 0.1.1, top 0.1.1, program 0.1.1")?;
    assert!(plan.refusals.iter().any(|refusal| refusal.starts_with("leaf-a: CHANGELOG.md")), "{plan}");
    assert!(bump::run(one.root(), &plan, true).is_err());
    assert!(one.git().dirt()?.is_empty(), "what is refused writes nothing");

    one.change("leaf-a", "src/lib.rs", three, Some("`three`."))?;
    let plan = one.check("leaf-a 0.1.1, top 0.1.1, program 0.1.1")?;
    assert!(plan.refusals.is_empty(), "{plan}");
    bump::run(one.root(), &plan, true)?;
    let read = |path: &str| fs::read_to_string(one.root().join(path));
    assert!(read("leaf-a/Cargo.toml")?.contains("version = \"0.1.1\""));
    assert!(read("leaf-b/Cargo.toml")?.contains("version = \"0.1.0\""));
    assert!(read("Cargo.toml")?.contains("leaf-a = { path = \"leaf-a\", version = \"0.1.1\" }"));
    assert!(read("Cargo.toml")?.contains("leaf-b = { path = \"leaf-b\", version = \"0.1.0\" }"));
    assert!(read("top/CHANGELOG.md")?.contains("\n- Needs leaf-a 0.1.1.\n"));

    // The same plan again, before and after the commit, asks for nothing else.
    let bumped = one.git().ask(&["diff"])?;
    bump::run(one.root(), &one.plan()?, true)?;
    assert_eq!(one.git().ask(&["diff"])?, bumped);
    one.commit()?;
    one.check("leaf-a 0.1.1, top 0.1.1, program 0.1.1")?;
    one.tag()?;
    one.check("")?;
    Ok(())
}

#[test]
fn two_leaves_and_a_shared_dependency() -> Outcome {
    let one = Synthetic::released()?;
    one.change("leaf-b", "src/lib.rs", "pub fn one() {}\npub fn two() {}\n// Quicker.\n", Some("Quicker."))?;
    one.change("leaf-a", "README.md", "# leaf-a\n", Some("A front page."))?;
    let plan = one.check("leaf-a 0.1.1, leaf-b 0.1.1, top 0.1.1, program 0.1.1")?;
    assert!(plan.refusals.is_empty(), "{plan}");
    assert_eq!(plan.steps[2].because_of, ["leaf-a", "leaf-b"]);
    Ok(())
}

#[test]
fn a_changelog_says_that_it_breaks() -> Outcome {
    let one = Synthetic::released()?;
    one.change(
        "leaf-a",
        "src/lib.rs",
        "pub fn one() {}\npub fn two() {}\n\n",
        Some("Breaking: `one` waits."),
    )?;
    one.check("leaf-a 0.2.0, top 0.2.0, program 0.1.1")?;
    bump::run(one.root(), &one.plan()?, true)?;
    one.check("leaf-a 0.2.0, top 0.2.0, program 0.1.1")?;
    Ok(())
}

#[test]
fn a_breaking_change_is_found() -> Outcome {
    let one = Synthetic::released()?;
    one.change("leaf-a", "src/lib.rs", "pub fn one() {}\n", Some("`two` is gone."))?;
    if !semver::installed(one.root()) {
        let plan = one.check("leaf-a 0.1.1, top 0.1.1, program 0.1.1")?;
        assert!(plan.to_string().contains("leaf-a: NOT COMPARED"), "{plan}");
        // Not a skip that fails where nothing may be skipped: it takes longer to build than all of this workspace.
        writeln!(std::io::stdout(), "SKIPPED cargo-semver-checks is not installed")?;
        return Ok(());
    }
    one.check("leaf-a 0.2.0, top 0.2.0, program 0.1.1")?;
    let crates = facts::crates(one.root())?;
    assert_eq!(crates[0].verdict, Verdict::Breaking(vec!["function_missing".to_owned()]));
    Ok(())
}

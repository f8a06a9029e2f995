//! Changelogs: `## Unreleased`, and a section `## VERSION - DATE` for each release, the newest first.

use anyhow::{Result, ensure};

use super::plan::Noted;
use super::version::Version;

const UNRELEASED: &str = "## Unreleased";

pub(crate) fn read(text: &str) -> Noted {
    let (_, unreleased, rest) = split(text);
    let versions = rest.lines().filter_map(section).collect();
    let mut lines = unreleased.lines().filter(|line| !line.trim().is_empty());
    Noted {
        breaking: unreleased.lines().any(|line| line.starts_with("- Breaking:")),
        unreleased: lines.next().is_some(),
        versions,
    }
}

/// Puts what is under Unreleased, and these lines behind it, under a version and a date.
///
/// Where that version has a section already, that one is continued: it was prepared, and has not been released.
pub(crate) fn release(text: &str, version: Version, date: &str, lines: &[String]) -> Result<String> {
    let (head, unreleased, rest) = split(text);
    ensure!(head.contains(UNRELEASED), "CHANGELOG.md has no line \"{UNRELEASED}\"");
    let mut entries: Vec<&str> = unreleased.lines().filter(|line| !line.trim().is_empty()).collect();
    // Run twice, it says nothing twice.
    entries.extend(lines.iter().map(String::as_str).filter(|line| !rest.contains(line)));
    if entries.is_empty() {
        return Ok(text.to_owned());
    }
    let entries = entries.join("\n");
    let title = format!("## {version} - {date}");
    let rest = rest.trim_start_matches('\n');
    let body = match rest.lines().next().filter(|line| section(line) == Some(version)) {
        Some(prepared) => {
            format!("{title}\n\n{entries}\n{}", rest[prepared.len()..].trim_start_matches('\n'))
        }
        None if rest.is_empty() => format!("{title}\n\n{entries}\n"),
        None => format!("{title}\n\n{entries}\n\n{rest}"),
    };
    Ok(format!("{head}\n{body}"))
}

/// Cuts a changelog into what ends with the line Unreleased, what is below that, and the sections of releases.
fn split(text: &str) -> (&str, &str, &str) {
    let Some(at) = text.find(UNRELEASED) else { return (text, "", "") };
    let (head, below) = text.split_at(at + UNRELEASED.len());
    let (head, below) = match below.strip_prefix('\n') {
        Some(below) => (&text[..=head.len()], below),
        None => (head, below),
    };
    match below.find("\n## ") {
        _ if below.starts_with("## ") => (head, "", below),
        Some(at) => (head, &below[..=at], &below[at + 1..]),
        None => (head, below, ""),
    }
}

fn section(line: &str) -> Option<Version> {
    line.strip_prefix("## ")?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "# Changelog of x\n\n## Unreleased\n\n- New.\n  More.\n- Newer.\n\n## 0.1.0 - 2026-11-01\n\n- First.\n";

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_in_it() {
        let noted = read(OLD);
        assert!(noted.unreleased && !noted.breaking);
        assert_eq!(noted.versions, [version("0.1.0")]);
        let check = |text: &str, unreleased, breaking| {
            let noted = read(text);
            assert_eq!((noted.unreleased, noted.breaking), (unreleased, breaking), "{text}");
        };
        check("# x\n\n## Unreleased\n", false, false);
        check("# x\n\n## Unreleased\n\n## 0.1.0 - 2026-11-01\n\n- First.\n", false, false);
        check("# x\n\n## Unreleased\n\n- Breaking: gone.\n", true, true);
        check("# x\n", false, false);
    }

    #[test]
    fn unreleased_becomes_a_version() {
        let new = release(OLD, version("0.1.1"), "2026-12-01", &["- Needs y 0.2.0.".to_owned()]).unwrap();
        assert_eq!(
            new,
            "# Changelog of x\n\n## Unreleased\n\n## 0.1.1 - 2026-12-01\n\n- New.\n  More.\n- Newer.\n- Needs y 0.2.0.\n\n\
             ## 0.1.0 - 2026-11-01\n\n- First.\n"
        );
        // Again: nothing is left to do.
        assert_eq!(
            release(&new, version("0.1.1"), "2026-12-02", &["- Needs y 0.2.0.".to_owned()]).unwrap(),
            new
        );
        let first = release("# x\n\n## Unreleased\n\n- One.\n", version("0.1.0"), "2026-12-01", &[]).unwrap();
        assert_eq!(first, "# x\n\n## Unreleased\n\n## 0.1.0 - 2026-12-01\n\n- One.\n");
        assert!(release("# x\n", version("0.1.0"), "2026-12-01", &["- One.".to_owned()]).is_err());
    }

    #[test]
    fn what_comes_after_the_bump_joins_the_section() {
        let text = "# x\n\n## Unreleased\n\n- Late.\n\n## 0.1.1 - 2026-12-01\n\n- New.\n\n## 0.1.0 - 2026-11-01\n\n- First.\n";
        let new = release(text, version("0.1.1"), "2026-12-03", &[]).unwrap();
        assert_eq!(
            new,
            "# x\n\n## Unreleased\n\n## 0.1.1 - 2026-12-03\n\n- Late.\n- New.\n\n## 0.1.0 - 2026-11-01\n\n- First.\n"
        );
    }
}

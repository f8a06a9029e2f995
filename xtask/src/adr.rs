//! `cargo xtask adr TITLE`: begins the record of a decision, and lists it.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::workspace;

const LAST_ROW: &str = "| [";

pub(crate) fn run(title: &str) -> Result<()> {
    let docs = workspace::root().join("docs");
    let names =
        fs::read_dir(docs.join("adr"))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let number = next(&names.collect::<Result<Vec<_>>>()?);
    let name = format!("{number:04}-{}.md", slug(title));
    let path = docs.join("adr").join(&name);
    let index = docs.join("README.md");
    let listed = with_row(&fs::read_to_string(&index)?, &format!("| [{number:04}](adr/{name}) | {title} |"))?;
    ensure!(!path.exists(), "{} is there", path.display());
    fs::write(&path, page(number, title))?;
    fs::write(index, listed)?;
    println!("docs/adr/{name}");
    Ok(())
}

fn page(number: u32, title: &str) -> String {
    format!(
        "# {number:04}: {title}\n\nStatus: proposed.\n\n## Context\nWhat makes a decision necessary, with figures.\n\n## Decision\n\
         What is done.\n\n## Consequences\nWhat follows, the bad with the good, and when to decide again.\n"
    )
}

fn next(names: &[String]) -> u32 {
    let numbers = names.iter().filter_map(|name| name.get(..4)?.parse::<u32>().ok());
    numbers.max().unwrap_or_default() + 1
}

/// Returns a title as the name of a file: words of letters and digits.
fn slug(title: &str) -> String {
    let lower = title.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// Puts a row behind the last one of the table of decisions.
fn with_row(text: &str, row: &str) -> Result<String> {
    let (before, table) =
        text.split_once("## Decisions\n").context("docs/README.md has no table of decisions")?;
    let mut lines: Vec<&str> = table.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with(LAST_ROW)).context("the table has no row")?;
    lines.insert(last + 1, row);
    Ok(format!("{before}## Decisions\n{}\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_a_number_a_name_and_a_row() {
        assert_eq!(next(&["0001-a.md", "0013-b.md", "README.md"].map(str::to_owned)), 14);
        assert_eq!(next(&[]), 1);
        assert_eq!(slug("HTTP/1.1, unless asked!"), "http-1-1-unless-asked");
        let text =
            "x\n\n## Decisions\n| number | decision |\n|---|---|\n| [0001](adr/0001-a.md) | a |\n\nMore.\n";
        let expect = text.replace("| a |\n", "| a |\n| [0002](adr/0002-b.md) | b |\n");
        assert_eq!(with_row(text, "| [0002](adr/0002-b.md) | b |").unwrap(), expect);
        assert!(with_row("none", "x").is_err());
    }
}

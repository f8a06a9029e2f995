//! What `docs/faults.md` promises: a row for each fault, and for each row tests that exist.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace;

const FILE: &str = "docs/faults.md";

/// The numbers that each section has, in the order of the file.
const SECTIONS: [(&str, &[std::ops::RangeInclusive<u32>]); 4] = [
    ("Network and servers", &[1..=37, 71..=72]),
    ("Going on, and this machine", &[38..=58, 69..=70]),
    ("Live streams", &[59..=68]),
    ("Attacks", &[1..=33]),
];

pub(super) fn faults() -> Result<Vec<String>> {
    let root = workspace::root();
    let text = fs::read_to_string(root.join(FILE)).context(FILE)?;
    Ok(of_text(&text, |path| fs::read_to_string(root.join(Path::new(path))).ok()))
}

fn of_text(text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let (mut faults, mut section, mut seen) = (Vec::new(), "", Vec::new());
    for (line, number) in text.lines().zip(1..) {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let Some(row) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { continue };
        let cells: Vec<&str> = row.split(" | ").collect();
        let Some(Ok(id)) = cells.first().map(|cell| cell.parse::<u32>()) else { continue };
        let mut fault = |what: String| faults.push(format!("{FILE}:{number}: {section} {id}: {what}"));
        if seen.contains(&(section, id)) {
            fault("a second row of this number".to_owned());
        }
        seen.push((section, id));
        let [_, _, _, tests] = cells[..] else {
            fault(format!("{} cells, 4 are expected", cells.len()));
            continue;
        };
        if tests.is_empty() {
            fault("no test".to_owned());
        }
        for test in tests.split_whitespace() {
            let name = test.strip_prefix('`').and_then(|test| test.strip_suffix('`'));
            let Some((path, function)) = name.and_then(|name| name.split_once("::")) else {
                fault(format!("{test} is not `path::function`"));
                continue;
            };
            match read(path) {
                None => fault(format!("there is no {path}")),
                Some(source) if !has_function(&source, function) => {
                    fault(format!("there is no fn {function} in {path}"));
                }
                Some(_) => {}
            }
        }
    }
    for (section, ranges) in SECTIONS {
        let missing = ranges.iter().cloned().flatten().filter(|id| !seen.contains(&(section, *id)));
        faults.extend(missing.map(|id| format!("{FILE}: {section} {id}: no row")));
    }
    faults
}

fn has_function(source: &str, name: &str) -> bool {
    source.lines().any(|line| {
        let after = line.split_once("fn ").and_then(|(_, after)| after.strip_prefix(name));
        after.is_some_and(|after| after.starts_with(['(', '<']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let read =
            |path: &str| (path == "a.rs").then(|| "    async fn one() {}\nfn two<T>() {}\n".to_owned());
        let check = |row: &str, expect: &[&str]| {
            let text = format!("## Attacks\n| no. | a | b | tests |\n|---|---|---|---|\n| {row} |\n");
            let found = of_text(&text, read);
            let found: Vec<_> = found.iter().filter_map(|fault| fault.split_once(":4: Attacks ")).collect();
            let expect: Vec<_> = expect.iter().map(|expect| (FILE, *expect)).collect();
            assert_eq!(found, expect, "{row}");
        };
        check("1 | x | y | `a.rs::one` `a.rs::two`", &[]);
        check("1 | x | y | later", &["1: later is not `path::function`"]);
        check("1 | x | y | `a.rs::on`", &["1: there is no fn on in a.rs"]);
        check("1 | x | y | `b.rs::one`", &["1: there is no b.rs"]);
        check("1 | x | y", &["1: 3 cells, 4 are expected"]);
        check("1 | x | y | ", &["1: no test"]);
    }

    #[test]
    fn every_number_has_one_row() {
        let row = |id: u32| format!("| {id} | x | y | later |\n");
        let text = "## Attacks\n".to_owned() + &(1..33).map(row).collect::<String>() + &row(5);
        let found = of_text(&text, |_| None);
        assert!(found.contains(&format!("{FILE}: Attacks 33: no row")), "{found:?}");
        assert!(found.contains(&format!("{FILE}:34: Attacks 5: a second row of this number")), "{found:?}");
        assert!(found.contains(&format!("{FILE}: Network and servers 71: no row")), "{found:?}");
    }
}

//! `hls info --check`: the rules that a playlist breaks.

use std::fmt::Write as _;

use hls_fetch::escaped;
use hls_parse::Violation;
use serde_json::{Value, json};

use crate::human::count;

/// One line for each: where, the section of the specification, what is wrong.
pub(super) fn page(violations: &[Violation]) -> String {
    let mut page = String::new();
    for Violation { line, column, section, sentence, .. } in violations {
        let place = format!("{line}:{column}");
        let _ = writeln!(page, "{place:<8} {section:<9} {}", escaped(sentence, 400));
    }
    let end = match violations.len() {
        0 => "breaks no rule of draft-pantos-hls-rfc8216bis-22".to_owned(),
        n => format!("{} of draft-pantos-hls-rfc8216bis-22", count(n as u64, "violation")),
    };
    page + &end + "\n"
}

/// The same as an object on one line.
pub(super) fn line(url: &str, violations: &[Violation]) -> String {
    let violations: Vec<_> = violations.iter().map(violation).collect();
    crate::report::json_line(&json!({ "schema": 1, "url": url, "violations": violations }))
}

fn violation(violation: &Violation) -> Value {
    json!({
        "line": violation.line,
        "column": violation.column,
        "section": violation.section,
        "message": violation.sentence,
    })
}

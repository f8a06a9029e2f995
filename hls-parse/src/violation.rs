//! What the draft forbids, found in a playlist.

use std::fmt;

/// A place where a playlist breaks a rule that the draft calls a MUST; see [`check`](crate::check).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1 in bytes.
    pub column: u32,
    /// The section of rfc8216bis-22 with the rule.
    pub section: &'static str,
    /// What is wrong; quotes are escaped and hold at most 80 characters each.
    pub sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, section, sentence } = self;
        write!(f, "line {line}, column {column}: {sentence} (section {section})")
    }
}

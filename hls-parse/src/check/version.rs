//! The protocol version that the features of a playlist ask for.

/// The version that this crate knows (rfc8216bis-22, section 8).
const NEWEST: u64 = 13;

/// Which version each feature needs, where it stands first, and which is declared.
#[derive(Debug, Default)]
pub(super) struct Needs {
    declared: Option<(u32, u64)>,
    features: Vec<(u64, u32, &'static str)>,
}

impl Needs {
    pub(super) fn declare(&mut self, line: u32, value: &str) {
        if let Ok(version) = value.parse() {
            self.declared = Some((line, version));
        }
    }

    /// Notes that a feature is used; the first line counts.
    pub(super) fn need(&mut self, version: u64, line: u32, feature: &'static str) {
        if self.features.iter().all(|(_, _, known)| *known != feature) {
            self.features.push((version, line, feature));
        }
    }

    /// Tells what asks for more than is declared, and what is declared that nobody knows.
    pub(super) fn faults(&self, mut report: impl FnMut(u32, String)) {
        // Without the tag, a playlist is of version 1 (section 8).
        let (line, declared) = self.declared.unwrap_or((0, 1));
        if declared > NEWEST {
            report(line, format!("EXT-X-VERSION is {declared}, which is newer than {NEWEST}"));
        }
        for (version, line, feature) in &self.features {
            if *version > declared {
                report(*line, format!("{feature} needs EXT-X-VERSION {version}, and it is {declared}"));
            }
        }
    }
}

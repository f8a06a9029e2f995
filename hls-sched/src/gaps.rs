//! Segments that could not be had, where the job may end without them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hls_fetch::Class;
use hls_state::Beside;
use serde_json::json;

use crate::error::{Error, Kind};
use crate::event::Gap;
use crate::place::Place;
use crate::policy::plan::{Track, Unit};
use crate::transfer::integrity::WAS_ANOTHER;

/// After so many failures in a row that are not plainly about one segment, the server is in trouble, not the segment.
const MOST_IN_A_ROW: u32 = 3;
/// A report is never larger.
const LARGEST_REPORT: u64 = 64 << 20;
/// What a report begins with, and nothing else is likely to.
const MAGIC: &str = "{\"hls_gaps\":";

/// Decides what may be missing, and keeps account of it.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    allowed: bool,
    missing: BTreeMap<Place, Gap>,
    in_a_row: u32,
}

impl Gaps {
    pub(crate) fn new(allowed: bool) -> Self {
        Self { allowed, ..Self::default() }
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// A segment has come whole.
    pub(crate) fn verified(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether the job goes on without a segment that failed for good.
    pub(crate) fn admits(&mut self, error: &Error) -> bool {
        if !self.allowed || !could_be_missing(error) {
            return false;
        }
        if error.class() != Class::Permanent {
            self.in_a_row += 1;
        }
        self.in_a_row <= MOST_IN_A_ROW
    }

    pub(crate) fn note(&mut self, place: Place, gap: Gap) {
        self.missing.insert(place, gap);
    }

    pub(crate) fn count(&self) -> u64 {
        self.missing.len() as u64
    }

    /// All of them, in order.
    pub(crate) fn into_list(self) -> Vec<Gap> {
        self.missing.into_values().collect()
    }

    /// Writes what is missing beside the main output.
    pub(crate) fn report(&self, output: &Path, segments: u64) -> Result<(), hls_state::Error> {
        let replace = Beside::begins_with(&report_path(output), MAGIC);
        let mut file = Beside::create(output, "gaps.json")?;
        let written = self.write(output, segments, &mut file);
        if let Err(error) = written {
            let error = file.failed(error);
            file.discard();
            return Err(error);
        }
        file.commit(replace, true).map(drop)
    }

    fn write(&self, output: &Path, segments: u64, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        write!(out, "{MAGIC}0,\"output\":{},\"segments\":{segments},\"missing\":[", json!(name))?;
        for (n, gap) in self.missing.values().enumerate() {
            let entry = json!({
                "track": gap.track, "index": gap.index, "sequence": gap.sequence, "count": gap.count,
                "time": gap.at.map(|at| at.to_string()),
                "start_s": gap.start.as_secs_f64(), "duration_s": gap.duration.as_secs_f64(),
                "code": gap.code, "reason": gap.reason,
            });
            write!(out, "{}\n{entry}", if n == 0 { "" } else { "," })?;
        }
        out.write_all(b"\n]}\n")
    }
}

impl Gap {
    pub(crate) fn new(track: &Track, place: Place, unit: &Unit, code: &str, reason: String) -> Self {
        Self {
            track: place.track,
            index: unit.number,
            sequence: unit.sequence,
            count: unit.live.map_or(1, |live| live.count),
            at: unit.live.and_then(|live| live.at).map(hls_parse::DateTime::from_unix_micros),
            start: track.start_of(unit),
            duration: unit.duration,
            code: code.to_owned(),
            reason,
        }
    }
}

/// Whether a failure is about a segment and not about this machine, the right to have it, or safety.
pub(crate) fn could_be_missing(error: &Error) -> bool {
    match error.kind() {
        // It is about another segment, which is in its output, or about all of them.
        Kind::Content if matches!(error.code(), WAS_ANOTHER | "playlist.changed") => false,
        Kind::Refused => error.class() != Class::Auth,
        Kind::Temporary | Kind::Content => true,
        _ => false,
    }
}

fn report_path(output: &Path) -> PathBuf {
    Beside::path(output, "gaps.json")
}

/// How many segments are missing in an output by the report beside it.
pub(crate) fn reported(output: &Path) -> u64 {
    let path = report_path(output);
    if !Beside::begins_with(&path, MAGIC) {
        return 0;
    }
    let text = std::fs::File::open(&path).and_then(|file| {
        let mut text = String::new();
        file.take(LARGEST_REPORT).read_to_string(&mut text).map(|_| text)
    });
    let report = text.ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let Some(report) = report else { return 1 };
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    if report.get("output").and_then(|output| output.as_str()) != Some(&*name) {
        return 0;
    }
    let count = |gap: &serde_json::Value| gap.get("count").and_then(serde_json::Value::as_u64).unwrap_or(1);
    report.get("missing").and_then(|missing| missing.as_array()).map_or(0, |all| all.iter().map(count).sum())
}

/// Removes the report of an earlier run: nothing is missing any more.
pub(crate) fn remove_report(output: &Path) {
    let path = report_path(output);
    if Beside::begins_with(&path, MAGIC) {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_in_trouble_is_no_gap() {
        let error = |kind, class| Error::new(kind, "x", "x").of_class(class);
        let missing = || error(Kind::Refused, Class::Permanent);
        let cut = || error(Kind::Temporary, Class::Network);
        assert!(!Gaps::new(false).admits(&missing()));
        for (kind, class) in [
            (Kind::Refused, Class::Auth),
            (Kind::Local, Class::Network),
            (Kind::Blocked, Class::Security),
            (Kind::Internal, Class::Content),
        ] {
            assert!(!Gaps::new(true).admits(&error(kind, class)), "{kind:?}");
        }
        let mut gaps = Gaps::new(true);
        assert!((0..10).all(|_| gaps.admits(&missing())));
        assert_eq!([0; 4].map(|_| gaps.admits(&cut())), [true, true, true, false]);
        gaps.verified();
        assert!(gaps.admits(&cut()));
    }
}

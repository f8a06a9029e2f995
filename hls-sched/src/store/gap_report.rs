//! The report of missing segments beside an output.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hls_state::Beside;
use serde_json::json;

use crate::policy::gaps::Gaps;

/// A report is never larger.
const LARGEST_REPORT: u64 = 64 << 20;
/// What a report begins with, and nothing else is likely to.
const MAGIC: &str = "{\"hls_gaps\":";

/// Writes what is missing beside the main output.
pub(crate) fn write(gaps: &Gaps, output: &Path, segments: u64) -> Result<(), hls_state::Error> {
    let replace = Beside::begins_with(&report_path(output), MAGIC);
    let mut file = Beside::create(output, "gaps.json")?;
    let written = write_to(gaps, output, segments, &mut file);
    if let Err(error) = written {
        let error = file.failed(error);
        file.discard();
        return Err(error);
    }
    file.commit(replace, true).map(drop)
}

fn write_to(gaps: &Gaps, output: &Path, segments: u64, out: &mut impl std::io::Write) -> std::io::Result<()> {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    write!(out, "{MAGIC}0,\"output\":{},\"segments\":{segments},\"missing\":[", json!(name))?;
    for (n, gap) in gaps.list().enumerate() {
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
pub(crate) fn remove(output: &Path) {
    let path = report_path(output);
    if Beside::begins_with(&path, MAGIC) {
        let _ = std::fs::remove_file(path);
    }
}

//! Unfinished jobs for programs: one JSON object. New fields may come; none changes its meaning.

use std::path::{Path, PathBuf};

use hls_state::{Condition, Unfinished};
use serde_json::{Value, json};

use super::human;
use crate::report::json_line;

/// The jobs of a folder.
pub(super) fn line(folder: &Path, jobs: &[Unfinished]) -> String {
    let jobs: Vec<_> = jobs.iter().map(job).collect();
    json_line(&json!({"schema": 1, "folder": path(folder), "jobs": jobs}))
}

/// What was deleted.
pub(super) fn removed(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|p| path(p)).collect();
    json_line(&json!({"schema": 1, "removed": paths}))
}

fn job(job: &Unfinished) -> Value {
    let (state, pid, error) = match &job.condition {
        Condition::Running { pid } => ("running", *pid, None),
        Condition::Complete { .. } => ("complete", None, None),
        Condition::Unreadable(error) => {
            ("unreadable", None, Some(json!({"kind": error.code(), "message": error.to_string()})))
        }
        _ => ("waiting", None, None),
    };
    let readable = state != "unreadable";
    let stopped = (state == "waiting").then(|| human::stopped(job));
    let memo = job.memo.as_ref();
    json!({
        "output": path(&job.output),
        "state": state,
        "pid": pid,
        "segments_done": readable.then_some(job.segments),
        "segments": job.segments_in_all(),
        "segments_left": job.segments_in_all().map(|all| all.saturating_sub(job.segments)),
        "bytes": readable.then_some(job.bytes),
        "bytes_left": job.bytes_left(),
        "gaps": readable.then_some(job.gaps),
        "url": memo.map(|memo| &memo.source),
        "stopped": stopped.map(|(kind, message)| json!({"kind": kind, "message": message})),
        "remembered": memo.is_some_and(|memo| memo.remembered.is_some()),
        "next": (readable && state != "running").then(|| human::next(job)),
        "error": error,
    })
}

fn path(path: &Path) -> String {
    path.strip_prefix(".").ok().filter(|p| !p.as_os_str().is_empty()).unwrap_or(path).display().to_string()
}

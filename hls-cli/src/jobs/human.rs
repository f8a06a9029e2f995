//! Unfinished jobs for people.

use std::fmt::Write as _;
use std::path::Path;

use hls_state::{Condition, Unfinished};

use super::{shown, word};
use crate::human;

/// What stands for a URL that has to be given again.
const FRESH_URL: &str = "'<fresh URL>'";

/// All jobs of a folder, one paragraph each.
pub(super) fn page(folder: &Path, jobs: &[Unfinished]) -> String {
    let mut page = String::new();
    for job in jobs {
        paragraph(job, &mut page);
    }
    let can_resume = |job: &&Unfinished| {
        matches!(job.condition, Condition::Waiting | Condition::Complete { .. })
            && job.memo.as_ref().is_some_and(|memo| memo.remembered.is_some())
    };
    let remembered = jobs.iter().filter(can_resume).count() as u64;
    if remembered > 0 {
        let folder = if folder == Path::new(".") {
            String::new()
        } else {
            format!(" {}", word(&folder.display().to_string()))
        };
        let _ =
            writeln!(page, "hls jobs{folder} --resume goes on with {}", human::count(remembered, "download"));
    }
    page
}

fn paragraph(job: &Unfinished, page: &mut String) {
    let _ = writeln!(page, "{}", shown(&job.output));
    let mut line = |name: &str, text: &str| {
        let label = format!("{name}:");
        let _ = writeln!(page, "  {label:<8} {}", hls_fetch::escaped(text, 4000));
    };
    if let Condition::Unreadable(error) = &job.condition {
        let newer = matches!(error.kind(), hls_state::Kind::Newer { .. });
        let next = if newer { "use the newer version" } else { "check that you may read it" };
        line("state", &format!("{}: {error}", error.code()));
        line("next", next);
        return;
    }
    line("there", &progress(job));
    if let Some(memo) = &job.memo {
        line("from", &memo.source);
    }
    match &job.condition {
        Condition::Running { pid } => return line("running", &running(*pid)),
        Condition::Complete { is_named: true } if job.gaps > 0 => {
            let gaps = human::count(job.gaps, "segment");
            line("stopped", &format!("finished without {gaps}; the next run tries to have them"));
        }
        Condition::Complete { is_named: true } => {
            line("stopped", "at the very end: only cleaning up is left");
        }
        Condition::Complete { is_named: false } => {
            line("stopped", "at the very end: all bytes are there, and the final name is missing")
        }
        _ => {
            let (code, message) = stopped(job);
            // By hand: the symbol says no more than the words.
            let symbol = if code == "stopped" { String::new() } else { format!("{code}: ") };
            line("stopped", &format!("{symbol}{message}"));
        }
    }
    line("next", &next(job));
}

fn progress(job: &Unfinished) -> String {
    let bytes = human::bytes(job.bytes);
    let Some(all) = job.segments_in_all() else {
        return format!("{}, {bytes}; of how many is not known", human::count(job.segments, "segment"));
    };
    let left = all.saturating_sub(job.segments);
    let about = job.bytes_left().map(|b| format!(", about {}", human::bytes(b))).unwrap_or_default();
    format!("{} of {}, {bytes}; {left} to come{about}", job.segments, human::count(all, "segment"))
}

/// Who works on a job.
pub(super) fn running(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Why a job stopped: a symbol, and words.
pub(super) fn stopped(job: &Unfinished) -> (&str, &str) {
    let ended = job.memo.as_ref().and_then(|memo| memo.ended.as_ref());
    ended.map_or(("killed", "the last run had no time to say why"), |e| (&e.code, &e.message))
}

/// The command that goes on.
pub(super) fn next(job: &Unfinished) -> String {
    let mut command = "hls get".to_owned();
    let memo = job.memo.as_ref();
    match memo.filter(|memo| memo.source_is_whole) {
        Some(memo) => command.push_str(&format!(" {}", word(&memo.source))),
        None => command.push_str(&format!(" {FRESH_URL}")),
    }
    for option in memo.map(|memo| memo.options.as_slice()).unwrap_or_default() {
        let _ = write!(command, " {}", word(option));
    }
    let output = job.output.strip_prefix(".").unwrap_or(&job.output);
    let _ = write!(command, " -o {}", word(&output.display().to_string()));
    command
}

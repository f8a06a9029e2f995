//! What a watch says: to people of what is worth a line, to programs of each load.

use std::time::Duration;

use hls_parse::Media;
use hls_sched::Lost;
use serde_json::{Value, json};

use super::health::{Look, Report, Shown, Sum};
use crate::human::{count, duration};

/// What is watched, for people.
pub(super) fn headline(url: &str, media: Option<&Media>) -> String {
    let target = media.and_then(|media| media.target_duration);
    let target = target.map(|target| format!(", target duration {}", duration(target)));
    let hold =
        media.and_then(Media::hold_back).map(|hold| format!(", players stay {} behind", duration(hold)));
    format!("watching {url}{}{}; Ctrl-C ends it\n", target.unwrap_or_default(), hold.unwrap_or_default())
}

/// A load in a line or some, for people; nothing where all is as it was.
pub(super) fn person(report: &Report) -> String {
    let mut said = Vec::new();
    if let Some(Lost { first, count: missing, duration: time }) = report.missing {
        let last = first.saturating_add(missing).saturating_sub(1);
        let numbers = if missing == 1 { first.to_string() } else { format!("{first} to {last}") };
        said.push(format!(
            "MISSING {numbers}, {}: gone before the playlist was loaded again",
            duration(time)
        ));
    }
    let shown = report.shown.as_ref().map(window).unwrap_or_default();
    match report.look {
        Look::First => said.push(shown),
        Look::Changed => said.push(format!("+{}, {shown}", report.new)),
        Look::Restarted => said.push(format!("RESTARTED: the numbers begin anew, {shown}")),
        Look::Older => said.push("older copy, as slow edges have it".to_owned()),
        Look::Failed => {
            let why = report.error.as_deref().unwrap_or("no playlist");
            said.push(format!("FAILED {}", hls_fetch::escaped(why, 300)));
        }
        Look::Unchanged => {}
    }
    if report.gaps > 0 {
        said.push(format!("{} marked as missing by the server", count(report.gaps, "segment")));
    }
    if report.turned && report.is_late {
        said.push(format!("LATE: nothing new for {}", duration(report.silent)));
    }
    said.iter().map(|line| format!("{:>8}  {line}\n", duration(report.at))).collect()
}

fn window(shown: &Shown) -> String {
    let Shown { first, last, segments, duration: time, behind } = shown;
    let behind = behind.map(|micros| match u64::try_from(micros) {
        Ok(micros) => format!(", edge {} ago", duration(Duration::from_micros(micros))),
        Err(_) => {
            format!(", edge {} ahead of this clock", duration(Duration::from_micros(micros.unsigned_abs())))
        }
    });
    format!("{first} to {last}: {segments}, {}{}", duration(*time), behind.unwrap_or_default())
}

/// The whole watch, for people.
pub(super) fn summary(sum: &Sum, elapsed: Duration) -> String {
    let mut said = vec![format!(
        "{}: {} with {}, {} new of {}",
        duration(elapsed),
        count(sum.loads, "load"),
        count(sum.changed, "change"),
        count(sum.segments, "segment"),
        duration(sum.gained),
    )];
    let told = [
        (sum.failed, format!("{} failed", sum.failed)),
        (sum.older, format!("{} of older copies", sum.older)),
        (sum.late, format!("late {}", count(sum.late, "time"))),
        (sum.restarts, format!("restarted {}", count(sum.restarts, "time"))),
        (sum.gaps, format!("{} marked as missing by the server", sum.gaps)),
    ];
    said.extend(told.into_iter().filter(|(n, _)| *n > 0).map(|(_, words)| words));
    said.push(match sum.missing {
        0 => "none missing".to_owned(),
        missing => format!("{} MISSING, {}", count(missing, "segment"), duration(sum.missing_time)),
    });
    said.push(format!("slowest load {}", milliseconds(sum.slowest)));
    format!("{}\n", said.join(", "))
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// A load for programs.
pub(super) fn program(report: &Report) -> Value {
    let shown = report.shown.as_ref();
    json!({
        "event": "reload",
        "at_s": report.at.as_secs_f64(),
        "took_ms": ms(report.took),
        "result": report.look.name(),
        "changed": matches!(report.look, Look::First | Look::Changed | Look::Restarted),
        "new": report.new,
        "gaps": report.gaps,
        "missing": report.missing.map(|lost| json!({
            "first": lost.first, "count": lost.count, "duration_s": lost.duration.as_secs_f64(),
        })),
        "first": shown.map(|shown| shown.first),
        "last": shown.map(|shown| shown.last),
        "segments": shown.map(|shown| shown.segments),
        "window_s": shown.map(|shown| shown.duration.as_secs_f64()),
        "behind_ms": shown.and_then(|shown| shown.behind).map(|micros| micros / 1000),
        "unchanged_ms": ms(report.silent),
        "late": report.is_late,
        "error": report.error,
    })
}

/// The whole watch for programs.
pub(super) fn total(sum: &Sum, elapsed: Duration, ended: bool) -> Value {
    json!({
        "event": "summary",
        "elapsed_s": elapsed.as_secs_f64(),
        "loads": sum.loads,
        "changed": sum.changed,
        "older": sum.older,
        "failed": sum.failed,
        "restarts": sum.restarts,
        "late": sum.late,
        "segments": sum.segments,
        "gained_s": sum.gained.as_secs_f64(),
        "gaps": sum.gaps,
        "missing": sum.missing,
        "missing_s": sum.missing_time.as_secs_f64(),
        "slowest_ms": ms(sum.slowest),
        "ended": ended,
    })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let shown = Shown { first: 7, last: 12, segments: 6, duration: s(12), behind: Some(1_500_000) };
        Report {
            at: s(62),
            took: Duration::from_millis(9),
            look: Look::Changed,
            new: 2,
            gaps: 0,
            missing: None,
            shown: Some(shown),
            silent: Duration::ZERO,
            is_late: false,
            turned: false,
            error: None,
        }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn lines_for_people() {
        let check = |report: Report, expect: &[&str]| {
            let said = person(&report);
            assert_eq!(said.lines().map(str::trim).collect::<Vec<_>>(), expect);
        };
        check(report(), &["1:02  +2, 7 to 12: 6, 12 s, edge 1.5 s ago"]);
        check(Report { look: Look::Unchanged, ..report() }, &[]);
        let lost = Some(Lost { first: 3, count: 4, duration: s(8) });
        check(
            Report { missing: lost, ..report() },
            &[
                "1:02  MISSING 3 to 6, 8.0 s: gone before the playlist was loaded again",
                "1:02  +2, 7 to 12: 6, 12 s, edge 1.5 s ago",
            ],
        );
        let failed = Report { look: Look::Failed, error: Some("no\u{1b}[31m".to_owned()), ..report() };
        check(
            Report { is_late: true, turned: true, silent: s(11), ..failed },
            &["1:02  FAILED no\\u{1b}[31m", "1:02  LATE: nothing new for 11 s"],
        );
        let ahead = report().shown.map(|shown| Shown { behind: Some(-2_000_000), ..shown });
        check(
            Report { look: Look::Restarted, shown: ahead, ..report() },
            &["1:02  RESTARTED: the numbers begin anew, 7 to 12: 6, 12 s, edge 2.0 s ahead of this clock"],
        );
    }

    #[test]
    fn sums() {
        let sum = Sum { loads: 31, changed: 30, segments: 30, gained: s(60), ..Sum::default() };
        assert_eq!(
            summary(&sum, s(62)),
            "1:02: 31 loads with 30 changes, 30 segments new of 1:00, none missing, slowest load 0 ms\n"
        );
        let bad = Sum { failed: 2, missing: 1, missing_time: s(2), late: 1, ..sum };
        assert!(summary(&bad, s(62)).contains(", 2 failed, late 1 time, 1 segment MISSING, 2.0 s, "));
    }
}

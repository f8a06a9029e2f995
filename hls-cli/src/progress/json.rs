//! Events for programs: one JSON object a line. New fields may come; none changes its meaning.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use hls_sched::{Error, Event, Finished, StoppedBy};
use serde_json::{Map, Value, json};

use crate::report::exit_code;

const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Writes the events of one job.
pub(crate) struct Json {
    number: usize,
    url: String,
    /// The media is on standard output, so the events are not.
    to_stderr: bool,
    started: Instant,
    last_progress: Option<Instant>,
    last_joining: Option<Instant>,
}

impl Json {
    pub(crate) fn new(number: usize, url: &str, to_stderr: bool) -> Self {
        let (url, started) = (url.to_owned(), Instant::now());
        Self { number, url, to_stderr, started, last_progress: None, last_joining: None }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Plan(plan) => {
                let output = plan.outputs.first().map(|o| o.display().to_string());
                self.write(
                    "started",
                    json!({"url": self.url, "output": output, "resumed_segments": plan.resumed_segments}),
                );
                self.write(
                    "plan",
                    json!({
                        "kind": if plan.is_live { "live" } else { "vod" },
                        "tracks": plan.tracks,
                        "outputs": paths(&plan.outputs),
                        "segments": plan.segments,
                        "duration_s": plan.duration.as_secs_f64(),
                        "estimated_bytes": plan.estimated_bytes,
                        "free_bytes": plan.free_bytes,
                    }),
                );
            }
            Event::Segment(s) => self.write(
                "segment",
                json!({
                    "track": s.track, "index": s.index, "sequence": s.sequence, "bytes": s.bytes,
                    "ms": millis(s.took), "attempts": s.attempts,
                }),
            ),
            Event::Progress(p) => {
                if self.last_progress.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
                    return;
                }
                self.last_progress = Some(Instant::now());
                self.write(
                    "progress",
                    json!({
                        "segments_done": p.segments_done, "segments": p.segments, "bytes": p.bytes,
                        "downloaded_bytes": p.downloaded_bytes, "bytes_per_second": p.bytes_per_second,
                        "concurrency": p.concurrency, "network": p.network.name(), "retries": p.retries,
                        "eta_ms": p.eta.map(millis),
                        "recorded_ms": p.live.map(|l| millis(l.recorded)),
                        "behind_ms": p.live.map(|l| millis(l.behind)),
                    }),
                );
            }
            Event::Joining(j) => {
                if self.last_joining.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
                    return;
                }
                self.last_joining = Some(Instant::now());
                self.write("joining", json!({"done_bytes": j.done_bytes, "bytes": j.bytes}));
            }
            Event::Retry(r) => self.write(
                "retry",
                json!({
                    "where": r.place, "class": r.class.name(), "message": r.message, "attempt": r.attempt,
                    "wait_ms": millis(r.wait),
                }),
            ),
            Event::Health(h) => self.write(
                "health",
                json!({
                    "host": h.host, "success_rate": h.success_rate, "response_ms": h.response_time.map(millis),
                    "bytes_per_second": h.bytes_per_second, "limit": h.limit, "resets": h.resets,
                    "timeouts": h.timeouts, "throttles": h.throttles, "poor": h.is_poor, "gone": h.is_gone,
                }),
            ),
            Event::Gap(g) => self.write(
                "gap",
                json!({
                    "track": g.track, "first": g.index, "last": g.index, "seconds": g.duration.as_secs_f64(),
                    "sequence": g.sequence, "count": g.count, "stream_time": g.at.map(|at| at.to_string()),
                    "reason": g.reason,
                }),
            ),
            Event::Reload(r) => self.write(
                "reload",
                json!({"track": r.track, "changed": r.changed, "behind_ms": millis(r.behind)}),
            ),
            Event::Pathway(p) => self.write(
                "pathway",
                json!({"track": p.track, "from": p.from, "to": p.to, "steered": p.is_steered}),
            ),
            Event::Watchable(part) => {
                self.write("watchable", json!({"file": part.display().to_string()}))
            }
            Event::LeftOut(what) => self.write("left_out", json!({"what": what})),
            Event::Warning { kind, message } => {
                self.write("warning", json!({"kind": kind, "message": message}))
            }
            _ => {}
        }
    }

    pub(crate) fn finished(&self, done: &Finished) {
        self.write(
            "finished",
            json!({
                "outputs": paths(&done.outputs), "manifest": done.manifest.as_ref().map(|m| m.display().to_string()),
                "bytes": done.bytes, "downloaded_bytes": done.downloaded_bytes,
                "segments": done.segments, "resumed_segments": done.resumed_segments, "gaps": done.gaps.len(), "missing": done.missing,
                "problems": done.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "retries": done.retries, "elapsed_ms": millis(done.elapsed), "stopped_by": done.stopped_by.map_or("end", StoppedBy::name),
            }),
        );
    }

    pub(crate) fn failed(&self, error: &Error) {
        self.write(
            "failed",
            json!({
                "code": exit_code(error.kind()), "kind": error.code(), "message": error.to_string(),
                "where": error.place(), "why": error.reason(), "kept": error.kept(), "next": error.advice(),
                "retryable": error.is_transient(),
            }),
        );
    }

    fn write(&self, event: &str, fields: Value) {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let mut object = Map::new();
        object.insert("schema".into(), 1.into());
        object.insert("event".into(), event.into());
        object.insert("job".into(), self.number.into());
        object.insert("time".into(), time.into());
        object.insert("t".into(), ((self.started.elapsed().as_secs_f64() * 1e3).round() / 1e3).into());
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        let line = crate::report::json_line(&Value::Object(object));
        // Whoever listened may have gone; the download has not.
        let _ = match self.to_stderr {
            true => std::io::stderr().lock().write_all(line.as_bytes()),
            false => std::io::stdout().lock().write_all(line.as_bytes()),
        };
    }
}

fn paths(paths: &[std::path::PathBuf]) -> Vec<String> {
    paths.iter().map(|p| p.display().to_string()).collect()
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

//! The bar on a terminal.

use std::time::{Duration, Instant};

use hls_sched::{Joining, Plan, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines;
use crate::human;

/// One bar: segments, bytes, rate, time left, attempts at once, retries.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// Since when outputs are made.
    joining: Option<Instant>,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        Self { bar, joining: None }
    }

    pub(crate) fn begin(&self, plan: &Plan) {
        if plan.is_live {
            if let Ok(style) = ProgressStyle::with_template("{spinner:.red} {msg}") {
                self.bar.set_style(style.tick_chars("●○●"));
            }
            return;
        }
        self.bar.set_length(plan.segments);
        self.bar.set_position(plan.resumed_segments);
        // The template is a constant; without it the bar is plainer.
        if let Ok(style) = ProgressStyle::with_template("{bar:24.cyan} {pos}/{len} {msg}") {
            self.bar.set_style(style.progress_chars("━╸ "));
        }
    }

    pub(crate) fn update(&self, progress: &Progress) {
        if let Some(live) = &progress.live {
            let mut parts = vec![
                human::duration(live.recorded),
                human::bytes(progress.bytes),
                format!("{}/s", human::bytes(progress.bytes_per_second)),
                lines::edge(live),
            ];
            parts.extend((live.gaps > 0).then(|| human::count(live.gaps, "gap")));
            parts.extend(lines::network(progress).map(str::to_owned));
            self.bar.set_message(parts.join("  "));
            self.bar.tick();
            return;
        }
        let mut parts = vec![
            human::bytes(progress.bytes),
            format!("{}/s", human::bytes(progress.bytes_per_second)),
            format!("x{}", progress.concurrency),
        ];
        if progress.retries > 0 {
            parts.push(format!("{} retried", progress.retries));
        }
        parts.extend(lines::network(progress).map(str::to_owned));
        parts.extend(progress.eta.map(|eta| format!("{} left", human::duration(eta))));
        self.bar.set_message(parts.join(" "));
        self.bar.set_position(progress.segments_done);
    }

    /// All is here, and outputs are made of it.
    pub(crate) fn join(&mut self, joining: &Joining) {
        if self.joining.is_none() {
            self.bar.set_length(joining.bytes);
            if let Ok(style) = ProgressStyle::with_template("{bar:24.green} joining {percent} % {msg}") {
                self.bar.set_style(style.progress_chars("━╸ "));
            }
        }
        let since = self.joining.get_or_insert_with(Instant::now).elapsed();
        let (done, all) = (joining.done_bytes, joining.bytes);
        // What it took so far tells little at first.
        let left = since.mul_f64(all.saturating_sub(done) as f64 / done.max(1) as f64);
        let is_known = since >= Duration::from_secs(1);
        self.bar.set_message(if is_known {
            format!("{} left", human::duration(left))
        } else {
            String::new()
        });
        self.bar.set_position(done);
    }

    pub(crate) fn above(&self, line: &str) {
        self.bar.suspend(|| crate::report::say(line));
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

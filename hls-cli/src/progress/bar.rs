//! The bar on a terminal.

use hls_sched::{Joining, Plan, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines;
use crate::human;

/// One bar: segments, bytes, rate, time left, attempts at once, retries.
pub(crate) struct Bar {
    bar: ProgressBar,
    is_joining: bool,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        Self { bar, is_joining: false }
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
        if !std::mem::replace(&mut self.is_joining, true) {
            self.bar.set_length(joining.bytes);
            if let Ok(style) = ProgressStyle::with_template("{bar:24.green} joining {percent} % {msg}") {
                self.bar.set_style(style.progress_chars("━╸ "));
            }
        }
        self.bar.set_position(joining.done_bytes);
    }

    pub(crate) fn above(&self, line: &str) {
        self.bar.suspend(|| crate::report::say(line));
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

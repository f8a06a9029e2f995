//! What is shown while a download runs: a bar, lines, JSON events, or nothing.

mod bar;
mod json;
mod lines;

use std::io::IsTerminal as _;

use hls_sched::{Error, Event, Finished, Gap, Plan, Progress, StoppedBy};

use crate::args::{ProgressMode, TalkArgs};
use crate::human;
use crate::report::{block, say};

use bar::Bar;
use json::Json;
use lines::Lines;

/// Tells the user about one job.
pub(crate) struct Teller {
    url: String,
    quiet: bool,
    verbose: bool,
    view: View,
    json: Option<Json>,
    last: Progress,
    label: String,
}

enum View {
    Bar(Bar),
    Lines(Lines),
    Nothing,
}

impl Teller {
    /// For the job with this number and URL; `to_stdout`: the media goes to standard output.
    pub(crate) fn new(args: &TalkArgs, number: usize, url: &url::Url, to_stdout: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let view = match args.progress {
            _ if args.quiet => View::Nothing,
            ProgressMode::None => View::Nothing,
            ProgressMode::Bar => View::Bar(Bar::new()),
            ProgressMode::Lines => View::Lines(Lines::default()),
            ProgressMode::Auto if terminal => View::Bar(Bar::new()),
            ProgressMode::Auto if args.json => View::Nothing,
            ProgressMode::Auto => View::Lines(Lines::default()),
        };
        let url = hls_fetch::redacted(url);
        let json = args.json.then(|| Json::new(number, &url, to_stdout));
        let (quiet, verbose) = (args.quiet || args.json, args.verbose);
        Self { url, quiet, verbose, view, json, last: Progress::default(), label: String::new() }
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        if let Some(json) = &mut self.json {
            json.event(event);
        }
        match event {
            Event::Plan(plan) => {
                self.label = label(plan, &self.url);
                self.line(&first_line(plan, &self.label));
                if plan.resumed_segments > 0 {
                    let (n, bytes) =
                        (human::count(plan.resumed_segments, "segment"), human::bytes(plan.resumed_bytes));
                    self.line(&format!("going on: {n} and {bytes} are there already"));
                }
                if let View::Bar(bar) = &mut self.view {
                    bar.begin(plan);
                }
            }
            Event::Progress(progress) => {
                self.last = *progress;
                match &mut self.view {
                    View::Bar(bar) => bar.update(progress),
                    View::Lines(lines) => {
                        if let Some(line) = lines.update(progress) {
                            say(&format!("{}: {line}", self.label));
                        }
                    }
                    View::Nothing => {}
                }
            }
            Event::Joining(joining) => match &mut self.view {
                View::Bar(bar) => bar.join(joining),
                View::Lines(lines) => {
                    if let Some(line) = lines.join(joining) {
                        say(&format!("{}: {line}", self.label));
                    }
                }
                View::Nothing => {}
            },
            Event::Retry(retry) if self.verbose => {
                let wait = human::duration(retry.wait);
                self.line(&format!("try {} failed, again in {wait}: {}", retry.attempt, retry.message));
            }
            Event::Gap(gap) => self.line(&format!("gap: {}{}", span(gap), gap.reason)),
            Event::Pathway(change) => {
                let why = if change.is_steered { "as the server asks" } else { "as that one fails" };
                self.line(&format!(
                    "track {} comes from pathway {} in place of {}, {why}",
                    change.track, change.to, change.from
                ));
            }
            Event::Watchable(part) => {
                self.line(&format!("watch now: mpv {}", quoted(&part.display().to_string())));
            }
            Event::LeftOut(what) if self.verbose => self.line(&format!("left out: {what}")),
            Event::Warning { message, .. } => self.line(&format!("warning: {message}")),
            _ => {}
        }
    }

    /// A line of status, when it is asked for.
    pub(crate) fn status(&self) {
        say(&format!("{}: {}", self.label, lines::status(&self.last)));
    }

    /// A line above the bar.
    pub(crate) fn line(&self, line: &str) {
        if self.quiet {
            return;
        }
        let line = hls_fetch::escaped(line, usize::MAX);
        match &self.view {
            View::Bar(bar) => bar.above(&line),
            _ => say(&line),
        }
    }

    pub(crate) fn finished(mut self, done: &Finished) {
        self.end_view();
        if let Some(json) = &mut self.json {
            json.finished(done);
        }
        // Whoever wants nothing but errors is told why the exit code is not 0.
        let is_right = done.gaps.is_empty() && done.missing.is_empty() && done.problems.is_empty();
        self.quiet &= is_right || self.json.is_some();
        self.receipt(done);
        if !done.missing.is_empty() {
            self.line(&format!("missing: {}; --subs none leaves subtitles out", done.missing.join(", ")));
        }
        let one = match done.outputs.first() {
            Some(output) => quoted(&output.with_extension("mp4").display().to_string()),
            None => "NAME.mp4".to_owned(),
        };
        // Twenty tell what a thousand would.
        for problem in done.problems.iter().take(20) {
            self.line(&format!("wrong: {problem}"));
        }
        if !done.problems.is_empty() {
            self.line(&format!(
                "each segment is right, but in a row they are no right file; -o {one} makes one"
            ));
        } else if done.restarts > 0 && !done.outputs.is_empty() {
            self.line(&format!(
                "timestamps begin anew {}: players may show a wrong length; -o {one} puts all on one timeline",
                human::count(done.restarts, "time")
            ));
        }
    }

    fn receipt(&self, done: &Finished) {
        if let Some(by) = done.stopped_by {
            self.recorded(done, by);
            return;
        }
        let rate = human::duration(done.elapsed);
        let (n, bytes, gaps) = (done.segments, human::bytes(done.bytes), done.gaps.len());
        let (word, whole) = (
            if gaps > 0 || !done.missing.is_empty() {
                "incomplete"
            } else if done.problems.is_empty() {
                "complete"
            } else {
                "joined"
            },
            n.saturating_sub(gaps as u64),
        );
        self.line(&format!(
            "{word}: {whole}/{n} segments verified, {bytes} in {rate}, {} retried, {gaps} gap{}",
            done.retries,
            if gaps == 1 { "" } else { "s" }
        ));
        if let (Some(first), Some(output)) = (done.gaps.first(), done.outputs.first()) {
            let (from, long) = (human::duration(first.start), human::duration(first.duration));
            let reason = &first.reason;
            self.line(&format!(
                "missing: {long} at {from}{}: {reason}",
                if gaps > 1 { ", and more" } else { "" }
            ));
            self.line(&format!(
                "all of it is in {}.gaps.json; the same command again fetches what is missing",
                output.display()
            ));
        }
        if let [main, sides @ ..] = done.outputs.as_slice()
            && !sides.is_empty()
        {
            let names: Vec<_> = sides.iter().map(|side| side.display().to_string()).collect();
            self.line(&format!("beside it: {}", names.join(", ")));
            if names.iter().any(|name| name.contains(".audio-")) {
                let one = quoted(&main.with_extension("mp4").display().to_string());
                self.line(&format!("-o {one} puts all of it into one file"));
            }
        }
    }

    /// The receipt of a recording.
    fn recorded(&self, done: &Finished, by: StoppedBy) {
        let names: Vec<_> = done.outputs.iter().map(|output| output.display().to_string()).collect();
        let lost: u64 = done.gaps.iter().map(|gap| gap.count).sum();
        let word = if lost == 0 { "recorded" } else { "recorded with gaps" };
        let why = match by {
            StoppedBy::End => "the stream has ended",
            StoppedBy::Duration | StoppedBy::Until => "as long as was asked for",
            StoppedBy::Stop => "stopped; the same command again goes on in another file",
            _ => {
                "the stream has had nothing new for too long; the same command again goes on in another file"
            }
        };
        self.line(&format!(
            "{word}: {} segments verified, {} in {}: {why}",
            done.segments.saturating_sub(done.gaps.len() as u64),
            human::bytes(done.bytes),
            human::duration(done.elapsed),
        ));
        if names.len() > 1 {
            self.line(&format!("files: {}", names.join(", ")));
        }
        if lost > 0 {
            let seconds = done.gaps.iter().filter(|gap| gap.track == 0).map(|gap| gap.duration).sum();
            let (n, long) = (human::count(lost, "segment"), human::duration(seconds));
            self.line(&format!(
                "missing: {n}, {long}; which ones is in {}.gaps.json",
                names.first().map_or("", String::as_str)
            ));
            for gap in done.gaps.iter().take(3) {
                self.line(&format!("  {}{}", span(gap), gap.reason));
            }
        }
    }

    pub(crate) fn failed(mut self, error: &Error) {
        self.end_view();
        if let Some(json) = &mut self.json {
            json.failed(error);
        }
        say(&block(error));
    }

    fn end_view(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.end();
        }
        self.view = View::Nothing;
    }
}

/// Where a gap of a live stream is; nothing of any other.
fn span(gap: &Gap) -> String {
    let at = gap.at.map(|at| format!(" at {at}")).unwrap_or_default();
    match gap.count {
        1 if gap.at.is_none() => String::new(),
        1 => format!("sequence {}, {}{at}: ", gap.sequence, human::duration(gap.duration)),
        n => format!(
            "sequences {} to {}, {}{at}: ",
            gap.sequence,
            gap.sequence.saturating_add(n - 1),
            human::duration(gap.duration)
        ),
    }
}

/// A word that a shell takes as it is.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn label(plan: &Plan, url: &str) -> String {
    match plan.outputs.first().and_then(|o| o.file_name()) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => url.to_owned(),
    }
}

fn first_line(plan: &Plan, label: &str) -> String {
    let mut parts: Vec<String> = plan.tracks.iter().filter(|t| !t.is_empty()).cloned().collect();
    if plan.is_live {
        parts.push("live".to_owned());
    } else {
        parts.push(human::count(plan.segments, "segment"));
        parts.push(human::duration(plan.duration));
    }
    parts.extend(plan.estimated_bytes.map(|b| format!("about {}", human::bytes(b))));
    parts.extend(plan.free_bytes.map(|b| format!("{} free", human::bytes(b))));
    format!("{label}: {}", parts.join(", "))
}

//! `hls get`.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use hls_fetch::{Client, RetryPolicy};
use hls_sched::{Error, Event, Finished, Job, Kind, StoppedBy};

use crate::args::Get;
use crate::input::{Input, read_text};
use crate::limits;
use crate::output::Target;
use crate::progress::Teller;
use crate::rate::{self, Cap};
use crate::remember::{self, Words};
use crate::report::{exit_code, plain, worst};
use crate::request;
use crate::signal::{Asked, Signals, die_by};

/// How one job ended.
pub(crate) enum End {
    Code(u8),
    /// With this code; and nothing follows, as a signal has asked for the end.
    Last(u8),
    Signal(i32),
}

/// The largest file of URLs that is read, in bytes.
const LARGEST_LIST: u64 = 16 << 20;
/// The exit code of a job that finished without some of its segments.
const FINISHED_WITH_GAPS: u8 = 4;
/// That of a recording whose stream had nothing new for as long as was asked for.
const GAVE_UP: u8 = 14;

/// Downloads all inputs, one after the other.
pub(crate) async fn run(args: Get) -> ExitCode {
    match all(&args).await {
        Ok(End::Code(code) | End::Last(code)) => ExitCode::from(code),
        Ok(End::Signal(signal)) => die_by(signal),
        Err(usage) => plain(2, "usage", &usage),
    }
}

async fn all(args: &Get) -> Result<End, String> {
    let arguments = arguments(args)?;
    let target = Target::read(&args.output.output, arguments.len() > 1)?;
    for (flag, is_set) in [("--remember", args.rare.remember), ("--manifest", args.rare.manifest)] {
        if is_set && !target.is_file() {
            return Err(format!("{flag} is for downloads to a file"));
        }
    }
    let inputs: Vec<_> =
        arguments.iter().map(|a| Input::read(a, args.rare.base.as_ref())).collect::<Result<_, _>>()?;
    let client = client(args)?;
    let mut signals = Signals::listen().map_err(|e| format!("signals can't be listened to: {e}"))?;
    Target::make_folder(&args.output.output);
    let (mut codes, mut claimed) = (Vec::new(), Claimed::default());
    for (number, (argument, input)) in (1..).zip(arguments.iter().zip(inputs)) {
        let words = remember::words(args, argument)?;
        claimed.argument.clone_from(argument);
        match one(args, &target, number, (input, words), &client, (&mut signals, &mut claimed)).await? {
            End::Code(code) => codes.push(code),
            End::Last(code) => {
                codes.push(code);
                break;
            }
            End::Signal(signal) => return Ok(End::Signal(signal)),
        }
    }
    Ok(End::Code(worst(codes)))
}

/// Downloads what an unfinished job has remembered, into the output it had.
pub(crate) async fn again(
    args: &Get,
    output: &Path,
    number: usize,
    signals: &mut Signals,
) -> Result<End, String> {
    let [argument] = args.inputs.as_slice() else { return Err("one stream at a time".to_owned()) };
    let input = Input::read(argument, args.rare.base.as_ref())?;
    let words = remember::words(args, argument)?;
    let target = Target::File(output.to_owned());
    one(args, &target, number, (input, words), &client(args)?, (signals, &mut Claimed::default())).await
}

fn client(args: &Get) -> Result<Client, String> {
    let jobs = limits::segments_at_once(wanted(args));
    request::client(&args.request, jobs, args.network.stall_timeout, args.talk.verbose)
}

/// Segments at once at most.
fn wanted(args: &Get) -> usize {
    args.network.jobs.unwrap_or(limits::UNLESS_TOLD)
}

fn arguments(args: &Get) -> Result<Vec<String>, String> {
    let mut all: Vec<String> = args.inputs.iter().chain(&args.request.url).cloned().collect();
    if let Some(file) = &args.output.input {
        let text = read_text(file, LARGEST_LIST)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        all.extend(lines.map(str::to_owned));
    }
    if all.is_empty() { Err("no URL was given".to_owned()) } else { Ok(all) }
}

async fn one(
    args: &Get,
    target: &Target,
    number: usize,
    (input, words): (Input, Words),
    client: &Client,
    (signals, claimed): (&mut Signals, &mut Claimed),
) -> Result<End, String> {
    let opened = match target.opening() {
        None => None,
        Some(opening) => match until_asked(opening, signals).await {
            Ok(opened) => Some(opened?),
            Err(signal) => return Ok(End::Signal(signal)),
        },
    };
    let transport = request::transport(client, &input)?;
    let mut teller = Teller::new(&args.talk, number, input.url(), target.is_stdout());
    if let Some(message) = limits::narrowed(wanted(args)).filter(|_| number == 1) {
        teller.hear(&Event::Warning { kind: "descriptors", message });
    }
    let mut policy = RetryPolicy::default();
    if let Some(retries) = args.network.retries {
        policy.set_retries(retries);
    }
    let job = match input {
        Input::Url(url) => Job::get(url),
        Input::Text { text, base, .. } => Job::get_playlist(text, base),
    };
    let job = target.apply(job, opened)?;
    let fit = limits::segments_at_once(wanted(args));
    let job = match args.network.jobs {
        None if fit == wanted(args) => job,
        _ => job.concurrency(fit),
    };
    let job = match args.network.give_up_after {
        Some(patience) => job.give_up_after(patience.0),
        None => job,
    };
    let job = match &args.live.from {
        Some(from) => job.from(from.0),
        None => job,
    };
    let mut cap = Cap::new(args.network.limit_rate.as_ref())?;
    let mut job = job
        .fetch(Arc::clone(&transport))
        .selects(args.choose.select.clone())
        .audio(args.choose.audio.clone().unwrap_or_default())
        .subtitles(args.choose.subs.clone().unwrap_or_default())
        .audio_only(args.choose.audio_only)
        .video_only(args.choose.video_only)
        .format(args.rare.format.into())
        .limit_rate(cap.rate())
        .duration(args.live.duration)
        .until(args.live.until.as_ref().map(|until| until.0))
        .wait(args.live.wait)
        .split(args.live.split.as_ref().map(|part| part.0))
        .retry_policy(policy)
        .durability(args.rare.durability.into())
        .force(args.output.force)
        .spare(claimed.others())
        .restart(args.rare.restart)
        .manifest(args.rare.manifest)
        .keep_free(args.output.keep_free)
        .allow_gaps(args.rare.allow_gaps)
        .allow_missing_tracks(args.rare.allow_missing_tracks)
        .strict(args.rare.strict)
        .options(words.shown)
        .remember(words.remembered)
        .start();
    let handle = job.handle();
    let mut ending = None;
    let mut has_begun = false;
    let mut looking = tokio::time::interval(rate::LOOK_EVERY);
    loop {
        tokio::select! {
            event = job.next() => match event {
                Some(event) => {
                    has_begun |= matches!(event, Event::Plan(_));
                    teller.hear(&event);
                }
                None => break,
            },
            _ = looking.tick() => match cap.look() {
                Some(Ok(rate)) => handle.set_rate(rate),
                Some(Err(message)) => teller.hear(&Event::Warning { kind: "rate", message }),
                None => {}
            },
            asked = signals.next() => match (asked, ending) {
                (Asked::Status, _) => teller.status(),
                (Asked::End(signal), None) => {
                    ending = Some(signal);
                    handle.stop();
                    teller.line("stopping; once more to leave at once");
                }
                (Asked::End(signal), Some(_)) => return Ok(End::Signal(signal)),
            },
        }
    }
    let result = job.finish().await;
    // A file that has appeared meanwhile is no result of an earlier run.
    let skips = args.output.skip_existing && !has_begun;
    Ok(tell_end(args, target, teller, (result, claimed), ending, skips))
}

/// Waits for something that may take for ever, or for the signal that ends it.
async fn until_asked<T>(something: impl Future<Output = T>, signals: &mut Signals) -> Result<T, i32> {
    tokio::pin!(something);
    loop {
        tokio::select! {
            something = &mut something => return Ok(something),
            asked = signals.next() => if let Asked::End(signal) = asked { return Err(signal) },
        }
    }
}

/// The outputs that this run has written or found there already, and the input that each one is of: a second stream of the same
/// name is no result of an earlier run.
#[derive(Debug, Default)]
struct Claimed {
    /// The input that is at work.
    argument: String,
    outputs: HashMap<PathBuf, String>,
}

impl Claimed {
    /// The outputs of other inputs.
    fn others(&self) -> Vec<PathBuf> {
        let others = self.outputs.iter().filter(|(_, argument)| **argument != self.argument);
        others.map(|(path, _)| path.clone()).collect()
    }

    /// Takes a name for the input that is at work, unless another one has it.
    fn claim(&mut self, path: &Path) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let path = folder.join(path.file_name().unwrap_or_default());
        self.outputs.entry(path).or_insert_with(|| self.argument.clone());
    }
}

/// The file that an error is about.
fn file_of(error: &Error) -> Option<&Path> {
    let source = std::error::Error::source(error)?;
    Some(source.downcast_ref::<hls_state::Error>()?.path())
}

fn tell_end(
    args: &Get,
    target: &Target,
    teller: Teller,
    (result, claimed): (Result<Finished, Error>, &mut Claimed),
    ending: Option<i32>,
    skips: bool,
) -> End {
    let error = match result {
        Ok(done) => {
            teller.finished(&done);
            for path in &done.outputs {
                claimed.claim(path);
            }
            if !args.talk.json && !target.is_stdout() && !std::io::stdout().is_terminal() {
                print_paths(&done);
            }
            let code = match done.stopped_by {
                Some(StoppedBy::GaveUp) => GAVE_UP,
                _ if done.gaps.is_empty() && done.missing.is_empty() && done.problems.is_empty() => 0,
                _ => FINISHED_WITH_GAPS,
            };
            return if ending.is_some() { End::Last(code) } else { End::Code(code) };
        }
        Err(error) => error,
    };
    match (error.kind(), ending) {
        (Kind::Exists, _) if skips && error.code() == "output.exists" => {
            file_of(&error).into_iter().for_each(|path| claimed.claim(path));
            teller.line(&format!("skipped: {error}"));
            End::Code(0)
        }
        (Kind::ReaderGone, _) => End::Code(exit_code(Kind::ReaderGone)),
        (_, Some(signal)) => {
            teller.failed(&error);
            End::Signal(signal)
        }
        (kind, None) => {
            teller.failed(&error);
            End::Code(exit_code(kind))
        }
    }
}

/// `f=$(hls get URL)` holds the path.
fn print_paths(done: &Finished) {
    let mut out = std::io::stdout().lock();
    for path in &done.outputs {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt as _;
            let _ = out.write_all(path.as_os_str().as_bytes());
        }
        #[cfg(not(unix))]
        let _ = write!(out, "{}", path.display());
        let _ = out.write_all(b"\n");
    }
}

//! `hls jobs`: what is unfinished in a folder, going on with it, and forgetting it.

mod human;
mod json;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hls_sched::{Error, Kind};
use hls_state::{Condition, Unfinished, survey, unfinished};

use crate::args::{Command, Get, Jobs, parse};
use crate::get::{self, End};
use crate::progress::quoted;
use crate::report::{block, exit_code, plain, print, say, worst};
use crate::signal::{Signals, die_by};

/// Does what was asked for with the unfinished jobs of a folder.
pub(crate) async fn run(args: Jobs) -> ExitCode {
    if let Some(named) = &args.remove {
        return remove(&args, named);
    }
    let jobs = match survey(&args.folder) {
        Ok(jobs) => jobs,
        Err(error) => return failed(&error.into()),
    };
    if args.resume {
        return match resume(&args, &jobs).await {
            Ok(End::Code(code) | End::Last(code)) => ExitCode::from(code),
            Ok(End::Signal(signal)) => die_by(signal),
            Err(usage) => plain(2, "usage", &usage),
        };
    }
    if args.talk.json {
        return print(&json::line(&args.folder, &jobs));
    }
    if jobs.is_empty() && !args.talk.quiet {
        say(&format!("nothing is unfinished in {}", shown(&args.folder)));
    }
    print(&human::page(&args.folder, &jobs))
}

/// Goes on with each job in turn; what can't go on is said, and has its exit code.
async fn resume(args: &Jobs, jobs: &[Unfinished]) -> Result<End, String> {
    let mut signals = Signals::listen().map_err(|e| format!("signals can't be listened to: {e}"))?;
    let mut codes = Vec::new();
    for (number, job) in (1..).zip(jobs) {
        let end = match command(job, args) {
            Ok(get) => get::again(&get, &job.output, number, &mut signals).await,
            Err((code, why)) => {
                say(&format!("{}: can't go on: {why}", shown(&job.output)));
                codes.push(code);
                continue;
            }
        };
        match end {
            Ok(End::Code(code)) => codes.push(code),
            Ok(End::Last(code)) => {
                codes.push(code);
                break;
            }
            Ok(End::Signal(signal)) => return Ok(End::Signal(signal)),
            Err(usage) => {
                plain(2, "usage", &format!("{}: {usage}", shown(&job.output)));
                codes.push(2);
            }
        }
    }
    Ok(End::Code(worst(codes)))
}

/// The command that an unfinished job has remembered, or why there is none.
fn command(job: &Unfinished, args: &Jobs) -> Result<Get, (u8, String)> {
    let code = exit_code;
    match &job.condition {
        Condition::Running { pid } => return Err((code(Kind::InUse), human::running(*pid))),
        Condition::Unreadable(error) => {
            let newer = matches!(error.kind(), hls_state::Kind::Newer { .. });
            return Err((code(if newer { Kind::Newer } else { Kind::Local }), error.to_string()));
        }
        _ => {}
    }
    let memo = job.memo.as_ref();
    if memo.is_some_and(|memo| memo.distrusted) {
        let why = "what it remembered could have been written by others (it has to be a file of yours of mode 0600)";
        return Err((code(Kind::Local), why.to_owned()));
    }
    let next = human::next(job);
    let words = memo.and_then(|memo| memo.remembered.clone()).ok_or_else(|| {
        let why = format!("it was not started with --remember, so its URL is not known: {next}");
        (code(Kind::Usage), why)
    })?;
    let words = ["hls".to_owned(), "get".to_owned()].into_iter().chain(words).map(Into::into);
    match parse(words) {
        Ok(Command::Get(mut get)) => {
            get.talk = args.talk.clone();
            Ok(*get)
        }
        _ => Err((code(Kind::Usage), format!("what it remembered is not understood: {next}"))),
    }
}

/// Forgets the named jobs, or all of the folder, each named before anything is deleted.
fn remove(args: &Jobs, named: &[PathBuf]) -> ExitCode {
    let outputs = match named {
        [] => match survey(&args.folder) {
            Ok(jobs) => jobs.into_iter().map(|job| job.output).collect(),
            Err(error) => return failed(&error.into()),
        },
        named => named.iter().map(|name| find(&args.folder, name)).collect::<Vec<_>>(),
    };
    if outputs.is_empty() && !args.talk.quiet {
        say(&format!("nothing is unfinished in {}", shown(&args.folder)));
    }
    let quiet = args.talk.quiet;
    if !quiet && outputs.len() > 1 {
        let names: Vec<_> = outputs.iter().map(|output| shown(output)).collect();
        say(&format!("to be forgotten: {}", names.join(", ")));
    }
    let mut codes = Vec::new();
    let mut removed = Vec::new();
    for output in outputs {
        if unfinished(&output).is_none() {
            codes.push(exit_code(Kind::Local));
            let folder = if output.is_dir() { "; it is a folder: hls jobs DIR --remove" } else { "" };
            let message = format!("no unfinished download for {}{folder}", shown(&output));
            plain(exit_code(Kind::Local), "job.missing", &message);
            continue;
        }
        match hls_state::remove(&output) {
            Ok(done) => {
                for path in done.left.iter().filter(|_| !quiet) {
                    say(&format!("{} stays: what is in it is not ours", shown(path)));
                }
                if !quiet && !args.talk.json {
                    say(&format!("{}: forgotten", shown(&output)));
                }
                removed.extend(done.paths);
            }
            Err(error) => {
                let error = Error::from(error);
                codes.push(exit_code(error.kind()));
                say(&block(&error));
            }
        }
    }
    if args.talk.json {
        print(&json::removed(&removed));
    }
    ExitCode::from(worst(codes))
}

/// The output that is meant: one that has a job as it is named, else one in the folder.
fn find(folder: &Path, name: &Path) -> PathBuf {
    let inside = folder.join(name);
    if unfinished(name).is_none() && unfinished(&inside).is_some() { inside } else { name.to_owned() }
}

fn failed(error: &Error) -> ExitCode {
    say(&block(error));
    ExitCode::from(exit_code(error.kind()))
}

/// A path for a person: without the dot of the current folder, foreign characters written out.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").ok().filter(|rest| !rest.as_os_str().is_empty()).unwrap_or(path);
    hls_fetch::escaped(&path.display().to_string(), 1000)
}

/// A word for a shell.
fn word(text: &str) -> String {
    hls_fetch::escaped(&quoted(text), 4000)
}

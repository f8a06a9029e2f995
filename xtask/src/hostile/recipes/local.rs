//! Other programs and people on this machine: what they do to files that grow, what they leave, and pipes nobody reads.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hls_testkit::{Gate, Origin, Reply, Step};

use super::Verdict;
use crate::hostile::case::{Case, Output, outlaw};
use crate::hostile::run::{End, LIMIT, Try};
use crate::hostile::show::{Container, Manner, Show};

const AV: [Container; 4] = [Container::Ts, Container::Fmp4, Container::Cmaf, Container::Adts];

/// What is done to the file that grows.
pub(super) const ACTS: &[&str] = &[
    "replaced",
    "replaced by a copy",
    "replaced by a link to a file",
    "replaced by a link to itself",
    "appended",
    "appended by much",
    "truncated",
    "emptied",
    "overwritten",
    "deleted",
    "renamed",
    "linked twice",
    "a folder in its place",
];

fn act(t: &mut Try<'_>, part: &Path, what: &str) -> Result<()> {
    let aside = t.file("aside");
    let length = fs::metadata(part)?.len();
    match what {
        "replaced" => {
            fs::rename(part, &aside)?;
            fs::write(part, "something else")?;
        }
        "replaced by a copy" => {
            fs::rename(part, &aside)?;
            fs::copy(&aside, part)?;
        }
        "replaced by a link to a file" => {
            fs::rename(part, &aside)?;
            let target = t.file("target");
            fs::write(&target, "somebody's own")?;
            link(&target, part)?;
        }
        "replaced by a link to itself" => {
            fs::rename(part, &aside)?;
            link(&aside, part)?;
        }
        "appended" | "appended by much" => {
            let n = if what == "appended" { 188 } else { 2_000_000 };
            OpenOptions::new().append(true).open(part)?.write_all(&vec![7; n])?;
        }
        "truncated" | "emptied" => {
            let to = if what == "emptied" { 0 } else { t.dice.below(length) };
            OpenOptions::new().write(true).open(part)?.set_len(to)?;
        }
        "overwritten" => {
            let at = t.dice.below(length.saturating_sub(4));
            let mut file = OpenOptions::new().write(true).open(part)?;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(b"\xde\xad\xbe\xef")?;
        }
        "deleted" => fs::remove_file(part)?,
        "renamed" => fs::rename(part, &aside)?,
        "linked twice" => fs::hard_link(part, &aside)?,
        "a folder in its place" => {
            fs::rename(part, &aside)?;
            fs::create_dir(part)?;
        }
        _ => {
            fs::rename(part, &aside)?;
            pipe(part)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> Result<()> {
    Ok(std::os::unix::fs::symlink(to, at)?)
}

#[cfg(not(unix))]
fn link(to: &Path, at: &Path) -> Result<()> {
    fs::copy(to, at).map(drop).map_err(Into::into)
}

fn pipe(at: &Path) -> Result<()> {
    let status = std::process::Command::new("mkfifo").arg(at).status().context("can't run mkfifo")?;
    anyhow::ensure!(status.success(), "mkfifo: {status}");
    Ok(())
}

/// Another program does something to the part file while the server holds the last segments back.
pub(super) fn tampered(t: &mut Try<'_>, acts: &[&'static str]) -> Result<Verdict> {
    let show = Show::draw(&mut t.dice, &AV, 4)?;
    let output = t.pick("to", &[Output::Join, Output::Film])?;
    let case = Case::of(t, show, output, Manner::PLAIN)?;
    let what = t.pick("the growing file is", acts)?;
    let right = case.truth(t, &case.show)?;
    let gate = Gate::new();
    let paths = &case.published.segment_paths;
    for path in &paths[paths.len() - 2..] {
        case.origin.script(path, [Reply::resource().steps([Step::Wait(gate.clone()), Step::Rest]).forever()]);
    }
    let args = case.args(&[]);
    let mut running = t.start(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
    let came = running.until(|| {
        let asked = paths.iter().filter(|path| !case.origin.requests_for(path).is_empty()).count();
        asked + usize::from(case.jobs == 1) >= paths.len() && growing(t, &case).is_some()
    })?;
    let part = growing(t, &case).unwrap_or_default();
    if !came {
        gate.open();
        let end = running.end(LIMIT)?;
        return Ok(Verdict::Wrong(format!("no part file: {} {}", end.kind(), end.words())));
    }
    running.pass(Duration::from_millis(30 + t.dice.below(200)))?;
    t.note(part.file_name().unwrap_or_default().to_string_lossy());
    act(t, &part, what)?;
    gate.open();
    let end = running.end(LIMIT / 4)?;
    let is_link = fs::symlink_metadata(case.file(t)).is_ok_and(|file| !file.is_file());
    let verdict = case.judge(t, &end, &right, None)?;
    if is_link {
        return Ok(Verdict::Wrong(format!("{}, and the output is no file", end.kind())));
    }
    if !matches!(verdict, Verdict::Refused(_)) {
        return Ok(verdict);
    }
    // What was put there is in the way until it is taken away, as a user would do.
    if fs::symlink_metadata(&part).is_ok_and(|part| !part.is_file()) {
        let _ = fs::remove_file(&part).or_else(|_| fs::remove_dir(&part));
    }
    case.concluded(t, &end, &right, None)
}

/// What the program is writing to: the part file, or that of a track of which a film is made at the end.
fn growing(t: &Try<'_>, case: &Case) -> Option<PathBuf> {
    let part = t.file(&format!("{}.part", case.name()));
    let tracks = fs::read_dir(t.file(&format!("{}.hls", case.name()))).into_iter().flatten().flatten();
    let tracks = tracks.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("track-"));
    tracks.chain([part]).find(|path| fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 1000))
}

/// Streams of one name in a list.
pub(super) fn one_name(t: &mut Try<'_>, options: &[&[&'static str]]) -> Result<Verdict> {
    fs::create_dir(t.file("videos"))?;
    let origin = Origin::start();
    let n = t.number("streams", 2..=4) as usize;
    let is_twice = t.pick("the last is the first again", &[true, false])?;
    let mut list = String::new();
    let mut shows = Vec::new();
    for at in 0..n {
        let show = Show::new(Container::Ts, 3 + at, 1)?;
        let name = if t.dice.below(4) == 0 { "other" } else { "movie" };
        let published = show.vod().prefix(&format!("/show-{at}/{name}")).publish(&origin);
        list += &format!("{}\n", published.url);
        shows.push(published.expected);
        if is_twice && at == n - 1 {
            list += list.clone().lines().next().unwrap_or_default();
        }
    }
    t.note(list.replace('\n', " "));
    fs::write(t.file("list"), &list)?;
    let more = t.pick("options", options)?;
    let template = t.pick("name", &["{name}.ts", "{name}", "videos/{name}.ts"])?;
    for _ in 0..2 {
        let end = t.run(&[&["get", "-i", "list", "-o", template], more].concat())?;
        if let Some(wrong) = outlaw(&end) {
            return Ok(wrong);
        }
        let files = files(&t.folder)?;
        let is_there = |show: &[u8]| files.iter().any(|file| file == show);
        let there = shows.iter().filter(|show| is_there(show)).count();
        if end.code() == Some(0) && there < n {
            return Ok(Verdict::Wrong(format!(
                "exit 0, and {there} of {n} streams are there: {}",
                end.words()
            )));
        }
        if end.code() != Some(0) {
            return Ok(Verdict::Refused(end.kind()));
        }
        if !more.contains(&"--skip-existing") {
            break;
        }
    }
    Ok(Verdict::Right)
}

/// The contents of all files below a folder, but for those of the try itself.
fn files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(fs::read(&path)?);
        }
    }
    Ok(found)
}

/// A file of somebody else has the name of the part file.
pub(super) fn foreign_part(t: &mut Try<'_>) -> Result<Verdict> {
    let show = Show::draw(&mut t.dice, &AV, 3)?;
    let output = t.pick("to", &[Output::Join, Output::Film])?;
    let case = Case::of(t, show, output, Manner::PLAIN)?;
    let right = case.truth(t, &case.show)?;
    let what = t.pick(
        "OUT.part is",
        &[
            "text",
            "the begin of the output",
            "the whole output",
            "longer than the output",
            "a link",
            "a folder",
        ],
    )?;
    let part = t.file(&format!("{}.part", case.name()));
    let mine = match what {
        "the begin of the output" => right.bytes[..right.bytes.len() / 2].to_vec(),
        "the whole output" => right.bytes.clone(),
        "longer than the output" => [&right.bytes[..], &[1; 1000]].concat(),
        _ => b"another download".to_vec(),
    };
    let kept = if what == "a link" { t.file("target") } else { part.clone() };
    match what {
        "a folder" => fs::create_dir(&part)?,
        _ => fs::write(&kept, &mine)?,
    }
    if what == "a link" {
        link(&kept, &part)?;
    }
    let more = t.pick("options", &[&[][..], &["--force"], &["--skip-existing"], &["--manifest"]])?;
    let end = case.run(t, more)?;
    if what != "a folder" && fs::read(&kept).ok() != Some(mine) {
        return Ok(Verdict::Wrong(format!(
            "{}, and the file of somebody else is changed or gone",
            end.kind()
        )));
    }
    let verdict = case.judge(t, &end, &right, None)?;
    if matches!(verdict, Verdict::Refused(_)) && !matches!(what, "a link" | "a folder") {
        return case.concluded(t, &end, &right, None);
    }
    Ok(verdict)
}

/// The output is a pipe that nobody reads, and a signal comes.
pub(super) fn idle_pipe(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::of(t, Show::new(Container::Ts, 3, 1)?, Output::Join, Manner::PLAIN)?;
    pipe(&t.file("pipe"))?;
    let signal = t.pick("signal", &["INT", "TERM", "HUP"])?;
    let mut running = t.start(&["get", &case.published.url, "-o", "pipe"])?;
    running.pass(Duration::from_millis(100 + t.dice.below(900)))?;
    running.signal(signal)?;
    let end = running.end(Duration::from_secs(8))?;
    Ok(stopped(&end))
}

/// An end by the signal that it was told to end by.
pub(super) fn stopped(end: &End) -> Verdict {
    match end.status {
        None => Verdict::Wrong("a signal does not end it".to_owned()),
        Some(_) if end.said.contains("panicked") => Verdict::Wrong(end.words()),
        Some(status) if status.code() == Some(1) => Verdict::Wrong(format!("exit 1: {}", end.words())),
        Some(_) => Verdict::Right,
    }
}

/// Input from files that never end or are huge.
pub(super) fn endless_input(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::of(t, Show::new(Container::Ts, 3, 1)?, Output::Join, Manner::PLAIN)?;
    let size = 1 << t.number("2^x bytes", 26..=42);
    fs::File::create(t.file("huge"))?.set_len(size)?;
    let file = t.pick("file", &["/dev/zero", "huge"])?;
    let (header, rate) = (format!("@{file}"), format!("@{file}"));
    let url = case.published.url.as_str();
    let all = [
        vec!["get", "-i", file, "-o", "x.ts"],
        vec!["get", url, "-b", file, "-o", "x.ts"],
        vec!["get", url, "-H", &header, "-o", "x.ts"],
        vec!["get", url, "--ca", file, "-o", "x.ts"],
        vec!["get", url, "--limit-rate", &rate, "-o", "x.ts"],
        vec!["get", file, "-o", "x.ts"],
        vec!["info", file],
        vec!["info", url, "--check", "--master", file],
        vec!["verify", file],
    ];
    let args = t.dice.among(&all)?.clone();
    t.note(args.join(" "));
    let running = t.start(&args)?;
    let end = running.end(Duration::from_secs(20))?;
    if args[0] == "verify" && end.code() != Some(0) && end.status.is_some() {
        return Ok(Verdict::Refused(format!("exit {}", end.code().unwrap_or(-1))));
    }
    Ok(outlaw(&end).unwrap_or(match end.code() {
        Some(0) => Verdict::Wrong("exit 0".to_owned()),
        _ => Verdict::Refused(end.kind()),
    }))
}

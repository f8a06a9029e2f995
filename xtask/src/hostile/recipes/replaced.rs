//! Files that are replaced while they are fetched in parts, or between two runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hls_testkit::{Bytes, Gate, Reply, Request, Resource, Step};

use super::Verdict;
use crate::hostile::case::{Case, Output, outlaw};
use crate::hostile::run::Try;
use crate::hostile::show::{self, Container, Framing, MONDAY, Manner, Show, TUESDAY};

const AV: [Container; 4] = [Container::Ts, Container::Fmp4, Container::Cmaf, Container::Adts];

/// What a server says of a file: its tag and its date (RFC 9110, section 8.8).
type Words = (Option<&'static str>, Option<&'static str>);
const A: Words = (Some("\"a\""), Some(MONDAY));

fn resource(bytes: Bytes, (tag, date): Words) -> Resource {
    let plain = Resource::new(bytes).no_etag();
    let tagged = tag.into_iter().fold(plain, |resource, tag| resource.etag(tag));
    date.into_iter().fold(tagged, |resource, date| resource.last_modified(date))
}

/// How an old file and a new one can be told apart: what is said of each, and whether the new one has another length.
const CHANGES: [(&str, Words, Words, bool); 9] = [
    ("all", A, (Some("\"b\""), Some(TUESDAY)), true),
    ("tag and date", A, (Some("\"b\""), Some(TUESDAY)), false),
    ("the tag", A, (Some("\"b\""), Some(MONDAY)), false),
    ("the only tag", (Some("\"a\""), None), (Some("\"b\""), None), false),
    ("the only date", (None, Some(MONDAY)), (None, Some(TUESDAY)), false),
    ("date, and weak tags", (Some("W/\"a\""), Some(MONDAY)), (Some("W/\"b\""), Some(TUESDAY)), false),
    ("weak tags alone", (Some("W/\"a\""), None), (Some("W/\"b\""), None), false),
    ("the total alone", (None, None), (None, None), true),
    ("the total, under the same words", A, A, true),
];

/// The stream with other bytes in all its segments, or in these; longer by some packets or boxes where `grows`.
fn edited(show: &Show, which: impl Fn(usize) -> bool, grows: bool) -> Show {
    let mut other = show.clone();
    for at in (0..show.segments.len()).filter(|at| which(*at)) {
        let mut bytes = show::changed(show, at);
        if grows {
            let last: Vec<u8> = match show.container {
                Container::Ts => [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat(),
                Container::Adts => crate::hostile::bytes::frames(&bytes)
                    .pop()
                    .map(|at| bytes[at].to_vec())
                    .unwrap_or_default(),
                _ => b"\0\0\0\x10free8 bytes.".to_vec(),
            };
            bytes.extend(last);
        }
        other.segments[at] = bytes.into();
    }
    other
}

fn single(case: &Case) -> Bytes {
    let path = case.published.segment_paths.first();
    let file = case.published.files.iter().find(|(name, _)| Some(name) == path);
    file.map(|(_, bytes)| bytes.clone()).unwrap_or_default()
}

/// All segments are ranges of one file, which becomes another one after some requests, or is another one each second time.
pub(super) fn in_the_middle(t: &mut Try<'_>) -> Result<Verdict> {
    let drawn = Case::draw(t, &AV, 4)?;
    let (_, before, behind, grows) = t.pick("changes", &CHANGES)?;
    let (show, output) = (drawn.show.clone().in_ranges(), drawn.output);
    let mut case = with_words(t, drawn, show, output, grows)?;
    case.most += 3 * case.show.segments.len();
    let after = t.number("after requests", 1..=case.show.segments.len() as u64) as usize;
    let turns = t.pick("turns", &[false, false, false, true])?;
    let other = edited(&case.show, |_| true, grows);
    let mut bytes = Case::of(t, other.clone(), case.output, case.manner).map(|case| single(&case))?;
    if grows && bytes.len() == single(&case).len() {
        bytes = [&bytes[..], &[0; 188]].concat().into();
    }
    let files = [resource(single(&case), before), resource(bytes, behind)];
    let (path, asked) = (case.published.segment_paths[0].clone(), AtomicUsize::new(0));
    case.origin.rule(move |request: &Request| {
        let n = (request.path == path).then(|| asked.fetch_add(1, Ordering::SeqCst))?;
        let is_new = if turns { n % 2 == 1 } else { n >= after };
        Some(Reply::serving(files[usize::from(is_new)].clone()))
    });
    let right = case.truth(t, &case.show)?;
    let end = case.run(t, &[])?;
    // All of the new file is right too, where its parts are where the playlist says.
    let all = case.truth(t, &other).ok();
    let verdict = case.judge(t, &end, &right, None)?;
    match all.filter(|_| !grows) {
        Some(all) if matches!(verdict, Verdict::Wrong(_)) => case.judge(t, &end, &all, None),
        _ => Ok(verdict),
    }
}

/// A case whose answers say of files what they are told to; a total only where bodies have a length.
fn with_words(t: &mut Try<'_>, drawn: Case, show: Show, output: Output, needs_total: bool) -> Result<Case> {
    let framing = match drawn.manner.framing {
        _ if needs_total => Framing::Length,
        Framing::Close => Framing::Http10,
        other => other,
    };
    Case::of(t, show, output, Manner { framing, ..drawn.manner })
}

/// Holds the answers for these segments, once begun or not at all.
fn hold(case: &Case, from: usize) -> Gate {
    let gate = Gate::new();
    for path in &case.published.segment_paths[from..] {
        let wait = gate.clone();
        case.origin.script(
            path,
            [Reply::resource().steps([Step::UpTo(30), Step::Wait(wait), Step::Rest]).forever()],
        );
    }
    gate
}

/// Waits until all segments before this one are here, and kills the program.
fn kill(t: &Try<'_>, case: &Case, from: usize) -> Result<bool> {
    kill_after(t, case, from, Duration::from_millis(150))
}

fn kill_after(t: &Try<'_>, case: &Case, from: usize, time: Duration) -> Result<bool> {
    let args = case.args(&[]);
    let mut running = t.start(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
    let is_held = |path: &String| case.origin.requests_for(path).iter().any(|one| one.body_bytes_sent > 0);
    let had = |path: &String| case.origin.requests_for(path).iter().any(|one| one.ended.is_some());
    let came = running.until(|| {
        case.published.segment_paths[..from].iter().all(had)
            && case.published.segment_paths[from..].iter().any(is_held)
    })?;
    running.pass(time)?;
    drop(running);
    Ok(came)
}

/// The playlist has lost its last segments when the job goes on.
pub(super) fn fewer(t: &mut Try<'_>) -> Result<Verdict> {
    let drawn = Case::draw(t, &AV, 6)?;
    let output = if drawn.output == Output::Pipe { Output::Join } else { drawn.output };
    let case = Case::of(t, drawn.show, output, drawn.manner)?;
    let n = case.show.segments.len();
    let from = t.number("killed at segment", 2..=n as u64 - 1) as usize;
    let gate = hold(&case, from);
    // How many segments there are is not noted at once: most jobs are short.
    if !kill_after(t, &case, from, Duration::from_secs(1))? {
        return Ok(Verdict::Wrong("it ended before its server did".to_owned()));
    }
    gate.open();
    case.published.segment_paths.iter().for_each(|path| case.origin.script(path, []));
    let left = t.number("segments that are left", 1..=n as u64 - 1) as usize;
    let mut now = case.show.clone();
    now.segments.truncate(left);
    now.publish(&case.origin, case.manner);
    let end = case.run(t, &[])?;
    Ok(match (outlaw(&end), end.code()) {
        (Some(verdict), _) => verdict,
        (None, Some(8)) => Verdict::Refused(end.kind()),
        _ => Verdict::Wrong(format!("exit {:?} with {left} of {n} segments: {}", end.code(), end.words())),
    })
}

/// Some segments, the section or all are others when a killed job goes on.
pub(super) fn between_runs(t: &mut Try<'_>) -> Result<Verdict> {
    let drawn = Case::draw(t, &AV, 6)?;
    let output = if drawn.output == Output::Pipe { Output::Join } else { drawn.output };
    // Without a range, a server that knows the old tag says nothing of another length.
    let (_, before, behind, grows) = t.pick("changes", &CHANGES[..CHANGES.len() - 1])?;
    let show = drawn.show.clone();
    let mut case = with_words(t, drawn, show, output, grows)?;
    let n = case.show.segments.len();
    let from = t.number("killed at segment", 2..=n as u64 - 1) as usize;
    for (path, bytes) in &case.published.files {
        case.origin.put(path, resource(bytes.clone(), before));
    }
    let gate = hold(&case, from);
    if !kill(t, &case, from)? {
        return Ok(Verdict::Wrong("it ended before its server did".to_owned()));
    }
    gate.open();
    case.published.segment_paths.iter().for_each(|path| case.origin.script(path, []));
    let what = t.pick("edited", &["one before", "one behind", "all", "none", "the section", "some"])?;
    let one = t.dice.below(from as u64) as usize;
    let odd = t.dice.below(2) as usize;
    let is_edited = |at: usize| match what {
        "one before" => at == one,
        "one behind" => at == from,
        "all" => true,
        "some" => at % 2 == odd,
        _ => false,
    };
    t.note(format!("the one is {one}"));
    let mut now = edited(&case.show, is_edited, grows);
    if let (Some(section), true) = (&case.show.section, what == "the section") {
        let at = crate::hostile::bytes::places(section, b"mvhd").first().context("no mvhd")? + 12;
        let mut changed = section.to_vec();
        changed[at] ^= 1;
        now.section = Some(changed.into());
    }
    // Under another path, as behind a new token, it is still the same stream.
    let folder = t.pick("in folder", &["/vod", "/vod", "/moved"])?;
    let published = now.vod().prefix(folder).publish(&case.origin);
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    for (path, bytes) in &published.files {
        let is_old = case.published.files.iter().any(|(old, was)| name(old) == name(path) && was == bytes);
        case.origin.put(path, resource(bytes.clone(), if is_old { before } else { behind }));
    }
    case.published = published;
    case.origin.reset_log();
    let right = case.truth(t, &now)?;
    let end = case.run(t, &[])?;
    let verdict = case.judge(t, &end, &right, None)?;
    if !matches!(verdict, Verdict::Refused(_)) {
        return Ok(verdict);
    }
    case.origin.reset_log();
    let end_again = case.run(t, &["--restart"])?;
    Ok(match case.judge(t, &end_again, &right, None)? {
        Verdict::Wrong(why) => Verdict::Wrong(format!("--restart: {why}")),
        _ if end_again.code() != Some(0) => {
            Verdict::Wrong(format!("--restart does not help: {}", end_again.words()))
        }
        _ => verdict,
    })
}

/// A segment is half there when the program is killed; by then it is another one, under the same strong tag.
pub(super) fn same_tag(t: &mut Try<'_>) -> Result<Verdict> {
    let drawn = Case::draw(t, &AV, 6)?;
    let output = if drawn.output == Output::Pipe { Output::Join } else { drawn.output };
    let is_single = t.pick("one file", &[true, false])?;
    let show = drawn.show.clone();
    let show = if is_single { show.in_ranges() } else { show };
    let case = with_words(t, drawn, show, output, true)?;
    let n = case.show.segments.len();
    let from = t.number("killed at segment", 2..=n as u64 - 1) as usize;
    let (_, grows, words) = t.pick(
        "other",
        &[
            ("total", true, A),
            ("date", false, (A.0, Some(TUESDAY))),
            ("total and date", true, (A.0, Some(TUESDAY))),
        ],
    )?;
    for (path, bytes) in &case.published.files {
        case.origin.put(path, resource(bytes.clone(), A));
    }
    let gate = Gate::new();
    let (wait, asked) = (gate.clone(), AtomicUsize::new(0));
    let held = case.published.segment_paths[from].clone();
    let single = case.published.segment_paths[0] == held;
    case.origin.rule(move |request: &Request| {
        let nth = (request.path == held).then(|| asked.fetch_add(1, Ordering::SeqCst))?;
        let steps = [Step::UpTo(60), Step::Wait(wait.clone()), Step::Rest];
        (!single || nth >= from).then(|| Reply::resource().steps(steps))
    });
    let mut running = t.start(&["get", &case.published.url, "-o", case.name(), "-j", "1"])?;
    let path = &case.published.segment_paths[from];
    let is_half = || {
        let all = case.origin.requests_for(path);
        all.len() > if single { from } else { 0 }
            && all.last().is_some_and(|one| one.body_bytes_sent > 0 && one.ended.is_none())
    };
    running.until(is_half)?;
    running.pass(Duration::from_millis(200))?;
    drop(running);
    gate.open();
    case.origin.rule(|_| None);
    let now = edited(&case.show, |at| single || at == from, grows);
    let scratch = hls_testkit::Origin::start();
    let published = now.vod().publish(&scratch);
    let changed = published.files.iter().filter(|(path, _)| {
        case.published.segment_paths.contains(path) && (single || *path == case.published.segment_paths[from])
    });
    for (path, bytes) in changed {
        case.origin.put(path, resource(bytes.clone(), words));
    }
    case.origin.reset_log();
    let right = case.truth(t, &now)?;
    let end = case.run(t, &[])?;
    // Where the playlist says other ranges than the new file has, no bytes are right.
    let right = if single && grows { Vec::new().into() } else { right };
    case.judge(t, &end, &right, None)
}

//! `cargo xtask soak`: recordings in real time, side by side, of streams that end after some minutes: left alone, through outages,
//! told to end, and killed. Each is held to what was offered.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Broadcast, Media, Of, Offer, Origin, Outage, PublishedBroadcast, judge};

use crate::dice::Dice;
use crate::{download, workspace};

/// What the memory of a recorder stays under.
const MOST_MEMORY: u64 = 64 << 20;
/// A stop by signal takes no longer than what is under way may take, and some.
const LONGEST_END: Duration = Duration::from_secs(10);
/// Between two disturbances lies at most this.
const LONGEST_PEACE: f64 = 20.0;

struct Options {
    minutes: u64,
    disturbances: u32,
    seed: u64,
}

/// What is done to the recorder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disturbed {
    Not,
    /// It is told to end, by one signal or another, and started again.
    Signals,
    /// It is killed, and started again.
    Kills,
}

/// What may be missing.
#[derive(Clone, Copy)]
enum Missing {
    Nothing,
    /// Just what was in the playlist in this time alone.
    Within(Duration, Duration),
}

/// Pictures and sound of their own, which become one file at the end.
const FILM: &str = "kills, an MP4 of two tracks";

struct Scenario {
    name: &'static str,
    broadcast: Broadcast,
    target: Duration,
    latency_ms: u64,
    disturbed: Disturbed,
    missing: Missing,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let program = download::build()?;
    println!("{} minutes, --seed {}", options.minutes, options.seed);
    let scenarios = scenarios(options.minutes);
    let failed = std::thread::scope(|scope| {
        let run = |scenario| {
            let (options, program) = (&options, &program);
            scope.spawn(move || recorded(scenario, options, program))
        };
        let runs = scenarios.iter().map(|scenario| (scenario.name, run(scenario))).collect::<Vec<_>>();
        let mut failed = Vec::new();
        for (name, run) in runs {
            let result = run.join().unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
            match result {
                Ok(said) => println!("{name}: {said}"),
                Err(error) => {
                    println!("{name}: FAILED: {error:#}");
                    failed.push(name);
                }
            }
        }
        failed
    });
    ensure!(failed.is_empty(), "{} of {} failed; --seed {}", failed.len(), scenarios.len(), options.seed);
    Ok(())
}

fn scenarios(minutes: u64) -> Vec<Scenario> {
    const SECOND: Duration = Duration::from_secs(1);
    let total = |seconds: u64| (minutes * 60 / seconds) as usize;
    let noise = |seconds: u64| Broadcast::synthetic(SECOND * seconds as u32, 100_000).total(total(seconds));
    let real = |media| Broadcast::from_media(media).total(total(2)).window(6);
    let outage = |at: u32, lasts: u32| Outage::new(Of::Playlists, SECOND * at, SECOND * lasts);
    let plain = |name, broadcast| Scenario {
        name,
        broadcast,
        target: SECOND * 2,
        latency_ms: 0,
        disturbed: Disturbed::Not,
        missing: Missing::Nothing,
    };
    vec![
        plain("2 s, window of 6", noise(2).window(6)),
        Scenario {
            target: SECOND,
            latency_ms: 100,
            ..plain("1 s, window of 3, 100 ms away", noise(1).window(3).running(3))
        },
        plain(
            "outages of 10, 30 and 60 s, window of 40",
            noise(2)
                .window(40)
                .running(40)
                .outage(outage(10, 10))
                .outage(outage(30, 30))
                .outage(outage(70, 60)),
        ),
        Scenario {
            missing: Missing::Within(SECOND * 20, SECOND * 80),
            ..plain("an outage of 60 s, window of 6", noise(2).window(6).outage(outage(20, 60)))
        },
        Scenario { disturbed: Disturbed::Signals, ..plain("signals, TS", real(Media::Ts)) },
        Scenario { disturbed: Disturbed::Kills, ..plain("kills, TS", real(Media::Ts)) },
        Scenario { disturbed: Disturbed::Kills, ..plain("kills, fMP4", real(Media::Fmp4)) },
        Scenario {
            disturbed: Disturbed::Kills,
            ..plain(FILM, real(Media::Ts).real_audio("en", SECOND * 2, 700))
        },
    ]
}

fn recorded(scenario: &Scenario, options: &Options, program: &Path) -> Result<String> {
    let folder = folder(scenario.name)?;
    let is_film = scenario.name == FILM;
    let extension = if is_film || scenario.name.ends_with("fMP4") { "mp4" } else { "ts" };
    let output = folder.join(format!("out.{extension}"));
    let origin = Origin::builder().latency(scenario.latency_ms).start();
    let live = scenario.broadcast.publish(&origin);
    let start = || -> Result<Child> {
        let mut command = Command::new(program);
        let url = if is_film { &live.master_url } else { &live.playlist_url };
        command.args(["get", url, "--from", "start", "-q", "-o"]).arg(&output);
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("can't run the program")
    };
    let limit = Instant::now() + Duration::from_secs(options.minutes * 60 + 120);
    let mut dice = Dice::new(options.seed.wrapping_add(scenario.name.len() as u64));
    let (mut memory, mut done, mut early) = (0, 0, 0);
    let status = loop {
        let before_it = parts(&output)?.len();
        let mut child = start()?;
        let peace = Duration::from_secs_f64(0.3 + LONGEST_PEACE * dice.fraction());
        let disturbs = scenario.disturbed != Disturbed::Not && done < options.disturbances;
        let until = if disturbs { Instant::now() + peace } else { limit };
        let ended = watched(&mut child, until, &mut memory)?;
        if let Some(status) = ended {
            break status;
        }
        ensure!(disturbs, "it has not ended");
        done += 1;
        if scenario.disturbed == Disturbed::Kills {
            child.kill()?;
            child.wait()?;
            continue;
        }
        let signal = dice.among(&["-INT", "-TERM", "-HUP"])?;
        workspace::run(Command::new("kill").args([*signal, &child.id().to_string()]))?;
        let before = Instant::now();
        let status = watched(&mut child, before + LONGEST_END, &mut memory)?;
        let status =
            status.with_context(|| format!("{signal}: no end within {} s", LONGEST_END.as_secs()))?;
        // Before there is anything to record, it dies of the signal, and leaves nothing.
        let is_new = parts(&output)?.len() > before_it;
        ensure!(status.success() == is_new, "{signal}: it ended with {status}, a new file: {is_new}");
        early += u32::from(!is_new);
    };
    let offered = live.offered(0);
    let first_poll = *live.polls(0).first().context("nobody asked")?;
    let listed = |offer: &&Offer| offer.appeared.is_some() && offer.left.is_none_or(|left| left > first_poll);
    let offered = offered.iter().filter(listed).collect::<Vec<_>>();
    let parts = parts(&output)?;
    if is_film {
        ensure!(status.code() == Some(0), "it ended with {status}");
        let pictures = same_pictures(&output, &live, offered.len(), &folder)?;
        fs::remove_dir_all(&folder)?;
        return Ok(format!(
            "{pictures} pictures of {} segments, disturbed {done} times, exit 0",
            offered.len()
        ));
    }
    let missing = missing(&parts, &offered)?;
    let reported = parts.iter().map(|part| reported(part)).sum::<Result<u64>>()?;
    ensure!(missing.len() as u64 == reported, "{} are missing, {reported} are reported", missing.len());
    let code = if missing.is_empty() { 0 } else { 4 };
    ensure!(status.code() == Some(code), "it ended with {status}, {} are missing", missing.len());
    match scenario.missing {
        Missing::Nothing => ensure!(missing.is_empty(), "missing: {missing:?}"),
        Missing::Within(from, to) => {
            let lost = offered.iter().filter(|offer| {
                let appeared = offer.appeared.unwrap_or_default() > from;
                appeared && offer.left.is_some_and(|left| left < to)
            });
            let lost = lost.map(|offer| offer.index).collect::<BTreeSet<_>>();
            ensure!(lost.is_subset(&missing), "{missing:?} are missing, not all of {lost:?}");
            // The loads before and behind the outage are up to a target duration away from it.
            ensure!(missing.len() <= lost.len() + 3, "{missing:?} are missing, and not only {lost:?}");
        }
    }
    if scenario.name.ends_with("TS") || scenario.name.ends_with("fMP4") {
        parts.iter().for_each(|part| judge::ffmpeg_silent(part).check());
    }
    if scenario.disturbed == Disturbed::Not {
        let most = live.most_polls(0, scenario.target - Duration::from_millis(20));
        ensure!(most <= 2, "{most} loads in a target duration");
    }
    ensure!(memory < MOST_MEMORY, "{memory} bytes of memory");
    let whole = offered.len() - missing.len();
    let of = format!("{whole} of {} segments, {reported} reported as missing", offered.len());
    let disturbed = match (done, early) {
        (0, _) => String::new(),
        (_, 0) => format!(", disturbed {done} times"),
        _ => format!(", disturbed {done} times, {early} of them before there was anything"),
    };
    fs::remove_dir_all(&folder)?;
    Ok(format!(
        "{of}, nothing twice, {} files{disturbed}, exit {code}, {:.1} MiB of memory",
        parts.len(),
        memory as f64 / f64::from(1 << 20)
    ))
}

/// A film has the pictures of all that was offered, and sound; returns how many.
fn same_pictures(film: &Path, live: &PublishedBroadcast, segments: usize, folder: &Path) -> Result<usize> {
    let names = fs::read_dir(folder)?.count();
    ensure!(names == 1, "{names} files in the folder of the film");
    let source = folder.join("source");
    fs::write(&source, live.bytes(0, 0, segments))?;
    let decoded = judge::Decoded::of(film, true, 1)?.zip(judge::Decoded::of(&source, true, 0)?);
    let (made, source) = decoded.context("no ffmpeg")?;
    ensure!(made.warnings.is_empty(), "{}", made.warnings);
    let same = made.pictures == source.pictures && made.sounds.iter().all(|sound| !sound.is_empty());
    ensure!(same, "{} pictures, {} in the stream", made.pictures.len(), source.pictures.len());
    Ok(made.pictures.len())
}

/// How it ended, where it has by then; and the most memory it had.
fn watched(child: &mut Child, until: Instant, memory: &mut u64) -> Result<Option<std::process::ExitStatus>> {
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        *memory = (*memory).max(peak(child.id()).unwrap_or(0));
        sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
    }
    Ok(None)
}

/// The most memory that a process had, where the system tells.
fn peak(id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// The parts of a recording, in order.
fn parts(output: &Path) -> Result<Vec<PathBuf>> {
    let extension = output.extension().and_then(|e| e.to_str()).context("no extension")?;
    let others = (2..).map(|n| output.with_extension(format!("{n}.{extension}")));
    Ok(std::iter::once(output.to_path_buf()).chain(others).take_while(|part| part.exists()).collect())
}

/// Which of the segments are in none of the parts; all others are there, each once, in order, and nothing else is.
fn missing(parts: &[PathBuf], offered: &[&Offer]) -> Result<BTreeSet<usize>> {
    let (mut missing, mut next) = (BTreeSet::new(), 0);
    for part in parts {
        let bytes = fs::read(part)?;
        let mut rest = &bytes[..];
        let init = offered.first().and_then(|offer| offer.init()).unwrap_or_default();
        rest = rest.strip_prefix(&init[..]).with_context(|| format!("{}: no section", part.display()))?;
        while !rest.is_empty() {
            let found = offered.iter().skip(next).position(|offer| rest.starts_with(&offer.bytes()));
            let Some(skipped) = found else {
                bail!("{}: {} bytes that were not offered behind {next}", part.display(), rest.len());
            };
            missing.extend(offered[next..next + skipped].iter().map(|offer| offer.index));
            next += skipped;
            rest = &rest[offered[next].bytes().len()..];
            next += 1;
        }
    }
    missing.extend(offered[next..].iter().map(|offer| offer.index));
    Ok(missing)
}

/// How many segments are reported as missing from a part, or before it.
fn reported(part: &Path) -> Result<u64> {
    let mut report = part.as_os_str().to_owned();
    report.push(".gaps.json");
    let Ok(text) = fs::read_to_string(report) else { return Ok(0) };
    let report: serde_json::Value = serde_json::from_str(&text)?;
    let missing = report["missing"].as_array().context("no list of what is missing")?;
    Ok(missing.iter().filter_map(|gap| gap["count"].as_u64()).sum())
}

fn folder(name: &str) -> Result<PathBuf> {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let folder = workspace::target()?.join("soak").join(plain);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self { minutes: 10, disturbances: 50, seed: RandomState::new().hash_one(0) >> 32 };
        for pair in args.chunks(2) {
            let [flag, value] = pair else { bail!("{}: a number is missing", pair[0]) };
            let number: u64 = value.parse().with_context(|| format!("{flag} {value}"))?;
            match flag.as_str() {
                "--minutes" => options.minutes = number.max(3),
                "--disturbances" => options.disturbances = u32::try_from(number)?,
                "--seed" => options.seed = number,
                _ => bail!("no such option: {flag}"),
            }
        }
        Ok(options)
    }
}

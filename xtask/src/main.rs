//! Automation of the workspace: `cargo xtask`.

mod adr;
#[cfg(unix)]
mod bare;
mod bench;
mod calendar;
mod check;
mod ci;
#[cfg(target_os = "linux")]
mod crash;
mod damage;
mod demo;
mod dice;
#[cfg(target_os = "linux")]
mod disk;
mod docs;
mod download;
mod examples;
mod fixture;
mod fuzz;
mod hostile;
mod kill;
mod origin;
#[cfg(target_os = "linux")]
mod power;
mod producers;
mod release;
mod sim;
mod soak;
mod streams;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  test [ARGS]   every test of the workspace, doctests included; ARGS go to cargo test
  check CRATE   one crate: fmt, clippy, tests
  docs [--open] documentation of the code; docs/cli.md from the program
  adr TITLE     begin the record of a decision
  tidy          prove the layers and the house rules
  ci            what .ci/run runs, once everything is installed: fmt, clippy, doc, tidy, deny, test, bare,
                examples, features, web, rehearsal, crash, damage, disk, streams, hostile, fuzz, sim
  bare          tests that use programs of others, with a search path that leads to none of them
  demo          download an encrypted stream, be killed half way, go on, verify
  examples      what docs/embedding.md leads to: run, and held to what it should do
  kill [--runs N] [--connections N] [--seed N] [--shapes 1] [--film 1]
                kill downloads at random moments, verify, count the bytes fetched twice
  crash [--most N] [--doubles N] [--seed N]
                kill downloads, and make them fail, at each system call that touches a file; run them again
                (Linux, with strace)
  damage [--runs N] [--seed N]
                damage files of unfinished downloads at random, run them again
  disk          full, read-only and failing disks; exit codes, and going on (Linux, with unshare, prlimit, strace)
  power [--syncs N] [--random N] [--seed N]
                cut the power behind each sync of a download and at random, go on (Linux, root, strace)
  fixture FORMAT
                keep an unfinished job of this version for the tests of later ones
  bench parse   speed and memory of reading playlists, beside m3u8-rs
  fuzz parse [--runs N] [--seconds S] [--seed X]
                read mutated playlists: no panic, no hang, bounded memory
  origin live [--content ts|fmp4|real-ts|real-fmp4|real-audio] [--segment 2s] [--window 6] [--fault FAULT]...
                a live stream on this machine, with faults at times you say: docs/live-origin.md lists them
  sim [--seeds N]
                the planner against networks in virtual time: how fast, how polite, beside every fixed -j
  sim --live [--seeds N] [--hours N]
                days of live streams in which everything goes wrong: what is had, held against what was to be had
  soak [--minutes N] [--disturbances N] [--seed N]
                record streams in real time, side by side: left alone, through outages, told to end, killed
  streams [--seeds N] [--from N] [--program PATH]
                streams drawn at random, downloaded to each kind of output, compared with what they show (with ffmpeg)
  hostile [--seeds N] [--from N] [--only PATTERN] [--program PATH]
                servers that lie, careless ones, and bad luck: right bytes, a warning, or another exit code
  producers [--program PATH] [--only PATTERN] [--keep DIR]
                streams made by ffmpeg, GStreamer, Shaka Packager and nginx-rtmp, downloaded to each kind of output, compared
                with what was packaged, and played by mpv, GStreamer, MediaInfo and Chromium
  release plan  what has changed since the tags, the bumps it asks for, the order of publishing
  release bump [--execute]
                versions, floors and changelogs as the plan says
  release verify
                all that has to hold before anything is published; takes half an hour
  release publish [--registry NAME] [--index URL] [--owner LOGIN] [--no-verify] [--execute]
                uploads what is not there, in order, once every name is known to be ours or free; tags
  release rehearse
                all of that against a registry on this machine; then a fresh project for each crate (Linux)
  release alone
                each crate with each feature alone, for wasm32, and with the oldest compiler it promises
  release dist [--target TARGET]
                static program, tarball, Debian package, sums, in target/dist
  release interfaces
                the types of other crates in our interfaces are those of docs/external-types.md
  release home --url URL [--execute]
                writes where the crates come from into manifests and front pages, once that is settled
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (command, rest) = args.split_first().map_or(("help", &[][..]), |(c, rest)| (c.as_str(), rest));
    match (command, rest) {
        ("test", rest) => test::run(rest),
        ("tidy", []) => tidy::run(),
        ("ci", []) => ci::run().map(|unchecked| ci::tell(&unchecked)),
        ("check", [name]) => check::run(name),
        ("docs", rest) => docs::run(rest),
        ("adr", [title]) => adr::run(title),
        #[cfg(unix)]
        ("bare", []) => bare::run(),
        ("demo", []) => demo::run(),
        ("examples", []) => examples::run(),
        ("kill", rest) => kill::run(rest),
        #[cfg(target_os = "linux")]
        ("crash", rest) => crash::run(rest),
        ("damage", rest) => damage::run(rest),
        #[cfg(target_os = "linux")]
        ("disk", rest) => disk::run(rest),
        #[cfg(target_os = "linux")]
        ("power", rest) => power::run(rest),
        ("fixture", rest) => fixture::run(rest),
        ("bench", [what]) if what == "parse" => bench::parse(),
        ("fuzz", [what, rest @ ..]) if what == "parse" => fuzz::parse(rest),
        ("origin", rest) => origin::run(rest),
        ("sim", rest) => sim::run(rest),
        ("soak", rest) => soak::run(rest),
        ("producers", rest) => producers::run(rest),
        ("streams", rest) => streams::run(rest),
        ("hostile", rest) => hostile::run(rest),
        ("release", rest) => release::run(rest),
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("no such command: {}\n\n{}", args.join(" "), HELP.trim_end()),
    }
}

//! `cargo xtask sim --live`: a line for each stream, and what they all come to.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::live::{Day, Hands, day};

pub(crate) fn run(args: &[String]) -> ExitCode {
    let (mut seeds, mut hours, mut first) = (200, 24, 0);
    for pair in args.chunks(2) {
        let number = pair.get(1).and_then(|text| text.parse::<u64>().ok());
        match (pair.first().map(String::as_str), number) {
            (Some("--seeds"), Some(number)) => seeds = number,
            (Some("--hours"), Some(number @ 1..=1000)) => hours = number,
            (Some("--from"), Some(number)) => first = number,
            _ => {
                eprintln!("sim --live [--seeds N] [--hours N] [--from SEED]");
                return ExitCode::FAILURE;
            }
        }
    }
    let begun = Instant::now();
    let days = all(first..first + seeds, Duration::from_secs(3600 * hours));
    let sum = |of: fn(&Day) -> u64| days.iter().flatten().map(of).sum::<u64>();
    let failed = days.iter().filter(|day| day.as_ref().is_none_or(|day| !day.wrong.is_empty())).count();
    println!(
        "{seeds} streams of {hours} h: {} segments told of, {} owed, {} had, {} named as lost, {} looks; {failed} streams went wrong; {:.0} s",
        sum(|day| day.told as u64),
        sum(|day| day.owed as u64),
        sum(|day| day.had as u64),
        sum(|day| day.named),
        sum(|day| day.looks as u64),
        begun.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of each seed; `None` where it could not be followed.
fn all(seeds: std::ops::Range<u64>, lasts: Duration) -> Vec<Option<Day>> {
    let (next, days) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let day = day(seed, lasts, Hands::STEADY).map_err(|why| println!("{why}")).ok();
        day.iter().for_each(|day| tell(seed, day));
        days.lock().unwrap_or_else(PoisonError::into_inner).push(day);
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    days.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn tell(seed: u64, day: &Day) {
    let verdict = if day.wrong.is_empty() { "ok" } else { "WRONG" };
    println!(
        "seed {seed:>4}: told of {:>6}, owed {:>6}, had {:>6}, named {:>5}, looks {:>6}  {verdict}",
        day.told, day.owed, day.had, day.named, day.looks
    );
    if !day.wrong.is_empty() {
        println!("  {}\n  {}", day.wrong.join("; "), day.what);
    }
}

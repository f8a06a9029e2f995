//! Reads mutated playlists, and everything that can be asked of them: no panic, no hang, bounded memory.
//!
//! `cargo xtask fuzz parse --runs N [--seconds S] [--seed X]`. An input that fails is written to a file, which is
//! named. What makes the reader say something new is kept, and mutated on.

mod look;
mod mutate;
mod random;
mod seeds;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use random::Random;

/// An input takes microseconds; one that takes this long would stall a program that waits for it.
const SLOW: Duration = Duration::from_millis(500);
/// One that takes this long never ends.
const HANG: Duration = Duration::from_secs(20);
/// All that the process ever holds; inputs are small, and so is what may be made of one.
const MEMORY_AT_MOST: u64 = 512 << 20;
/// A long run says how far it is.
const REPORT_EACH: u64 = 1_000_000;
/// Kept inputs beyond this replace others.
const POOL: usize = 20_000;

struct Settings {
    runs: u64,
    seconds: Option<u64>,
    seed: u64,
    findings: PathBuf,
}

fn main() -> ExitCode {
    let settings = match Settings::read(env::args().skip(1)) {
        Ok(settings) => settings,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    run(&settings)
}

impl Settings {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = now.map_or(1, |time| time.as_nanos() as u64 >> 10);
        let mut settings = Self { runs: u64::MAX, seconds: None, seed, findings: env::temp_dir() };
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag}: a value is missing"))?;
            let number = || value.parse::<u64>().map_err(|e| format!("{flag} {value}: {e}"));
            match flag.as_str() {
                "--runs" => settings.runs = number()?,
                "--seconds" => settings.seconds = Some(number()?),
                "--seed" => settings.seed = number()?,
                "--findings" => settings.findings = value.into(),
                _ => return Err(format!("no such option: {flag}")),
            }
        }
        if settings.runs == u64::MAX && settings.seconds.is_none() {
            settings.runs = 1_000_000;
        }
        Ok(settings)
    }
}

#[derive(Default)]
struct Tally {
    inputs: u64,
    bytes: u64,
    playlists: u64,
    panics: u64,
    slow: u64,
    slowest: Duration,
}

fn run(settings: &Settings) -> ExitCode {
    let mut pool = seeds::all();
    println!("{} seeds, --seed {}", pool.len(), settings.seed);
    // The findings tell where it panicked; a run that finds many must not drown in them.
    std::panic::set_hook(Box::new(|_| {}));
    let watch = Watch::start(&settings.findings);
    let mut random = Random(settings.seed);
    let mut known = HashSet::new();
    let mut tally = Tally::default();
    let seeds = pool.len();
    let start = Instant::now();
    let limit = settings.seconds.map(Duration::from_secs);
    while tally.inputs < settings.runs && limit.is_none_or(|limit| start.elapsed() < limit) {
        let (a, b) = (random.below(pool.len()), random.below(pool.len()));
        let (Some(seed), Some(other)) = (pool.get(a), pool.get(b)) else { break };
        let input = mutate::mutant(&mut random, seed, other);
        watch.begin(&input);
        let began = Instant::now();
        let seen = catch_unwind(AssertUnwindSafe(|| look::at(&input, tally.inputs)));
        let took = began.elapsed();
        watch.end();
        tally.inputs += 1;
        tally.bytes += input.len() as u64;
        tally.slowest = tally.slowest.max(took);
        if took > SLOW {
            tally.slow += 1;
            report("slow", &input, &settings.findings, &format!("{took:?}"));
        }
        match seen {
            Ok(seen) => {
                tally.playlists += u64::from(seen.is_playlist);
                if known.insert(seen.signature) {
                    if pool.len() < POOL {
                        pool.push(input);
                    } else if let Some(old) = pool.get_mut(seeds + random.below(POOL - seeds)) {
                        *old = input;
                    }
                }
            }
            Err(panic) => {
                tally.panics += 1;
                let message = panic.downcast_ref::<String>().map(String::as_str);
                let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
                report("panic", &input, &settings.findings, message.unwrap_or("a panic"));
            }
        }
        if tally.inputs % REPORT_EACH == 0 {
            println!("{} inputs, {:.0} s", tally.inputs, start.elapsed().as_secs_f64());
        }
        if tally.panics + tally.slow >= 50 {
            println!("enough");
            break;
        }
    }
    tell(&tally, known.len(), start.elapsed())
}

fn tell(tally: &Tally, signatures: usize, elapsed: Duration) -> ExitCode {
    let seconds = elapsed.as_secs_f64();
    println!(
        "{} inputs in {seconds:.1} s, {:.0} a second, {:.1} MB/s; {:.1} % were playlists, {signatures} behaviours",
        tally.inputs,
        tally.inputs as f64 / seconds,
        tally.bytes as f64 / 1e6 / seconds,
        tally.playlists as f64 * 100.0 / tally.inputs.max(1) as f64,
    );
    println!("{} panics, {} slow, slowest {:?}", tally.panics, tally.slow, tally.slowest);
    let mut is_good = tally.panics + tally.slow == 0;
    match peak() {
        Some(peak) => {
            println!("peak memory {:.1} MB (at most {} MB)", peak as f64 / 1e6, MEMORY_AT_MOST / 1_000_000);
            is_good &= peak <= MEMORY_AT_MOST;
        }
        None => println!("peak memory is not known on this system"),
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Writes an input that failed to a file, and names it.
fn report(what: &str, input: &[u8], findings: &Path, message: &str) {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = findings.join(format!("{what}-{hash:016x}.m3u8"));
    match fs::create_dir_all(findings).and_then(|()| fs::write(&path, input)) {
        Ok(()) => println!("{what}: {message}: {}", path.display()),
        Err(error) => println!("{what}: {message}; {} can't be written: {error}", path.display()),
    }
}

/// Ends the process where an input never does.
struct Watch {
    input: Arc<Mutex<Vec<u8>>>,
    number: Arc<AtomicU64>,
    is_busy: Arc<AtomicBool>,
}

impl Watch {
    fn start(findings: &Path) -> Self {
        let watch = Self { input: Arc::default(), number: Arc::default(), is_busy: Arc::default() };
        let (input, number) = (Arc::clone(&watch.input), Arc::clone(&watch.number));
        let (is_busy, findings) = (Arc::clone(&watch.is_busy), findings.to_owned());
        thread::spawn(move || {
            loop {
                let before = number.load(Ordering::Acquire);
                thread::sleep(HANG);
                if is_busy.load(Ordering::Acquire) && number.load(Ordering::Acquire) == before {
                    let input = input.lock().unwrap_or_else(PoisonError::into_inner);
                    report("hang", &input, &findings, &format!("more than {HANG:?}"));
                    std::process::exit(1);
                }
            }
        });
        watch
    }

    fn begin(&self, input: &[u8]) {
        input.clone_into(&mut self.input.lock().unwrap_or_else(PoisonError::into_inner));
        self.number.fetch_add(1, Ordering::AcqRel);
        self.is_busy.store(true, Ordering::Release);
    }

    fn end(&self) {
        self.is_busy.store(false, Ordering::Release);
    }
}

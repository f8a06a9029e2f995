//! `cargo xtask hostile`: servers that lie, careless ones, and bad luck, against the program.
//!
//! Each row of [`recipes::TABLE`] is one kind of misfortune; a seed decides all values of a try. Whatever happens, the law is the same: exit 0
//! only with exactly the right bytes, or with those that the server has no others for and a warning; else another documented exit
//! code. No panic, no signal, a bounded number of requests, little memory, and an end in time.

mod bytes;
mod case;
mod recipes;
mod run;
mod show;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::recipes::{Recipe, TABLE};
use self::run::Try;
use crate::dice::Dice;
use crate::{download, workspace};

/// Most of a try is waiting for a server.
const WORKERS: usize = 3;

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    Right,
    /// The server has no other bytes, and a warning tells of it.
    Kept,
    /// The end of a documented exit code, without an output that could be taken for right.
    Refused(String),
    Wrong(String),
}

struct Options {
    seeds: u64,
    from: u64,
    only: String,
    program: Option<PathBuf>,
}

#[derive(Default)]
struct Tally {
    /// Right, kept, refused and wrong of each recipe.
    ends: BTreeMap<&'static str, [u64; 4]>,
    seconds: BTreeMap<&'static str, f64>,
    codes: BTreeMap<(&'static str, String), u64>,
    wrong: u64,
    /// Those of rows that are open.
    open: u64,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let is_exact = TABLE.iter().any(|recipe| recipe.name == options.only);
    let is_meant = |name: &str| if is_exact { name == options.only } else { name.contains(&options.only) };
    let rows = TABLE.iter().filter(|recipe| is_meant(recipe.name)).collect::<Vec<_>>();
    ensure!(!rows.is_empty(), "no recipe has {} in its name", options.only);
    let program = options.program.clone().map_or_else(download::build, Ok)?;
    let program = program.canonicalize().with_context(|| program.display().to_string())?;
    let folder = workspace::target()?.join("hostile").join(std::process::id().to_string());
    let start = Instant::now();
    // One try of each row, then the next of each: a few seeds are a sample of all.
    let tries =
        (options.from..options.from + options.seeds).map(|seed| (seed, rows[seed as usize % rows.len()]));
    let tries = tries.collect::<Vec<_>>();
    let ground = Ground { program: &program, folder: &folder, tries: &tries, tally: Mutex::default() };
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers = (0..WORKERS).map(|worker| {
            let (ground, next) = (&ground, &next);
            scope.spawn(move || ground.work(worker, next))
        });
        let workers = workers.collect::<Vec<_>>();
        workers.into_iter().try_for_each(|worker| worker.join().ok().context("a worker has panicked")?)
    })?;
    let tally = ground.tally.into_inner().ok().context("a worker has panicked")?;
    println!("recipe                tries right  kept refused wrong     s");
    for (name, [right, kept, refused, wrong]) in &tally.ends {
        let codes = tally.codes.iter().filter(|((of, _), _)| of == name);
        let codes = codes.map(|((_, code), n)| format!("{code}: {n}")).collect::<Vec<_>>().join(", ");
        let all = right + kept + refused + wrong;
        let seconds = tally.seconds.get(name).copied().unwrap_or(0.0) / all as f64;
        println!("{name:21} {all:5} {right:5} {kept:5} {refused:7} {wrong:5} {seconds:5.1}  {codes}");
    }
    ensure!(tally.wrong == 0, "{} of {} tries broke the law", tally.wrong, tries.len());
    let (open, seconds) = (tally.open, start.elapsed().as_secs_f64());
    println!("{} tries, {open} of open rows broke the law, and no others, {seconds:.0} s", tries.len());
    fs::remove_dir_all(&folder)?;
    Ok(())
}

struct Ground<'a> {
    program: &'a Path,
    folder: &'a Path,
    tries: &'a [(u64, &'a Recipe)],
    tally: Mutex<Tally>,
}

impl Ground<'_> {
    /// Takes one try after the other.
    fn work(&self, worker: usize, next: &AtomicUsize) -> Result<()> {
        let folder = self.folder.join(worker.to_string());
        while let Some((seed, recipe)) = self.tries.get(next.fetch_add(1, Ordering::Relaxed)) {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
            let dice = Dice::new(seed.wrapping_mul(0x9e37_79b9) ^ recipe.name.len() as u64);
            let mut t = Try { dice, program: self.program, folder: folder.clone(), values: Vec::new() };
            let begin = Instant::now();
            let verdict = (recipe.play)(&mut t).with_context(|| {
                format!("{} --from {seed}: the try itself failed: {}", recipe.name, t.values.join("; "))
            })?;
            self.count(*seed, recipe, &t, verdict, begin.elapsed().as_secs_f64())?;
        }
        Ok(())
    }

    fn count(&self, seed: u64, recipe: &Recipe, t: &Try<'_>, verdict: Verdict, seconds: f64) -> Result<()> {
        let mut tally = self.tally.lock().ok().context("a worker has panicked")?;
        *tally.seconds.entry(recipe.name).or_default() += seconds;
        let column = match verdict {
            Verdict::Right => 0,
            Verdict::Kept => 1,
            Verdict::Refused(code) => {
                *tally.codes.entry((recipe.name, code)).or_default() += 1;
                2
            }
            Verdict::Wrong(why) => {
                let open = if recipe.is_open { " (open)" } else { "" };
                println!("{}{open}: {why}", recipe.about);
                println!("    cargo xtask hostile --only {} --from {seed} --seeds 1", recipe.name);
                println!("    {}", t.values.join("; "));
                tally.wrong += u64::from(!recipe.is_open);
                tally.open += u64::from(recipe.is_open);
                3
            }
        };
        tally.ends.entry(recipe.name).or_default()[column] += 1;
        Ok(())
    }
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self { seeds: 200, from: 0, only: String::new(), program: None };
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name == "--seeds" => options.seeds = value.parse()?,
                [name, value] if name == "--from" => options.from = value.parse()?,
                [name, value] if name == "--only" => options.only.clone_from(value),
                [name, value] if name == "--program" => options.program = Some(value.into()),
                _ => bail!(
                    "usage: cargo xtask hostile [--seeds N] [--from N] [--only PATTERN] [--program PATH]"
                ),
            }
        }
        Ok(options)
    }
}

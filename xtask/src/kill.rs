//! `cargo xtask kill`: downloads killed at random moments, and what that costs.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Origin, Published, Vod, judge};

use crate::dice::Dice;
use crate::download::{self, Download};
use crate::workspace;

/// More than this, on average, is not resuming.
const TWICE_AT_MOST: f64 = 0.05;
/// How long bytes may live in memory alone, so that a kill costs what they are.
const IN_MEMORY: Duration = Duration::from_secs(2);

struct Options {
    runs: u32,
    connections: u32,
    seed: u64,
    shapes: bool,
    film: bool,
}

/// A stream and how it is fetched.
struct Shape {
    name: &'static str,
    origin: Origin,
    published: Published,
    connections: u32,
    /// Bytes per second of all connections together.
    rate: u64,
}

impl Shape {
    fn new(name: &'static str, vod: &Vod, connections: u32, rate: u64) -> Self {
        // A small send buffer, or what the kernel holds for a dead reader would count as fetched.
        let per_connection = rate / u64::from(connections);
        let origin = Origin::builder().rate_per_connection(per_connection).send_buffer(64 << 10).start();
        let published = vod.publish(&origin);
        Self { name, origin, published, connections, rate }
    }

    fn segment_bytes(&self) -> u64 {
        let is_segment = |path: &str| path != self.published.playlist_path;
        self.origin.requests().iter().filter(|r| is_segment(&r.path)).map(|r| r.body_bytes_sent).sum()
    }
}

/// What may wait in memory for its turn, and be under way, when a process is killed.
const WAITING: u64 = 32 << 20;

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let program = download::build()?;
    if options.film {
        return in_the_making(&options, &program);
    }
    let output = workspace::target()?.join("kill").join("out.ts");
    let shapes = match options.shapes {
        false => vec![Shape::new(
            "200 segments of 1.5 MiB",
            &Vod::synthetic(200, 3 << 19),
            options.connections,
            u64::from(options.connections) * (8 << 20),
        )],
        true => [(1, false), (16, false), (1, true), (16, true)]
            .into_iter()
            .flat_map(|(connections, encrypted)| {
                let vod = |vod: Vod| if encrypted { vod.aes128([7; 16]) } else { vod };
                [
                    Shape::new("many", &vod(Vod::synthetic(400, 60 << 10)), connections, 24 << 20),
                    Shape::new("large", &vod(Vod::synthetic(5, 8 << 20)), connections, 16 << 20),
                ]
            })
            .collect(),
    };

    println!("{} runs, --seed {}", options.runs, options.seed);
    let mut twice = Vec::new();
    // What is fetched twice, over what two seconds of transfer bring.
    let mut of_bound = Vec::new();
    for n in 0..options.runs {
        let shape = &shapes[n as usize % shapes.len()];
        let Shape { origin, published, connections, .. } = shape;
        let (url, connections) = (published.url.as_str(), *connections);
        let download = Download { program: &program, url, output: &output, connections, quiet: true };
        let total = published.expected.len() as f64;
        download.clear()?;
        origin.reset_log();
        let moment = Dice::new(options.seed.wrapping_add(u64::from(n))).fraction();
        let start = Instant::now();
        let killed = download.start_and_kill(|| origin.body_bytes_sent() as f64 >= moment * total)?;
        let first = start.elapsed();
        // What is on its way when the process dies is still sent until the reset arrives.
        origin.wait_until(Duration::from_secs(5), |o| o.in_flight() == 0);
        let before = shape.segment_bytes();

        let start = Instant::now();
        if killed {
            let status = download.run()?;
            ensure!(status.success(), "run {n}: the second run ended with {status}; --seed {}", options.seed);
        }
        let second = start.elapsed();
        download.verify(&published.sha256).with_context(|| format!("run {n}; --seed {}", options.seed))?;
        let cost = shape.segment_bytes() as f64 / total - 1.0;
        println!(
            "run {n:3}: {}, -j {connections}: killed at {:5.1} % ({:.2} s), then {:.2} s; fetched {:.1} MB before, {:5.2} % twice",
            shape.name,
            moment * 100.0,
            first.as_secs_f64(),
            second.as_secs_f64(),
            before as f64 / 1e6,
            cost * 100.0
        );
        twice.push(cost);
        of_bound.push(cost * total / (shape.rate as f64 * IN_MEMORY.as_secs_f64()));
        if n + 1 == options.runs {
            download.clear()?;
        }
    }
    twice.sort_by(f64::total_cmp);
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    println!(
        "{} runs, all byte-exact; fetched twice: mean {:.2} %, median {:.2} %, most {:.2} %; mean {:.2} of what {} s bring",
        twice.len(),
        mean(&twice) * 100.0,
        twice[twice.len() / 2] * 100.0,
        twice[twice.len() - 1] * 100.0,
        mean(&of_bound),
        IN_MEMORY.as_secs(),
    );
    ensure!(mean(&of_bound) <= 1.0, "more fetched twice than {} s bring", IN_MEMORY.as_secs());
    let is_small = options.shapes || mean(&twice) <= TWICE_AT_MOST;
    ensure!(is_small, "more than {:.0} % fetched twice on average", TWICE_AT_MOST * 100.0);
    Ok(())
}

/// Kills where one MP4 is made: piece by piece as segments come, or of whole tracks at the end. The next run makes the same
/// file of what is here.
fn in_the_making(options: &Options, program: &Path) -> Result<()> {
    let output = workspace::target()?.join("kill").join("film.mp4");
    let shape = |prefix: &str, vod: Vod| {
        let origin = Origin::builder().start();
        let published = vod.prefix(prefix).publish(&origin);
        (origin, published)
    };
    // Cut elsewhere, segments are not whole by themselves.
    let shapes = [shape("/pieces", Vod::looped(800)), shape("/tracks", Vod::looped(800).cut_later(3))];
    let mut wholes = Vec::new();
    let download =
        |url| Download { program, url, output: &output, connections: options.connections, quiet: true };
    for (_, published) in &shapes {
        let download = download(published.url.as_str());
        download.clear()?;
        ensure!(download.run()?.success(), "a download without any kill failed");
        judge::ffmpeg_silent(&output).check();
        wholes.push((judge::sha256_file(&output)?, std::fs::metadata(&output)?.len()));
    }
    println!("{} runs, one MP4 of {:.0} MB, --seed {}", options.runs, wholes[0].1 as f64 / 1e6, options.seed);
    let mut reached = 0;
    for n in 0..options.runs {
        let kind = n as usize % shapes.len();
        let (origin, published) = &shapes[kind];
        let (sha256, size) = &wholes[kind];
        let download = download(published.url.as_str());
        download.clear()?;
        origin.reset_log();
        // Tracks begin as pieces, and where that ends is no matter of this.
        let moment = 0.05 + 0.95 * Dice::new(options.seed.wrapping_add(u64::from(n))).fraction();
        let [part, folder] = download.companions();
        let is_begun = || kind == 0 || folder.join("track-0.ts").exists();
        let is_long =
            || std::fs::metadata(&part).is_ok_and(|meta| meta.len() as f64 >= moment * *size as f64);
        let grown = || is_begun() && is_long();
        let killed = download.start_and_kill(grown)?;
        origin.wait_until(Duration::from_secs(5), |o| o.in_flight() == 0);
        let mut again = 0;
        if killed && !output.exists() {
            reached += 1;
            let fetched = |origin: &Origin| {
                let requests = origin.requests();
                let of_segments = requests.iter().filter(|r| r.path != published.playlist_path);
                of_segments.map(|r| r.body_bytes_sent).sum::<u64>()
            };
            let before = fetched(origin);
            let status = download.run()?;
            ensure!(status.success(), "run {n}: the second run ended with {status}; --seed {}", options.seed);
            let after = fetched(origin);
            again = match kind {
                0 => after.saturating_sub(published.expected.len() as u64),
                _ => after - before,
            };
            let most = if kind == 0 { WAITING } else { 0 };
            ensure!(again <= most, "run {n}: {again} bytes were fetched again; --seed {}", options.seed);
        }
        download.verify(sha256).with_context(|| format!("run {n}; --seed {}", options.seed))?;
        let kind = ["in pieces", "of tracks"][kind];
        println!(
            "run {n:3}: {kind}, killed at {:5.1} %; {:.2} MB fetched again",
            moment * 100.0,
            again as f64 / 1e6
        );
    }
    download("").clear()?;
    println!(
        "{reached} of {} runs killed in the making; each next run made the same file of what was here",
        options.runs
    );
    ensure!(2 * reached >= options.runs, "too few were killed in the making");
    Ok(())
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self {
            runs: 10,
            connections: 8,
            seed: RandomState::new().hash_one(0) >> 32,
            shapes: false,
            film: false,
        };
        for pair in args.chunks(2) {
            let [flag, value] = pair else { bail!("{}: a number is missing", pair[0]) };
            let number: u64 = value.parse().with_context(|| format!("{flag} {value}"))?;
            match flag.as_str() {
                "--runs" => options.runs = u32::try_from(number)?.max(1),
                "--connections" => options.connections = u32::try_from(number)?.max(1),
                "--seed" => options.seed = number,
                "--shapes" => options.shapes = number > 0,
                "--film" => options.film = number > 0,
                _ => bail!("no such option: {flag}"),
            }
        }
        Ok(options)
    }
}

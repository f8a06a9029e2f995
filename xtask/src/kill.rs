//! `cargo xtask kill`: downloads killed at random moments, and what that costs.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Origin, Published, Vod};

use crate::dice::Dice;
use crate::download::{self, Download};
use crate::workspace;

const SEGMENTS: usize = 200;
const SEGMENT_BYTES: usize = 3 << 19;
const RATE: u64 = 8 << 20;
/// More than this, on average, is not resuming.
const TWICE_AT_MOST: f64 = 0.05;

struct Options {
    runs: u32,
    connections: u32,
    seed: u64,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::read(args)?;
    let program = download::build()?;
    let output = workspace::target()?.join("kill").join("out.ts");
    // A small send buffer, or what the kernel holds for a dead reader would count as fetched.
    let origin = Origin::builder().rate_per_connection(RATE).send_buffer(64 << 10).start();
    let published = Vod::synthetic(SEGMENTS, SEGMENT_BYTES).publish(&origin);
    let connections = options.connections;
    let download =
        Download { program: &program, url: &published.url, output: &output, connections, quiet: true };

    println!("{} runs, -j {connections}, --seed {}", options.runs, options.seed);
    let total = published.expected.len() as f64;
    let mut twice = Vec::new();
    for n in 0..options.runs {
        download.clear()?;
        origin.reset_log();
        let moment = Dice::new(options.seed.wrapping_add(u64::from(n))).fraction();
        let start = Instant::now();
        let killed = download.start_and_kill(|| origin.body_bytes_sent() as f64 >= moment * total)?;
        let first = start.elapsed();
        // What is on its way when the process dies is still sent until the reset arrives.
        origin.wait_until(Duration::from_secs(5), |o| o.in_flight() == 0);
        let before = segment_bytes(&origin, &published);

        let start = Instant::now();
        if killed {
            let status = download.run()?;
            ensure!(status.success(), "run {n}: the second run ended with {status}; --seed {}", options.seed);
        }
        let second = start.elapsed();
        download.verify(&published.sha256).with_context(|| format!("run {n}; --seed {}", options.seed))?;
        let cost = segment_bytes(&origin, &published) as f64 / total - 1.0;
        println!(
            "run {n:3}: killed at {:5.1} % ({:.2} s), then {:.2} s; fetched {:.1} MB before, {:5.2} % twice",
            moment * 100.0,
            first.as_secs_f64(),
            second.as_secs_f64(),
            before as f64 / 1e6,
            cost * 100.0
        );
        twice.push(cost);
    }
    download.clear()?;
    twice.sort_by(f64::total_cmp);
    let mean = twice.iter().sum::<f64>() / twice.len() as f64;
    println!(
        "{} runs, all byte-exact; fetched twice: mean {:.2} %, median {:.2} %, most {:.2} %",
        twice.len(),
        mean * 100.0,
        twice[twice.len() / 2] * 100.0,
        twice[twice.len() - 1] * 100.0
    );
    ensure!(mean <= TWICE_AT_MOST, "more than {:.0} % fetched twice on average", TWICE_AT_MOST * 100.0);
    Ok(())
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self { runs: 10, connections: 8, seed: RandomState::new().hash_one(0) >> 32 };
        for pair in args.chunks(2) {
            let [flag, value] = pair else { bail!("{}: a number is missing", pair[0]) };
            let number: u64 = value.parse().with_context(|| format!("{flag} {value}"))?;
            match flag.as_str() {
                "--runs" => options.runs = u32::try_from(number)?.max(1),
                "--connections" => options.connections = u32::try_from(number)?.max(1),
                "--seed" => options.seed = number,
                _ => bail!("no such option: {flag}"),
            }
        }
        Ok(options)
    }
}

fn segment_bytes(origin: &Origin, published: &Published) -> u64 {
    let is_segment = |path: &str| path != published.playlist_path;
    origin.requests().iter().filter(|r| is_segment(&r.path)).map(|r| r.body_bytes_sent).sum()
}

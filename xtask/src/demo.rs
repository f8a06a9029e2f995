//! `cargo xtask demo`: a download that is killed half way, and ends right.

use std::io::{IsTerminal as _, stderr};
use std::time::Instant;

use anyhow::{Result, ensure};
use hls_testkit::judge::{self, Verdict};
use hls_testkit::{Iv, Origin, Vod};

use crate::download::{self, Download};
use crate::workspace;

const CONNECTIONS: u32 = 4;
const SECONDS: u64 = 12;

pub(crate) fn run() -> Result<()> {
    let program = download::build()?;
    let output = workspace::target()?.join("demo").join("hls-demo.ts");

    // Each round begins a little behind the end of the one before it.
    let rounds = (1..40).fold(Vod::looped(40), |vod, round| vod.discontinuity_at(6 * round));
    let vod = rounds.aes128(*b"a key of 16 byte").iv(Iv::PerSegment);
    let total = vod.bytes();
    // What a connection may bring in a second, so that all of them need that many seconds for all of it.
    let rate = total / SECONDS / u64::from(CONNECTIONS);
    let origin = Origin::builder().latency(5).rate_per_connection(rate).send_buffer(64 << 10).start();
    let published = vod.publish(&origin);

    let url = published.url.as_str();
    let download =
        Download { program: &program, url, output: &output, connections: CONNECTIONS, quiet: false };
    download.clear()?;
    println!(
        "A stream of {} encrypted segments, {}, served by this machine.",
        published.segment_paths.len(),
        mib(total)
    );
    println!("\n$ hls get {url} -j {CONNECTIONS} -o {}", output.display());
    let start = Instant::now();
    let killed = download.start_and_kill(|| origin.body_bytes_sent() >= total / 2)?;
    ensure!(killed, "the download ended before it could be killed");
    ensure!(!output.exists(), "{} is there, and the download is not complete", output.display());
    let before = origin.body_bytes_sent();
    if stderr().is_terminal() {
        // The bar is where it was left.
        eprintln!();
    }
    println!("-- killed after {:.1} s, {} fetched", start.elapsed().as_secs_f64(), mib(before));

    println!("\n$ hls get {url} -j {CONNECTIONS} -o {}", output.display());
    let start = Instant::now();
    let status = download.run()?;
    let after = origin.body_bytes_sent() - before;
    ensure!(status.success(), "the second run failed: {status}");
    println!("-- complete after {:.1} s more, {} fetched", start.elapsed().as_secs_f64(), mib(after));

    download.verify(&published.sha256)?;
    println!("-- every byte is right: SHA-256 {}", published.sha256);
    match judge::ffmpeg_silent(&output) {
        Verdict::Fine => println!("-- ffmpeg decodes it without a word"),
        Verdict::Complaint(text) => println!("-- ffmpeg says: {text}"),
        Verdict::Skipped => {}
    }
    println!("-- play it: {}", output.display());
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

//! Measures how fast playlists are read, and what that takes: `cargo run --release -p hls-parse --example speed`.
//!
//! CPU time and peak memory come from `/proc`, so that the figures are for Linux.

use std::{fmt::Write as _, fs, hint::black_box};

use hls_parse::{Options, Playlist};
use url::Url;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = Url::parse("https://example.com/live/index.m3u8")?;
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("rich") {
        speed("rich", &rich(100_000, 100_000), &base)?;
    }
    if wanted("rotating") {
        speed("rotating", &rich(100_000, 1), &base)?;
    }
    if wanted("simple") {
        speed("simple", &simple(100_000), &base)?;
    }
    if wanted("parts") {
        speed("parts", &parts(40_000), &base)?;
    }
    if wanted("check") {
        let text = rich(100_000, 1);
        let begin = cpu_nanos()?;
        black_box(hls_parse::check(&text, &base, &Options::default()));
        let seconds = (cpu_nanos()? - begin) as f64 / 1e9;
        println!(
            "check: {:.1} MB in {seconds:.4} s, {:.0} MB/s",
            text.len() as f64 / 1e6,
            text.len() as f64 / 1e6 / seconds
        );
    }
    for (name, text) in [("keys", keys as fn(usize) -> String), ("stray", stray), ("dates", dates)] {
        if wanted(name) {
            // One run is too short for the clock.
            let (half, whole) = (mean(&text(40_000), &base)?, mean(&text(80_000), &base)?);
            println!(
                "{name}: 40,000 lines {half:.4} s, 80,000 lines {whole:.4} s, {:.2} times",
                whole / half
            );
        }
    }
    if wanted("million") {
        let seconds = cpu(&simple(1_000_000), &base)?;
        println!("million: {seconds:.2} s, peak {} with the text", peak()?);
    }
    Ok(())
}

fn speed(name: &str, text: &str, base: &Url) -> Result<(), Box<dyn std::error::Error>> {
    let mut runs: Vec<f64> = (0..15).map(|_| cpu(text, base)).collect::<Result<_, _>>()?;
    runs.sort_by(f64::total_cmp);
    let median = runs.get(runs.len() / 2).copied().unwrap_or(f64::NAN);
    let megabytes = text.len() as f64 / 1e6;
    println!("{name}: {megabytes:.1} MB in {median:.4} s, {:.0} MB/s", megabytes / median);
    Ok(())
}

fn mean(text: &str, base: &Url) -> Result<f64, Box<dyn std::error::Error>> {
    let runs: Vec<f64> = (0..20).map(|_| cpu(text, base)).collect::<Result<_, _>>()?;
    Ok(runs.iter().sum::<f64>() / runs.len() as f64)
}

fn cpu(text: &str, base: &Url) -> Result<f64, Box<dyn std::error::Error>> {
    let mut options = Options::default();
    options.limits.variants = 100_000;
    options.limits.bytes = 128 << 20;
    let begin = cpu_nanos()?;
    let parsed = options.parse(text, base)?;
    let end = cpu_nanos()?;
    if let Playlist::Media(media) = &parsed.playlist {
        black_box(media.duration());
    }
    Ok((end - begin) as f64 / 1e9)
}

fn cpu_nanos() -> Result<u64, Box<dyn std::error::Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("an empty schedstat")?.parse()?)
}

fn peak() -> Result<String, Box<dyn std::error::Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().to_owned())
}

fn simple(segments: usize) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:6\n");
    for n in 0..segments {
        let _ = write!(text, "#EXTINF:6.006,\nhttps://cdn.example.com/v/{n:08}-segment.ts?token=abcd\n");
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Every tag in front of each segment; `rotation` is how many segments share a key.
fn rich(segments: usize, rotation: usize) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:6\n");
    for n in 0..segments {
        let key = n / rotation;
        let _ = write!(
            text,
            "#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example.com/k/{key:08}\",IV=0x{key:032x}\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-01-{:02}T{:02}:{:02}:{:02}.123Z\n#EXTINF:6.006,Title of {n}\n\
             #EXT-X-BYTERANGE:1000000@{}\nhttps://cdn.example.com/v/{n:08}-segment.ts?token=abcd\n",
            n / 86_400 % 28 + 1,
            n / 3600 % 24,
            n / 60 % 60,
            n % 60,
            n * 1_000_000
        );
    }
    text + "#EXT-X-ENDLIST\n"
}

fn parts(segments: usize) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=1\n");
    for n in 0..segments {
        for part in 0..4 {
            let _ = writeln!(
                text,
                "#EXT-X-PART:DURATION=1,URI=\"{n}.mp4\",BYTERANGE=\"{}@{}\"",
                1000,
                part * 1000
            );
        }
        let _ = write!(text, "#EXTINF:4,\n{n}.mp4\n");
    }
    text
}

fn keys(lines: usize) -> String {
    format!("#EXTM3U\n{}", "#EXT-X-KEY:X\n".repeat(lines))
}

fn stray(variants: usize) -> String {
    let pair = "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\nstray.m3u8\n";
    format!("#EXTM3U\n{}", pair.repeat(variants))
}

fn dates(tags: usize) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:4\n");
    for n in 0..tags {
        let _ = writeln!(
            text,
            "#EXT-X-DATERANGE:ID=\"{n}\",CLASS=\"a\",START-DATE=\"2026-01-01T00:00:{:02}Z\",END-ON-NEXT=YES",
            n % 60
        );
    }
    text
}

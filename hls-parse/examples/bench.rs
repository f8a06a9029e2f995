//! Speed and memory of reading, beside m3u8-rs in the same run: `cargo xtask bench parse`.

use std::fmt::Write as _;
use std::time::Duration;
use std::{env, fs, process};

use hls_parse::{Options, Playlist};
use url::Url;

const SEGMENTS: usize = 100_000;
/// Each figure is the best of many runs, since others use the machine too.
const RUNS: u32 = 9;
/// What is quick is run more often, for this long.
const AT_LEAST: Duration = Duration::from_millis(300);

const RICH_AT_LEAST: f64 = 200.0;
const TIMES_M3U8_RS_AT_LEAST: f64 = 4.0;
const MILLION_AT_MOST: u64 = 300;
const DOUBLING_AT_MOST: f64 = 2.3;

fn main() {
    let base: Url = "https://cdn.example.com/vod/film/1080p/index.m3u8?token=0123456789abcdef"
        .parse()
        .expect("a valid URL");
    if env::args().nth(1).as_deref() == Some("million") {
        return million(&base);
    }
    let mut gates = Gates(true);
    for (name, text) in [("simple", simple(SEGMENTS)), ("rich", rich(SEGMENTS))] {
        speed(name, &text, &base, &mut gates);
    }
    memory(&mut gates);
    linearity("80,000 / 160,000 lines #EXT-X-KEY:X", &base, &mut gates, |n| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{}", "#EXT-X-KEY:X\n".repeat(n))
    });
    linearity("80,000 / 160,000 I-frame variants, each with a stray URI", &base, &mut gates, |n| {
        let pair = "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"\nstray\n";
        format!("#EXTM3U\n{}", pair.repeat(n))
    });
    process::exit(if gates.0 { 0 } else { 1 });
}

struct Gates(bool);

impl Gates {
    fn check(&mut self, holds: bool) -> &'static str {
        self.0 &= holds;
        if holds { "ok" } else { "MISSED" }
    }
}

fn speed(name: &str, text: &str, base: &Url, gates: &mut Gates) {
    let megabytes = text.len() as f64 / 1e6;
    let (mut ours, mut with_urls, mut theirs) = (Duration::MAX, Duration::MAX, Duration::MAX);
    // In turns, so that what slows the machine down slows all of them.
    for _ in 0..RUNS {
        ours = ours.min(time(|| parse(text, base)));
        with_urls = with_urls.min(time(|| {
            let media = parse(text, base);
            let urls = media.segments().filter(|segment| segment.url().is_ok()).count();
            (media, urls)
        }));
        theirs = theirs.min(time(|| m3u8_rs::parse_playlist(text.as_bytes()).ok()));
    }
    let [ours, with_urls, theirs] = [ours, with_urls, theirs].map(|time| megabytes / time.as_secs_f64());
    println!("{name}: {SEGMENTS} segments, {megabytes:.1} MB");
    println!("  hls-parse, all resolved        {ours:7.0} MB/s");
    println!("  hls-parse, every URL built too {with_urls:7.0} MB/s");
    println!("  m3u8-rs                        {theirs:7.0} MB/s");
    let ratio = ours / theirs;
    let gate = gates.check(ratio >= TIMES_M3U8_RS_AT_LEAST);
    println!("  ratio {ratio:.1} (at least {TIMES_M3U8_RS_AT_LEAST}): {gate}");
    println!("  ratio with every URL built {:.1}", with_urls / theirs);
    if name == "rich" {
        println!("  at least {RICH_AT_LEAST} MB/s: {}", gates.check(ours >= RICH_AT_LEAST));
    }
}

fn parse(text: &str, base: &Url) -> hls_parse::Media {
    match options().parse(text, base).map(|parsed| parsed.playlist) {
        Ok(Playlist::Media(media)) => media,
        other => unreachable!("a media playlist, not {other:?}"),
    }
}

/// The defaults refuse more than 64 MiB.
fn options() -> Options {
    let mut options = Options::default();
    options.limits.bytes = 256 << 20;
    options.limits.variants = 1_000_000;
    options
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    let (mut best, mut total, mut runs) = (Duration::MAX, Duration::ZERO, 0);
    while runs < RUNS || total < AT_LEAST {
        let once = time(&mut work);
        best = best.min(once);
        total += once;
        runs += 1;
    }
    best
}

/// What is measured is reading, not giving the memory back.
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = cpu_time();
    let result = std::hint::black_box(work());
    let time = cpu_time().saturating_sub(start);
    drop(result);
    time.max(Duration::from_nanos(1))
}

/// Time that this process has run; where the system does not tell, time that has passed.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

fn memory(gates: &mut Gates) {
    // A process of its own, whose peak nothing else has raised.
    let program = env::current_exe().expect("this program has a path");
    let output = process::Command::new(program).arg("million").output().expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |line: &str| text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse::<u64>().ok());
    let (Some(millis), Some(kib)) = (number("ms:"), number("peak:")) else {
        println!("one million segments: {text}");
        gates.check(output.status.success());
        return;
    };
    let megabytes = kib * 1024 / 1_000_000;
    let gate = gates.check(megabytes < MILLION_AT_MOST);
    println!(
        "one million simple segments: {millis} ms, peak {megabytes} MB with the text (at most {MILLION_AT_MOST}): {gate}"
    );
}

fn million(base: &Url) {
    let text = simple(1_000_000);
    let start = cpu_time();
    let media = parse(&text, base);
    println!("ms: {}", cpu_time().saturating_sub(start).as_millis());
    assert_eq!(media.segments().len(), 1_000_000);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    println!("peak: {}", peak.unwrap_or("not known on this system"));
}

fn linearity(name: &str, base: &Url, gates: &mut Gates, text: impl Fn(usize) -> String) {
    let time = |n| {
        let text = text(n);
        best(|| options().parse(&text, base).is_ok()).as_secs_f64() * 1000.0
    };
    let (once, twice) = (time(80_000), time(160_000));
    let gate = gates.check(twice / once <= DOUBLING_AT_MOST);
    println!(
        "{name}: {once:.1} ms / {twice:.1} ms, {:.2} times (at most {DOUBLING_AT_MOST}): {gate}",
        twice / once
    );
}

fn simple(segments: usize) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n");
    for n in 0..segments {
        let _ = write!(text, "#EXTINF:6.006,\nhttps://cdn.example.com/vod/film/1080p/segment-{n:09}.ts\n");
    }
    text + "#EXT-X-ENDLIST\n"
}

fn rich(segments: usize) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:6\n");
    for n in 0..segments {
        let (minute, second) = (n / 60 % 60, n % 60);
        let _ = write!(
            text,
            "#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example.com/film/key-{:06}.bin\",IV=0x{n:032x}\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-11-22T{:02}:{minute:02}:{second:02}.000Z\n#EXTINF:6.006,\n\
             #EXT-X-BYTERANGE:1000000@{}\nhttps://cdn.example.com/vod/film/1080p/file-{:06}.ts\n",
            n / 100,
            n / 3600 % 24,
            n % 100 * 1_000_000,
            n / 100
        );
    }
    text + "#EXT-X-ENDLIST\n"
}

//! Live playlists that lead to requests without end, or to times that no clock can hold.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use hls_testkit::{Media, Origin, Reply, Request};

use super::Verdict;
use super::local::stopped;
use crate::hostile::case::{MEMORY, outlaw};
use crate::hostile::run::Try;

const PLAYLIST: &str = "/live.m3u8";

/// Serves the segments of a live stream, which go round and round.
fn segments(origin: &Origin) {
    origin.serve("/live", |request: &Request| {
        let digits = request.path.chars().filter(char::is_ascii_digit).collect::<String>();
        let pieces = Media::Ts.segments();
        let nth = digits.parse::<u64>().ok()? as usize;
        Some(Reply::ok(pieces[nth % pieces.len()]))
    });
}

/// Every load of a live playlist brings what asks for another one at once.
pub(super) fn reloads(t: &mut Try<'_>) -> Result<Verdict> {
    let origin = Origin::start();
    segments(&origin);
    let target = t.number("target duration", 1..=4);
    let blocks = t.pick("CAN-BLOCK-RELOAD", &[true, false])?;
    let what = t.pick(
        "every load",
        &[
            "the same delta update",
            "a delta update of a whole first",
            "skips more than there is",
            "a first delta",
            "nothing new",
            "a page",
            "status 404",
            "an empty body",
            "older numbers",
            "dates from long ago",
            "cut off",
            "a redirect to itself",
        ],
    )?;
    let count = AtomicU64::new(0);
    origin.rule(move |request: &Request| {
        if request.path != PLAYLIST {
            return None;
        }
        let nth = count.fetch_add(1, Ordering::SeqCst);
        let control = format!(
            "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL={}{}\n",
            target * 6,
            if blocks { ",CAN-BLOCK-RELOAD=YES" } else { "" }
        );
        let head = |first: u64| {
            format!("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{target}\n{control}#EXT-X-MEDIA-SEQUENCE:{first}\n")
        };
        let listed = |from: u64, n: u64| {
            (from..from + n).map(|at| format!("#EXTINF:{target},\nlive/{at}.ts\n")).collect::<String>()
        };
        let delta = head(10) + "#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n" + &listed(14, 4);
        let whole = head(10) + &listed(10, 8);
        Some(match (what, nth) {
            ("the same delta update" | "skips more than there is" | "older numbers" | "dates from long ago" | "nothing new" | "a page" | "status 404" | "an empty body" | "cut off" | "a redirect to itself", 0) => Reply::ok(whole),
            ("a delta update of a whole first", 0) => Reply::ok(whole),
            ("a delta update of a whole first", n) => Reply::ok(head(10 + n) + "#EXT-X-SKIP:SKIPPED-SEGMENTS=90\n" + &listed(100, 2)),
            ("skips more than there is", _) => Reply::ok(head(10) + "#EXT-X-SKIP:SKIPPED-SEGMENTS=18446744073709551615\n" + &listed(14, 1)),
            ("older numbers", n) => Reply::ok(head(10_u64.saturating_sub(n)) + &listed(10_u64.saturating_sub(n), 8)),
            ("dates from long ago", _) => Reply::ok(head(10) + "#EXT-X-PROGRAM-DATE-TIME:0001-01-01T00:00:00Z\n" + &listed(10, 8)),
            ("nothing new", _) => Reply::ok(whole),
            ("a page", _) => Reply::html(),
            ("status 404", _) => Reply::status(404),
            ("an empty body", _) => Reply::empty(),
            ("cut off", _) => Reply::ok(whole[..whole.len() - 20].to_owned()),
            ("a redirect to itself", _) => Reply::redirect(PLAYLIST),
            _ => Reply::ok(delta),
        })
    });
    let seconds = t.number("seconds", 2..=4);
    let command =
        t.pick("command", &[&["get", "-o", "out.ts"][..], &["get", "-o", "out.mp4"], &["info", "--watch"]])?;
    let url = origin.url(PLAYLIST);
    let args = [&command[..1], &[url.as_str()], &command[1..]].concat();
    let mut running = t.start(&args)?;
    running.pass(Duration::from_secs(seconds))?;
    running.signal("TERM")?;
    let end = running.end(Duration::from_secs(12))?;
    let loads = origin.requests_for(PLAYLIST).len() as u64;
    // A redirect to itself is ten requests for one load.
    let each = if what == "a redirect to itself" { 11 } else { 1 };
    let most = each * (2 * seconds / target + 4);
    if loads > most {
        return Ok(Verdict::Wrong(format!("{loads} loads in {seconds} s, and {most} are enough")));
    }
    Ok(stopped(&end))
}

/// What is done with odd durations.
pub(super) const COMMANDS: &[&[&str]] = &[
    &["get", "-o", "out.ts"],
    &["get", "-o", "out.ts", "--from", "-10s"],
    &["get", "-o", "out.ts", "--duration", "3s", "--give-up-after", "1s"],
    &["info", "--watch"],
    &["info"],
];

/// Durations that no clock can hold.
pub(super) fn durations(t: &mut Try<'_>, commands: &[&[&'static str]]) -> Result<Verdict> {
    let origin = Origin::start();
    segments(&origin);
    let values = [
        "0",
        "-1",
        "1",
        "2",
        "3600",
        "86401",
        "4294967295",
        "4294967296",
        "1000000000000",
        "2640000000000000000",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e308",
        "inf",
        "NaN",
        "0.0000001",
        "",
        "x",
    ];
    let (target, each) = (t.pick("target duration", &values)?, t.pick("EXTINF", &values)?);
    let ends = t.pick("ends", &[true, false, false])?;
    let more = t.pick("more", &["", "#EXT-X-START:TIME-OFFSET=-1e300\n", "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=1e30,PART-HOLD-BACK=1e30\n#EXT-X-PART-INF:PART-TARGET=1e30\n", "#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59Z\n", "#EXT-X-MEDIA-SEQUENCE:18446744073709551610\n"])?;
    let listed = (0..3).map(|at| format!("#EXTINF:{each},\nlive/{at}.ts\n")).collect::<String>();
    let end = if ends { "#EXT-X-ENDLIST\n" } else { "" };
    origin.put(
        PLAYLIST,
        format!("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{target}\n{more}{listed}{end}")
            .into_bytes(),
    );
    let command = t.pick("command", commands)?;
    let url = origin.url(PLAYLIST);
    let args = [&command[..1], &[url.as_str()], &command[1..]].concat();
    let mut running = t.start(&args)?;
    running.pass(Duration::from_millis(2500))?;
    running.signal("TERM")?;
    let end = running.end(Duration::from_secs(12))?;
    let loads = origin.requests_for(PLAYLIST).len();
    if loads > 12 {
        return Ok(Verdict::Wrong(format!("{loads} loads in 2.5 s")));
    }
    if end.status.is_some_and(|status| status.code().is_some()) {
        return Ok(outlaw(&end).unwrap_or(Verdict::Right));
    }
    Ok(stopped(&end))
}

/// A live playlist with ever more segments that are declared missing, or ever more of any.
pub(super) fn gaps(t: &mut Try<'_>) -> Result<Verdict> {
    let origin = Origin::start();
    segments(&origin);
    let n = t.number("new ones a load", 100..=6000);
    let is_gap = t.pick("they are declared missing", &[true, true, false])?;
    let slides = t.pick("old ones leave", &[true, false])?;
    let count = AtomicU64::new(0);
    origin.rule(move |request: &Request| {
        let at = (request.path == PLAYLIST).then(|| count.fetch_add(1, Ordering::SeqCst))?;
        let (from, to) = (if slides { at * n } else { 0 }, (at + 1) * n);
        let mut text =
            format!("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{from}\n");
        for nth in from..to {
            text += if is_gap { "#EXT-X-GAP\n" } else { "" };
            text += &format!("#EXTINF:0.1,\nlive/{}.ts\n", if is_gap { nth } else { 0 });
        }
        Some(Reply::ok(text))
    });
    let seconds = t.number("seconds", 3..=5);
    let mut running = t.start(&["get", &origin.url(PLAYLIST), "-o", "out.ts"])?;
    running.pass(Duration::from_secs(seconds))?;
    running.signal("TERM")?;
    let end = running.end(Duration::from_secs(20))?;
    if end.peak > MEMORY {
        return Ok(Verdict::Wrong(format!("{} MiB of memory", end.peak >> 20)));
    }
    if end.said.lines().count() as u64 > 40 * (seconds + 4) {
        return Ok(Verdict::Wrong(format!("{} lines of messages in {seconds} s", end.said.lines().count())));
    }
    Ok(stopped(&end))
}

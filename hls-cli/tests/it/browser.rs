//! What a browser makes of outputs: Chromium plays the MP4, and hls.js, in it, shows the subtitles of the same stream.

use std::path::PathBuf;
use std::time::Duration;

use hls_testkit::{Bytes, Master, Media, Origin, Resource, Vod, browser, judge};

use crate::support::{Folder, KEY, Outcome};

/// Starting a browser takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const PLAYS: &str = r"
const video = document.getElementById('video');
const on = (name) => new Promise((ok, no) => {
  video.addEventListener(name, ok, { once: true });
  video.addEventListener('error', () => no('error ' + video.error?.message), { once: true });
});
video.src = '/movie.mp4';
await on('loadedmetadata');
const told = [`${Math.round(video.duration)} s, ${video.videoWidth}x${video.videoHeight}`];
for (const part of [0.25, 0.5, 0.75]) {
  const seeked = on('seeked');
  video.currentTime = video.duration * part;
  await seeked;
  const from = [video.currentTime, video.webkitDecodedFrameCount, video.webkitAudioDecodedByteCount];
  await video.play();
  for (let i = 0; i < 200 && video.currentTime < from[0] + 0.5; i++) await new Promise((ok) => setTimeout(ok, 50));
  video.pause();
  const now = [video.currentTime, video.webkitDecodedFrameCount, video.webkitAudioDecodedByteCount];
  told.push(now.map((value, n) => value > from[n]).join(' '));
}
return told.join('\n');
";

#[test]
fn an_mp4_plays_from_wherever_it_is_sought() -> Outcome {
    let apart = |video, audio| {
        move |origin: &Origin| {
            let master = Master::new("/m").variant(900_000, 160, 90, Vod::from_media(video)).audio(
                "en",
                true,
                Vod::from_media(audio).aes128(KEY),
            );
            master.publish(origin).url
        }
    };
    type Stream = Box<dyn Fn(&Origin) -> String>;
    let streams: [Stream; 4] = [
        Box::new(|origin| Vod::from_media(Media::Ts).aes128(KEY).publish(origin).url),
        Box::new(|origin| Vod::from_media(Media::Fmp4).two_maps().publish(origin).url),
        Box::new(apart(Media::Ts, Media::AudioAdts)),
        Box::new(apart(Media::Fmp4, Media::AudioFmp4)),
    ];
    for (n, stream) in streams.iter().enumerate() {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        folder.run(&["get", &stream(&origin), "-o", "movie.mp4"])?.ok();
        origin.put("/movie.mp4", Resource::new(folder.read("movie.mp4")?));
        let Some(told) = browser::ask(&origin, PLAYS, PATIENCE)? else {
            judge::skip("no Chromium");
            return Ok(());
        };
        let both = "true true true";
        assert_eq!(told, ["12 s, 160x90", both, both, both].join("\n"), "stream {n}");
    }
    Ok(())
}

const SHOWS: &str = r"
const code = await (await fetch('/hls.mjs')).text();
const { default: Hls } = await import(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
const video = document.getElementById('video');
const hls = new Hls({ maxBufferLength: 120, maxMaxBufferLength: 120, startPosition: 0 });
let expected = 0, processed = 0;
const done = new Promise((ok, no) => {
  hls.on(Hls.Events.SUBTITLE_TRACK_LOADED, (_, data) => { expected = data.details.fragments.length; });
  hls.on(Hls.Events.SUBTITLE_FRAG_PROCESSED, () => { processed++; if (processed >= expected) setTimeout(ok, 300); });
  hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) no(data.details); });
  hls.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => { hls.subtitleDisplay = true; hls.subtitleTrack = 0; });
});
hls.loadSource('/m/master.m3u8');
hls.attachMedia(video);
await video.play().catch(() => {});
const late = new Promise((ok) => setTimeout(() => ok('late'), 30000));
if (await Promise.race([done, late]) === 'late') return `${processed} of ${expected} segments of subtitles`;
const lines = [];
for (const track of video.textTracks) {
  for (const cue of track.cues ?? []) {
    const millis = (time) => Math.round(time * 1000);
    lines.push(`${millis(cue.startTime)} ${millis(cue.endTime)} ${JSON.stringify(cue.text)}`);
  }
}
return lines.sort().join('\n');
";

/// hls.js as its makers publish it, where it was fetched for the tests.
fn hls_js() -> Option<Vec<u8>> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::read(target.parent()?.join("oracle/hls.mjs")).ok()
}

/// A segment with a map and cues.
fn segment(map: &str, cues: &str) -> Bytes {
    let map = if map.is_empty() { String::new() } else { format!("X-TIMESTAMP-MAP={map}\n") };
    format!("WEBVTT\n{map}\n{cues}").into_bytes().into()
}

fn texts(segments: Vec<Bytes>) -> Vod {
    Vod::of(segments, "vtt").segment_seconds(2.0)
}

/// Six segments by a function of their number.
fn six(map: &str, cues: impl Fn(usize) -> String) -> Vod {
    texts((0..6).map(|n| segment(map, &cues(n))).collect())
}

fn time(seconds: f64) -> String {
    let millis = (seconds * 1000.0).round() as u64;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        millis / 3_600_000,
        millis / 60_000 % 60,
        millis / 1000 % 60,
        millis % 1000
    )
}

fn cue(from: f64, lasts: f64, text: &str) -> String {
    format!("{} --> {}\n{text}\n\n", time(from), time(from + lasts))
}

#[test]
fn merged_subtitles_are_what_hls_js_shows() -> Outcome {
    const ROUND: f64 = 8_589_934_592.0 / 90_000.0;
    let Some(code) = hls_js() else {
        judge::skip("no hls.js in target/oracle");
        return Ok(());
    };
    let ts = || Vod::from_media(Media::Ts);
    let first = Media::FIRST_TIMESTAMP;
    let at = |seconds: f64| format!("MPEGTS:{}", (first + (seconds * 90_000.0) as u64) & 0x1_ffff_ffff);
    let local = |map: &str| format!("LOCAL:00:00:00.000,{map}");
    let two = |n: usize| n as f64 * 2.0;
    let streams: Vec<(&str, Vod, Vod)> = vec![
        ("on the clock", ts(), six(&local(&at(0.0)), |n| cue(two(n) + 0.25, 1.0, "a"))),
        ("the other way round", ts(), six(&format!("{},LOCAL:00:00:00.000", at(0.0)), |n| cue(two(n), 1.5, "b"))),
        ("an offset", ts(), six(&local(&at(0.7)), |n| cue(two(n) + 0.1, 1.0, "c"))),
        ("a local time", ts(), six(&format!("LOCAL:01:00:00.000,{}", at(0.0)), |n| cue(3600.0 + two(n), 1.0, "d"))),
        // Without a map the player counts from the clock of the film, as the draft has it, and shows hardly any of them where the
        // film begins: `Captions::of_film` tells why this program does not.
        (
            "a map of its own for each segment",
            ts(),
            texts((0..6).map(|n| segment(&local(&at(two(n))), &cue(0.5, 1.0, "g"))).collect()),
        ),
        (
            "cues that come again",
            ts(),
            six(&local(&at(0.0)), |n| {
                (n.saturating_sub(2)..=n).map(|n| cue(two(n) + 0.5, 4.0, &format!("long {n}"))).collect()
            }),
        ),
        (
            "the same text at other times",
            ts(),
            six(&local(&at(0.0)), |n| cue(two(n), 0.5, "again") + &cue(two(n) + 1.0, 0.5, "again")),
        ),
        (
            "names, settings, notes, styles and markup",
            ts(),
            six(&local(&at(0.0)), |n| {
                format!(
                    "NOTE nothing\n\nSTYLE\n::cue {{ color: red }}\n\ncue-{n}\n{} --> {} line:0 align:start\n\
                     <v Ann>one &amp; <i>two</i>\nthree</v>\n\n",
                    time(two(n)),
                    time(two(n) + 1.0)
                )
            }),
        ),
        (
            "a clock that comes around",
            ts().delayed(ROUND - 6.4),
            six(&local(&at(ROUND - 6.4)), |n| cue(two(n) + 0.5, 1.0, "h")),
        ),
        (
            "a map behind the turn",
            ts().delayed(ROUND - 6.4),
            texts((0..6).map(|n| segment(&local(&at(ROUND - 6.4 + two(n))), &cue(0.25, 1.0, "i"))).collect()),
        ),
        ("late in the day", ts().delayed(50_000.0), six(&local(&at(50_000.0)), |n| cue(two(n), 1.0, "j"))),
        (
            "other ends of lines, and hours left out",
            ts(),
            texts(vec![
                Bytes::from(
                    format!("\u{feff}WEBVTT\r\nX-TIMESTAMP-MAP={}\r\n\r\n00:01.000 --> 00:02.000\r\none\r\ntwo\r\n", local(&at(0.0)))
                        .into_bytes()
                ),
                segment(&local(&at(0.0)), "00:03.000 --> 00:04.000\nthree"),
            ]),
        ),
        ("nothing said", ts(), six(&local(&at(0.0)), |n| if n % 2 == 0 { String::new() } else { cue(two(n), 1.0, "k") })),
        (
            "two clocks",
            ts().delayed(100.0).then(&ts().delayed(7.0)),
            six(&local(&at(100.0)), |n| cue(two(n), 1.0, "m"))
                .then(&six(&local(&at(7.0)), |n| cue(two(n) + 0.5, 1.0, "n"))),
        ),
        (
            "fragmented MP4",
            Vod::from_media(Media::Fmp4),
            six("LOCAL:00:00:00.000,MPEGTS:0", |n| cue(two(n) + 0.5, 1.0, "l")),
        ),
    ];
    for (name, video, text) in streams {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let master =
            Master::new("/m").variant(900_000, 160, 90, video).subtitles("en", true, text).publish(&origin);
        folder.run(&["get", &master.url, "-o", "movie.vtt"])?.ok();
        origin.put("/hls.mjs", Resource::new(code.clone()));
        let Some(shown) = browser::ask(&origin, SHOWS, PATIENCE)? else {
            judge::skip("no Chromium");
            return Ok(());
        };
        assert!(shown.contains('"'), "{name}: {shown}");
        let ours = String::from_utf8(folder.read("movie.vtt")?)?;
        assert_eq!(listed(&ours), shown, "{name}:\n{ours}");
    }
    Ok(())
}

/// The cues of a file in the words of the script.
fn listed(vtt: &str) -> String {
    let millis = |time: &str| {
        let parts = time.split([':', '.']).map(|part| part.parse::<u64>().unwrap_or(u64::MAX / 8000));
        let parts = parts.collect::<Vec<_>>();
        ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3]
    };
    let mut lines = vtt
        .split("\n\n")
        .filter_map(|block| {
            let at = block.find(" --> ")?;
            let from = block[..at].rfind('\n').map_or(0, |line| line + 1);
            let (timing, text) = block[from..].split_once('\n').unwrap_or((&block[from..], ""));
            let (begin, rest) = timing.split_once(" --> ")?;
            let end = rest.split(' ').next()?;
            Some(format!("{} {} {}", millis(begin), millis(end), serde_json::Value::from(text)))
        })
        .collect::<Vec<_>>();
    lines.sort();
    lines.join("\n")
}

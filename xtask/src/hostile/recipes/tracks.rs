//! Pictures, sound and subtitles in playlists of their own, of which one film is made.

use std::fs;

use anyhow::{Context, Result, ensure};
use hls_testkit::{Master, Origin, PublishedMaster, Reply, judge};

use super::Verdict;
use super::lies::{any, times};
use crate::hostile::case::{Case, Output};
use crate::hostile::run::Try;
use crate::hostile::show::{Container, Manner, Show};

/// One segment of one track is bad, or is that of another track, once or twice.
pub(super) fn one_track(t: &mut Try<'_>) -> Result<Verdict> {
    let container = t.pick("pictures in", &[Container::Ts, Container::Fmp4])?;
    let n = t.number("segments", 4..=12) as usize;
    let shows =
        [Show::new(container, n, 1)?, Show::new(Container::Adts, n, 1)?, Show::new(Container::Vtt, n, 1)?];
    let publish = |origin: &Origin| {
        let [pictures, sound, words] = [0, 1, 2].map(|at| shows[at].vod());
        let master = Master::new("/film").variant(500_000, 160, 90, pictures);
        master.audio("en", true, sound).subtitles("en", true, words).publish(origin)
    };
    let film =
        |master: &PublishedMaster| ["get", &master.url, "-o", "out.mp4", "--subs", "all"].map(str::to_owned);

    let honest = Origin::start();
    let args = film(&publish(&honest));
    let end = t.run(&args.each_ref().map(String::as_str))?;
    ensure!(end.code() == Some(0), "an honest server: {}", end.words());
    let right = fs::read(t.file("out.mp4"))?;
    fs::remove_file(t.file("out.mp4"))?;

    let mut case = Case::of(t, shows[0].clone(), Output::Film, Manner::PLAIN)?;
    let master = publish(&case.origin);
    let tracks = [&master.variants, &master.audio, &master.subtitles];
    let tracks = tracks.map(|all| all.first().cloned());
    let track = t.number("track", 0..=2) as usize;
    let at = any(t, &case.show);
    // Of subtitles nobody can tell half from all.
    let all = ["another track", "page", "status 404", "cut", "another segment", "half"];
    let what = t.pick("answer", if track == 2 { &all[..4] } else { &all })?;
    let reply = match what {
        "another track" => Reply::ok(shows[(track + 1 + t.dice.below(2) as usize) % 3].segments[at].clone()),
        "another segment" => Reply::ok(shows[track].segments[(at + 1) % n].clone()),
        "half" => Reply::short_consistent(),
        "page" => Reply::html(),
        "status 404" => Reply::status(404),
        _ => Reply::truncated(),
    };
    let often = t.pick("times", &[1, 1, 2])?;
    let path = tracks[track].as_ref().context("no such track")?.segment_paths[at].clone();
    case.origin.script(&path, [times(reply, often)]);
    case.published.url.clone_from(&master.url);
    // Three tracks, each with its playlist; and pictures that can't be taken in one pass come again.
    case.most += 3 * n + 4;
    let right = right.into();
    let end = case.run(t, &["--subs", "all"])?;
    // What comes twice may be kept.
    let kept = (often > 1).then_some(&right);
    if !judge::has_tool("ffmpeg") && end.code() == Some(0) {
        judge::skip("ffmpeg is not installed: films of several tracks are not compared");
        return Ok(Verdict::Right);
    }
    case.judge(t, &end, &right, kept)
}

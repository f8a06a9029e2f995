//! Which variant, and audio that is a stream of its own.

use hls_testkit::{Master, Media, Origin, PublishedMaster, Vod, judge};

use crate::support::{Folder, Outcome, same};

fn three(origin: &Origin) -> PublishedMaster {
    Master::new("/film")
        .variant(300_000, 320, 180, Vod::synthetic(2, 10_000))
        .variant(900_000, 640, 360, Vod::synthetic(2, 20_000))
        .variant(2_500_000, 1280, 720, Vod::synthetic(2, 30_000))
        .publish(origin)
}

#[test]
fn a_variant_is_chosen() -> Outcome {
    let origin = Origin::start();
    let master = three(&origin);
    let folder = Folder::new()?;
    for (n, (which, variant)) in [
        ("best", 2),
        ("worst", 0),
        ("360p", 1),
        ("720p", 2),
        ("1", 0),
        ("3", 2),
        ("height<=400", 1),
        ("bandwidth<=1M", 1),
        ("height<=720,bandwidth<=500K", 0),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{n}.ts");
        let run = folder.run(&["get", &master.url, "-s", which, "-o", &name])?.ok();
        assert_eq!(
            folder.read(&name)?.len(),
            master.variants[variant].expected.len(),
            "{which}: {}",
            run.err
        );
        same(&folder.read(&name)?, &master.variants[variant].expected);
    }
    let run = folder.run(&["get", &master.url, "-s", "height>=2000", "-o", "none.ts"])?;
    run.fails(2, "select.no_match");
    folder.run(&["get", &master.url, "-s", "360p", "-o", "{name}-{height}"])?.ok();
    same(&folder.read("film-360.ts")?, &master.variants[1].expected);
    Ok(())
}

fn with_audio(origin: &Origin, audio: Media) -> PublishedMaster {
    Master::new("/film")
        .variant(900_000, 640, 360, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(audio))
        .audio("fr", false, Vod::from_media(audio))
        .publish(origin)
}

#[test]
fn separate_audio_lies_beside() -> Outcome {
    for (audio, side) in [
        (Media::AudioAdts, "movie.audio-en.aac"),
        (Media::AudioTs, "movie.audio-en.ts"),
        (Media::AudioFmp4, "movie.audio-en.m4a"),
    ] {
        let origin = Origin::start();
        let master = with_audio(&origin, audio);
        let folder = Folder::new()?;
        let run = folder.run(&["get", &master.url, "-o", "movie.ts"])?.ok();
        assert_eq!(run.out(), format!("movie.ts\n{side}\n"));
        same(&folder.read("movie.ts")?, &master.variants[0].expected);
        same(&folder.read(side)?, &master.audio[0].expected);
        assert_eq!(folder.names().len(), 2, "{:?}", folder.names());
        let line = format!("ffmpeg -i movie.ts -i {side} -c copy ");
        assert!(run.err.contains(&line), "{}", run.err);
        judge::ffmpeg_silent(folder.file(side)).check();
    }
    Ok(())
}

#[test]
fn one_manifest_is_about_all_outputs() -> Outcome {
    let origin = Origin::start();
    let master = with_audio(&origin, Media::AudioAdts);
    let folder = Folder::new()?;
    let side = "movie.audio-en.aac";
    folder.run(&["get", &master.url, "-o", "movie.ts", "--manifest"])?.ok();
    assert_eq!(folder.names(), [side, "movie.ts", "movie.ts.json"]);
    folder.run(&["verify", "movie.ts"])?.ok();
    folder.run(&["verify", side, "--manifest", "movie.ts.json"])?.ok();
    let mut bytes = folder.read(side)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(folder.file(side), bytes)?;
    let run = folder.run(&["verify", side, "--manifest", "movie.ts.json"])?;
    run.fails(8, "file.differs");
    assert!(run.err.contains("of track 1 differs"), "{}", run.err);
    folder.run(&["verify", "movie.ts"])?.ok();
    std::fs::write(folder.file("other"), "")?;
    folder.run(&["verify", "other", "--manifest", "movie.ts.json"])?.fails(2, "manifest.other");
    Ok(())
}

#[test]
#[cfg(unix)]
fn the_ffmpeg_line_works_as_it_stands() -> Outcome {
    if !judge::has_tool("ffmpeg") {
        judge::skip("no ffmpeg");
        return Ok(());
    }
    let origin = Origin::start();
    let master = with_audio(&origin, Media::AudioAdts);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &master.url, "-o", "it's a movie.ts"])?.ok();
    let line = run.err.lines().find_map(|l| Some(&l[l.find("ffmpeg -i")?..])).unwrap_or_default();
    let joined = folder.command("sh").args(["-c", line]).output()?;
    assert!(joined.status.success(), "{line}: {}", String::from_utf8_lossy(&joined.stderr));
    let made: Vec<_> = folder.names().into_iter().filter(|n| n.ends_with(".mp4")).collect();
    assert_eq!(made.len(), 1, "{:?}", folder.names());
    judge::ffmpeg_silent(folder.file(&made[0])).check();
    Ok(())
}

#[test]
fn two_tracks_do_not_fit_one_pipe() -> Outcome {
    let origin = Origin::start();
    let master = with_audio(&origin, Media::AudioAdts);
    let run = Folder::new()?.run(&["get", &master.url, "-o", "-"])?;
    run.fails(2, "output.tracks");
    assert!(run.out.is_empty());
    Ok(())
}

#[test]
fn audio_alone() -> Outcome {
    let origin = Origin::start();
    let master = with_audio(&origin, Media::AudioAdts);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &master.url, "--audio-only"])?.ok();
    assert_eq!(run.out(), "film.aac\n");
    folder.holds_only("film.aac", &master.audio[0].expected)?;
    assert!(origin.requests_for(&master.variants[0].playlist_path).is_empty());
    let run = folder.run(&["get", &master.url, "--audio-only", "-o", "-"])?.ok();
    same(&run.out, &master.audio[0].expected);
    Ok(())
}

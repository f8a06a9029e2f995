//! Which variant, and audio that is a stream of its own.

use hls_testkit::{Master, Media, Origin, PublishedMaster, Vod, judge};

use crate::support::{Folder, Outcome, Run, same};

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
        let line = format!("beside it: {side}\n-o movie.mp4 puts all of it into one file\n");
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
fn one_file_of_all_without_any_other_program() -> Outcome {
    let origin = Origin::start();
    let master = with_audio(&origin, Media::AudioAdts);
    let folder = Folder::new()?;
    let mut command = folder.hls(&["get", &master.url, "-o", "movie.mp4", "--audio", "all", "--json"]);
    let run = Run::of(command.env("PATH", folder.path()))?.ok();
    assert_eq!(folder.names(), ["movie.mp4"]);
    let events = run.events()?;
    let joining = events.iter().filter(|event| event["event"] == "joining").collect::<Vec<_>>();
    assert!(joining.iter().any(|event| event["bytes"].as_u64() > Some(0)), "{events:?}");
    judge::ffmpeg_silent(folder.file("movie.mp4")).check();
    if has_judge() {
        assert_eq!(streams(&folder, "movie.mp4")?, ["video", "audio en", "audio fr"]);
    }
    Ok(())
}

/// Kind and language of what is in a file.
fn streams(folder: &Folder, name: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let probe = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_type:stream_tags=language", "-of", "csv=p=0"])
        .arg(folder.file(name))
        .output()?;
    // Two letters, as the playlist has them, are three in the file.
    let text =
        String::from_utf8(probe.stdout)?.replace("eng", "en").replace("fra", "fr").replace("deu", "de");
    Ok(text.lines().map(|line| line.replace(',', " ").replace(" und", "")).collect())
}

fn has_judge() -> bool {
    let has = judge::has_tool("ffprobe");
    if !has {
        judge::skip("no ffprobe");
    }
    has
}

#[test]
fn several_qualities_share_what_they_have_in_common() -> Outcome {
    if !has_judge() {
        return Ok(());
    }
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master = Master::new("/film")
        .variant(900_000, 640, 360, Vod::from_media(Media::Ts))
        .variant(2_500_000, 1280, 720, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(Media::AudioAdts))
        .publish(&origin);
    let both = ["get", &master.url, "-s", "best", "-s", "worst", "-o"];
    // The name itself may be taken: none of the outputs has it.
    std::fs::write(folder.file("movie.mp4"), "another")?;
    let run = folder.run(&[&both[..], &["movie.mp4"]].concat())?.ok();
    assert_eq!(run.out(), "movie.720p.mp4\nmovie.360p.mp4\n");
    for name in ["movie.720p.mp4", "movie.360p.mp4"] {
        assert_eq!(streams(&folder, name)?, ["video", "audio en"]);
        judge::ffmpeg_silent(folder.file(name)).check();
    }
    assert_eq!(folder.names().len(), 3, "{:?}", folder.names());
    let audio = &master.audio[0].segment_paths[0];
    assert_eq!(origin.requests_for(audio).len(), 1);
    // The same again: nothing to do; as they come: each under its name.
    let again = folder.run(&[&both[..], &["movie.mp4"]].concat())?;
    again.fails(13, "output.exists");
    folder.run(&[&both[..], &["raw.ts"]].concat())?.ok();
    same(&folder.read("raw.720p.ts")?, &master.variants[1].expected);
    same(&folder.read("raw.360p.ts")?, &master.variants[0].expected);
    same(&folder.read("raw.audio-en.aac")?, &master.audio[0].expected);
    Ok(())
}

#[test]
fn pictures_alone_and_sound_alone() -> Outcome {
    if !has_judge() {
        return Ok(());
    }
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::from_media(Media::Ts).publish(&origin);
    folder.run(&["get", &stream.url, "--video-only", "-o", "silent.mp4"])?.ok();
    folder.run(&["get", &stream.url, "--audio-only", "-o", "sound.m4a"])?.ok();
    assert_eq!(streams(&folder, "silent.mp4")?, ["video"]);
    assert_eq!(streams(&folder, "sound.m4a")?, ["audio"]);
    let master = Master::new("/film").variant(900_000, 640, 360, Vod::from_media(Media::Ts)).publish(&origin);
    folder.run(&["get", &master.url, "--audio-only", "-o", "taken.m4a"])?.ok();
    assert_eq!(streams(&folder, "taken.m4a")?, ["audio"]);
    folder.run(&["get", &master.url, "-o", "named.m4a"])?.ok();
    same(&folder.read("named.m4a")?, &folder.read("taken.m4a")?);
    for (what, name, advice) in [
        ("--audio-only", "x.ts", "-o NAME.m4a"),
        ("--audio-only", "-", "-o NAME.m4a"),
        ("--video-only", "x.ts", "-o NAME.mp4"),
        ("--video-only", "-", "-o NAME.mp4"),
    ] {
        let run = folder.run(&["get", &master.url, what, "-o", name])?;
        run.fails(2, "select.no_match").has("next", &[advice]);
        assert!(run.out.is_empty());
    }
    let apart = with_audio(&origin, Media::AudioAdts);
    folder.run(&["get", &apart.url, "--video-only", "-o", "pictures.ts"])?.ok();
    same(&folder.read("pictures.ts")?, &apart.variants[0].expected);
    folder.run(&["get", &apart.url, "-o", "apart.m4a"])?.ok();
    assert_eq!(streams(&folder, "apart.m4a")?, ["audio en"]);
    folder.run(&["get", &apart.url, "--subs", "en", "-o", "x.mkv"])?.fails(2, "select.no_match");
    Ok(())
}

/// Twelve seconds of cues in segments of two, on the clock of the media. A cue that lasts into the next segment is in both.
fn subtitles(word: &str) -> Vod {
    let cue = |n: usize| format!("00:{:02}.500 --> 00:{:02}.500\n{word} <i>{n}</i>\n\n", n * 2, n * 2 + 3);
    let first = Media::FIRST_TIMESTAMP;
    let segments = (0..6_usize).map(|n| {
        let cues = (n.saturating_sub(1)..=n).map(cue).collect::<String>();
        format!("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{first}\n\n{cues}").into_bytes().into()
    });
    Vod::of(segments.collect(), "vtt").segment_seconds(2.0)
}

#[test]
fn subtitles_alone_inside_and_beside() -> Outcome {
    if !has_judge() {
        return Ok(());
    }
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master = Master::new("/film")
        .variant(900_000, 640, 360, Vod::from_media(Media::Ts))
        .subtitles("de", false, subtitles("eins"))
        .subtitles("en", true, subtitles("one"))
        .publish(&origin);
    let get = ["get", master.url.as_str(), "-o"];
    folder.run(&[&get[..], &["alone.srt"]].concat())?.ok();
    let srt = String::from_utf8(folder.read("alone.srt")?)?;
    assert!(
        srt.starts_with("1\n00:00:00,500 --> 00:00:03,500\none <i>0</i>\n\n2\n00:00:02,500 --> "),
        "{srt}"
    );
    assert_eq!(srt.matches("-->").count(), 6, "{srt}");
    // Of the film itself only what tells the time.
    let of_film = |origin: &Origin| {
        let paths = &master.variants[0].segment_paths;
        origin.requests().iter().filter(|request| paths.contains(&request.path)).count()
    };
    assert_eq!(of_film(&origin), 1);
    folder.run(&[&get[..], &["all.vtt", "--subs", "all"]].concat())?.ok();
    let vtt = String::from_utf8(folder.read("all.de.vtt")?)?;
    assert!(vtt.starts_with("WEBVTT\n\n00:00:00.500 --> 00:00:03.500\neins <i>0</i>\n"), "{vtt}");
    assert!(folder.file("all.en.vtt").exists());
    folder.run(&[&get[..], &["movie.mp4", "--subs", "de,en"]].concat())?.ok();
    assert_eq!(streams(&folder, "movie.mp4")?, ["video", "audio", "subtitle de", "subtitle en"]);
    let run = folder
        .command("ffmpeg")
        .args(["-v", "error", "-i", "movie.mp4", "-map", "0:s:1", "-f", "srt", "-"])
        .output()?;
    let inside = String::from_utf8(run.stdout)?.replace("\r\n", "\n");
    assert!(inside.starts_with("1\n00:00:00,500 --> 00:00:02,500\none 0\n\n"), "{inside}");
    let run = folder.run(&[&get[..], &["movie.ts", "--subs", "en"]].concat())?.ok();
    assert_eq!(run.out(), "movie.ts\nmovie.subs-en.vtt\n");
    same(&folder.read("movie.ts")?, &master.variants[0].expected);
    let beside = String::from_utf8(folder.read("movie.subs-en.vtt")?)?;
    assert_eq!(beside, String::from_utf8(folder.read("all.en.vtt")?)?);
    folder.run(&[&get[..], &["x.mp4", "--subs", "fr"]].concat())?.fails(2, "select.no_match");
    folder.run(&[&get[..], &["x.aac", "--subs", "en"]].concat())?.fails(2, "output.container");
    // A playlist of subtitles by itself begins where they begin.
    let run = folder.run(&["get", &master.subtitles[1].url, "-o", "itself.srt"])?.ok();
    assert_eq!(String::from_utf8(folder.read("itself.srt")?)?, srt, "{}", run.err);
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

//! Where the bytes go: files, templates, pipes, readers, several tracks.

use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};

use hls_sched::{Format, Kind};
use hls_testkit::{Master, Media, Origin, Vod};

use crate::support::{Folder, KEY, Outcome, fails, job, same};

/// A pipe whose other end can be looked at, and that may break after some bytes.
#[derive(Clone, Default)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    breaks_after: Option<usize>,
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.breaks_after.is_some_and(|most| bytes.len() > most) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn streams() -> [Vod; 3] {
    [
        Vod::synthetic(40, 200_000),
        Vod::synthetic(40, 50_000).aes128(KEY).prefix("/aes"),
        Vod::from_media(Media::Fmp4).two_maps().prefix("/fmp4"),
    ]
}

#[tokio::test]
async fn a_pipe_gets_the_same_bytes() -> Outcome {
    let origin = Origin::start();
    for vod in streams() {
        let (vod, pipe) = (vod.publish(&origin), Pipe::default());
        let done = job(&vod.url).writer(pipe.clone()).start().finish().await?;
        assert!(done.outputs.is_empty());
        assert!(*pipe.bytes.lock().unwrap_or_else(PoisonError::into_inner) == vod.expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_gets_the_same_bytes() -> Outcome {
    let origin = Origin::start();
    for vod in streams() {
        let vod = vod.publish(&origin);
        let (mut reader, mut all) = (job(&vod.url).into_reader(), Vec::new());
        while let Some(bytes) = reader.next().await {
            all.extend_from_slice(&bytes);
        }
        reader.finish().await?;
        assert!(all == vod.expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_job() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(40, 200_000).publish(&origin);
    let pipe = Pipe { breaks_after: Some(300_000), ..Pipe::default() };
    let Err(error) = job(&vod.url).writer(pipe).start().finish().await else {
        return Err("a failure was expected".into());
    };
    assert_eq!(error.kind(), Kind::ReaderGone);
    Ok(())
}

#[tokio::test]
async fn separate_audio_is_a_second_output() -> Outcome {
    for (video, audio, names) in [
        (Media::Ts, Media::AudioAdts, ["movie.ts", "movie.audio-en.aac"]),
        (Media::Fmp4, Media::AudioFmp4, ["movie.m4s", "movie.audio-en.m4a"]),
    ] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let master = Master::new("/m")
            .variant(300_000, 160, 90, Vod::synthetic(2, 1000))
            .variant(900_000, 320, 180, Vod::from_media(video))
            .audio("de", false, Vod::synthetic(2, 1000))
            .audio("en", true, Vod::from_media(audio))
            .publish(&origin);
        let done = job(&master.url).output(folder.file(names[0])).start().finish().await?;
        assert_eq!(done.outputs, names.map(|name| folder.file(name)));
        same(&folder.file(names[0]), &master.variants[1].expected)?;
        same(&folder.file(names[1]), &master.audio[1].expected)?;
        assert_eq!(folder.names().len(), 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_choice_and_audio_alone() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master = Master::new("/m")
        .variant(300_000, 160, 90, Vod::synthetic(2, 1000))
        .variant(900_000, 320, 180, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(Media::AudioAdts))
        .publish(&origin);
    job(&master.url).select("90p".parse()?).output(folder.file("low.ts")).start().finish().await?;
    same(&folder.file("low.ts"), &master.variants[0].expected)?;
    job(&master.url).audio_only(true).output(folder.file("sound.aac")).start().finish().await?;
    same(&folder.file("sound.aac"), &master.audio[0].expected)?;
    fails(job(&master.url).select("720p".parse()?), Kind::Usage, "select.no_match").await?;
    Ok(())
}

#[tokio::test]
async fn a_language_that_the_playlist_does_not_list() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::from_media(Media::Ts).publish(&origin);
    let ask = || job(&stream.url);
    fails(ask().audio("fr".parse()?), Kind::Usage, "select.no_match").await?;
    fails(ask().subtitles("fr".parse()?), Kind::Usage, "select.no_match").await?;
    assert!(stream.segment_paths.iter().all(|path| origin.requests_for(path).is_empty()));
    let folder = Folder::new()?;
    ask().audio("all".parse()?).output(folder.file("all.ts")).start().finish().await?;
    same(&folder.file("all.ts"), &stream.expected)
}

#[tokio::test]
async fn a_template_gets_name_and_extension() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Fmp4).prefix("/films/my-film").publish(&origin);
    let template = folder.file("{name}").display().to_string();
    let done = job(&vod.url).output_template(template).start().finish().await?;
    assert_eq!(done.outputs, [folder.file("my-film.mp4")]);
    let film = std::fs::read(folder.file("my-film.mp4"))?;
    assert!(film.windows(4).any(|name| name == b"moov") && !film.windows(4).any(|name| name == b"moof"));
    Ok(())
}

#[tokio::test]
async fn names_of_a_server_stay_in_the_folder() -> Outcome {
    for language in
        ["../../evil", "/etc/evil", "..", "a\\..\\b", "x\u{202e}y", "-rf", "C:evil", "%2e%2e%2fevil"]
    {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        std::fs::create_dir(folder.file("deep"))?;
        let master = Master::new("/m")
            .variant(900_000, 320, 180, Vod::from_media(Media::Ts))
            .audio(language, true, Vod::from_media(Media::AudioAdts))
            .publish(&origin);
        let done = job(&master.url).output(folder.file("deep/out.ts")).start().finish().await?;
        assert_eq!(folder.names(), ["deep"], "{language:?}");
        let [_, audio] = &done.outputs[..] else { return Err(format!("{:?}", done.outputs).into()) };
        assert_eq!(audio.parent(), Some(folder.file("deep").as_path()), "{language:?}");
        let name = audio.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
        assert!(name.starts_with("out.audio") && name.ends_with(".aac"), "{name}");
        assert!(!name.contains(['\\', ':', '\u{202e}']), "{name}");
        same(audio, &master.audio[0].expected)?;
    }
    Ok(())
}

#[tokio::test]
async fn an_extension_is_a_promise() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Fmp4).publish(&origin);
    let error = fails(job(&vod.url), Kind::Usage, "output.container").await?;
    assert!(error.advice().is_some_and(|next| next.contains("out.mp4")), "{:?}", error.advice());
    assert_eq!(origin.requests_for(&vod.segment_paths[0]).len(), 0);
    job(&vod.url).format(Format::Join).output(folder.file("any.ts")).start().finish().await?;
    same(&folder.file("any.ts"), &vod.expected)
}

#[tokio::test]
async fn a_container_that_changes_in_the_middle_is_refused_as_one() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    for (n, (output, then)) in
        [("a.ts", Media::AudioAdts), ("b.mp4", Media::AudioAdts), ("c.mp4", Media::Fmp4)]
            .into_iter()
            .enumerate()
    {
        let vod = Vod::from_media(Media::Ts).then(&Vod::from_media(then)).prefix(&format!("/{n}"));
        let published = vod.publish(&origin);
        let of_it = job(&published.url).concurrency(1).output(folder.file(output)).start().finish().await;
        let error = of_it.err().ok_or("it came to an end")?;
        assert_eq!((error.kind(), error.code()), (Kind::Content, "content.other"), "{output}: {error}");
        assert!(error.to_string().contains("those before it are MPEG-TS"), "{error}");
        assert!(!folder.file(output).exists(), "{output}");
    }
    Ok(())
}

#[tokio::test]
async fn what_exists_is_found_before_the_first_request() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(3, 10_000).publish(&origin);
    let out = folder.file("out.ts");
    std::fs::write(&out, "mine")?;
    let Err(error) = job(&vod.url).output(&out).start().finish().await else {
        return Err("a failure was expected".into());
    };
    assert_eq!((error.kind(), origin.requests().len()), (Kind::Exists, 0));
    same(&out, b"mine")?;
    job(&vod.url).output(&out).force(true).start().finish().await?;
    same(&out, &vod.expected)
}

#[tokio::test]
async fn what_appears_meanwhile_is_not_replaced() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(3, 10_000).publish(&origin);
    let (out, gate) = (folder.file("out.ts"), hls_testkit::Gate::new());
    let held = hls_testkit::Reply::resource().steps([
        hls_testkit::Step::UpTo(50),
        hls_testkit::Step::Wait(gate.clone()),
        hls_testkit::Step::Rest,
    ]);
    origin.script(&vod.segment_paths[2], [held]);
    let mut job = job(&vod.url).output(&out).start();
    while !matches!(job.next().await, None | Some(hls_sched::Event::Segment(_))) {}
    std::fs::write(&out, "mine")?;
    gate.open();
    let Err(error) = job.finish().await else { return Err("a failure was expected".into()) };
    assert_eq!(error.kind(), Kind::Exists);
    same(&out, b"mine")
}

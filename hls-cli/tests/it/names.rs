//! Where the bytes go, and what is never overwritten.

use hls_testkit::{Media, Origin, Vod};

use crate::support::{Folder, Outcome, same};

#[test]
fn the_name_comes_from_the_url() -> Outcome {
    let origin = Origin::start();
    let film = Vod::synthetic(2, 20_000).prefix("/shows/my-film/720p").publish(&origin);
    let clip = Vod::from_media(Media::Fmp4).prefix("/shows/clip").publish(&origin);
    let sound = Vod::from_media(Media::AudioAdts).prefix("/sound").publish(&origin);
    let folder = Folder::new()?;
    for (stream, args, name) in [
        (&film, &[][..], "my-film.ts"),
        (&clip, &[], "clip.mp4"),
        (&sound, &[], "sound.aac"),
        (&film, &["-o", "shelf/"], "shelf/my-film.ts"),
        (&film, &["-o", "copy of {name}"], "copy of my-film.ts"),
        (&film, &["-o", "{host}-{name}.ts"], "127.0.0.1-my-film.ts"),
    ] {
        let run = folder.run(&[&["get", stream.url.as_str()], args].concat())?.ok();
        assert_eq!(run.out(), format!("{name}\n"), "standard output has the path and nothing else");
        same(&folder.read(name)?, &stream.expected);
    }
    Ok(())
}

#[test]
fn a_name_that_promises_another_container_is_refused() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::from_media(Media::Ts).publish(&origin);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "x.mp4"])?;
    run.fails(2, "output.container").has("next", &["-o x.ts", "--format join"]);
    assert!(folder.names().is_empty());
    folder.run(&["get", &stream.url, "-o", "x.mp4", "--format", "join"])?.ok();
    folder.holds_only("x.mp4", &stream.expected)
}

#[test]
fn an_output_that_exists_stays_and_nothing_is_asked() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    let folder = Folder::new()?;
    std::fs::write(folder.file("out.ts"), "mine")?;
    let run = folder.run(&["get", &stream.url, "-o", "out.ts"])?;
    run.fails(13, "output.exists").has("next", &["--force", "--skip-existing"]);
    folder.run(&["get", &stream.url, "-o", "out.ts", "--skip-existing"])?.ok();
    folder.holds_only("out.ts", b"mine")?;
    assert_eq!(origin.requests().len(), 0);
    folder.run(&["get", &stream.url, "-o", "out.ts", "--force"])?.ok();
    folder.holds_only("out.ts", &stream.expected)
}

#[test]
fn a_failure_leaves_what_force_would_have_replaced() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    origin.remove(&stream.segment_paths[1]);
    let folder = Folder::new()?;
    std::fs::write(folder.file("out.ts"), "mine")?;
    folder.run(&["get", &stream.url, "-o", "out.ts", "--force"])?.fails(3, "segment.status");
    assert_eq!(folder.read("out.ts")?, b"mine");
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_made() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    let folder = Folder::new()?;
    std::fs::write(folder.file("file"), "")?;
    let run = folder.run(&["get", &stream.url, "-o", "file/out.ts"])?;
    assert_eq!(run.status.code(), Some(10), "{}", run.err);
    assert!(run.err.contains("error["), "{}", run.err);
    Ok(())
}

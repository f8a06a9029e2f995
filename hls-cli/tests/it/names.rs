//! Where the bytes go, and what is never overwritten.

use hls_testkit::{Media, Origin, Vod};

use crate::support::{Folder, LIMIT, Outcome, gated, media_requests, same};

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
        // An MP4 is flat, and not the bytes as they came.
        if !name.ends_with(".mp4") {
            same(&folder.read(name)?, &stream.expected);
        }
    }
    Ok(())
}

#[test]
fn names_of_a_server_are_harmless() -> Outcome {
    let origin = Origin::start();
    let folder = Folder::new()?;
    let long = "a".repeat(400);
    for (prefix, name) in [
        ("/evil.desktop", Some("evil.desktop.ts")),
        ("/evil.exe", Some("evil.exe.ts")),
        ("/-rf", Some("rf.ts")),
        ("/con", Some("_con.ts")),
        ("/.hidden.", Some("hidden.ts")),
        ("/a:b", Some("a_b.ts")),
        (&format!("/{long}"), None),
    ] {
        let stream = Vod::synthetic(2, 20_000).prefix(prefix).publish(&origin);
        let out = folder.run(&["get", &stream.url])?.ok().out();
        let made = out.trim_end();
        assert!(name.is_none_or(|name| name == made), "{prefix}: {made}");
        assert!(made.len() < 255 && made.ends_with(".ts") && !made.contains('/'), "{made}");
        same(&folder.read(made)?, &stream.expected);
    }
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_no_text_or_too_long_is_refused() -> Outcome {
    use std::os::unix::ffi::OsStrExt as _;
    let origin = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    let folder = Folder::new()?;
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.ts");
    let mut command = folder.hls(&["get", &stream.url, "-o"]);
    let run = crate::support::Run::of(command.arg(name))?;
    assert_eq!(run.status.code(), Some(2), "{}", run.err);
    assert!(folder.names().is_empty());
    let too_long = "a".repeat(300);
    let run = folder.run(&["get", &stream.url, "-o", &too_long])?;
    assert_eq!(run.status.code(), Some(10), "{}", run.err);
    assert!(run.err.contains("error["), "{}", run.err);
    Ok(())
}

#[test]
fn a_name_that_promises_another_container_is_refused() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::from_media(Media::Fmp4).publish(&origin);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "x.ts"])?;
    run.fails(2, "output.container").has("next", &["-o x.mp4", "--format join"]);
    assert!(folder.names().is_empty());
    folder.run(&["get", &stream.url, "-o", "x.ts", "--format", "join"])?.ok();
    folder.holds_only("x.ts", &stream.expected)
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
fn a_file_that_appears_meanwhile_stays_and_nothing_is_lost() -> Outcome {
    for args in [&[][..], &["--skip-existing"], &["--manifest"]] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let (stream, gate) = gated(&origin, &Vod::synthetic(4, 20_000), 2);
        let run = folder.spawn(&[&["get", stream.url.as_str(), "-o", "out.ts"], args].concat())?;
        assert!(origin.wait_until(LIMIT, |o| o.in_flight() == 2));
        std::fs::write(folder.file("out.ts"), "mine")?;
        gate.open();
        let (status, said) = run.wait()?;
        assert_eq!(status.code(), Some(13), "{said}");
        assert!(
            said.contains("error[output.exists] (exit 13): a file has appeared meanwhile: out.ts"),
            "{said}"
        );
        assert!(said.contains("\n  next:  the complete bytes are in out.ts.part: "), "{said}");
        assert_eq!(folder.read("out.ts")?, b"mine");
        same(&folder.read("out.ts.part")?, &stream.expected);
        // As it is said there: nothing is fetched again.
        let again = folder.run(&["get", &stream.url, "-o", "out.ts"])?;
        again.fails(13, "output.exists").has("next", &["the complete bytes are in out.ts.part"]);
        assert_eq!(folder.read("out.ts")?, b"mine");
        let listed = folder.run(&["jobs"])?.ok().out();
        assert!(listed.contains("all bytes are there") && listed.contains("4 of 4 segments"), "{listed}");
        std::fs::rename(folder.file("out.ts"), folder.file("log"))?;
        let _ = std::fs::remove_file(folder.file("out.ts.json"));
        origin.reset_log();
        folder.run(&["get", &stream.url, "-o", "out.ts", "--manifest"])?.ok();
        assert_eq!(media_requests(&origin), 0);
        assert!(folder.run(&["verify", "out.ts"])?.ok().out().contains("every byte"));
        std::fs::remove_file(folder.file("out.ts.json"))?;
        folder.holds_only("out.ts", &stream.expected)?;
    }
    Ok(())
}

#[test]
fn force_replaces_what_appeared_meanwhile() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (stream, gate) = gated(&origin, &Vod::synthetic(4, 20_000), 2);
    let run = folder.spawn(&["get", &stream.url, "-o", "out.ts", "--force"])?;
    assert!(origin.wait_until(LIMIT, |o| o.in_flight() == 2));
    std::fs::write(folder.file("out.ts"), "mine")?;
    gate.open();
    let (status, said) = run.wait()?;
    assert!(status.success(), "{said}");
    folder.holds_only("out.ts", &stream.expected)
}

#[test]
fn a_result_is_replaced_and_a_partial_is_discarded_only_where_that_is_said() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    std::fs::write(folder.file("out.ts"), "mine")?;
    for (flags, code) in [(&["--restart"][..], 13), (&["--restart", "--skip-existing"], 0)] {
        let run = folder.run(&[&["get", stream.url.as_str(), "-o", "out.ts"], flags].concat())?;
        assert_eq!(run.status.code(), Some(code), "{flags:?}: {}", run.err);
        folder.holds_only("out.ts", b"mine")?;
    }
    assert_eq!(origin.requests().len(), 0);
    // The name is known only once the playlist is.
    std::fs::rename(folder.file("out.ts"), folder.file("x-.ts"))?;
    for (flags, code) in [(&[][..], 13), (&["--restart"], 13), (&["--skip-existing"], 0)] {
        let run = folder.run(&[&["get", stream.url.as_str(), "-o", "x-{height}.ts"], flags].concat())?;
        assert_eq!(run.status.code(), Some(code), "{flags:?}: {}", run.err);
        folder.holds_only("x-.ts", b"mine")?;
    }
    assert_eq!(media_requests(&origin), 0);
    let run = folder.run(&["get", &stream.url, "-o", "x-.ts", "--force", "--skip-existing"])?;
    run.fails(2, "usage");
    let help = folder.run(&["get", "--help"])?.ok().out();
    for (flag, other) in [("--force", "--restart"), ("--restart", "--force")] {
        let about = help.split(&format!("      {flag}\n")).nth(1).unwrap_or_default();
        let about = about.split("\n\n").next().unwrap_or_default();
        assert!(about.contains(other), "{flag}: {about}");
    }
    Ok(())
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

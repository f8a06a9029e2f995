//! What fails fails with its code and its block, and never leaves a file under the final name.

use hls_testkit::{Authority, Identity, Media, Origin, Published, Reply, Resource, Vod};

use crate::support::{Block, Folder, KEY, Outcome, Run, same, until};

const FEW_TRIES: &[&str] = &["--retries", "1"];

/// Downloads what has to fail, and looks that nothing is under the final name.
fn fails(url: &str, args: &[&str], code: i32, symbol: &str) -> Result<Block, Box<dyn std::error::Error>> {
    let folder = Folder::new()?;
    let run = folder.run(&[&["get", url, "-o", "out.ts"], args].concat())?;
    assert!(!folder.names().contains(&"out.ts".to_owned()), "{:?}", folder.names());
    assert!(run.out.is_empty(), "{}", run.out());
    Ok(run.fails(code, symbol))
}

fn stream(origin: &Origin) -> Published {
    Vod::from_media(Media::Ts).query("token=sesame").publish(origin)
}

#[test]
fn a_segment_that_is_gone() -> Outcome {
    let origin = Origin::start();
    let stream = stream(&origin);
    origin.remove(&stream.segment_paths[2]);
    fails(&stream.url, FEW_TRIES, 3, "segment.status")?
        .has("where", &["GET http://127.0.0.1", &stream.segment_paths[2], "token=…", "(try 2 of 2)"])
        .has("kept", &["5 of 6 segments verified", "not created"])
        .has("next", &["give a link that has it"]);
    Ok(())
}

#[test]
fn a_playlist_that_is_gone() -> Outcome {
    let origin = Origin::start();
    fails(&origin.url("/none.m3u8?token=sesame"), FEW_TRIES, 3, "playlist.status")?
        .has("where", &["GET http://127.0.0.1", "/none.m3u8?token=…"])
        .has("next", &["check that the link is right"]);
    Ok(())
}

#[test]
fn a_page_in_place_of_a_segment() -> Outcome {
    let origin = Origin::start();
    let stream = stream(&origin);
    origin.script(&stream.segment_paths[1], [Reply::html().forever()]);
    fails(&stream.url, FEW_TRIES, 8, "content.not_media")?.has("where", &[&stream.segment_paths[1]]);
    Ok(())
}

#[test]
fn a_segment_that_is_always_cut() -> Outcome {
    let origin = Origin::start();
    let stream = stream(&origin);
    origin.script(&stream.segment_paths[1], [Reply::truncated().forever()]);
    fails(&stream.url, FEW_TRIES, 5, "segment.truncated")?
        .has("where", &["(try 2 of 2)"])
        .has("next", &["run the same command"]);
    assert_eq!(origin.requests_for(&stream.segment_paths[1]).len(), 2);
    Ok(())
}

#[test]
fn a_server_that_ignores_ranges() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::from_media(Media::Ts).byterange().publish(&origin);
    let path = &stream.segment_paths[0];
    origin.script(path, [Reply::ignore_range().forever()]);
    let folder = Folder::new()?;
    folder.run(&["get", &stream.url, "-o", "out.ts"])?.ok();
    folder.holds_only("out.ts", &stream.expected)?;
    assert_eq!(origin.requests_for(path).len(), 1, "one answer is for all parts");
    // Half of it does not cover every part.
    origin.script(path, [Reply::short_consistent().header("accept-ranges", "none").forever()]);
    origin.put(path, Resource::new(stream.expected.clone()).no_ranges());
    fails(&stream.url, FEW_TRIES, 8, "segment.range_mismatch")?;
    Ok(())
}

#[test]
fn a_wrong_key() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::from_media(Media::Ts).aes128(KEY).publish(&origin);
    origin.put(&stream.key_paths[0], b"fedcba9876543210".as_slice());
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "--retries", "1"])?;
    assert_eq!(run.status.code(), Some(8), "{}", run.err);
    assert!(run.err.contains("key"), "the key is named: {}", run.err);
    assert!(!folder.file("out.ts").exists());
    Ok(())
}

#[test]
fn a_key_of_15_bytes() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::from_media(Media::Ts).aes128(KEY).publish(&origin);
    origin.put(&stream.key_paths[0], KEY[..15].to_vec());
    fails(&stream.url, FEW_TRIES, 8, "key.length")?.has("where", &[&stream.key_paths[0]]);
    Ok(())
}

#[test]
fn a_page_in_place_of_a_playlist() -> Outcome {
    let origin = Origin::start();
    origin.script("/index.m3u8", [Reply::html().forever()]);
    fails(&origin.url("/index.m3u8"), FEW_TRIES, 7, "playlist.not_a_playlist")?;
    Ok(())
}

#[test]
fn a_live_playlist_in_a_file() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(folder.file("live.m3u8"), "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n")?;
    let run = folder.run(&["get", "live.m3u8", "-o", "out.ts"])?;
    run.fails(7, "playlist.live").has("next", &["give its URL"]);
    Ok(())
}

#[test]
fn a_connection_that_is_refused() -> Outcome {
    let url = Origin::start().url("/index.m3u8?token=sesame");
    fails(&url, FEW_TRIES, 5, "net.connect")?.has("where", &["/index.m3u8?token=…", "(try 2 of 2)"]);
    Ok(())
}

#[test]
fn a_host_that_nobody_knows() -> Outcome {
    fails("http://name.invalid/index.m3u8?token=sesame", FEW_TRIES, 5, "net.dns")?
        .has("where", &["http://name.invalid/index.m3u8?token=…"]);
    Ok(())
}

#[test]
fn a_certificate_that_is_not_acceptable() -> Outcome {
    let text = |e: Box<dyn std::error::Error + Send + Sync>| e.to_string();
    let authority = Authority::new().map_err(text)?;
    let names = ["127.0.0.1"];
    for identity in [
        Identity::self_signed(&names).map_err(text)?,
        authority.expired(&names).map_err(text)?,
        authority.identity(&["other.example"]).map_err(text)?,
    ] {
        let origin = Origin::builder().tls(&identity).map_err(text)?.start();
        let url = origin.url("/index.m3u8");
        assert!(url.starts_with("https://"), "{url}");
        fails(&url, &[], 6, "net.tls")?;
        assert_eq!(origin.requests().len(), 0);
    }
    Ok(())
}

#[test]
fn escapes_of_a_server_stay_on_the_page() -> Outcome {
    let origin = Origin::start();
    let text = "#EXTM3U\n#EXT-X-KEY:METHOD=\u{1b}[31mEVIL\u{7},URI=\"k\"\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n";
    origin.put("/index.m3u8", text);
    // That there is no control character is looked at in every run.
    let run = Folder::new()?.run(&["get", &origin.url("/index.m3u8"), "-o", "out.ts"])?;
    assert_eq!(run.status.code(), Some(7), "{}", run.err);
    Ok(())
}

#[test]
fn mistakes_on_the_command_line() -> Outcome {
    let origin = Origin::start();
    let url = origin.url("/index.m3u8?token=sesame");
    for args in [
        &["--no-such-flag"][..],
        &["-X", "POST"],
        &["-d", "x=1"],
        &["--data-raw", "x=1"],
        &["-j", "0"],
        &["--limit-rate", "fast"],
        &["-H", "no header"],
        &["-s", "colour=blue"],
        &["-b", "no-such-file"],
        &["-x", "nonsense://p"],
    ] {
        let run = Folder::new()?.run(&[&["get", url.as_str()], args].concat())?;
        assert_eq!(run.status.code(), Some(2), "{args:?}: {}", run.err);
        assert!(!run.err.is_empty() && run.out.is_empty(), "{args:?}");
    }
    for input in ["ftp://h/x?token=sesame", "h.example/x.m3u8?token=sesame", "no-such-file.m3u8"] {
        Folder::new()?.run(&["get", input])?.fails(2, "usage");
    }
    assert_eq!(Folder::new()?.run(&[])?.status.code(), Some(2));
    assert_eq!(origin.requests().len(), 0);
    Ok(())
}

#[test]
fn trouble_that_passes_is_no_trouble() -> Outcome {
    let origin = Origin::start();
    let stream = stream(&origin);
    origin.script(&stream.segment_paths[0], [Reply::status(503)]);
    origin.script(&stream.segment_paths[1], [Reply::reset_midway()]);
    origin.script(&stream.segment_paths[2], [Reply::truncated()]);
    origin.script(&stream.segment_paths[3], [Reply::status(429).header("retry-after", "1")]);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "-v"])?.ok();
    folder.holds_only("out.ts", &stream.expected)?;
    assert!(run.err.contains(", 4 retried, 0 gaps"), "{}", run.err);
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() -> Outcome {
    let origin = Origin::start();
    let stream = stream(&origin);
    let folder = Folder::new()?;
    folder.run(&["get", &stream.url, "-o", "/dev/full"])?.fails(9, "disk.full");
    for (line, code) in [
        (r#""$HLS" get "$URL" -o - >/dev/full"#, 9),
        (r#""$HLS" info "$URL" >/dev/full"#, 9),
        (r#""$HLS" jobs --json >/dev/full"#, 9),
        // Only what is said about the download does not fit: the download is none the worse.
        (r#""$HLS" get "$URL" -o a.ts --json >/dev/full"#, 0),
        (r#""$HLS" get "$URL" -o b.ts 2>/dev/full"#, 0),
        (r#""$HLS" get "$URL" -o c.ts >&- 2>&-"#, 0),
    ] {
        let mut shell = folder.command("sh");
        shell.args(["-c", line]).env("HLS", env!("CARGO_BIN_EXE_hls")).env("URL", &stream.url);
        let run = Run::of(&mut shell)?;
        assert_eq!(run.status.code(), Some(code), "{line}: {}", run.err);
    }
    for name in ["a.ts", "b.ts", "c.ts"] {
        same(&folder.read(name)?, &stream.expected);
    }
    Ok(())
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(40, 100_000).publish(&origin);
    let folder = Folder::new()?;
    let line = r#"{ "$HLS" get "$URL" -o - 2>err; echo $? >code; } | head -c 100 >head"#;
    let mut shell = folder.command("sh");
    shell.args(["-c", line]).env("HLS", env!("CARGO_BIN_EXE_hls")).env("URL", &stream.url);
    assert!(shell.status()?.success());
    assert_eq!(folder.read("head")?, &stream.expected[..100]);
    assert_eq!(String::from_utf8(folder.read("code")?)?, "141\n");
    let said = String::from_utf8(folder.read("err")?)?;
    assert!(!said.contains("error") && !said.contains("complete"), "{said}");
    Ok(())
}

/// A log that nobody reads any more is no reason to stop.
#[test]
#[cfg(unix)]
fn a_listener_that_leaves() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(40, 20_000).publish(&origin);
    let folder = Folder::new()?;
    for (name, line) in [
        ("a.ts", r#"{ "$HLS" get "$URL" -o a.ts --json; echo $? >code; } | head -n 1 >head"#),
        ("b.ts", r#"{ "$HLS" get "$URL" -o b.ts -v 2>&1 >&-; echo $? >code; } | true"#),
    ] {
        let mut shell = folder.command("sh");
        shell.args(["-c", line]).env("HLS", env!("CARGO_BIN_EXE_hls")).env("URL", &stream.url);
        Run::of(&mut shell)?.ok();
        until("its end", || folder.read("code").is_ok_and(|code| code == b"0\n"));
        std::fs::remove_file(folder.file("code"))?;
        same(&folder.read(name)?, &stream.expected);
    }
    Ok(())
}

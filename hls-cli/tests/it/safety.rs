//! What a playlist or a server can try, and what is promised against it.

use hls_testkit::{Authority, Identity, Media, Origin, Reply, Step, Vod, judge};

use crate::support::{Folder, LIMIT, Outcome, Run, SECRET, pause, same};

/// Where a hostile URI may stand.
const PLACES: [&str; 7] = ["segment", "key", "map", "variant", "rendition", "redirect", "entrance"];

/// Puts a stream on an origin that leads to `uri` in one place; returns the URL to begin with.
fn lure(origin: &Origin, place: &str, uri: &str) -> String {
    let media = |tag: &str, segment: &str| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{tag}#EXTINF:2,\n{segment}\n#EXT-X-ENDLIST\n")
    };
    origin.put("/good.ts", Media::Ts.segments()[0]);
    origin.put("/good.m3u8", media("", "good.ts"));
    origin.redirect("/hop", uri);
    let (path, text) = match place {
        "segment" => ("/index.m3u8", media("", uri)),
        "key" => ("/index.m3u8", media(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\"\n"), "good.ts")),
        "map" => ("/index.m3u8", media(&format!("#EXT-X-MAP:URI=\"{uri}\"\n"), "good.ts")),
        "variant" => {
            ("/index.m3u8", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64000c\"\n{uri}\n"))
        }
        "rendition" => (
            "/index.m3u8",
            format!(
                "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=YES,URI=\"{uri}\"\n\
                 #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64000c,mp4a.40.2\",AUDIO=\"a\"\ngood.m3u8\n"
            ),
        ),
        "redirect" => ("/index.m3u8", media("", "hop")),
        _ => ("/index.m3u8", String::new()),
    };
    origin.put(path, text);
    origin.url(if place == "entrance" { "/hop" } else { path })
}

/// Downloads what leads to `uri` in this place, from a folder with a canary in it.
fn follow(place: &str, uri: &str, more: &[&str]) -> Result<Run, Box<dyn std::error::Error>> {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    std::fs::write(folder.file("canary"), SECRET)?;
    let url = lure(&origin, place, &uri.replace("FOLDER", &folder.path().display().to_string()));
    let run = folder.run(&[&["get", &url, "-o", "out.ts", "--format", "join"], more].concat())?;
    assert!(!folder.file("out.ts").exists() || more.contains(&"--allow-private"), "{place}: {}", run.err);
    Ok(run)
}

#[test]
fn another_private_address_sees_no_connection() -> Outcome {
    let Ok(canary) = Origin::bind("127.0.0.2:0") else {
        judge::skip("this machine has no second loopback address");
        return Ok(());
    };
    canary.put("/x", "x");
    for place in PLACES {
        let run = follow(place, &canary.url("/x"), &[])?;
        let said = run.fails(6, "policy.private_address");
        said.has("next", &["--allow-private"]).has("where", &["127.0.0.2"]);
        assert!(run.err.contains("127.0.0.2 is a loopback address"), "{}", run.err);
        let hidden = canary.url("/x").replace("127.0.0.2", "0x7f.2");
        follow(place, &hidden, &[])?.fails(6, "policy.private_address");
    }
    assert_eq!(canary.connections(), 0);
    follow("segment", &canary.url("/x"), &["--allow-private"])?;
    assert!(canary.connections() > 0, "the flag allows it");
    Ok(())
}

#[test]
fn nothing_but_http_is_followed_wherever_it_stands() -> Outcome {
    for place in PLACES {
        for uri in [
            "file://FOLDER/canary",
            "FILE:FOLDER/canary",
            "ftp://127.0.0.1/canary",
            "concat:FOLDER/canary|FOLDER/canary",
            "subfile,,start,0,end,9,,:FOLDER/canary",
            "crypto+file:FOLDER/canary",
            "gopher://127.0.0.1:1/x",
            "C:FOLDER/canary",
        ] {
            // What is no scheme is a relative URL (RFC 3986 section 4.2), of the origin.
            let is_relative = uri.starts_with("subfile,");
            let run = follow(place, uri, &["--retries", "0"])?;
            let code = run.status.code();
            match is_relative {
                true => assert_eq!(code, Some(3), "{place} {uri}: {}", run.err),
                false => drop(run.fails(6, "policy.scheme")),
            }
        }
    }
    Ok(())
}

#[test]
fn a_certificate_that_is_not_right_ends_it() -> Outcome {
    let text = |e: Box<dyn std::error::Error + Send + Sync>| e.to_string();
    let authority = Authority::new().map_err(text)?;
    for (what, identity) in [
        ("expired", authority.expired(&["127.0.0.1"])),
        ("for another name", authority.identity(&["other.example"])),
        ("self-signed", Identity::self_signed(&["127.0.0.1"])),
        ("of an unknown authority", Authority::new().map_err(text)?.identity(&["127.0.0.1"])),
        ("right", authority.identity(&["127.0.0.1"])),
    ] {
        for version in ["1.1", "2", "auto"] {
            let identity = identity.as_ref().map_err(ToString::to_string)?;
            let origin = Origin::builder().http2(identity).map_err(text)?.start();
            let folder = Folder::new()?;
            let stream = Vod::synthetic(2, 20_000).publish(&origin);
            std::fs::write(folder.file("ca.pem"), authority.pem())?;
            let args = ["get", &stream.url, "-o", "out.ts", "--ca", "ca.pem", "--http", version];
            let run = folder.run(&args)?;
            if what == "right" {
                run.ok();
                same(&folder.read("out.ts")?, &stream.expected);
            } else {
                run.fails(6, "net.tls").has("where", &["127.0.0.1"]);
                assert_eq!((origin.requests().len(), folder.file("out.ts").exists()), (0, false), "{what}");
                folder.run(&[&args[..], &["--insecure"]].concat())?.ok();
            }
        }
    }
    Ok(())
}

#[test]
fn a_bare_path_is_a_path_of_the_origin() -> Outcome {
    for place in PLACES {
        for uri in
            ["FOLDER/canary", "\\FOLDER\\canary", "../../../../..FOLDER/canary", "%2e%2e/%2e%2eFOLDER/canary"]
        {
            let run = follow(place, uri, &["--retries", "0"])?;
            assert!(matches!(run.status.code(), Some(3 | 5 | 7)), "{place} {uri}: {}", run.err);
        }
    }
    Ok(())
}

#[test]
fn a_user_name_in_a_foreign_url_is_refused() -> Outcome {
    for place in PLACES {
        let run = follow(place, "http://example.com:sesame@127.0.0.1:1/x", &[])?;
        run.fails(6, "policy.userinfo").has("where", &["http://…@127.0.0.1:1/x"]);
    }
    // What the user has typed holds for what is relative to it, and for nothing else.
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let url = lure(&origin, "redirect", "/good.ts").replace("http://", "http://me:sesame@");
    folder.run(&["get", &url, "-o", "out.ts"])?.ok();
    assert!(origin.requests().iter().all(|r| r.header("authorization") == Some("Basic bWU6c2VzYW1l")));
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn no_file_that_a_playlist_names_is_opened() -> Outcome {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        judge::skip("there is no strace");
        return Ok(());
    }
    for place in PLACES {
        for uri in ["file://FOLDER/canary", "FOLDER/canary", "concat:FOLDER/canary", "$(cat FOLDER/other)"] {
            let (origin, folder) = (Origin::start(), Folder::new()?);
            std::fs::write(folder.file("canary"), SECRET)?;
            let url = lure(&origin, place, &uri.replace("FOLDER", &folder.path().display().to_string()));
            let mut traced = folder.command("strace");
            traced.args(["-f", "-e", "trace=%file", "-o", "trace", env!("CARGO_BIN_EXE_hls")]);
            let run =
                Run::of(traced.args(["get", &url, "-o", "out.ts", "--format", "join", "--retries", "0"]))?;
            assert!(!run.status.success(), "{place} {uri}");
            let trace = String::from_utf8(folder.read("trace")?)?;
            assert_eq!(trace.matches("execve(").count(), 1, "it runs no other program: {trace}");
            assert!(!trace.contains("canary"), "{place} {uri}: {trace}");
        }
    }
    Ok(())
}

/// Runs the program and returns how it ended and the most memory that it had, in MiB.
#[cfg(target_os = "linux")]
fn measured(url: &str) -> Result<(Run, u64), Box<dyn std::error::Error>> {
    let folder = Folder::new()?;
    let mut command = folder.hls(&["get", url, "-o", "out.ts", "--retries", "0"]);
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let (start, mut most) = (std::time::Instant::now(), 0);
    while child.try_wait()?.is_none() {
        assert!(start.elapsed() < LIMIT, "it does not end");
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(kib.unwrap_or(0) >> 10);
        pause();
    }
    let ended = child.wait_with_output()?;
    let run = Run { status: ended.status, out: Vec::new(), err: String::from_utf8(ended.stderr)? };
    assert!(!folder.file("out.ts").exists(), "{}", run.err);
    Ok((run, most))
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_that_a_server_sends_fills_the_memory() -> Outcome {
    let origin = Origin::start();
    let endless = |begin: &'static str, more: &'static str| {
        let steps = [Step::Bytes(begin.len()), Step::Endless(more.into())];
        Reply::ok(begin).chunked().steps(steps).forever()
    };
    origin.script("/endless.m3u8", [endless("#EXTM3U\n", "#EXTINF:2,\nsegment.ts\n")]);
    origin.script("/line.m3u8", [endless("#EXTM3U\n#", "x")]);
    origin.put("/bomb.m3u8", hls_testkit::Resource::gzipped(&vec![b'#'; 128 << 20]));
    let variant = |n: usize| format!("#EXT-X-STREAM-INF:BANDWIDTH={n}\nv{n}.m3u8\n");
    origin.put("/variants.m3u8", "#EXTM3U\n".to_owned() + &(1..=100_000).map(variant).collect::<String>());
    let rendition = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\"\n";
    origin.put("/renditions.m3u8", "#EXTM3U\n".to_owned() + &rendition.repeat(100_000));
    let define = format!("#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{}\"\n", "x".repeat(60_000));
    origin.put("/define.m3u8", format!("{define}#EXTINF:2,\n{}\n", "{$a}".repeat(200_000)));
    origin.put("/defines.m3u8", define + &"#EXTINF:2,\n{$a}\n".repeat(20_000));
    let keys = |n| format!("#EXT-X-KEY:METHOD=AES-128,URI=\"k{n}\"\n#EXTINF:2,\na.ts\n");
    let all_keys: String = (0..=100_000).map(keys).collect();
    origin.put("/keys.m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{all_keys}#EXT-X-ENDLIST\n"));
    let master = |uri| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{uri}\n");
    origin.put("/nested.m3u8", master("nested.m3u8"));
    origin.put("/master.m3u8", master("media.m3u8"));
    origin.put("/media.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nendless.ts\n#EXT-X-ENDLIST\n");
    let packet: Vec<u8> = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat();
    origin.script(
        "/endless.ts",
        [Reply::ok(Vec::new()).chunked().steps([Step::Endless(packet.into())]).forever()],
    );
    origin.put("/itself.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nitself.m3u8\n#EXT-X-ENDLIST\n");
    origin.redirect("/loop.m3u8", "/loop.m3u8");
    let claim = |uri: &str, more: &str| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{more}{uri}\n#EXT-X-ENDLIST\n")
    };
    origin.put("/range.m3u8", claim("small.ts", "#EXT-X-BYTERANGE:9000000000000000000@0\n"));
    origin.put("/small.ts", Media::Ts.segments()[0]);
    origin.put("/length.m3u8", claim("claimed.ts", ""));
    origin.script(
        "/claimed.ts",
        [Reply::ok(vec![0x47; 188]).content_length(9_000_000_000_000_000_000).forever()],
    );
    for (path, code, symbol) in [
        ("/endless.m3u8", 6, "limit.size"),
        ("/line.m3u8", 6, "limit.size"),
        ("/bomb.m3u8", 6, "limit.size"),
        ("/variants.m3u8", 7, "playlist.limit"),
        ("/renditions.m3u8", 7, "playlist.limit"),
        ("/define.m3u8", 7, "playlist.limit"),
        ("/defines.m3u8", 7, "playlist.limit"),
        ("/keys.m3u8", 7, "playlist.limit"),
        ("/nested.m3u8", 7, "playlist.nested"),
        ("/master.m3u8", 6, "limit.size"),
        ("/itself.m3u8", 8, "content.not_media"),
        ("/loop.m3u8", 3, "playlist.redirect"),
        ("/range.m3u8", 9, "disk.full"),
        ("/length.m3u8", 6, "limit.size"),
    ] {
        let (run, most) = measured(&origin.url(path))?;
        run.fails(code, symbol);
        assert!(most < 120, "{path}: {most} MiB");
    }
    Ok(())
}

#[test]
fn what_a_server_says_is_harmless_on_a_terminal() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let evil = "\u{1b}]0;evil\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r";
    let media = |uri: &str| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,{evil}\n{uri}\n#EXT-X-ENDLIST\n#{evil}\n")
    };
    origin.put("/title.m3u8", media("gone.ts"));
    origin.put("/url.m3u8", media(&format!("gone{evil}.ts?{evil}")));
    let head = format!("HTTP/1.1 404 {}\r\ncontent-length: 0\r\n\r\n", evil.trim_end());
    origin.script("/reason.m3u8", [Reply::raw(head.into_bytes()).forever()]);
    origin.script(
        "/location.m3u8",
        [Reply::status(302).header("location", &format!("/{}", evil.trim_end())).forever()],
    );
    origin.script("/type.m3u8", [Reply::html().header("content-type", evil.trim_end()).forever()]);
    let master = format!(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"{evil}\",LANGUAGE=\"{evil}\",DEFAULT=YES,URI=\"gone.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"{evil}\",AUDIO=\"a\"\ntitle.m3u8\n"
    );
    origin.put("/master.m3u8", master);
    for path in ["/title.m3u8", "/url.m3u8", "/reason.m3u8", "/location.m3u8", "/type.m3u8", "/master.m3u8"] {
        for args in [&["get"][..], &["get", "--json"], &["info"], &["info", "--json"], &["info", "--check"]] {
            let url = origin.url(path);
            let more: &[&str] = if args[0] == "get" { &["--retries", "0", "-o", "out.ts"] } else { &[] };
            // That nothing is said with a control character is looked at in every run.
            let run = folder.run(&[args, &[&url], more].concat())?;
            let foreign = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!run.out().contains(foreign), "{path} {args:?}: {:?}", run.out());
            assert!(!run.err.contains(foreign), "{path} {args:?}: {:?}", run.err);
        }
    }
    Ok(())
}

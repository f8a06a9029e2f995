//! Which header goes where, and commands that were copied from a browser.

use hls_testkit::{Authority, Media, Origin, Published, Reply, Request, Vod, judge};

use crate::support::{Folder, LIMIT, Outcome, Run, SECRET, same};

/// A playlist on one host whose segments are on another, where this machine has two.
struct Two {
    home: Origin,
    away: Origin,
    url: String,
    stream: Published,
}

impl Two {
    fn start() -> Option<Self> {
        let Ok(away) = Origin::bind("127.0.0.2:0") else {
            judge::skip("this machine has no second loopback address");
            return None;
        };
        let home = Origin::start();
        let stream = Vod::synthetic(3, 20_000).absolute().publish(&away);
        home.put("/show/index.m3u8", stream.playlist.clone());
        let url = home.url("/show/index.m3u8");
        Some(Self { home, away, url, stream })
    }
}

fn names(request: &Request) -> Vec<&str> {
    let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn secrets_stay_at_home() -> Outcome {
    let Some(two) = Two::start() else { return Ok(()) };
    let folder = Folder::new()?;
    let mut args =
        vec!["get", "--allow-private", &two.url, "-o", "out.ts", "-H", "X-Token: sesame", "-b", "a=sesame"];
    args.extend(["-A", "agent", "-e", "https://page.example/", "-H", "Authorization: Bearer sesame"]);
    folder.run(&args)?.ok();
    folder.holds_only("out.ts", &two.stream.expected)?;
    let home = two.home.requests();
    for (name, value) in [
        ("x-token", "sesame"),
        ("cookie", "a=sesame"),
        ("authorization", "Bearer sesame"),
        ("user-agent", "agent"),
        ("referer", "https://page.example/"),
    ] {
        assert_eq!(home[0].header(name), Some(value));
    }
    let away = two.away.requests();
    assert_eq!(away.len(), 3);
    for request in away {
        assert_eq!(names(&request), ["accept", "accept-encoding", "host", "referer", "user-agent"]);
        assert_eq!(request.header("user-agent"), Some("agent"));
        assert_eq!(request.header("referer"), Some("https://page.example/"));
    }
    Ok(())
}

#[test]
fn a_refusal_names_what_was_held_back() -> Outcome {
    let Some(two) = Two::start() else { return Ok(()) };
    two.away.rule(|request| request.header("x-token").is_none().then(|| Reply::status(403)));
    let folder = Folder::new()?;
    let args = ["get", "--allow-private", &two.url, "-o", "out.ts", "-H", "X-Token: sesame"];
    let run = folder.run(&args)?;
    run.fails(3, "segment.status")
        .has("why", &["x-token", "127.0.0.2"])
        .has("next", &["--header-for 127.0.0.2 'x-token: ...'"]);
    assert!(!folder.file("out.ts").exists());
    let widened = [&args[..], &["--header-for", "127.0.0.2", "X-Token: sesame"]].concat();
    folder.run(&widened)?.ok();
    folder.holds_only("out.ts", &two.stream.expected)
}

#[test]
fn a_redirect_does_not_carry_secrets_along() -> Outcome {
    let Some(two) = Two::start() else { return Ok(()) };
    two.home.redirect("/entry.m3u8", &two.stream.url);
    let folder = Folder::new()?;
    let url = two.home.url("/entry.m3u8");
    folder
        .run(&["get", "--allow-private", &url, "-o", "out.ts", "-H", "X-Token: sesame", "-b", "a=sesame"])?
        .ok();
    assert_eq!(two.home.requests()[0].header("x-token"), Some("sesame"));
    for request in two.away.requests() {
        assert_eq!((request.header("x-token"), request.header("cookie")), (None, None), "{}", request.path);
    }
    Ok(())
}

/// Two origins, of which the first is the input's, and a stream whose segment, key, map or variant is on the other one; or where
/// a redirect leads there, and from there home again.
fn elsewhere(home: &Origin, away: &Origin, place: &str) -> String {
    let media = |tag: &str, segment: &str| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{tag}#EXTINF:2,\n{segment}\n#EXT-X-ENDLIST\n")
    };
    let there = away.url("/there");
    for origin in [home, away] {
        origin.put("/good.ts", Media::Ts.segments()[0]);
        origin.put("/good.m3u8", media("", "good.ts"));
        origin.redirect("/hop", &there);
    }
    away.put("/there", Media::Ts.segments()[0]);
    let text = match place {
        "segment" => media("", &there),
        "key" => media(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{there}\"\n"), "good.ts"),
        "map" => media(&format!("#EXT-X-MAP:URI=\"{there}\"\n"), "good.ts"),
        "variant" => format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64000c\"\n{there}\n"),
        "redirect" => media("", "hop"),
        _ => {
            away.redirect("/there", &home.url("/good.ts"));
            media("", "hop")
        }
    };
    home.put("/index.m3u8", text);
    home.url("/index.m3u8")
}

#[test]
fn no_place_and_no_way_takes_secrets_to_another_origin() -> Outcome {
    let authority = Authority::new().map_err(|e| e.to_string())?;
    let identity = authority.identity(&["127.0.0.1", "127.0.0.2"]).map_err(|e| e.to_string())?;
    let secure = || Ok::<_, String>(Origin::builder().tls(&identity).map_err(|e| e.to_string())?.start());
    let has_two = Origin::bind("127.0.0.2:0").is_ok();
    for place in ["segment", "key", "map", "variant", "redirect", "back"] {
        for other in ["port", "host", "secure", "plain"] {
            if other == "host" && !has_two {
                judge::skip("this machine has no second loopback address");
                continue;
            }
            let (home, away) = match other {
                "port" => (Origin::start(), Origin::start()),
                "host" => (Origin::start(), Origin::bind("127.0.0.2:0")?),
                "secure" => (Origin::start(), secure()?),
                _ => (secure()?, Origin::start()),
            };
            let url = elsewhere(&home, &away, place);
            let folder = Folder::new()?;
            std::fs::write(folder.file("ca.pem"), authority.pem())?;
            // The end is another matter: a segment is no key, and no playlist.
            let mut args =
                vec!["get", &url, "--allow-private", "--allow-http", "--ca", "ca.pem", "--retries", "0"];
            args.extend(["-o", "out.ts", "--format", "join", "-H", "X-Token: sesame", "-b", "a=sesame"]);
            args.extend(["-H", "Authorization: sesame"]);
            let run = folder.run(&args)?;
            let what = format!("{place}, another {other}: {}", run.err);
            let first = &home.requests()[0];
            for name in ["x-token", "cookie", "authorization"] {
                assert!(first.header(name).is_some_and(|value| value.contains(SECRET)), "{name}: {what}");
            }
            let strange = away.requests();
            assert!(!strange.is_empty(), "{what}");
            for (name, value) in strange.iter().flat_map(|request| &request.headers) {
                assert!(!value.contains(SECRET), "{name}: {what}");
            }
            // A stranger who sends us home does not speak for the user there.
            for request in home.requests_for("/good.ts").iter().filter(|_| place == "back") {
                assert!(request.headers.iter().all(|(_, value)| !value.contains(SECRET)), "{what}");
            }
            assert!(place != "back" || !home.requests_for("/good.ts").is_empty(), "{what}");
        }
    }
    Ok(())
}

#[test]
fn headers_and_cookies_from_files() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(1, 20_000).publish(&origin);
    let folder = Folder::new()?;
    std::fs::write(folder.file("headers"), "X-One: 1\n\nX-Two: 2\n")?;
    let jar = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tsesame\n";
    std::fs::write(folder.file("jar"), jar)?;
    folder
        .run(&["get", &stream.url, "-o", "out.ts", "-H", "@headers", "-b", "jar", "-H", "User-Agent:"])?
        .ok();
    for request in origin.requests() {
        assert_eq!((request.header("x-one"), request.header("x-two")), (Some("1"), Some("2")));
        assert_eq!((request.header("cookie"), request.header("user-agent")), (Some("sid=sesame"), None));
    }
    Ok(())
}

#[test]
#[cfg(unix)]
fn commands_copied_from_browsers() -> Outcome {
    const CHROME: &str = r#"curl 'URL' \
  -H 'accept: */*' \
  -H 'accept-language: en-GB,en;q=0.9' \
  -H 'cache-control: no-cache' \
  -b 'session=abc; theme=dark' \
  -H 'if-none-match: W/"663-abc"' \
  -H 'origin: https://player.example' \
  -H 'pragma: no-cache' \
  -H 'priority: u=1, i' \
  -H 'range: bytes=0-' \
  -H 'referer: https://player.example/watch?v=1' \
  -H 'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"' \
  -H 'sec-ch-ua-mobile: ?0' \
  -H 'sec-ch-ua-platform: "Linux"' \
  -H 'sec-fetch-dest: empty' \
  -H 'sec-fetch-mode: cors' \
  -H 'sec-fetch-site: cross-site' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0.0.0' \
  --compressed --insecure"#;
    const FIREFOX: &str = r#"curl 'URL' \
  --compressed \
  -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0' \
  -H 'Accept: */*' \
  -H 'Accept-Language: en-US,en;q=0.5' \
  -H 'Accept-Encoding: gzip, deflate, br, zstd' \
  -H 'Range: bytes=0-' \
  -H 'Origin: https://player.example' \
  -H 'DNT: 1' \
  -H 'Sec-GPC: 1' \
  -H 'Connection: keep-alive' \
  -H 'Referer: https://player.example/watch?v=1' \
  -H 'Cookie: session=abc; theme=dark' \
  -H 'Sec-Fetch-Dest: empty' \
  -H 'Sec-Fetch-Mode: cors' \
  -H 'Sec-Fetch-Site: cross-site' \
  -H 'If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT' \
  -H 'If-None-Match: "663-abc"' \
  -H 'TE: trailers'"#;
    const SAFARI: &str = r#"curl 'URL' \
  -X 'GET' \
  -H 'Accept: */*' \
  -H 'Origin: https://player.example' \
  -H 'Cookie: session=abc; theme=dark' \
  -H 'Sec-Fetch-Site: cross-site' \
  -H 'Accept-Language: en-GB,en;q=0.9' \
  -H 'Host: cdn.example' \
  -H 'User-Agent: Mozilla/5.0 (Macintosh) Version/18.0 Safari/605.1.15' \
  -H 'Accept-Encoding: gzip, deflate' \
  -H 'Connection: keep-alive' \
  -H 'Sec-Fetch-Mode: cors' \
  -H 'Referer: https://player.example/watch?v=1' \
  -H 'Sec-Fetch-Dest: empty' \
  -H 'Priority: u=3, i'"#;
    for (browser, copied) in [("Chrome", CHROME), ("Firefox", FIREFOX), ("Safari", SAFARI)] {
        let origin = Origin::start();
        let stream = Vod::synthetic(2, 20_000).prefix("/show").query("id=1&part=2").publish(&origin);
        let folder = Folder::new()?;
        let line = copied.replacen("curl", "\"$HLS\" get", 1).replace("URL", &stream.url);
        let mut shell = folder.command("sh");
        shell.args(["-c", &line]).env("HLS", env!("CARGO_BIN_EXE_hls"));
        let run = Run::of(&mut shell)?.ok();
        assert_eq!(run.out(), "show.ts\n", "{browser}");
        same(&folder.read("show.ts")?, &stream.expected);
        let host = origin.address().to_string();
        for request in origin.requests() {
            assert_eq!(request.header("accept-encoding"), Some("identity"), "{browser}");
            assert_eq!(request.header("host"), Some(host.as_str()), "{browser}");
            assert_eq!(request.header("cookie"), Some("session=abc; theme=dark"), "{browser}");
            assert_eq!(request.header("referer"), Some("https://player.example/watch?v=1"), "{browser}");
            assert!(
                request.header("user-agent").is_some_and(|ua| ua.starts_with("Mozilla/5.0")),
                "{browser}"
            );
            for name in ["range", "if-none-match", "if-modified-since", "connection", "te"] {
                assert_eq!(request.header(name), None, "{browser}: {name}");
            }
            let mut once = names(&request);
            once.dedup();
            assert_eq!(once, names(&request), "{browser}: a header twice");
        }
    }
    Ok(())
}

#[test]
fn what_is_left_out_is_said_when_asked() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(1, 20_000).publish(&origin);
    let run = Folder::new()?.run(&["get", &stream.url, "-v", "-H", "Range: bytes=0-"])?.ok();
    assert!(run.err.to_lowercase().contains("header range is left out"), "{}", run.err);
    Ok(())
}

#[test]
fn through_a_proxy() -> Outcome {
    let proxy = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&proxy);
    let path = &stream.playlist_path;
    let url = format!("http://media.example{path}");
    let folder = Folder::new()?;
    folder.run(&["get", &url, "-o", "out.ts", "-x", proxy.url("").trim_end_matches('/')])?.ok();
    folder.holds_only("out.ts", &stream.expected)?;
    assert!(proxy.wait_until(LIMIT, |p| p.requests().len() == 3));
    assert!(proxy.requests().iter().all(|r| r.target.starts_with("http://media.example/")));
    let mut command = folder.hls(&["get", &url, "-o", "again.ts"]);
    command.env("http_proxy", proxy.url("").trim_end_matches('/'));
    Run::of(&mut command)?.ok();
    same(&folder.read("again.ts")?, &stream.expected);
    Ok(())
}

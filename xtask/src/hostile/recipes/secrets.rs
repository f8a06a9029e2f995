//! Secrets, and the servers and files that may not have them.

use std::fs;
use std::path::Path;

use anyhow::Result;
use hls_testkit::{Origin, Reply, Vod};

use super::Verdict;
use crate::hostile::case::outlaw;
use crate::hostile::run::Try;

const SECRET: &str = "sesame";

/// A stream whose playlist is on one origin and whose segments are on another.
fn apart(home: &Origin, away: &Origin, base: &str) -> Result<(String, Vec<u8>)> {
    let there = Vod::synthetic(3, 20_000).prefix("/away").publish(away);
    let mut text = there.playlist.clone();
    for path in &there.segment_paths {
        let name = path.rsplit('/').next().unwrap_or_default();
        text = text.replace(&format!("\n{name}\n"), &format!("\n{base}{path}\n"));
    }
    home.put("/home/index.m3u8", text.into_bytes());
    Ok((home.url("/home/index.m3u8"), there.expected.to_vec()))
}

/// Requests in which a server of others sees a word.
fn seen(origin: &Origin, word: &str) -> Vec<String> {
    let lines = origin.requests().into_iter().flat_map(|one| {
        let fields = one.headers.into_iter().map(|(name, value)| format!("{name}: {value}"));
        fields.chain([one.target]).collect::<Vec<_>>()
    });
    lines.filter(|line| line.contains(word)).collect()
}

/// What a user gives for one origin, and another port of its host. Cookies that servers set know no ports (RFC 6265, section 8.5).
pub(super) fn ports(t: &mut Try<'_>) -> Result<Verdict> {
    let (home, away) = (Origin::start(), Origin::start());
    let (url, right) = apart(&home, &away, &away.base())?;
    let what =
        t.pick("secret", &["-b k=v", "-b FILE", "Authorization", "user name", "a field of its own"])?;
    let host = home.address().ip().to_string();
    fs::write(
        t.file("cookies"),
        format!("# Netscape HTTP Cookie File\n{host}\tFALSE\t/\tFALSE\t0\tsession\t{SECRET}\n"),
    )?;
    let cookie = format!("session={SECRET}");
    let (authorization, field) = (format!("Authorization: Bearer {SECRET}"), format!("X-Token: {SECRET}"));
    let with_name = url.replace("http://", &format!("http://user:{SECRET}@"));
    let url = if what == "user name" { &with_name } else { &url };
    let more = match what {
        "-b k=v" => vec!["-b", cookie.as_str()],
        "-b FILE" => vec!["-b", "cookies"],
        "Authorization" => vec!["-H", authorization.as_str()],
        "a field of its own" => vec!["-H", field.as_str()],
        _ => Vec::new(),
    };
    let end = t.run(&[&["get", url, "-o", "out.ts"], &more[..]].concat())?;
    let leaked = seen(&away, SECRET).into_iter().chain(seen(&away, "c2VzYW1l")).collect::<Vec<_>>();
    if !leaked.is_empty() || end.said.contains(SECRET) {
        return Ok(Verdict::Wrong(format!("another port saw {leaked:?}; {}", end.words())));
    }
    Ok(ended(t, &end, &right, "out.ts"))
}

fn ended(t: &Try<'_>, end: &crate::hostile::run::End, right: &[u8], name: &str) -> Verdict {
    outlaw(end).unwrap_or_else(|| match (end.code(), fs::read(t.file(name)).ok()) {
        (Some(0), Some(got)) if got == right => Verdict::Right,
        (Some(0), _) => Verdict::Wrong("exit 0 and other bytes".to_owned()),
        _ => Verdict::Refused(end.kind()),
    })
}

/// Cookies for a whole suffix of names, and for other sites.
pub(super) fn suffixes(t: &mut Try<'_>) -> Result<Verdict> {
    let proxy = Origin::start();
    let (one, other, domain) = t.pick(
        "sites",
        &[
            ("one.redteam.co.uk", "two.other.co.uk", "co.uk"),
            ("one.redteam.co.uk", "two.other.co.uk", "uk"),
            ("one.redteam.test", "both.redteam.test", "test"),
            ("me.github.io", "you.github.io", "github.io"),
            ("a.example.com", "b.example.org", "example.org"),
            ("a.example.com", "b.other.com", "com"),
            ("a.example.com", "b.other.com", ".com"),
            ("evil-example.com", "example.com", "example.com"),
            ("a.shop.kawasaki.jp", "b.shop.kawasaki.jp", "shop.kawasaki.jp"),
            ("one.example.com", "two.example.com", ""),
        ],
    )?;
    let (_, right) = apart(&proxy, &proxy, &format!("http://{other}"))?;
    let domain = if domain.is_empty() { String::new() } else { format!("; Domain={domain}") };
    let set = Reply::resource().header("set-cookie", &format!("super={SECRET}; Path=/{domain}"));
    proxy.script("/home/index.m3u8", [set.forever()]);
    let url = format!("http://{one}/home/index.m3u8");
    let end = t.run(&["get", &url, "-x", &proxy.base(), "-o", "out.ts"])?;
    let leaked = proxy.requests().into_iter().filter(|request| {
        request.target.contains(other) && request.header("cookie").is_some_and(|value| value.contains(SECRET))
    });
    if leaked.count() > 0 {
        return Ok(Verdict::Wrong(format!("{other} was sent the cookie of {one}{domain}")));
    }
    Ok(ended(t, &end, &right, "out.ts"))
}

/// Tokens in paths: what precedes the secret, and the secret.
const TOKENS: [(&str, &str, &str); 10] = [
    ("/", "eyJhbGciOiJIUzI1NiJ9.c2VzYW1lIGlzIHNlY3JldA.Zm9yIHlvdXIgZXllcyBvbmx5", ""),
    ("/hdnts=exp=1900000000~acl=%2f*~hmac=", "0a1b2c3d4e5f60718293a4b5c6d7e8f9", ""),
    ("/exp=1900000000~acl=/*~hmac=", "9f86d081884c7d659a2feaa0c55ad015", ""),
    ("/", "5f4dcc3b5aa765d61d8327deb882cf99", "/1900000000"),
    ("/token/", "Zq3xV7bN1mK8pL5sT2wY", ""),
    ("/s/", "d41d8cd98f00b204e9800998ecf8427e0123456789abcdef", ",1900000000"),
    ("/Policy=", "eyJTdGF0ZW1lbnQiOlt7IlJlc291cmNlIjoiaHR0cDovL2V4YW1wbGUifV19", "&Key-Pair-Id=K2"),
    ("/secure(", "kX9vQ2mB7nR4tY6wZ1pL3sD8fG5hJ0aC", ")"),
    ("/v1/auth=", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "/live"),
    ("/bcdn_token=", "HS256-Kq7Yw2Zx9Vb4Nm1Pl6Ts3Rd8Fg5Hj0", "&expires=1900000000"),
];

/// A token in the path of the stream is shown nowhere and kept nowhere.
pub(super) fn paths(t: &mut Try<'_>) -> Result<Verdict> {
    let (before, secret, behind) = t.pick("token", &TOKENS)?;
    let origin = Origin::start();
    let published =
        Vod::synthetic(5, 20_000).prefix(&format!("{before}{secret}{behind}/film")).publish(&origin);
    let what = t.pick(
        "the server",
        &[
            "is well",
            "lacks a segment",
            "has a page",
            "redirects in a circle",
            "lacks the playlist",
            "sends half",
            "has no key",
        ],
    )?;
    let path = &published.segment_paths[2];
    match what {
        "lacks a segment" => origin.script(path, [Reply::status(404).forever()]),
        "has a page" => origin.script(path, [Reply::html().forever()]),
        "redirects in a circle" => origin.redirect(path, path),
        "lacks the playlist" => origin.script(&published.playlist_path, [Reply::status(403).forever()]),
        "sends half" => origin.script(path, [Reply::truncated().forever()]),
        "has no key" => {
            let text = published.playlist.replacen(
                "#EXTINF",
                "#EXT-X-KEY:METHOD=AES-128,URI=\"no.key\"\n#EXTINF",
                1,
            );
            origin.put(&published.playlist_path, text.into_bytes());
        }
        _ => {}
    }
    let more = t.pick(
        "options",
        &[
            &["-v"][..],
            &["-v", "--json"],
            &["--manifest"],
            &["-v", "--manifest", "--json"],
            &["-q"],
            &["--progress", "lines"],
        ],
    )?;
    let args = [&["get", &published.url, "--retries", "1", "-j", "2"], more].concat();
    let end = t.run(&args)?;
    let mut shown = vec![
        ("standard error", end.said.clone()),
        ("standard output", String::from_utf8_lossy(&end.out).into_owned()),
    ];
    let code = end.code();
    for command in [&["jobs"][..], &["jobs", "--json"]] {
        let listed = t.run(command)?;
        shown.push(("hls jobs", String::from_utf8_lossy(&listed.out).into_owned() + &listed.said));
    }
    let info = t.run(&["info", &published.url])?;
    shown.push(("hls info, errors", info.said));
    let of_secret = |text: &str| text.contains(secret);
    if let Some((place, text)) = shown.iter().find(|(_, text)| of_secret(text)) {
        let line = text.lines().find(|line| of_secret(line)).unwrap_or_default();
        return Ok(Verdict::Wrong(format!("shown on {place}: {line}")));
    }
    if let Some(place) = kept(&t.folder, secret)? {
        return Ok(Verdict::Wrong(format!("kept in {place}")));
    }
    Ok(outlaw(&end).unwrap_or(match code {
        Some(0) => Verdict::Right,
        _ => Verdict::Refused(end.kind()),
    }))
}

/// The first file below a folder, or its name, that has a word in it.
fn kept(folder: &Path, word: &str) -> Result<Option<String>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.display().to_string();
        let inside = if path.is_dir() {
            kept(&path, word)?
        } else {
            let bytes = fs::read(&path)?;
            bytes.windows(word.len()).any(|window| window == word.as_bytes()).then(|| name.clone())
        };
        if inside.is_some() || name.contains(word) {
            return Ok(inside.or(Some(name)));
        }
    }
    Ok(None)
}

/// The page that the user names leads to other hosts as its origin only.
pub(super) fn referer(t: &mut Try<'_>) -> Result<Verdict> {
    let home = Origin::start();
    let away = Origin::bind("127.0.0.2:0").unwrap_or_else(|_| Origin::start());
    let (url, right) = apart(&home, &away, &away.base())?;
    let page = t.pick(
        "page",
        &[
            "https://site.example/watch?t=sesame",
            "http://site.example/sesame/watch",
            "https://user:sesame@site.example/",
            "https://site.example/#sesame",
            "https://site.example:8443/a/b/c?x=1&y=sesame",
        ],
    )?;
    let header = format!("Referer: {page}");
    let more = t.pick("given by", &["-e", "-H"])?;
    let value = if more == "-e" { page } else { header.as_str() };
    let end = t.run(&["get", &url, more, value, "-o", "out.ts", "--allow-private"])?;
    let leaked = seen(&away, SECRET);
    if !leaked.is_empty() || end.said.contains(SECRET) {
        return Ok(Verdict::Wrong(format!("another host saw {leaked:?}; {}", end.words())));
    }
    Ok(ended(t, &end, &right, "out.ts"))
}

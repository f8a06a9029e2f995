//! What others leave in the way, and what is given by mistake: names that are taken, files without end, pipes nobody reads.

use hls_testkit::{Origin, Reply, Resource, Vod};

use crate::support::{Folder, Outcome, media_requests, same};

#[test]
fn two_streams_of_one_name_in_a_list_are_never_one() -> Outcome {
    let origin = Origin::start();
    let [one, two] = ["show-1", "show-20"].map(|show| {
        Vod::synthetic(2, 20_000 + 188 * show.len()).prefix(&format!("/{show}/movie")).publish(&origin)
    });
    for (urls, args, code, names) in [
        (vec![&one, &two], &["-o", "{name}.ts", "--skip-existing"][..], 13, &["movie.ts"][..]),
        (vec![&one, &two], &["-o", "{name}.ts"], 13, &["movie.ts"]),
        (vec![&one, &one], &["-o", "{name}.ts", "--skip-existing"], 0, &["movie.ts"]),
        (vec![&one, &two], &["-o", "{name}.ts", "--force"], 13, &["movie.ts"]),
        (vec![&one, &one], &["-o", "{name}.ts", "--force"], 0, &["movie.ts"]),
    ] {
        let folder = Folder::new()?;
        let list: String = urls.iter().map(|stream| format!("{}\n", stream.url)).collect();
        std::fs::write(folder.file("list"), list)?;
        // Again, when the first one is there from an earlier run, nothing is lost either.
        for _ in 0..2 {
            let skips = args.contains(&"--skip-existing");
            let run = folder.run(&[&["get", "-i", "list"], args].concat())?;
            assert_eq!(run.status.code(), Some(code), "{args:?}: {}", run.err);
            let mut there = folder.names();
            there.retain(|name| name != "list");
            assert_eq!(there, names, "{args:?}");
            same(&folder.read(names[0])?, &one.expected);
            if !skips {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn a_part_of_another_program_stays_until_it_may_go() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    for more in [&[][..], &["--force"], &["--skip-existing"]] {
        let folder = Folder::new()?;
        std::fs::write(folder.file("o.ts.part"), "another download")?;
        origin.reset_log();
        let run = folder.run(&[&["get", &stream.url, "-o", "o.ts"], more].concat())?;
        run.fails(13, "output.part_taken").has("next", &["--restart"]);
        assert_eq!(
            (folder.read("o.ts.part")?, folder.names().len()),
            (b"another download".to_vec(), 1),
            "{more:?}"
        );
        assert_eq!(origin.requests().len(), 0, "nothing was asked for");
        folder.run(&["get", &stream.url, "-o", "o.ts", "--restart"])?.ok();
        folder.holds_only("o.ts", &stream.expected)?;
    }
    // The result of another job is one too.
    let folder = Folder::new()?;
    folder.run(&["get", &stream.url, "-o", "x.ts.part"])?.ok();
    folder.run(&["get", &stream.url, "-o", "x.ts"])?.fails(13, "output.part_taken");
    folder.holds_only("x.ts.part", &stream.expected)
}

#[test]
#[cfg(unix)]
fn a_pipe_that_nobody_reads_ends_by_a_signal() -> Outcome {
    use std::os::unix::process::ExitStatusExt as _;

    let origin = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let folder = Folder::new()?;
        assert!(folder.command("mkfifo").arg("pipe").status()?.success());
        let run = folder.spawn(&["get", &stream.url, "-o", "pipe"])?;
        // It is there when it is waiting for a reader.
        let waits = format!("/proc/{}/task", run.pid());
        crate::support::until("it to wait", || {
            let threads = std::fs::read_dir(&waits).map_or(2, Iterator::count);
            threads > 1
        });
        std::thread::sleep(std::time::Duration::from_millis(200));
        run.signal(signal)?;
        let (status, said) = run.wait()?;
        assert_eq!(status.signal(), Some(number), "{said}");
    }
    // One that is read gets all of it.
    let folder = Folder::new()?;
    assert!(folder.command("mkfifo").arg("pipe").status()?.success());
    let run = folder.spawn(&["get", &stream.url, "-o", "pipe"])?;
    same(&folder.read("pipe")?, &stream.expected);
    assert!(run.wait()?.0.success());
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn files_without_an_end_are_refused() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(2, 20_000).publish(&origin);
    let url = stream.url.as_str();
    let folder = Folder::new()?;
    std::fs::File::create(folder.file("huge"))?.set_len(1 << 40)?;
    for file in ["/dev/zero", "huge"] {
        let header = format!("@{file}");
        for args in [
            &["get", "-i", file][..],
            &["get", url, "-b", file],
            &["get", url, "-H", &header],
            &["get", url, "--ca", file],
            &["info", url, "--ca", file],
        ] {
            let run = folder.run(args)?;
            assert_eq!(run.status.code(), Some(2), "{args:?}: {}", run.err);
            assert!(run.err.contains("more than 16384 KiB"), "{args:?}: {}", run.err);
        }
    }
    assert_eq!(origin.requests().len(), 0);
    Ok(())
}

#[test]
fn a_local_playlist_by_its_url() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(3, 20_000).publish(&origin);
    let inside = folder.file("my films");
    std::fs::create_dir(&inside)?;
    let each = stream.expected.len() / 3;
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    for (n, path) in stream.segment_paths.iter().enumerate() {
        std::fs::write(inside.join(name(path)), &stream.expected[n * each..(n + 1) * each])?;
    }
    let text =
        stream.playlist.lines().map(|line| if line.starts_with('#') { line.to_owned() } else { name(line) });
    std::fs::write(inside.join("x.m3u8"), text.collect::<Vec<_>>().join("\n"))?;
    let path = folder.path().display().to_string().replace(' ', "%20");
    for url in
        [format!("file://{path}/my%20films/x.m3u8"), format!("file://localhost{path}/my%20films/x.m3u8")]
    {
        folder.run(&["get", &url, "-o", "o.ts", "--force"])?.ok();
        same(&folder.read("o.ts")?, &stream.expected);
    }
    folder.run(&["info", &format!("file://{path}/my%20films/x.m3u8")])?.ok();
    folder.run(&["get", &format!("file://{path}/nothing.m3u8"), "-o", "o2.ts"])?.fails(2, "usage");
    Ok(())
}

#[test]
fn a_token_in_the_path_is_shown_and_kept_nowhere_and_costs_nothing() -> Outcome {
    let token = "eyJhbGciOiJIUzI1NiJ9.c2VzYW1lIGlzIHNlY3JldA.Zm9yIHlvdXIgZXllcyBvbmx5";
    for (prefix, secret) in [
        (format!("/{token}/film"), token),
        ("/hdnts=exp=1900000000~acl=%2f*~hmac=0a1b2c3d/film".to_owned(), "0a1b2c3d"),
        ("/5f4dcc3b5aa765d61d8327deb882cf99/1900000000/film".to_owned(), "5f4dcc3b5aa765d61d8327deb882cf99"),
    ] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let stream = Vod::synthetic(6, 20_000).prefix(&prefix).publish(&origin);
        origin.script(&stream.segment_paths[3], [Reply::status(404), Reply::status(404)]);
        let run = folder.run(&["get", &stream.url, "-j", "1", "-v", "--manifest", "--remember"])?;
        assert_eq!(run.status.code(), Some(3), "{}", run.err);
        assert!(!run.err.contains(secret) && run.err.contains('…'), "{}", run.err);
        let listed = folder.run(&["jobs"])?.ok().out() + &folder.run(&["jobs", "--json"])?.ok().out();
        assert!(!listed.contains(secret), "{listed}");
        assert!(folder.names().iter().all(|name| !name.contains(secret)), "{:?}", folder.names());
        // The job that was remembered goes on.
        let asked = media_requests(&origin);
        folder.run(&["jobs", "--resume"])?.ok();
        assert!(media_requests(&origin) < asked + 12, "what was here is not fetched again");
        let name = folder.names().into_iter().find(|name| name.ends_with(".ts")).ok_or("no film")?;
        same(&folder.read(&name)?, &stream.expected);
        let manifest = String::from_utf8(folder.read(&format!("{name}.json"))?)?;
        assert!(!manifest.contains(secret) && manifest.contains('…'), "{manifest}");
        origin.put("/unused", Resource::new("x"));
    }
    Ok(())
}

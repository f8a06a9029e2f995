//! What is said, where, and how much of it.

use std::time::{Duration, Instant};

use hls_testkit::{Origin, Vod};

use crate::support::{Folder, Outcome, Run, same};

#[test]
fn first_line_lines_and_receipt() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(50, 20_000).publish(&origin);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "out.ts"])?.ok();
    let lines: Vec<_> = run.err.lines().collect();
    assert!(lines[0].starts_with("out.ts: ") && lines[0].contains("50 segments, 5:00"), "{}", run.err);
    assert!(
        lines.last().is_some_and(|l| l.starts_with("complete: 50/50 segments verified, ")),
        "{}",
        run.err
    );
    let progress = lines.iter().filter(|l| l.starts_with("out.ts: ") && l.contains(" % ")).count();
    assert!(progress <= 11, "a line every tenth at most: {}", run.err);
    assert_eq!(run.out(), "out.ts\n");
    Ok(())
}

#[test]
fn quiet_leaves_errors_and_nothing_else() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(5, 20_000).publish(&origin);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "-q"])?.ok();
    assert_eq!((run.out(), run.err), ("out.ts\n".to_owned(), String::new()));
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "-q"])?;
    run.fails(13, "output.exists");
    Ok(())
}

#[test]
#[cfg(unix)]
fn a_shell_variable_holds_the_path() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(5, 20_000).prefix("/it's-a-film").publish(&origin);
    let folder = Folder::new()?;
    let mut shell = folder.command("sh");
    let line = r#"f=$("$HLS" get "$URL") && cat "$f""#;
    let run =
        Run::of(shell.args(["-c", line]).env("HLS", env!("CARGO_BIN_EXE_hls")).env("URL", &stream.url))?;
    same(&run.ok().out, &stream.expected);
    Ok(())
}

#[test]
fn a_rate_is_held() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(6, 100_000).publish(&origin);
    let folder = Folder::new()?;
    let start = Instant::now();
    folder.run(&["get", &stream.url, "-o", "out.ts", "--limit-rate", "200K"])?.ok();
    let took = start.elapsed();
    folder.holds_only("out.ts", &stream.expected)?;
    assert!(took > Duration::from_millis(2000), "600 KB at 200 KiB/s took {took:?}");
    Ok(())
}

#[test]
fn no_more_connections_than_asked_for() -> Outcome {
    let origin = Origin::builder().latency(20).start();
    let stream = Vod::synthetic(20, 20_000).publish(&origin);
    let folder = Folder::new()?;
    folder.run(&["get", &stream.url, "-o", "out.ts", "-j", "3"])?.ok();
    assert_eq!(origin.max_in_flight(), 3);
    Ok(())
}

#[test]
fn help_and_version() -> Outcome {
    let folder = Folder::new()?;
    for (args, word) in [
        (&["--help"][..], "get"),
        (&["help"], "get"),
        (&["get", "--help"], "--limit-rate"),
        (&["info", "--help"], "--json"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let run = folder.run(args)?.ok();
        assert!(run.out().contains(word) && run.err.is_empty(), "{args:?}: {}", run.out());
    }
    Ok(())
}

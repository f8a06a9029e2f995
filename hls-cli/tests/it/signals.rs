//! Signals: how a download is ended, and asked how it goes.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

use hls_testkit::{Gate, Origin, Published, Vod, judge};

use crate::support::{Folder, LIMIT, Outcome, Running, gated, part_length, signal, until};

/// A stream whose second half waits, and a run that has come to it.
fn half_way(
    origin: &Origin,
    folder: &Folder,
) -> Result<(Published, Gate, Running), Box<dyn std::error::Error>> {
    let (stream, gate) = gated(origin, &Vod::synthetic(20, 20_000), 10);
    let args = ["get", stream.url.as_str(), "-o", "out.ts", "-j", "2", "--progress", "none"];
    let run = folder.spawn(&args)?;
    until("ten segments", || part_length(folder, "out.ts") >= stream.expected.len() as u64 / 2);
    assert!(origin.wait_until(LIMIT, |o| o.in_flight() == 2));
    Ok((stream, gate, run))
}

#[test]
fn an_end_by_signal_is_one_by_that_signal() -> Outcome {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let (stream, gate, run) = half_way(&origin, &folder)?;
        run.signal(name)?;
        until("an answer", || run.said().contains("stopping"));
        gate.open();
        let (status, said) = run.wait()?;
        assert_eq!(status.signal(), Some(number), "{status}: {said}");
        assert!(said.contains("run the same command again to go on"), "{said}");
        assert!(!folder.file("out.ts").exists());
        // What was under way came to its end, and nothing new began.
        assert_eq!(origin.requests().len(), 1 + 10 + 2, "{name}");
        let listed = folder.run(&["jobs"])?.ok().out();
        assert!(
            listed.contains("12 of 20 segments") && listed.contains("\n  stopped: stopped before the end\n"),
            "{listed}"
        );
        let again = folder.run(&["get", &stream.url, "-o", "out.ts"])?.ok();
        assert!(again.err.contains("going on: 12 segments"), "{}", again.err);
        folder.holds_only("out.ts", &stream.expected)?;
    }
    Ok(())
}

#[test]
fn a_second_signal_ends_at_once() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (_stream, _gate, run) = half_way(&origin, &folder)?;
    run.signal("INT")?;
    until("an answer", || run.said().contains("stopping"));
    let asked = std::time::Instant::now();
    run.signal("INT")?;
    let (status, said) = run.wait()?;
    assert_eq!(status.signal(), Some(2), "{said}");
    assert!(asked.elapsed().as_secs() < 3, "{:?}", asked.elapsed());
    Ok(())
}

#[test]
fn a_status_is_told_and_it_goes_on() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (stream, gate, run) = half_way(&origin, &folder)?;
    until("a status of what is there", || {
        let _ = run.signal("USR1");
        std::thread::sleep(std::time::Duration::from_millis(50));
        run.said().contains("out.ts: 50 %, 10/20 segments, ")
    });
    gate.open();
    let (status, said) = run.wait()?;
    assert!(status.success(), "{said}");
    folder.holds_only("out.ts", &stream.expected)
}

/// A run that is stopped for longer than a server may be silent. That was not the server's silence.
fn is_paused(opens_while_stopped: bool) -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (stream, gate) = gated(&origin, &Vod::synthetic(6, 400_000), 2);
    let args = ["get", &stream.url, "-o", "out.ts", "-j", "4", "--stall-timeout", "1s", "-v"];
    let run = folder.spawn(&args)?;
    assert!(origin.wait_until(LIMIT, |o| o.in_flight() == 4));
    run.signal("STOP")?;
    if opens_while_stopped {
        gate.open();
    }
    std::thread::sleep(std::time::Duration::from_millis(2600));
    run.signal("CONT")?;
    if !opens_while_stopped {
        std::thread::sleep(std::time::Duration::from_millis(200));
        gate.open();
    }
    let (status, said) = run.wait()?;
    assert!(status.success() && said.contains(", 0 retried, 0 gaps"), "{said}");
    folder.holds_only("out.ts", &stream.expected)?;
    assert_eq!(origin.requests().len(), 7, "{said}");
    Ok(())
}

#[test]
fn a_pause_costs_no_attempt_where_bytes_came_meanwhile() -> Outcome {
    is_paused(true)
}

#[test]
fn a_pause_costs_no_attempt_where_bytes_come_afterwards() -> Outcome {
    is_paused(false)
}

/// Ctrl-C reaches the shell and the program. A shell leaves its loop only where the program died by the signal.
#[test]
fn a_loop_in_a_shell_stops() -> Outcome {
    if !judge::has_tool("bash") {
        judge::skip("no bash");
        return Ok(());
    }
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let mut gates = Vec::new();
    let mut urls = Vec::new();
    for name in ["/one", "/two", "/three"] {
        let (stream, gate) = gated(&origin, &Vod::synthetic(20, 20_000).prefix(name), 10);
        gates.push(gate);
        urls.push(stream.url);
    }
    let mut shell = folder.command("bash");
    shell.args(["-c", r#"for u in $URLS; do "$HLS" get "$u"; done; echo after >after"#]);
    shell.env("HLS", env!("CARGO_BIN_EXE_hls")).env("URLS", urls.join(" ")).process_group(0);
    let run = Running::of(&mut shell, &folder.file("log"))?;
    until("ten segments", || part_length(&folder, "one.ts") > 0);
    assert!(origin.wait_until(LIMIT, |o| o.in_flight() == 8));
    signal("INT", &format!("-{}", run.pid()))?;
    until("an answer", || run.said().contains("stopping"));
    gates[0].open();
    let (status, said) = run.wait()?;
    assert_eq!(status.signal(), Some(2), "{status}: {said}");
    assert!(origin.requests().iter().all(|r| r.path.starts_with("/one")), "{said}");
    assert!(!folder.file("after").exists(), "the loop went on");
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn under_nohup_it_outlives_the_terminal() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (stream, gate) = gated(&origin, &Vod::synthetic(4, 20_000), 2);
    let mut shell = folder.command("sh");
    shell.args(["-c", r#"trap "" HUP; exec "$HLS" get "$URL" -o out.ts"#]);
    shell.env("HLS", env!("CARGO_BIN_EXE_hls")).env("URL", &stream.url);
    let run = Running::of(&mut shell, &folder.file("log"))?;
    assert!(origin.wait_until(LIMIT, |o| o.in_flight() == 2));
    run.signal("HUP")?;
    gate.open();
    let (status, said) = run.wait()?;
    assert!(status.success() && !said.contains("stopping"), "{said}");
    folder.holds_only("out.ts", &stream.expected)
}

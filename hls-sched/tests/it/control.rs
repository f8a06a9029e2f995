//! How many at once, how fast, and what waits for what.

use std::time::{Duration, Instant};

use hls_sched::Event;
use hls_testkit::{Gate, Origin, Reply, Step, Vod};

use crate::support::{Folder, Outcome, job, same};

#[tokio::test]
async fn never_more_at_once_than_allowed() -> Outcome {
    for limit in [1, 3, 8] {
        let (origin, folder) = (Origin::builder().latency(10).start(), Folder::new()?);
        let vod = Vod::synthetic(30, 40_000).publish(&origin);
        job(&vod.url).concurrency(limit).output(folder.file("out.ts")).start().finish().await?;
        same(&folder.file("out.ts"), &vod.expected)?;
        let most = origin.max_in_flight();
        assert!(most <= limit as u64, "{most} of {limit} at once");
        assert!(most == limit as u64, "{most} of {limit}: slower than allowed");
    }
    Ok(())
}

#[tokio::test]
async fn a_rate_holds_over_all_connections() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(32, 64 << 10).publish(&origin);
    let job = job(&vod.url).concurrency(8).limit_rate(Some(1 << 20)).output(folder.file("out.ts"));
    let start = Instant::now();
    job.start().finish().await?;
    same(&folder.file("out.ts"), &vod.expected)?;
    let rate = vod.expected.len() as f64 / start.elapsed().as_secs_f64() / f64::from(1 << 20);
    assert!((0.8..1.1).contains(&rate), "{rate} of the cap");
    Ok(())
}

#[tokio::test]
async fn a_rate_can_be_changed_while_it_runs() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(32, 64 << 10).publish(&origin);
    let start = Instant::now();
    // At this rate it would be a minute.
    let running = job(&vod.url).limit_rate(Some(32 << 10)).output(folder.file("out.ts")).start();
    let handle = running.handle();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = origin.body_bytes_sent();
    handle.set_rate(Some(64 << 20));
    running.finish().await?;
    assert!(before < vod.expected.len() as u64 / 2, "{before} bytes at once");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    same(&folder.file("out.ts"), &vod.expected)
}

#[tokio::test]
async fn a_cap_set_late_holds() -> Outcome {
    let (origin, folder) = (Origin::builder().latency(5).start(), Folder::new()?);
    let vod = Vod::synthetic(64, 32 << 10).publish(&origin);
    let mut running = job(&vod.url).concurrency(2).output(folder.file("out.ts")).start();
    let handle = running.handle();
    while !matches!(running.next().await, None | Some(Event::Segment(_))) {}
    handle.set_rate(Some(1 << 20));
    let start = Instant::now();
    running.finish().await?;
    assert!(start.elapsed() > Duration::from_millis(1200), "{:?}", start.elapsed());
    same(&folder.file("out.ts"), &vod.expected)
}

/// More than the memory for what waits, while the head gets nothing at all.
#[tokio::test]
async fn a_head_that_hangs_lets_the_others_fill_up_and_no_more() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(40, 1 << 20).publish(&origin);
    let gate = Gate::new();
    let held = Reply::resource().steps([Step::UpTo(10), Step::Wait(gate.clone()), Step::Rest]);
    origin.script(&vod.segment_paths[0], [held]);
    let running = job(&vod.url).concurrency(8).output(folder.file("out.ts")).start();
    tokio::time::sleep(Duration::from_millis(700)).await;
    gate.open();
    let ended = tokio::time::timeout(Duration::from_secs(20), running.finish()).await??;
    assert_eq!(ended.retries, 0);
    same(&folder.file("out.ts"), &vod.expected)
}

#[tokio::test]
async fn a_head_that_fails_while_the_others_wait_comes_through() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(40, 1 << 20).publish(&origin);
    origin.script(
        &vod.segment_paths[0],
        [
            Reply::status(503).delay(200).times(2),
            Reply::resource().steps([Step::UpTo(60), Step::Sleep(200), Step::Reset]),
        ],
    );
    origin.script(&vod.segment_paths[1], [Reply::truncated().delay(300)]);
    let running = job(&vod.url).concurrency(8).output(folder.file("out.ts")).start();
    tokio::time::timeout(Duration::from_secs(20), running.finish()).await??;
    same(&folder.file("out.ts"), &vod.expected)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_that_come_in_any_order() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(80, 30_000).publish(&origin);
    for (n, path) in vod.segment_paths.iter().enumerate() {
        origin.script(path, [Reply::resource().delay((n as u64 * 7919) % 60)]);
    }
    job(&vod.url).concurrency(16).output(folder.file("out.ts")).start().finish().await?;
    same(&folder.file("out.ts"), &vod.expected)
}

#[tokio::test]
async fn progress_adds_up() -> Outcome {
    let (origin, folder) = (Origin::builder().latency(40).start(), Folder::new()?);
    let vod = Vod::synthetic(40, 40_000).publish(&origin);
    let mut running = job(&vod.url).output(folder.file("out.ts")).start();
    let (mut segments, mut last, mut planned) = (0, 0, 0);
    while let Some(event) = running.next().await {
        match event {
            Event::Plan(plan) => planned = plan.segments,
            Event::Segment(_) => segments += 1,
            Event::Progress(progress) => {
                assert!(progress.segments_done >= last && progress.segments_done <= progress.segments);
                assert!(progress.concurrency <= 4);
                last = progress.segments_done;
            }
            _ => {}
        }
    }
    let done = running.finish().await?;
    assert_eq!((planned, segments, done.segments), (40, 40, 40));
    assert!(last > 0 && done.downloaded_bytes >= done.bytes);
    Ok(())
}

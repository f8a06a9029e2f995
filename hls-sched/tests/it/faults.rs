//! What goes wrong for a while, and ends well all the same.

use std::sync::Arc;
use std::time::Duration;

use hls_fetch::Client;
use hls_sched::Event;
use hls_testkit::{Origin, Published, Reply, Step, Vod};

use crate::support::{Folder, KEY, Outcome, exact, job, same};

/// The same fault at the head, in the middle, and at the end.
async fn check(fault: impl Fn() -> Vec<Reply>, retries: u64) -> Outcome {
    for victim in [0, 5, 11] {
        let (origin, vod) = stream();
        origin.script(&vod.segment_paths[victim], fault());
        assert_eq!(exact(&vod, "ts").await?.retries, retries, "segment {victim}");
    }
    Ok(())
}

fn stream() -> (Origin, Published) {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).publish(&origin);
    (origin, vod)
}

#[tokio::test]
async fn status_503_twice() -> Outcome {
    check(|| vec![Reply::status(503).times(2)], 2).await
}

#[tokio::test]
async fn status_500_404_and_408_once() -> Outcome {
    check(|| vec![Reply::status(500), Reply::status(408)], 2).await?;
    check(|| vec![Reply::status(404)], 1).await
}

#[tokio::test]
async fn reset_in_mid_body() -> Outcome {
    check(|| vec![Reply::reset_midway()], 1).await
}

#[tokio::test]
async fn truncated_bodies() -> Outcome {
    check(|| vec![Reply::truncated(), Reply::chunked_cut()], 2).await
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_and_inside_a_packet() -> Outcome {
    let cut = || Reply::resource().http10_close().steps([Step::Bytes(30_001), Step::Close]);
    check(|| vec![cut()], 1).await
}

#[tokio::test]
async fn noise_a_page_and_nothing() -> Outcome {
    check(|| vec![Reply::noise(2000)], 1).await?;
    check(|| vec![Reply::html()], 1).await?;
    check(|| vec![Reply::empty()], 1).await
}

#[tokio::test]
async fn damage_after_decryption() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).aes128(KEY).publish(&origin);
    origin.script(&vod.segment_paths[0], [Reply::short_consistent()]);
    origin.script(&vod.segment_paths[5], [Reply::noise(40_000)]);
    exact(&vod, "ts").await?;
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_a_page_at_first() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).aes128(KEY).publish(&origin);
    origin.script(&vod.key_paths[0], [Reply::html(), Reply::status(503), Reply::reset_midway()]);
    exact(&vod, "ts").await?;
    assert_eq!(origin.requests_for(&vod.key_paths[0]).len(), 4);
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_is_asked_for_again() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).aes128(KEY).publish(&origin);
    origin.script(&vod.key_paths[0], [Reply::ok(&b"another key, but"[..])]);
    exact(&vod, "ts").await?;
    assert!(origin.requests_for(&vod.key_paths[0]).len() > 1);
    Ok(())
}

#[tokio::test]
async fn one_key_for_many_segments_is_fetched_once() -> Outcome {
    let origin = Origin::builder().latency(5).start();
    let vod = Vod::synthetic(30, 10_000).aes128(KEY).publish(&origin);
    exact(&vod, "ts").await?;
    assert_eq!(origin.requests_for(&vod.key_paths[0]).len(), 1);
    Ok(())
}

#[tokio::test]
async fn status_429_waits_as_long_as_it_is_told() -> Outcome {
    let (origin, vod) = stream();
    origin.script(&vod.segment_paths[3], [Reply::status(429).header("retry-after", "1")]);
    exact(&vod, "ts").await?;
    let requests = origin.requests_for(&vod.segment_paths[3]);
    let [first, second] = &requests[..] else { return Err(format!("{requests:?}").into()) };
    assert!(second.at - first.at >= Duration::from_secs(1), "{:?}", second.at - first.at);
    Ok(())
}

#[tokio::test]
async fn a_stall_and_a_silence() -> Outcome {
    let ((origin, vod), folder) = (stream(), Folder::new()?);
    origin.script(&vod.segment_paths[0], [Reply::stall_midway()]);
    origin.script(&vod.segment_paths[7], [Reply::hang()]);
    let quick = Duration::from_millis(400);
    let client = Client::builder().stall_timeout(quick).first_byte_timeout(quick).build()?;
    let client = client.for_input(&vod.url.parse()?);
    let done = job(&vod.url).fetch(Arc::new(client)).output(folder.file("out.ts")).start().finish().await?;
    assert_eq!(done.retries, 2);
    same(&folder.file("out.ts"), &vod.expected)
}

#[tokio::test]
async fn a_playlist_that_fails_once() -> Outcome {
    for fault in [Reply::status(503), Reply::truncated(), Reply::reset_midway()] {
        let (origin, vod) = stream();
        origin.script(&vod.playlist_path, [fault]);
        exact(&vod, "ts").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_playlist_that_is_cut_once() -> Outcome {
    let (origin, vod) = stream();
    let half: String = vod.playlist.lines().take(10).map(|line| format!("{line}\n")).collect();
    origin.script(&vod.playlist_path, [Reply::ok(half)]);
    exact(&vod, "ts").await?;
    Ok(())
}

#[tokio::test]
async fn every_connection_is_lost_midway() -> Outcome {
    let (origin, folder) = (Origin::builder().latency(10).start(), Folder::new()?);
    let vod = Vod::synthetic(40, 60_000).publish(&origin);
    let mut job = job(&vod.url).output(folder.file("out.ts")).start();
    let mut segments = 0;
    while let Some(event) = job.next().await {
        if matches!(event, Event::Segment(_)) {
            segments += 1;
            if segments % 10 == 0 {
                origin.disconnect();
            }
        }
    }
    job.finish().await?;
    same(&folder.file("out.ts"), &vod.expected)
}

#[tokio::test]
async fn every_segment_fails_once_in_some_way() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(60, 60_000).aes128(KEY).rotate_every(7).publish(&origin);
    let faults = [
        Reply::status(503),
        Reply::status(502),
        Reply::truncated(),
        Reply::reset_midway(),
        Reply::html(),
        Reply::empty(),
        Reply::chunked_cut(),
        Reply::noise(50_000),
        Reply::short_consistent(),
    ];
    for (path, fault) in vod.segment_paths.iter().zip(faults.iter().cycle()) {
        origin.script(path, [fault.clone()]);
    }
    exact(&vod, "ts").await?;
    Ok(())
}

#[tokio::test]
async fn what_is_tried_again_is_told() -> Outcome {
    let ((origin, vod), folder) = (stream(), Folder::new()?);
    origin.script(&vod.segment_paths[2], [Reply::status(503).times(2)]);
    let mut job = job(&vod.url).output(folder.file("out.ts")).start();
    let mut told = Vec::new();
    let mut attempts = 0;
    while let Some(event) = job.next().await {
        match event {
            Event::Retry(retry) => told.push((retry.class.name(), retry.attempt)),
            Event::Segment(segment) if segment.index == 2 => attempts = segment.attempts,
            _ => {}
        }
    }
    job.finish().await?;
    assert_eq!((told, attempts), (vec![("throttled", 1), ("throttled", 2)], 3));
    Ok(())
}

//! What is waited for and what is not: outages before anything is whole, files that are cut for ever, networks that lose
//! connections all the time.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hls_sched::{Event, JobBuilder, Kind, Network};
use hls_testkit::{Master, Media, Origin, Reply, Step, Vod};

use crate::support::{Folder, KEY, Outcome, fails, job, same};

const OUTAGE: Duration = Duration::from_secs(2);

/// Resets whatever is asked for, from `after` the first request that is for no playlist on, for as long as an outage takes.
fn goes_away(origin: &Origin, after: Duration, lasts: Duration) {
    let began = OnceLock::new();
    origin.rule(move |request| {
        let is_playlist = request.path.ends_with(".m3u8");
        let began = match began.get() {
            None if is_playlist => return None,
            _ => *began.get_or_init(Instant::now),
        };
        let since = began.elapsed();
        (since >= after && since < after + lasts).then(|| Reply::raw("").steps([Step::Reset]))
    });
}

async fn waits(job: JobBuilder, name: &str) -> Outcome {
    let mut job = job.start();
    let mut was_gone = false;
    while let Some(event) = job.next().await {
        was_gone |= matches!(&event, Event::Progress(p) if p.network == Network::Gone);
        if let Event::Segment(segment) = event {
            assert!(segment.attempts <= 1, "{name}: an attempt counted");
        }
    }
    job.finish().await.map_err(|error| format!("{name}: {error}"))?;
    assert!(was_gone, "{name}: nobody said that the network was gone");
    Ok(())
}

#[tokio::test]
async fn an_outage_before_the_first_whole_segment_is_waited_for() -> Outcome {
    let one = |name, vod: Vod, extension| async move {
        let (origin, folder) = (Origin::builder().latency(5).start(), Folder::new()?);
        let vod = vod.publish(&origin);
        goes_away(&origin, Duration::ZERO, OUTAGE);
        let out = folder.file(&format!("out.{extension}"));
        waits(job(&vod.url).output(&out), name).await?;
        same(&out, &vod.expected)
    };
    let two = async {
        let (origin, folder) = (Origin::builder().latency(5).start(), Folder::new()?);
        let master = Master::new("/m")
            .variant(900_000, 320, 180, Vod::from_media(Media::Ts))
            .audio("en", true, Vod::from_media(Media::AudioAdts))
            .publish(&origin);
        // Of the second track nothing is there yet when it goes.
        goes_away(&origin, Duration::from_millis(8), OUTAGE);
        let out = folder.file("out.ts");
        waits(job(&master.url).concurrency(1).output(&out), "two tracks").await?;
        same(&out, &master.variants[0].expected)
    };
    let (clear, keys, sections, two) = tokio::join!(
        one("segments", Vod::synthetic(20, 20_000), "ts"),
        one("keys", Vod::synthetic(20, 20_000).aes128(KEY), "ts"),
        one("sections", Vod::from_media(Media::Fmp4), "m4s"),
        two
    );
    clear.and(keys).and(sections).and(two)
}

#[tokio::test]
async fn what_came_of_a_segment_before_an_outage_is_kept_and_used() -> Outcome {
    let (origin, folder) = (Origin::builder().rate_per_connection(200_000).start(), Folder::new()?);
    let vod = Vod::synthetic(6, 400_000).publish(&origin);
    let origin = Arc::new(origin);
    goes_away(&origin, Duration::from_millis(1200), Duration::from_secs(3));
    let closing = Arc::clone(&origin);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        closing.disconnect();
    });
    let out = folder.file("out.ts");
    let patience = Some(Duration::from_millis(800));
    let error = job(&vod.url).give_up_after(patience).output(&out).start().finish().await;
    let error = error.err().ok_or("it came to an end")?;
    assert_eq!(error.code(), "net.gave_up");
    let kept = error.kept().unwrap_or_default().to_owned();
    assert!(kept.contains("segments that are not whole") && kept.contains("out.ts.part"), "{kept}");
    assert!(folder.names().contains(&"out.ts.hls".to_owned()), "{:?}", folder.names());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let done = job(&vod.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert!(done.downloaded_bytes < vod.expected.len() as u64 - 200_000, "{}", done.downloaded_bytes);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_cut_for_ever_is_asked_for_seven_times_at_most() -> Outcome {
    let at = |bytes: usize| Reply::resource().steps([Step::Bytes(bytes), Step::Reset]);
    // How much of what a server sends before a reset arrives is chance: it may look as if a network brought it on. Up to
    // the 128,000 bytes that a socket takes at once all of it arrives.
    let more_each_time = [102_000, 105_000, 110_000, 115_000, 120_000].map(at);
    for (name, first, reply) in [
        ("half of what is asked for, reset", vec![], Reply::reset_midway()),
        ("more each time, reset", more_each_time.into(), Reply::reset_midway()),
        ("half, closed", vec![], Reply::truncated()),
        ("at once, reset", vec![], Reply::resource().steps([Step::Reset])),
        ("ten kilobytes each time, reset", vec![], at(10_000)),
        ("ranges ignored", vec![], Reply::ignore_range().steps([Step::UpTo(70), Step::Close])),
    ] {
        let origin = Origin::builder().latency(2).start();
        let vod = Vod::synthetic(6, if first.is_empty() { 3_000_000 } else { 800_000 }).publish(&origin);
        origin.script(&vod.segment_paths[2], first.into_iter().chain([reply.forever()]));
        let code = if name.ends_with("reset") { "net.reset" } else { "segment.truncated" };
        let error = fails(job(&vod.url), Kind::Temporary, code).await.map_err(|e| format!("{name}: {e}"))?;
        assert!(error.kept().is_some(), "{name}");
        let asked = origin.requests_for(&vod.segment_paths[2]).len();
        assert!(asked <= 7, "{name}: asked for {asked} times");
    }
    Ok(())
}

#[tokio::test]
async fn a_network_that_loses_connections_brings_a_segment_on_each_time() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(2, 6_000_000).publish(&origin);
    // Twenty requests for each.
    for path in &vod.segment_paths {
        origin.script(path, [Reply::resource().steps([Step::Bytes(300_000), Step::Close]).forever()]);
    }
    let out = folder.file("out.ts");
    job(&vod.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert!(origin.requests_for(&vod.segment_paths[0]).len() >= 15);
    Ok(())
}

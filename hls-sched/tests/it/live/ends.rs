//! Recordings that are stopped, killed, and gone on with.

use hls_testkit::{Of, Outage};

use super::*;

async fn stop_after(
    folder: &Folder,
    air: &OnAir,
    path: &str,
    time: Duration,
) -> Result<Finished, Box<dyn Error>> {
    Ok(stopped_after(job(air, path).output(folder.file("out.ts")), time).await?)
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stopped_is_whole_and_goes_on_in_another_file() -> Outcome {
    let broadcast = noise(90).window(8);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
    let first = stop_after(&folder, &air, &path, SECOND * 21).await?;
    assert_eq!((first.stopped_by, first.gaps.len()), (Some(StoppedBy::Stop), 0));
    let n = first.segments as usize;
    assert!((15..=18).contains(&n), "{n}");
    has(&air, &folder.file("out.ts"), &(0..n).collect::<Vec<_>>())?;
    // At once: the playlist still has what comes next.
    let second = stop_after(&folder, &air, &path, SECOND * 20).await?;
    assert_eq!(second.outputs, [folder.file("out.2.ts")]);
    assert!(second.gaps.is_empty(), "{:?}", second.gaps);
    let m = n + second.segments as usize;
    has(&air, &folder.file("out.2.ts"), &(n..m).collect::<Vec<_>>())?;
    // Later: what has left it is named.
    tokio::time::sleep(SECOND * 40).await;
    let third = stop_after(&folder, &air, &path, SECOND * 9).await?;
    let [gap] = &third.gaps[..] else { panic!("{:?}", third.gaps) };
    assert_eq!(gap.sequence as usize, m);
    let from = m + gap.count as usize;
    has(&air, &folder.file("out.3.ts"), &(from..from + third.segments as usize - 1).collect::<Vec<_>>())?;
    let names = folder.names();
    assert_eq!(names, ["out.2.ts", "out.3.ts", "out.3.ts.gaps.json", "out.3.ts.hls", "out.ts"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_whose_process_dies_goes_on_where_it_was() -> Outcome {
    for (name, broadcast) in [
        ("plain", noise(60).window(10)),
        ("dated", noise(60).window(10).dated(1_772_323_190_000)),
        ("sealed", noise(60).window(10).aes128([6; 16]).rotate_every(7)),
    ] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
        for time in [13, 17, 12] {
            let mut job = job(&air, &path).output(folder.file("out.ts")).start();
            let until = tokio::time::Instant::now() + SECOND * time;
            while let Ok(Some(_)) = tokio::time::timeout_at(until, job.next()).await {}
            // Dropped in the middle of whatever it does.
            drop(job);
            unlocked(&folder).await;
        }
        let (done, _) = record_into(&folder, &air, &path, |job| job).await?;
        assert!(done.gaps.is_empty(), "{name}: {:?}", done.gaps);
        has(&air, &folder.file("out.ts"), &(0..60).collect::<Vec<_>>())
            .map_err(|e| format!("{name}: {e}"))?;
        assert_eq!(folder.names(), ["out.ts"], "{name}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn fragments_of_a_recording_that_was_killed_have_their_section_once() -> Outcome {
    let broadcast = Broadcast::synthetic_fmp4(SECOND * 2, 3000).total(40).window(10);
    for (name, times, away, from) in [
        ("in the middle", [13_000, 17_000], SECOND / 10, 0),
        // The section was planned, and what it was planned for has left the window.
        ("at once", [1, 9_000], SECOND * 12, 1),
    ] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
        let begin = || job(&air, &path).output(folder.file("out.m4s"));
        for time in times {
            let mut job = begin().start();
            let planned = async {
                while !matches!(job.next().await, Some(hls_sched::Event::Reload(_)) | None) {}
                tokio::time::sleep(Duration::from_millis(time)).await;
            };
            planned.await;
            drop(job);
            unlocked(&folder).await;
            tokio::time::sleep(away).await;
        }
        let done = begin().start().finish().await?;
        let lost: u64 = done.gaps.iter().map(|gap| gap.count).sum();
        assert_eq!(lost > 0, from > 0, "{name}: {:?}", done.gaps);
        let offered = air.transmission().offered(0, SECOND * 900);
        let mut expected = offered[0].init().ok_or("no section")?.to_vec();
        let is_lost = |offer: &&hls_testkit::Offer| {
            !done.gaps.iter().any(|gap| (gap.sequence..gap.sequence + gap.count).contains(&offer.sequence))
        };
        offered.iter().filter(is_lost).for_each(|offer| expected.extend_from_slice(&offer.bytes()));
        same(&folder.file("out.m4s"), &expected).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_on_waits_for_its_stream() -> Outcome {
    for (name, outage) in [
        ("503", Outage::new(Of::Playlists, SECOND * 20, SECOND * 120)),
        ("silence", Outage::new(Of::Everything, SECOND * 20, SECOND * 120).silence()),
    ] {
        let broadcast = noise(120).window(90).outage(outage);
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
        let mut first = job(&air, &path).output(folder.file("out.ts")).start();
        let until = tokio::time::Instant::now() + SECOND * 25;
        while let Ok(Some(_)) = tokio::time::timeout_at(until, first.next()).await {}
        drop(first);
        unlocked(&folder).await;
        let (done, events) = record_into(&folder, &air, &path, |job| job).await?;
        assert!(done.gaps.is_empty(), "{name}: {:?}", done.gaps);
        has(&air, &folder.file("out.ts"), &(0..120).collect::<Vec<_>>())
            .map_err(|e| format!("{name}: {e}"))?;
        let waits = |event: &Event| matches!(event, Event::Warning { kind: "live.waiting", .. });
        assert_eq!(events.iter().filter(|event| waits(event)).count(), 1, "{name}");
    }
    // What has not begun is not waited for, and what has not for ever.
    let outage = Outage::new(Of::Playlists, SECOND * 20, SECOND * 10_000);
    let broadcast = noise(60).outage(outage);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
    let first = stop_after(&folder, &air, &path, SECOND * 30).await?;
    assert_eq!(first.stopped_by, Some(StoppedBy::Stop));
    for (file, least, most) in [("other.ts", 0, 60), ("out.ts", 100, 200)] {
        let began = tokio::time::Instant::now();
        let job = job(&air, &path).output(folder.file(file)).give_up_after(Some(SECOND * 100));
        let error = job.start().finish().await.err().ok_or("it was there")?;
        assert_eq!(error.kind(), hls_sched::Kind::Temporary, "{error}");
        let took = began.elapsed();
        assert!(took >= SECOND * least && took <= SECOND * most, "{file}: {took:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_left_the_window_while_nobody_recorded_is_named() -> Outcome {
    let broadcast = noise(60);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
    let mut job = job(&air, &path).output(folder.file("out.ts")).start();
    let until = tokio::time::Instant::now() + SECOND * 21;
    while let Ok(Some(_)) = tokio::time::timeout_at(until, job.next()).await {}
    drop(job);
    unlocked(&folder).await;
    tokio::time::sleep(SECOND * 30).await;
    let (done, _) = record_into(&folder, &air, &path, |job| job).await?;
    let lost: u64 = done.gaps.iter().map(|gap| gap.count).sum();
    assert!((9..=11).contains(&lost), "{:?}", done.gaps);
    let first = done.gaps[0].sequence as usize;
    let rest: Vec<_> = (0..60).filter(|n| !(first..first + lost as usize).contains(n)).collect();
    has(&air, &folder.file("out.ts"), &rest)?;
    Ok(())
}

/// Waits until the thread that writes has let go of the job.
pub(super) async fn unlocked(folder: &Folder) {
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        std::thread::sleep(Duration::from_millis(2));
        let job = hls_state::unfinished(&folder.file("out.ts"));
        if !job.is_some_and(|job| matches!(job.condition, hls_state::Condition::Running { .. })) {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_there_at_the_end_is_the_next_ones() -> Outcome {
    // Segments are not to be had when it is stopped, and their playlist still has them for the next one.
    let outage = Outage::new(Of::Segments, SECOND * 20, SECOND * 20).silence();
    let broadcast = noise(60).window(40).outage(outage);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
    let first = stop_after(&folder, &air, &path, SECOND * 30).await?;
    assert!(first.gaps.is_empty(), "{:?}", first.gaps);
    tokio::time::sleep(SECOND * 10).await;
    let (done, _) = record_into(&folder, &air, &path, |job| job).await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    assert_eq!(first.segments + done.segments, 60);
    Ok(())
}

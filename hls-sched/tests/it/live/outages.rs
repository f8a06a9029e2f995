//! Servers that are gone for a while.

use hls_testkit::{Of, Outage};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_playlist_that_is_gone_for_less_than_its_window_costs_nothing() -> Outcome {
    for lasts in [10, 30, 60] {
        for of in [Of::Playlists, Of::Everything] {
            for (how, outage) in [
                ("status", Outage::new(of, SECOND * 20, SECOND * lasts)),
                ("reset", Outage::new(of, SECOND * 20, SECOND * lasts).reset()),
                ("silence", Outage::new(of, SECOND * 20, SECOND * lasts).silence()),
                ("404", Outage::new(of, SECOND * 20, SECOND * lasts).status(404)),
            ] {
                // The last load may have been a while before, and the next one is a while behind.
                let window = (lasts as usize + 16) / 2 + 6;
                let broadcast = noise(80).window(window).running(6).outage(outage);
                let recorded = record(&broadcast, Duration::from_millis(40), |job| job).await?;
                recorded.is_whole(0, 80).map_err(|error| format!("{lasts} s, {of:?}, {how}: {error}"))?;
            }
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_leaves_the_window_in_an_outage_is_named_and_the_rest_is_there() -> Outcome {
    for lasts in [20, 30, 60] {
        let outage = Outage::new(Of::Everything, SECOND * 20, SECOND * lasts);
        let recorded = record(&noise(80).outage(outage), Duration::from_millis(40), |job| job).await?;
        assert_eq!(recorded.done.gaps.len(), 1, "{:?}", recorded.done.gaps);
        let gap = &recorded.done.gaps[0];
        let lost: Vec<_> = (gap.sequence as usize..(gap.sequence + gap.count) as usize).collect();
        let rest: Vec<_> = (0..80).filter(|n| !lost.contains(n)).collect();
        recorded.has(&rest, &[gap.count])?;
        assert_eq!((gap.code.as_str(), gap.duration), ("live.lost", SECOND * 2 * gap.count as u32));
        // Not more than what was out of reach: it is back in the list of six that is there after the outage, at the latest one
        // wait between two loads later.
        let most = (lasts as usize + 7) / 2 + 1 - 6 + 3;
        assert!(lost.len() <= most, "{lasts}: {} of {most}", lost.len());
        let report = std::fs::read_to_string(recorded.folder.file("out.ts.gaps.json"))?;
        assert!(report.contains(&format!("\"count\":{}", gap.count)), "{report}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn segments_that_can_not_be_had_for_a_while_are_had_later() -> Outcome {
    let outage = Outage::new(Of::Segments, SECOND * 20, SECOND * 30);
    let recorded = record(&noise(60).window(30).outage(outage), Duration::from_millis(40), |job| job).await?;
    recorded.is_whole(0, 60)?;
    let keys = Outage::new(Of::Keys, SECOND * 20, SECOND * 30);
    let broadcast = noise(60).window(30).aes128([4; 16]).rotate_every(5).outage(keys);
    record(&broadcast, Duration::from_millis(40), |job| job).await?.is_whole(0, 60)
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_is_never_there_is_a_gap_and_one_that_comes_late_is_none() -> Outcome {
    let recorded = record(&noise(40).missing(12, None, None), Duration::from_millis(40), |job| job).await?;
    let rest: Vec<_> = (0..40).filter(|n| *n != 12).collect();
    recorded.has(&rest, &[1])?;
    assert_eq!(recorded.done.gaps[0].sequence, 12);
    let recorded =
        record(&noise(40).missing(12, Some(3), None), Duration::from_millis(40), |job| job).await?;
    recorded.is_whole(0, 40)?;
    // The playlist says so itself.
    let recorded = record(&noise(40).gap(15), Duration::from_millis(40), |job| job).await?;
    recorded.has(&(0..40).filter(|n| *n != 15).collect::<Vec<_>>(), &[1])
}

#[tokio::test(start_paused = true)]
async fn another_place_has_what_the_first_one_has_not() -> Outcome {
    let two = || noise(60).pathway("b", "http://127.0.0.1:2");
    for (name, broadcast) in [
        ("all of it", two().outage(Outage::new(Of::Everything, SECOND * 20, SECOND * 60).on_pathway(0))),
        ("its playlist", two().outage(Outage::new(Of::Playlists, SECOND * 20, SECOND * 60).on_pathway(0))),
        ("its segments", two().outage(Outage::new(Of::Segments, SECOND * 20, SECOND * 60).on_pathway(0))),
        ("one segment", two().missing(20, None, Some(0))),
        ("dated", two().dated(1_772_323_190_000).missing(20, None, Some(0))),
        ("in turns", two().missing(20, None, Some(0)).missing(30, None, Some(1))),
    ] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let recorded = record_from(air, &broadcast.master_path(), |job| job).await?;
        recorded.has_all().map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_gone_for_good_ends_well_after_a_while() -> Outcome {
    let outage = Outage::new(Of::Everything, SECOND * 20, SECOND * 100_000);
    let patience = Some(SECOND * 120);
    let recorded =
        record(&noise(80).outage(outage), Duration::ZERO, |job| job.give_up_after(patience)).await?;
    recorded.stopped_by(StoppedBy::GaveUp);
    let n = recorded.done.segments as usize;
    assert!((14..=16).contains(&n), "{n}");
    recorded.is_whole(0, n)?;
    assert_eq!(recorded.warnings(), ["live.stale"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_does_not_blame_the_stream_for_it() -> Outcome {
    let outage = Outage::new(Of::Everything, SECOND * 18, SECOND * 640);
    let broadcast = noise(360).outage(outage);
    let air = OnAir::new(&broadcast);
    let folder = Folder::new()?;
    let patience = Some(SECOND * 120);
    let job = job(&air, &broadcast.playlist_path(0, 0)).give_up_after(patience);
    let job = job.output(folder.file("out.ts")).start();
    tokio::time::sleep(SECOND * 20).await;
    tokio::time::advance(SECOND * 600).await;
    let done = job.finish().await?;
    assert_eq!(done.stopped_by, Some(StoppedBy::End));
    let polls = air.transmission().polls(0);
    let woken = polls.iter().find(|at| **at >= SECOND * 620).ok_or("it looked never again")?;
    assert!(*woken < SECOND * 621, "{woken:?}");
    let [gap] = &done.gaps[..] else { panic!("{:?}", done.gaps) };
    let behind = (gap.sequence + gap.count) as usize;
    has(&air, &folder.file("out.ts"), &(0..gap.sequence as usize).chain(behind..360).collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn what_has_left_the_window_when_its_key_comes_has_been_kept() -> Outcome {
    for (name, lasts, how) in
        [("503", 30, None), ("404", 200, Some(404)), ("403", 200, Some(403)), ("long", 1200, None)]
    {
        let keys = Outage::new(Of::Keys, SECOND * 21, SECOND * lasts);
        let keys = how.map_or(keys.clone(), |status| keys.status(status));
        let total = 60 + lasts as usize / 2;
        let broadcast = noise(total).window(5).aes128([4; 16]).rotate_every(5).outage(keys);
        let recorded = record(&broadcast, Duration::from_millis(40), |job| job).await?;
        recorded.has_all_of_it().map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_key_outlives_the_process() -> Outcome {
    let keys = Outage::new(Of::Keys, SECOND * 21, SECOND * 100);
    let broadcast = noise(120).window(5).running(5).aes128([4; 16]).rotate_every(5).outage(keys);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
    let is_sealed = |name: &String| name.starts_with("sealed-");
    for (time, waiting) in [(35, 1), (30, 10), (20, 20)] {
        let mut job = job(&air, &path).output(folder.file("out.ts")).start();
        let until = tokio::time::Instant::now() + SECOND * time;
        while let Ok(Some(_)) = tokio::time::timeout_at(until, job.next()).await {}
        drop(job);
        ends::unlocked(&folder).await;
        let names = std::fs::read_dir(folder.file("out.ts.hls"))?.filter_map(Result::ok);
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let sealed = names.filter(is_sealed).count();
        assert!(sealed >= waiting, "{sealed} after {time} s more");
    }
    let (done, _) = record_into(&folder, &air, &path, |job| job).await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    has(&air, &folder.file("out.ts"), &(0..120).collect::<Vec<_>>())?;
    assert_eq!(folder.names(), ["out.ts"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_key_stays_where_nothing_has_been_recorded_yet() -> Outcome {
    let keys = Outage::new(Of::Keys, Duration::ZERO, SECOND * 60);
    let broadcast = noise(60).window(5).running(5).aes128([4; 16]).rotate_every(5).outage(keys);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
    let first = job(&air, &path).output(folder.file("out.ts")).start();
    let handle = first.handle();
    tokio::time::sleep(SECOND * 40).await;
    handle.cancel();
    assert!(first.finish().await.is_err());
    let (done, _) = record_into(&folder, &air, &path, |job| job).await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    has(&air, &folder.file("out.ts"), &(0..60).collect::<Vec<_>>())?;
    assert_eq!(folder.names(), ["out.ts"]);
    Ok(())
}

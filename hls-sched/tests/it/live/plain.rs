//! Streams that do what they should.

use hls_sched::{Event, From};
use hls_testkit::{LowLatency, Then};

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_two_seconds_and_a_window_of_six() -> Outcome {
    let recorded = record(&noise(306), Duration::from_millis(30), |job| job).await?;
    recorded.is_whole(0, 306)?;
    recorded.stopped_by(StoppedBy::End);
    assert_eq!(recorded.folder.names(), ["out.ts"]);
    assert!(recorded.warnings().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_one_second_and_a_window_of_three_far_away() -> Outcome {
    let broadcast = Broadcast::synthetic(SECOND, 2000).window(3).running(3).total(603);
    let recorded = record(&broadcast, Duration::from_millis(100), |job| job).await?;
    recorded.has(&(0..603).collect::<Vec<_>>(), &[])?;
    recorded.is_polite_within(SECOND);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn it_begins_where_it_is_told_to() -> Outcome {
    // Twelve segments are there when it begins, of which the playlist has eight: 4 to 11.
    let broadcast = |start| {
        let broadcast = noise(16).running(12).window(8);
        if start { broadcast.dated(1_772_323_190_000) } else { broadcast }
    };
    let at = hls_sched::DateTime::from_unix_micros(1_772_323_190_000_000 - 2_000_000 * 3 + 5);
    for (from, is_dated, first) in [
        (From::Start, false, 4),
        // Three target durations from the edge.
        (From::Live, false, 9),
        (From::Back(SECOND * 5), false, 9),
        (From::Back(SECOND * 4), false, 10),
        (From::Back(SECOND * 900), false, 4),
        (From::At(at), true, 9),
    ] {
        let recorded = record(&broadcast(is_dated), Duration::ZERO, |job| job.from(from)).await?;
        recorded.is_whole(first, 16).map_err(|error| format!("{from:?}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn it_ends_where_it_is_told_to() -> Outcome {
    let endless = || Broadcast::synthetic(SECOND * 2, 3000).dated(1_772_323_190_000);
    let recorded = record(&endless(), Duration::ZERO, |job| job.duration(Some(SECOND * 21))).await?;
    recorded.is_whole(0, 11)?;
    recorded.stopped_by(StoppedBy::Duration);
    let until = hls_sched::DateTime::from_unix_micros(1_772_323_190_000_000 + 2_000_000 * 9);
    let recorded = record(&endless(), Duration::ZERO, |job| job.until(Some(until))).await?;
    recorded.is_whole(0, 15)?;
    recorded.stopped_by(StoppedBy::Until);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_length_follow_one_another_without_a_seam() -> Outcome {
    let broadcast = noise(31).aes128([5; 16]);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(20));
    let split = Some(hls_sched::Split::Duration(SECOND * 20));
    let recorded = record_from(air, &broadcast.playlist_path(0, 0), |job| job.split(split)).await?;
    assert_eq!(recorded.folder.names(), ["out.2.ts", "out.3.ts", "out.4.ts", "out.ts"]);
    for (name, from, to) in
        [("out.ts", 0, 10), ("out.2.ts", 10, 20), ("out.3.ts", 20, 30), ("out.4.ts", 30, 31)]
    {
        has(&recorded.air, &recorded.folder.file(name), &(from..to).collect::<Vec<_>>())?;
    }
    assert_eq!((recorded.done.outputs.len(), recorded.done.segments, recorded.done.gaps.len()), (4, 31, 0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_playlists_do_on_good_days() -> Outcome {
    let two = SECOND * 2;
    for (name, broadcast) in [
        ("event", noise(30).event_type()),
        ("freeze", noise(30).freeze(SECOND * 15, SECOND * 9, Then::Jump).window(8)),
        ("pause", noise(30).freeze(SECOND * 15, SECOND * 30, Then::GoOn)),
        ("late", noise(30).window(3).running(3).late(SECOND * 20, two)),
        ("discontinuity", noise(30).discontinuity(SECOND * 15)),
        ("keys", noise(30).aes128([9; 16]).rotate_every(4)),
        ("vectors", noise(30).aes128([9; 16]).explicit_iv()),
        ("large numbers", noise(30).first_sequence(u64::from(u32::MAX) - 3)),
        ("dated", noise(30).dated(1_772_323_190_000).clock_step(SECOND * 20, 3_600_000)),
    ] {
        let recorded = record(&broadcast, Duration::from_millis(40), |job| job).await?;
        recorded.has_all().map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_waits_for_news_is_asked_once_for_each() -> Outcome {
    let low = || LowLatency::new(SECOND / 2).deltas(SECOND * 12);
    let latency = Duration::from_millis(40);
    for (name, kind, most) in [
        ("blocking", low(), 34),
        ("without deltas", LowLatency::new(SECOND / 2), 34),
        // Asked as any other server, but for one load.
        ("not blocking", low().without_blocking(), 70),
        ("saying that it blocks", low().that_does_not_block(), 70),
    ] {
        let broadcast = noise(36).low_latency(kind);
        let recorded = record(&broadcast, latency, |job| job).await?;
        recorded.has_all_of_it().map_err(|error| format!("{name}: {error}"))?;
        let polls = recorded.air.transmission().polls(0).len();
        assert!(polls <= most, "{name}: {polls} for 30 segments");
        // Each segment is here soon after it was whole.
        let late = lag(&recorded);
        let bound = if name == "blocking" { SECOND / 4 } else { SECOND * 2 + SECOND / 4 };
        assert!(late <= bound, "{name}: {late:?}");
    }
    // Outages do not put it off.
    let outage = hls_testkit::Outage::new(hls_testkit::Of::Playlists, SECOND * 20, SECOND * 8);
    let recorded =
        record(&noise(36).window(12).low_latency(low()).outage(outage), latency, |job| job).await?;
    recorded.has_all_of_it()
}

/// The longest time from when a segment could be had to when it was asked for.
fn lag(recorded: &Recorded) -> Duration {
    let mut transmission = recorded.air.transmission();
    let offered = transmission.offered(0, SECOND * 1000);
    let asked = transmission.asked().to_vec();
    let late = offered.iter().filter_map(|offer| {
        let asked = asked.iter().find(|asked| asked.path == offer.path)?;
        Some(asked.at.saturating_sub(offer.appeared?))
    });
    late.max().unwrap_or_default()
}

// In real time: a reader is not part of the paused one.
#[tokio::test]
async fn a_reader_of_low_latency_is_less_than_two_target_durations_behind() -> Outcome {
    let low = LowLatency::new(SECOND / 4).deltas(SECOND * 12);
    let broadcast = Broadcast::synthetic(SECOND, 3000).total(14).low_latency(low);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let mut reader = job(&air, &broadcast.playlist_path(0, 0)).into_reader();
    let began = tokio::time::Instant::now();
    let (mut bytes, mut first, mut worst) = (0, None, Duration::ZERO);
    while let Some(chunk) = reader.next().await {
        let offered = air.transmission().offered(0, SECOND * 1000);
        let first = *first.get_or_insert_with(|| {
            offered.iter().find(|o| o.bytes().starts_with(&chunk)).map_or(0, |o| o.index)
        });
        bytes += chunk.len();
        // How much of the stream is here, and where its encoder is.
        let mut whole = 0;
        let here = offered[first..].iter().take_while(|o| {
            whole += o.bytes().len();
            whole <= bytes
        });
        let begins = offered[6].start;
        let end = here.last().map_or(offered[first].start, |o| o.start + o.duration);
        let behind = (begins + began.elapsed()).saturating_sub(end);
        // What was there when it began comes at once.
        if began.elapsed() > SECOND {
            worst = worst.max(behind);
        }
    }
    reader.finish().await?;
    assert!(worst < SECOND * 2, "{worst:?}");
    assert!(bytes > 20_000, "{bytes}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn fragments_have_their_section_once() -> Outcome {
    let broadcast = Broadcast::synthetic_fmp4(SECOND * 2, 3000).total(20);
    let air = OnAir::new(&broadcast);
    let folder = Folder::new()?;
    let path = broadcast.playlist_path(0, 0);
    let done = job(&air, &path).output(folder.file("out.m4s")).start().finish().await?;
    let offered = air.transmission().offered(0, SECOND * 900);
    let mut expected = offered[0].init().ok_or("no section")?.to_vec();
    offered.iter().for_each(|offer| expected.extend_from_slice(&offer.bytes()));
    same(&folder.file("out.m4s"), &expected)?;
    assert_eq!(done.segments, 20);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn it_says_how_it_goes() -> Outcome {
    let recorded = record(&noise(20), Duration::from_millis(40), |job| job).await?;
    let reloads = recorded.events.iter().filter(|event| matches!(event, Event::Reload(_))).count();
    assert!((15..=32).contains(&reloads), "{reloads}");
    let watchable: Vec<_> = recorded.events.iter().filter(|e| matches!(e, Event::Watchable(_))).collect();
    assert!(matches!(watchable[..], [Event::Watchable(part)] if part.ends_with("out.ts.part")));
    let last = recorded.events.iter().rev().find_map(|event| match event {
        Event::Progress(progress) => progress.live,
        _ => None,
    });
    assert!(last.is_some_and(|live| live.recorded >= SECOND * 30 && live.behind <= SECOND * 4), "{last:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn missing_segments_in_a_row_are_one_gap() -> Outcome {
    // A playlist names them together, or one at a time as they come.
    for (running, window, most) in [(20, 20, 2), (1, 6, 13)] {
        let broadcast =
            (4..14).chain([16, 17]).fold(noise(24).running(running).window(window), Broadcast::gap);
        let recorded = record(&broadcast, Duration::ZERO, |job| job).await?;
        has(&recorded.air, &recorded.folder.file("out.ts"), &[0, 1, 2, 3, 14, 15, 18, 19, 20, 21, 22, 23])?;
        let gaps = &recorded.done.gaps;
        let missing: u64 = gaps.iter().map(|gap| gap.count).sum();
        assert_eq!((missing, gaps.len() <= most), (12, true), "{gaps:?}");
        assert!(gaps.iter().all(|gap| gap.code == "segment.gap"), "{gaps:?}");
        let told = recorded.events.iter().filter(|event| matches!(event, Event::Gap(_))).count();
        assert_eq!(told, gaps.len());
        let seconds: Duration = gaps.iter().map(|gap| gap.duration).sum();
        assert_eq!(seconds, SECOND * 24);
    }
    Ok(())
}

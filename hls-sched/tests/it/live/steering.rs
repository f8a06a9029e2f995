//! Streams whose server says which pathway to take.

use hls_testkit::{Of, Origin, Outage};

use super::*;

/// Two pathways, `a` first; `b` after twenty seconds.
fn steered(ttl: u32) -> Broadcast {
    let two = noise(60).pathway("b", "http://127.0.0.1:2").steering_ttl(SECOND * ttl);
    two.steer(Duration::ZERO, &["a", "b"]).steer(SECOND * 20, &["b", "a"])
}

async fn recorded(broadcast: &Broadcast) -> Result<Recorded, Box<dyn Error>> {
    let air = OnAir::new(broadcast).latency(Duration::from_millis(40));
    record_from(air, &broadcast.master_path(), |job| job).await
}

impl Recorded {
    /// `a>b` for each change of the pathway, with a `!` where it failed.
    fn changes(&self) -> Vec<String> {
        let change = |event: &Event| match event {
            Event::Pathway(p) => Some(format!("{}>{}{}", p.from, p.to, if p.is_steered { "" } else { "!" })),
            _ => None,
        };
        self.events.iter().filter_map(change).collect()
    }

    /// When a path that has this in it was asked for.
    fn asked(&self, what: &str) -> Vec<Duration> {
        let transmission = self.air.transmission();
        transmission.asked().iter().filter(|asked| asked.path.contains(what)).map(|asked| asked.at).collect()
    }

    /// Manifests were never asked for more often than they last.
    fn is_asked_once_in(&self, ttl: Duration) {
        let asked = self.asked("/steering.json");
        assert!(asked.windows(2).all(|two| two[1] - two[0] >= ttl), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_comes_from_the_pathway_that_the_server_wants() -> Outcome {
    for ttl in [1, 7, 300] {
        let recorded = recorded(&steered(ttl)).await?;
        recorded.is_whole(0, 60)?;
        recorded.is_asked_once_in(SECOND * ttl);
        let (a, b) = (recorded.asked("/live/a/"), recorded.asked("/live/b/"));
        if ttl == 300 {
            // It ends before the first manifest does.
            assert_eq!((recorded.changes().len(), b.len()), (0, 0));
            continue;
        }
        assert_eq!(recorded.changes(), ["a>b"]);
        let turned = SECOND * (20 + ttl) + SECOND / 2;
        assert!(a.iter().all(|at| *at <= turned), "{a:?}");
        assert!(b.iter().all(|at| *at >= SECOND * 20) && b.len() > 60, "{b:?}");
        assert!(recorded.warnings().is_empty());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn audio_moves_with_the_picture() -> Outcome {
    let broadcast = steered(5).audio("en", &[SECOND * 2], 900);
    let recorded = recorded(&broadcast).await?;
    assert_eq!(recorded.changes(), ["a>b", "a>b"]);
    for track in ["video", "en"] {
        assert!(recorded.asked(&format!("/a/{track}/")).iter().all(|at| *at < SECOND * 26), "{track}");
        assert!(recorded.asked(&format!("/b/{track}/")).len() > 60, "{track}");
    }
    for (track, file) in recorded.done.outputs.iter().enumerate() {
        same(file, &recorded.air.transmission().bytes(track, 0, 60))?;
    }
    assert!(recorded.done.outputs.len() == 2 && recorded.done.gaps.is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_steering_server_that_is_gone_harms_nothing() -> Outcome {
    let always = || Outage::new(Of::Steering, Duration::ZERO, SECOND * 1000);
    for (name, outage, most) in [
        ("503", always(), 1),
        ("404", always().status(404), 1),
        ("410", always().status(410), 1),
        ("reset", always().reset(), 1),
        ("silence", always().silence(), 1),
        // What it said last counts on, and is asked for as often.
        ("later", Outage::new(Of::Steering, SECOND * 10, SECOND * 1000), 30),
        ("gone later", Outage::new(Of::Steering, SECOND * 10, SECOND * 1000).status(410), 4),
    ] {
        let recorded = recorded(&steered(5).outage(outage)).await?;
        recorded.is_whole(0, 60).map_err(|error| format!("{name}: {error}"))?;
        recorded.is_asked_once_in(SECOND * 5);
        let asked = recorded.asked("/steering.json").len();
        assert!((1..=most).contains(&asked), "{name}: {asked}");
        assert!(recorded.changes().is_empty() && recorded.warnings().is_empty(), "{name}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_pathway_that_has_failed_is_not_gone_back_to_at_once() -> Outcome {
    let outage = Outage::new(Of::Everything, SECOND * 20, SECOND * 25).on_pathway(0);
    let broadcast = noise(120).pathway("b", "http://127.0.0.1:2").window(10).steering_ttl(SECOND * 5);
    let broadcast = broadcast.steer(Duration::ZERO, &["a", "b"]).outage(outage);
    let recorded = recorded(&broadcast).await?;
    recorded.is_whole(0, 120)?;
    // Twice, and never in between: the manifest names the first one first all the time.
    assert_eq!(recorded.changes(), ["a>b!", "b>a"]);
    let back = recorded.asked("/live/a/").into_iter().filter(|at| *at > SECOND * 40).min();
    assert!(back.is_some_and(|at| at > SECOND * 130), "{back:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_under_way_when_it_turns_does_not_hold_segments_back() -> Outcome {
    // The playlist of the first pathway waits for news when the manifest names the other one, and its segments are gone.
    let outage = Outage::new(Of::Segments, SECOND * 20, SECOND * 1000).on_pathway(0);
    let low = hls_testkit::LowLatency::new(SECOND / 2);
    let recorded = recorded(&steered(1).low_latency(low).outage(outage)).await?;
    recorded.has_all_of_it()?;
    assert_eq!(recorded.changes(), ["a>b"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_recording_are_steered_as_one() -> Outcome {
    let broadcast = steered(45);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(20));
    let split = Some(hls_sched::Split::Duration(SECOND * 20));
    let recorded = record_from(air, &broadcast.master_path(), |job| job.split(split)).await?;
    recorded.is_asked_once_in(SECOND * 45);
    // A request that is under way where a part ends counts as made, and may never have been.
    let asked = recorded.asked("/steering.json").len();
    assert!((2..=3).contains(&asked) && recorded.done.gaps.is_empty(), "{asked} {:?}", recorded.done.gaps);
    assert!(recorded.done.outputs.len() >= 6, "{:?}", recorded.done.outputs);
    let files = recorded.done.outputs.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    assert!(files.concat() == recorded.air.transmission().bytes(0, 0, 60));
    Ok(())
}

/// Sixty segments that are all there, from the master playlist, one at a time and half a second each.
async fn downloaded(broadcast: Broadcast) -> Result<Recorded, Box<dyn Error>> {
    let broadcast = broadcast.running(60).window(60);
    let air = OnAir::new(&broadcast).latency(SECOND / 2);
    record_from(air, &broadcast.master_path(), |job| job.concurrency(1)).await
}

#[tokio::test(start_paused = true)]
async fn a_download_takes_the_rest_from_the_pathway_that_the_server_wants() -> Outcome {
    let recorded = downloaded(steered(5).aes128([8; 16])).await?;
    assert_eq!((recorded.changes(), recorded.done.segments), (vec!["a>b".to_owned()], 60));
    recorded.is_asked_once_in(SECOND * 5);
    same(&recorded.folder.file("out.ts"), &recorded.air.transmission().bytes(0, 0, 60))?;
    let segments = |pathway: &str| {
        let all = recorded.asked(&format!("/{pathway}/video/"));
        all.into_iter().filter(|at| *at > SECOND * 28).count()
    };
    assert!(segments("a") == 0 && segments("b") > 5, "{} {}", segments("a"), segments("b"));
    // Each segment once: both pathways together have been asked for no more than there is.
    let asked = recorded.asked(".ts").len();
    assert_eq!(asked, 60);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_download_stays_where_it_is_if_the_other_pathway_can_not_be_had() -> Outcome {
    let outage = Outage::new(Of::Playlists, Duration::ZERO, SECOND * 1000).on_pathway(1);
    let recorded = downloaded(steered(5).outage(outage)).await?;
    assert_eq!((recorded.changes().len(), recorded.done.segments), (0, 60));
    assert_eq!(recorded.warnings(), ["pathway"]);
    same(&recorded.folder.file("out.ts"), &recorded.air.transmission().bytes(0, 0, 60))
}

#[tokio::test]
async fn over_sockets_a_recording_turns_to_another_server() -> Outcome {
    let (one, other, folder) = (Origin::start(), Origin::start(), Folder::new()?);
    let broadcast = Broadcast::synthetic(SECOND / 2, 20_000).total(24).pathway("b", &other.base());
    let broadcast = broadcast.steer(Duration::ZERO, &["a", "b"]).steer(SECOND * 3, &["b", "a"]);
    let published = broadcast.steering_ttl(SECOND).publish_on(&[&one, &other]);
    let out = folder.file("out.ts");
    let mut job = crate::support::job(&published.master_url).output(&out).start();
    let mut changes = Vec::new();
    while let Some(event) = job.next().await {
        changes.extend(if let Event::Pathway(change) = event {
            Some((change.from, change.to))
        } else {
            None
        });
    }
    let done = job.finish().await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    assert_eq!(changes, [("a".to_owned(), "b".to_owned())]);
    same(&out, &published.bytes(0, 0, 24))?;
    let asked = published.asked();
    let at = |what: &str| -> Vec<_> {
        asked.iter().filter(|asked| asked.path.contains(what)).map(|asked| asked.at).collect()
    };
    let steering = at("/steering.json");
    // The time on the way is the server's and not the client's.
    let close = SECOND - Duration::from_millis(50);
    assert!(steering.len() >= 4 && steering.windows(2).all(|two| two[1] - two[0] >= close), "{steering:?}");
    let turned = SECOND * 5;
    assert!(at("/live/a/").iter().all(|at| *at < turned), "{:?}", at("/live/a/"));
    assert!(at("/live/b/").iter().filter(|at| **at > turned).count() > 10);
    assert!(
        asked
            .iter()
            .filter(|asked| asked.path.contains("steering"))
            .all(|a| a.query.contains("_HLS_pathway=%22"))
    );
    Ok(())
}

#[tokio::test]
async fn a_manifest_that_stands_in_the_playlist() -> Outcome {
    for (reload, asks) in [("", false), (",%22RELOAD-URI%22:%22live/steering.json%22", true)] {
        let (one, other, folder) = (Origin::start(), Origin::start(), Folder::new()?);
        let broadcast = Broadcast::synthetic(SECOND / 2, 20_000).total(12).pathway("b", &other.base());
        let broadcast = broadcast.steer(Duration::ZERO, &["b", "a"]).steering_ttl(SECOND);
        let published = broadcast.publish_on(&[&one, &other]);
        let text = broadcast.start().answer(&broadcast.master_path(), "", Duration::ZERO).body;
        let text = String::from_utf8(text.to_vec())?;
        let json =
            format!("{{%22VERSION%22:1,%22TTL%22:1,%22PATHWAY-PRIORITY%22:[%22b%22,%22a%22]{reload}}}");
        let text = text.replace("\"steering.json\"", &format!("\"data:application/json,{json}\""));
        let text = text.replace("a/video", "live/a/video");
        assert!(text.contains("data:"), "{text}");
        one.put("/in.m3u8", text);
        let out = folder.file(&format!("{asks}.ts"));
        let mut job = crate::support::job(&one.url("/in.m3u8")).output(&out).start();
        let mut changes = Vec::new();
        while let Some(event) = job.next().await {
            changes.extend(if let Event::Pathway(change) = event { Some(change.to) } else { None });
        }
        let done = job.finish().await?;
        assert!(done.gaps.is_empty() && changes == ["b"], "{changes:?} {:?}", done.gaps);
        same(&out, &published.bytes(0, 0, 12))?;
        let asked = published.asked();
        assert_eq!(asked.iter().any(|asked| asked.path.contains("steering")), asks);
    }
    Ok(())
}

//! Networks and servers in a bad way: links that expire, origins that go and come back, connections that stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hls_sched::{Event, Job, Kind, Network};
use hls_testkit::{Media, Origin, Published, Reply, Step, Vod};

use crate::support::{Folder, Outcome, fails, fetched, job, same};

/// Serves a stream whose segments are refused unless they carry the newest token, which the playlist gives them.
fn with_tokens(origin: &Origin, vod: &Published) -> Arc<AtomicUsize> {
    let newest = Arc::new(AtomicUsize::new(1));
    let (token, playlist, path) = (Arc::clone(&newest), vod.playlist.clone(), vod.playlist_path.clone());
    origin.rule(move |request| {
        let token = token.load(Ordering::Relaxed);
        if request.path == path {
            let lines = playlist.lines().map(|line| match line.starts_with('#') || line.is_empty() {
                true => format!("{line}\n"),
                false => format!("{line}?token={token}\n"),
            });
            return Some(Reply::ok(lines.collect::<String>()));
        }
        (request.query != format!("token={token}")).then(|| Reply::status(403))
    });
    newest
}

/// A job, with something done at each segment that is there.
async fn download(
    job: hls_sched::JobBuilder,
    mut each: impl FnMut(u64),
) -> Result<Vec<Event>, hls_sched::Error> {
    let (mut job, mut segments, mut told) = (job.start(), 0, Vec::new());
    while let Some(event) = job.next().await {
        if let Event::Segment(_) = event {
            segments += 1;
            each(segments);
        }
        told.push(event);
    }
    job.finish().await.map(|_| told)
}

#[tokio::test]
async fn a_link_that_expires_is_renewed_as_often_as_it_takes() -> Outcome {
    let (origin, folder) = (Origin::builder().latency(5).start(), Folder::new()?);
    let vod = Vod::synthetic(40, 20_000).publish(&origin);
    let newest = with_tokens(&origin, &vod);
    let told = download(job(&vod.url).output(folder.file("out.ts")), |segments| {
        if segments % 15 == 0 {
            newest.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await?;
    same(&folder.file("out.ts"), &vod.expected)?;
    let renewed = told.iter().filter(|e| matches!(e, Event::Warning { kind: "link.renewed", .. })).count();
    assert_eq!(renewed, 2);
    assert_eq!(origin.requests_for(&vod.playlist_path).len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_link_that_is_not_renewed_is_the_end_and_says_what_helps() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(20, 20_000).publish(&origin);
    origin.script(&vod.segment_paths[7], [Reply::status(403).forever()]);
    let error = fails(job(&vod.url), Kind::Refused, "segment.status").await?;
    assert!(error.advice().is_some_and(|next| next.contains("fresh one")), "{:?}", error.advice());
    // Loaded again once, and no more.
    assert_eq!(origin.requests_for(&vod.playlist_path).len(), 2);
    assert_eq!(origin.requests_for(&vod.segment_paths[7]).len(), 2);
    Ok(())
}

#[tokio::test]
async fn another_stream_behind_a_renewed_link_is_no_way_to_go_on() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(20, 20_000).publish(&origin);
    origin.script(&vod.segment_paths[7], [Reply::status(401).forever()]);
    let other = vod.playlist.replacen("#EXTINF:", "#EXTINF:1", 3);
    origin.script(&vod.playlist_path, [Reply::resource(), Reply::ok(other).forever()]);
    fails(job(&vod.url), Kind::Content, "playlist.changed").await?;
    Ok(())
}

/// The same film under other names behind a fresh link, or another film: as it comes, and made into an MP4.
#[tokio::test]
async fn names_that_change_behind_a_fresh_link_are_compared_once() -> Outcome {
    for (n, (output, is_same)) in
        [("a.ts", true), ("b.mp4", true), ("c.ts", false), ("d.mp4", false)].into_iter().enumerate()
    {
        let (origin, folder) = (Origin::builder().latency(5).start(), Folder::new()?);
        let vod = Vod::from_media(Media::Ts).prefix(&format!("/{n}")).publish(&origin);
        let mut playlist = vod.playlist.clone();
        for (index, path) in vod.segment_paths.iter().enumerate() {
            let name = path.rsplit('/').next().ok_or("a name")?;
            playlist = playlist.replace(name, &format!("fresh{index}.ts"));
            let bytes = Media::Ts.segments()[if is_same { index } else { 5 - index }];
            origin.put(&format!("/{n}/fresh{index}.ts"), bytes);
        }
        origin.script(&vod.playlist_path, [Reply::resource(), Reply::ok(playlist).forever()]);
        let expired = [Reply::status(403).forever()];
        vod.segment_paths[3..].iter().for_each(|path| origin.script(path, expired.clone()));
        let whole = job(&vod.url).concurrency(1).output(folder.file(output)).start().finish().await;
        match whole {
            Ok(_) if is_same && output.ends_with(".ts") => same(&folder.file(output), &vod.expected)?,
            Ok(_) => assert!(is_same, "{output}: another film"),
            Err(error) => assert!(!is_same && error.code() == "playlist.changed", "{output}: {error}"),
        }
        let fresh = origin.requests().iter().filter(|request| request.path.contains("fresh")).count();
        assert!(fresh <= 4, "{output}: {fresh}");
    }
    Ok(())
}

#[tokio::test]
async fn an_origin_that_goes_is_waited_for_and_no_attempt_counts() -> Outcome {
    let (origin, folder) = (Origin::builder().latency(5).start(), Folder::new()?);
    let vod = Vod::synthetic(60, 20_000).publish(&origin);
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    origin.rule(move |_| is_gone.load(Ordering::Relaxed).then(|| Reply::raw("").steps([Step::Reset])));
    let back = Arc::clone(&gone);
    let mut begun = None;
    let told = download(job(&vod.url).output(folder.file("out.ts")), |segments| {
        if segments == 20 {
            gone.store(true, Ordering::Relaxed);
            begun = Some(Instant::now());
            let back = Arc::clone(&back);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                back.store(false, Ordering::Relaxed);
            });
        }
    })
    .await?;
    same(&folder.file("out.ts"), &vod.expected)?;
    let last = begun.map(|begun| begun.elapsed()).unwrap_or_default();
    assert!(last < Duration::from_secs(12), "{last:?}");
    let is_told = |e: &Event| matches!(e, Event::Progress(p) if p.network == Network::Gone);
    assert!(told.iter().any(is_told));
    assert!(told.iter().all(|e| !matches!(e, Event::Segment(s) if s.attempts > 1)), "an attempt counted");
    Ok(())
}

#[tokio::test]
async fn what_never_comes_back_is_given_up_in_the_end() -> Outcome {
    let origin = Origin::builder().latency(5).start();
    let vod = Vod::synthetic(60, 20_000).publish(&origin);
    let served = AtomicUsize::new(0);
    origin.rule(move |request| {
        let gone = request.path.ends_with(".ts") && served.fetch_add(1, Ordering::Relaxed) > 20;
        gone.then(|| Reply::raw("").steps([Step::Reset]))
    });
    let patient = job(&vod.url).give_up_after(Some(Duration::from_secs(2)));
    let error = fails(patient, Kind::Temporary, "net.gave_up").await?;
    assert!(error.kept().is_some_and(|kept| kept.contains("segments verified")), "{:?}", error.kept());
    assert!(origin.requests().len() < 60, "{} requests", origin.requests().len());
    Ok(())
}

/// Downloads with one segment in some bad way, once; returns how long that took.
async fn with_one(
    victim: usize,
    fault: Reply,
    segments: usize,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let (origin, folder) = (Origin::builder().latency(10).start(), Folder::new()?);
    let vod = Vod::synthetic(segments, 200_000).publish(&origin);
    origin.script(&vod.segment_paths[victim], [fault]);
    let begun = Instant::now();
    let url = vod.url.parse()?;
    Job::get(url).output(folder.file("out.ts")).start().finish().await?;
    same(&folder.file("out.ts"), &vod.expected)?;
    assert_eq!(fetched(&origin, &vod).iter().filter(|n| **n == victim).count(), 2);
    Ok(begun.elapsed())
}

#[tokio::test]
async fn a_segment_that_drips_is_asked_for_twice_and_costs_seconds() -> Outcome {
    let drip = (0..200).flat_map(|_| [Step::Bytes(5_000), Step::Sleep(100)]);
    let took = with_one(59, Reply::resource().steps(drip), 60).await?;
    assert!(took < Duration::from_secs(4), "{took:?}");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_stands_still_is_replaced() -> Outcome {
    for fault in [Reply::stall_midway(), Reply::hang()] {
        let took = with_one(20, fault, 60).await?;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_refuses_and_comes_back() -> Outcome {
    let (mut origin, folder) = (Some(Origin::builder().latency(5).start()), Folder::new()?);
    let address = origin.as_ref().map(|origin| origin.address().to_string()).unwrap_or_default();
    let stream = || Vod::synthetic(60, 20_000);
    let vod = origin.as_ref().map(|origin| stream().publish(origin)).ok_or("an origin")?;
    let told = download(job(&vod.url).output(folder.file("out.ts")), |segments| {
        if segments == 20 {
            // From here on nobody listens at its port.
            drop(origin.take());
            let address = address.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_secs(2));
                let again = Origin::bind(&address).expect("the port is free again");
                stream().publish(&again);
                std::thread::sleep(Duration::from_secs(30));
            });
        }
    })
    .await?;
    same(&folder.file("out.ts"), &vod.expected)?;
    assert!(told.iter().all(|e| !matches!(e, Event::Segment(s) if s.attempts > 2)), "attempts counted");
    Ok(())
}

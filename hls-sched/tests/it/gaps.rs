//! A job that may end without segments that can't be had, and a later one that fills them.

use hls_sched::Kind;
use hls_testkit::{Origin, Published, Reply, Resource, Vod};

use crate::support::{Folder, KEY, Outcome, fetched, job, same};

const SIZE: usize = 60_000;

/// The stream without the segments at these places.
fn without(vod: &Published, missing: &[usize]) -> Vec<u8> {
    let size = vod.expected.len() / 12;
    let kept = (0..12).filter(|n| !missing.contains(n));
    kept.flat_map(|n| vod.expected.slice(n * size..(n + 1) * size)).collect()
}

fn stream() -> Vod {
    Vod::synthetic(12, SIZE)
}

/// Takes segments away from an origin.
fn lose(origin: &Origin, vod: &Published, missing: &[usize]) {
    for n in missing {
        origin.script(&vod.segment_paths[*n], [Reply::status(404).times(1000)]);
    }
}

fn restore(origin: &Origin, vod: &Published, missing: &[usize]) {
    for n in missing {
        origin.script(&vod.segment_paths[*n], []);
    }
    origin.reset_log();
}

#[tokio::test]
async fn what_is_missing_is_named_and_filled_later() -> Outcome {
    for (vod, missing) in [
        (stream(), vec![0]),
        (stream().aes128(KEY), vec![5]),
        (stream(), vec![3, 4, 11]),
        (stream().discontinuity_at(6), vec![0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]),
    ] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = vod.publish(&origin);
        let out = folder.file("out.ts");
        lose(&origin, &vod, &missing);
        let refused = job(&vod.url).output(folder.file("strict.ts")).start().finish().await;
        assert_eq!(refused.err().map(|e| e.kind()), Some(Kind::Refused));

        let done = job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
        let named: Vec<_> = done.gaps.iter().map(|gap| gap.index as usize).collect();
        assert_eq!(named, missing);
        assert_eq!(done.gaps[0].start.as_secs(), missing[0] as u64 * 6);
        same(&out, &without(&vod, &missing))?;
        let report = std::fs::read_to_string(folder.file("out.ts.gaps.json"))?;
        assert_eq!(report.matches("\"reason\"").count(), missing.len(), "{report}");

        // Still not there: the same again, and the output stays what it is where it may not lack anything.
        let strict = job(&vod.url).output(&out).start().finish().await;
        assert_eq!(strict.err().map(|e| e.kind()), Some(Kind::Refused));
        same(&out, &without(&vod, &missing))?;
        let again = job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
        assert_eq!(again.gaps.len(), missing.len());
        same(&out, &without(&vod, &missing))?;

        restore(&origin, &vod, &missing);
        let filled = job(&vod.url).output(&out).start().finish().await?;
        assert!(filled.gaps.is_empty());
        same(&out, &vod.expected)?;
        assert!(fetched(&origin, &vod).len() <= missing.len() + 1, "{:?}", fetched(&origin, &vod));
        let left = folder.names().into_iter().filter(|name| name.starts_with("out.ts")).collect::<Vec<_>>();
        assert_eq!(left, ["out.ts"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_repair_that_dies_goes_on() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = stream().publish(&origin);
    let out = folder.file("out.ts");
    lose(&origin, &vod, &[2, 9]);
    job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    restore(&origin, &vod, &[2]);
    // It fills one, and fails at the other.
    assert!(job(&vod.url).output(&out).start().finish().await.is_err());
    same(&out, &without(&vod, &[2, 9]))?;
    restore(&origin, &vod, &[9]);
    job(&vod.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert!(fetched(&origin, &vod).len() <= 2, "{:?}", fetched(&origin, &vod));
    assert_eq!(folder.names(), ["out.ts"]);
    Ok(())
}

#[tokio::test]
async fn an_output_that_was_changed_is_not_repaired() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = stream().publish(&origin);
    let out = folder.file("out.ts");
    lose(&origin, &vod, &[2]);
    job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    restore(&origin, &vod, &[2]);
    std::fs::write(&out, b"notes of mine")?;
    let error = job(&vod.url).output(&out).start().finish().await.err();
    assert_eq!(error.map(|e| e.kind()), Some(Kind::Exists));
    same(&out, b"notes of mine")?;
    // Without it the job starts anew.
    std::fs::remove_file(&out)?;
    job(&vod.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)
}

#[tokio::test]
async fn what_the_playlist_calls_missing_is_a_gap() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = stream().publish(&origin);
    let gap = vod.playlist.replacen("#EXTINF", "#EXT-X-GAP\n#EXTINF", 1);
    origin.put(&vod.playlist_path, Resource::new(gap));
    let out = folder.file("out.ts");
    let error = job(&vod.url).output(&out).start().finish().await.err();
    assert_eq!(error.map(|e| e.code().to_owned()).as_deref(), Some("segment.gap"));
    let done = job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    assert_eq!((done.gaps.len(), done.gaps[0].index), (1, 0));
    same(&out, &without(&vod, &[0]))?;
    assert!(!fetched(&origin, &vod).contains(&0));
    Ok(())
}

#[tokio::test]
async fn a_server_in_trouble_is_no_gap() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = stream().publish(&origin);
    for path in &vod.segment_paths {
        origin.script(path, [Reply::status(500).times(1000)]);
    }
    let out = folder.file("out.ts");
    let error = job(&vod.url).allow_gaps(true).output(&out).start().finish().await.err();
    assert_eq!(error.map(|e| e.kind()), Some(Kind::Temporary));
    lose(&origin, &vod, &(0..12).collect::<Vec<_>>());
    let error = job(&vod.url).allow_gaps(true).output(&out).start().finish().await.err();
    assert_eq!(error.map(|e| e.kind()), Some(Kind::Refused));
    assert!(!out.exists());
    Ok(())
}

#[tokio::test]
async fn another_stream_never_takes_the_place_of_an_output_with_gaps() -> Outcome {
    let origin = Origin::start();
    let vod = stream().publish(&origin);
    let size = vod.expected.len() / 12;
    let turned = (0..12).rev().map(|n| vod.expected.slice(n * size..(n + 1) * size)).collect();
    lose(&origin, &vod, &[2]);
    for other in [
        Vod::of(turned, "ts").prefix("/other"),
        stream().segment_seconds(5.0).prefix("/faster"),
        Vod::synthetic(11, SIZE).prefix("/shorter"),
    ] {
        let folder = Folder::new()?;
        let out = folder.file("out.ts");
        job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
        let other = other.publish(&origin);
        let error = job(&other.url).output(&out).start().finish().await.err();
        assert_eq!(error.map(|e| e.code().to_owned()).as_deref(), Some("playlist.changed"));
        same(&out, &without(&vod, &[2]))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_fresh_link_fills_gaps() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = stream().publish(&origin);
    let out = folder.file("out.ts");
    lose(&origin, &vod, &[2]);
    job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    let fresh = stream().prefix("/session/2").query("token=b").publish(&origin);
    origin.reset_log();
    job(&fresh.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert!(fetched(&origin, &fresh).len() <= 3, "{:?}", fetched(&origin, &fresh));
    Ok(())
}

#[tokio::test]
async fn many_gaps_in_a_row_are_passed() -> Outcome {
    for first in [true, false] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = stream().publish(&origin);
        let missing: Vec<_> = if first { (0..9).collect() } else { (2..11).collect() };
        let mut n = 0;
        let lines = vod.playlist.lines().map(|line| {
            let is_segment = line.starts_with("#EXTINF");
            n += usize::from(is_segment);
            let gap = is_segment && missing.contains(&(n - 1));
            format!("{}{line}\n", if gap { "#EXT-X-GAP\n" } else { "" })
        });
        let text: String = lines.collect();
        origin.put(&vod.playlist_path, Resource::new(text));
        let out = folder.file("out.ts");
        let running = job(&vod.url).concurrency(1).allow_gaps(true).output(&out).start().finish();
        let done = tokio::time::timeout(std::time::Duration::from_secs(20), running).await??;
        assert_eq!(done.gaps.len(), 9);
        same(&out, &without(&vod, &missing))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_file_put_in_the_place_of_one_with_gaps_is_not_overwritten() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = stream().publish(&origin);
    let out = folder.file("out.ts");
    lose(&origin, &vod, &[2]);
    job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    let gate = hls_testkit::Gate::new();
    let held = Reply::resource().steps([hls_testkit::Step::Wait(gate.clone()), hls_testkit::Step::Rest]);
    origin.script(&vod.segment_paths[2], [held]);
    let mut running = job(&vod.url).output(&out).start();
    while !matches!(running.next().await, Some(hls_sched::Event::Progress(_)) | None) {}
    std::fs::write(&out, b"notes of mine")?;
    gate.open();
    let error = running.finish().await.err();
    assert_eq!(error.map(|e| e.kind()), Some(Kind::Exists));
    same(&out, b"notes of mine")
}

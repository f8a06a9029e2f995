//! `hls info --watch`.

use std::time::Duration;

use hls_testkit::{Broadcast, Of, Origin, Outage};
use serde_json::Value;

use crate::support::{Folder, Outcome, SECRET};
#[cfg(unix)]
use crate::support::{LIMIT, signal};

const MS: Duration = Duration::from_millis(1);

/// Nothing but playlists was asked for, and those no more than twice a second.
fn is_polite(live: &hls_testkit::PublishedBroadcast) {
    let asked = live.asked();
    assert!(asked.iter().all(|asked| asked.path.ends_with(".m3u8")), "{asked:?}");
    assert!(live.most_polls(0, 990 * MS) <= 2, "{:?}", live.polls(0));
}

fn sum(events: &[Value]) -> &Value {
    let last = events.last().unwrap_or(&Value::Null);
    assert_eq!(last["event"], "summary", "{last}");
    last
}

#[test]
fn until_the_stream_ends() -> Outcome {
    let origin = Origin::start();
    let live = Broadcast::synthetic(500 * MS, 2000).dated(now_ms()?).total(10).publish(&origin);
    let events = Folder::new()?.run(&["info", "--watch", "--json", &live.playlist_url])?.ok().events()?;
    let sum = sum(&events);
    assert_eq!((&sum["ended"], &sum["segments"], &sum["missing"]), (&true.into(), &4.into(), &0.into()));
    assert_eq!(events[0]["result"], "first");
    let behind = events[0]["behind_ms"].as_i64().ok_or("no distance")?;
    assert!((0..2000).contains(&behind), "{behind}");
    is_polite(&live);
    Ok(())
}

#[test]
fn what_is_missing_is_said() -> Outcome {
    let origin = Origin::start();
    let outage = Outage::new(Of::Playlists, 1200 * MS, 2500 * MS).status(503);
    let live =
        Broadcast::synthetic(250 * MS, 2000).window(4).running(4).total(18).outage(outage).publish(&origin);
    let run = Folder::new()?.run(&["info", "--watch", &live.playlist_url])?.ok();
    let page = run.out();
    assert!(page.contains("MISSING ") && page.contains("FAILED ") && page.contains("503"), "{page}");
    assert!(page.lines().last().is_some_and(|line| line.contains(" MISSING, ")), "{page}");
    is_polite(&live);
    Ok(())
}

#[test]
fn a_link_that_expires_is_asked_for_again_and_not_shown() -> Outcome {
    let origin = Origin::start();
    let live = Broadcast::synthetic(500 * MS, 2000).tokens(1200 * MS).publish(&origin);
    let url = format!("{}?key={SECRET}", live.master_url);
    let run = Folder::new()?.run(&["info", "--watch", "--duration", "4s", "--json", &url])?.ok();
    assert!(!run.out().contains(SECRET) && !run.out().contains("token="), "{}", run.out());
    let events = run.events()?;
    let sum = sum(&events);
    assert_eq!((&sum["ended"], &sum["missing"]), (&false.into(), &0.into()));
    let failed = sum["failed"].as_u64().ok_or("no number")?;
    assert!((1..=4).contains(&failed), "{sum}");
    assert!(sum["segments"].as_u64() >= Some(4), "{sum}");
    is_polite(&live);
    Ok(())
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_a_summary() -> Outcome {
    let origin = Origin::start();
    let live = Broadcast::synthetic(500 * MS, 2000).publish(&origin);
    let folder = Folder::new()?;
    let out = std::fs::File::create(folder.file("out"))?;
    let mut child = folder.hls(&["info", "--watch", &live.playlist_url]).stdout(out).spawn()?;
    let watched = origin.wait_until(LIMIT, |_| live.polls(0).len() >= 3);
    signal("INT", &child.id().to_string())?;
    let status = child.wait()?;
    let page = String::from_utf8(folder.read("out")?)?;
    assert!(watched && status.success() && page.contains("none missing"), "{status} {page}");
    Ok(())
}

#[test]
fn what_can_not_be_watched() -> Outcome {
    let origin = Origin::start();
    let folder = Folder::new()?;
    assert_eq!(folder.run(&["info", "--watch", &origin.url("/none.m3u8")])?.status.code(), Some(3));
    assert_eq!(
        folder.run(&["info", "--watch", "--check", &origin.url("/none.m3u8")])?.status.code(),
        Some(2)
    );
    std::fs::write(folder.file("a.m3u8"), "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n")?;
    assert_eq!(folder.run(&["info", "--watch", "a.m3u8"])?.status.code(), Some(2));
    Ok(())
}

fn now_ms() -> Result<u64, Box<dyn std::error::Error>> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(u64::try_from(now.as_millis())?)
}

//! What goes wrong for good: the right kind, the right symbol, and no file under the final name.

use std::time::Duration;

use hls_sched::{Durability, Job, Kind};
use hls_testkit::{Gate, Origin, Published, Reply, Step, Vod};

use crate::support::{KEY, Outcome, exact, fails, job};

fn stream() -> (Origin, Published) {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).publish(&origin);
    (origin, vod)
}

/// The fault is there for good, at the head and in the middle.
async fn check(fault: Reply, kind: Kind, code: &str, tries: usize) -> Outcome {
    for victim in [0, 7] {
        let (origin, vod) = stream();
        origin.script(&vod.segment_paths[victim], [fault.clone().forever()]);
        let error = fails(job(&vod.url), kind, code).await?;
        assert_eq!(origin.requests_for(&vod.segment_paths[victim]).len(), tries);
        assert!(error.place().is_some_and(|place| place.contains(&vod.segment_paths[victim])));
    }
    Ok(())
}

#[tokio::test]
async fn a_segment_that_is_not_there() -> Outcome {
    check(Reply::status(404), Kind::Refused, "segment.status", 2).await
}

#[tokio::test]
async fn a_segment_that_is_forbidden() -> Outcome {
    // Once more after the playlist was loaded again: that may renew what the server knows of us, even where the URL stays.
    check(Reply::status(403), Kind::Refused, "segment.status", 2).await
}

#[tokio::test]
async fn a_server_that_stays_broken() -> Outcome {
    check(Reply::status(503), Kind::Temporary, "segment.status", 6).await
}

#[tokio::test]
async fn a_page_as_a_segment() -> Outcome {
    check(Reply::html(), Kind::Content, "content.not_media", 3).await
}

#[tokio::test]
async fn a_segment_without_bytes() -> Outcome {
    check(Reply::empty(), Kind::Content, "content.not_media", 3).await
}

#[tokio::test]
async fn an_answer_that_is_no_http() -> Outcome {
    let two_lengths = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!";
    check(Reply::raw(two_lengths), Kind::Content, "segment.protocol", 3).await
}

#[tokio::test]
async fn ciphertext_that_is_not_whole_blocks() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).aes128(KEY).publish(&origin);
    origin.script(&vod.segment_paths[7], [Reply::short_consistent().forever()]);
    fails(job(&vod.url), Kind::Content, "segment.truncated").await?;
    assert_eq!(origin.requests_for(&vod.segment_paths[7]).len(), 3);
    Ok(())
}

#[tokio::test]
async fn noise_in_a_segment() -> Outcome {
    check(Reply::noise(40_000), Kind::Content, "content.damaged", 3).await
}

#[tokio::test]
async fn a_segment_that_is_always_cut() -> Outcome {
    check(Reply::truncated(), Kind::Temporary, "segment.truncated", 6).await
}

#[tokio::test]
async fn a_server_that_ignores_ranges() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).byterange().publish(&origin);
    origin.script(&vod.segment_paths[0], [Reply::ignore_range().forever()]);
    exact(&vod, "ts").await?;
    origin.script(&vod.segment_paths[0], [Reply::range_mismatch().forever()]);
    fails(job(&vod.url), Kind::Content, "segment.range_mismatch").await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_key() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).aes128(KEY).publish(&origin);
    origin.put(&vod.key_paths[0], &b"another key, but"[..]);
    let error = fails(job(&vod.url), Kind::Content, "content.not_media").await?;
    assert!(error.reason().is_some_and(|why| why.contains("key")), "{:?}", error.reason());
    Ok(())
}

#[tokio::test]
async fn a_key_of_another_length() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).aes128(KEY).publish(&origin);
    for body in [&b"fifteen bytes ."[..], &b"seventeen bytes ."[..], b"", &[0; 200_000]] {
        origin.put(&vod.key_paths[0], body);
        fails(job(&vod.url), Kind::Content, "key.length").await?;
    }
    origin.remove(&vod.key_paths[0]);
    fails(job(&vod.url), Kind::Refused, "key.status").await?;
    Ok(())
}

#[tokio::test]
async fn what_is_no_playlist() -> Outcome {
    let (origin, vod) = stream();
    origin.script(&vod.playlist_path, [Reply::html().forever()]);
    let error = fails(job(&vod.url), Kind::Playlist, "playlist.not_a_playlist").await?;
    assert!(error.reason().is_some_and(|why| why.contains("text/html")));
    origin.script(&vod.playlist_path, [Reply::status(404).forever()]);
    fails(job(&vod.url), Kind::Refused, "playlist.status").await?;
    origin.script(&vod.playlist_path, [Reply::status(503).forever()]);
    fails(job(&vod.url), Kind::Temporary, "playlist.status").await?;
    Ok(())
}

#[tokio::test]
async fn a_live_playlist_of_which_nobody_knows_where_it_is() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(12, 60_000).without_end().publish(&origin);
    let text = vod.playlist.clone().into_bytes();
    let job = Job::get_playlist(text, vod.url.parse()?).durability(Durability::Fast);
    fails(job, Kind::Playlist, "playlist.live").await?;
    assert!(origin.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_complete_playlist_without_its_end() -> Outcome {
    let (origin, vod) = stream();
    origin.put(&vod.playlist_path, vod.playlist.replace("#EXT-X-ENDLIST\n", ""));
    exact(&vod, "ts").await?;
    let loads = origin.requests_for(&vod.playlist_path);
    assert_eq!(loads.len(), 2, "what does not change in a target duration is all of it");
    Ok(())
}

#[tokio::test]
async fn encryption_that_is_not_supported() -> Outcome {
    let (origin, vod) = stream();
    let locked =
        "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n";
    origin.put(&vod.playlist_path, vod.playlist.replacen("#EXTINF", &format!("{locked}#EXTINF"), 1));
    fails(job(&vod.url), Kind::Playlist, "playlist.encryption").await?;
    assert_eq!(origin.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn nobody_listens() -> Outcome {
    let (origin, vod) = stream();
    drop(origin);
    fails(job(&vod.url), Kind::Temporary, "net.connect").await?;
    Ok(())
}

#[tokio::test]
async fn the_head_fails_while_the_others_fill_the_memory() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(40, 1 << 20).publish(&origin);
    origin.script(&vod.segment_paths[0], [Reply::status(503).delay(150).forever()]);
    let error = fails(job(&vod.url).concurrency(8), Kind::Temporary, "segment.status").await?;
    assert!(error.kept().is_some_and(|kept| kept.contains("of 40 segments")), "{:?}", error.kept());
    Ok(())
}

#[tokio::test]
async fn an_end_does_not_wait_for_what_hangs() -> Outcome {
    let (origin, vod) = stream();
    let gate = Gate::new();
    for path in &vod.segment_paths[..3] {
        origin.script(path, [Reply::resource().steps([Step::UpTo(50), Step::Wait(gate.clone())])]);
    }
    origin.script(&vod.segment_paths[3], [Reply::status(403).forever()]);
    let ended = fails(job(&vod.url), Kind::Refused, "segment.status");
    tokio::time::timeout(Duration::from_secs(5), ended).await??;
    Ok(())
}

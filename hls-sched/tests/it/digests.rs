//! Digests that servers send beside segments: right ones, of other bytes, and of something else altogether.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hls_sched::{Event, Finished, Format, Kind};
use hls_testkit::{Media, Origin, Published, Reply, Vod};
use sha2::{Digest as _, Sha256};

use crate::support::{Folder, Outcome, job};

fn digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

/// A byte of the payload is another one, which no rule of any container shows.
fn damaged(segment: &[u8], by: u8) -> Vec<u8> {
    let mut segment = segment.to_vec();
    let at = segment.len() * 2 / 3 / 188 * 188 + 150;
    segment[at] ^= by;
    segment
}

/// A stream whose answers have the digests of these bytes.
fn stream(media: Media, of: impl Fn(&[u8]) -> Vec<u8>) -> (Origin, Published) {
    let origin = Origin::start();
    let vod = Vod::from_media(media).publish(&origin);
    for (path, segment) in vod.segment_paths.iter().zip(media.segments()) {
        let reply = Reply::resource().header("Content-Digest", &digest(&of(segment)));
        origin.script(path, [reply.forever()]);
    }
    (origin, vod)
}

async fn downloads(url: &str, concurrency: usize) -> Result<(Finished, Vec<u8>, usize), hls_sched::Error> {
    let folder = Folder::new().expect("a folder");
    let out = folder.file("out");
    let mut job = job(url).concurrency(concurrency).output(&out).format(Format::Join).start();
    let mut warnings = 0;
    while let Some(event) = job.next().await {
        warnings += usize::from(matches!(event, Event::Warning { kind: "segment.digest", .. }));
    }
    job.finish().await.map(|done| (done, std::fs::read(&out).expect("an output"), warnings))
}

#[tokio::test]
async fn a_segment_has_its_digest() -> Outcome {
    for media in [Media::Ts, Media::Fmp4] {
        for concurrency in [1, 4] {
            for victim in [0, 3, 5] {
                let what = format!("{media:?}, segment {victim}, {concurrency} at once");
                let (origin, vod) = stream(media, <[u8]>::to_vec);
                let path = &vod.segment_paths[victim];
                let right = media.segments()[victim];
                let wrong = Reply::ok(damaged(right, 16)).header("Content-Digest", &digest(right));
                origin.script(path, [wrong, Reply::resource()]);
                let (_, file, warnings) = downloads(&vod.url, concurrency).await?;
                assert!(file == vod.expected && warnings == 0, "{what}");
                assert!((2..=3).contains(&origin.requests_for(path).len()), "{what}");

                // Another one each time.
                let (origin, vod) = stream(media, <[u8]>::to_vec);
                let wrong = |by| Reply::ok(damaged(right, by)).header("Content-Digest", &digest(right));
                origin.script(&vod.segment_paths[victim], [wrong(16), wrong(32), Reply::resource()]);
                let (_, file, _) = downloads(&vod.url, concurrency).await?;
                assert!(file == vod.expected, "{what}, others each time");

                // Twice the same, as of one cache among several.
                let (origin, vod) = stream(media, <[u8]>::to_vec);
                let wrong = Reply::ok(damaged(right, 16)).header("Content-Digest", &digest(right));
                origin.script(&vod.segment_paths[victim], [wrong.times(2), Reply::resource()]);
                let (_, file, _) = downloads(&vod.url, concurrency).await?;
                assert!(file == vod.expected, "{what}, twice");

                let (origin, vod) = stream(media, <[u8]>::to_vec);
                let wrong = Reply::ok(damaged(right, 16)).header("Content-Digest", &digest(right));
                origin.script(&vod.segment_paths[victim], [wrong.forever()]);
                let error = downloads(&vod.url, concurrency).await.unwrap_err();
                assert_eq!((error.kind(), error.code()), (Kind::Content, "content.digest"), "{what}");
                assert!(error.to_string().contains(&format!("segment {victim}")), "{what}: {error}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_section_has_its_digest() -> Outcome {
    let section = Media::Fmp4.init().expect("a section");
    let mut wrong = section.to_vec();
    // A minor version.
    wrong[15] ^= 1;
    let wrong = || Reply::ok(wrong.clone()).header("Content-Digest", &digest(section));
    for is_for_ever in [false, true] {
        let (origin, vod) = stream(Media::Fmp4, <[u8]>::to_vec);
        let path = &vod.init_paths[0];
        let replies = if is_for_ever { vec![wrong().forever()] } else { vec![wrong()] };
        origin.script(path, replies);
        match downloads(&vod.url, 2).await {
            Ok((_, file, _)) => assert!(!is_for_ever && file == vod.expected),
            Err(error) => assert!(is_for_ever && error.code() == "content.digest", "{error}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn digests_of_something_else_say_nothing() -> Outcome {
    for media in [Media::Ts, Media::Fmp4] {
        let (origin, vod) = stream(media, |segment| segment[1..].to_vec());
        let (_, file, warnings) = downloads(&vod.url, 4).await?;
        assert!(file == vod.expected && warnings > 0, "{media:?}");
        let asked: usize = vod.segment_paths.iter().map(|path| origin.requests_for(path).len()).sum();
        assert!((7..=10).contains(&asked), "{asked}");
        let folder = Folder::new()?;
        let strict = job(&vod.url).strict(true).output(folder.file("out"));
        let error = strict.start().finish().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Content, "segment.digest"));
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_comes_in_two_parts_has_its_digest() -> Outcome {
    let right = Media::Ts.segments()[2];
    let (origin, vod) = stream(Media::Ts, <[u8]>::to_vec);
    let cut = Reply::reset_midway().header("Content-Digest", &digest(right));
    origin.script(&vod.segment_paths[2], [cut, Reply::resource()]);
    let (done, file, _) = downloads(&vod.url, 2).await?;
    assert!(file == vod.expected && done.retries > 0);
    Ok(())
}

#[tokio::test]
async fn digests_of_one_server_say_nothing_of_another() -> Outcome {
    // Advertisements come from elsewhere, with digests of something else.
    for victims in [[0, 1], [2, 3], [1, 5]] {
        for concurrency in [1, 4] {
            let (origin, vod) = stream(Media::Ts, <[u8]>::to_vec);
            let (other, elsewhere) = stream(Media::Ts, |segment| segment[1..].to_vec());
            let root = elsewhere.url.strip_suffix(&elsewhere.playlist_path).ok_or("no root")?;
            let mut playlist = vod.playlist.clone();
            for victim in victims {
                let (path, name) =
                    (&elsewhere.segment_paths[victim], vod.segment_paths[victim].rsplit('/').next());
                playlist = playlist.replace(name.ok_or("no name")?, &format!("{root}{path}"));
            }
            origin.put(&vod.playlist_path, playlist.into_bytes());
            let (_, file, warnings) = downloads(&vod.url, concurrency).await?;
            assert!(file == vod.expected && warnings > 0, "{victims:?}, {concurrency} at once");
            let asked = |origin: &Origin, vod: &Published| -> usize {
                vod.segment_paths.iter().map(|path| origin.requests_for(path).len()).sum()
            };
            let asked = asked(&origin, &vod) + asked(&other, &elsewhere);
            assert!(asked <= 6 + 4, "{victims:?}, {concurrency} at once: {asked}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn one_digest_alone_says_nothing_until_another_one_comes() -> Outcome {
    for (others, expect) in [(None, None), (Some(5), Some("segment.replaced"))] {
        let origin = Origin::start();
        let vod = Vod::from_media(Media::Ts).publish(&origin);
        let segments = Media::Ts.segments();
        let with = |n: usize, of: &[u8]| {
            let reply = Reply::resource().header("Content-Digest", &digest(of)).forever();
            origin.script(&vod.segment_paths[n], [reply]);
        };
        with(2, b"something else");
        if let Some(n) = others {
            with(n, segments[n]);
        }
        match downloads(&vod.url, 1).await {
            Ok((_, file, warnings)) => assert!(expect.is_none() && file == vod.expected && warnings == 1),
            Err(error) => assert_eq!(Some(error.code()), expect),
        }
    }
    Ok(())
}

//! Servers that ignore ranges: all of a file is sent once, however many parts of it are wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hls_fetch::{Client, RetryPolicy};
use hls_sched::{Event, Format, JobBuilder, Kind};
use hls_testkit::{Gate, Master, Media, Origin, Published, Reply, Request, Resource, Step, Vod};

use crate::support::{Folder, KEY, Outcome, exact, exact_as, fails, job, same};

/// One that holds little between itself and a client that does not read, so that what it sends is what is read.
fn origin() -> Origin {
    Origin::builder().send_buffer(128 << 10).start()
}

fn ignores(origin: &Origin, vod: &Published) {
    origin.script(&vod.segment_paths[0], [Reply::ignore_range().forever()]);
}

/// How many bytes of the file were sent.
fn sent(origin: &Origin, vod: &Published) -> f64 {
    origin.requests_for(&vod.segment_paths[0]).iter().map(|request| request.body_bytes_sent).sum::<u64>()
        as f64
}

/// The requests for the file.
fn asked(origin: &Origin, vod: &Published) -> usize {
    origin.requests_for(&vod.segment_paths[0]).len()
}

/// Downloads it, and returns how often the file was sent.
async fn ratio(origin: &Origin, vod: &Published, job: JobBuilder) -> Result<f64, Box<dyn std::error::Error>> {
    let size = vod.expected.len() as f64;
    let folder = Folder::new()?;
    let out = folder.file("out");
    let ending = job.format(Format::Join).output(&out).start().finish();
    tokio::time::timeout(Duration::from_secs(60), ending).await??;
    same(&out, &vod.expected)?;
    let ratio = sent(origin, vod) / size;
    println!("{} parts: sent {ratio:.3} times in {} answers", vod.segment_paths.len(), asked(origin, vod));
    Ok(ratio)
}

#[tokio::test]
async fn all_of_it_is_sent_once() -> Outcome {
    for concurrency in [1, 4, 16] {
        for (parts, bytes) in [(4, 1_000_000), (20, 200_000), (200, 20_000)] {
            for vod in [Vod::synthetic(parts, bytes), Vod::synthetic(parts, bytes).aes128(KEY)] {
                let origin = origin();
                let vod = vod.byterange().publish(&origin);
                ignores(&origin, &vod);
                let ratio = ratio(&origin, &vod, job(&vod.url).concurrency(concurrency)).await?;
                // Ciphertext is a little longer.
                assert!(ratio <= 1.001, "{parts} parts, {concurrency} at once: {ratio}");
                assert_eq!(asked(&origin, &vod), 1);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn also_with_sections_and_as_many_at_once_as_serve_best() -> Outcome {
    for media in [Media::Ts, Media::Fmp4] {
        for reply in [Reply::ignore_range(), Reply::ignore_range().chunked()] {
            let origin = origin();
            let vod = Vod::from_media(media).byterange().publish(&origin);
            origin.script(&vod.segment_paths[0], [reply.forever()]);
            let done = exact_as(Format::Join, &vod, "m4s").await?;
            assert_eq!((asked(&origin, &vod), done.retries), (1, 0), "{media:?}");
            assert!(sent(&origin, &vod) <= vod.expected.len() as f64);
        }
    }
    let origin = origin();
    let vod = Vod::synthetic(50, 60_000).byterange().publish(&origin);
    ignores(&origin, &vod);
    let usual = hls_sched::Job::get(vod.url.parse()?);
    assert!(ratio(&origin, &vod, usual).await? <= 1.0);
    Ok(())
}

#[tokio::test]
async fn what_is_behind_the_last_part_is_not_read() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(4, 200_000).byterange().publish(&origin);
    origin.put(&vod.segment_paths[0], Resource::new([&vod.expected[..], &vec![0; 30_000_000]].concat()));
    ignores(&origin, &vod);
    exact(&vod, "ts").await?;
    assert!(sent(&origin, &vod) < 20e6, "{}", sent(&origin, &vod));
    Ok(())
}

#[tokio::test]
async fn a_part_far_within_a_file() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(4, 500_000).byterange().publish(&origin);
    let before = 65 << 20;
    origin.put(&vod.segment_paths[0], Resource::new([&vec![0; before], &vod.expected[..]].concat()));
    origin.put(&vod.playlist_path, vod.playlist.replacen("@0\n", &format!("@{before}\n"), 1));
    ignores(&origin, &vod);
    exact(&vod, "ts").await?;
    assert_eq!(asked(&origin, &vod), 1);
    Ok(())
}

#[tokio::test]
async fn two_tracks_of_two_files() -> Outcome {
    let (origin, folder) = (origin(), Folder::new()?);
    let master = Master::new("/m")
        .variant(900_000, 320, 180, Vod::from_media(Media::Ts).byterange())
        .audio("en", true, Vod::from_media(Media::AudioAdts).byterange())
        .publish(&origin);
    let tracks = [&master.variants[0], &master.audio[0]];
    tracks.iter().for_each(|track| ignores(&origin, track));
    job(&master.url).output(folder.file("out.ts")).start().finish().await?;
    same(&folder.file("out.ts"), &tracks[0].expected)?;
    for track in tracks {
        assert_eq!(asked(&origin, track), 1);
    }
    Ok(())
}

#[tokio::test]
async fn parts_in_another_order_than_in_the_file() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(8, 100_000).byterange().publish(&origin);
    // Each two of them are the wrong way round in the file.
    let segments: Vec<_> = vod.expected.chunks(vod.expected.len() / 8).collect();
    let swapped = (0..8).map(|n| segments[n ^ 1]).collect::<Vec<_>>().concat();
    origin.put(&vod.segment_paths[0], Resource::new(swapped));
    let size = segments[0].len();
    let mut playlist = String::from("#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:10\n");
    let name = vod.segment_paths[0].rsplit('/').next().unwrap_or_default();
    for n in 0..8 {
        playlist += &format!("#EXTINF:2,\n#EXT-X-BYTERANGE:{size}@{}\n{name}\n", (n ^ 1) * size);
    }
    origin.put(&vod.playlist_path, playlist + "#EXT-X-ENDLIST\n");
    ignores(&origin, &vod);
    ratio(&origin, &vod, job(&vod.url)).await?;
    // A part that is wanted only when a body has passed it needs another one.
    assert!(asked(&origin, &vod) <= 4, "{}", asked(&origin, &vod));
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_cut_is_asked_for_once_more() -> Outcome {
    // With the usual delays, too.
    for policy in [crate::support::quick(), RetryPolicy::default()] {
        for (parts, bytes) in [(4, 1_000_000), (20, 200_000), (200, 20_000)] {
            for end in [Step::Close, Step::Reset] {
                let origin = origin();
                let vod = Vod::synthetic(parts, bytes).byterange().publish(&origin);
                let cut = Reply::ignore_range().steps([Step::UpTo(45), end]);
                origin.script(&vod.segment_paths[0], [cut, Reply::ignore_range().forever()]);
                let ratio = ratio(&origin, &vod, job(&vod.url).retry_policy(policy.clone())).await?;
                assert!(ratio <= 1.5, "{parts} parts: {ratio}");
                assert_eq!(asked(&origin, &vod), 2);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_asked_for_twice_because_it_waits() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(20, 100_000).byterange().publish(&origin);
    let slow = Reply::ignore_range().steps([Step::UpTo(75), Step::Drip { bytes_per_s: 100_000 }]);
    origin.script(&vod.segment_paths[0], [slow.forever()]);
    assert!(ratio(&origin, &vod, job(&vod.url)).await? <= 1.0);
    assert_eq!(asked(&origin, &vod), 1);
    Ok(())
}

#[tokio::test]
async fn a_body_that_stands_still_is_asked_for_once_more() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(20, 200_000).byterange().publish(&origin);
    let stuck = Reply::ignore_range().steps([Step::UpTo(45), Step::Stall]);
    origin.script(&vod.segment_paths[0], [stuck, Reply::ignore_range().forever()]);
    let client = Client::builder().stall_timeout(Duration::from_secs(1)).build()?;
    let ratio = ratio(&origin, &vod, job(&vod.url).fetch(Arc::new(client))).await?;
    assert!(ratio <= 1.5 && asked(&origin, &vod) == 2, "{ratio}");
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_cut_for_ever_is_the_end() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(20, 200_000).byterange().publish(&origin);
    origin.script(
        &vod.segment_paths[0],
        [Reply::ignore_range().steps([Step::UpTo(45), Step::Close]).forever()],
    );
    fails(job(&vod.url), Kind::Temporary, "segment.truncated").await?;
    assert!(asked(&origin, &vod) <= 10, "{}", asked(&origin, &vod));
    Ok(())
}

#[tokio::test]
async fn the_last_part_ends_behind_the_file() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(6, 100_000).byterange().publish(&origin);
    let length = vod.playlist.rsplit("#EXT-X-BYTERANGE:").next().and_then(|rest| rest.lines().next());
    let length: usize = length.ok_or("no range")?.parse()?;
    let (first, last) = vod.playlist.rsplit_once(&format!(":{length}")).ok_or("no range")?;
    origin.put(&vod.playlist_path, format!("{first}:{}{last}", length + 5000));
    ignores(&origin, &vod);
    exact(&vod, "ts").await?;
    assert_eq!(asked(&origin, &vod), 1);
    Ok(())
}

#[tokio::test]
async fn requests_under_way_give_way_to_the_first_whole_answer() -> Outcome {
    for parts in [4, 20, 200] {
        // The answer takes so long that others are asked for meanwhile.
        let origin = origin();
        let vod = Vod::synthetic(parts, 4_000_000 / parts).byterange().publish(&origin);
        origin.script(&vod.segment_paths[0], [Reply::ignore_range().delay(1500).forever()]);
        let ratio = ratio(&origin, &vod, job(&vod.url)).await?;
        assert!(asked(&origin, &vod) <= 4 && ratio <= 1.5, "{parts} parts: {ratio}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_ignores_ranges_now_and_then() -> Outcome {
    for (parts, bytes) in [(20, 200_000), (200, 20_000)] {
        type Ignored = fn(usize) -> bool;
        let cases: [Ignored; 4] =
            [|n: usize| n % 3 == 1, |n: usize| n % 2 != 1, |n: usize| n == 3, |n: usize| n < 2];
        for ignored in cases {
            let origin = origin();
            let vod = Vod::synthetic(parts, bytes).byterange().publish(&origin);
            let (path, count) = (vod.segment_paths[0].clone(), AtomicUsize::new(0));
            origin.rule(move |request: &Request| {
                let n = (request.path == path).then(|| count.fetch_add(1, Ordering::SeqCst))?;
                ignored(n).then(Reply::ignore_range)
            });
            let ratio = ratio(&origin, &vod, job(&vod.url)).await?;
            assert!(ratio <= 1.5, "{parts} parts: {ratio}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_job_that_goes_on_has_it_sent_once_more() -> Outcome {
    for tagged in [true, false] {
        for (parts, bytes) in [(4, 1_000_000), (20, 200_000), (200, 20_000)] {
            let (origin, folder) = (
                Origin::builder().send_buffer(128 << 10).rate_per_connection(8 << 20).start(),
                Folder::new()?,
            );
            let vod = Vod::synthetic(parts, bytes).byterange().publish(&origin);
            if !tagged {
                origin.put(&vod.segment_paths[0], Resource::new(vod.expected.clone()).no_etag());
            }
            // No more than that is sent before the job ends, however late it hears of a segment.
            let gate = Gate::new();
            let held = [Step::UpTo(70), Step::Wait(gate.clone()), Step::Rest];
            origin.script(&vod.segment_paths[0], [Reply::ignore_range().steps(held).forever()]);
            let out = folder.file("out.ts");
            let mut first = job(&vod.url).output(&out).start();
            let mut seen = 0;
            while seen < parts * 45 / 100 {
                match first.next().await {
                    Some(Event::Segment(_)) => seen += 1,
                    Some(_) => {}
                    None => break,
                }
            }
            first.handle().cancel();
            let Err(error) = first.finish().await else { return Err("it can't have ended well".into()) };
            assert_eq!(error.kind(), Kind::Stopped);
            gate.open();
            ignores(&origin, &vod);
            let size = vod.expected.len() as f64;
            let once = sent(&origin, &vod) / size;
            origin.reset_log();
            let done = job(&vod.url).output(&out).start().finish().await?;
            same(&out, &vod.expected)?;
            let again = sent(&origin, &vod) / size;
            println!(
                "{parts} parts: sent {once:.3} times, then {again:.3} in {} answers",
                asked(&origin, &vod)
            );
            assert!(done.resumed_segments > 0 && again <= 1.0, "{parts} parts: {once}, {again}");
            assert!(once <= 0.75, "{parts} parts: {once}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_cap_holds_for_what_is_passed_over() -> Outcome {
    let origin = origin();
    let vod = Vod::synthetic(20, 100_000).byterange().publish(&origin);
    let cut = Reply::ignore_range().steps([Step::UpTo(50), Step::Close]);
    origin.script(&vod.segment_paths[0], [cut, Reply::ignore_range().forever()]);
    let begun = Instant::now();
    let ratio = ratio(&origin, &vod, job(&vod.url).limit_rate(Some(1 << 20))).await?;
    // Three million bytes at a mebibyte a second.
    assert!(ratio <= 1.51 && begun.elapsed() > Duration::from_millis(2300), "{:?}", begun.elapsed());
    Ok(())
}

//! Resources that are replaced while they are fetched in parts, or between two runs: their parts are never joined.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hls_sched::{Event, Job, Kind};
use hls_testkit::{Gate, Media, Origin, Published, Reply, Request, Resource, Step, Vod};

use crate::support::{Folder, KEY, Outcome, job, same};

const SIZE: usize = 60_000;
const MONDAY: &str = "Mon, 02 Nov 2026 08:00:00 GMT";
const TUESDAY: &str = "Tue, 03 Nov 2026 08:00:00 GMT";

/// The same bytes but for one in each packet.
fn other(bytes: &[u8]) -> Vec<u8> {
    let mut other = bytes.to_vec();
    other.iter_mut().skip(100).step_by(188).for_each(|byte| *byte ^= 0x55);
    other
}

/// What a server says of a file: its tag and its date.
type Words = (Option<&'static str>, Option<&'static str>);

fn resource(bytes: &[u8], (tag, date): Words) -> Resource {
    let plain = Resource::new(bytes.to_vec()).no_etag();
    let tagged = tag.map_or(plain.clone(), |tag| plain.etag(tag));
    date.map_or(tagged.clone(), |date| tagged.last_modified(date))
}

/// Serves what `which` says for the nth request of a file, from 0 on.
fn serve(
    origin: &Origin,
    path: &str,
    all: Vec<Resource>,
    which: impl Fn(usize) -> usize + Send + Sync + 'static,
) -> Arc<AtomicUsize> {
    let (path, asked) = (path.to_owned(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    origin.rule(move |request: &Request| {
        let n = (request.path == path).then(|| count.fetch_add(1, Ordering::SeqCst))?;
        Some(Reply::serving(all[which(n)].clone()))
    });
    asked
}

fn streams() -> [Vod; 3] {
    let synthetic = || Vod::synthetic(6, SIZE).byterange();
    [synthetic(), synthetic().aes128(KEY), Vod::from_media(Media::Fmp4).byterange()]
}

/// The file that all segments are in, as it is served.
async fn file(origin: &Origin, vod: &Published) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let client = hls_fetch::Client::builder().build()?;
    let request = hls_fetch::Request::get(origin.url(&vod.segment_paths[0]).parse()?);
    let bytes = hls_fetch::Fetch::fetch(&client, request).await?.bytes(1 << 30).await?;
    origin.reset_log();
    Ok(bytes)
}

fn name(vod: &Published) -> &'static str {
    if vod.init_paths.is_empty() { "out.ts" } else { "out.m4s" }
}

#[tokio::test]
async fn parts_of_two_files_are_never_joined() -> Outcome {
    let (a, b) = ((Some("\"a\""), Some(MONDAY)), (Some("\"b\""), Some(TUESDAY)));
    let shorter = |bytes: &[u8]| bytes[..bytes.len() - 188].to_vec();
    let same = |bytes: &[u8]| bytes.to_vec();
    type Change = fn(&[u8]) -> Vec<u8>;
    let cases: [(&str, Words, Words, Change); 8] = [
        ("another file", a, b, shorter),
        ("one of the same length", a, b, other),
        ("only the tag is another", a, (Some("\"b\""), Some(MONDAY)), other),
        ("there is a tag alone", (Some("\"a\""), None), (Some("\"b\""), None), other),
        ("there is a date alone", (None, Some(MONDAY)), (None, Some(TUESDAY)), other),
        ("the tags are weak", (Some("W/\"a\""), Some(MONDAY)), (Some("W/\"b\""), Some(TUESDAY)), other),
        ("there is a length alone", (None, None), (None, None), shorter),
        // Nobody can tell that from a file of which another part is another one.
        ("it only looks like another", a, b, same),
    ];
    for (case, before, behind, change) in cases {
        for (n, vod) in streams().into_iter().enumerate() {
            for after in [1, 3, 4] {
                let (origin, folder) = (Origin::start(), Folder::new()?);
                let vod = vod.clone().publish(&origin);
                let bytes = file(&origin, &vod).await?;
                let all = vec![resource(&bytes, before), resource(&change(&bytes), behind)];
                serve(&origin, &vod.segment_paths[0], all, move |n| usize::from(n >= after));
                let out = folder.file(name(&vod));
                let ended = job(&vod.url).concurrency(1 + n).output(&out).start().finish().await;
                let error =
                    ended.err().ok_or_else(|| format!("{case}: joined, stream {n}, after {after}"))?;
                assert!(!out.exists());
                // What is cut off may be seen by its length first.
                let is_seen = (error.kind(), error.code()) == (Kind::Content, "playlist.changed");
                assert!(is_seen || error.kind() == Kind::Content, "{case}: {error}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn servers_that_make_words_of_their_own_are_believed_by_their_bytes() -> Outcome {
    let words = |tag, date| (Some(tag), Some(date));
    let cases: [(&str, Vec<Words>, usize); 6] = [
        (
            "two servers with tags and dates of their own",
            vec![words("\"a\"", MONDAY), words("\"b\"", TUESDAY)],
            3,
        ),
        ("two with tags of their own", vec![words("\"a\"", MONDAY), words("\"b\"", MONDAY)], 3),
        ("three", vec![words("\"a\"", MONDAY), words("\"b\"", TUESDAY), (Some("\"c\""), None)], 9),
        ("dates alone", vec![(None, Some(MONDAY)), (None, Some(TUESDAY))], 3),
        ("one tag, two dates", vec![words("\"a\"", MONDAY), words("\"a\"", TUESDAY)], 0),
        ("weak tags", vec![words("W/\"a\"", MONDAY), words("\"b\"", MONDAY), words("W/\"c\"", MONDAY)], 0),
    ];
    for (case, words, more) in cases {
        for vod in streams() {
            let (origin, folder) = (Origin::start(), Folder::new()?);
            let vod = vod.publish(&origin);
            let bytes = file(&origin, &vod).await?;
            let all: Vec<_> = words.iter().map(|words| resource(&bytes, *words)).collect();
            let servers = all.len();
            let asked = serve(&origin, &vod.segment_paths[0], all, move |n| n % servers);
            let out = folder.file(name(&vod));
            let ended = job(&vod.url).concurrency(1).output(&out).start().finish().await;
            ended.map_err(|error| format!("{case}: {error}"))?;
            same(&out, &vod.expected)?;
            let needed = vod.segment_paths.len() + vod.init_paths.len();
            let asked = asked.load(Ordering::SeqCst);
            assert!(asked <= needed + more, "{case}: {asked} requests for {needed}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn servers_of_two_files_under_one_name_are_found_out() -> Outcome {
    for vod in streams() {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = vod.publish(&origin);
        let bytes = file(&origin, &vod).await?;
        let (a, b) = ((Some("\"a\""), Some(MONDAY)), (Some("\"b\""), Some(TUESDAY)));
        let all = vec![resource(&bytes, a), resource(&other(&bytes), b)];
        serve(&origin, &vod.segment_paths[0], all, |n| n % 2);
        let out = folder.file(name(&vod));
        let ended = job(&vod.url).concurrency(1).output(&out).start().finish().await;
        assert_eq!(ended.err().map(|error| error.kind()), Some(Kind::Content));
    }
    Ok(())
}

#[tokio::test]
async fn what_can_t_be_compared_is_told_by_its_bytes() -> Outcome {
    let (a, none) = ((Some("\"a\""), Some(MONDAY)), (None, None));
    let cases: [(&str, Words, Words, bool); 4] = [
        ("the words are gone", a, none, false),
        ("the tag is gone", (Some("\"a\""), None), none, false),
        ("all comes for a part, without any words", none, none, true),
        ("all comes for a part, without its words", a, none, true),
    ];
    for (case, before, behind, is_whole) in cases {
        for (n, vod) in streams().into_iter().enumerate() {
            for (after, is_other) in [(1, true), (1, false), (3, true), (3, false), (4, true)] {
                let (origin, folder) = (Origin::start(), Folder::new()?);
                let vod = vod.clone().publish(&origin);
                let bytes = file(&origin, &vod).await?;
                let now = resource(&if is_other { other(&bytes) } else { bytes.clone() }, behind);
                let now = if is_whole { now.no_ranges() } else { now };
                let all = vec![resource(&bytes, before), now];
                let asked = serve(&origin, &vod.segment_paths[0], all, move |n| usize::from(n >= after));
                let out = folder.file(name(&vod));
                let ended = job(&vod.url).concurrency(1).output(&out).start().finish().await;
                let case = format!("{case}, stream {n}, after {after}");
                match ended {
                    Ok(_) => {
                        assert!(!is_other, "{case}: joined");
                        same(&out, &vod.expected)?;
                        let needed = vod.segment_paths.len() + vod.init_paths.len();
                        let asked = asked.load(Ordering::SeqCst);
                        assert!(asked <= needed + 3, "{case}: {asked} requests for {needed}");
                    }
                    Err(error) => {
                        assert!(is_other, "{case}: {error}");
                        assert_eq!(error.kind(), Kind::Content, "{case}: {error}");
                    }
                }
            }
        }
    }
    Ok(())
}

/// Waits until so many segments are whole, and cancels.
async fn cancelled(mut job: Job, n: usize) {
    let mut seen = 0;
    while seen < n {
        match job.next().await {
            Some(Event::Segment(_)) => seen += 1,
            Some(_) => {}
            None => break,
        }
    }
    job.handle().cancel();
    let _ = job.finish().await;
}

#[tokio::test]
async fn nor_are_parts_that_an_earlier_run_left() -> Outcome {
    let a = (Some("\"a\""), Some(MONDAY));
    let cases: [(&str, Words, bool, bool); 5] = [
        ("nothing has changed", a, false, true),
        ("other bytes, tag and date", (Some("\"b\""), Some(TUESDAY)), true, false),
        ("other bytes and tag", (Some("\"b\""), Some(MONDAY)), true, false),
        ("another tag and date", (Some("\"b\""), Some(TUESDAY)), false, false),
        ("another date", (Some("\"a\""), Some(TUESDAY)), false, true),
    ];
    for (case, words, is_other, ends_well) in cases {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::synthetic(6, SIZE).byterange().publish(&origin);
        let bytes = file(&origin, &vod).await?;
        let (gate, held) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let (path, wait, count) = (vod.segment_paths[0].clone(), gate.clone(), Arc::clone(&held));
        let before = resource(&bytes, a);
        let behind = resource(&if is_other { other(&bytes) } else { bytes.clone() }, words);
        origin.rule(move |request: &Request| {
            let n = (request.path == path).then(|| count.fetch_add(1, Ordering::SeqCst))?;
            Some(match n {
                ..3 => Reply::serving(before.clone()),
                3 => Reply::serving(before.clone()).steps([Step::UpTo(10), Step::Wait(wait.clone())]),
                _ => Reply::serving(behind.clone()),
            })
        });
        let out = folder.file("out.ts");
        cancelled(job(&vod.url).concurrency(1).output(&out).start(), 3).await;
        gate.open();
        let ended = job(&vod.url).concurrency(1).output(&out).start().finish().await;
        match ended {
            Ok(done) => {
                assert!(ends_well, "{case}");
                assert_eq!(done.resumed_segments, 3, "{case}");
                same(&out, &vod.expected)?;
            }
            Err(error) => {
                assert!(!ends_well, "{case}: {error}");
                assert_eq!((error.kind(), error.code()), (Kind::Content, "playlist.changed"), "{case}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_edit_between_two_runs_is_seen() -> Outcome {
    let a = (Some("\"a\""), Some(MONDAY));
    let cases: [(&str, Words, Words, bool, bool); 7] = [
        ("nothing has changed", a, a, false, true),
        ("other bytes, tag and date", a, (Some("\"b\""), Some(TUESDAY)), true, false),
        ("other bytes and tag", a, (Some("\"b\""), None), true, false),
        ("other bytes and date", (None, Some(MONDAY)), (None, Some(TUESDAY)), true, false),
        ("weak tags", (Some("W/\"a\""), None), (Some("W/\"b\""), None), true, false),
        // Bytes tell where words differ.
        ("another tag and date alone", a, (Some("\"b\""), Some(TUESDAY)), false, true),
        ("a tag that is no more", a, (None, None), false, true),
    ];
    for (case, before, behind, is_other, ends_well) in cases {
        for edited in [0, 1, 5] {
            let (origin, folder) = (Origin::start(), Folder::new()?);
            let vod = Vod::synthetic(12, SIZE).publish(&origin);
            let each = |n: usize| {
                vod.expected[n * vod.expected.len() / 12..(n + 1) * vod.expected.len() / 12].to_vec()
            };
            for (n, path) in vod.segment_paths.iter().enumerate() {
                origin.put(path, resource(&each(n), before));
            }
            let gate = Gate::new();
            let held = Reply::resource().steps([Step::UpTo(10), Step::Wait(gate.clone())]);
            origin.script(&vod.segment_paths[9], [held]);
            let out = folder.file("out.ts");
            cancelled(job(&vod.url).concurrency(1).output(&out).start(), 9).await;
            gate.open();
            origin.script(&vod.segment_paths[9], []);
            let bytes = if is_other { other(&each(edited)) } else { each(edited) };
            origin.put(&vod.segment_paths[edited], resource(&bytes, behind));
            origin.reset_log();
            let ended = job(&vod.url).output(&out).start().finish().await;
            match ended {
                Ok(_) => {
                    assert!(ends_well, "{case}, {edited}");
                    same(&out, &vod.expected)?;
                    // Three segments, the one that is probed, and the one that was doubted.
                    assert!(
                        origin.body_bytes_sent() < 6 * SIZE as u64,
                        "{case}: {}",
                        origin.body_bytes_sent()
                    );
                }
                Err(error) => {
                    assert!(!ends_well, "{case}, {edited}: {error}");
                    assert_eq!((error.kind(), error.code()), (Kind::Content, "playlist.changed"), "{case}");
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_section_that_is_another_one_by_now_is_seen() -> Outcome {
    for has_words in [true, false] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Fmp4).publish(&origin);
        let last = vod.segment_paths.len() - 1;
        let gate = Gate::new();
        let held = Reply::resource().steps([Step::UpTo(10), Step::Wait(gate.clone())]);
        origin.script(&vod.segment_paths[last], [held]);
        let out = folder.file("out.m4s");
        cancelled(job(&vod.url).concurrency(1).output(&out).start(), last).await;
        gate.open();
        origin.script(&vod.segment_paths[last], []);
        let section = Media::Fmp4.init().unwrap_or_default().to_vec();
        let mut changed = section.clone();
        // The name of who made it, which sets up nothing.
        let at = changed.windows(4).position(|name| name == b"mvhd").ok_or("no mvhd")? + 12;
        changed[at] ^= 1;
        let changed = Resource::new(changed);
        origin.put(&vod.init_paths[0], if has_words { changed } else { changed.no_etag() });
        let ended = job(&vod.url).output(&out).start().finish().await;
        assert_eq!(ended.err().map(|error| error.code().to_owned()).as_deref(), Some("playlist.changed"));
    }
    Ok(())
}

//! An unfinished job that an earlier version left, and the states that kills and people can make of one.
//!
//! `tests/fixtures/state-0` is such a job, kept by `cargo xtask fixture`: three of eight segments are in the output, half of
//! the fourth is, the others wait. Where another downloader doubles or mixes segments, each of these has to end right, or
//! in an error that says what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hls_testkit::{Origin, Published, Vod};

use crate::support::{Folder, Outcome, media_requests};

const SEGMENT: usize = 7520;
const LOG: &str = "out.ts.hls/written";
const PART: &str = "out.ts.part";

/// The stream of the kept job.
fn stream(origin: &Origin) -> Published {
    Vod::synthetic(8, SEGMENT).prefix("/kept").publish(origin)
}

/// A folder with the kept job in it.
fn kept() -> Result<Folder, Box<dyn std::error::Error>> {
    let folder = Folder::new()?;
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state-0");
    fs::create_dir(folder.file("out.ts.hls"))?;
    for (name, bytes) in contents(&fixture)? {
        fs::write(folder.path().join(name), bytes)?;
    }
    Ok(folder)
}

/// All files, but the lock, which names its last holder.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Box<dyn std::error::Error>> {
    let mut found = BTreeMap::new();
    for folder in [folder.to_owned(), folder.join("out.ts.hls")] {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_file() && path.file_name().is_some_and(|name| name != "lock") {
                found.insert(path.clone(), fs::read(&path)?);
            }
        }
    }
    let relative = found.into_iter().map(|(path, bytes)| Ok((path.strip_prefix(folder)?.to_owned(), bytes)));
    relative.collect()
}

fn goes_on(origin: &Origin, folder: &Folder, what: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let stream = stream(origin);
    origin.reset_log();
    let run = folder.run(&["get", &stream.url, "-o", "out.ts"])?;
    assert!(run.status.success(), "{what}: {}", run.err);
    folder.holds_only("out.ts", &stream.expected).map_err(|e| format!("{what}: {e}"))?;
    Ok(media_requests(origin))
}

#[test]
fn a_job_of_an_earlier_version_goes_on() -> Outcome {
    let origin = Origin::start();
    let requests = goes_on(&origin, &kept()?, "as it was kept")?;
    // What is left of one, and what it takes to see whether the others are still the same.
    assert!((1..=3).contains(&requests), "{requests}");
    Ok(())
}

/// Where each record of the log begins, and where the last one ends.
fn records(log: &[u8]) -> Vec<usize> {
    let mut all = vec![24];
    while let Some(&[low, high]) = all.last().and_then(|at| log.get(*at..at + 2)) {
        all.push(all[all.len() - 1] + 2 + usize::from(u16::from_le_bytes([low, high])) + 4);
    }
    all
}

#[test]
fn every_leftover_state_ends_right() -> Outcome {
    type Change = fn(&Folder) -> std::io::Result<()>;
    let changes: [(&str, Change); 8] = [
        ("an empty log", |f| fs::write(f.file(LOG), "")),
        ("a log of nothing but its header", |f| {
            let log = fs::read(f.file(LOG))?;
            fs::write(f.file(LOG), &log[..24])
        }),
        ("no log", |f| fs::remove_file(f.file(LOG))),
        ("killed after the bytes and before their record", |f| {
            let log = fs::read(f.file(LOG))?;
            fs::write(f.file(LOG), &log[..records(&log)[2]])
        }),
        ("killed in the middle of a segment", |f| {
            let mut part = fs::read(f.file(PART))?;
            part.extend_from_slice(&[0x47; 1000]);
            fs::write(f.file(PART), part)
        }),
        ("killed in the middle of the write before a record", |f| {
            let part = fs::read(f.file(PART))?;
            fs::write(f.file(PART), &part[..3 * SEGMENT - 100])
        }),
        ("the output gone, the state there", |f| fs::remove_file(f.file(PART))),
        ("the output empty, the state there", |f| fs::write(f.file(PART), "")),
    ];
    let origin = Origin::start();
    for (what, change) in changes {
        let folder = kept()?;
        change(&folder)?;
        goes_on(&origin, &folder, what)?;
    }
    // Without its state nothing tells whose it is.
    let folder = kept()?;
    fs::remove_dir_all(folder.file("out.ts.hls"))?;
    let url = stream(&origin).url;
    folder.run(&["get", &url, "-o", "out.ts"])?.fails(13, "output.part_taken");
    folder.run(&["get", &url, "-o", "out.ts", "--restart"])?.ok();
    folder.holds_only("out.ts", &stream(&origin).expected)
}

#[test]
fn killed_in_the_middle_of_an_append() -> Outcome {
    let origin = Origin::start();
    let log = fs::read(kept()?.file(LOG))?;
    let records = records(&log);
    let [.., last, end] = records.as_slice() else { return Err("no records".into()) };
    // Every byte of the last record, and some of those before.
    let cuts = (*last..*end).chain((0..*last).step_by(23));
    for cut in cuts {
        let folder = kept()?;
        fs::write(folder.file(LOG), &log[..cut])?;
        goes_on(&origin, &folder, &format!("a log cut at {cut}"))?;
    }
    Ok(())
}

#[test]
fn another_stream_under_the_same_name_is_never_mixed_in() -> Outcome {
    let (origin, folder) = (Origin::start(), kept()?);
    let before = contents(folder.path())?;
    let other = Vod::synthetic(6, SEGMENT - 188).media_sequence(3).prefix("/other").publish(&origin);
    let run = folder.run(&["get", &other.url, "-o", "out.ts"])?;
    run.fails(8, "playlist.changed").has("next", &["--restart"]);
    assert!(!folder.file("out.ts").exists());
    assert_eq!(fs::read(folder.file(PART))?[..3 * SEGMENT], before[Path::new(PART)][..3 * SEGMENT]);
    goes_on(&origin, &folder, "after another stream was refused").map(|_| ())
}

#[test]
fn a_segment_that_is_missing_is_never_left_out() -> Outcome {
    let (origin, folder) = (Origin::start(), kept()?);
    let published = stream(&origin);
    origin.remove(&published.segment_paths[3]);
    let run = folder.run(&["get", &published.url, "-o", "out.ts", "--retries", "0"])?;
    run.fails(3, "segment.status").has("kept", &["7 of 8 segments"]);
    assert!(!folder.file("out.ts").exists());
    goes_on(&origin, &folder, "after a segment was missing").map(|_| ())
}

#[test]
fn a_newer_format_is_left_as_it_is() -> Outcome {
    let (origin, folder) = (Origin::start(), kept()?);
    let published = stream(&origin);
    let mut log = fs::read(folder.file(LOG))?;
    log[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(folder.file(LOG), log)?;
    let before = contents(folder.path())?;
    for more in [&[][..], &["--restart"], &["--force"]] {
        let run = folder.run(&[&["get", published.url.as_str(), "-o", "out.ts"], more].concat())?;
        run.fails(12, "state.newer").has("next", &["newer version"]);
        assert_eq!(contents(folder.path())?, before, "{more:?}");
    }
    Ok(())
}

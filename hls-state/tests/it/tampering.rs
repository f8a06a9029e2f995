//! Other programs that write to what is growing, or had the name first: nothing but our own bytes gets a final name.

use std::fs;
use std::io::{IoSlice, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use hls_state::{
    DiskStore, Durability, Fingerprint, Kind, Options, Placed, ResumeStore as _, Unit, probe_part,
};

use crate::{Job, bytes, damaged, expected, kill, offset, place};

fn append(path: &Path, len: usize) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(&vec![7; len]).unwrap();
}

fn overwrite(path: &Path, at: u64) {
    // A file system notes times in steps of some milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(b"\xff\x00\xff\x00").unwrap();
}

fn replace(path: &Path, with: &[u8]) {
    fs::rename(path, path.with_extension("moved")).unwrap();
    fs::write(path, with).unwrap();
}

/// What is done to an output after two units and before the third, and whether it ends well.
type Case = (&'static str, fn(&Path), bool);

const CASES: [Case; 12] = [
    ("nothing", |_| {}, true),
    ("read", |path| drop(fs::read(path)), true),
    ("replaced by less", |path| replace(path, &[0; 20]), false),
    ("replaced by as much", |path| replace(path, &expected(2)), false),
    ("replaced by nothing", |path| replace(path, &[]), false),
    ("removed", |path| fs::remove_file(path).unwrap(), false),
    (
        "cut to a kilobyte",
        |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1000).unwrap(),
        false,
    ),
    (
        "cut by a byte",
        |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(2000).unwrap(),
        false,
    ),
    ("emptied", |path| drop(fs::File::create(path).unwrap()), false),
    ("extended by more than is to come", |path| append(path, 1 << 20), false),
    ("extended by less than is to come", |path| append(path, 188), true),
    ("overwritten", |path| overwrite(path, 500), false),
];

#[test]
fn nothing_but_what_was_written_is_finished() {
    for durability in [Durability::Fast, Durability::Safe] {
        for outputs in [&["a.ts"][..], &["a.ts", "a.vtt"]] {
            for (case, tamper, is_right) in CASES {
                let mut job = Job::new(outputs);
                job.options.durability = durability;
                let last = outputs.len() as u8 - 1;
                let (mut store, _) = job.open();
                (0..=last).for_each(|output| (0..2).for_each(|n| place(&mut store, output, n)));
                tamper(&job.path(&format!("{}.part", outputs[usize::from(last)])));
                let write = |store: &mut DiskStore, output| {
                    let data = bytes(2);
                    store.write(output, offset(2), &[IoSlice::new(&data)])?;
                    let (offset, len, hash) = (offset(2), data.len() as u64, Fingerprint::of(&data));
                    store.record(Placed { output, index: 2, identity: 2, offset, len, hash })
                };
                let written = (0..=last).try_for_each(|output| write(&mut store, output));
                let ended = written.and_then(|()| store.finish());
                let case = format!("{case}, {outputs:?}, {durability:?}");
                if is_right {
                    ended.unwrap();
                    assert_eq!(
                        fs::read(job.path(outputs[usize::from(last)])).unwrap(),
                        expected(3),
                        "{case}"
                    );
                    continue;
                }
                assert_eq!(ended.unwrap_err().kind(), Kind::Io, "{case}");
                assert!(outputs.iter().all(|output| !job.path(output).exists()), "{case}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn no_link_becomes_an_output() {
    for (target, force) in [("victim", false), ("victim", true), ("nowhere", false), ("a.ts.hls", false)] {
        let mut job = Job::new(&["a.ts"]);
        job.options.force = force;
        fs::write(job.path("victim"), "mine").unwrap();
        let (mut store, _) = job.open();
        (0..3).for_each(|n| place(&mut store, 0, n));
        fs::rename(job.path("a.ts.part"), job.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink(job.path(target), job.path("a.ts.part")).unwrap();
        assert_eq!(store.finish().unwrap_err().kind(), Kind::Io, "{target}");
        assert!(fs::symlink_metadata(job.path("a.ts")).is_err(), "{target}");
        assert_eq!(fs::read(job.path("victim")).unwrap(), b"mine");
    }
}

#[test]
fn the_next_run_mends_what_was_overwritten() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    (0..2).for_each(|n| place(&mut store, 0, n));
    overwrite(&job.path("a.ts.part"), 1500);
    place(&mut store, 0, 2);
    assert_eq!(store.finish().unwrap_err().kind(), Kind::Io);
    kill(store);
    let (mut store, recovered) = job.open();
    assert_eq!(recovered.outputs[0].len(), 3);
    assert_eq!(damaged(&mut store).iter().map(|unit| unit.index).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_is_made_of_tracks_is_held_to_the_same() {
    let cases: [Case; 5] = [
        ("nothing", |_| {}, true),
        ("replaced", |path| replace(path, b"a film"), false),
        ("cut", |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(2).unwrap(), false),
        ("extended", |path| append(path, 3), false),
        ("removed", |path| fs::remove_file(path).unwrap(), false),
    ];
    for (case, tamper, is_right) in cases {
        let mut job = Job::new(&["a.mp4"]);
        let mut options = Options::new(job.options.outputs.clone());
        options.tracks = vec![Some("track-0.ts".to_owned())];
        job.options = options;
        let (mut store, _) = job.open();
        place(&mut store, 0, 0);
        store.finish().unwrap();
        let making = store.making().unwrap();
        let mut growth = making.begin(0).unwrap();
        growth.write(b"a film").unwrap();
        let made = growth.end();
        tamper(&job.path("a.mp4.part"));
        let ended = making.finish(&[made], false);
        assert_eq!(
            ended.as_ref().map_err(hls_state::Error::kind).err(),
            (!is_right).then_some(Kind::Io),
            "{case}"
        );
        assert_eq!(job.path("a.mp4").exists(), is_right, "{case}");
    }
}

#[test]
fn a_file_that_is_of_no_job_stays() {
    // What lies under the name of the part, whether state lies beside it, and whether that may be begun.
    for (part, with_state, restart, expect) in [
        (None, false, false, Ok(())),
        (Some(&b""[..]), false, false, Ok(())),
        (Some(b"someone's"), false, false, Err(Kind::Taken)),
        (Some(b"someone's"), false, true, Ok(())),
        (Some(b"ours"), true, false, Ok(())),
    ] {
        let mut job = Job::new(&["a.ts", "a.vtt"]);
        job.options.restart = restart;
        if let Some(part) = part {
            fs::write(job.path("a.vtt.part"), part).unwrap();
            fs::write(job.path("a.ts.part"), part).unwrap();
        }
        if with_state {
            // A run that was killed before it had a record.
            fs::create_dir(job.path("a.ts.hls")).unwrap();
        }
        let early = probe_part(&job.path("a.ts")).map_err(|error| error.kind());
        assert_eq!(early, if restart { Err(Kind::Taken) } else { expect }, "{part:?}");
        let opened = DiskStore::open(job.options.clone()).map(drop).map_err(|error| error.kind());
        assert_eq!(opened, expect, "{part:?}");
        if expect.is_err() {
            assert_eq!(fs::read(job.path("a.ts.part")).unwrap(), b"someone's");
            assert_eq!(job.names(), ["a.ts.part", "a.vtt.part"]);
        }
    }
}

#[test]
fn remarks_are_known_again_as_long_as_their_units_are_here() {
    let job = Job::new(&["a.ts"]);
    for run in 0..3_u8 {
        let (mut store, recovered) = job.open();
        let said: Vec<_> = recovered.remarks.iter().map(|(unit, text)| (unit.index, text.to_vec())).collect();
        let expect = match run {
            0 => vec![],
            _ => vec![(0, b"second".to_vec()), (1, b"x".to_vec())],
        };
        assert_eq!(said, expect, "run {run}");
        if run == 0 {
            for (index, text) in [(0, "first"), (1, "x"), (7, "never came"), (0, "second")] {
                store.remark(Unit { output: 0, index, identity: index.into() }, text.as_bytes()).unwrap();
            }
            (0..2).for_each(|n| place(&mut store, 0, n));
            assert_eq!(
                store.remark(Unit { output: 0, index: 0, identity: 0 }, &[0; 65]).unwrap_err().kind(),
                Kind::Contract
            );
        } else {
            // The log is written anew with the first record.
            place(&mut store, 0, 2);
        }
        kill(store);
    }
    // What is said of a unit that never came is nothing worth keeping.
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    store.remark(Unit { output: 0, index: 0, identity: 0 }, b"x").unwrap();
    store.close().unwrap();
    drop(store);
    assert!(job.names().is_empty());
}

#[test]
fn a_unit_that_was_cut_while_it_waited_is_had_again() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    let unit = Unit { output: 0, index: 1, identity: 1 };
    for len in [bytes(1).len(), 10, 0] {
        store.set_aside(unit, &[IoSlice::new(&bytes(1))]).unwrap();
        store.keep_aside(unit, Fingerprint::of(&bytes(1))).unwrap();
        let aside = fs::read_dir(job.path("a.ts.hls")).unwrap().map(|entry| entry.unwrap().path());
        let aside = aside.into_iter().find(|path| path.extension().is_some_and(|e| e == "seg")).unwrap();
        let mut there = bytes(1)[..len].to_vec();
        there.iter_mut().for_each(|byte| *byte ^= 1);
        fs::write(&aside, there).unwrap();
        assert!(store.place_aside(unit, offset(1)).unwrap().is_none(), "{len}");
    }
    (1..3).for_each(|n| place(&mut store, 0, n));
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(3));
}

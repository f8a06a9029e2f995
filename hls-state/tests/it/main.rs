//! The store, through its public face: what survives, what is noticed, what is refused.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod jobs;
mod making;
mod tampering;

use std::fs;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

use hls_state::{DiskStore, Durability, Fingerprint, Kind, Options, Placed, Recovered, ResumeStore, Unit};

struct Job {
    folder: tempfile::TempDir,
    options: Options,
}

impl Job {
    fn new(outputs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outputs = outputs.iter().map(|o| folder.path().join(o)).collect();
        Self { folder, options: Options::new(outputs) }
    }

    fn open(&self) -> (DiskStore, Recovered) {
        DiskStore::open(self.options.clone()).unwrap()
    }

    fn refused(&self) -> Kind {
        DiskStore::open(self.options.clone()).unwrap_err().kind()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn bytes(index: u64) -> Vec<u8> {
    (0..1000 + index).map(|n| (n * 31 + index) as u8).collect()
}

fn offset(index: u64) -> u64 {
    (0..index).map(|n| bytes(n).len() as u64).sum()
}

fn place(store: &mut DiskStore, output: u8, index: u64) {
    let data = bytes(index);
    store.write(output, offset(index), &[IoSlice::new(&data[..500]), IoSlice::new(&data[500..])]).unwrap();
    let (offset, len, hash) = (offset(index), data.len() as u64, Fingerprint::of(&data));
    store.record(Placed { output, index, identity: u128::from(index), offset, len, hash }).unwrap();
}

/// Ends as a kill would, once the records are out.
fn kill(mut store: DiskStore) {
    std::thread::sleep(std::time::Duration::from_millis(60));
    store.maintain().unwrap();
    drop(store);
}

/// What is damaged of what an earlier run left.
fn damaged(store: &mut DiskStore) -> Vec<Placed> {
    let (mut all, started) = (Vec::new(), std::time::Instant::now());
    loop {
        let checked = store.checked().unwrap();
        all.extend(checked.damaged);
        if checked.is_done {
            return all;
        }
        assert!(started.elapsed().as_secs() < 10, "the check does not end");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Has a damaged unit again, and writes it where it was.
fn replace(store: &mut DiskStore, placed: &Placed) {
    let unit = Unit { output: placed.output, index: placed.index, identity: placed.identity };
    store.set_aside(unit, &[IoSlice::new(&bytes(placed.index))]).unwrap();
    store.keep_aside(unit, placed.hash).unwrap();
    assert_eq!(store.place_aside(unit, placed.offset).unwrap(), Some(*placed));
}

fn flip(path: &Path, at: usize) {
    let mut all = fs::read(path).unwrap();
    all[at] ^= 1;
    fs::write(path, all).unwrap();
}

fn expected(units: u64) -> Vec<u8> {
    (0..units).flat_map(bytes).collect()
}

#[test]
fn a_kill_keeps_what_was_recorded() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    (0..5).for_each(|n| place(&mut store, 0, n));
    // Half a unit behind the last record.
    store.write(0, offset(5), &[IoSlice::new(b"half")]).unwrap();
    kill(store);
    assert_eq!(job.names(), ["a.ts.hls", "a.ts.part"]);
    let (mut store, recovered) = job.open();
    assert_eq!(recovered.outputs[0].len(), 5);
    assert_eq!(fs::metadata(job.path("a.ts.part")).unwrap().len(), offset(5));
    (5..8).for_each(|n| place(&mut store, 0, n));
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(8));
    assert_eq!(job.names(), ["a.ts"]);
}

#[test]
fn damage_is_noticed_and_costs_only_what_it_hit() {
    type Damage = fn(&Path);
    let flipped: Damage = |p| flip(p, 2500);
    let last: Damage = |p| flip(p, 4500);
    let cut: Damage = |p| fs::OpenOptions::new().write(true).open(p).unwrap().set_len(2500).unwrap();
    let gone: Damage = |p| fs::remove_file(p).unwrap();
    let empty: Damage = |p| fs::write(p, "").unwrap();
    for (what, file, damage, kept, hit) in [
        ("a flipped bit in the output", "a.ts.part", flipped, 5, &[2][..]),
        ("a flipped bit in the last unit", "a.ts.part", last, 5, &[4]),
        ("an output cut short", "a.ts.part", cut, 2, &[]),
        ("no output", "a.ts.part", gone, 0, &[]),
        ("an empty log", "a.ts.hls/written", empty, 0, &[]),
        ("no log", "a.ts.hls/written", gone, 0, &[]),
    ] {
        let job = Job::new(&["a.ts"]);
        let (mut store, _) = job.open();
        (0..5).for_each(|n| place(&mut store, 0, n));
        kill(store);
        damage(&job.path(file));
        let (mut store, recovered) = job.open();
        assert_eq!(recovered.outputs[0].len(), kept, "{what}");
        // What comes next does not wait for the check.
        (kept as u64..6).for_each(|n| place(&mut store, 0, n));
        let damaged = damaged(&mut store);
        assert_eq!(damaged.iter().map(|p| p.index).collect::<Vec<_>>(), hit, "{what}");
        damaged.iter().for_each(|placed| replace(&mut store, placed));
        store.finish().unwrap();
        assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(6), "{what}");
    }
}

#[test]
fn a_log_cut_anywhere_loses_only_its_end() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    (0..4).for_each(|n| place(&mut store, 0, n));
    kill(store);
    let (log, part) = (job.path("a.ts.hls/written"), job.path("a.ts.part"));
    let (whole_log, whole_part) = (fs::read(&log).unwrap(), fs::read(&part).unwrap());
    for cut in 0..whole_log.len() {
        fs::write(&log, &whole_log[..cut]).unwrap();
        fs::write(&part, &whole_part).unwrap();
        let (store, recovered) = job.open();
        let kept = recovered.outputs[0].len() as u64;
        assert_eq!(fs::metadata(&part).unwrap().len(), offset(kept), "cut at {cut}");
        drop(store);
    }
}

#[test]
fn units_set_aside_are_found_again_checked_and_placed() {
    let job = Job::new(&["a.ts"]);
    let unit = |index| Unit { output: 0, index, identity: u128::from(index) };
    let (mut store, _) = job.open();
    for n in 1..4 {
        let data = bytes(n);
        store.set_aside(unit(n), &[IoSlice::new(&data[..10])]).unwrap();
        store.set_aside(unit(n), &[IoSlice::new(&data[10..])]).unwrap();
        store.keep_aside(unit(n), Fingerprint::of(&data)).unwrap();
    }
    store.set_aside(unit(9), &[IoSlice::new(b"not whole")]).unwrap();
    kill(store);
    let mut damaged = fs::read_dir(job.path("a.ts.hls")).unwrap().map(|e| e.unwrap().path());
    let damaged = damaged.find(|p| p.file_name().unwrap().to_str().unwrap().starts_with("0-2-")).unwrap();
    let mut all = fs::read(&damaged).unwrap();
    all[0] ^= 1;
    fs::write(&damaged, all).unwrap();

    let (mut store, recovered) = job.open();
    assert_eq!(recovered.aside.iter().map(|a| a.unit.index).collect::<Vec<_>>(), [1, 2, 3]);
    place(&mut store, 0, 0);
    assert!(store.place_aside(unit(1), offset(1)).unwrap().is_some());
    assert!(store.place_aside(unit(2), offset(2)).unwrap().is_none());
    place(&mut store, 0, 2);
    assert!(store.place_aside(unit(3), offset(3)).unwrap().is_some());
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(4));
    assert_eq!(job.names(), ["a.ts"]);
}

#[test]
fn a_failed_unit_is_cut_off() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    store.write(0, offset(1), &[IoSlice::new(&[7; 5000])]).unwrap();
    store.cut(0, offset(1)).unwrap();
    place(&mut store, 0, 1);
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(2));
}

#[test]
fn what_exists_is_respected() {
    let mut job = Job::new(&["a.ts"]);
    fs::write(job.path("a.ts"), "old").unwrap();
    assert_eq!(job.refused(), Kind::Exists);
    assert_eq!(job.names(), ["a.ts"], "a refusal leaves nothing behind");
    job.options.force = true;
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), b"old", "replaced only at the end");
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(1));
}

#[test]
fn a_file_that_appears_meanwhile_is_not_replaced() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    fs::write(job.path("a.ts"), "other").unwrap();
    assert_eq!(store.finish().unwrap_err().kind(), Kind::Appeared);
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), b"other");
    assert_eq!(fs::read(job.path("a.ts.part")).unwrap(), expected(1));
}

#[test]
fn one_process_for_one_job() {
    let job = Job::new(&["a.ts"]);
    let (store, _) = job.open();
    assert_eq!(job.refused(), Kind::InUse { pid: Some(std::process::id()) });
    drop(store);
    job.open();
}

#[test]
fn a_newer_state_is_left_untouched() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    kill(store);
    let log = job.path("a.ts.hls/written");
    let mut all = fs::read(&log).unwrap();
    all[8] = 7;
    fs::write(&log, &all).unwrap();
    assert_eq!(job.refused(), Kind::Newer { format: 7 });
    assert_eq!(fs::read(&log).unwrap(), all);
    assert_eq!(fs::read(job.path("a.ts.part")).unwrap(), expected(1));
}

#[test]
fn restart_forgets() {
    let mut job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    kill(store);
    job.options.restart = true;
    let (_store, recovered) = job.open();
    assert!(recovered.outputs[0].is_empty());
    assert_eq!(fs::metadata(job.path("a.ts.part")).unwrap().len(), 0);
}

#[test]
fn several_outputs_finish_together_even_after_a_kill_between_the_renames() {
    let job = Job::new(&["a.ts", "a.audio.aac"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    place(&mut store, 1, 0);
    store.close().unwrap();
    drop(store);
    // What a kill leaves right after the first rename.
    let (mut store, _) = job.open();
    fs::create_dir(job.path("a.ts")).unwrap();
    assert_eq!(store.finish().unwrap_err().kind(), Kind::Appeared);
    assert!(job.path("a.audio.aac").exists());
    fs::remove_dir(job.path("a.ts")).unwrap();
    drop(store);
    let (_, recovered) = job.open();
    assert!(recovered.complete);
    assert_eq!(job.names(), ["a.audio.aac", "a.ts"]);
}

#[test]
fn a_complete_job_is_checked_before_its_outputs_get_their_names() {
    let flip = |path: &Path| {
        let mut all = fs::read(path).unwrap();
        all[0] ^= 1;
        fs::write(path, all).unwrap();
    };
    let longer = |path: &Path| {
        let mut all = fs::read(path).unwrap();
        all.push(0);
        fs::write(path, all).unwrap();
    };
    let gone = |path: &Path| fs::remove_file(path).unwrap();
    for (what, damage) in [("flipped", &flip as &dyn Fn(&Path)), ("longer", &longer), ("gone", &gone)] {
        let job = Job::new(&["a.ts", "a.audio.aac"]);
        let (mut store, _) = job.open();
        // Long enough to have a log.
        place(&mut store, 0, 0);
        place(&mut store, 1, 0);
        store.close().unwrap();
        fs::create_dir(job.path("a.ts")).unwrap();
        assert_eq!(store.finish().unwrap_err().kind(), Kind::Appeared);
        drop(store);
        fs::remove_dir(job.path("a.ts")).unwrap();
        damage(&job.path("a.ts.part"));

        let (mut store, recovered) = job.open();
        assert!(!recovered.complete, "{what}");
        assert_eq!(job.names(), ["a.audio.aac.part", "a.ts.hls", "a.ts.part"], "{what}");
        assert_eq!(recovered.outputs[1].len(), 1, "{what}");
        (recovered.outputs[0].len() as u64..1).for_each(|n| place(&mut store, 0, n));
        damaged(&mut store).iter().for_each(|placed| replace(&mut store, placed));
        store.finish().unwrap();
        assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(1), "{what}");
        assert_eq!(job.names(), ["a.audio.aac", "a.ts"], "{what}");
    }
}

#[test]
fn all_durabilities_end_the_same() {
    for durability in [Durability::Fast, Durability::Safe] {
        let mut job = Job::new(&["a.ts"]);
        job.options.durability = durability;
        let (mut store, _) = job.open();
        for n in 0..30 {
            place(&mut store, 0, n);
            std::thread::sleep(std::time::Duration::from_millis(25));
            store.maintain().unwrap();
        }
        store.finish().unwrap();
        assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(30));
        assert_eq!(job.names(), ["a.ts"]);
    }
}

#[cfg(unix)]
#[test]
fn state_is_private_and_planted_links_are_not_followed() {
    use std::os::unix::fs::PermissionsExt as _;
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    kill(store);
    let mode = |name: &str| fs::metadata(job.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a.ts.hls"), mode("a.ts.hls/written"), mode("a.ts.hls/lock")), (0o700, 0o600, 0o600));
    fs::remove_file(job.path("a.ts.part")).unwrap();
    fs::write(job.path("victim"), "mine").unwrap();
    std::os::unix::fs::symlink(job.path("victim"), job.path("a.ts.part")).unwrap();
    assert_eq!(job.refused(), Kind::Io);
    assert_eq!(fs::read(job.path("victim")).unwrap(), b"mine");
}

#[cfg(unix)]
#[test]
fn what_is_planted_in_the_place_of_an_output_is_neither_waited_for_nor_written_to() {
    let job = Job::new(&["a.ts"]);
    assert!(std::process::Command::new("mkfifo").arg(job.path("a.ts.part")).status().unwrap().success());
    assert_eq!(job.refused(), Kind::Io);
    fs::remove_file(job.path("a.ts.part")).unwrap();
    // Another name of a file that belongs to somebody else.
    fs::write(job.path("victim"), "mine").unwrap();
    fs::hard_link(job.path("victim"), job.path("a.ts.part")).unwrap();
    assert_eq!(job.refused(), Kind::Taken);
    let mut options = job.options.clone();
    options.restart = true;
    let (mut store, _) = DiskStore::open(options).unwrap();
    place(&mut store, 0, 0);
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(1));
    assert_eq!(fs::read(job.path("victim")).unwrap(), b"mine");
}

#[test]
fn bytes_without_a_record_are_never_finished() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    (0..3).for_each(|n| place(&mut store, 0, n));
    store.write(0, offset(3), &[IoSlice::new(b"half")]).unwrap();
    assert_eq!(store.finish().unwrap_err().kind(), Kind::Contract);
    assert_eq!(job.names(), ["a.ts.hls", "a.ts.part"]);
    store.cut(0, offset(3)).unwrap();
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(3));
}

#[test]
fn nothing_is_finished_while_a_unit_is_damaged() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    (0..5).for_each(|n| place(&mut store, 0, n));
    kill(store);
    flip(&job.path("a.ts.part"), 0);
    // Whether anybody has asked what was found, or not, or has closed it before that was known.
    for how in 0..3 {
        let (mut store, recovered) = job.open();
        assert_eq!(recovered.outputs[0].len(), 5);
        match how {
            0 => assert_eq!(damaged(&mut store).len(), 1),
            1 => {}
            _ => store.close().unwrap(),
        }
        assert!(matches!(store.finish().unwrap_err().kind(), Kind::Contract | Kind::Io));
        assert!(!job.path("a.ts").exists());
    }
    // The record of a damaged unit stays what it was: a claim.
    let (mut store, recovered) = job.open();
    assert_eq!((recovered.outputs[0].len(), damaged(&mut store).len()), (5, 1));
}

#[test]
fn a_unit_in_a_file_stays_until_its_place_in_the_output_is_known_to_hold() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    let unit = Unit { output: 0, index: 1, identity: 1 };
    let aside = |store: &mut DiskStore| {
        store.set_aside(unit, &[IoSlice::new(&bytes(1))]).unwrap();
        store.keep_aside(unit, Fingerprint::of(&bytes(1))).unwrap();
    };
    let files = || {
        let entries = fs::read_dir(job.path("a.ts.hls")).unwrap().map(|e| e.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().ends_with(".seg")).count()
    };
    aside(&mut store);
    place(&mut store, 0, 0);
    assert!(store.place_aside(unit, offset(1)).unwrap().is_some());
    place(&mut store, 0, 2);
    // The record is there and has not been synced, and neither have the bytes: a loss of power takes some of them.
    kill(store);
    assert_eq!(files(), 1);
    flip(&job.path("a.ts.part"), 1500);
    let (mut store, recovered) = job.open();
    assert_eq!((recovered.outputs[0].len(), recovered.aside.len()), (3, 0));
    assert_eq!(damaged(&mut store), [], "it is there twice");
    assert_eq!(files(), 1, "not on the disk yet");
    store.finish().unwrap();
    assert_eq!(fs::read(job.path("a.ts")).unwrap(), expected(3));
    assert_eq!(job.names(), ["a.ts"]);
}

//! What is said of unfinished jobs, and what is left of one that is forgotten.

use std::fs;

use hls_state::{Condition, Ended, Expected, Fingerprint, Kind, Memo, ResumeStore, Unit, remove, survey};

use crate::{Job, bytes, kill, place};

fn memo(job: &Job) -> Memo {
    let mut memo = Memo::default();
    memo.source = "https://h/p".to_owned();
    let names = job.options.outputs.iter().map(|o| o.file_name().unwrap().to_str().unwrap().to_owned());
    memo.outputs = names.map(|name| Expected::new(name, 10, vec![0])).collect();
    memo
}

#[test]
fn a_job_that_is_not_finished_is_found_and_how_far_it_is() {
    let job = Job::new(&["a.ts"]);
    assert!(survey(job.folder.path()).unwrap().is_empty());
    let (mut store, _) = job.open();
    (0..3).for_each(|n| place(&mut store, 0, n));
    for index in [2, 7] {
        let unit = Unit { output: 0, index, identity: 1 };
        store.set_aside(unit, &[std::io::IoSlice::new(&bytes(index))]).unwrap();
        store.keep_aside(unit, Fingerprint::of(&bytes(index))).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(60));
    store.maintain().unwrap();
    let look = || survey(job.folder.path()).unwrap().pop().unwrap();
    let Condition::Running { pid } = look().condition else { panic!("{:?}", look()) };
    assert_eq!(pid, Some(std::process::id()));
    // Without a memo, units are all that can be counted; the one that is placed already counts once.
    assert_eq!((look().segments, look().segments_in_all(), look().bytes_left()), (4, None, None));
    store.keep_memo(&memo(&job));
    drop(store);
    let found = look();
    assert!(matches!(found.condition, Condition::Waiting), "{found:?}");
    assert_eq!(found.output, job.path("a.ts"));
    let len = [0, 1, 2, 7].iter().map(|n| bytes(*n).len() as u64).sum();
    assert_eq!((found.segments, found.bytes), (3, len));
    assert_eq!((found.segments_in_all(), found.bytes_left()), (Some(9), Some(len * 2)));
    assert_eq!(found.memo.unwrap().ended, None);
}

#[test]
fn a_job_that_finished_with_gaps_is_told_as_such() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    let gap = hls_state::Placed::gap(Unit { output: 0, index: 1, identity: 1 }, bytes(0).len() as u64);
    store.record(gap).unwrap();
    store.finish().unwrap();
    drop(store);
    assert_eq!(job.names(), ["a.ts", "a.ts.hls"]);
    let found = survey(job.folder.path()).unwrap().pop().unwrap();
    assert!(matches!(found.condition, Condition::Complete { is_named: true }), "{found:?}");
    assert_eq!((found.segments, found.gaps, found.bytes), (1, 1, bytes(0).len() as u64));
    assert_eq!(remove(&job.path("a.ts")).unwrap().paths, [job.path("a.ts.hls")]);
    assert_eq!(job.names(), ["a.ts"], "what is finished stays");
}

#[test]
fn why_it_stopped_is_kept() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    let mut memo = memo(&job);
    memo.ended = Some(Ended::new("net.connect", "segment 1: refused"));
    store.keep_memo(&memo);
    store.close().unwrap();
    assert_eq!(survey(job.folder.path()).unwrap()[0].memo, Some(memo));
}

#[test]
fn nothing_is_left_of_a_job_that_ended() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    store.keep_memo(&memo(&job));
    store.finish().unwrap();
    assert_eq!(job.names(), ["a.ts"]);
    let job = Job::new(&["b.ts"]);
    let (mut store, _) = job.open();
    store.keep_memo(&memo(&job));
    store.close().unwrap();
    assert!(job.names().is_empty(), "nothing was received: {:?}", job.names());
}

#[test]
fn an_index_that_was_being_removed_by_a_run_that_was_killed_goes_too() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    kill(store);
    fs::create_dir_all(job.path("a.ts.hls/index.bad/blobs")).unwrap();
    fs::write(job.path("a.ts.hls/index.bad/db"), "half of it").unwrap();
    let (mut store, recovered) = job.open();
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    store.finish().unwrap();
    assert_eq!(job.names(), ["a.ts"]);
}

#[test]
fn a_job_is_forgotten_with_all_its_outputs_but_not_while_it_runs() {
    let job = Job::new(&["a.ts", "a.audio.aac", "b.ts"]);
    let (mut store, _) = job.open();
    (0..3).for_each(|output| place(&mut store, output, 0));
    store.keep_memo(&memo(&job));
    assert!(matches!(remove(&job.path("a.ts")).unwrap_err().kind(), Kind::InUse { pid: Some(_) }));
    kill(store);
    // Another job has the name of one of the outputs.
    fs::create_dir(job.path("b.ts.hls")).unwrap();
    fs::write(job.path("mine.part"), "").unwrap();
    let removed = remove(&job.path("a.ts")).unwrap();
    assert_eq!(removed.paths, ["a.ts.part", "a.audio.aac.part", "a.ts.hls"].map(|n| job.path(n)));
    assert!(removed.left.is_empty());
    assert_eq!(job.names(), ["b.ts.hls", "b.ts.part", "mine.part"]);
    assert_eq!(remove(&job.path("a.ts")).unwrap_err().kind(), Kind::Io);
}

#[test]
fn what_is_not_ours_stays() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    kill(store);
    fs::write(job.path("a.ts.hls/notes.txt"), "mine").unwrap();
    let removed = remove(&job.path("a.ts")).unwrap();
    assert_eq!((removed.paths, removed.left), (vec![job.path("a.ts.part")], vec![job.path("a.ts.hls")]));
    assert_eq!(fs::read_dir(job.path("a.ts.hls")).unwrap().count(), 1);
}

#[test]
fn a_newer_job_is_named_and_left_alone() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    kill(store);
    fs::write(job.path("a.ts.hls/job"), "{\"format\":9}").unwrap();
    let found = survey(job.folder.path()).unwrap().pop().unwrap();
    let Condition::Unreadable(error) = found.condition else { panic!("{found:?}") };
    assert_eq!(error.kind(), Kind::Newer { format: 9 });
    assert_eq!(remove(&job.path("a.ts")).unwrap_err().kind(), Kind::Newer { format: 9 });
    assert_eq!(fs::read(job.path("a.ts.hls/job")).unwrap(), b"{\"format\":9}");
}

#[test]
fn what_a_kill_at_the_very_end_leaves_is_told_apart() {
    let job = Job::new(&["a.ts"]);
    let (mut store, _) = job.open();
    place(&mut store, 0, 0);
    std::thread::sleep(std::time::Duration::from_millis(60));
    store.maintain().unwrap();
    // The name is taken, so all is done but for the name.
    fs::write(job.path("a.ts"), "another").unwrap();
    assert_eq!(store.finish().unwrap_err().kind(), Kind::Appeared);
    drop(store);
    let look = || survey(job.folder.path()).unwrap().pop();
    assert!(matches!(look().unwrap().condition, Condition::Complete { is_named: false }), "{:?}", look());
    fs::rename(job.path("a.ts.part"), job.path("a.ts")).unwrap();
    assert!(matches!(look().unwrap().condition, Condition::Complete { is_named: true }), "{:?}", look());
    fs::remove_file(job.path("a.ts.hls/written")).unwrap();
    assert!(job.path("a.ts.hls/lock").exists() && look().is_none(), "{:?}", look());
}

#[test]
fn a_note_outlives_a_run_in_which_nothing_was_received() {
    for is_in_log in [false, true] {
        let job = Job::new(&["out.ts"]);
        let (mut store, _) = job.open();
        store.annotate(b"where it was").unwrap();
        if is_in_log {
            std::thread::sleep(std::time::Duration::from_millis(60));
            store.maintain().unwrap();
        }
        store.close().unwrap();
        drop(store);
        // Nor does the next run, which leaves no note of its own.
        for _ in 0..2 {
            let (mut store, recovered) = job.open();
            assert_eq!(recovered.notes.iter().map(|note| &note[..]).collect::<Vec<_>>(), [b"where it was"]);
            store.close().unwrap();
        }
    }
    let job = Job::new(&["out.ts"]);
    let (mut store, _) = job.open();
    store.close().unwrap();
    drop(store);
    assert_eq!(job.names(), [] as [&str; 0]);
}

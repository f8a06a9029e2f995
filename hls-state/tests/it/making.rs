//! Outputs that are made of tracks: what is kept, what is known again, what is refused.

use std::fs;

use hls_state::{DiskStore, Kind, Made, Options, ResumeStore as _};

use crate::{Job, bytes, place};

fn job() -> Job {
    let job = Job::new(&["movie.mp4"]);
    let tracks = ["track-0.ts", "track-1.aac"].map(|name| Some(name.to_owned()));
    let mut options = Options::new(job.options.outputs.clone());
    options.tracks = tracks.into();
    Job { options, ..job }
}

/// The first output is that of the first units, the second is made of the others.
fn mixed() -> Job {
    let job = Job::new(&["movie.ts", "movie.vtt"]);
    let mut options = Options::new(job.options.outputs.clone());
    options.tracks = vec![None, Some("track-1.vtt".to_owned())];
    Job { options, ..job }
}

/// Both tracks with two units each, whole.
fn whole(job: &Job) -> DiskStore {
    let (mut store, _) = job.open();
    for (output, index) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        place(&mut store, output, index);
    }
    store.finish().unwrap();
    store
}

fn make(store: &DiskStore, what: &[u8], keeps: bool) -> Result<(), hls_state::Error> {
    let making = store.making().unwrap();
    let tracks = making.tracks().iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
    assert!(tracks.iter().all(|track| *track == [bytes(0), bytes(1)].concat()));
    assert_eq!(making.units()?.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    let mut growth = making.begin(0)?;
    what.chunks(3).try_for_each(|piece| growth.write(piece))?;
    let made: Made = growth.end();
    assert_eq!(made.len, what.len() as u64);
    making.finish(&[made], keeps).map(drop)
}

#[test]
fn only_what_was_made_is_left() {
    let job = job();
    let store = whole(&job);
    assert_eq!(job.names(), ["movie.mp4.hls"], "nothing that looks like a film");
    make(&store, b"a film", false).unwrap();
    assert_eq!(job.names(), ["movie.mp4"]);
    assert_eq!(fs::read(job.path("movie.mp4")).unwrap(), b"a film");
    drop(store);
    assert_eq!(job.refused(), Kind::Exists);
}

#[test]
fn whole_tracks_are_known_again_and_made_again() {
    let job = job();
    drop(whole(&job));
    for _ in 0..2 {
        let (store, recovered) = job.open();
        assert!(recovered.complete && !recovered.made);
        let making = store.making().unwrap();
        making.begin(0).unwrap().write(b"half").unwrap();
        // Killed there, or told to end.
        if job.path("movie.mp4.part").exists() {
            making.discard();
        }
        assert_eq!(job.names(), ["movie.mp4.hls"]);
    }
    make(&job.open().0, b"a film", false).unwrap();
    assert_eq!(job.names(), ["movie.mp4"]);
}

#[test]
fn what_was_made_is_known_however_far_the_cleaning_had_come() {
    let contents = ["track-0.ts", "track-1.aac", "job", "written", "made", "lock"];
    for removed in 0..=contents.len() {
        let job = job();
        make(&whole(&job), b"a film", true).unwrap();
        for name in &contents[..removed] {
            let _ = fs::remove_file(job.path("movie.mp4.hls").join(name));
        }
        match DiskStore::open(job.options.clone()) {
            Ok((_, recovered)) => {
                assert!(recovered.complete && recovered.made && removed < 4, "{removed}");
                assert_eq!(job.names(), ["movie.mp4"], "{removed}");
            }
            // Nothing is known of it any more: an output that exists.
            Err(error) => assert!(error.kind() == Kind::Exists && removed >= 4, "{removed}: {error}"),
        }
        assert_eq!(fs::read(job.path("movie.mp4")).unwrap(), b"a film");
    }
}

#[test]
fn what_is_not_ours_stays() {
    // It appeared meanwhile.
    let job = job();
    let store = whole(&job);
    fs::write(job.path("movie.mp4"), "mine").unwrap();
    assert_eq!(make(&store, b"a film", false).unwrap_err().kind(), Kind::Appeared);
    assert_eq!(fs::read(job.path("movie.mp4")).unwrap(), b"mine");
    drop(store);
    assert_eq!(job.refused(), Kind::Exists);
    fs::remove_file(job.path("movie.mp4")).unwrap();
    make(&job.open().0, b"a film", true).unwrap();
    // It was made, and changed since.
    fs::write(job.path("movie.mp4"), "cut by me").unwrap();
    assert_eq!(job.refused(), Kind::Exists);
    // What was made and is gone is made again.
    fs::remove_file(job.path("movie.mp4")).unwrap();
    let (store, recovered) = job.open();
    assert!(recovered.complete && !recovered.made);
    make(&store, b"a better film", false).unwrap();
    assert_eq!(fs::read(job.path("movie.mp4")).unwrap(), b"a better film");
    assert_eq!(job.names(), ["movie.mp4"]);
}

#[test]
fn a_track_that_has_changed_is_lost() {
    let job = job();
    drop(whole(&job));
    let track = job.path("movie.mp4.hls").join("track-0.ts");
    let mut bytes = fs::read(&track).unwrap();
    bytes[10] ^= 1;
    fs::write(&track, bytes).unwrap();
    let (_, recovered) = job.open();
    assert!(!recovered.complete && !recovered.made);
}

#[test]
fn an_output_of_units_has_its_name_before_another_is_made() {
    let job = mixed();
    let store = whole(&job);
    assert_eq!(job.names(), ["movie.ts", "movie.ts.hls"]);
    make(&store, b"text", false).unwrap();
    assert_eq!(job.names(), ["movie.ts", "movie.vtt"]);
    let files = ["movie.ts", "movie.vtt"].map(|name| fs::read(job.path(name)).unwrap());
    assert_eq!(files, [[bytes(0), bytes(1)].concat(), b"text".to_vec()]);
    drop(store);
    assert_eq!(job.refused(), Kind::Exists);
}

#[test]
fn an_output_of_units_is_held_to_its_records_before_another_is_made() {
    // The run that had all of it was killed, and its output is damaged or gone.
    for (damage, refused) in [(true, Some(Kind::Exists)), (false, None)] {
        for is_made in [false, true] {
            let job = mixed();
            let store = whole(&job);
            if is_made {
                make(&store, b"text", true).unwrap();
            }
            drop(store);
            match damage {
                true => crate::flip(&job.path("movie.ts"), 3),
                false => fs::remove_file(job.path("movie.ts")).unwrap(),
            }
            match DiskStore::open(job.options.clone()) {
                Ok((_, recovered)) => assert!(refused.is_none() && !recovered.complete && !recovered.made),
                Err(error) => assert_eq!(Some(error.kind()), refused, "{error}"),
            }
            assert_eq!(job.path("movie.ts").exists(), damage, "{is_made}");
        }
    }
    for is_made in [false, true] {
        let job = mixed();
        let store = whole(&job);
        if is_made {
            make(&store, b"text", true).unwrap();
        }
        drop(store);
        let (store, recovered) = job.open();
        assert_eq!((recovered.complete, recovered.made), (true, is_made));
        if !is_made {
            make(&store, b"text", false).unwrap();
        }
        drop(store);
        assert_eq!(job.names(), ["movie.ts", "movie.vtt"]);
    }
}

#[test]
fn all_of_it_can_be_removed() {
    let job = job();
    make(&whole(&job), b"a film", true).unwrap();
    fs::write(job.path("movie.mp4.part"), "half").unwrap();
    hls_state::remove(&job.path("movie.mp4")).unwrap();
    assert_eq!(job.names(), ["movie.mp4"]);
}

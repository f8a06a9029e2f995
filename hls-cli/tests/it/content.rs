//! Every byte right, in every form of stream.

use hls_testkit::{Iv, Master, Media, Origin, Vod, judge};

use crate::support::{Folder, KEY, Outcome, same};

/// Downloads a stream to a file and judges it.
fn exact(vod: &Vod, name: &str) -> Outcome {
    let origin = Origin::start();
    let stream = vod.publish(&origin);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", name])?.ok();
    folder.holds_only(name, &stream.expected)?;
    let said = format!("complete: {0}/{0} segments verified, ", stream.segment_paths.len());
    assert!(run.err.lines().last().is_some_and(|line| line.starts_with(&said)), "{}", run.err);
    judge::ffmpeg_silent(folder.file(name)).check();
    Ok(())
}

#[test]
fn a_transport_stream() -> Outcome {
    exact(&Vod::from_media(Media::Ts), "out.ts")
}

#[test]
fn an_encrypted_stream_with_implicit_ivs() -> Outcome {
    exact(&Vod::from_media(Media::Ts).aes128(KEY).media_sequence(7), "out.ts")
}

#[test]
fn an_encrypted_stream_with_explicit_ivs_and_changing_keys() -> Outcome {
    exact(&Vod::from_media(Media::Ts).aes128(KEY).iv(Iv::Explicit).rotate_every(2), "out.ts")
}

#[test]
fn an_encrypted_stream_that_ends_in_the_clear() -> Outcome {
    exact(&Vod::from_media(Media::Ts).aes128(KEY).none_from(3), "out.ts")
}

#[test]
fn fragmented_mp4() -> Outcome {
    exact(&Vod::from_media(Media::Fmp4), "out.m4s")
}

#[test]
fn fragmented_mp4_with_an_encrypted_map() -> Outcome {
    exact(&Vod::from_media(Media::Fmp4).aes128(KEY).own_map_key(), "out.m4s")
}

#[test]
fn fragmented_mp4_with_two_maps() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::from_media(Media::Fmp4).two_maps().publish(&origin);
    folder.run(&["get", &stream.url, "-o", "out.mp4", "--format", "join"])?.ok();
    folder.holds_only("out.mp4", &stream.expected)
}

#[test]
fn byte_ranges_of_one_transport_stream() -> Outcome {
    exact(&Vod::from_media(Media::Ts).byterange(), "out.ts")
}

#[test]
fn byte_ranges_of_one_mp4() -> Outcome {
    exact(&Vod::from_media(Media::Fmp4).byterange(), "out.m4s")
}

#[test]
fn queries_redirects_and_absolute_urls() -> Outcome {
    exact(&Vod::from_media(Media::Ts).query("token=sesame").redirected(), "out.ts")?;
    exact(&Vod::from_media(Media::Ts).query("token=sesame").absolute(), "out.ts")
}

#[test]
fn get_may_be_left_out() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(3, 20_000).publish(&origin);
    let folder = Folder::new()?;
    folder.run(&[&stream.url, "-o", "out.ts"])?.ok();
    folder.holds_only("out.ts", &stream.expected)?;
    folder.run(&["-o", "again.ts", &stream.url])?.ok();
    same(&folder.read("again.ts")?, &stream.expected);
    Ok(())
}

#[test]
fn standard_output_gets_the_same_bytes() -> Outcome {
    for vod in [Vod::from_media(Media::Ts), Vod::from_media(Media::Fmp4).byterange()] {
        let origin = Origin::start();
        let stream = vod.publish(&origin);
        let folder = Folder::new()?;
        let run = folder.run(&["get", &stream.url, "-o", "-"])?.ok();
        same(&run.out, &stream.expected);
        assert!(folder.names().is_empty(), "nothing is written: {:?}", folder.names());
    }
    Ok(())
}

#[test]
fn several_streams_go_into_a_folder() -> Outcome {
    let origin = Origin::start();
    let one = Vod::synthetic(2, 20_000).prefix("/one").publish(&origin);
    let two = Vod::synthetic(3, 20_000).prefix("/two").publish(&origin);
    let folder = Folder::new()?;
    std::fs::write(folder.file("list"), format!("# the second\n\n{}\n", two.url))?;
    let run = folder.run(&["get", &one.url, "-i", "list", "-o", "shows/"])?.ok();
    assert_eq!(run.out(), "shows/one.ts\nshows/two.ts\n");
    same(&folder.read("shows/one.ts")?, &one.expected);
    same(&folder.read("shows/two.ts")?, &two.expected);
    let shared = folder.run(&["get", &one.url, &two.url, "-o", "out.ts"])?;
    shared.fails(2, "usage");
    assert_eq!(folder.names(), ["list", "shows"]);
    Ok(())
}

#[test]
fn the_best_of_a_master_playlist() -> Outcome {
    let origin = Origin::start();
    let master = Master::new("/film")
        .variant(300_000, 320, 180, Vod::synthetic(2, 10_000))
        .variant(900_000, 640, 360, Vod::synthetic(2, 30_000))
        .publish(&origin);
    let folder = Folder::new()?;
    folder.run(&["get", &master.url, "-o", "out.ts"])?.ok();
    folder.holds_only("out.ts", &master.variants[1].expected)
}

#[test]
fn fragments_whose_times_begin_again_are_no_right_file_in_a_row() -> Outcome {
    let origin = Origin::start();
    origin.put("/init.mp4", Media::Fmp4.init().unwrap_or_default());
    let segments = Media::Fmp4.segments();
    for (nth, segment) in segments.iter().enumerate() {
        origin.put(&format!("/{nth}.m4s"), *segment);
    }
    let head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"init.mp4\"\n";
    let list: String = (0..2).map(|nth| format!("#EXTINF:2,\n{nth}.m4s\n")).collect();
    let tag = "#EXT-X-DISCONTINUITY\n";
    origin.put("/tagged.m3u8", format!("{head}{list}{tag}{list}#EXT-X-ENDLIST\n"));
    origin.put("/silent.m3u8", format!("{head}{list}{list}#EXT-X-ENDLIST\n"));
    let joined = [Media::Fmp4.init().unwrap_or_default(), segments[0], segments[1], segments[0], segments[1]];
    let joined = joined.concat();
    for playlist in ["tagged", "silent"] {
        let url = origin.url(&format!("/{playlist}.m3u8"));
        let folder = Folder::new()?;
        let run = folder.run(&["get", &url, "-o", "out.m4s"])?;
        assert_eq!(run.status.code(), Some(4), "{playlist}: {}", run.err);
        same(&folder.read("out.m4s")?, &joined);
        for said in
            ["wrong: timestamps go back by 4.0", "-o out.mp4 makes one", "joined: 4/4 segments verified"]
        {
            assert!(run.err.contains(said), "{playlist}: {said} in {}", run.err);
        }
        // Whoever asks again is told again.
        let again = folder.run(&["get", &url, "-o", "out.m4s", "--force"])?;
        assert_eq!(again.status.code(), Some(4), "{playlist}: {}", again.err);

        folder.run(&["verify", "out.m4s"])?.fails(8, "content.wrong").has("next", &["-o NAME.mp4"]);

        let quiet = folder.run(&["get", &url, "-o", "out.m4s", "--force", "-q"])?;
        assert_eq!(quiet.status.code(), Some(4), "{playlist}: {}", quiet.err);
        assert!(quiet.err.contains("wrong: timestamps go back by 4.0"), "{playlist}: {}", quiet.err);

        let pipe = folder.run(&["get", &url, "-o", "-"])?;
        assert_eq!(pipe.status.code(), Some(4), "{playlist}: {}", pipe.err);
        same(&pipe.out, &joined);
        assert!(pipe.err.contains("-o NAME.mp4 makes one"), "{playlist}: {}", pipe.err);

        let json = folder.run(&["get", &url, "-o", "json.m4s", "--json"])?;
        let problems = json.events()?.iter().find_map(|event| event.get("problems").cloned());
        let problems = problems.and_then(|all| all.as_array().map(Vec::len));
        assert_eq!((json.status.code(), problems), (Some(4), Some(1)), "{playlist}");

        let film = folder.run(&["get", &url, "-o", "out.mp4"])?.ok();
        assert!(!film.err.contains("wrong:"), "{playlist}: {}", film.err);
    }
    Ok(())
}

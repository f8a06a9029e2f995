//! The window at any time, and what happens to it.

use std::time::Duration;

use super::*;

const TWO: Duration = Duration::from_secs(2);

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn noise() -> Broadcast {
    Broadcast::synthetic(TWO, 2000)
}

/// Media sequence number and URIs of the playlist at that time, and whether it has an end.
fn read(transmission: &mut Transmission, at: f64) -> String {
    let path = transmission.broadcast().playlist_path(0, 0);
    let answer = transmission.answer(&path, "", s(at));
    if answer.status != 200 {
        return answer.status.to_string();
    }
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let mut words = Vec::new();
    for line in text.lines() {
        match line.split_once(':').unwrap_or((line, "")) {
            ("#EXT-X-MEDIA-SEQUENCE" | "#EXT-X-DISCONTINUITY-SEQUENCE", n) => words.push(format!("{n}:")),
            ("#EXT-X-DISCONTINUITY", _) => words.push("!".to_owned()),
            ("#EXT-X-GAP", _) => words.push("gap".to_owned()),
            ("#EXT-X-ENDLIST", _) => words.push(".".to_owned()),
            (uri, _) if !uri.starts_with('#') => {
                words.push(uri.replace("seg0000", "").replace("seg000", "").replace(".ts", ""));
            }
            _ => {}
        }
    }
    words.join(" ")
}

fn check(broadcast: &Broadcast, expect: &[(f64, &str)]) {
    let mut transmission = broadcast.start();
    for (at, playlist) in expect {
        assert_eq!(read(&mut transmission, *at), *playlist, "at {at}");
    }
}

#[test]
fn a_window_slides_and_ends() {
    check(
        &noise().window(3).running(3).total(6),
        &[
            (0.0, "0: 0 1 2"),
            (1.999, "0: 0 1 2"),
            (2.0, "1: 1 2 3"),
            (4.5, "2: 2 3 4"),
            (6.0, "3: 3 4 5 ."),
            (600.0, "3: 3 4 5 ."),
        ],
    );
    check(&noise().running(0).window(2), &[(0.0, "404"), (1.9, "404"), (2.0, "0: 0"), (6.0, "1: 1 2")]);
    check(&noise().event_type().running(1).total(3), &[(0.0, "0: 0"), (4.0, "0: 0 1 2 .")]);
    check(&noise().window(2).running(2).total(3).without_end(), &[(2.0, "1: 1 2"), (90.0, "1: 1 2")]);
    check(
        &noise().window(2).running(9).first_sequence(70),
        &[(0.0, "77: seg00077 seg00078".replace("seg000", "").as_str())],
    );
}

#[test]
fn frozen_and_late() {
    let three = || noise().window(3).running(3);
    check(
        &three().freeze(s(1.0), s(9.0), Then::Jump),
        &[(0.0, "0: 0 1 2"), (9.9, "0: 0 1 2"), (10.0, "5: 5 6 7"), (12.0, "6: 6 7 8")],
    );
    check(
        &three().freeze(s(1.0), s(9.0), Then::GoOn),
        &[(10.9, "0: 0 1 2"), (11.0, "1: 1 2 3"), (13.0, "2: 2 3 4")],
    );
    check(
        &three().late(s(3.0), TWO),
        &[(2.0, "1: 1 2 3"), (4.0, "1: 1 2 3"), (5.9, "1: 1 2 3"), (6.0, "3: 3 4 5"), (8.0, "4: 4 5 6")],
    );
}

#[test]
fn restarts() {
    let running = || noise().window(3).running(23);
    let check = |restart: Restart, expect: &[(f64, &str)]| check(&running().restart(restart), expect);
    check(
        Restart::to(s(3.0), 0),
        &[(2.0, "21: 21 22 23"), (4.9, "21: 21 22 23"), (5.0, "0: 0-e1"), (9.0, "0: 0-e1 1-e1 2-e1")],
    );
    check(Restart::to(s(3.0), 22).down(s(10.0)), &[(14.9, "21: 21 22 23"), (15.0, "22: 22-e1")]);
    check(Restart::to(s(2.0), 22).reusing_names(), &[(2.0, "21: 21 22 23"), (4.0, "22: 22")]);
    check(Restart::to(s(2.0), 0).discontinuity(), &[(4.0, "0: ! 0-e1"), (10.0, "1: 1: 1-e1 2-e1 3-e1")]);
    check(Restart::on(s(2.0)), &[(4.0, "22: 22 23 ! 24-e1"), (10.0, "25: 1: 25-e1 26-e1 27-e1")]);
    check(Restart::ahead(s(2.0), 5), &[(4.0, "29: 29-e1"), (6.0, "29: 29-e1 30-e1")]);
    check(
        Restart::back(s(2.0), 2),
        &[(2.0, "21: 21 22 23"), (4.0, "21: 21 22-e1"), (6.0, "21: 21 22-e1 23-e1")],
    );
}

#[test]
fn what_playlists_say_of_their_segments() {
    check(
        &noise().window(3).running(3).discontinuity(s(3.0)),
        &[
            (2.0, "1: 1 2 3"),
            (3.0, "2: 2 3 4"),
            (5.0, "3: 3 4 ! 5"),
            (9.0, "5: ! 5 6 7"),
            (11.0, "6: 1: 6 7 8"),
        ],
    );
    check(&noise().window(2).running(2).renamed(s(2.0)), &[(0.0, "0: 0 1"), (2.0, "1: r1/1 r1/2")]);
    check(&noise().window(2).running(2).gap(1), &[(0.0, "0: 0 gap 1")]);
    check(
        &noise().window(3).running(6).stale(s(0.0), s(9.0), 2),
        &[(0.0, "3: 3 4 5"), (0.0, "1: 1 2 3"), (0.0, "3: 3 4 5"), (2.0, "2: 2 3 4"), (9.0, "7: 7 8 9")],
    );
}

#[test]
fn keys_and_maps_in_their_order() {
    let broadcast = Broadcast::synthetic_fmp4(TWO, 2000).window(4).running(4).aes128([1; 16]).rotate_every(3);
    let mut transmission = broadcast.map(s(2.0)).explicit_iv().dated(1_772_323_190_000).start();
    let text = transmission.answer("/live/a/video/index.m3u8", "", s(4.0)).body;
    let tags: Vec<_> = std::str::from_utf8(&text)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("#EXTINF"))
        .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(","))
        .skip(4)
        .collect();
    assert_eq!(
        tags,
        [
            "#EXT-X-MAP:URI=\"init0.mp4\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k0.key\"",
            "#EXT-X-PROGRAM-DATE-TIME:2026-02-28T23:59:46.000Z",
            "seg00002.m4s",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k1.key\"",
            "#EXT-X-PROGRAM-DATE-TIME:2026-02-28T23:59:48.000Z",
            "seg00003.m4s",
            "#EXT-X-PROGRAM-DATE-TIME:2026-02-28T23:59:50.000Z",
            "seg00004.m4s",
            "#EXT-X-KEY:METHOD=NONE",
            "#EXT-X-MAP:URI=\"init1.mp4\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k1.key\"",
            "#EXT-X-PROGRAM-DATE-TIME:2026-02-28T23:59:52.000Z",
            "seg00005.m4s",
        ]
    );
    let key = |name: &str, transmission: &mut Transmission| {
        transmission.answer(&format!("/live/a/video/{name}"), "", s(4.0))
    };
    assert_eq!(key("k0.key", &mut transmission).body, [1; 16][..]);
    assert_ne!(key("k1.key", &mut transmission).body, [1; 16][..]);
    let segment = transmission.answer("/live/a/video/seg00005.m4s", "", s(4.0)).body;
    let offer = transmission.offered(0, s(4.0)).pop().unwrap();
    assert_eq!((offer.sequence, segment.len()), (5, offer.bytes().len() / 16 * 16 + 16));
    let init = |name: &str, transmission: &mut Transmission| {
        transmission.answer(&format!("/live/a/video/{name}"), "", s(4.0))
    };
    assert_eq!(init("init1.mp4", &mut transmission).body, offer.init().unwrap());
    assert_eq!(init("init2.mp4", &mut transmission).status, 404);
}

#[test]
fn offers_appear_leave_and_expire() {
    let mut transmission = noise().window(3).running(3).start();
    let times = |transmission: &mut Transmission, index: usize| {
        let offer = transmission.offered(0, s(30.0))[index].clone();
        (offer.appeared, offer.left, offer.expired)
    };
    assert_eq!(times(&mut transmission, 3), (Some(s(2.0)), Some(s(8.0)), Some(s(16.0))));
    let status = |transmission: &mut Transmission, at: f64| {
        transmission.answer("/live/a/video/seg00003.ts", "", s(at)).status
    };
    assert_eq!([1.9, 2.0, 15.9, 16.0].map(|at| status(&mut transmission, at)), [404, 200, 200, 404]);
    assert_eq!(transmission.asked().len(), 4);
    for at in [20.0, 20.5, 21.9, 22.0, 40.0] {
        read(&mut transmission, at);
    }
    assert_eq!((transmission.most_polls(0, TWO), transmission.most_polls(0, s(2.1))), (3, 4));

    // What nobody could see is owed to nobody: what had left before the beginning, and what came and went between.
    let offers = noise().window(3).running(5).start().offered(0, s(0.0));
    assert_eq!(
        offers.iter().map(|o| o.appeared.is_some()).collect::<Vec<_>>(),
        [false, false, true, true, true]
    );
    let mut frozen = noise().window(3).running(3).freeze(s(1.0), s(9.0), Then::Jump).start();
    let seen: Vec<_> =
        frozen.offered(0, s(12.0)).iter().filter(|o| o.appeared.is_some()).map(|o| o.index).collect();
    assert_eq!(seen, [0, 1, 2, 5, 6, 7, 8]);
    let offers = frozen.offered(0, s(12.0));
    let expect = [2, 5, 6].map(|index: usize| offers[index].bytes()).concat();
    assert_eq!(frozen.bytes(0, 2, 7), expect);
    // Whatever is asked later, the answer is the same.
    assert_eq!(
        noise().window(3).running(3).freeze(s(1.0), s(9.0), Then::Jump).start().bytes(0, 2, 7),
        expect
    );
    assert_eq!(offers[4].sha256(), crate::judge::sha256(&offers[4].bytes()));
}

#[test]
fn a_target_duration_that_changes() {
    let mut transmission = noise().retarget(s(2.0), 10).retarget(s(4.0), 3).start();
    let mut target = |at: f64| {
        let body = transmission.answer("/live/a/video/index.m3u8", "", s(at)).body;
        let text = String::from_utf8_lossy(&body).into_owned();
        text.lines().find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:").map(str::to_owned))
    };
    for (at, expect) in [(1.9, "2"), (2.0, "10"), (3.9, "10"), (60.0, "3")] {
        assert_eq!(target(at).as_deref(), Some(expect), "at {at}");
    }
}

#[test]
fn a_name_that_is_given_again() {
    let mut transmission =
        noise().window(3).running(3).restart(Restart::to(s(2.0), 2).reusing_names()).start();
    let mut body = |at: f64| transmission.answer("/live/a/video/seg00002.ts", "", s(at)).body;
    let (before, after) = (body(3.9), body(4.0));
    assert_ne!(before, after);
    let offers = transmission.offered(0, s(4.0));
    assert_eq!((offers[2].bytes(), offers[4].bytes()), (before, after));
    assert_eq!(
        offers.iter().map(|o| (o.epoch, o.sequence)).collect::<Vec<_>>(),
        [(0, 0), (0, 1), (0, 2), (0, 3), (1, 2)]
    );
}

#[test]
fn outages_and_missing_segments() {
    let outage = |of| Outage::new(of, s(1.0), s(2.0));
    let all = noise()
        .pathway("b", "")
        .outage(outage(Of::Playlists).status(502).on_pathway(0))
        .outage(outage(Of::Segments).reset())
        .outage(outage(Of::Keys).silence())
        .missing(2, Some(2), None)
        .missing(3, None, Some(1))
        .aes128([1; 16]);
    let mut transmission = all.start();
    let mut ask = |path: &str, at: f64| {
        let answer = transmission.answer(&format!("/live/{path}"), "", s(at));
        (answer.manner, answer.status)
    };
    let whole = |status| (Manner::Whole, status);
    assert_eq!([0.9, 1.0, 3.0].map(|at| ask("a/video/index.m3u8", at)), [whole(200), whole(502), whole(200)]);
    assert_eq!(ask("b/video/index.m3u8", 1.0), whole(200));
    assert_eq!(ask("master.m3u8", 1.0), whole(200));
    assert_eq!(ask("a/video/seg00001.ts", 1.0).0, Manner::Reset);
    assert_eq!(ask("b/video/k0.key", 1.0).0, Manner::Silence);
    assert_eq!([0.0; 3].map(|at| ask("a/video/seg00002.ts", at).1), [404, 404, 200]);
    assert_eq!(["a", "b"].map(|p| ask(&format!("{p}/video/seg00003.ts"), 0.0).1), [200, 404]);
    assert_eq!(["c/video/index.m3u8", "a/en/index.m3u8", "x"].map(|path| ask(path, 0.0).1), [404; 3]);
}

#[test]
fn tokens_pathways_and_steering() {
    let broadcast = noise().audio("en", &[TWO], 500).pathway("b", "http://127.0.0.2:1").tokens(s(10.0));
    let mut transmission = broadcast.steer(s(0.0), &["a", "b"]).steer(s(5.0), &["b"]).start();
    let master = transmission.answer("/live/master.m3u8", "", s(3.0)).body;
    let uris: Vec<_> =
        std::str::from_utf8(&master).unwrap().lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        uris,
        ["a/video/index.m3u8?token=3000", "http://127.0.0.2:1/live/b/video/index.m3u8?token=3000"]
    );
    let mut status = |query: &str, at: f64| transmission.answer("/live/a/en/index.m3u8", query, s(at)).status;
    assert_eq!([status("token=3000", 12.9), status("token=3000", 13.0), status("", 1.0)], [200, 403, 403]);
    let mut order = |at: f64| {
        String::from_utf8_lossy(&transmission.answer("/live/steering.json", "", s(at)).body).into_owned()
    };
    assert!(order(4.9).contains("[\"a\",\"b\"]"));
    assert!(order(5.0).contains("[\"b\"]"));
}

#[test]
fn tracks_share_a_timeline() {
    let audio = [s(1.5), s(2.5)];
    let broadcast =
        noise().window(3).running(3).total(5).audio("en", &audio, 900).restart(Restart::to(s(3.0), 0));
    let mut transmission = broadcast.start();
    let ends = |transmission: &mut Transmission, track| {
        let offers = transmission.offered(track, s(60.0));
        offers.iter().map(|o| (o.epoch, o.sequence, (o.start + o.duration).as_secs_f64())).collect::<Vec<_>>()
    };
    // The encoder stops at 9 s of the timeline, and the stream at 10 s.
    assert_eq!(
        ends(&mut transmission, 0),
        [(0, 0, 2.0), (0, 1, 4.0), (0, 2, 6.0), (0, 3, 8.0), (1, 0, 10.0)]
    );
    assert_eq!(
        ends(&mut transmission, 1),
        [(0, 900, 1.5), (0, 901, 4.0), (0, 902, 5.5), (0, 903, 8.0), (1, 0, 10.0)]
    );
}

#[test]
fn parts_deltas_and_reports() {
    let low = LowLatency::new(s(0.5)).deltas(s(12.0));
    let broadcast =
        noise().window(12).running(12).audio("en", &[s(1.5)], 70).low_latency(low).aes128([1; 16]);
    let mut transmission = broadcast.start();
    let mut lines = |query: &str| -> Vec<String> {
        let answer = transmission.answer(&broadcast.playlist_path(0, 0), query, s(1.1));
        std::str::from_utf8(&answer.body).unwrap().lines().map(str::to_owned).collect()
    };
    let whole = lines("");
    assert_eq!(
        whole[3..5],
        [
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.000,PART-HOLD-BACK=1.500",
            "#EXT-X-PART-INF:PART-TARGET=0.500"
        ]
    );
    let parts: Vec<_> =
        whole.iter().filter_map(|line| line.split_once("URI=\"seg")).map(|(_, uri)| &uri[3..8]).collect();
    // Those of three target durations, and of what is being made.
    assert_eq!(parts.len(), 3 * 4 + 2 + 1);
    assert_eq!(parts[..2], ["09.p0", "09.p1"]);
    assert_eq!(
        whole[whole.len() - 4..],
        [
            "#EXT-X-PART:DURATION=0.500,URI=\"seg00012.p0.ts\",INDEPENDENT=YES",
            "#EXT-X-PART:DURATION=0.500,URI=\"seg00012.p1.ts\",INDEPENDENT=YES",
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"seg00012.p2.ts\"",
            "#EXT-X-RENDITION-REPORT:URI=\"../en/index.m3u8\",LAST-MSN=86,LAST-PART=1",
        ]
    );
    let delta = lines("_HLS_skip=YES");
    // Six segments end within twelve seconds of the edge, one of them more than a part ago.
    assert_eq!(delta[6], "#EXT-X-SKIP:SKIPPED-SEGMENTS=6");
    assert_eq!(delta[5], "#EXT-X-MEDIA-SEQUENCE:0");
    assert_eq!(delta[7..], whole[whole.len() - (delta.len() - 7)..]);
    assert!(!delta.iter().any(|line| line.starts_with("#EXT-X-KEY")));

    let mut ask = |name: &str, at: f64| transmission.answer(&format!("/live/a/video/{name}"), "", s(at));
    assert_eq!((ask("seg00012.ts", 1.9).status, ask("seg00012.p4.ts", 1.9).status), (404, 404));
    let hinted = ask("seg00012.p2.ts", 1.1);
    assert_eq!((hinted.status, hinted.after), (200, s(0.4)));
    let joined: Vec<u8> = (0..4).flat_map(|part| ask(&format!("seg00012.p{part}.ts"), 2.0).body).collect();
    assert_eq!(joined, ask("seg00012.ts", 2.0).body);
}

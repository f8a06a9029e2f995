//! What playlists come to that are loaded one after the other.

use super::*;

const BASE: i64 = 1_700_000_000;

/// A playlist of two-second segments, named by `name` and dated by `dates`.
fn playlist(
    first: u64,
    count: u64,
    name: impl Fn(u64) -> String,
    date: impl Fn(u64) -> Option<i64>,
) -> Media {
    let mut text =
        format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for n in first..first + count {
        if let Some(at) = date(n) {
            let at = hls_parse::DateTime::from_unix_micros(at * 1_000_000);
            text.push_str(&format!("#EXT-X-PROGRAM-DATE-TIME:{at}\n"));
        }
        text.push_str(&format!("#EXTINF:2,\n{}\n", name(n)));
    }
    let base = "https://h/live/index.m3u8?token=1".parse().unwrap();
    match hls_parse::parse(&text, &base).unwrap().playlist {
        hls_parse::Playlist::Media(media) => media,
        _ => panic!("a media playlist"),
    }
}

fn plain(first: u64, count: u64) -> Media {
    playlist(first, count, |n| format!("s{n}.ts?t={first}"), |_| None)
}

fn dated(first: u64, count: u64, since: i64) -> Media {
    playlist(first, count, |n| format!("s{n}.ts"), |n| Some(since + 2 * n as i64))
}

fn other(first: u64, count: u64) -> Media {
    playlist(first, count, |n| format!("other{n}.ts"), |_| None)
}

fn news(from: usize) -> Reading {
    Reading::News(News { from, lost: None, restarted: false })
}

fn anew(from: usize) -> Reading {
    Reading::News(News { from, lost: None, restarted: true })
}

fn lost(first: u64, count: u64) -> Reading {
    let duration = Duration::from_secs(2 * count);
    Reading::News(News { from: 0, lost: Some(Lost { first, count, duration }), restarted: false })
}

/// Reads playlists that come a second after one another, behind `first`, of which all is recorded.
fn run(first: &Media, then: &[Media]) -> Vec<Reading> {
    let mut now = Instant::now();
    let mut window = Window::starting(first, first.media_sequence, now);
    assert_eq!(window.read(first, now), news(0));
    let read = |media: &Media| {
        now += Duration::from_secs(1);
        window.read(media, now)
    };
    then.iter().map(read).collect()
}

#[test]
fn a_window_that_slides() {
    assert_eq!(
        run(
            &plain(10, 6),
            &[plain(10, 6), plain(11, 6), plain(13, 6), plain(13, 6), plain(18, 6), plain(25, 6)]
        ),
        [Reading::Unchanged, news(5), news(4), Reading::Unchanged, news(1), lost(24, 1)]
    );
}

#[test]
fn what_has_left_before_it_was_seen_is_lost_by_number_and_time() {
    assert_eq!(run(&plain(10, 6), &[plain(20, 6)]), [lost(16, 4)]);
    // Dates know better than numbers how long that was.
    let first = dated(10, 6, BASE);
    let later = playlist(20, 6, |n| format!("s{n}.ts"), |n| Some(BASE + 2 * n as i64 + 30));
    let Reading::News(News { lost: Some(lost), .. }) = run(&first, &[later])[0] else { panic!() };
    assert_eq!((lost.first, lost.count, lost.duration), (16, 4, Duration::from_secs(38)));
}

#[test]
fn a_recording_that_begins_later_knows_older_copies_too() {
    let now = Instant::now();
    let first = plain(10, 6);
    let mut window = Window::starting(&first, 14, now);
    assert_eq!(window.read(&first, now), news(4));
    assert_eq!(window.read(&plain(8, 6), now), Reading::Older);
    assert_eq!(window.read(&plain(11, 6), now), news(5));
}

#[test]
fn what_was_frozen_for_long_has_lost_that_much_and_is_no_other_stream() {
    let frozen: Vec<_> = (0..100).map(|_| plain(10, 6)).chain([plain(60, 6)]).collect();
    assert_eq!(run(&plain(10, 6), &frozen).last(), Some(&lost(16, 44)));
}

#[test]
fn copies_from_two_edges_in_turns_are_older_and_never_doubled() {
    for copies in [
        vec![plain(11, 6), plain(9, 6), plain(12, 6), plain(10, 6), plain(13, 6), plain(11, 6)],
        // One that lags by more than a window.
        vec![plain(11, 6), plain(3, 6), plain(12, 6), plain(4, 6), plain(13, 6), plain(5, 6)],
    ] {
        let older = Reading::Older;
        assert_eq!(run(&plain(10, 6), &copies), [news(5), older, news(5), older, news(5), older]);
    }
    // A slow edge that stays for a while.
    let stays: Vec<_> = (0..8).map(|n| plain(8 + n / 4, 6)).collect();
    assert!(run(&plain(10, 6), &stays).iter().all(|reading| *reading == Reading::Older));
}

#[test]
fn an_encoder_that_begins_at_0_again_begins_an_epoch() {
    let older = Reading::Older;
    // Under other names, or names that were there before: it takes a moment to tell it from an old copy.
    let restart = |media: fn(u64, u64) -> Media| (0..5).map(|n| media(0, n + 1)).collect::<Vec<_>>();
    for media in [plain as fn(u64, u64) -> Media, other] {
        assert_eq!(run(&plain(100, 6), &restart(media)), [older, older, anew(0), news(3), news(4)]);
    }
    // With dates there is no doubt.
    assert_eq!(run(&dated(100, 6, BASE), &[dated(0, 2, BASE + 400)]), [anew(0)]);
    assert_eq!(run(&dated(100, 6, BASE), &[dated(97, 6, BASE)]), [older]);
}

#[test]
fn an_encoder_that_begins_at_a_lower_number_inside_the_window() {
    let older = Reading::Older;
    assert_eq!(
        run(&plain(100, 6), &[other(101, 2), other(101, 3), other(101, 4), other(101, 5)]),
        [older, older, anew(0), news(4)]
    );
    // So close below the next one that it has passed it before there is no doubt any more.
    let near = |first, count| playlist(first, count, |n| format!("near{n}.ts"), |_| None);
    assert_eq!(
        run(&plain(100, 6), &[near(105, 1), near(105, 1), near(105, 2), near(105, 2), near(105, 3)]),
        [older, older, anew(0), Reading::Unchanged, news(2)]
    );
    let again = |count| playlist(101, count, |n| format!("x{n}.ts"), |n| Some(BASE + 1000 + 2 * n as i64));
    assert_eq!(run(&dated(100, 6, BASE), &[again(2), again(3)]), [anew(0), news(2)]);
}

#[test]
fn the_same_number_with_another_name() {
    // The stream goes on under other names: what was had is not had again.
    assert_eq!(run(&plain(10, 6), &[other(11, 6), other(12, 6)]), [news(5), news(5)]);
    // One of them was replaced: it has been recorded as it was.
    let replaced = playlist(11, 6, |n| if n == 12 { "ad.ts".into() } else { format!("s{n}.ts") }, |_| None);
    assert_eq!(run(&plain(10, 6), &[replaced]), [news(5)]);
    // By dates it is the same content.
    let moved = playlist(11, 6, |n| format!("edge/{n}.ts"), |n| Some(BASE + 2 * n as i64));
    assert_eq!(run(&dated(10, 6, BASE), &[moved]), [news(5)]);
}

#[test]
fn another_copy_of_the_stream_goes_on_at_the_same_date() {
    let backup = playlist(5000, 6, |n| format!("b{n}.ts"), |n| Some(BASE + 2 * (n as i64 - 4987)));
    // 5000 is dated as 13; recorded is up to 15.
    assert_eq!(run(&dated(10, 6, BASE), &[backup]), [anew(3)]);
}

#[test]
fn an_edge_that_still_has_the_stream_before_it_began_anew() {
    let first = plain(100, 6);
    let then = [plain(0, 1), plain(0, 2), plain(0, 3), plain(100, 6), plain(0, 4), plain(100, 6)];
    let older = Reading::Older;
    assert_eq!(run(&first, &then), [older, older, anew(0), older, news(3), older]);
}

#[test]
fn numbers_that_leap_are_another_count() {
    assert_eq!(run(&plain(10, 6), &[plain(1_700_000_000, 6)]), [anew(0)]);
}

#[test]
fn an_encoder_whose_clock_is_wrong_is_no_older_copy_for_ever() {
    let older = Reading::Older;
    let back = |count| dated(0, count, BASE - 3600);
    // Three loads, a target duration, and something new among them.
    let comes_back = [back(1), back(1), back(2), back(2), back(3)];
    assert_eq!(run(&dated(100, 6, BASE), &comes_back), [older, older, anew(0), Reading::Unchanged, news(2)]);
    // Numbers that leap ahead.
    let far = |count| dated(1_700_000_000, count, BASE - 3600 - 3_400_000_000);
    assert_eq!(run(&dated(10, 6, BASE), &[far(1), far(2), far(3)]), [older, older, anew(0)]);
    // What does not grow was put there long ago.
    assert_eq!(run(&dated(100, 6, BASE), &[back(6), back(6), back(6), back(6), back(6)]), [older; 5]);
    // No further behind than an edge may be, and one that is known.
    let near = |n: u64| dated(90 + n, 6, BASE);
    assert_eq!(run(&dated(100, 6, BASE), &[near(0), near(1), near(2), near(3), near(4)]), [older; 5]);
}

#[test]
fn numbers_that_are_given_again_behind_others_are_other_segments() {
    let since = |n: u64, from: u64, name: &'static str| {
        move |at: u64| if at < from { format!("s{at}.ts") } else { format!("{name}{n}-{at}.ts") }
    };
    let again = |first, count, from| playlist(first, count, since(1, from, "again"), |_| None);
    // 14 and 15 were recorded, and are others now; what stands in front of them is there.
    let then = [again(10, 5, 14), again(10, 6, 14), again(11, 6, 14), plain(10, 6)];
    assert_eq!(run(&plain(10, 6), &then), [anew(4), news(5), news(5), Reading::Older]);
    // Seen only when there were as many again, and more.
    assert_eq!(run(&plain(10, 6), &[again(11, 6, 14)]), [anew(3)]);
    // One alone may have been replaced, if no date says that it is another.
    assert_eq!(run(&plain(10, 6), &[again(10, 6, 15), again(11, 6, 15)]), [Reading::Unchanged, news(5)]);
    // Two edges with names of their own, in turns.
    let edge = |name: &'static str, first| playlist(first, 6, move |n| format!("{name}/{n}.ts"), |_| None);
    let turns = [edge("b", 12), edge("a", 12), edge("a", 11), edge("b", 13), edge("a", 14)];
    let (same, older) = (Reading::Unchanged, Reading::Older);
    assert_eq!(run(&edge("a", 10), &turns), [news(4), same, older, news(5), news(5)]);
    let date = |n: u64| Some(BASE + 2 * n as i64 + if n < 15 { 0 } else { 3 });
    let again = playlist(10, 6, |n| format!("s{n}.ts"), date);
    assert_eq!(run(&dated(10, 6, BASE), &[again]), [anew(5)]);
}

#[test]
fn one_segment_at_a_time_from_an_edge_that_is_far_behind() {
    let older = Reading::Older;
    let at = |n| plain(n, 1);
    let then = [at(8), at(9), at(10), at(7), at(8), at(8), at(9), at(9)];
    assert_eq!(run(&at(7), &then)[3..], [older; 5]);
}

//! The line, story by story.

use super::*;

/// Plays a story, one step after the other, at the second that was said last:
///
/// - `3 joins`: the part from 30 to before 40 is wanted; its ticket is 3.
/// - `3 asks`, `3 reads 1`, `3 waits`, `3 waits 2.0`: its turn, which ends a wait at that second at the latest.
/// - `3 honoured`, `3 whole 1 shared|spare|far`: its answer is the part, or all of the resource, which is body 1 then.
/// - `3 back`, `3 on`: whether it is turned back.
/// - `3 read`, `3 leaves`, `3 leaves 35`: its part is read; it is gone, after having read up to that offset.
/// - `1 gone`: the body is no longer there. `at 1.5`: so many seconds have passed.
fn play(line: &mut Line, total: Option<u64>, story: &str) {
    let start = Instant::now();
    let mut now = start;
    let after = |text: &str| start + Duration::from_millis((text.parse::<f64>().unwrap() * 1000.0) as u64);
    for step in story.split(',').map(str::trim).filter(|step| !step.is_empty()) {
        let words: Vec<_> = step.split_whitespace().collect();
        let number = |n: usize| words.get(n).and_then(|word| word.parse::<u64>().ok());
        let ticket = number(0).unwrap_or_default();
        let context = format!("{step} in {story}");
        match (words[0], words[1]) {
            ("at", second) => now = after(second),
            (_, "joins") => line.join(ticket, (ticket * 10, ticket * 10 + 10), now),
            (_, "asks") => assert_eq!(line.turn(ticket, now), Turn::Ask, "{context}"),
            (_, "reads") => assert_eq!(line.turn(ticket, now), Turn::Read(number(2).unwrap()), "{context}"),
            (_, "waits") => {
                let until = words.get(2).map(|second| after(second));
                assert_eq!(line.turn(ticket, now), Turn::Wait(until), "{context}");
            }
            (_, "honoured") => line.honoured(ticket),
            (_, "whole") => {
                let expect = [("shared", Came::Shared), ("spare", Came::Spare), ("far", Came::TooFar)];
                let (_, expect) = expect.into_iter().find(|(name, _)| *name == words[3]).unwrap();
                assert_eq!(line.came_whole(ticket, (number(2).unwrap(), total), now), expect, "{context}");
            }
            (_, "back") => assert!(line.is_turned_back(ticket), "{context}"),
            (_, "on") => assert!(!line.is_turned_back(ticket), "{context}"),
            (_, "read") => line.has_read(ticket, ticket * 10 + 10),
            (_, "leaves") => line.leave(ticket, number(2).unwrap_or_default(), now),
            (_, "gone") => line.gone(ticket),
            _ => panic!("{context}"),
        }
    }
}

#[test]
fn stories() {
    for (what, story) in [
        (
            "one asks, and the others with it once it is known that ranges are honoured",
            "0 joins, 1 joins, 2 joins, 1 waits 1, 0 asks, 1 waits 1, 2 waits 1, 0 honoured, 1 asks, 2 asks, 3 joins, 3 asks",
        ),
        (
            "the first one in the order of the resource asks",
            "2 joins, 1 joins, 0 joins, 2 waits 1, 1 waits 1, 0 asks",
        ),
        (
            "what holds all of it is for all, in the order of the resource",
            "0 joins, 1 joins, 2 joins, 0 asks, 0 whole 9 shared, 1 waits, 2 waits, 0 reads 9, 1 waits, 0 read, 2 waits, 1 reads 9, \
             3 joins, 3 waits, 1 read, 3 waits, 2 reads 9, 2 read, 3 reads 9, 3 read",
        ),
        (
            "also where it was asked for by another one",
            "2 joins, 2 asks, 0 joins, 1 joins, 2 whole 9 shared, 2 waits, 1 waits, 0 reads 9",
        ),
        (
            "a part that nobody wants is passed over",
            "0 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 read, 4 joins, 4 reads 9, 4 read, 5 joins, 5 reads 9",
        ),
        (
            "a slow answer is not waited for",
            "0 joins, 1 joins, 0 asks, at 0.9, 2 joins, 1 waits 1, at 1, 1 asks, 2 waits 1.9, at 1.9, 2 asks",
        ),
        (
            "who has asked meanwhile gives way to the first answer that holds all of it",
            "0 joins, 1 joins, 2 joins, 0 asks, at 1, 1 asks, 2 asks, 0 on, 1 whole 9 shared, 0 back, 2 back, \
             1 waits, 2 waits, 0 reads 9, at 60, 1 waits, 2 waits",
        ),
        (
            "another such answer at the same time is of no use",
            "0 joins, 1 joins, 0 asks, at 1, 1 asks, 1 whole 9 shared, 0 whole 8 spare, 0 reads 9, 1 waits",
        ),
        (
            "what is behind the body has one of its own, for others behind it too",
            "0 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 read, 5 joins, 5 reads 9, 2 joins, 1 joins, 3 joins, \
             2 waits, 1 asks, 2 waits, 1 whole 8 shared, 2 waits, 1 reads 8, 1 read, 3 waits, 2 reads 8, 6 joins, 6 waits, 5 read, 6 reads 9",
        ),
        (
            "the nearest body is the one to wait for",
            "0 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 read, 5 joins, 5 reads 9, 1 joins, 1 asks, 1 whole 8 shared, 1 reads 8, \
             1 read, 7 joins, 7 waits, 5 read, 7 reads 9",
        ),
        (
            "a body that is lost is asked for again by the part that lost it",
            "0 joins, 1 joins, 2 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 read, 1 reads 9, 3 joins, 1 leaves 15, \
             2 waits 2, 3 waits 2, at 0.5, 1 joins, 2 waits, 1 asks, 2 waits, 1 whole 8 shared, 2 waits, 1 reads 8",
        ),
        (
            "or by the first one, if that does not come",
            "0 joins, 1 joins, 2 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 1 waits, 0 leaves 5, 1 waits 2, at 2, 2 waits, 1 asks, 2 waits",
        ),
        (
            "a request that fails comes again, too",
            "0 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 leaves, 0 joins, 0 asks, 1 joins, 1 waits, 0 leaves, 1 waits 2, 0 joins, 1 waits, 0 asks",
        ),
        (
            "where nothing is known of ranges, the next one asks at once",
            "0 joins, 1 joins, 0 asks, 0 leaves, 1 asks",
        ),
        (
            "who waits may go",
            "0 joins, 1 joins, 2 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 1 leaves, 0 read, 2 reads 9",
        ),
        (
            "a body that is gone is asked for again",
            "0 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 read, 9 gone, 1 joins, 1 asks",
        ),
        (
            "one answer among others that holds all of it is used, and not waited for long",
            "0 joins, 0 asks, 0 honoured, 1 joins, 2 joins, 1 asks, 2 asks, 1 whole 9 shared, 2 back, 1 reads 9, 3 joins, 2 waits 2, \
             3 waits 1, at 1, 3 asks, 4 joins, 4 waits 2, 3 honoured, 4 asks, 2 asks, 1 read",
        ),
        (
            "one that was honoured before says nothing",
            "0 joins, 0 asks, 0 honoured, 1 joins, 2 joins, 3 joins, 1 asks, 2 asks, 3 asks, 1 whole 9 shared, 3 honoured, 1 reads 9, \
             2 waits 2, 0 joins, 0 asks, 0 honoured, 2 waits 2, 1 read, 2 reads 9",
        ),
        (
            "a body does not pass a part that was asked for, as that may be in vain",
            "0 joins, 0 asks, 0 honoured, 1 joins, 1 asks, 1 whole 9 shared, 1 reads 9, 3 joins, at 1, 3 asks, 4 joins, 4 waits 2, \
             1 read, 4 waits 2, 3 whole 8 spare, 3 back, 4 waits 2, 3 reads 9",
        ),
        (
            "a part beyond the end is asked for alone, and refused",
            "0 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 read, 100 joins, 100 asks, 1 joins, 1 reads 9",
        ),
    ] {
        println!("{what}");
        play(&mut Line::default(), Some(1000), story);
    }
}

#[test]
fn a_server_that_is_known_to_honour_ranges_is_asked_for_all_at_once() {
    play(
        &mut Line::new(true),
        Some(1000),
        "0 joins, 1 joins, 1 asks, 0 asks, 1 whole 9 shared, 0 back, 1 waits, 0 reads 9",
    );
}

#[test]
fn nothing_is_passed_over_for_ever() {
    let far = FAR / 10 + 1;
    let story = format!("0 joins, 0 asks, 0 whole 9 shared, 0 reads 9, 0 read, {far} joins");
    let mut line = Line::default();
    play(&mut line, None, &format!("{story}, {far} reads 9"));
    // Ten bytes further.
    let story = story.replace(&far.to_string(), &(far + 1).to_string());
    play(&mut Line::default(), None, &format!("{story}, {} asks", far + 1));
    play(&mut Line::default(), Some(u64::MAX), &format!("{story}, {} reads 9", far + 1));
    // Where ranges have been honoured, another answer may do so.
    let story = format!("0 joins, 0 asks, 0 honoured, {far} joins, {far} asks, {far} whole 9 far");
    play(&mut Line::default(), Some(u64::MAX), &story);
}

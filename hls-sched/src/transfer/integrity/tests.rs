//! What is doubted, asked for again and trusted.

use super::*;

#[test]
fn the_same_bytes_are_told_once() {
    let (doubts, [a, b]) = (Doubts::default(), [1, 2].map(Fingerprint));
    let [here, there] = [0, 1].map(|index| Place { track: 0, index });
    let arrivals = [(here, a), (there, a), (here, b), (here, a), (here, a), (there, a)]
        .map(|(place, hash)| doubts.note(place, hash));
    use Arrival::{Again, First, Known};
    assert_eq!(arrivals, [First, First, First, Again, Known, Again]);
}

fn unbounded(missing: f64) -> Doubt {
    Doubt::Unbounded { missing }
}

fn apart(seconds: f64) -> Doubt {
    Doubt::Apart { seconds }
}

fn seen(track: u8, same: &[Doubt]) -> Seen {
    let mut seen = Seen::default();
    for doubt in same {
        seen.came_again(track, *doubt, 1);
    }
    seen
}

#[test]
fn what_is_trusted_hides_nothing_else() {
    let check = |what: &str, same: &[Doubt], now: &[Doubt], expect| {
        assert_eq!(seen(0, same).next(0, now, 0), expect, "{what}");
    };
    use Next::{Ask, Trust};
    check("the first", &[], &[unbounded(0.0)], Ask);
    check("the third", &[unbounded(0.0); 2], &[unbounded(0.0)], Ask);
    check("the fourth", &[unbounded(0.0); 3], &[unbounded(0.02)], Trust);
    check("a cut one", &[unbounded(0.0); 3], &[unbounded(0.05)], Ask);
    check("another way too", &[unbounded(0.0); 3], &[unbounded(0.0), apart(1.0)], Ask);
    check("resets", &[apart(-2.0); 3], &[apart(-2.1)], Trust);
    check("a hole among them", &[apart(-2.0); 3], &[apart(2.0)], Ask);
    check("a longer way back", &[apart(-2.0); 3], &[apart(-6.0)], Ask);
    assert_eq!(seen(0, &[apart(-2.0); 3]).next(1, &[apart(-2.0)], 0), Ask, "another track");
}

#[test]
fn no_more_than_it_takes_are_asked_for() {
    let (mut seen, doubts) = (Seen::default(), [unbounded(0.0)]);
    let all = [0; 5].map(|_| seen.next(0, &doubts, 0));
    use Next::{Ask, Trust, Wait};
    assert_eq!(all, [Ask, Ask, Ask, Wait, Wait]);
    // One of them was another the second time: somebody else asks.
    seen.ended(0, &doubts, 0);
    assert_eq!(seen.next(0, &doubts, 0), Ask);
    for settled in [false, false, true] {
        seen.ended(0, &doubts, 0);
        assert_eq!(seen.came_again(0, doubts[0], 1), Some(settled));
    }
    assert_eq!((seen.next(0, &doubts, 0), seen.came_again(0, doubts[0], 1)), (Trust, None));
}

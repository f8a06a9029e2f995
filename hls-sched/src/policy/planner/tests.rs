//! What the planner decides, told as stories, and the laws that hold whatever happens.

use super::*;
use proptest::prelude::*;

fn place(track: u8, index: u64) -> Place {
    Place { track, index }
}

fn fixed(tracks: &[(u64, u64)], limit: usize) -> Planner {
    Planner::new(tracks, Some(limit), RetryPolicy::default())
}

fn most(bound: Duration) -> Duration {
    bound
}

/// Carries out all that is to be begun; returns the places.
fn all(planner: &mut Planner, now: Instant) -> Vec<(u8, u64)> {
    let mut all = Vec::new();
    while let Some(Action::Fetch(Fetch { place, .. })) = planner.poll(now, |_| 0) {
        all.push((place.track, place.index));
    }
    all
}

fn attempt(planner: &Planner, place: Place) -> u64 {
    let found = planner.active.iter().find(|(_, active)| active.place == place);
    *found.expect("an attempt for it runs").0
}

fn verify(planner: &mut Planner, place: Place, now: Instant) {
    planner.verified(attempt(planner, place), 1_000_000, now);
}

fn fail(planner: &mut Planner, place: Place, class: Class, now: Instant) -> Verdict {
    planner.failed(attempt(planner, place), Failure::new(class), now, most)
}

#[test]
fn in_order_up_to_the_limit_and_the_window() {
    let (mut planner, now) = (fixed(&[(3, 100)], 2), Instant::now());
    planner.have(place(0, 4));
    assert_eq!(all(&mut planner, now), [(0, 3), (0, 5)]);
    // The head hangs while others end: never more than the window ahead of it.
    let mut next = 5;
    while let Some(last) = {
        verify(&mut planner, place(0, next), now);
        all(&mut planner, now).pop()
    } {
        next = last.1;
    }
    assert_eq!(next, 3 + WINDOW * 2 - 1);
}

#[test]
fn what_was_there_is_not_fetched_once_it_is_written() {
    let (mut planner, now) = (fixed(&[(0, 4)], 1), Instant::now());
    for index in 1..4 {
        planner.have(place(0, index));
    }
    assert_eq!(all(&mut planner, now), [(0, 0)]);
    verify(&mut planner, place(0, 0), now);
    for head in 1..=4 {
        planner.head_at(0, head);
        assert_eq!(all(&mut planner, now), []);
    }
    // One that turned out to be damaged is.
    let mut planner = fixed(&[(0, 4)], 1);
    planner.have(place(0, 0));
    planner.lost(place(0, 0), now);
    assert_eq!(all(&mut planner, now), [(0, 0)]);
}

#[test]
fn tracks_advance_together() {
    let (mut planner, now) = (fixed(&[(0, 100), (0, 10)], 13), Instant::now());
    let got = all(&mut planner, now);
    assert_eq!(got.iter().filter(|(track, _)| *track == 1).map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_failed_unit_comes_again_after_its_delay_and_before_new_ones() {
    let (mut planner, now) = (fixed(&[(0, 100)], 2), Instant::now());
    all(&mut planner, now);
    let verdict = fail(&mut planner, place(0, 0), Class::Network, now);
    assert_eq!(verdict, Verdict::Retry(Duration::from_millis(500)));
    assert_eq!(all(&mut planner, now), [(0, 2)]);
    let later = now + Duration::from_millis(500);
    assert_eq!(planner.next_wake(), Some(later));
    // Both slots are taken: the furthest attempt makes room for the head.
    let furthest = attempt(&planner, place(0, 2));
    assert_eq!(planner.poll(later, |_| 0), Some(Action::Abort(furthest)));
    assert_eq!(all(&mut planner, later), [(0, 0)]);
    assert_eq!(planner.number(attempt(&planner, place(0, 0))), 2);
    assert_eq!(planner.poll(later, |_| 0), None);
    planner.gave_way(furthest, later);
    verify(&mut planner, place(0, 1), later);
    assert_eq!(all(&mut planner, later), [(0, 2)]);
    assert_eq!(planner.number(attempt(&planner, place(0, 2))), 1);
}

#[test]
fn while_a_job_ends_attempts_end_and_none_begins() {
    let (mut planner, now) = (fixed(&[(0, 9)], 2), Instant::now());
    all(&mut planner, now);
    assert_eq!(planner.next_end(), None, "others could begin, and none has to end");
    let second = attempt(&planner, place(0, 1));
    planner.settled(place(0, 1));
    assert_eq!(planner.next_end(), Some(Action::Cancel(second)));
    assert_eq!(planner.next_end(), None);
}

#[test]
fn what_is_final_is_final() {
    let (mut planner, now) = (fixed(&[(0, 9)], 2), Instant::now());
    all(&mut planner, now);
    assert_eq!(fail(&mut planner, place(0, 0), Class::Auth, now), Verdict::Final(1));
    for attempt in 1..=3 {
        let verdict = fail(&mut planner, place(0, 1), Class::Content, now);
        assert_eq!(verdict == Verdict::Final(3), attempt == 3);
        all(&mut planner, now + Duration::from_secs(60));
    }
}

/// Lets one unit fail until it is final or doubted; returns the number of attempts.
fn use_up(planner: &mut Planner, unit: Place, class: Class, now: &mut Instant) -> (u32, Verdict) {
    for n in 1.. {
        let verdict = fail(planner, unit, class, *now);
        if !matches!(verdict, Verdict::Retry(_)) {
            return (n, verdict);
        }
        *now += Duration::from_secs(60);
        all(planner, *now);
    }
    unreachable!("it ends some time")
}

#[test]
fn before_a_unit_is_given_up_its_origin_is_asked_for_something_else() {
    for class in [Class::Network, Class::Server, Class::Throttled] {
        for alive in [true, false] {
            let (mut planner, mut now) = (fixed(&[(0, 9)], 1), Instant::now());
            all(&mut planner, now);
            let unit = place(0, 0);
            let (tries, verdict) = use_up(&mut planner, unit, class, &mut now);
            assert_eq!((tries, verdict), (6, Verdict::Doubt(6)), "{class}");
            assert_eq!(planner.poll(now, |_| 0), Some(Action::Canary(0)));
            assert_eq!(planner.poll(now, |_| 0), None);
            let finals = planner.canary(0, alive, now, most);
            if alive {
                assert_eq!(finals, [(unit, 6)]);
                continue;
            }
            // The origin is gone: it is looked for again and again, and no attempt has counted.
            assert_eq!(finals, []);
            for _ in 0..4 {
                assert_eq!(planner.poll(now, |_| 0), None);
                now = planner.next_wake().filter(|wake| *wake > now).unwrap_or(now + Duration::from_secs(60));
                assert_eq!(planner.poll(now, |_| 0), Some(Action::Canary(0)));
                assert_eq!(planner.canary(0, false, now, most), []);
            }
            now += Duration::from_secs(60);
            assert_eq!(planner.poll(now, |_| 0), Some(Action::Canary(0)));
            planner.canary(0, true, now, most);
            assert_eq!(all(&mut planner, now), [(0, 0)]);
            assert_eq!(planner.number(attempt(&planner, unit)), 1);
        }
    }
}

#[test]
fn an_outage_costs_no_attempt() {
    let (mut planner, mut now) = (fixed(&[(0, 50)], 4), Instant::now());
    all(&mut planner, now);
    // All that is under way is lost, and what comes next too.
    for n in 0..5 {
        now += Duration::from_millis(200);
        all(&mut planner, now);
        let unit = planner.active.values().next().map(|active| active.place).expect("four run");
        assert!(matches!(fail(&mut planner, unit, Class::Network, now), Verdict::Retry(_)), "{n}");
    }
    assert_eq!(planner.poll(now, |_| 0), Some(Action::Canary(0)));
    planner.canary(0, false, now, most);
    // What was still on its way fails now.
    for unit in planner.active.values().map(|active| active.place).collect::<Vec<_>>() {
        fail(&mut planner, unit, Class::Network, now);
    }
    now += Duration::from_secs(60);
    assert_eq!(planner.poll(now, |_| 0), Some(Action::Canary(0)));
    planner.canary(0, true, now, most);
    assert_eq!(all(&mut planner, now).len(), 4);
    assert!(planner.active.values().all(|active| active.number == 1));
}

#[test]
fn what_is_to_be_had_elsewhere_waits_for_nothing_of_where_it_was() {
    let (mut planner, now) = (fixed(&[(0, 50)], 2), Instant::now());
    all(&mut planner, now);
    let Verdict::Retry(wait) = fail(&mut planner, place(0, 1), Class::Server, now) else {
        panic!("it is tried again")
    };
    assert!(!wait.is_zero());
    planner.moved(place(0, 1), now);
    assert_eq!(all(&mut planner, now)[0], (0, 1));
    assert_eq!(planner.number(attempt(&planner, place(0, 1))), 1);
    // What is under way, or was never asked for, is left alone.
    planner.moved(place(0, 0), now);
    planner.moved(place(0, 40), now);
    assert_eq!(all(&mut planner, now), []);
}

#[test]
fn a_stop_of_this_process_costs_no_attempt() {
    let (mut planner, now) = (fixed(&[(0, 50)], 2), Instant::now());
    all(&mut planner, now);
    planner.woke(now);
    assert_eq!(fail(&mut planner, place(0, 1), Class::Network, now), Verdict::Retry(SOONEST));
    let now = now + SOONEST;
    all(&mut planner, now);
    assert_eq!(planner.number(attempt(&planner, place(0, 1))), 1);
    // What begins afterwards counts.
    assert_ne!(fail(&mut planner, place(0, 1), Class::Network, now), Verdict::Retry(SOONEST));
}

fn sample(received: u64) -> Sample {
    let answered = Some(Duration::from_millis(50));
    Sample { received, answered, waits: true, expected: Some(1_000_000), shared: false }
}

#[test]
fn what_stands_still_while_others_move_is_replaced() {
    let (mut planner, start) = (fixed(&[(0, 50)], 3), Instant::now());
    all(&mut planner, start);
    let stuck = attempt(&planner, place(0, 1));
    let others = [attempt(&planner, place(0, 0)), attempt(&planner, place(0, 2))];
    for tick in 1..=25_u64 {
        let now = start + Duration::from_millis(100 * tick);
        planner.observe(stuck, sample(500), now);
        others.iter().for_each(|id| planner.observe(*id, sample(1000 * tick), now));
        planner.tick(now, most);
        let action = planner.poll(now, |_| 0);
        assert_eq!(action == Some(Action::Abort(stuck)), tick == 21, "{tick}: {action:?}");
        if action.is_some() {
            planner.gave_way(stuck, now);
            let Some(Action::Fetch(again)) = planner.poll(now, |_| 0) else { panic!("it comes again") };
            assert_eq!((again.place, again.number, again.fresh, again.hedge), (place(0, 1), 2, true, false));
            break;
        }
    }
    // Where nothing moves, nothing is replaced: that is the time-out's affair.
    let (mut planner, start) = (fixed(&[(0, 50)], 3), Instant::now());
    all(&mut planner, start);
    for tick in 1..=100 {
        let now = start + Duration::from_millis(100 * tick);
        planner.tick(now, most);
        assert_eq!(planner.poll(now, |_| 0), None);
    }
}

#[test]
fn what_all_wait_for_is_asked_for_twice_and_the_first_one_whole_counts() {
    for hedge_wins in [true, false] {
        let (mut planner, mut now) = (fixed(&[(0, 20)], 2), Instant::now());
        // Nineteen units in a tenth of a second each.
        for n in 0..19 {
            all(&mut planner, now);
            now += Duration::from_millis(100);
            verify(&mut planner, place(0, n), now);
            planner.head_at(0, n + 1);
        }
        all(&mut planner, now);
        let slow = attempt(&planner, place(0, 19));
        let begun = now;
        let hedge = loop {
            now += Duration::from_millis(100);
            planner.observe(slow, sample(5000 * (now - begun).as_secs()), now);
            planner.tick(now, most);
            if let Some(Action::Fetch(fetch)) = planner.poll(now, |_| 0) {
                break fetch;
            }
            assert!(now < begun + Duration::from_secs(4), "no second attempt");
        };
        assert!(hedge.hedge && hedge.fresh && hedge.place == place(0, 19));
        assert!(now - begun >= Duration::from_secs(2), "{:?}", now - begun);
        // One is enough.
        planner.tick(now, most);
        assert_eq!(planner.poll(now, |_| 0), None);
        let (first, other) = if hedge_wins { (hedge.attempt, slow) } else { (slow, hedge.attempt) };
        planner.verified(first, 1000, now);
        assert_eq!(planner.poll(now, |_| 0), Some(Action::Cancel(other)));
        assert_eq!((planner.poll(now, |_| 0), planner.active()), (None, 0));
    }
}

#[test]
fn what_others_wait_for_too_is_not_asked_for_twice() {
    for shared in [false, true] {
        let (mut planner, start) = (fixed(&[(0, 20)], 2), Instant::now());
        let mut now = start;
        for n in 0..19 {
            all(&mut planner, now);
            now += Duration::from_millis(100);
            verify(&mut planner, place(0, n), now);
            planner.head_at(0, n + 1);
        }
        all(&mut planner, now);
        let (slow, begun) = (attempt(&planner, place(0, 19)), now);
        let second = (1..60).find_map(|tick| {
            now = begun + Duration::from_millis(100) * tick;
            planner.observe(slow, Sample { shared, ..sample(500 * u64::from(tick)) }, now);
            planner.tick(now, most);
            planner.poll(now, |_| 0)
        });
        assert_eq!(second.is_none(), shared);
    }
}

#[test]
fn as_many_as_serve_best() {
    let (mut planner, start) = (Planner::new(&[(0, 10_000)], None, RetryPolicy::default()), Instant::now());
    let mut most_at_once = 0;
    for tick in 0..100_u64 {
        let now = start + Duration::from_millis(100) * tick as u32;
        all(&mut planner, now);
        most_at_once = most_at_once.max(planner.active());
        for id in planner.active.keys().copied().collect::<Vec<_>>() {
            // Each brings as much as the others, and takes half a second.
            let received = planner.active[&id].received + 200_000;
            planner.observe(id, sample(received), now);
            if received >= 1_000_000 {
                let unit = planner.active[&id].place;
                planner.verified(id, received, now);
                planner.head_at(0, unit.index + 1);
            }
        }
        planner.tick(now, most);
    }
    assert_eq!(most_at_once, 16);
}

proptest! {
    /// No unit is lost or repeated whatever fails, the limit holds, and with nothing active there is always something
    /// to do or to wait for.
    #[test]
    fn every_unit_exactly_once(
        seed in proptest::collection::vec((any::<u16>(), 0..10_u8), 1..4000),
        limit in proptest::option::of(1..9_usize),
    ) {
        let mut planner = Planner::new(&[(0, 40), (2, 17)], limit, RetryPolicy::default());
        let ends = [40, 17];
        let mut done = [vec![false; 40], vec![false; 17]];
        done[1][..2].fill(true);
        let mut now = Instant::now();
        let mut running: Vec<(u64, Place)> = Vec::new();
        for (pick, luck) in seed.into_iter().cycle().take(40_000) {
            now += Duration::from_millis(u64::from(pick) % 50);
            if luck == 1 {
                for (id, _) in &running {
                    planner.observe(*id, sample(u64::from(pick)), now);
                }
                planner.tick(now, |bound| bound / 2);
            }
            // Units come from two origins.
            while let Some(action) = planner.poll(now, |place| (place.index % 2) as u16) {
                match action {
                    Action::Fetch(fetch) => {
                        let place = fetch.place;
                        prop_assert!(!done[usize::from(place.track)][place.index as usize]);
                        prop_assert_eq!(running.iter().any(|(_, p)| *p == place), fetch.hedge);
                        running.push((fetch.attempt, place));
                    }
                    Action::Abort(id) => {
                        prop_assert!(running.iter().any(|(running, _)| *running == id));
                        running.retain(|(running, _)| *running != id);
                        planner.gave_way(id, now);
                    }
                    Action::Cancel(id) => running.retain(|(running, _)| *running != id),
                    Action::Canary(id) => {
                        for (place, _) in planner.canary(id, luck % 2 == 0, now, |bound| bound) {
                            planner.lost(place, now);
                        }
                    }
                }
            }
            prop_assert!(running.len() <= limit.unwrap_or(32));
            prop_assert_eq!(planner.active(), running.len());
            if running.is_empty() {
                if done.iter().flatten().all(|d| *d) {
                    break;
                }
                let wake = planner.next_wake();
                prop_assert!(wake.is_some(), "nothing to do and nothing to wait for");
                now = now.max(wake.unwrap_or(now));
                continue;
            }
            let (id, place) = running.swap_remove(usize::from(pick) % running.len());
            if luck == 0 {
                // The policy would give up after some attempts in a row; this law is about those that end well.
                if let Verdict::Final(_) = planner.failed(id, Failure::new(Class::Network), now, |bound| bound) {
                    planner.lost(place, now);
                }
            } else {
                planner.verified(id, 1000, now);
                done[usize::from(place.track)][place.index as usize] = true;
                for (track, done) in (0_u8..).zip(&done) {
                    let head = done.iter().position(|d| !d).unwrap_or(ends[usize::from(track)]);
                    planner.head_at(track, head as u64);
                }
            }
        }
        prop_assert!(done.iter().flatten().all(|d| *d));
    }
}

#[test]
fn what_could_not_be_sent_comes_again_over_a_connection_that_is_open() {
    for unsent in [false, true] {
        let (mut planner, mut now) = (fixed(&[(0, 4)], 1), Instant::now());
        let Some(Action::Fetch(fetch)) = planner.poll(now, |_| 0) else { panic!("the first attempt") };
        let failure = Failure { unsent, ..Failure::new(Class::Network) };
        let Verdict::Retry(after) = planner.failed(fetch.attempt, failure, now, |most| most) else {
            panic!("it is tried again")
        };
        now += after;
        let Some(Action::Fetch(again)) = planner.poll(now, |_| 0) else { panic!("the second attempt") };
        assert_eq!((again.place, again.number, again.fresh), (fetch.place, 2, !unsent));
    }
}

#[test]
fn each_request_for_a_unit_counts_also_beside_another_one() {
    let (mut planner, mut now) = (fixed(&[(0, 1)], 4), Instant::now());
    let mut requests = all(&mut planner, now).len();
    // All wait for it: it is asked for a second time.
    planner.late = Some(place(0, 0));
    requests += all(&mut planner, now).len();
    assert_eq!(requests, 2);
    let mut verdict = Verdict::Runs;
    while !matches!(verdict, Verdict::Final(_) | Verdict::Doubt(_)) && requests < 100 {
        let id = attempt(&planner, place(0, 0));
        // One of them asks for the rest, is answered by something else, and asks for all of it.
        if requests == 4 {
            planner.asked_more(id, 1);
            requests += 1;
        }
        verdict = planner.failed(id, Failure::new(Class::Network), now, most);
        now += Duration::from_secs(30);
        requests += all(&mut planner, now).len();
    }
    assert!(requests <= 7, "{requests}");
}

#[test]
fn nothing_is_asked_for_again_at_once() {
    let (mut planner, now) = (fixed(&[(0, 50)], 2), Instant::now());
    all(&mut planner, now);
    let id = attempt(&planner, place(0, 1));
    let verdict = planner.failed(id, Failure::new(Class::Network), now, |_| Duration::ZERO);
    assert_eq!(verdict, Verdict::Retry(SOONEST));
    assert!(planner.next_wake() >= Some(now + SOONEST));
}

//! The laws of the assembler.

use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn at(index: u64) -> Place {
    Place { track: 0, index }
}

fn data(n: usize) -> Bytes {
    Bytes::from(vec![7; n])
}

fn done(assembler: &mut Assembler) -> Vec<String> {
    let name = |command: Command| match command {
        Command::Write { offset, data, .. } => format!("write {}@{offset}", data.len()),
        Command::Cut { offset, .. } => format!("cut {offset}"),
        Command::Record(p) => format!("record {} {}@{}", p.index, p.len, p.offset),
        Command::SetAside(unit, data) => format!("aside {} {}", unit.index, data.len()),
        Command::KeepAside(unit, _) => format!("keep {}", unit.index),
        Command::DropAside(unit) => format!("drop {}", unit.index),
        Command::PlaceAside(unit, offset) => format!("place {}@{offset}", unit.index),
        Command::Mark { unit, aside: true, mark } => format!("mark {} aside {}", unit.index, mark.len),
        Command::Mark { unit, mark, .. } => format!("mark {} {}", unit.index, mark.len),
    };
    assembler.commands().map(name).collect()
}

fn started(takes_unverified: bool, budget: u64, units: u64) -> (Assembler, Instant) {
    let (mut assembler, now) = (Assembler::new(&[(0, 0, units)], takes_unverified, budget), Instant::now());
    (0..units).for_each(|n| assembler.begin(at(n), n.into(), 1, now));
    (assembler, now)
}

#[test]
fn the_head_streams_and_the_others_wait() {
    let (mut a, now) = started(true, 100, 3);
    a.offer(at(1), 1, data(10), 0, now);
    a.offer(at(0), 1, data(5), 0, now);
    assert_eq!(done(&mut a), ["write 5@0"]);
    a.complete(at(1), 1, Fingerprint(1));
    assert_eq!((a.held(), done(&mut a).len()), (10, 0));
    a.offer(at(2), 1, data(3), 0, now);
    a.complete(at(0), 1, Fingerprint(0));
    // The third one is the head now, and what it had in memory is written at once.
    assert_eq!(done(&mut a), ["record 0 5@0", "write 10@5", "record 1 10@5", "write 3@15"]);
    a.offer(at(2), 1, data(4), 0, now);
    a.complete(at(2), 1, Fingerprint(2));
    assert_eq!(done(&mut a), ["write 4@18", "record 2 7@15"]);
    assert!(a.is_complete() && a.held() == 0);
}

#[test]
fn the_first_unit_waits_until_it_is_known_where_it_goes() {
    for (told, offset) in [(Some(64), 64), (None, 9)] {
        let now = Instant::now();
        let mut a = Assembler::new(&[(0, 9, 3)], true, 100);
        a.leave_begin_open(0);
        (0..3).for_each(|n| a.begin(at(n), n.into(), 1, now));
        a.offer(at(0), 1, data(5), 0, now);
        a.offer(at(1), 1, data(7), 0, now);
        a.complete(at(1), 1, Fingerprint(1));
        assert_eq!((done(&mut a).len(), a.held()), (0, 12));
        told.into_iter().for_each(|told| a.begins_at(at(0), told));
        a.complete(at(0), 1, Fingerprint(0));
        let end = offset + 12;
        let expect = [
            format!("write 5@{offset}"),
            format!("record 0 5@{offset}"),
            format!("write 7@{}", offset + 5),
            format!("record 1 7@{}", offset + 5),
        ];
        assert_eq!(done(&mut a), expect);
        // From there on, all is as it is elsewhere, and nothing is moved any more.
        a.begins_at(at(0), 1000);
        a.offer(at(2), 1, data(4), 0, now);
        assert_eq!(done(&mut a), [format!("write 4@{end}")]);
    }
    // A first unit that is missing, or too large for memory.
    let now = Instant::now();
    let mut a = Assembler::new(&[(0, 9, 2)], true, 4);
    a.leave_begin_open(0);
    a.begin(at(0), 0, 1, now);
    assert_eq!(a.offer(at(0), 1, data(5), 0, now), Offer::Taken);
    assert_eq!(done(&mut a), ["aside 0 5"]);
    a.skip(at(0), 0);
    a.begin(at(1), 1, 2, now);
    a.offer(at(1), 2, data(3), 0, now);
    assert_eq!(done(&mut a), ["drop 0", "record 0 0@9", "write 3@9"]);
}

#[test]
fn a_failed_head_is_cut_off_where_it_began() {
    let (mut a, now) = started(true, 100, 2);
    a.offer(at(0), 1, data(5), 0, now);
    a.complete(at(0), 1, Fingerprint(0));
    a.offer(at(1), 1, data(6), 0, now);
    a.fail(at(1));
    assert_eq!(done(&mut a), ["write 5@0", "record 0 5@0", "write 6@5", "cut 5"]);
    a.begin(at(1), 1, 1, now);
    a.offer(at(1), 1, data(7), 0, now);
    a.complete(at(1), 1, Fingerprint(1));
    assert_eq!(done(&mut a), ["write 7@5", "record 1 7@5"]);
}

#[test]
fn a_full_budget_pauses_all_but_the_head_and_never_for_long() {
    // The head has had no byte for 500 ms, or the disk has kept all waiting for ten seconds.
    for (disk_is_behind, after) in [(false, 500 * MS), (true, 10_400 * MS)] {
        let (mut a, now) = started(true, 10, 3);
        assert_eq!(a.offer(at(1), 1, data(8), 0, now), Offer::Taken);
        assert_eq!(a.offer(at(2), 1, data(8), 0, now), Offer::Pause(data(8)));
        assert_eq!(a.offer(at(0), 1, data(50), 0, now), Offer::Taken);
        a.tick(now + 400 * MS, disk_is_behind);
        a.tick(now + 500 * MS, true);
        assert_eq!(a.offer(at(2), 1, data(8), 0, now + 500 * MS), Offer::Pause(data(8)));
        a.tick(now + after, disk_is_behind);
        assert_eq!(a.offer(at(2), 1, data(8), 0, now + after), Offer::Taken);
        assert_eq!(done(&mut a).pop().as_deref(), Some("aside 2 8"));
    }
    // What the writer has not written yet counts too.
    let (mut a, now) = started(true, 10, 2);
    assert_eq!(a.offer(at(1), 1, data(8), 5, now), Offer::Pause(data(8)));
}

#[test]
fn a_long_wait_moves_to_disk_and_back() {
    let (mut a, now) = started(true, 100, 3);
    a.offer(at(1), 1, data(8), 0, now);
    a.complete(at(1), 1, Fingerprint(1));
    a.offer(at(2), 1, data(8), 0, now);
    a.tick(now + 2000 * MS, true);
    assert_eq!(done(&mut a), ["aside 1 8", "keep 1", "aside 2 8"]);
    a.offer(at(2), 1, data(1), 0, now);
    a.complete(at(2), 1, Fingerprint(2));
    a.offer(at(0), 1, data(4), 0, now);
    a.complete(at(0), 1, Fingerprint(0));
    assert_eq!(done(&mut a), ["aside 2 1", "keep 2", "write 4@0", "record 0 4@0", "place 1@4"]);
    a.placed(at(1), true);
    assert_eq!(done(&mut a), ["place 2@12"]);
    // The file was damaged meanwhile: the unit is had again.
    a.placed(at(2), false);
    assert!(!a.is_complete());
    a.begin(at(2), 2, 1, now);
    a.offer(at(2), 1, data(9), 0, now);
    a.complete(at(2), 1, Fingerprint(2));
    assert_eq!(done(&mut a), ["write 9@12", "record 2 9@12"]);
}

#[test]
fn a_unit_that_was_not_kept_is_had_again() {
    let (mut a, now) = started(true, 100, 2);
    for on_its_way in [false, true] {
        a.offer(at(1), 1, data(8), 0, now);
        a.complete(at(1), 1, Fingerprint(1));
        a.tick(now + 2000 * MS, false);
        assert_eq!(done(&mut a), ["aside 1 8", "keep 1"]);
        if on_its_way {
            a.offer(at(0), 1, data(4), 0, now);
            a.complete(at(0), 1, Fingerprint(0));
            // The answer to the move says the same.
            assert_eq!(a.lost_aside(at(1)), None);
            a.placed(at(1), false);
        } else {
            assert_eq!(a.lost_aside(at(1)), Some(8));
            assert_eq!(a.lost_aside(at(1)), None);
        }
        assert!(a.needs(at(1)) && !a.is_complete());
        a.begin(at(1), 1, 1, now);
    }
}

#[test]
fn a_pipe_gets_whole_units_only() {
    let (mut a, now) = started(false, 10, 2);
    a.offer(at(0), 1, data(6), 0, now);
    assert!(done(&mut a).is_empty());
    // Larger than the budget: spooled, and never paused.
    assert_eq!(a.offer(at(0), 1, data(6), 0, now), Offer::Taken);
    assert_eq!(done(&mut a), ["aside 0 6", "aside 0 6"]);
    a.offer(at(1), 1, data(2), 0, now);
    a.complete(at(1), 1, Fingerprint(1));
    a.complete(at(0), 1, Fingerprint(0));
    assert_eq!(done(&mut a), ["keep 0", "place 0@0"]);
    a.placed(at(0), true);
    assert_eq!(done(&mut a), ["write 2@12", "record 1 2@12"]);
}

#[test]
fn what_a_given_up_attempt_still_delivers_is_nobodys() {
    let (mut a, now) = started(true, 100, 2);
    a.offer(at(0), 1, data(4), 0, now);
    a.fail(at(0));
    a.begin(at(0), 0, 2, now);
    assert_eq!(a.offer(at(0), 1, data(4), 0, now), Offer::Gone);
    assert_eq!(a.complete(at(0), 1, Fingerprint(0)), Completion::Gone);
    assert_eq!(a.offer(at(0), 2, data(3), 0, now), Offer::Taken);
    assert_eq!(a.complete(at(0), 2, Fingerprint(0)), Completion::Taken);
    assert_eq!(done(&mut a), ["write 4@0", "cut 0", "write 3@0", "record 0 3@0"]);
}

#[test]
fn a_gap_holds_its_place() {
    let (mut a, now) = started(true, 100, 3);
    a.offer(at(2), 1, data(2), 0, now);
    a.complete(at(2), 1, Fingerprint(2));
    a.skip(at(1), 1);
    a.skip(at(0), 0);
    assert_eq!(done(&mut a), ["record 0 0@0", "record 1 0@0", "write 2@0", "record 2 2@0"]);
    assert_eq!((a.gaps(), a.is_complete()), (2, true));
}

#[test]
fn at_the_end_of_a_run_whole_units_are_kept_and_the_rest_is_dropped() {
    let (mut a, now) = started(true, 100, 3);
    a.offer(at(0), 1, data(4), 0, now);
    a.offer(at(1), 1, data(8), 0, now);
    a.complete(at(1), 1, Fingerprint(1));
    a.offer(at(2), 1, data(8), 0, now);
    a.evacuate();
    assert_eq!(done(&mut a), ["write 4@0", "cut 0", "aside 1 8", "keep 1"]);
    assert_eq!(a.held(), 0);
}

#[test]
fn a_damaged_unit_is_replaced_where_it_was() {
    let (mut a, now) = (Assembler::new(&[(5, 50, 6)], true, 100), Instant::now());
    let damaged = |index, hash| Placed {
        output: 0,
        index,
        identity: 0,
        offset: 10 * index,
        len: 10,
        hash: Fingerprint(hash),
    };
    a.found_damaged(damaged(1, 7));
    a.found_damaged(damaged(3, 8));
    for index in [1, 3, 5] {
        a.begin(at(index), 0, index, now);
        a.offer(at(index), index, data(10), 0, now);
    }
    assert_eq!(a.complete(at(1), 1, Fingerprint(7)), Completion::Taken);
    assert_eq!(a.complete(at(3), 3, Fingerprint(9)), Completion::Changed);
    a.complete(at(5), 5, Fingerprint(5));
    assert_eq!(done(&mut a), ["write 10@50", "aside 1 10", "keep 1", "place 1@10", "record 5 10@50"]);
    assert!(!a.is_complete());
    a.placed(at(1), true);
    a.fail(at(3));
    a.begin(at(3), 0, 4, now);
    a.offer(at(3), 4, data(10), 0, now);
    assert_eq!(a.complete(at(3), 4, Fingerprint(8)), Completion::Taken);
    // What was written for it was not what it had been: once more.
    a.placed(at(3), false);
    assert!(!a.is_complete());
    a.begin(at(3), 0, 5, now);
    a.offer(at(3), 5, data(10), 0, now);
    a.complete(at(3), 5, Fingerprint(8));
    a.placed(at(3), true);
    assert!(a.is_complete() && a.held() == 0);
}

fn mark(len: u64) -> Mark {
    Mark { len, hash: Fingerprint(0), note: [].into() }
}

#[test]
fn what_is_marked_goes_on() {
    let (mut a, now) = started(true, 100, 3);
    for (n, len) in [(0, 4), (1, 8), (2, 9)] {
        a.offer(at(n), 1, data(len), 0, now);
        a.mark(at(n), 1, mark(len as u64));
    }
    // Bytes in memory have no mark on disk yet.
    assert_eq!(done(&mut a), ["write 4@0", "mark 0 4"]);
    a.suspend(at(0));
    assert_eq!(a.offer(at(0), 1, data(1), 0, now), Offer::Gone);
    assert!(a.go_on(at(0), 2, now));
    a.offer(at(0), 2, data(1), 0, now);
    a.complete(at(0), 2, Fingerprint(0));
    assert_eq!(done(&mut a), ["write 1@4", "record 0 5@0", "write 8@5", "mark 1 8"]);
    a.suspend(at(1));
    a.suspend(at(2));
    a.evacuate();
    assert_eq!(done(&mut a), ["aside 2 9", "mark 2 aside 9"]);
    a.start_over(at(1), 0, now);
    assert_eq!(done(&mut a), ["cut 5"]);

    let (mut a, now) = (Assembler::new(&[(3, 70, 6)], true, 100), Instant::now());
    for (index, aside) in [(3, false), (4, true)] {
        a.found_partial(Unit { output: 0, index, identity: 0 }, aside, mark(7));
        assert!(a.go_on(at(index), 1, now));
        a.offer(at(index), 1, data(2), 0, now);
        a.complete(at(index), 1, Fingerprint(0));
    }
    assert!(!a.go_on(at(5), 1, now));
    assert_eq!(done(&mut a), ["write 2@77", "record 3 9@70", "aside 4 2", "keep 4", "place 4@79"]);
}

/// Carries commands out on plain memory, as the writer does on disk.
#[derive(Default)]
struct Disk {
    output: Vec<u8>,
    aside: BTreeMap<u64, Vec<u8>>,
    recorded: u64,
}

impl Disk {
    fn carry_out(&mut self, a: &mut Assembler) {
        loop {
            let commands: Vec<_> = a.commands().collect();
            if commands.is_empty() {
                return;
            }
            for command in commands {
                match command {
                    Command::Write { offset, data, .. } => {
                        self.output.resize(offset as usize, 0xff);
                        self.output.extend_from_slice(&data);
                    }
                    Command::Cut { offset, .. } => self.output.truncate(offset as usize),
                    Command::Record(p) => {
                        assert_eq!(p.index, self.recorded);
                        self.recorded += 1;
                    }
                    Command::Mark { unit, aside: true, mark } => {
                        assert!(self.aside[&unit.index].len() as u64 >= mark.len);
                    }
                    Command::Mark { unit, mark, .. } => {
                        assert_eq!(unit.index, self.recorded);
                        assert!(self.output.len() as u64 - 50 * self.recorded >= mark.len);
                    }
                    Command::SetAside(u, data) => self.aside.entry(u.index).or_default().extend(&data),
                    Command::KeepAside(u, _) => assert!(self.aside.contains_key(&u.index)),
                    Command::DropAside(u) => drop(self.aside.remove(&u.index)),
                    Command::PlaceAside(u, offset) => {
                        let data = self.aside.remove(&u.index).expect("kept before it is placed");
                        self.output.truncate(offset as usize);
                        self.output.extend(data);
                        self.recorded += 1;
                        a.placed(at(u.index), true);
                    }
                }
            }
        }
    }
}

proptest! {
    /// Whatever arrives in whatever order, with failures and time passing: all units end in the output in order, the
    /// budget is never exceeded, and a head is never paused.
    #[test]
    fn all_bytes_arrive_in_order(
        steps in proptest::collection::vec((0..6_u64, 0..8_u8, 1..40_usize), 0..300),
        takes_unverified: bool,
        budget in 0..120_u64,
    ) {
        let (mut a, mut now) = started(takes_unverified, budget, 6);
        let mut disk = Disk::default();
        let content = |unit: u64, from: usize, n: usize| -> Bytes {
            (from..from + n).map(|k| (unit as usize * 50 + k) as u8).collect::<Vec<_>>().into()
        };
        let mut got = [0_usize; 6];
        let mut whole = [false; 6];
        let end = 50;
        let finish = (0..6).flat_map(|n| [(n, 9, end), (n, 8, 0)]);
        for (unit, kind, n) in steps.into_iter().chain(finish) {
            let (u, place) = (unit as usize, at(unit));
            if whole[u] {
                continue;
            }
            match kind {
                0 => {
                    a.fail(place);
                    a.begin(place, unit.into(), 1, now);
                    got[u] = 0;
                }
                1 => {
                    now += 100 * MS * n as u32;
                    a.tick(now, n % 2 == 0);
                }
                2 if got[u] == 0 => {}
                2 => a.mark(place, 1, mark(got[u] as u64)),
                3 => {
                    a.suspend(place);
                    prop_assert!(a.go_on(place, 1, now));
                }
                8 => {
                    prop_assert_eq!(got[u], end);
                    prop_assert_eq!(a.complete(place, 1, Fingerprint(0)), Completion::Taken);
                    whole[u] = true;
                }
                _ => {
                    let n = n.min(end - got[u]);
                    if n == 0 {
                        continue;
                    }
                    let is_head = a.head(0) == unit;
                    match a.offer(place, 1, content(unit, got[u], n), 0, now) {
                        Offer::Taken => got[u] += n,
                        Offer::Gone => prop_assert!(false, "an attempt lost its unit"),
                        Offer::Pause(same) => {
                            prop_assert!(!is_head, "a head was paused");
                            // The pause ends by itself.
                            a.tick(now + LONGEST_PAUSE, false);
                            prop_assert_eq!(a.offer(place, 1, same, 0, now), Offer::Taken);
                            got[u] += n;
                        }
                    }
                }
            }
            prop_assert!(a.held() <= budget);
            disk.carry_out(&mut a);
        }
        prop_assert!(a.is_complete());
        let expect: Vec<u8> = (0..6).flat_map(|u| content(u, 0, end).to_vec()).collect();
        prop_assert_eq!(disk.output, expect);
        prop_assert_eq!(disk.recorded, 6);
    }
}

//! What the planner makes of networks in the simulator: a few of each kind here, all of them in `cargo xtask sim`.

#[path = "../../examples/sim/gates.rs"]
mod gates;
#[path = "../../examples/sim/model.rs"]
mod model;
#[path = "../../examples/sim/profiles.rs"]
mod profiles;

use gates::Compared;

#[test]
fn nearly_as_fast_as_the_best_number_that_could_have_been_chosen() {
    for (name, setting) in
        profiles::all().into_iter().filter(|(name, _)| name.contains("00 Mbit/s, ") || !name.contains("Mbit"))
    {
        let compared = Compared::new(&setting, &[4, 16], 1);
        assert!(compared.ratio() <= 1.1, "{name}: {:?}", compared.ours);
    }
}

#[test]
fn a_server_that_bears_so_many_is_not_asked_for_more_for_long() {
    for above in [2, 6, 12] {
        assert!(gates::throttled(above, 1) < 0.05, "{above}");
    }
}

#[test]
fn what_a_server_refuses_now_and_then_does_not_slow_it_down_for_long() {
    for (name, setting) in
        profiles::refusing().into_iter().filter(|(name, _)| name.starts_with("slow, 300 kB/s"))
    {
        let mean = (0..4).map(|seed| gates::refused(&setting, seed)).sum::<f64>() / 4.0;
        assert!(mean <= 1.0, "{name}: {mean}");
    }
}

#[test]
fn errors_are_not_answered_by_a_storm() {
    let (requests, lost) = gates::requests_with_errors(0..10);
    assert!(
        requests <= 1.25 && lost <= 0.0,
        "{requests} requests for each unit, {lost} of the downloads not whole"
    );
}

#[test]
fn an_outage_costs_its_time_and_no_attempt() {
    for seed in 0..10 {
        let (requests, attempts, lost) = gates::outage(seed);
        assert!(requests <= 2.0 && attempts <= 3 && lost < 30.0, "{seed}: {requests}, {attempts}, {lost} s");
    }
}

#[test]
fn others_on_the_same_link_keep_their_part() {
    for (mbit, ms) in [(10.0, 20.0), (100.0, 50.0)] {
        assert!(gates::part_of_others(mbit, ms, 1) >= 0.8);
    }
}

#[test]
fn programs_that_fail_together_do_not_come_back_together() {
    let (repeated, canaries) = gates::spread(500);
    assert!(repeated >= 0.5 && canaries >= 0.5, "{repeated} {canaries}");
}

#[test]
fn whatever_the_network_does_every_unit_comes_once() {
    for seed in 0..60 {
        if let Err(what) = gates::comes_whole(seed) {
            panic!("{what}");
        }
    }
}

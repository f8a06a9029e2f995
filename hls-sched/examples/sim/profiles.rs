//! The networks that the planner has to do well on.

use super::model::{Of, Refusals, Setting};

/// Bytes per second of so many megabits.
fn megabits(n: f64) -> f64 {
    n * 125_000.0
}

/// A download that takes some minutes on a link of so many megabits.
pub(crate) fn plain(mbit: f64, round_trip_ms: f64, per_connection: Option<f64>) -> Setting {
    let link = megabits(mbit);
    let usable = per_connection.map_or(link, |cap| link.min(cap * 16.0));
    // Segments of some seconds of a stream that such a link carries.
    let unit_bytes = (usable / 6.0).clamp(60_000.0, 4_000_000.0);
    Setting {
        link,
        round_trip: round_trip_ms / 1000.0,
        per_connection,
        throttle_above: None,
        refusals: None,
        errors: 0,
        stalls: 0,
        outage: None,
        others: 0,
        units: (usable * 150.0 / unit_bytes) as u64,
        unit_bytes,
        fixed: None,
    }
}

/// Every link, near and far, with and without a limit for each connection, and with all that a server may do.
pub(crate) fn all() -> Vec<(String, Setting)> {
    let mut all = Vec::new();
    for mbit in [1.0, 10.0, 100.0, 1000.0] {
        for ms in [10.0, 100.0, 300.0] {
            all.push((format!("{mbit} Mbit/s, {ms} ms"), plain(mbit, ms, None)));
        }
        let cap = megabits(mbit) / 10.0;
        all.push((format!("{mbit} Mbit/s, 50 ms, a tenth for each"), plain(mbit, 50.0, Some(cap))));
    }
    for above in [2, 6, 12] {
        let setting = Setting { throttle_above: Some(above), ..plain(100.0, 50.0, Some(megabits(5.0))) };
        all.push((format!("429 above {above}"), setting));
    }
    all.push(("1 % stalls".into(), Setting { stalls: 1, ..plain(100.0, 50.0, Some(megabits(10.0))) }));
    all.push(("others on the link".into(), Setting { others: 2, ..plain(100.0, 50.0, None) }));
    all
}

/// Links on which a download takes about half a minute, and such on which it takes few seconds.
fn short() -> [(&'static str, Setting); 6] {
    let of = |mbit, ms, per_connection, units, unit_bytes| Setting {
        units,
        unit_bytes,
        ..plain(mbit, ms, per_connection)
    };
    [
        ("slow, 300 kB/s for each", of(1000.0, 80.0, Some(300_000.0), 30, 1_550_000.0)),
        ("slow, 2 MB/s for each", of(1000.0, 80.0, Some(2_000_000.0), 150, 3_000_000.0)),
        ("slow, 10 Mbit/s", of(10.0, 50.0, None, 40, 600_000.0)),
        ("slow, far", of(20.0, 300.0, None, 60, 800_000.0)),
        ("fast, 1 Gbit/s", of(1000.0, 20.0, None, 200, 1_000_000.0)),
        ("fast, small", of(100.0, 20.0, None, 300, 60_000.0)),
    ]
}

/// Servers that refuse some requests although they could serve them.
pub(crate) fn refusing() -> Vec<(String, Setting)> {
    let mut all = Vec::new();
    for (link, setting) in short() {
        let all_of = [
            ("early", Of::Unit(1)),
            ("third", Of::Unit(2)),
            ("late", Of::Unit(setting.units - 2)),
            ("once", Of::Unit(setting.units / 2)),
            ("one in eight once", Of::Units(8, 3)),
            ("one in eight", Of::Requests(8)),
            ("one of four once", Of::Units(4, 1)),
            ("one of four", Of::Requests(4)),
        ];
        for (which, of) in all_of {
            for (answer, too_many, retry_after) in [
                ("503", false, None),
                ("503+1", false, Some(1.0)),
                ("429", true, None),
                ("429+1", true, Some(1.0)),
            ] {
                let refusals = Some(Refusals { of, too_many, retry_after });
                all.push((format!("{link}: {which} {answer}"), Setting { refusals, ..setting.clone() }));
            }
        }
    }
    all
}

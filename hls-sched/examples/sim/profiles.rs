//! The networks that the planner has to do well on.

use super::model::Setting;

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

//! Hours of live streams in which everything goes wrong; days of them in `cargo xtask sim --live`. And that who judges them
//! notices what is done badly.

#[path = "../../examples/sim/live/mod.rs"]
mod live;

use std::time::Duration;

use hls_sched::{News, Reading};
use live::{Hands, day};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn whatever_goes_wrong_what_could_be_had_is_had_once() -> Result<(), String> {
    for seed in 0..40 {
        let day = day(seed, HOUR, Hands::STEADY)?;
        assert!(day.wrong.is_empty(), "{}: {:?}", day.what, day.wrong);
        // Machines that sleep for most of an hour have little.
        assert!(day.owed > 40 && day.told >= day.had && day.had >= day.owed, "{}", day.what);
        assert!(day.looks > 40 && day.named < 4000, "{}", day.what);
    }
    Ok(())
}

/// All that is said of some streams when something is done badly.
fn said_of(hands: Hands) -> Result<String, String> {
    let days = (0..20).map(|seed| day(seed, HOUR, hands)).collect::<Result<Vec<_>, _>>()?;
    Ok(days.iter().flat_map(|day| day.wrong.clone()).collect::<Vec<_>>().join("\n"))
}

fn news(reading: Reading, change: impl Fn(&mut News)) -> Reading {
    match reading {
        Reading::News(mut news) => {
            change(&mut news);
            Reading::News(news)
        }
        other => other,
    }
}

#[test]
fn what_is_done_badly_is_noticed() -> Result<(), String> {
    let steady = Hands::STEADY;
    let one_less: fn(usize, Reading) -> Reading =
        |look, reading| news(reading, |news| news.from += usize::from(look == 100));
    let one_more: fn(usize, Reading) -> Reading =
        |look, reading| news(reading, |news| news.from = news.from.saturating_sub(usize::from(look > 90)));
    let silent: fn(usize, Reading) -> Reading = |_, reading| news(reading, |news| news.lost = None);
    let deaf: fn(usize, Reading) -> Reading = |_, reading| match reading {
        Reading::News(News { restarted: true, .. }) => Reading::Older,
        other => other,
    };
    for (defect, hands, said) in [
        ("one segment is left out, once", Hands { reading: one_less, ..steady }, "are missing behind"),
        ("one segment too many is taken", Hands { reading: one_more, ..steady }, "came behind"),
        ("what is lost is not said", Hands { reading: silent, ..steady }, "0 are named"),
        ("a restart is not noticed", Hands { reading: deaf, ..steady }, "could have been had"),
        ("it looks late", Hands { wait: |wait| wait * 9, ..steady }, "could have been had"),
        ("it looks too often", Hands { wait: |wait| wait / 3, ..steady }, "three looks in a target duration"),
    ] {
        let all = said_of(hands)?;
        assert!(all.contains(said), "{defect}: {all}");
    }
    assert_eq!(said_of(steady)?, "");
    Ok(())
}

//! Encoders that start again, edges that are behind, names that change: each test says what a careful human would want.

use hls_testkit::Restart;

use super::*;

const AT: Duration = Duration::from_secs(31);

/// All that was ever offered is there, once, in the order in which it was made.
async fn nothing_is_lost_or_doubled(name: &str, broadcast: Broadcast) -> Result<Recorded, Box<dyn Error>> {
    let recorded = record(&broadcast, Duration::from_millis(40), |job| job).await?;
    recorded.has_all().map_err(|error| format!("{name}: {error}"))?;
    Ok(recorded)
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_starts_again_at_0_goes_on_behind_what_is_there() -> Outcome {
    let dated = |broadcast: Broadcast| broadcast.dated(1_772_323_190_000);
    for (name, restart) in [
        ("at once", Restart::to(AT, 0)),
        ("after a pause", Restart::to(AT, 0).down(SECOND * 7)),
        ("with the names it had", Restart::to(AT, 0).reusing_names()),
        ("with a discontinuity", Restart::to(AT, 0).discontinuity()),
    ] {
        for broadcast in [noise(50), dated(noise(50))] {
            let recorded = nothing_is_lost_or_doubled(name, broadcast.restart(restart.clone())).await?;
            let said = recorded.warnings().iter().filter(|kind| **kind == "live.restarted").count();
            assert_eq!(said, 1, "{name}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_starts_again_inside_the_window_goes_on_behind_what_is_there() -> Outcome {
    // The numbers are given again: both segments of a number are there.
    for (name, restart) in [
        ("a lower number", Restart::to(AT, 18)),
        ("a few numbers back", Restart::back(AT, 3)),
        ("far ahead", Restart::ahead(AT, 1000)),
        ("the next number", Restart::on(AT)),
    ] {
        let dated = noise(50).dated(1_772_323_190_000).restart(restart.clone());
        nothing_is_lost_or_doubled(name, dated).await?;
    }
    nothing_is_lost_or_doubled("a lower number", noise(50).restart(Restart::to(AT, 18))).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn copies_from_an_edge_that_is_behind_are_neither_news_nor_a_restart() -> Outcome {
    for behind in [1, 3, 5] {
        let broadcast = noise(50).stale(SECOND * 10, SECOND * 50, behind);
        let recorded = nothing_is_lost_or_doubled("behind", broadcast).await?;
        assert!(recorded.warnings().is_empty(), "{behind}: {:?}", recorded.warnings());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn segments_under_other_names_are_not_had_again() -> Outcome {
    let recorded = nothing_is_lost_or_doubled("renamed", noise(50).renamed(AT)).await?;
    assert!(recorded.warnings().is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn links_that_expire_are_renewed_from_the_top() -> Outcome {
    let broadcast = noise(60).tokens(SECOND * 15);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let recorded = record_from(air, &broadcast.master_path(), |job| job).await?;
    recorded.is_whole(0, 60)
}

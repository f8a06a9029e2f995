//! Servers of live streams that answer what makes readers spin, or reckon beyond what times can hold.

use hls_testkit::LowLatency;

use super::*;

/// What is made of the playlist by how many have gone before.
type Rewrite = fn(usize, String) -> String;

/// The playlist at first; then the update that somebody else has asked for, whatever is asked.
fn update_of_others(loads: usize, playlist: String) -> String {
    if loads < 2 {
        return playlist;
    }
    "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
     #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0\n#EXT-X-MEDIA-SEQUENCE:700\n\
     #EXT-X-SKIP:SKIPPED-SEGMENTS=20\n#EXTINF:2,\nx.ts\n"
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_update_for_every_load_is_no_reason_to_load_at_once() -> Outcome {
    let low = || LowLatency::new(SECOND / 2).deltas(SECOND * 12);
    for (name, low) in [("waits", low()), ("does not wait", low().without_blocking())] {
        let broadcast = noise(100).low_latency(low);
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(1)).rewritten(update_of_others);
        let folder = Folder::new()?;
        let job = job(&air, &broadcast.playlist_path(0, 0)).output(folder.file("out.ts"));
        let _ = stopped_after(job, SECOND * 60).await;
        let polls = air.transmission().polls(0).len();
        // Two in a target duration, as from any server that has nothing new.
        assert!((20..=70).contains(&polls), "{name}: {polls} in a minute");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_duration_in_a_playlist_is_too_long_to_reckon_with() -> Outcome {
    fn target(_: usize, playlist: String) -> String {
        playlist.replace("TARGETDURATION:2", "TARGETDURATION:9223372036854775808")
    }
    fn all(_: usize, playlist: String) -> String {
        let playlist = playlist.replace("TARGETDURATION:2", "TARGETDURATION:18446744073709551615");
        playlist.replace("#EXTINF:2", "#EXTINF:18446744073708")
    }
    fn late(loads: usize, playlist: String) -> String {
        if loads < 3 { playlist } else { all(loads, playlist) }
    }
    fn control(_: usize, playlist: String) -> String {
        playlist.replace(
            "TARGETDURATION:2",
            "TARGETDURATION:2640000000000000000\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=18446744073709",
        )
    }
    let rewrites: [(&str, Rewrite); 4] =
        [("target", target), ("all", all), ("late", late), ("control", control)];
    for (name, rewrite) in rewrites {
        let broadcast = noise(40).window(40);
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40)).rewritten(rewrite);
        let recorded = record_from(air, &broadcast.playlist_path(0, 0), |job| job).await?;
        recorded.has_all_of_it().map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

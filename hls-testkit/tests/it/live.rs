//! Broadcasts over sockets, and ffmpeg on what they are made of.

use std::error::Error;
use std::time::Duration;

use hls_testkit::judge::{self, Verdict, ffmpeg_silent};
use hls_testkit::{Broadcast, Media, Of, Origin, Outage, Reply};

use crate::client::get;

type Outcome = Result<(), Box<dyn Error>>;

const PLAYLIST: &str = "/live/a/video/index.m3u8";

#[test]
fn a_window_slides_in_real_time() -> Outcome {
    let origin = Origin::start();
    let live =
        Broadcast::synthetic(Duration::from_millis(50), 2000).window(3).running(3).total(6).publish(&origin);
    let first = get(&origin, PLAYLIST, &[])?;
    assert_eq!(first.status, "HTTP/1.1 200 OK");
    let ended = origin.wait_until(Duration::from_secs(5), |origin| {
        get(origin, PLAYLIST, &[])
            .is_ok_and(|answer| String::from_utf8_lossy(&answer.body).contains("#EXT-X-ENDLIST"))
    });
    assert!(ended);
    assert!(live.elapsed() >= Duration::from_millis(150));
    let offers = live.offered(0);
    assert_eq!(offers.len(), 6);
    let last = get(&origin, &offers[5].path, &["range: bytes=188-375"])?;
    assert_eq!(
        (last.status.as_str(), &last.body[..]),
        ("HTTP/1.1 206 Partial Content", &offers[5].bytes()[188..376])
    );
    assert_eq!(live.bytes(0, 4, 6), [offers[4].bytes(), offers[5].bytes()].concat());
    assert_eq!(live.polls(0).len(), live.asked().len() - 1);
    Ok(())
}

#[test]
fn faults_reach_the_socket_and_scripts_go_before_them() -> Outcome {
    let origin = Origin::start();
    let broadcast = Broadcast::synthetic(Duration::from_secs(1), 2000);
    let minute = Duration::from_secs(60);
    broadcast
        .outage(Outage::new(Of::Playlists, Duration::ZERO, minute).status(502))
        .outage(Outage::new(Of::Segments, Duration::ZERO, minute).reset())
        .publish(&origin);
    assert_eq!(get(&origin, PLAYLIST, &[])?.status, "HTTP/1.1 502 Status");
    assert_eq!(
        get(&origin, "/live/a/video/seg00001.ts", &[]).map(|answer| answer.body.len()).unwrap_or(0),
        0
    );
    origin.script(PLAYLIST, [Reply::status(404)]);
    assert_eq!(get(&origin, PLAYLIST, &[])?.status, "HTTP/1.1 404 Not Found");
    Ok(())
}

/// ffmpeg decodes what a recording has to be, and reads as much from the playlist.
fn check(name: &str, media: Media) -> Outcome {
    if !judge::has_tool("ffmpeg") {
        judge::skip("ffmpeg is not installed");
        return Ok(());
    }
    let broadcast =
        Broadcast::from_media(media).running(14).window(14).total(14).aes128(*b"0123456789abcdef");
    let origin = Origin::start();
    let live = broadcast.publish(&origin);
    let file = std::env::temp_dir().join(format!("hls-testkit-live-{}-{name}", std::process::id()));
    std::fs::write(&file, live.bytes(0, 0, 14))?;
    assert_eq!(ffmpeg_silent(&file), Verdict::Fine, "{name}");
    assert_eq!(ffmpeg_silent(&live.playlist_url), Verdict::Fine, "{name}");
    std::fs::remove_file(&file)?;
    Ok(())
}

#[test]
fn real_media_goes_round_without_a_seam() -> Outcome {
    check("round.ts", Media::Ts)?;
    check("round.mp4", Media::Fmp4)?;
    check("round.aac", Media::AudioAdts)
}

#[test]
fn sound_of_its_own_is_in_step_with_the_picture() -> Outcome {
    if !judge::has_tool("ffprobe") {
        judge::skip("ffprobe is not installed");
        return Ok(());
    }
    let segment = Duration::from_millis(1500);
    let origin = Origin::start();
    let broadcast =
        Broadcast::from_media(Media::Ts).real_audio("en", segment, 700).running(8).window(8).total(8);
    let live = broadcast.publish(&origin);
    let start = |path: &str, kind: &str| -> Result<f64, Box<dyn Error>> {
        let url = origin.url(path);
        let run = std::process::Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-select_streams",
                kind,
                "-show_entries",
                "packet=pts_time",
                "-of",
                "csv=p=0",
            ])
            .arg(url)
            .output()?;
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        Ok(text.lines().next().unwrap_or_default().trim_end_matches(',').parse()?)
    };
    let picture = start(&broadcast.playlist_path(0, 0), "v:0")?;
    let sound = start(&broadcast.playlist_path(1, 0), "a:0")?;
    assert!((picture - sound).abs() < 0.05, "{picture} and {sound}");
    assert_eq!(live.offered(1).last().map(|o| (o.start + o.duration).as_millis()), Some(16_080));
    Ok(())
}

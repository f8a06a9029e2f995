//! Playlists that lie on the disk.

use std::io::Write as _;
use std::process::Stdio;

use hls_testkit::{Media, Origin, Vod};

use crate::support::{Folder, Outcome, same};

/// A folder `show` with a playlist and two segments, and a segment above it.
fn laid_out(folder: &Folder, last: &str) -> Outcome {
    let [first, second, ..] = Media::Ts.segments();
    std::fs::create_dir(folder.file("show"))?;
    std::fs::write(folder.file("show/one.ts"), first)?;
    std::fs::write(folder.file("show/two.ts"), second)?;
    std::fs::write(folder.file("outside.ts"), second)?;
    let text =
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\none.ts\n#EXTINF:2,\n{last}\n#EXT-X-ENDLIST\n");
    std::fs::write(folder.file("show/list.m3u8"), text)?;
    Ok(())
}

#[test]
fn segments_beside_it() -> Outcome {
    let folder = Folder::new()?;
    laid_out(&folder, "two.ts")?;
    folder.run(&["get", "show/list.m3u8", "-o", "out.ts"])?.ok();
    same(&folder.read("out.ts")?, &Media::Ts.segments()[..2].concat());
    Ok(())
}

#[test]
fn segments_elsewhere_are_refused() -> Outcome {
    let mut places = vec!["../outside.ts", "/etc/hostname", "file:///etc/hostname"];
    if cfg!(unix) {
        places.push("link.ts");
    }
    for place in places {
        let folder = Folder::new()?;
        laid_out(&folder, place)?;
        #[cfg(unix)]
        std::os::unix::fs::symlink("../outside.ts", folder.file("show/link.ts"))?;
        let run = folder.run(&["get", "show/list.m3u8", "-o", "out.ts", "--retries", "0"])?;
        assert!(matches!(run.status.code(), Some(3 | 6 | 7 | 10)), "{place}: {} {}", run.status, run.err);
        assert!(!folder.file("out.ts").exists(), "{place}");
    }
    Ok(())
}

#[test]
fn a_base_says_where_it_came_from() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(3, 20_000).publish(&origin);
    let folder = Folder::new()?;
    std::fs::write(folder.file("list.m3u8"), &stream.playlist)?;
    folder.run(&["get", "list.m3u8", "--base", &stream.url, "-o", "out.ts"])?.ok();
    same(&folder.read("out.ts")?, &stream.expected);
    assert!(origin.requests_for(&stream.playlist_path).is_empty());
    Ok(())
}

#[test]
fn a_playlist_from_a_pipe() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(3, 20_000).publish(&origin);
    let folder = Folder::new()?;
    let mut command = folder.hls(&["get", "-", "--base", &stream.url, "-o", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Taken, so that the pipe ends.
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stream.playlist.as_bytes())?;
    }
    let run = child.wait_with_output()?;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    same(&run.stdout, &stream.expected);
    Ok(())
}

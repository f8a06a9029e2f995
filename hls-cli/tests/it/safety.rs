//! What a playlist or a server can try, and what is promised against it.

use hls_testkit::{Media, Origin, judge};

use crate::support::{Folder, Outcome, Run};

/// Where a hostile URI may stand.
const PLACES: [&str; 7] = ["segment", "key", "map", "variant", "rendition", "redirect", "entrance"];

/// Puts a stream on an origin that leads to `uri` in one place; returns the URL to begin with.
fn lure(origin: &Origin, place: &str, uri: &str) -> String {
    let media = |tag: &str, segment: &str| {
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{tag}#EXTINF:2,\n{segment}\n#EXT-X-ENDLIST\n")
    };
    origin.put("/good.ts", Media::Ts.segments()[0]);
    origin.put("/good.m3u8", media("", "good.ts"));
    origin.redirect("/hop", uri);
    let (path, text) = match place {
        "segment" => ("/index.m3u8", media("", uri)),
        "key" => ("/index.m3u8", media(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\"\n"), "good.ts")),
        "map" => ("/index.m3u8", media(&format!("#EXT-X-MAP:URI=\"{uri}\"\n"), "good.ts")),
        "variant" => {
            ("/index.m3u8", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64000c\"\n{uri}\n"))
        }
        "rendition" => (
            "/index.m3u8",
            format!(
                "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=YES,URI=\"{uri}\"\n\
                 #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64000c,mp4a.40.2\",AUDIO=\"a\"\ngood.m3u8\n"
            ),
        ),
        "redirect" => ("/index.m3u8", media("", "hop")),
        _ => ("/index.m3u8", String::new()),
    };
    origin.put(path, text);
    origin.url(if place == "entrance" { "/hop" } else { path })
}

/// Downloads what leads to `uri` in this place, from a folder with a canary in it.
fn follow(place: &str, uri: &str, more: &[&str]) -> Result<Run, Box<dyn std::error::Error>> {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    std::fs::write(folder.file("canary"), "sesame")?;
    let url = lure(&origin, place, uri);
    let run = folder.run(&[&["get", &url, "-o", "out.ts", "--format", "join"], more].concat())?;
    assert!(!folder.file("out.ts").exists() || more.contains(&"--allow-private"), "{place}: {}", run.err);
    Ok(run)
}

#[test]
fn another_private_address_sees_no_connection() -> Outcome {
    let Ok(canary) = Origin::bind("127.0.0.2:0") else {
        judge::skip("this machine has no second loopback address");
        return Ok(());
    };
    canary.put("/x", "x");
    for place in PLACES {
        let run = follow(place, &canary.url("/x"), &[])?;
        let said = run.fails(6, "policy.private_address");
        said.has("next", &["--allow-private"]).has("where", &["127.0.0.2"]);
        assert!(run.err.contains("127.0.0.2 is a loopback address"), "{}", run.err);
        let hidden = canary.url("/x").replace("127.0.0.2", "0x7f.2");
        follow(place, &hidden, &[])?.fails(6, "policy.private_address");
    }
    assert_eq!(canary.connections(), 0);
    follow("segment", &canary.url("/x"), &["--allow-private"])?;
    assert!(canary.connections() > 0, "the flag allows it");
    Ok(())
}

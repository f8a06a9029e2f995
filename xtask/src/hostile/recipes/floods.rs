//! Little that a server sends, and much that could become of it.

use anyhow::Result;
use hls_testkit::{Bytes, Media, Origin, Reply, Request, Resource};

use super::Verdict;
use crate::hostile::case::outlaw;
use crate::hostile::run::Try;
use crate::hostile::show::{Container, Show};

/// A flood that ends with any documented code but within memory and time; exit 0 only where all of it may be right.
fn judged(t: &Try<'_>, args: &[&str]) -> Result<Verdict> {
    let end = t.run(args)?;
    Ok(outlaw(&end).unwrap_or_else(|| match end.code() {
        Some(0) => Verdict::Right,
        _ => Verdict::Refused(end.kind()),
    }))
}

/// A large cookie, or many, with each answer.
pub(super) fn cookies(t: &mut Try<'_>) -> Result<Verdict> {
    let origin = Origin::start();
    let n = t.number("answers", 200..=1500) as usize;
    let published = hls_testkit::Vod::synthetic(n, 2000).publish(&origin);
    let (size, many) = t.pick("cookies", &[(50_000, 1), (3_900, 14), (100, 200), (4_000, 1)])?;
    let path = t.pick("path", &["/none", "/", "/vod"])?;
    let value = "x".repeat(size);
    let playlist = published.playlist_path.clone();
    origin.rule(move |request: &Request| {
        let at = request.path.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let body = (request.path != playlist)
            .then(|| published.files.iter().find(|(path, _)| *path == request.path))??;
        let fields =
            (0..many).map(|nth| format!("Set-Cookie: c{at}x{nth}={value}; Path={path}")).collect::<Vec<_>>();
        let length = format!("Content-Length: {}", body.1.len());
        let fields = fields.iter().map(String::as_str).chain([length.as_str()]).collect::<Vec<_>>();
        Some(crate::hostile::show::raw("200 OK", &fields, &body.1))
    });
    judged(t, &["get", &published.url, "-o", "out.ts"])
}

/// More cues than anybody could read.
pub(super) fn cues(t: &mut Try<'_>, each: std::ops::RangeInclusive<u64>) -> Result<Verdict> {
    let origin = Origin::start();
    let (n, segments) = (t.number("cues in a segment", each), t.number("segments", 1..=3));
    let mut list = "#EXTM3U\n#EXT-X-TARGETDURATION:600\n".to_owned();
    for at in 0..segments {
        let mut text = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:126000\n\n".to_owned();
        for cue in 0..n {
            let ms = (at * n + cue) % 3_000_000;
            text += &format!(
                "{:02}:{:02}.{:03} --> 59:59.000\n{cue}\n\n",
                ms / 60_000,
                ms / 1000 % 60,
                ms % 1000
            );
        }
        origin.put(&format!("/{at}.vtt"), text.into_bytes());
        list += &format!("#EXTINF:600,\n{at}.vtt\n");
    }
    origin.put("/words.m3u8", (list + "#EXT-X-ENDLIST\n").into_bytes());
    let name = t.pick("to", &["out.srt", "out.vtt", "-"])?;
    judged(t, &["get", &origin.url("/words.m3u8"), "-o", name])
}

/// Samples without bytes (ISO/IEC 14496-12, section 8.8.8): a `trun` that takes its size from elsewhere claims any number of them.
pub(super) fn samples(t: &mut Try<'_>) -> Result<Verdict> {
    let n = t.number("samples of a run", 10_000..=400_000) as u32;
    let runs = t.number("fragments", 1..=400);
    let size = t.pick("size of each", &[0_u32, 0, 1])?;
    let is_listed = t.pick("each size is listed", &[false, true])?;
    let show = Show::new(Container::Fmp4, 3, 1)?;
    let boxed =
        |name: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat();
    let words = |all: &[u32]| all.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    let mut flood = Vec::new();
    // Where sizes are listed, they are the flood, and few runs are enough.
    let runs = if is_listed { runs.min(3) } else { runs };
    for at in 0..runs {
        let tfhd = boxed(b"tfhd", &words(&[0x0002_0038, 1, 512, size, 0x0101_0000]));
        let tfdt = boxed(b"tfdt", &words(&[0, at as u32 * n]));
        let listed = if is_listed { words(&vec![size; n as usize]) } else { Vec::new() };
        let flags = if is_listed { 0x201 } else { 1 };
        let run = |offset: u32| boxed(b"trun", &[words(&[flags, n, offset]), listed.clone()].concat());
        let moof = |offset: u32| {
            let traf = boxed(b"traf", &[&tfhd[..], &tfdt, &run(offset)].concat());
            boxed(b"moof", &[boxed(b"mfhd", &words(&[0, at as u32])), traf].concat())
        };
        let offset = moof(0).len() as u32 + 8;
        flood.extend(moof(offset));
        flood.extend(boxed(b"mdat", b"nothing"));
    }
    let show = show.with(1, flood);
    let origin = Origin::start();
    let published = show.vod().publish(&origin);
    let name = t.pick("to", &["out.mp4", "out.m4s", "-"])?;
    judged(t, &["get", &published.url, "-o", name])
}

/// A body, a head or a code that goes on without end.
pub(super) fn endless(t: &mut Try<'_>) -> Result<Verdict> {
    let show = Show::draw(&mut t.dice, &[Container::Ts, Container::Fmp4, Container::Adts], 4)?;
    t.note(show.about());
    let origin = Origin::start();
    let published = show.vod().publish(&origin);
    let what = t.pick(
        "endless",
        &["zeros coded with gzip", "gzip in gzip", "field lines", "cookies of one answer", "interim answers"],
    )?;
    let reply = match what {
        "zeros coded with gzip" => Reply::serving(Resource::gzipped(&vec![0; 200 << 20])),
        "gzip in gzip" => {
            let inner = Resource::gzipped(&vec![0; 100 << 20]);
            Reply::serving(Resource::gzipped(inner.body()).header("content-encoding", "gzip, gzip"))
        }
        "field lines" => {
            Reply::raw(["HTTP/1.1 200 OK\r\n".to_owned(), "X-Field: y\r\n".repeat(500_000)].concat())
        }
        "cookies of one answer" => {
            Reply::raw(["HTTP/1.1 200 OK\r\n".to_owned(), "Set-Cookie: a=b\r\n".repeat(500_000)].concat())
        }
        _ => Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(300_000)),
    };
    let is_key = show.is_encrypted && t.dice.below(2) == 0;
    let paths = if is_key { &published.key_paths } else { &published.segment_paths };
    paths.iter().for_each(|path| origin.script(path, [reply.clone().forever()]));
    let end = t.run(&["get", &published.url, "-o", "out.ts", "--format", "join"])?;
    Ok(outlaw(&end).unwrap_or_else(|| match end.code() {
        Some(0) => Verdict::Wrong("exit 0".to_owned()),
        _ => Verdict::Refused(end.kind()),
    }))
}

/// A playlist of very many segments, in which each is small or none is there.
pub(super) fn many(t: &mut Try<'_>) -> Result<Verdict> {
    let what = t.pick("they are", &["declared missing", "ranges of one file", "gone"])?;
    let n = t.number("segments", 500..=if what == "declared missing" { 20_000 } else { 2000 });
    listed(t, what, n)
}

/// A playlist of very many segments that are declared missing.
pub(super) fn missing(t: &mut Try<'_>) -> Result<Verdict> {
    let n = t.number("segments", 85_000..=95_000);
    listed(t, "declared missing", n)
}

fn listed(t: &Try<'_>, what: &str, n: u64) -> Result<Verdict> {
    let origin = Origin::start();
    let mut text = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n".to_owned();
    for at in 0..n {
        text += if what == "declared missing" && at > 0 { "#EXT-X-GAP\n" } else { "" };
        text += "#EXTINF:0.01,\n";
        text += &if what == "ranges of one file" {
            format!("#EXT-X-BYTERANGE:188@{}\nall.ts\n", 188 * (at % 50))
        } else {
            format!("{at}.ts\n")
        };
    }
    origin.put("/index.m3u8", (text + "#EXT-X-ENDLIST\n").into_bytes());
    let body = Bytes::from_static(Media::Ts.segments()[0]);
    origin.put("/0.ts", body.clone());
    origin.put("/all.ts", body);
    let more = if what == "ranges of one file" { &[][..] } else { &["--allow-gaps"] };
    let end =
        t.run(&[&["get", &origin.url("/index.m3u8"), "-o", "out.ts", "--retries", "0"], more].concat())?;
    Ok(outlaw(&end).unwrap_or_else(|| match end.code() {
        Some(0) => Verdict::Right,
        _ => Verdict::Refused(end.kind()),
    }))
}

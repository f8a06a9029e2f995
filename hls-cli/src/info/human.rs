//! `hls info` for people: 80 columns, and commands to copy.

use std::fmt::Write as _;

use hls_fetch::escaped;
use hls_parse::{Encryption, Rendition, RenditionType, Variant};

use super::{Found, Note, facts};
use crate::human::{bytes, count, duration};

/// Warnings that are worth a line each; --json has all.
const MOST_NOTES: usize = 20;
const COLUMNS: usize = 80;

/// The whole answer.
pub(super) fn page(found: &Found) -> String {
    let mut page = format!("{}\n", headline(found));
    let mut words = found.media.as_ref().map(facts::of_media).unwrap_or_default();
    words.extend(found.multivariant.iter().flat_map(facts::of_multivariant));
    page.push_str(&facts::lines(&words));
    if let Some(playlist) = &found.multivariant {
        page.push_str(&variants(found, &playlist.variants));
        page.push_str(&renditions(&playlist.renditions));
    }
    page.push_str(&notes(&found.notes));
    page.push_str(&commands(found));
    page
}

fn headline(found: &Found) -> String {
    let kind = match &found.multivariant {
        Some(playlist) => count(playlist.variants.len() as u64, "variant"),
        None => "media playlist".to_owned(),
    };
    let Some(media) = &found.media else { return format!("{kind}, duration unknown") };
    let time = duration(media.duration());
    let segments = count(media.segments().len() as u64, "segment");
    let life = if media.ended { format!("VOD, {time}") } else { format!("live, {time} in the playlist") };
    let encryption = match found.encryption()[..] {
        [] => "not encrypted".to_owned(),
        ref all => all.iter().map(|e| shown(e)).collect::<Vec<_>>().join(", "),
    };
    format!("{kind}, {life}, {segments}, {encryption}")
}

fn shown(encryption: &Encryption) -> String {
    // Names of methods and key formats come from the playlist.
    escaped(&encryption.to_string(), 120)
}

fn variants(found: &Found, variants: &[Variant]) -> String {
    let mut table = String::from("\n  #  resolution   fps    bandwidth       size  codecs\n");
    let seconds = found.media.as_ref().filter(|m| m.ended).map(|m| m.duration().as_secs_f64());
    for (n, variant) in variants.iter().enumerate() {
        let resolution = variant.resolution.map_or("-".to_owned(), |r| format!("{}x{}", r.width, r.height));
        let fps = variant.frame_rate.map_or("-".to_owned(), rate);
        let bandwidth = variant.bandwidth.or(variant.average_bandwidth);
        let mean = variant.average_bandwidth.or(variant.bandwidth);
        let size = match (mean, seconds) {
            (Some(bits), Some(seconds)) => format!("~{}", bytes((bits as f64 / 8.0 * seconds) as u64)),
            _ => "-".to_owned(),
        };
        let bandwidth = bandwidth.map_or("-".to_owned(), bits);
        let row = format!("{:>3}  {resolution:<10} {fps:>5}  {bandwidth:>11}  {size:>9}  ", n + 1);
        let mark = if found.best == Some(n) { " (best)" } else { "" };
        let room = COLUMNS.saturating_sub(row.len() + mark.len() + 1);
        let codecs = variant.codecs.as_deref().unwrap_or("-");
        let _ = writeln!(table, "{row}{}{mark}", cut(codecs, room));
    }
    table
}

fn renditions(renditions: &[Rendition]) -> String {
    let mut list = String::new();
    for rendition in renditions {
        let kind = match rendition.kind {
            RenditionType::Audio => "audio",
            RenditionType::Video => "video",
            RenditionType::Subtitles => "subtitles",
            RenditionType::ClosedCaptions => "captions",
            _ => "other",
        };
        let mut words =
            format!("  {kind:<9}  {:<8}  {}", cut(&rendition.group, 16), cut(&rendition.name, 24));
        if let Some(language) = &rendition.language {
            let _ = write!(words, ", {}", cut(language, 12));
        }
        if let Some(channels) = &rendition.channels {
            let _ = write!(words, ", {} channels", cut(channels, 8));
        }
        if rendition.default {
            words.push_str(", default");
        }
        if rendition.uri.is_none() {
            words.push_str(", in the variant");
        }
        let _ = writeln!(list, "{words}");
    }
    if list.is_empty() { list } else { format!("\n{list}") }
}

fn notes(notes: &[Note]) -> String {
    let mut list = String::new();
    for note in notes.iter().take(MOST_NOTES) {
        let place = note.line.map_or(String::new(), |line| format!("line {line}: "));
        let _ = writeln!(list, "  {place}{}", escaped(&note.message, 300));
    }
    if let Some(more @ 1..) = notes.len().checked_sub(MOST_NOTES) {
        let _ = writeln!(list, "  and {more} more (--json has them all)");
    }
    if list.is_empty() { list } else { format!("\nwarnings:\n{list}") }
}

fn commands(found: &Found) -> String {
    // A command that is refused when it is run would be no help.
    if let Some(locked) =
        found.encryption().into_iter().find(|one| matches!(one, Encryption::Unsupported { .. }))
    {
        return format!("\nhls get can't decrypt it: {}\n", shown(locked));
    }
    let name = quoted(&found.name);
    let mut list = String::from("\n");
    match &found.multivariant {
        None => list.push_str(&format!("hls get {name}\n")),
        Some(playlist) => {
            for n in 1..=playlist.variants.len() {
                let _ = writeln!(list, "hls get {name} -s {n}");
            }
        }
    }
    if !found.name_is_whole && !list.trim().is_empty() {
        let what =
            if found.name.contains('…') { "…: secrets are not shown" } else { "FILE: the playlist" };
        let _ = writeln!(list, "({what}; put in what you gave)");
    }
    list
}

/// A word for a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Foreign text in at most `room` characters; an escape may exceed it a little.
fn cut(text: &str, room: usize) -> String {
    escaped(text, room)
}

fn rate(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bits per second, in decimal units, as bandwidths are given.
fn bits(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} kbit/s", n / 1000),
        _ => format!("{:.1} Mbit/s", n as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const MASTER: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Eng\u{1b}[31mlish\",LANGUAGE=\"en\",DEFAULT=YES,CHANNELS=\"2\",URI=\"en.m3u8?t=1\"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"cc\",INSTREAM-ID=\"CC1\"
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,FRAME-RATE=25.000,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"a\"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=8000000,AVERAGE-BANDWIDTH=6000000,RESOLUTION=1920x1080,FRAME-RATE=59.94,CODECS=\"hvc1.2.4.L123.B0,mp4a.40.2,and.so.on.and.so.on\"
high.m3u8
";
    const MEDIA: &str =
        "#EXTM3U\n#EXT-X-TARGETDURATION:600\n#EXTINF:600,\na.ts\n#EXTINF:600,\nb.ts\n#EXT-X-ENDLIST\n";

    #[test]
    fn no_command_is_shown_for_what_can_not_be_decrypted() {
        let media = MEDIA.replacen(
            "#EXTINF",
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n#EXTINF",
            1,
        );
        for page in [page(&found(MASTER, Some(&media))), page(&found(&media, None))] {
            assert!(
                !page.contains("hls get '") && page.contains("hls get can't decrypt it: SAMPLE-AES"),
                "{page}"
            );
        }
    }

    #[test]
    fn a_page() {
        let mut found = found(MASTER, Some(MEDIA));
        found.best = Some(1);
        let page = page(&found);
        let expect = "2 variants, VOD, 20:00, 2 segments, not encrypted

  #  resolution   fps    bandwidth       size  codecs
  1  640x360       25   800 kbit/s   ~114 MiB  avc1.64001f,mp4a.40.2
  2  1920x1080  59.94   8.0 Mbit/s   ~858 MiB  hvc1.2.4.L123.B0,mp4a.40.… (best)

  audio      a         Eng\\u{1b}[31mlish, en, 2 channels, default
  captions   cc        cc, in the variant

hls get 'https://h/m/index.m3u8?token=…' -s 1
hls get 'https://h/m/index.m3u8?token=…' -s 2
(…: secrets are not shown; put in what you gave)
";
        assert_eq!(page, expect);
        assert!(page.lines().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn what_is_live_or_unknown_has_no_size() {
        let live = MEDIA.replace("#EXT-X-ENDLIST\n", "");
        let shown = page(&found(MASTER, Some(&live)));
        assert!(shown.starts_with("2 variants, live, 20:00 in the playlist, 2 segments"), "{shown}");
        assert!(!shown.contains('~'));
        assert!(page(&found(MASTER, None)).starts_with("2 variants, duration unknown\n"));
    }

    #[test]
    fn warnings_have_lines_and_an_end() {
        let text = format!("#EXTM3U\n{}#EXT-X-ENDLIST\n", "#EXTINF:-1,\na.ts\n".repeat(40));
        let page = page(&found(&text, None));
        assert!(page.contains("\n  line 2: "), "{page}");
        assert!(page.contains("\n  and 21 more (--json has them all)\n"), "{page}");
    }

    #[test]
    fn words_are_safe_in_a_shell() {
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}

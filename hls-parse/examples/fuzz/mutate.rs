//! Changes that know what a playlist is made of.

use crate::random::Random;

/// What attributes, tags and lines are replaced by.
const EDGES: [&str; 40] = [
    "",
    "0",
    "1",
    "-1",
    "-0",
    "00000000000000000000000000000001",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "0.0000001",
    "1e308",
    "1e999",
    "nan",
    "inf",
    ".",
    "0x",
    "0xZZ",
    "0Xffffffffffffffffffffffffffffffffff",
    "1@",
    "1@18446744073709551615",
    "0@0",
    "\"",
    "\"\"",
    "\"a,b\"",
    "\"{$v}\"",
    "{$v}",
    "{$",
    "\"a\tb\"",
    "YES",
    "NONE",
    "1x1",
    "4294967296x0",
    "http://[",
    "//",
    "data:,",
    "9999-12-31T24:00:00-23:59",
    "0000-00-00T00:00:60.999999999999Z",
];

const LINES: [&str; 44] = [
    "#EXTM3U",
    "#EXTINF:6,a, b",
    "#EXTINF:",
    "#EXT-X-ENDLIST",
    "#EXT-X-GAP",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-DISCONTINUITY-SEQUENCE:18446744073709551610",
    "#EXT-X-MEDIA-SEQUENCE:18446744073709551610",
    "#EXT-X-TARGETDURATION:6",
    "#EXT-X-BYTERANGE:100",
    "#EXT-X-BYTERANGE:100@0",
    "#EXT-X-BITRATE:5000000000",
    "#EXT-X-KEY:METHOD=NONE",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x{$v}",
    "#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"k\",KEYFORMAT=\"f\"",
    "#EXT-X-KEY:METHOD=AES-256-GCM,URI=\"k\",KEYFORMAT=\"g\"",
    "#EXT-X-KEY:URI=\"k\"",
    "#EXT-X-MAP:URI=\"i\"",
    "#EXT-X-MAP:URI=\"i\",BYTERANGE=\"5\"",
    "#EXT-X-PROGRAM-DATE-TIME:20260102T030405,5",
    "#EXT-X-DEFINE:NAME=\"v\",VALUE=\"1\"",
    "#EXT-X-DEFINE:NAME=\"w\",VALUE=\"{$v}{$w}\"",
    "#EXT-X-DEFINE:QUERYPARAM=\"tok\"",
    "#EXT-X-DEFINE:IMPORT=\"imported\"",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=2",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=18446744073709551615,RECENTLY-REMOVED-DATERANGES=\"\"",
    "#EXT-X-PART:DURATION=1,URI=\"p\",BYTERANGE=\"9\"",
    "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"p\",BYTERANGE-START=18446744073709551615,BYTERANGE-LENGTH=1",
    "#EXT-X-RENDITION-REPORT:URI=\"r\"",
    "#EXT-X-DATERANGE:ID=\"1\",CLASS=\"c\",START-DATE=\"9999-12-31T23:59:59Z\",DURATION=1e308,END-ON-NEXT=YES",
    "#EXT-X-DATERANGE:ID=\"1\",SCTE35-IN=0xF,CUE=\"POST\"",
    "#EXT-X-START:TIME-OFFSET=-1e300",
    "#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-X=\"1\"",
    "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\",CODECS=\"\"",
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n",
    "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"",
    "#EXT-X-CUE-OUT",
    "#EXT-X-TILES:RESOLUTION=1x1,LAYOUT=2x2,DURATION=1",
    "# comment",
    "{$v}.ts",
    "http://[",
    "one.ts",
    "",
];

/// Text that mutation never makes longer than this, or a run would be about memory only.
const LONGEST: usize = 64 << 10;

/// Makes a new input of one or two others.
pub(crate) fn mutant(random: &mut Random, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = seed.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let changes = 1 + random.below(6);
    for _ in 0..changes {
        change_lines(random, &mut lines, other);
    }
    let end: &[u8] = match random.below(40) {
        0 => b"\r\n",
        1 => b"\r",
        _ => b"\n",
    };
    let mut text = lines.join(end);
    text.truncate(LONGEST);
    // Most inputs stay what they were as a text, or all would fail at their bytes.
    if random.below(4) == 0 {
        change_bytes(random, &mut text);
    }
    text
}

fn change_lines(random: &mut Random, lines: &mut Vec<Vec<u8>>, other: &[u8]) {
    // The header is left alone mostly: without it, nothing else is read.
    let first = usize::from(random.below(50) > 0).min(lines.len());
    let pick = |random: &mut Random, len: usize| first + random.below(len.saturating_sub(first));
    let at = pick(random, lines.len());
    match random.below(10) {
        0 => {
            let with = pick(random, lines.len());
            if at.max(with) < lines.len() {
                lines.swap(at, with);
            }
        }
        1 if at < lines.len() => {
            let most = if random.below(30) == 0 { 40 } else { 2 };
            let copies = 1 + random.below(most);
            let line = lines.get(at).cloned().unwrap_or_default();
            lines.splice(at..at, std::iter::repeat_n(line, copies));
        }
        2 if at < lines.len() => drop(lines.remove(at)),
        3 => {
            let others: Vec<&[u8]> = other.split(|byte| *byte == b'\n').collect();
            let from = random.below(others.len());
            let count = 1 + random.below(6);
            let taken = others.iter().skip(from).take(count).map(|line| line.to_vec());
            let at = at.min(lines.len());
            lines.splice(at..at, taken.collect::<Vec<_>>());
        }
        4 | 5 => {
            let line = random.one_of(&LINES).copied().unwrap_or_default();
            lines.insert(at.min(lines.len()), line.as_bytes().to_vec());
        }
        _ => {
            if let Some(line) = lines.get_mut(at) {
                change_value(random, line);
            }
        }
    }
}

/// Replaces what stands between two separators, as an attribute, its value, or the value of a tag.
fn change_value(random: &mut Random, line: &mut Vec<u8>) {
    let is_separator = |byte: &u8| matches!(byte, b':' | b',' | b'=' | b'@' | b'"');
    let places: Vec<usize> = (0..line.len()).filter(|at| line.get(*at).is_some_and(is_separator)).collect();
    let begin = random.one_of(&places).map_or(0, |at| at + 1);
    let end = places.iter().copied().find(|at| *at > begin).unwrap_or(line.len());
    let edge = random.one_of(&EDGES).copied().unwrap_or_default();
    let times = if random.below(200) == 0 { 1000 } else { 1 };
    line.splice(begin..end.max(begin), edge.repeat(times).into_bytes());
}

fn change_bytes(random: &mut Random, text: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 => text.truncate(at),
            1 | 2 => {
                if let Some(byte) = text.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            3 => {
                let odd: [&[u8]; 8] =
                    [b"\0", b"\xff", b"\xe9", b"\r", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\t", b"\x1b[31m"];
                let bytes = random.one_of(&odd).copied().unwrap_or_default();
                text.splice(at..at, bytes.iter().copied());
            }
            _ => {
                if at < text.len() {
                    text.remove(at);
                }
            }
        }
    }
}

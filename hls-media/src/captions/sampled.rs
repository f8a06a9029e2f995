//! Cues in the samples of fragmented MP4: `wvtt` (ISO/IEC 14496-30, section 7).

use super::CaptionsError;
use super::segment::{LocalCue, Segment, breaks};
use crate::configuration::Configuration;
use crate::fmp4::children;
use crate::remux::RemuxError;
use crate::remux::clock::scaled;
use crate::remux::fragmented::Fragmented;
use crate::remux::init::find;
use crate::remux::input::Wants;
use crate::remux::sample::{Sample, Sink, TrackInfo};

/// More cues than any real segment has.
const MOST_CUES: usize = 100_000;
/// Bytes of a text sample entry before its child boxes, its own header included (ISO/IEC 14496-12, section 8.5.2).
const ENTRY: usize = 16;

/// Reads a segment with its initialization section before it.
pub(super) fn read(bytes: &[u8]) -> Result<Segment, CaptionsError> {
    let (mut fragmented, mut samples) = (Fragmented::new(Wants::default()), Samples::default());
    fragmented.push(bytes, &mut samples)?;
    fragmented.finish()?;
    let entries = || fragmented.tracks().iter().flat_map(|track| &track.entries);
    if !entries().any(|entry| is_text(entry)) {
        let configuration = Configuration::from_init(bytes).map_err(RemuxError::from)?;
        return Err(CaptionsError::Format(configuration.to_string()));
    }
    let mut segment = samples.segment;
    for entry in entries().filter(|entry| is_text(entry)) {
        segment.blocks.extend(blocks(entry));
    }
    Ok(segment)
}

fn is_text(entry: &[u8]) -> bool {
    entry.get(4..8) == Some(b"wvtt")
}

/// The style sheets and regions of a sample entry: its `vttC` box has what is before the first cue of a file.
fn blocks(entry: &[u8]) -> Vec<String> {
    let header = find(entry.get(ENTRY..).unwrap_or_default(), *b"vttC").ok().flatten();
    header.and_then(|header| Segment::read(header).ok()).map(|segment| segment.blocks).unwrap_or_default()
}

/// Takes samples, and makes cues of those that are text.
#[derive(Debug, Default)]
struct Samples {
    data: Vec<u8>,
    segment: Segment,
}

impl Sink for Samples {
    fn data(&mut self, _track: usize, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    fn sample(&mut self, _track: usize, info: &TrackInfo, sample: Sample) -> Result<(), RemuxError> {
        let data = std::mem::take(&mut self.data);
        if !info.entries.get(usize::from(sample.entry)).is_some_and(|entry| is_text(entry)) {
            return Ok(());
        }
        let begin = sample.pts.saturating_add(info.shift);
        let at = |ticks: i64, unit: i64| scaled(ticks, unit, i64::from(info.timescale));
        if !self.segment.is_sampled {
            // In steps that are whole both in ticks of 90 kHz and in microseconds.
            let steps = at(begin, 10_000);
            self.segment.timestamp = (i128::from(steps) * 9).rem_euclid(1 << 33) as u64;
            self.segment.local = steps.saturating_mul(100);
            (self.segment.is_sampled, self.segment.has_map) = (true, true);
        }
        let end = begin.saturating_add(i64::from(sample.duration));
        let (begin, end) = (at(begin, 1_000_000), at(end, 1_000_000));
        for child in children(&data) {
            match child {
                Ok((name, body)) if &name == b"vttc" => match cue(body) {
                    Some(cue) if cue.text.is_empty() => {}
                    Some(cue) => self.segment.cues.push(LocalCue { begin, end, ..cue }),
                    None => self.segment.unreadable += 1,
                },
                // Nothing to show (`vtte`), or a comment (`vtta`).
                Ok(_) => {}
                Err(_) => self.segment.unreadable += 1,
            }
            if self.segment.cues.len() > MOST_CUES {
                return Err(RemuxError::TooMany { what: "cues in a segment" });
            }
        }
        Ok(())
    }

    fn skipped(&mut self, _track: usize, _offset: u64, _bytes: u64) {}
}

/// The cue in a `vttc` box. `None`: it can't be read.
fn cue(body: &[u8]) -> Option<LocalCue> {
    let mut cue = LocalCue::default();
    for child in children(body) {
        let (name, body) = child.ok()?;
        let text = || Some(std::str::from_utf8(body).ok()?.replace("\r\n", "\n").replace(['\r', '\0'], "\n"));
        match &name {
            // In a WebVTT file this arrow would make the line a line of times. Here it is text.
            b"payl" => cue.text = breaks(&text()?.replace("-->", "--&gt;")),
            b"sttg" => cue.settings = line(&text()?),
            b"iden" => cue.identifier = line(&text()?),
            b"vsid" => cue.source = Some(u32::from_be_bytes(*body.first_chunk()?)),
            _ => {}
        }
    }
    Some(cue)
}

/// Text that has to be one line in a file, and none of times.
fn line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.contains("-->") { String::new() } else { words }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Captions;
    use super::*;
    use crate::remux::boxes::{boxed, full, nest, words};

    /// An initialization section with one track of text.
    fn init(format: &[u8; 4], timescale: u32, config: &str, edits: &[[u32; 3]]) -> Vec<u8> {
        let entry = [&[0; 7][..], &[1], &boxed(b"vttC", config.as_bytes())].concat();
        let stsd = full(b"stsd", 0, 0, &[words([1]), boxed(format, &entry)].concat());
        let hdlr = full(b"hdlr", 0, 0, b"\0\0\0\0text\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let mdhd = full(b"mdhd", 0, 0, &words([0, 0, timescale, 0, 0]));
        let mdia = nest(b"mdia", &[mdhd, hdlr, nest(b"minf", &[nest(b"stbl", &[stsd])])]);
        let elst = [words([edits.len() as u32]), edits.iter().flat_map(|edit| words(*edit)).collect()];
        let edts = nest(b"edts", &[full(b"elst", 0, 0, &elst.concat())]);
        let tkhd = full(b"tkhd", 0, 3, &words([0, 0, 1, 0, 0]));
        let mvhd = full(b"mvhd", 0, 0, &words([0, 0, 1000, 0]));
        let mvex = nest(b"mvex", &[full(b"trex", 0, 0, &words([1, 1, 0, 0, 0]))]);
        nest(b"moov", &[mvhd, nest(b"trak", &[tkhd, mdia, edts]), mvex])
    }

    /// A fragment of samples: how long each is, and its boxes.
    fn fragment(time: u64, samples: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let sizes = samples.iter().flat_map(|(lasts, data)| words([*lasts, data.len() as u32]));
        let sizes = sizes.collect::<Vec<_>>();
        let moof = |at: u32| {
            let tfhd = full(b"tfhd", 0, 0x2_0000, &words([1]));
            let tfdt = full(b"tfdt", 1, 0, &time.to_be_bytes());
            let trun = [words([samples.len() as u32, at]), sizes.clone()].concat();
            nest(b"moof", &[nest(b"traf", &[tfhd, tfdt, full(b"trun", 0, 0x301, &trun)])])
        };
        let data = samples.iter().flat_map(|(_, data)| data.clone()).collect::<Vec<_>>();
        [moof(moof(0).len() as u32 + 8), boxed(b"mdat", &data)].concat()
    }

    fn cue(text: &str) -> Vec<u8> {
        of(&[(b"payl", text.as_bytes())])
    }

    fn of(parts: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        nest(b"vttc", &parts.iter().map(|(name, body)| boxed(name, body)).collect::<Vec<_>>())
    }

    fn nothing() -> Vec<u8> {
        boxed(b"vtte", &[])
    }

    /// Cues of segments in milliseconds, in a film that begins at a time of 90 kHz.
    fn merged(init: &[u8], segments: &[Vec<u8>], first: i64) -> Result<Captions, CaptionsError> {
        let mut captions = Captions::new();
        for segment in segments {
            let place = |timestamp: u64| (timestamp as i64 - first) * 100 / 9;
            captions.push(&[init, segment].concat(), Duration::ZERO, place)?;
        }
        Ok(captions)
    }

    fn check(init: &[u8], segments: &[Vec<u8>], first: i64, expect: &[(u64, u64, &str)]) {
        let captions = merged(init, segments, first).expect("it is wvtt");
        let cues = captions.cues().into_iter();
        let found = cues.map(|cue| (cue.begin, cue.end, &cue.text[..])).collect::<Vec<_>>();
        let micros = expect.iter().map(|(begin, end, text)| (begin * 1000, end * 1000, *text));
        assert_eq!(found, micros.collect::<Vec<_>>());
    }

    #[test]
    fn cues_are_at_the_times_of_their_samples() {
        let plain = init(b"wvtt", 1000, "WEBVTT", &[]);
        let one = || vec![(250, nothing()), (1250, cue("a")), (500, nothing())];
        check(&plain, &[fragment(0, &one())], 0, &[(250, 1500, "a")]);
        // The film begins at 10 s.
        check(&plain, &[fragment(10_000, &one())], 900_000, &[(250, 1500, "a")]);
        check(
            &plain,
            &[fragment(0, &one()), fragment(2000, &one())],
            0,
            &[(250, 1500, "a"), (2250, 3500, "a")],
        );
        // Before the begin of the film.
        check(&plain, &[fragment(0, &one())], 45_000, &[(0, 1000, "a")]);
        check(&plain, &[fragment(0, &one())], 180_000, &[]);
        // Other time scales, and edit lists: half a second of nothing, or of what is not shown.
        let fine = [(48_000, cue("a"))];
        check(&init(b"wvtt", 48_000, "WEBVTT", &[]), &[fragment(24_000, &fine)], 0, &[(500, 1500, "a")]);
        check(&init(b"wvtt", 24_000, "", &[]), &[fragment(1000, &fine)], 3750, &[(0, 2000, "a")]);
        for (edits, begin) in [(vec![[500, u32::MAX, 0], [0, 0, 0]], 1000), (vec![[0, 500, 0]], 0)] {
            let edited = init(b"wvtt", 1000, "WEBVTT", &edits);
            check(&edited, &[fragment(500, &[(1000, cue("a"))])], 0, &[(begin, begin + 1000, "a")]);
        }
        // Timestamps of 90 kHz have come around often, and there is nothing to show.
        let late = 1_700_000_000_u64;
        check(
            &plain,
            &[fragment(late * 1000, &one())],
            (late as i64 * 90_000) % (1 << 33),
            &[(250, 1500, "a")],
        );
        check(&plain, &[fragment(0, &[(2000, nothing())]), fragment(0, &[])], 0, &[]);
        let empty = [plain, fragment(0, &[])].concat();
        let asked =
            Captions::new().push(&empty, Duration::ZERO, |_| panic!("without samples it has no time"));
        assert_eq!(asked, Ok(()));
    }

    #[test]
    fn what_lasts_over_several_samples_is_one_cue() {
        let plain = init(b"wvtt", 1000, "WEBVTT", &[]);
        let both = |a: &str, b: &str| [cue(a), cue(b)].concat();
        let first = fragment(0, &[(1000, cue("a")), (500, both("a", "b")), (500, cue("b"))]);
        check(&plain, std::slice::from_ref(&first), 0, &[(0, 1500, "a"), (1000, 2000, "b")]);
        // Into the next segment, and into one that comes twice.
        let next = fragment(2000, &[(1000, both("b", "c")), (1000, cue("c"))]);
        let expect = [(0, 1500, "a"), (1000, 3000, "b"), (2000, 4000, "c")];
        check(&plain, &[first.clone(), next.clone()], 0, &expect);
        check(&plain, &[first.clone(), next.clone(), next], 0, &expect);
        // Behind a pause it is another one, and so it is where its source or its place is another.
        let after = |pause, second| fragment(0, &[(1000, cue("a")), (pause, nothing()), (1000, second)]);
        check(&plain, &[after(100, cue("a"))], 0, &[(0, 1000, "a"), (1100, 2100, "a")]);
        let from = |id: u8| of(&[(b"vsid", &[0, 0, 0, id]), (b"payl", b"a")]);
        let placed = of(&[(b"sttg", b"line:0"), (b"payl", b"a")]);
        for (one, other, is_one) in
            [(from(1), from(1), true), (from(1), from(2), false), (placed, cue("a"), false)]
        {
            let expect: &[_] = if is_one { &[(0, 2000, "a")] } else { &[(0, 1000, "a"), (1000, 2000, "a")] };
            check(&plain, &[fragment(0, &[(1000, one), (1000, other)])], 0, expect);
        }
    }

    #[test]
    fn cues_become_files() {
        let styled = init(b"wvtt", 1000, "WEBVTT\n\nSTYLE\n::cue { color: red }\n", &[]);
        let parts: [(&[u8; 4], &[u8]); 4] = [
            (b"iden", b"name\n"),
            (b"sttg", b"align:center\nline:0"),
            (b"ctim", b"00:00:00.000"),
            (b"payl", "<i>zw\u{f6}lf</i>\r\n\r\na --> b".as_bytes()),
        ];
        let captions = merged(&styled, &[fragment(1000, &[(1000, of(&parts))])], 0).expect("it is wvtt");
        assert_eq!(
            captions.to_vtt(),
            "WEBVTT\n\nSTYLE\n::cue { color: red }\n\n\
             name\n00:00:01.000 --> 00:00:02.000 align:center line:0\n<i>zw\u{f6}lf</i>\na --&gt; b\n\n"
        );
        assert_eq!(captions.to_srt(), "1\n00:00:01,000 --> 00:00:02,000\n<i>zw\u{f6}lf</i>\na --> b\n\n");
    }

    #[test]
    fn what_cannot_be_read() {
        let plain = init(b"wvtt", 1000, "WEBVTT", &[]);
        for (data, expect) in [
            (of(&[(b"payl", &[0xff, 0xfe])]), 1),
            (of(&[(b"vsid", &[1])]), 1),
            (boxed(b"vttc", b"\0\0\0\x90payl"), 1),
            (b"\0\0\0\x90vttc".to_vec(), 1),
            ([cue("a"), vec![0; 3]].concat(), 1),
            ([boxed(b"vtta", b"a comment"), of(&[])].concat(), 0),
        ] {
            let captions = merged(&plain, &[fragment(0, &[(1000, data.clone())])], 0).expect("it is wvtt");
            assert_eq!(captions.unreadable(), expect, "{data:?}");
        }
        let error = |init: &[u8], segment: Vec<u8>| {
            merged(init, &[segment], 0).expect_err("the segment is refused").to_string()
        };
        let whole = fragment(0, &[(1000, cue("a"))]);
        assert_eq!(
            error(&init(b"stpp", 1000, "", &[]), whole.clone()),
            "its samples are stpp, which can't be read"
        );
        assert_eq!(error(&[], whole.clone()), "box moov is missing");
        assert!(error(&plain, whole[..whole.len() - 1].to_vec()).contains("mdat"));
        let flood = fragment(0, &[(1000, cue("a").repeat(MOST_CUES + 1))]);
        assert_eq!(error(&plain, flood), "too many cues in a segment");
        // Any byte of it may be another one.
        let all = [plain, whole].concat();
        for at in 0..all.len() {
            for with in [0, 1, 0x7f, 0xff] {
                let mut other = all.clone();
                other[at] = with;
                let _ = Captions::new().push(&other, Duration::ZERO, |timestamp| timestamp as i64);
            }
        }
    }
}

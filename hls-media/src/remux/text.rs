//! Text in an MP4: subtitles (tx3g) and chapters.

use std::time::Duration;

use super::{
    boxes::{boxed, full, words},
    sample::{Sample, TrackInfo},
    table::Table,
};

/// Ticks in a second.
const TIMESCALE: u32 = 1000;
/// A sample says its length in 16 bits.
const LONGEST: usize = 0xffff;

/// Subtitles to go into the MP4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextTrack {
    /// The language (BCP 47).
    pub language: Option<String>,
    /// A name to show.
    pub name: Option<String>,
    /// Whether they are shown unless others are asked for.
    pub is_default: bool,
    /// The cues, in any order; those at the same time are shown together.
    pub cues: Vec<TextCue>,
}

/// A piece of text and when it is shown, in the time of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextCue {
    /// When it appears.
    pub begin: Duration,
    /// When it goes.
    pub end: Duration,
    /// Plain text; lines end in a line feed.
    pub text: String,
}

/// A track whose samples are here.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) info: TrackInfo,
    pub(crate) table: Table,
    pub(crate) data: Vec<u8>,
    /// Ticks up to the end.
    pub(crate) end: i64,
    /// Of the last sample.
    pub(crate) last_duration: u32,
}

impl Text {
    /// Makes samples of cues: one for each time in which the same text is shown, and empty ones between.
    pub(crate) fn subtitles(track: &TextTrack) -> Self {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 2);
        let mut cues = track
            .cues
            .iter()
            .map(|cue| (millis(cue.begin), millis(cue.end), &cue.text[..]))
            .collect::<Vec<_>>();
        cues.retain(|(begin, end, text)| begin < end && !text.is_empty());
        cues.sort_by_key(|(begin, ..)| *begin);
        let mut times = cues.iter().flat_map(|(begin, end, _)| [*begin, *end]).collect::<Vec<_>>();
        times.push(0);
        times.sort_unstable();
        times.dedup();
        let mut out = Self::new(*b"sbtl", tx3g(), boxed(b"nmhd", &[0; 4]));
        // Cues that have begun and may still be shown.
        let (mut shown, mut waiting) = (Vec::new(), cues.into_iter().peekable());
        for pair in times.windows(2) {
            let [begin, end] = *pair else { continue };
            shown.retain(|(until, _): &(i64, &str)| *until > begin);
            while let Some((_, until, text)) = waiting.next_if(|(from, ..)| *from <= begin) {
                shown.push((until, text));
            }
            let lines = shown.iter().map(|(_, text)| *text).collect::<Vec<_>>();
            out.push(begin, end, &lines.join("\n"), &[]);
        }
        out
    }

    /// Makes a sample of each chapter, which lasts until the next one.
    pub(crate) fn chapters(chapters: &[(Duration, String)], end: Duration) -> Self {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 2);
        let mut out = Self::new(*b"text", boxed(b"text", &CHAPTER_ENTRY), chapter_header());
        let mut begins = chapters.iter().map(|(at, title)| (millis(*at), &title[..])).collect::<Vec<_>>();
        if begins.first().is_none_or(|(at, _)| *at > 0) {
            begins.insert(0, (0, ""));
        }
        for (number, (begin, title)) in begins.iter().enumerate() {
            let until = begins.get(number + 1).map_or(millis(end), |(next, _)| *next);
            // It is UTF-8: an `encd` box behind the text says so.
            out.push(*begin, until.max(*begin + 1), title, b"\0\0\0\x0cencd\0\0\x01\0");
        }
        out
    }

    fn new(handler: [u8; 4], entry: Vec<u8>, header: Vec<u8>) -> Self {
        let info =
            TrackInfo { handler, timescale: TIMESCALE, entries: vec![entry], header, ..TrackInfo::sound() };
        Self { info, table: Table::default(), data: Vec::new(), end: 0, last_duration: 0 }
    }

    fn push(&mut self, begin: i64, end: i64, text: &str, behind: &[u8]) {
        let mut len = text.len().min(LONGEST);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let bytes = text.as_bytes().get(..len).unwrap_or(&[]);
        self.data.extend(u16::try_from(len).unwrap_or(0).to_be_bytes());
        self.data.extend_from_slice(bytes);
        self.data.extend_from_slice(behind);
        let size = (2 + len + behind.len()) as u32;
        let duration = u32::try_from(end - begin).unwrap_or(u32::MAX);
        self.table.push(&Sample {
            offset: 0,
            unit: 0,
            dts: begin,
            pts: begin,
            duration,
            size,
            is_sync: true,
            entry: 0,
        });
        (self.end, self.last_duration) = (end, duration);
    }
}

/// White text at the bottom (3GPP TS 26.245, section 5.16).
fn tx3g() -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    // No flags; centred, at the bottom; no background; a box as the player likes it.
    body.extend([0, 0, 0, 0, 1, 0xff, 0, 0, 0, 0]);
    body.extend([0; 8]);
    // All characters in font 1, 16 points, white.
    body.extend([0, 0, 0, 0, 0, 1, 0, 16, 0xff, 0xff, 0xff, 0xff]);
    body.extend(boxed(b"ftab", b"\0\x01\0\x01\x05Arial"));
    boxed(b"tx3g", &body)
}

/// The description of QuickTime text, for chapters: nothing of it is ever drawn.
const CHAPTER_ENTRY: [u8; 56] =
    *b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\
\0\0\0\x0dftab\0\x01\0\x01\0\0\0\0\0\0";

fn chapter_header() -> Vec<u8> {
    // As QuickTime itself writes it; it shows no chapters without.
    let gmin = full(b"gmin", 0, 0, &[0, 0x40, 0x80, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0]);
    let matrix = words([0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000]);
    boxed(b"gmhd", &[gmin, boxed(b"text", &matrix)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cues: &[(u64, u64, &str)], expect: &[(i64, &str)]) {
        let cue = |(begin, end, text): &(u64, u64, &str)| TextCue {
            begin: Duration::from_millis(*begin),
            end: Duration::from_millis(*end),
            text: (*text).to_owned(),
        };
        let text =
            Text::subtitles(&TextTrack { cues: cues.iter().map(cue).collect(), ..TextTrack::default() });
        let (mut at, mut time) = (0, 0);
        let samples = text.table.rows().map(|row| {
            time += row.step;
            let sample = &text.data[at + 2..at + row.size as usize];
            at += row.size as usize;
            (time, std::str::from_utf8(sample).expect("text"))
        });
        assert_eq!(samples.collect::<Vec<_>>(), expect, "{cues:?}");
    }

    #[test]
    fn cues_become_samples() {
        check(&[], &[]);
        check(&[(0, 500, "a")], &[(0, "a")]);
        check(&[(1000, 2000, "a"), (2000, 3000, "b")], &[(0, ""), (1000, "a"), (2000, "b")]);
        check(&[(4000, 5000, "b"), (1000, 2000, "a")], &[(0, ""), (1000, "a"), (2000, ""), (4000, "b")]);
        check(&[(0, 3000, "a"), (1000, 2000, "b")], &[(0, "a"), (1000, "a\nb"), (2000, "a")]);
        check(&[(5, 5, "never"), (7, 3, "never")], &[]);
    }
}

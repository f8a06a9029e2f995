//! What the lines of WebVTT tell: whether the text was cut, and how its times are to be read.

use crate::coding::{Coding, hash};

/// No line of times is longer, with its settings.
const LONGEST: usize = 256;
/// More line ends in a row than this say nothing more.
const MOST_ENDS: u8 = 2;

/// Keeps the line that has begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    bytes: u64,
    line: Vec<u8>,
    /// The line before was one of times.
    after_times: bool,
    /// There was a line of times.
    has_cue: bool,
    /// How many lines end at the end of it.
    ends: u8,
    /// The line of its header that maps its times to those of MPEG (RFC 8216, section 3.5); 0: there is none.
    map: Coding,
}

impl Lines {
    pub(crate) fn push(&mut self, input: &[u8]) {
        self.bytes = self.bytes.saturating_add(input.len() as u64);
        let mut lines = input.split(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(last) = lines.next_back() else { return };
        let ends = input.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r'));
        let (len, ends) = (ends.clone().count(), ends.filter(|byte| **byte == b'\n').count());
        let before = if len == input.len() { self.ends } else { 0 };
        self.ends = before.saturating_add(u8::try_from(ends).unwrap_or(u8::MAX)).min(MOST_ENDS);
        for line in lines {
            self.extend(line);
            // CR and LF each end a line. The empty line between the two of a CRLF does not count.
            if !self.line.is_empty() {
                self.after_times = is_times(&self.line);
                self.has_cue |= self.after_times;
                if !self.has_cue && self.line.starts_with(b"X-TIMESTAMP-MAP") {
                    self.map = hash(0, &self.line);
                }
            }
            self.line.clear();
        }
        self.extend(last);
    }

    fn extend(&mut self, part: &[u8]) {
        let room = LONGEST.saturating_sub(self.line.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    /// Whether it has a cue.
    pub(crate) fn has_cue(&self) -> bool {
        self.has_cue
    }

    /// Returns how many lines end at its end, no more than two: an empty line ends a cue.
    pub(crate) fn ends(&self) -> u8 {
        self.ends
    }

    /// Returns the line of its header that maps its times, as a number.
    pub(crate) fn map(&self) -> Coding {
        self.map
    }

    /// Where the last line begins, if it is one of times that is not whole, or is all there is of its cue.
    pub(crate) fn cut_at(&self) -> Option<u64> {
        let begins_times = is_times(&self.line) || begins_times(&self.line) && !self.after_times;
        begins_times.then(|| self.bytes.saturating_sub(self.line.len() as u64))
    }
}

fn is_times(line: &[u8]) -> bool {
    line.windows(3).any(|three| three == b"-->")
}

/// Digits and colons with a dot behind them, as a timestamp has, and perhaps the begin of an arrow.
fn begins_times(line: &[u8]) -> bool {
    let mut numbers = line.splitn(2, |byte| *byte == b'.');
    let (clock, rest) = (numbers.next().unwrap_or(&[]), numbers.next().unwrap_or(&[]));
    let is_clock = clock.contains(&b':') && clock.iter().all(|byte| byte.is_ascii_digit() || *byte == b':');
    let millis = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let arrow = rest.get(millis..).unwrap_or(&[]);
    is_clock && millis <= 3 && matches!(arrow, b"" | b" " | b" -" | b" --")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_text_ends_and_what_its_times_mean() {
        let check = |text: &str, ends: u8, map: Option<&[u8]>| {
            for size in [1, 3, 100] {
                let mut lines = Lines::default();
                text.as_bytes().chunks(size).for_each(|chunk| lines.push(chunk));
                let expect = map.map_or(0, |line| hash(0, line));
                assert_eq!((lines.ends(), lines.map()), (ends, expect), "{text:?} in {size}");
            }
        };
        let map = "X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000";
        check("WEBVTT", 0, None);
        check(&format!("WEBVTT\n{map}\n\n00:01.000 --> 00:02.000\nyou\n\n\n"), 2, Some(map.as_bytes()));
        check(&format!("WEBVTT\r\n{map}\r\n\r\n00:01.000 --> 00:02.000\r\nyou\r\n"), 1, Some(map.as_bytes()));
        check(&format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{map}\nyo"), 0, None);
    }

    #[test]
    fn where_a_text_was_cut() {
        let text = "WEBVTT\r\n\r\n1\r\n00:01.000 --> 00:02.000\r\nHello\r\nyou\r\n\r\n00:03.000 --> 00:04.000 line:0\r\nend";
        // Inside the second line of times, and behind it as long as nothing else has come.
        let cut = text.find("00:03.").unwrap();
        let first = text.find("00:01.").unwrap();
        for len in 0..=text.len() {
            let inside = |begin: usize, line: usize| (begin + 3..=begin + line).contains(&len);
            let expect = [(first, 23), (cut, 30)].into_iter().find(|(begin, line)| inside(*begin, *line));
            for size in [1, 5, 100] {
                let mut lines = Lines::default();
                text.as_bytes()[..len].chunks(size).for_each(|chunk| lines.push(chunk));
                let expect = expect.map(|(begin, _)| begin as u64);
                assert_eq!(lines.cut_at(), expect, "{:?} in {size}", &text[..len]);
            }
        }
        for whole in
            ["WEBVTT", "WEBVTT\n\n00:01.000 --> 00:02.000\n12:30", "WEBVTT\n\n00:01.000 --> 00:02.000\n\n"]
        {
            let mut lines = Lines::default();
            lines.push(whole.as_bytes());
            assert_eq!(lines.cut_at(), None, "{whole:?}");
        }
    }
}

//! One segment of WebVTT, read as browsers read it (W3C WebVTT, section 6.1).

use super::CaptionsError;

/// What is in a segment, in its own time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// `X-TIMESTAMP-MAP` (RFC 8216bis, 3.5): this timestamp of 90 kHz is this time of cues, in microseconds.
    pub(super) timestamp: u64,
    pub(super) local: i64,
    pub(super) has_map: bool,
    /// Its cues are those of samples: one that goes on in the next sample comes again.
    pub(super) is_sampled: bool,
    pub(super) cues: Vec<LocalCue>,
    pub(super) blocks: Vec<String>,
    pub(super) unreadable: u64,
}

/// A cue; times in microseconds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LocalCue {
    pub(super) begin: i64,
    pub(super) end: i64,
    pub(super) identifier: String,
    pub(super) settings: String,
    pub(super) text: String,
    /// Tells it from others that are alike.
    pub(super) source: Option<u32>,
}

impl Segment {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, CaptionsError> {
        let text = std::str::from_utf8(bytes).map_err(|_| CaptionsError::Text)?;
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace(['\r', '\0'], "\n");
        let mut lines = text.lines().peekable();
        let first = lines.next().unwrap_or_default();
        if !first.strip_prefix("WEBVTT").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        {
            return Err(CaptionsError::Signature);
        }
        let mut segment = Self::default();
        while let Some(line) = lines.next_if(|line| !line.is_empty() && !line.contains("-->")) {
            segment.header(line)?;
        }
        while let Some(line) = lines.peek().copied() {
            if line.is_empty() {
                lines.next();
                continue;
            }
            // A block ends with an empty line, and where the times of another cue begin.
            let mut block = Vec::new();
            let mut has_times = false;
            while let Some(line) = lines.next_if(|line| !line.is_empty()) {
                let is_timing = line.contains("-->");
                block.push(line);
                has_times |= is_timing;
                if has_times && lines.peek().is_some_and(|next| next.contains("-->")) {
                    break;
                }
            }
            segment.block(&block);
        }
        Ok(segment)
    }

    fn header(&mut self, line: &str) -> Result<(), CaptionsError> {
        // An initialization section has a header of its own, and the segment behind it may have another one.
        let Some(map) = line.strip_prefix("X-TIMESTAMP-MAP=") else { return Ok(()) };
        self.has_map = true;
        for part in map.split(',') {
            if let Some(local) = part.trim().strip_prefix("LOCAL:") {
                self.local =
                    time(local.trim()).filter(|(_, rest)| rest.is_empty()).ok_or(CaptionsError::Map)?.0;
            } else if let Some(timestamp) = part.trim().strip_prefix("MPEGTS:") {
                self.timestamp = timestamp.trim().parse().map_err(|_| CaptionsError::Map)?;
            }
        }
        Ok(())
    }

    fn block(&mut self, lines: &[&str]) {
        let Some(first) = lines.first() else { return };
        let is = |word: &str| first.strip_prefix(word).is_some_and(|rest| rest.trim().is_empty());
        if is("STYLE") || is("REGION") {
            return self.blocks.push(lines.join("\n"));
        }
        if first.strip_prefix("NOTE").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
            return;
        }
        let Some(at) = lines.iter().position(|line| line.contains("-->")) else {
            // A header that comes again, where a section and a segment stand behind one another.
            if let Some(map) = lines.iter().find(|line| line.starts_with("X-TIMESTAMP-MAP=")) {
                let _ = self.header(map);
            }
            return;
        };
        let timing = lines.get(at).copied().unwrap_or_default();
        let Some((begin, end, settings)) = timings(timing) else {
            self.unreadable += 1;
            return;
        };
        let text = lines.get(at + 1..).unwrap_or_default().join("\n");
        let identifier = at.checked_sub(1).and_then(|n| lines.get(n)).copied().unwrap_or_default().to_owned();
        self.cues.push(LocalCue { begin, end, identifier, settings, text: breaks(&text), source: None });
    }
}

/// Players know this tag of HTML, and WebVTT does not.
pub(super) fn breaks(text: &str) -> String {
    let mut text = text.to_owned();
    for tag in ["<br>", "<br />", "<BR>", "<BR />"] {
        if text.contains(tag) {
            text = text.replace(tag, "\n");
        }
    }
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Begin, end and settings of a line of times.
fn timings(line: &str) -> Option<(i64, i64, String)> {
    let (begin, rest) = time(line.trim_start())?;
    let (end, settings) = time(rest.trim_start().strip_prefix("-->")?.trim_start())?;
    Some((begin, end, settings.trim().to_owned()))
}

/// A time in microseconds, `[hh:]mm:ss.fff`, and what is behind it.
fn time(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ',')).unwrap_or(text.len());
    let (time, rest) = text.split_at(end);
    // A comma is not allowed, and not rare.
    let (clock, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let parts = clock.split(':').map(|part| part.parse::<i64>().ok()).collect::<Option<Vec<_>>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [hours, minutes, seconds] => (hours, minutes, seconds),
        [minutes, seconds] => (0, minutes, seconds),
        _ => return None,
    };
    if minutes > 59 || seconds > 59 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let whole = hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?.checked_mul(1_000_000)?;
    Some((whole.checked_add(micros)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expect) in [
            ("00:01.000", Some((1_000_000, ""))),
            ("01:02:03.004 x", Some((3_723_004_000, " x"))),
            ("123:00:00.5", Some((442_800_500_000, ""))),
            ("00:01,250", Some((1_250_000, ""))),
            ("00:01", Some((1_000_000, ""))),
            ("00:61.000", None),
            ("1", None),
            ("", None),
            ("a:b", None),
            ("9223372036854775807:00:00.000", None),
        ] {
            assert_eq!(time(text), expect, "{text}");
        }
    }

    #[test]
    fn blocks() {
        let text = "\u{feff}WEBVTT - title\r\nKind: captions\r\n\r\nNOTE\r\nnothing --> here\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\n\
            name\r\n00:01.000 --> 00:02.000 line:0 align:start\r\n<v Ann>one\r\ntwo\r\n00:02.000 --> 00:03.000\r\nthree\r\n\r\n\
            nowhen --> 00:01.000\r\nlost\r\n\r\n00:05.000 --> 00:06.000\r\n\r\n00:07.000 --> 00:08.000\r\na<br>b";
        let found = Segment::read(text.as_bytes()).unwrap();
        let cues: Vec<_> = found
            .cues
            .iter()
            .map(|cue| (cue.begin / 1000, &cue.identifier[..], &cue.settings[..], &cue.text[..]))
            .collect();
        assert_eq!(
            cues,
            [
                (1000, "name", "line:0 align:start", "<v Ann>one\ntwo"),
                (2000, "", "", "three"),
                (5000, "", "", ""),
                (7000, "", "", "a\nb"),
            ]
        );
        assert_eq!((found.blocks, found.unreadable), (vec!["STYLE\n::cue { color: red }".to_owned()], 1));
        for bad in ["", "WEBVTTX\n", "webvtt\n", "<html>"] {
            assert_eq!(Segment::read(bad.as_bytes()), Err(CaptionsError::Signature), "{bad:?}");
        }
        let map = |text: &str| Segment::read(format!("WEBVTT\nX-TIMESTAMP-MAP={text}\n").as_bytes());
        assert_eq!(map("LOCAL:x,MPEGTS:1"), Err(CaptionsError::Map));
        assert_eq!(map("MPEGTS:-1"), Err(CaptionsError::Map));
        assert_eq!(map("MPEGTS:8589934591").map(|s| s.timestamp), Ok(8_589_934_591));
    }
}

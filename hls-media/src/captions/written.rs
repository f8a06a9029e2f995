//! Captions as files, and as text in an MP4.

use std::time::Duration;

use super::{Captions, markup::plain};
use crate::remux::TextCue;

impl Captions {
    /// One WebVTT file.
    #[must_use]
    pub fn to_vtt(&self) -> String {
        collected(|out| self.write_vtt(out))
    }

    /// One WebVTT file, piece by piece.
    ///
    /// # Errors
    /// What `write` returns.
    pub fn write_vtt<E>(&self, mut write: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        write("WEBVTT\n\n")?;
        for block in &self.blocks {
            write(&format!("{block}\n\n"))?;
        }
        for cue in self.cues() {
            let mut out = String::new();
            if !cue.identifier.is_empty() {
                out.push_str(&format!("{}\n", cue.identifier));
            }
            let space = if cue.settings.is_empty() { "" } else { " " };
            let (begin, end) = (time(cue.begin, '.'), time(cue.end, '.'));
            out.push_str(&format!("{begin} --> {end}{space}{}\n", cue.settings));
            if !cue.text.is_empty() {
                out.push_str(&format!("{}\n", cue.text));
            }
            out.push('\n');
            write(&out)?;
        }
        Ok(())
    }

    /// One SubRip file: what that format can't say, such as positions and styles, is left out.
    #[must_use]
    pub fn to_srt(&self) -> String {
        collected(|out| self.write_srt(out))
    }

    /// One SubRip file, piece by piece.
    ///
    /// # Errors
    /// What `write` returns.
    pub fn write_srt<E>(&self, mut write: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let cues = self.cues().into_iter().map(|cue| (cue, plain(&cue.text, true)));
        for ((cue, text), number) in cues.filter(|(_, text)| !text.trim().is_empty()).zip(1_u64..) {
            let (begin, end) = (time(cue.begin, ','), time(cue.end, ','));
            write(&format!("{number}\n{begin} --> {end}\n{text}\n\n"))?;
        }
        Ok(())
    }

    /// Cues for a [`TextTrack`](crate::remux::TextTrack), without markup.
    #[must_use]
    pub fn to_text(&self) -> Vec<TextCue> {
        let cue = |cue: &super::Cue| TextCue {
            begin: Duration::from_micros(cue.begin),
            end: Duration::from_micros(cue.end),
            text: plain(&cue.text, false),
        };
        self.cues().into_iter().map(cue).collect()
    }
}

/// All pieces as one.
fn collected(
    write: impl FnOnce(
        &mut dyn FnMut(&str) -> Result<(), std::convert::Infallible>,
    ) -> Result<(), std::convert::Infallible>,
) -> String {
    let mut all = String::new();
    let written = write(&mut |piece| {
        all.push_str(piece);
        Ok(())
    });
    match written {
        Ok(()) => all,
    }
}

/// To the nearest millisecond.
fn time(micros: u64, point: char) -> String {
    let millis = micros.saturating_add(500) / 1000;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}{point}{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let mut captions = Captions::new();
        let segment = "WEBVTT\n\nREGION\nid:one\n\nb\n01:00:02.000 --> 01:00:03.000 align:start\n<v Ann><i>late</i>\n\n00:01.000 --> 00:02.000\nearly &amp; <c>on</c>";
        captions.push(segment.as_bytes(), Duration::ZERO, |_| 499).unwrap();
        assert_eq!(
            captions.to_vtt(),
            "WEBVTT\n\nREGION\nid:one\n\n00:00:01.000 --> 00:00:02.000\nearly &amp; <c>on</c>\n\n\
             b\n01:00:02.000 --> 01:00:03.000 align:start\n<v Ann><i>late</i>\n\n"
        );
        assert_eq!(
            captions.to_srt(),
            "1\n00:00:01,000 --> 00:00:02,000\nearly & on\n\n2\n01:00:02,000 --> 01:00:03,000\n<i>late</i>\n\n"
        );
        assert_eq!(captions.to_text()[1].text, "late");
    }
}

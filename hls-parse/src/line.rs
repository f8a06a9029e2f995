//! Lines, the lossless first layer.

use memchr::memchr;

use crate::tag;

/// One line of a playlist, as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'t> {
    /// The line number, counted from 1.
    pub number: u32,
    /// The line without its end.
    pub raw: &'t str,
    /// What the line is.
    pub content: Content<'t>,
}

/// What a line is (rfc8216bis-22, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content<'t> {
    /// Nothing but blanks.
    Blank,
    /// A line that begins with `#` and is no tag.
    Comment,
    /// A line that begins with `#EXT`.
    Tag {
        /// The name without `#`, such as `EXT-X-KEY`.
        name: &'t str,
        /// What follows the colon, without blanks around it.
        value: &'t str,
    },
    /// Any other line, without blanks around it.
    Uri(&'t str),
}

impl Line<'_> {
    /// Tells whether it is a tag that this crate does not know; no other line is.
    pub fn is_unknown_tag(&self) -> bool {
        matches!(self.content, Content::Tag { name, .. } if !tag::is_known(name))
    }
}

impl<'t> Content<'t> {
    fn of(raw: &'t str) -> Self {
        let text = raw.trim_ascii();
        if text.is_empty() {
            return Self::Blank;
        }
        if !text.starts_with('#') {
            return Self::Uri(text);
        }
        if !text.starts_with("#EXT") {
            return Self::Comment;
        }
        let body = &text[1..];
        // `#EXTM3U url-tvg="http://..."` has a colon that does not end the name.
        let end = body.bytes().position(|byte| byte == b':' || byte == b' ' || byte == b'\t');
        match end {
            Some(end) => Self::Tag { name: &body[..end], value: body[end + 1..].trim_ascii_start() },
            None => Self::Tag { name: body, value: "" },
        }
    }
}

/// The lines of a playlist in order, none left out.
///
/// Lines end with a line feed, after an optional carriage return; where a text has no line feed at all,
/// carriage returns end them. The end of the text ends the last one.
#[derive(Debug, Clone)]
pub struct Lines<'t> {
    rest: Option<&'t str>,
    number: u32,
    end: u8,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let end = if memchr(b'\n', text.as_bytes()).is_some() { b'\n' } else { b'\r' };
        Self { rest: (!text.is_empty()).then_some(text), number: 0, end }
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        let text = self.rest?;
        let raw = match memchr(self.end, text.as_bytes()) {
            Some(at) => {
                self.rest = text.get(at + 1..).filter(|rest| !rest.is_empty());
                &text[..at]
            }
            None => {
                self.rest = None;
                text
            }
        };
        self.number = self.number.saturating_add(1);
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        Some(Line { number: self.number, raw, content: Content::of(raw) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[Content<'_>]) {
        let lines: Vec<_> = Lines::new(text).map(|line| line.content).collect();
        assert_eq!(lines, expect, "{text:?}");
    }

    #[test]
    fn line_ends() {
        let expect = [Content::Tag { name: "EXTM3U", value: "" }, Content::Blank, Content::Uri("a")];
        check("#EXTM3U\n\na", &expect);
        check("#EXTM3U\r\n\r\na\r\n", &expect);
        check("#EXTM3U\r\ra\r", &expect);
        check("", &[]);
    }

    #[test]
    fn contents() {
        check(" #EXTINF:10, a ", &[Content::Tag { name: "EXTINF", value: "10, a" }]);
        check("#EXT-X-ENDLISTX", &[Content::Tag { name: "EXT-X-ENDLISTX", value: "" }]);
        check("#EXTM3U a:b", &[Content::Tag { name: "EXTM3U", value: "a:b" }]);
        check("#extinf:10", &[Content::Comment]);
        check("\t1.ts \n", &[Content::Uri("1.ts")]);
    }
}

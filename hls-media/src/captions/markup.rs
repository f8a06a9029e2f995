//! Text without the markup of WebVTT (W3C WebVTT, section 4.2.2).

/// What SubRip players know.
const KNOWN: [&str; 3] = ["b", "i", "u"];

/// The text without tags, but for those that `keeps_simple` tags, and with its characters for their names.
pub(super) fn plain(text: &str, keeps_simple: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        rest = match behind.strip_prefix('<') {
            Some(tag) => match tag.split_once('>') {
                Some((tag, behind)) => {
                    let (slash, name) = match tag.strip_prefix('/') {
                        Some(name) => ("/", name),
                        None => ("", tag.split(['.', ' ', '\t', '\n']).next().unwrap_or_default()),
                    };
                    if keeps_simple && KNOWN.contains(&name) {
                        out.push_str(&format!("<{slash}{name}>"));
                    }
                    behind
                }
                // It has no end, so it is no tag.
                None => {
                    out.push('<');
                    tag
                }
            },
            None => {
                let (character, behind) = named(behind);
                out.push_str(character);
                behind
            }
        };
    }
    out.push_str(rest);
    out
}

/// A character that is given by name, and what is behind it.
fn named(text: &str) -> (&str, &str) {
    for (name, character) in [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&nbsp;", "\u{a0}"),
        ("&lrm;", "\u{200e}"),
        ("&rlm;", "\u{200f}"),
    ] {
        if let Some(behind) = text.strip_prefix(name) {
            return (character, behind);
        }
    }
    text.split_at(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_names() {
        for (text, expect, simple) in [
            ("plain", "plain", "plain"),
            ("<v Ann>one <b>two</b></v>", "one two", "one <b>two</b>"),
            ("<i.loud>a</i> <c.red>b</c> <00:01.000>c", "a b c", "<i>a</i> b c"),
            ("1 &lt; 2 &amp;&amp; a&nbsp;b", "1 < 2 && a\u{a0}b", "1 < 2 && a\u{a0}b"),
            ("a < b", "a < b", "a < b"),
            ("AT&T &copy;", "AT&T &copy;", "AT&T &copy;"),
            ("&amp;lt;", "&lt;", "&lt;"),
        ] {
            assert_eq!((&plain(text, false)[..], &plain(text, true)[..]), (expect, simple), "{text}");
        }
    }
}

//! Text that may be shown: URLs without their secrets, foreign text without control characters.

use std::fmt::Write as _;

use url::Url;

/// Shows a URL without credentials, query values and fragment: `https://h/p?token=…`. What one holds itself is not shown:
/// `data:…`.
#[must_use]
pub fn redacted(url: &Url) -> String {
    if url.scheme() == "data" {
        return "data:…".to_owned();
    }
    let mut shown = format!("{}://", url.scheme());
    if !url.username().is_empty() || url.password().is_some() {
        shown.push_str("…@");
    }
    shown.push_str(url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        let _ = write!(shown, ":{port}");
    }
    shown.push_str(url.path());
    if let Some(query) = url.query() {
        for (n, pair) in query.split('&').enumerate() {
            let name = pair.split('=').next().unwrap_or_default();
            let separator = if n == 0 { '?' } else { '&' };
            // A parameter without a name and value may itself be the secret.
            let _ = match pair.contains('=') {
                true => write!(shown, "{separator}{name}=…"),
                false => write!(shown, "{separator}…"),
            };
        }
    }
    escaped(&shown, usize::MAX)
}

/// Makes text from elsewhere fit for a terminal, a log or a message: control characters, escape sequences, bidirectional
/// overrides and line ends are written out, and at most `max` characters are kept.
#[must_use]
pub fn escaped(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for (n, c) in text.chars().enumerate() {
        if n == max {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if !is_harmless(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a character may be printed as it is: no control, and none that reorders or hides what is printed around it.
#[must_use]
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_secrets() {
        for (url, expect) in [
            ("https://h/p/a.ts", "https://h/p/a.ts"),
            ("https://h:8443/p?token=abc&x=1", "https://h:8443/p?token=…&x=…"),
            ("https://u:p@h/p?abcdef#frag", "https://…@h/p?…"),
            ("data:text/plain;base64,AAEC", "data:…"),
        ] {
            assert_eq!(redacted(&url.parse().unwrap()), expect);
        }
    }

    #[test]
    fn foreign_text_is_harmless() {
        assert_eq!(escaped("a\x1b[31mb\u{202e}c\u{9b}\n", 99), "a\\u{1b}[31mb\\u{202e}c\\u{9b}\\n");
        assert_eq!(escaped("abcdef", 3), "abc…");
    }
}

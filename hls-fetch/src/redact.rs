//! Text that may be shown: URLs without their secrets, foreign text without control characters.

use std::fmt::Write as _;

use url::Url;

/// Shows a URL without credentials, query values, fragment and what looks like a token in its path:
/// `https://h/…/p?token=…`. What one holds itself is not shown: `data:…`.
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
    shown.push_str(&redacted_path(url.path()));
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

/// A path without what looks like a token in it, each one left out as `…`:
///
/// - `name=value`, of which the name stays, and what is chained by `~` (Akamai: `hdnts=exp=1~hmac=0`);
/// - three parts of base64 with dots between (JWT);
/// - 32 and more hexadecimal digits, which servers sign paths with (a UUID is a name, and stays);
/// - what follows a word for a secret, such as `token:`, `/token/` or `token_`, and the session of `S(…)`;
/// - 20 and more letters and digits that change kind more often than words and numbers do, and 12 and more that do so twice as often.
///
/// Words, numbers, dates, sizes and codecs stay: `seg00001.ts`, `1080p_avc1`, `BigBuckBunny_30fps`. An extension stays too.
#[must_use]
pub fn redacted_path(path: &str) -> String {
    let mut is_announced = false;
    let shown = |part: &str| {
        let plain = percent_encoding::percent_decode_str(part).decode_utf8_lossy();
        let was_announced = std::mem::replace(&mut is_announced, is_word_for_secret(&plain));
        if was_announced && is_mixed(&plain) {
            return "…".to_owned();
        }
        redacted_part(&plain).unwrap_or_else(|| part.to_owned())
    };
    path.split('/').map(shown).collect::<Vec<_>>().join("/")
}

/// What secrets are called.
fn is_word_for_secret(text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "token",
        "auth",
        "jwt",
        "sig",
        "sign",
        "signature",
        "hmac",
        "hash",
        "session",
        "sid",
        "secret",
        "key",
        "ticket",
        "credential",
        "password",
        "apikey",
    ];
    let text = text.to_ascii_lowercase();
    WORDS
        .iter()
        .any(|word| text.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '_'])))
}

/// Letters and digits together, and more of them than a name of a rendition has.
fn is_mixed(text: &str) -> bool {
    let has = |of: fn(&u8) -> bool| text.as_bytes().iter().any(of);
    text.len() >= 12
        && !text.contains('.')
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !is_uuid(text)
}

/// Tells whether text behind a word for a secret is one: a long number, or letters and digits that alternate.
fn is_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_number = bytes.iter().all(u8::is_ascii_digit);
    let changes =
        bytes.windows(2).filter(|pair| matches!(pair, [a, b] if a.is_ascii_digit() != b.is_ascii_digit()));
    bytes.len() >= 8 && (is_number && bytes.len() >= 15 || !is_number && changes.count() >= 3)
}

/// What is shown in place of a part of a path; `None`: there is no secret in it.
fn redacted_part(part: &str) -> Option<String> {
    if let Some((name, value)) = part.split_once('=') {
        let is_name =
            (1..=24).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return (!value.is_empty() || !is_name)
            .then(|| if is_name { format!("{name}=…") } else { "…".to_owned() });
    }
    // Servers that do without cookies have their sessions in such.
    if let Some((_, session)) = part.split_once("S(").filter(|_| part.ends_with(')'))
        && session.len() > 8
    {
        return Some("S(…)".to_owned());
    }
    if let Some((name, value)) = part.split_once(':').filter(|(name, _)| is_word_for_secret(name)) {
        return (!value.is_empty()).then(|| format!("{name}:…"));
    }
    // A home folder begins with one, and the short name of a file on DOS has one near its end.
    if part.strip_prefix('~').unwrap_or(part).matches('~').count() > 1 {
        return Some("…".to_owned());
    }
    let is_base64 = |text: &str| {
        text.len() >= 10 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let dotted: Vec<_> = part.split('.').collect();
    if part.starts_with("eyJ") && dotted.len() >= 2 && dotted.iter().take(2).all(|text| is_base64(text)) {
        return Some("…".to_owned());
    }
    let is_extension =
        |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let (stem, extension) = match part.rsplit_once('.') {
        Some((stem, extension)) if is_extension(extension) => (stem, Some(extension)),
        _ => (part, None),
    };
    let shown =
        |stem: &str| extension.map_or_else(|| stem.to_owned(), |extension| format!("{stem}.{extension}"));
    if let Some((named, value)) = named(stem)
        && value.split(['-', '_', '.']).any(is_value)
    {
        return Some(shown(&format!("{named}…")));
    }
    let is_secret = stem.split(['.', '~', ',', ':', ';', '!', '*', '&', '(', ')']).any(looks_random);
    is_secret.then(|| shown("…"))
}

/// Splits text behind a word for a secret and what separates it from the rest: `access_token_` and its value.
fn named(text: &str) -> Option<(&str, &str)> {
    let mut ends = text.match_indices(['-', '_']).map(|(at, _)| at);
    let at = ends.find(|at| text.get(..*at).is_some_and(is_word_for_secret))?;
    text.split_at_checked(at + 1)
}

/// Whether text is more likely drawn at random than written by someone.
fn looks_random(text: &str) -> bool {
    if is_uuid(text) {
        return false;
    }
    if longest_run(text, |b| b.is_ascii_hexdigit()) >= 32 {
        return true;
    }
    let bytes: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'-' | b'_' | b'+')).collect();
    let is_plain = bytes.iter().all(u8::is_ascii_alphanumeric);
    if bytes.len() < 12 || !is_plain {
        return false;
    }
    #[derive(PartialEq)]
    enum Sort {
        Lower,
        Upper,
        Digit,
    }
    let sort = |b: &u8| match b {
        b'a'..=b'z' => Sort::Lower,
        b'A'..=b'Z' => Sort::Upper,
        _ => Sort::Digit,
    };
    let sorts: Vec<_> = bytes.iter().map(sort).collect();
    // The capital at the start of a word changes nothing.
    let changes = sorts.windows(2).filter(|pair| match pair {
        [a, b] => a != b && !(*a == Sort::Upper && *b == Sort::Lower),
        _ => false,
    });
    let changes = changes.count();
    let has = |wanted: &Sort| sorts.contains(wanted);
    let run = longest_run(text, |b| b.is_ascii_alphanumeric());
    // Of random letters of both cases and digits nearly every second one differs so, of words and numbers one in five.
    let has_both = has(&Sort::Lower) && has(&Sort::Upper);
    if bytes.len() < 20 {
        return run == text.len() && has_both && has(&Sort::Digit) && changes * 100 >= bytes.len() * 40;
    }
    has_both && changes * 100 >= bytes.len() * 27
        || run >= 20 && has(&Sort::Digit) && changes * 100 >= bytes.len() * 20
        || run >= 30 && has(&Sort::Digit) && changes * 100 >= bytes.len() * 12
}

fn longest_run(text: &str, of: impl Fn(u8) -> bool) -> usize {
    text.as_bytes().split(|b| !of(*b)).map(<[u8]>::len).max().unwrap_or(0)
}

/// Whether text has the form of a UUID (RFC 9562): a name that is given to things.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
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
            ("https://h/v/hdnts=exp=1~acl=/*~hmac=ab/x.m3u8", "https://h/v/hdnts=…/…/x.m3u8"),
        ] {
            assert_eq!(redacted(&url.parse().unwrap()), expect);
        }
    }

    #[test]
    fn tokens_in_paths_are_left_out_and_names_stay() {
        for (path, expect) in [
            ("/hdnts=exp=1700000000~acl=%2f*~hmac=0a1b2c/x.m3u8", "/hdnts=…/x.m3u8"),
            ("/hdntl=exp~hmac/x.m3u8", "/hdntl=…/x.m3u8"),
            ("/exp~1700000000~acl~x~hmac~0a1b/x.ts", "/…/x.ts"),
            ("/token=abc/x.ts", "/token=…/x.ts"),
            ("/a%3Db/x.ts", "/a=…/x.ts"),
            ("/-=abc/x.ts", "/…/x.ts"),
            ("/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N/x.ts", "/…/x.ts"),
            ("/5f4dcc3b5aa765d61d8327deb882cf99/1700000000/x.ts", "/…/1700000000/x.ts"),
            ("/v/5f4dcc3b5aa765d61d8327deb882cf99.ts", "/v/….ts"),
            ("/v/seg_5f4dcc3b5aa765d61d8327deb882cf99a0_3.ts", "/v/….ts"),
            ("/q6hk2HHnRPWbaMSCbDLaGg/1700000000/x.ts", "/…/1700000000/x.ts"),
            ("/dGhpcy1pcy1h_3Rva2Vu-Zm9yIHlvdQ/x.ts", "/…/x.ts"),
            ("/AKIAIOSFODNN7EXAMPLE7wJalrXUtnFEMI/x.ts", "/…/x.ts"),
            ("/k3x9m2q8v7b4n1c6z5j0/x.ts", "/…/x.ts"),
            ("/token/hunter2Zq9Xw7/x.ts", "/token/…/x.ts"),
            ("/access-token/hunter2Zq9Xw7/x.ts", "/access-token/…/x.ts"),
            ("/token:hunter2/x.ts", "/token:…/x.ts"),
            ("/app/(S(lit3py55t21z5v55vlm25s55))/x.ts", "/app/S(…)/x.ts"),
            ("/v1~q6hk2HHnRPWbaMSCbDLaGg/x.ts", "/…/x.ts"),
            ("/key_98374598347593475/x.ts", "/key_…/x.ts"),
            ("/auth-7Gk2Qp9Zx4/x.ts", "/auth-…/x.ts"),
            ("/access_token_7Gk2Qp9Zx4.ts", "/access_token_….ts"),
            ("/session_20240101120000.ts", "/session_20240101120000.ts"),
            ("/s3cr3tPassw0rdX/x.ts", "/…/x.ts"),
            ("/sign_language_1080p/key_00012.bin", "/sign_language_1080p/key_00012.bin"),
            ("/BigBuckBunny30fps/x.ts", "/BigBuckBunny30fps/x.ts"),
            ("/session/720p/index.m3u8", "/session/720p/index.m3u8"),
            ("/monkey/season01/x.ts", "/monkey/season01/x.ts"),
            ("/key/video_1080p_5000k.m3u8", "/key/video_1080p_5000k.m3u8"),
            ("/time:1700000000/x.ts", "/time:1700000000/x.ts"),
            // Ordinary names.
            ("/", "/"),
            ("/vod/seg00001.ts", "/vod/seg00001.ts"),
            ("/live/1080p_avc1/seg-000123.m4s", "/live/1080p_avc1/seg-000123.m4s"),
            ("/master_1080p_h264_aac_5000k/index.m3u8", "/master_1080p_h264_aac_5000k/index.m3u8"),
            ("/BigBuckBunny_1080p_30fps_normal/x.ts", "/BigBuckBunny_1080p_30fps_normal/x.ts"),
            ("/2026-11-29T20-34-13Z/20261129203413000.ts", "/2026-11-29T20-34-13Z/20261129203413000.ts"),
            ("/0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0/x.ts", "/0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0/x.ts"),
            ("/~user/x.ts", "/~user/x.ts"),
            ("/PROGRA~1/x.ts", "/PROGRA~1/x.ts"),
            (
                "/a-very-long-title-of-a-film-with-many-words-2026/x.ts",
                "/a-very-long-title-of-a-film-with-many-words-2026/x.ts",
            ),
            ("/TheLordOfTheRingsTheReturnOfTheKing/x.ts", "/TheLordOfTheRingsTheReturnOfTheKing/x.ts"),
            (
                "/segment_audio_eng_aac_lc_48000_stereo_00012.m4s",
                "/segment_audio_eng_aac_lc_48000_stereo_00012.m4s",
            ),
            ("/chunklist_w1234567890_b5000000.m3u8", "/chunklist_w1234567890_b5000000.m3u8"),
            ("/media-u8vq2x_3.ts", "/media-u8vq2x_3.ts"),
            ("/film%20name/caf%C3%A9.ts", "/film%20name/caf%C3%A9.ts"),
            ("/12345678901234567890123.ts", "/12345678901234567890123.ts"),
            ("/x=/y", "/x=/y"),
        ] {
            assert_eq!(redacted_path(path), expect);
        }
    }

    #[test]
    fn random_tokens_are_rarely_shown() {
        // xorshift: the same on each run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) % below
        };
        for (alphabet, length) in [
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 22),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 32),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 43),
            ("abcdefghijklmnopqrstuvwxyz0123456789", 24),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32),
            ("0123456789abcdef", 24),
            ("0123456789abcdef", 40),
        ] {
            let letters: Vec<char> = alphabet.chars().collect();
            let mut shown = 0;
            for _ in 0..1000 {
                let token: String =
                    (0..length).map(|_| letters[next(letters.len() as u64) as usize]).collect();
                shown += usize::from(redacted_path(&format!("/{token}/x.ts")).contains(&token));
            }
            assert!(shown <= 60, "{shown} of 1000 of {length} of {alphabet}");
        }
    }

    #[test]
    fn foreign_text_is_harmless() {
        assert_eq!(escaped("a\x1b[31mb\u{202e}c\u{9b}\n", 99), "a\\u{1b}[31mb\\u{202e}c\\u{9b}\\n");
        assert_eq!(escaped("abcdef", 3), "abc…");
    }
}

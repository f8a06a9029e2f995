//! References resolved as RFC 3986 writes them, without what a request does to the result.

use url::{Position, Url};

/// Resolves a reference (section 5.2); what is whole already stays as it is, letter by letter.
pub(super) fn resolved(base: &Url, reference: &str) -> String {
    if has_scheme(reference) {
        return reference.to_owned();
    }
    if reference.starts_with("//") {
        return format!("{}:{reference}", base.scheme());
    }
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, tail) = reference.split_at(end);
    if path.is_empty() {
        let from = match tail.as_bytes().first() {
            Some(b'?') => &base[..Position::AfterPath],
            _ => &base[..Position::AfterQuery],
        };
        return format!("{from}{tail}");
    }
    let folder = base.path().rfind('/').and_then(|at| base.path().get(..=at)).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("{folder}{path}") };
    format!("{}{}{tail}", &base[..Position::BeforePath], without_dots(&path))
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

/// Removes `.` and `..` (section 5.2.4) from a path that begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_folder = false;
    for part in path.split('/').skip(1) {
        is_folder = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    if is_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let base: Url = "http://a/b/c/d;p?q".parse().unwrap();
        // Section 5.4.
        for (reference, expect) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("http://h", "http://h"),
            ("é.ts", "http://a/b/c/é.ts"),
            ("a//b", "http://a/b/c/a//b"),
        ] {
            assert_eq!(resolved(&base, reference), expect, "{reference:?}");
        }
    }
}

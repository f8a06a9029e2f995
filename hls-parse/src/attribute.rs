//! Attribute lists, read as far as they can be.

use std::borrow::Cow;

use crate::{Quote, WarningKind, warning::Warnings};

/// One `NAME=value` of an attribute list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute<'t> {
    pub(crate) name: &'t str,
    pub(crate) value: Cow<'t, str>,
    pub(crate) quoted: bool,
}

/// An attribute list (rfc8216bis-22, section 4.2), read as far as it can be.
///
/// The end of the line ends everything, a quoted string that is not closed too: no attribute reaches into
/// the next line.
#[derive(Debug, Default)]
pub(crate) struct Attributes<'t>(pub(crate) Vec<Attribute<'t>>);

impl<'t> Attributes<'t> {
    pub(crate) fn read(value: &'t str, line: u32, warnings: &mut Warnings) -> Self {
        let mut list = Vec::with_capacity(4);
        let mut rest = value.trim_ascii();
        while !rest.is_empty() {
            let at = memchr::memchr2(b'=', b',', rest.as_bytes());
            let Some((at, equals)) = at.map(|at| (at, rest.as_bytes().get(at) == Some(&b'='))) else {
                warnings.add(line, || WarningKind::AttributeWithoutValue(Quote::new(rest)));
                break;
            };
            let name = rest[..at].trim_ascii();
            rest = rest[at + 1..].trim_ascii_start();
            if !equals {
                // A comma at the end, or twice, is common and hides nothing.
                if !name.is_empty() {
                    warnings.add(line, || WarningKind::AttributeWithoutValue(Quote::new(name)));
                }
                continue;
            }
            let (value, quoted, after) = split_value(rest, line, warnings);
            list.push(Attribute { name, value: Cow::Borrowed(value), quoted });
            rest = after;
        }
        let attributes = Self(list);
        if let Some(name) = attributes.repeated() {
            warnings.add(line, || WarningKind::RepeatedAttribute(Quote::new(name)));
        }
        attributes
    }

    /// Returns the last attribute of that name, as most readers do.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|attribute| attribute.name == name).map(|attribute| &*attribute.value)
    }

    /// Takes the value that [`get`](Self::get) returns.
    pub(crate) fn take(&mut self, name: &str) -> Option<Cow<'t, str>> {
        let found = self.0.iter_mut().rev().find(|attribute| attribute.name == name);
        found.map(|attribute| std::mem::take(&mut attribute.value))
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(crate) fn is_yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }

    fn repeated(&self) -> Option<&'t str> {
        if self.0.len() <= 16 {
            let names = || self.0.iter().map(|attribute| attribute.name);
            return names().enumerate().find_map(|(at, name)| names().take(at).find(|other| *other == name));
        }
        let mut names: Vec<&str> = self.0.iter().map(|attribute| attribute.name).collect();
        names.sort_unstable();
        names.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        })
    }
}

fn split_value<'t>(rest: &'t str, line: u32, warnings: &mut Warnings) -> (&'t str, bool, &'t str) {
    let Some(body) = rest.strip_prefix('"') else {
        let (value, after) = split_at(rest, b',').unwrap_or((rest, ""));
        return (value.trim_ascii_end(), false, after.trim_ascii_start());
    };
    let Some((value, after)) = split_at(body, b'"') else {
        warnings.add(line, || WarningKind::Unterminated(Quote::new(body)));
        return (body, true, "");
    };
    let (garbage, after) = split_at(after, b',').unwrap_or((after, ""));
    if !garbage.trim_ascii().is_empty() {
        warnings.add(line, || WarningKind::TextAfterQuote(Quote::new(garbage)));
    }
    (value, true, after.trim_ascii_start())
}

fn split_at(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(&str, &str)], warnings: usize) {
        let mut found = Warnings::new(100);
        let list = Attributes::read(text, 1, &mut found);
        let pairs: Vec<_> = list.0.iter().map(|a| (a.name, &*a.value)).collect();
        assert_eq!(pairs, expect, "{text:?}");
        assert_eq!(found.into_vec().len(), warnings, "{text:?}");
    }

    #[test]
    fn lists() {
        check("A=1,B=\"x,y\",C=0xF", &[("A", "1"), ("B", "x,y"), ("C", "0xF")], 0);
        check(" A = 1 , B=\"n\" ,C=u", &[("A", "1"), ("B", "n"), ("C", "u")], 0);
        check("A=\"\",B=", &[("A", ""), ("B", "")], 0);
        check("A=1,", &[("A", "1")], 0);
        check("", &[], 0);
        check("A=a=b", &[("A", "a=b")], 0);
    }

    #[test]
    fn broken_lists() {
        check("FOO,A=1", &[("A", "1")], 1);
        check("A=1,FOO", &[("A", "1")], 1);
        check("A=\"x,B=1", &[("A", "x,B=1")], 1);
        check("N=\"a\"b\"c\",R=1x1", &[("N", "a"), ("R", "1x1")], 1);
        check("A=1,A=2", &[("A", "1"), ("A", "2")], 1);
    }

    #[test]
    fn the_last_of_two_counts() {
        assert_eq!(Attributes::read("A=1,A=2", 1, &mut Warnings::new(9)).get("A"), Some("2"));
    }
}

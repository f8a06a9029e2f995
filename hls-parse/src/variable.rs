//! Variables, and their replacement.

use std::{borrow::Cow, collections::HashMap};

use url::Url;

use crate::{ErrorKind, Options, Quote, attribute::Attributes};

/// The variables that the tags read so far define (rfc8216bis-22, section 4.4.2.3).
#[derive(Debug, Default)]
pub(crate) struct Variables {
    order: Vec<(String, String)>,
    index: HashMap<String, usize>,
}

impl Variables {
    pub(crate) fn define(
        &mut self,
        attributes: &Attributes<'_>,
        base: &Url,
        options: &Options,
    ) -> Result<(), ErrorKind> {
        let sources = ["NAME", "IMPORT", "QUERYPARAM"];
        let mut found =
            sources.iter().filter_map(|source| attributes.get(source).map(|name| (*source, name)));
        let (Some((source, name)), None) = (found.next(), found.next()) else {
            return fail("has not exactly one of NAME, IMPORT and QUERYPARAM", "EXT-X-DEFINE");
        };
        let value = match source {
            "NAME" => match attributes.get("VALUE") {
                Some(value) => value.to_owned(),
                None => return fail("has no value", name),
            },
            "IMPORT" => match options.import.iter().find(|(known, _)| known == name) {
                Some((_, value)) => value.clone(),
                None => return fail("imports what no multivariant playlist defines", name),
            },
            _ => match query_parameter(base, name).filter(|value| !value.is_empty()) {
                Some(value) => value,
                None => return fail("wants a query parameter that the URL of the playlist has not", name),
            },
        };
        if self.index.contains_key(name) {
            return fail("stands twice", name);
        }
        if self.order.len() >= options.limits.variables {
            return Err(ErrorKind::Limit { what: "variables", limit: options.limits.variables });
        }
        self.index.insert(name.to_owned(), self.order.len());
        self.order.push((name.to_owned(), value));
        Ok(())
    }

    /// Replaces every `{$name}`, once: a value is never looked into (section 4.3).
    pub(crate) fn expand<'t>(&self, text: &'t str, limit: usize) -> Result<Cow<'t, str>, ErrorKind> {
        let mut out = String::new();
        let mut rest = text;
        let mut found = false;
        while let Some((before, after)) = rest.split_once("{$") {
            out.push_str(before);
            let end =
                after.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
            let name = after.get(..end.unwrap_or(0)).unwrap_or("");
            let Some(next) =
                after.get(name.len()..).and_then(|tail| tail.strip_prefix('}')).filter(|_| !name.is_empty())
            else {
                out.push_str("{$");
                rest = after;
                continue;
            };
            let Some((_, value)) = self.index.get(name).and_then(|&index| self.order.get(index)) else {
                return Err(ErrorKind::UndefinedVariable(Quote::new(name)));
            };
            found = true;
            out.push_str(value);
            rest = next;
            if out.len() > limit {
                break;
            }
        }
        if !found {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(rest);
        if out.len() > limit {
            return Err(ErrorKind::Limit { what: "bytes after variables are replaced", limit });
        }
        Ok(Cow::Owned(out))
    }

    pub(crate) fn into_vec(self) -> Vec<(String, String)> {
        self.order
    }
}

fn fail(why: &'static str, name: &str) -> Result<(), ErrorKind> {
    Err(ErrorKind::Define { why, quote: Quote::new(name) })
}

/// Finds a query parameter; a plus sign is no space here, as in any URI that is not a form.
fn query_parameter(base: &Url, name: &str) -> Option<String> {
    base.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (percent_decode(key) == name).then(|| percent_decode(value))
    })
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let digits = rest.first_chunk::<2>().filter(|_| *first == b'%');
        let decoded = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match decoded.filter(|d| !d.starts_with('+')).and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                bytes = &rest[2..];
            }
            None => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        for (name, value) in [("a", "x/y"), ("b", "{$a}"), ("long", &"z".repeat(60))] {
            variables.index.insert(name.to_owned(), variables.order.len());
            variables.order.push((name.to_owned(), value.to_owned()));
        }
        variables
    }

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(variables().expand(text, 100).ok().as_deref(), expect, "{text:?}");
    }

    #[test]
    fn rule_10_references() {
        check("{$a}/1.ts", Some("x/y/1.ts"));
        check("{$b}", Some("{$a}"));
        check("{$}{$ a}{$a", Some("{$}{$ a}{$a"));
        check("plain", Some("plain"));
        check("{$c}", None);
        check("{$long}{$long}", None);
    }

    #[test]
    fn query_parameters() {
        let base = Url::parse("https://h/p?tok=a%20b+c&x").unwrap();
        assert_eq!(query_parameter(&base, "tok").as_deref(), Some("a b+c"));
        assert_eq!(query_parameter(&base, "x"), None);
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
    }
}

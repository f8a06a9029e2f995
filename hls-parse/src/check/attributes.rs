//! Attribute lists, held to the letter of the draft.

use std::collections::HashSet;

use super::{
    Checker,
    rules::{AttributeRule, Kind, TagRule},
};
use crate::{DateTime, Line, Quote, scalar};

const LISTS: &str = "4.2";

/// An attribute list whose faults have been reported.
#[derive(Debug, Default)]
pub(super) struct Strict<'t>(Vec<Attribute<'t>>);

#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'t> {
    pub(super) name: &'t str,
    pub(super) value: &'t str,
    quoted: bool,
}

impl<'t> Strict<'t> {
    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        self.0.iter().rev().find(|attribute| attribute.name == name).map(|attribute| attribute.value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Attribute<'t>> {
        self.0.iter().copied()
    }
}

impl<'t> Checker<'t> {
    /// Splits the list of a tag, and reports whatever is wrong with it.
    pub(super) fn attributes(
        &mut self,
        line: Line<'t>,
        tag: &'static TagRule,
        rules: &'static [AttributeRule],
        value: &'t str,
    ) -> Strict<'t> {
        let list = self.split(line, value);
        let mut names = HashSet::with_capacity(list.len());
        for attribute in &list {
            let Attribute { name, .. } = *attribute;
            if !names.insert(name) {
                let quote = Quote::new(name);
                self.report(line, name, LISTS, || format!("the attribute {quote} stands more than once"));
            }
            if let Some(rule) = rules.iter().find(|rule| rule.name == name) {
                self.value(line, tag, rule, *attribute);
            }
        }
        for rule in rules.iter().filter(|rule| rule.required && !names.contains(rule.name)) {
            self.report(line, value, tag.section, || format!("{} has no {}", tag.name, rule.name));
        }
        Strict(list)
    }

    fn split(&mut self, line: Line<'t>, value: &'t str) -> Vec<Attribute<'t>> {
        let mut list = Vec::new();
        let mut rest = value;
        while !rest.is_empty() {
            let end = memchr::memchr2(b'=', b',', rest.as_bytes());
            let (name, after) = end.and_then(|end| rest.split_at_checked(end)).unwrap_or((rest, ""));
            let Some(after) = after.strip_prefix('=') else {
                let quote = Quote::new(name);
                self.report(line, name, LISTS, || format!("{quote} is no attribute with a value"));
                rest = after.get(1..).unwrap_or("");
                continue;
            };
            let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(is_name) {
                let quote = Quote::new(name);
                self.report(line, name, LISTS, || format!("{quote} is no name of an attribute"));
            }
            let (value, quoted, after) = self.split_value(line, after);
            self.references(line, value);
            list.push(Attribute { name: name.trim_ascii(), value, quoted });
            rest = after;
        }
        list
    }

    fn split_value(&mut self, line: Line<'t>, rest: &'t str) -> (&'t str, bool, &'t str) {
        let Some(body) = rest.strip_prefix('"') else {
            let (value, after) = rest.split_once(',').unwrap_or((rest, ""));
            if value.is_empty() || value.contains(['"', ' ', '\t']) {
                let quote = Quote::new(value);
                self.report(line, value, LISTS, || {
                    format!("the value {quote} is empty, or has quotes or blanks")
                });
            }
            return (value.trim_ascii(), false, after);
        };
        let Some((value, after)) = body.split_once('"') else {
            let quote = Quote::new(body);
            self.report(line, rest, LISTS, || format!("a quoted string is not closed: {quote}"));
            return (body, true, "");
        };
        let (garbage, after) = after.split_once(',').unwrap_or((after, ""));
        if !garbage.is_empty() {
            let quote = Quote::new(garbage);
            self.report(line, garbage, LISTS, || format!("there is text after a quoted string: {quote}"));
        }
        (value, true, after)
    }

    fn value(
        &mut self,
        line: Line<'t>,
        tag: &'static TagRule,
        rule: &AttributeRule,
        attribute: Attribute<'t>,
    ) {
        let Attribute { value, quoted, .. } = attribute;
        // What a variable holds is checked where the playlist is read.
        let has_reference = (quoted || matches!(rule.kind, Kind::Hex)) && value.contains("{$");
        let expect = match rule.kind {
            Kind::Integer => (!quoted && is_integer(value)).then_some("").ok_or("a decimal integer"),
            Kind::Hex => (!quoted && (has_reference || is_hex(value))).then_some("").ok_or("hexadecimal"),
            Kind::Float => (!quoted && is_float(value)).then_some("").ok_or("a decimal number"),
            Kind::SignedFloat => {
                let number = value.strip_prefix('-').unwrap_or(value);
                (!quoted && is_float(number)).then_some("").ok_or("a decimal number")
            }
            Kind::Quoted => quoted.then_some("").ok_or("a quoted string"),
            Kind::Date => {
                let valid = quoted && (has_reference || DateTime::parse(value).is_some());
                valid.then_some("").ok_or("a quoted date and time")
            }
            Kind::Range => {
                let valid = quoted && (has_reference || scalar::byte_range(value).is_some());
                valid.then_some("").ok_or("a quoted byte range")
            }
            Kind::Resolution => {
                (!quoted && is_resolution(value)).then_some("").ok_or("a size as WIDTHxHEIGHT")
            }
            Kind::OneOf(words) => (!quoted && words.contains(&value)).then_some("").ok_or("a word it may be"),
            Kind::QuotedOr(word) => (quoted || value == word).then_some("").ok_or("a quoted string or NONE"),
        };
        if let Err(expect) = expect {
            let quote = Quote::new(value);
            let (tag_name, name) = (tag.name, rule.name);
            self.report(line, value, tag.section, || {
                format!("{name} of {tag_name} is not {expect}: {quote}")
            });
        }
    }
}

pub(super) fn is_integer(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

fn is_hex(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or("");
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn is_float(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    }
}

fn is_resolution(text: &str) -> bool {
    text.split_once('x').is_some_and(|(width, height)| is_integer(width) && is_integer(height))
}

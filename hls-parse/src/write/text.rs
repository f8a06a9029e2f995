//! Lines and attribute lists in the making.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use url::Url;

use super::WriteError;
use crate::{AttributeList, Content, Key, Lines, Start};

/// The lines written so far.
#[derive(Default)]
pub(super) struct Text {
    out: String,
    /// Variables for texts that would be read as something else, by their values.
    variables: HashMap<String, String>,
    taken: Vec<String>,
}

impl Text {
    pub(super) fn new() -> Self {
        Self { out: "#EXTM3U\n".to_owned(), ..Self::default() }
    }

    pub(super) fn into_string(self) -> String {
        self.out
    }

    // Writing to a string never fails.
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.out, "{line}");
    }

    pub(super) fn flag(&mut self, is: bool, tag: &str) {
        if is {
            self.line(format_args!("#{tag}"));
        }
    }

    pub(super) fn number(&mut self, tag: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.line(format_args!("#{tag}:{number}"));
        }
    }

    pub(super) fn start(&mut self, start: Option<Start>) {
        if let Some(Start { time_offset, precise }) = start {
            let precise = if precise { ",PRECISE=YES" } else { "" };
            self.line(format_args!("#EXT-X-START:TIME-OFFSET={time_offset}{precise}"));
        }
    }

    pub(super) fn list(&mut self, tag: &str, list: &List) {
        self.line(format_args!("#{tag}:{}", list.0));
    }

    /// Defines a variable of the playlist itself.
    pub(super) fn variable(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        let what = "EXT-X-DEFINE";
        quotable(what, name)?;
        quotable(what, value)?;
        self.taken.push(name.to_owned());
        self.line(format_args!("#EXT-X-DEFINE:NAME=\"{name}\",VALUE=\"{value}\""));
        Ok(())
    }

    /// Writes a URI line.
    pub(super) fn uri(&mut self, uri: &str) -> Result<(), WriteError> {
        let line = self.uri_text(uri)?;
        self.line(format_args!("{line}"));
        Ok(())
    }

    /// Returns a URI as its line has it, behind the tag that this may need.
    pub(super) fn uri_text(&mut self, uri: &str) -> Result<String, WriteError> {
        let what = "a URI";
        one_line(what, uri)?;
        let read = Lines::new(uri).next().map(|line| line.content);
        let is_read_back = read == Some(Content::Uri(uri)) && !has_reference(uri);
        if is_read_back { Ok(uri.to_owned()) } else { self.reference(what, uri) }
    }

    /// Writes a tag that is no more than a URI.
    pub(super) fn prefetch(&mut self, uri: &str) -> Result<(), WriteError> {
        let what = "EXT-X-PREFETCH";
        one_line(what, uri)?;
        let is_plain = !uri.is_empty() && uri.trim_ascii() == uri && !has_reference(uri);
        let uri = if is_plain { uri.to_owned() } else { self.reference(what, uri)? };
        self.line(format_args!("#{what}:{uri}"));
        Ok(())
    }

    /// Adds a quoted attribute, where there is a value.
    pub(super) fn quoted(
        &mut self,
        list: &mut List,
        name: &'static str,
        value: Option<&str>,
    ) -> Result<(), WriteError> {
        let Some(value) = value else { return Ok(()) };
        let value = self.quotable(name, value)?;
        list.push(name, format_args!("\"{value}\""));
        Ok(())
    }

    /// Adds all attributes of a tag; `uri` is written in place of the one of that name.
    pub(super) fn attributes(
        &mut self,
        attributes: &AttributeList,
        uri: Option<(&str, &str)>,
    ) -> Result<List, WriteError> {
        const WHAT: &str = "an attribute";
        let mut list = List::default();
        for pair in &attributes.0 {
            let other = uri.filter(|(name, _)| *name == pair.name).map(|(_, uri)| uri);
            if pair.quoted || other.is_some() {
                let value = self.quotable(WHAT, other.unwrap_or(&pair.value))?;
                list.push(&pair.name, format_args!("\"{value}\""));
            } else {
                // Variables are replaced in this one attribute without quotes.
                let is_variable = pair.name == "IV" && has_reference(&pair.value);
                if is_variable || !is_bare(&pair.value) {
                    return Err(WriteError { what: WHAT });
                }
                list.push(&pair.name, format_args!("{}", pair.value));
            }
        }
        Ok(list)
    }

    /// The attributes of a key; `uri` is what leads to it.
    pub(super) fn key(&mut self, key: &Key, uri: Option<&str>) -> Result<List, WriteError> {
        let mut list = List::default();
        let method = key.method.as_str();
        if is_bare(method) {
            // Without a method, and without a URI, a tag would not be taken for a key at all.
            list.push("METHOD", format_args!("{method}"));
        } else {
            self.quoted(&mut list, "METHOD", Some(method))?;
        }
        self.quoted(&mut list, "URI", uri)?;
        match key.iv {
            Some(iv) => list.push("IV", format_args!("0x{:032x}", u128::from_be_bytes(iv))),
            // A vector that can't be read must stay one, or another would be taken.
            None if key.iv_is_bad => list.push("IV", format_args!("0x")),
            None => {}
        }
        self.quoted(&mut list, "KEYFORMAT", key.keyformat.as_deref())?;
        self.quoted(&mut list, "KEYFORMATVERSIONS", key.keyformat_versions.as_deref())?;
        Ok(list)
    }

    fn quotable(&mut self, what: &'static str, value: &str) -> Result<String, WriteError> {
        quotable(what, value)?;
        if has_reference(value) { self.reference(what, value) } else { Ok(value.to_owned()) }
    }

    /// A reference to a variable with this value, which no reader looks into again (section 4.3).
    fn reference(&mut self, what: &'static str, value: &str) -> Result<String, WriteError> {
        quotable(what, value)?;
        if let Some(name) = self.variables.get(value) {
            return Ok(format!("{{${name}}}"));
        }
        let mut numbers = self.variables.len()..;
        let name = numbers.find_map(|n| Some(format!("text-{n}")).filter(|name| !self.taken.contains(name)));
        let name = name.unwrap_or_default();
        self.line(format_args!("#EXT-X-DEFINE:NAME=\"{name}\",VALUE=\"{value}\""));
        self.taken.push(name.clone());
        self.variables.insert(value.to_owned(), name.clone());
        Ok(format!("{{${name}}}"))
    }
}

/// An attribute list.
#[derive(Default)]
pub(super) struct List(String);

impl List {
    pub(super) fn push(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}{name}={value}");
    }

    pub(super) fn seconds(&mut self, name: &str, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.push(name, format_args!("{}", Seconds(duration)));
        }
    }

    pub(super) fn yes(&mut self, name: &str, is: bool) {
        if is {
            self.push(name, format_args!("YES"));
        }
    }
}

/// Seconds to the microsecond, without zeros at the end.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.subsec_micros();
        if micros == 0 {
            return write!(f, "{}", self.0.as_secs());
        }
        let fraction = format!("{micros:06}");
        write!(f, "{}.{}", self.0.as_secs(), fraction.trim_end_matches('0'))
    }
}

/// The shortest text that leads to a URL from where the playlist came from.
pub(super) fn relative(base: &Url, url: &Url) -> String {
    let relative = base.make_relative(url).filter(|text| base.join(text).is_ok_and(|joined| joined == *url));
    relative.unwrap_or_else(|| url.to_string())
}

/// Whether a text has what a reader replaces.
fn has_reference(text: &str) -> bool {
    text.contains("{$")
}

/// Whether a text can stand without quotes.
fn is_bare(text: &str) -> bool {
    !text.contains([',', '\n', '\r']) && !text.starts_with('"') && text.trim_ascii() == text
}

fn quotable(what: &'static str, text: &str) -> Result<(), WriteError> {
    if text.contains('"') { Err(WriteError { what }) } else { one_line(what, text) }
}

fn one_line(what: &'static str, text: &str) -> Result<(), WriteError> {
    if text.contains('\n') || text.ends_with('\r') { Err(WriteError { what }) } else { Ok(()) }
}

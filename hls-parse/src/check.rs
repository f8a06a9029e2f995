//! Every rule of the draft that a playlist breaks.

mod attributes;
mod media;
mod multivariant;
mod rules;
mod version;

use url::Url;

use crate::{
    Content, Error, ErrorKind, Line, Lines, Options, Quote, Violation, Warning, WarningKind, playlist,
    variable::Variables, warning::Warnings,
};
use attributes::Strict;
use rules::{Form, Place, TagRule};

/// Finds every place where a playlist breaks a rule that rfc8216bis-22 calls a MUST, in the order of lines.
///
/// Reading forgives most of these, as players do; [`Options::strict`] fails at the first one. At most
/// [`Limits::warnings`](crate::Limits::warnings) are returned.
pub fn check(text: impl AsRef<[u8]>, base: &Url, options: &Options) -> Vec<Violation> {
    let bytes = text.as_ref();
    if bytes.len() > options.limits.bytes {
        let kind = ErrorKind::Limit { what: "bytes", limit: options.limits.bytes };
        return vec![from_error(&Error::new(1, 1, kind))];
    }
    let mut warnings = Warnings::new(2);
    let text = playlist::decode(playlist::without_mark(bytes, &mut warnings), &mut warnings);
    let mut found = Found::new(options.limits.warnings);
    warnings.into_vec().iter().for_each(|warning| found.add_warning(warning));
    if text.contains('\r') && !text.contains('\n') {
        found.add(1, 1, "4.1", || "lines end with carriage returns alone".to_owned());
    }
    match playlist::scan(&text, bytes, &mut Warnings::new(0)) {
        Ok((kind, _)) => {
            let checker = Checker {
                base,
                options,
                found,
                variables: Variables::default(),
                has_references: text.contains("{$"),
                version: version::Needs::default(),
                seen: std::collections::HashMap::new(),
            };
            found = match kind {
                playlist::Kind::Media => media::Check::new(checker).run(Lines::new(&text)),
                playlist::Kind::Multivariant => multivariant::Check::new(checker).run(Lines::new(&text)),
            };
        }
        Err(error) => found.0.push(from_error(&error)),
    }
    let mut found = found.0;
    found.sort_by_key(|violation| (violation.line, violation.column));
    found
}

fn from_error(error: &Error) -> Violation {
    let section = match error.kind() {
        ErrorKind::NotAPlaylist { .. } => "4.4.1.1",
        ErrorKind::Define { .. } => "4.4.2.3",
        ErrorKind::UndefinedVariable(_) => "4.3",
        _ => "4.1",
    };
    Violation { line: error.line(), column: error.column(), section, sentence: error.kind().to_string() }
}

/// What was found so far, up to a limit.
struct Found(Vec<Violation>, usize);

impl Found {
    fn new(limit: usize) -> Self {
        Self(Vec::new(), limit)
    }

    fn add(&mut self, line: u32, column: u32, section: &'static str, sentence: impl FnOnce() -> String) {
        if self.0.len() < self.1 {
            self.0.push(Violation { line, column, section, sentence: sentence() });
        }
    }

    fn add_warning(&mut self, warning: &Warning) {
        let sentence = match warning.kind {
            WarningKind::ByteOrderMark => "there is a byte order mark",
            WarningKind::NotUtf8 => "there are bytes that are not UTF-8",
            _ => return,
        };
        self.add(warning.line, 1, "4.1", || sentence.to_owned());
    }
}

/// What the checks of both kinds of playlist share.
struct Checker<'t> {
    base: &'t Url,
    options: &'t Options,
    found: Found,
    variables: Variables,
    has_references: bool,
    version: version::Needs,
    /// How often the tags stood that may stand once.
    seen: std::collections::HashMap<&'static str, u32>,
}

impl<'t> Checker<'t> {
    fn report(
        &mut self,
        line: Line<'_>,
        part: &str,
        section: &'static str,
        sentence: impl FnOnce() -> String,
    ) {
        let column = part.as_ptr().addr().checked_sub(line.raw.as_ptr().addr());
        let column = column.filter(|column| *column <= line.raw.len()).unwrap_or(0);
        let column = u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1);
        self.found.add(line.number, column, section, sentence);
    }

    /// Checks what can be said of any line; returns the tag with its attributes, where it is one that is known.
    fn line(&mut self, line: Line<'t>, place: Place) -> Option<(&'static TagRule, Strict<'t>)> {
        // A list of removed date ranges has tabs between its IDs (section 4.4.5.2).
        let is_list = line.raw.starts_with("#EXT-X-SKIP:");
        if line.raw.chars().any(|c| c.is_control() && !(is_list && c == '\t')) {
            self.report(line, line.raw, "4.1", || "there are control characters".to_owned());
        }
        let (name, value) = match line.content {
            Content::Tag { name, value } => (name, value),
            Content::Uri(uri) => {
                self.references(line, uri);
                return None;
            }
            Content::Blank | Content::Comment => return None,
        };
        let rule = rules::of(name)?;
        if line.number == 1 && name != "EXTM3U" {
            self.report(line, line.raw, "4.4.1.1", || "the first line is not EXTM3U".to_owned());
        }
        if name == "EXTM3U" && (line.number != 1 || line.raw != "#EXTM3U") {
            self.report(line, line.raw, "4.4.1.1", || "EXTM3U is not the first line, by itself".to_owned());
        }
        if rule.place != Place::Both && rule.place != place {
            let kind = if place == Place::Media { "a media playlist" } else { "a multivariant playlist" };
            self.report(line, line.raw, "4.1", || format!("{name} does not belong in {kind}"));
        }
        if rule.once {
            let count = self.seen.entry(rule.name).or_default();
            *count += 1;
            if *count > 1 {
                self.report(line, line.raw, rule.section, || format!("{name} stands more than once"));
            }
        }
        let attributes = match rule.form {
            Form::Nothing => {
                if !value.is_empty() {
                    self.report(line, value, rule.section, || format!("{name} has a value"));
                }
                Strict::default()
            }
            Form::Integer => {
                if !attributes::is_integer(value) {
                    let quote = Quote::new(value);
                    self.report(line, value, rule.section, || {
                        format!("the value of {name} is no decimal integer: {quote}")
                    });
                }
                Strict::default()
            }
            Form::Text => Strict::default(),
            Form::Attributes(rules) => self.attributes(line, rule, rules, value),
        };
        match name {
            "EXT-X-DEFINE" => self.define(line, value),
            "EXT-X-VERSION" => self.version.declare(line.number, value),
            _ => {}
        }
        Some((rule, attributes))
    }

    fn define(&mut self, line: Line<'t>, value: &'t str) {
        let attributes = crate::attribute::Attributes::read(value, line.number, &mut Warnings::new(0));
        self.version.need(8, line.number, "EXT-X-DEFINE");
        if attributes.get("QUERYPARAM").is_some() {
            self.version.need(11, line.number, "QUERYPARAM");
        }
        if let Err(kind) = self.variables.define(&attributes, self.base, self.options) {
            self.report(line, value, "4.4.2.3", || kind.to_string());
        }
    }

    fn references(&mut self, line: Line<'_>, text: &str) {
        if !self.has_references {
            return;
        }
        if let Err(kind) = self.variables.expand(text, self.options.limits.expanded_bytes) {
            self.report(line, text, "4.3", || kind.to_string());
        }
    }

    fn finish(mut self) -> Found {
        let (found, version) = (&mut self.found, &self.version);
        version.faults(|line, sentence| found.add(line, 1, "8", || sentence));
        self.found
    }
}

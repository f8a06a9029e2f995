//! What both readers share: tags of either kind, variables, URIs.

use std::borrow::Cow;

use url::Url;

use crate::{
    AttributeList, Error, ErrorKind, Line, Options, Quote, WarningKind, attribute::Attributes, span::Span,
    variable::Variables, warning::Warnings,
};

/// What the readers of both kinds of playlist share: the text, where it came from, and what was found odd.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    pub(crate) text: &'t str,
    pub(crate) base: &'t Url,
    pub(crate) options: &'t Options,
    pub(crate) warnings: Warnings,
    pub(crate) variables: Variables,
    /// Text that stands nowhere in the playlist, because variables were replaced in it.
    pub(crate) expansions: String,
    expanded_bytes: usize,
    pub(crate) version: Option<u64>,
    pub(crate) independent_segments: bool,
    pub(crate) start: Option<Start>,
    has_references: bool,
    kept_attributes: usize,
    /// Scheme and authority of the last absolute URI that was resolved, up to the slash.
    origin: Option<String>,
}

/// Where playback should begin (rfc8216bis-22, section 4.4.2.2).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Start {
    /// Seconds from the beginning, or from the end where negative.
    pub time_offset: f64,
    /// Whether to begin exactly there, and not with the segment that holds it.
    pub precise: bool,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str, base: &'t Url, options: &'t Options, warnings: Warnings) -> Self {
        Self {
            text,
            base,
            options,
            warnings,
            variables: Variables::default(),
            expansions: String::new(),
            expanded_bytes: 0,
            version: None,
            independent_segments: false,
            start: None,
            has_references: memchr::memmem::find(text.as_bytes(), b"{$").is_some(),
            kept_attributes: 0,
            origin: None,
        }
    }

    /// Reads the tags that either kind of playlist may have (section 4.4.2).
    pub(crate) fn common_tag(&mut self, line: Line<'t>, name: &str, value: &'t str) -> Result<(), Error> {
        match name {
            "EXT-X-VERSION" => {
                if self.version.is_some() {
                    self.warn(line, || WarningKind::Repeated("EXT-X-VERSION"));
                }
                self.version = self.whole_number(line, "EXT-X-VERSION", value).or(self.version);
            }
            "EXT-X-INDEPENDENT-SEGMENTS" => self.independent_segments = true,
            "EXT-X-START" => {
                let attributes = self.attributes(line, value)?;
                let offset = attributes.get("TIME-OFFSET").and_then(|text| text.parse().ok());
                match offset.filter(|offset: &f64| offset.is_finite()) {
                    Some(time_offset) => {
                        self.start = Some(Start { time_offset, precise: attributes.is_yes("PRECISE") });
                    }
                    None => self.warn(line, || bad_value("EXT-X-START", value)),
                }
            }
            "EXT-X-DEFINE" => {
                let attributes = Attributes::read(value, line.number, &mut self.warnings);
                self.variables
                    .define(&attributes, self.base, self.options)
                    .map_err(|kind| self.error(line, value, kind))?;
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn warn(&mut self, line: Line<'_>, kind: impl FnOnce() -> WarningKind) {
        self.warnings.add(line.number, kind);
    }

    /// Makes an error that points at a part of the line.
    pub(crate) fn error(&self, line: Line<'_>, part: &str, kind: ErrorKind) -> Error {
        let column = part.as_ptr().addr().checked_sub(line.raw.as_ptr().addr());
        let column = column.filter(|&column| column <= line.raw.len()).unwrap_or(0);
        Error::new(line.number, u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1), kind)
    }

    /// Fails, or reads on where the caller only wants to look.
    pub(crate) fn fault(&mut self, line: Line<'_>, part: &str, kind: ErrorKind) -> Result<(), Error> {
        if !self.options.inspect {
            return Err(self.error(line, part, kind));
        }
        self.warn(line, || WarningKind::Fault(Box::new(kind)));
        Ok(())
    }

    pub(crate) fn check_length(&self, line: Line<'_>) -> Result<(), Error> {
        let limit = self.options.limits.line_bytes;
        if line.raw.len() > limit { Err(self.limit(line, "bytes in a line", limit)) } else { Ok(()) }
    }

    pub(crate) fn limit(&self, line: Line<'_>, what: &'static str, limit: usize) -> Error {
        self.error(line, line.raw, ErrorKind::Limit { what, limit })
    }

    /// Reads an attribute list and replaces variables where section 4.3 allows them.
    pub(crate) fn attributes(&mut self, line: Line<'t>, value: &'t str) -> Result<Attributes<'t>, Error> {
        let mut attributes = Attributes::read(value, line.number, &mut self.warnings);
        if self.has_references {
            for attribute in &mut attributes.0 {
                match attribute.value {
                    Cow::Borrowed(value) if attribute.quoted || attribute.name == "IV" => {
                        attribute.value = self.expand(line, value)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(attributes)
    }

    /// Replaces the variables of a URI line or an attribute value.
    pub(crate) fn expand(&mut self, line: Line<'t>, text: &'t str) -> Result<Cow<'t, str>, Error> {
        if !self.has_references {
            return Ok(Cow::Borrowed(text));
        }
        let limits = &self.options.limits;
        let expanded = self
            .variables
            .expand(text, limits.expanded_bytes)
            .map_err(|kind| self.error(line, text, kind))?;
        if let Cow::Owned(expanded) = &expanded {
            self.expanded_bytes = self.expanded_bytes.saturating_add(expanded.len());
            if self.expanded_bytes > limits.bytes.min(i32::MAX as usize) {
                return Err(self.limit(line, "bytes after all variables are replaced", limits.bytes));
            }
        }
        Ok(expanded)
    }

    /// Remembers a text by its place.
    pub(crate) fn span(&mut self, text: Cow<'t, str>) -> Span {
        match text {
            Cow::Borrowed(text) => Span::of(self.text, text),
            Cow::Owned(text) => {
                let start = self.text.len() + self.expansions.len();
                self.expansions.push_str(&text);
                Span::new(start, text.len())
            }
        }
    }

    /// Copies a text of an older copy behind this one.
    pub(crate) fn adopt(&mut self, text: &str, line: u32) -> Result<Span, Error> {
        if text.is_empty() {
            return Ok(Span::default());
        }
        self.expanded_bytes = self.expanded_bytes.saturating_add(text.len());
        let limit = self.options.limits.bytes.min(i32::MAX as usize);
        if self.expanded_bytes > limit {
            return Err(Error::new(line, 1, ErrorKind::Limit { what: "bytes with the older copy", limit }));
        }
        Ok(self.span(Cow::Owned(text.to_owned())))
    }

    pub(crate) fn resolve(&self, line: Line<'_>, uri: &str) -> Result<Url, Error> {
        self.base.join(uri).map_err(|_| self.error(line, uri, ErrorKind::Uri(Quote::uri(uri))))
    }

    /// Resolves a URI that nothing depends on but its own tag.
    pub(crate) fn resolve_or_warn(&mut self, line: Line<'_>, uri: &str) -> Option<Url> {
        let url = self.base.join(uri).ok();
        if url.is_none() {
            self.warn(line, || WarningKind::BadUri(Quote::uri(uri)));
        }
        url
    }

    /// Copies attributes that stay with the playlist, as many as the limit allows.
    pub(crate) fn keep(
        &mut self,
        line: Line<'_>,
        attributes: &Attributes<'_>,
    ) -> Result<AttributeList, Error> {
        self.kept_attributes = self.kept_attributes.saturating_add(attributes.0.len());
        let limit = self.options.limits.attributes;
        if self.kept_attributes > limit {
            return Err(self.limit(line, "attributes", limit));
        }
        Ok(AttributeList::new(attributes))
    }

    /// Makes sure that a URI can be resolved, at the least cost for the common ones.
    pub(crate) fn check_uri(&mut self, line: Line<'_>, uri: &str) -> Result<(), Error> {
        // Paths and queries never fail, only what stands before them does.
        if self.origin.as_ref().is_some_and(|origin| uri.starts_with(origin.as_str())) {
            return Ok(());
        }
        let mut plain = uri.bytes().take_while(|byte| !matches!(byte, b'/' | b'?' | b'#'));
        let relative = plain.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        let first = uri.bytes().next();
        if relative && first.is_some_and(|byte| byte.is_ascii_alphanumeric()) && !self.base.cannot_be_a_base()
        {
            return Ok(());
        }
        self.resolve(line, uri)?;
        let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"));
        let parts = rest.and_then(|rest| rest.split_once('/'));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
        if let Some((_, path)) = parts.filter(|(authority, _)| authority.bytes().all(is_plain)) {
            self.origin = uri.get(..uri.len() - path.len()).map(str::to_owned);
        }
        Ok(())
    }

    /// Reads a number and warns where it is none, or has more after it.
    pub(crate) fn whole_number(&mut self, line: Line<'_>, tag: &'static str, value: &str) -> Option<u64> {
        match crate::scalar::leading_integer(value) {
            Some((number, "")) => Some(number),
            Some((number, _)) => {
                self.warn(line, || WarningKind::NotWhole { tag, quote: Quote::new(value) });
                Some(number)
            }
            None => {
                self.warn(line, || bad_value(tag, value));
                None
            }
        }
    }
}

pub(crate) fn bad_value(tag: &'static str, value: &str) -> WarningKind {
    WarningKind::BadValue { tag, quote: Quote::new(value) }
}

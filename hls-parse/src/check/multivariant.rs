//! The rules for multivariant playlists, and those for keys of either kind.

use std::collections::{HashMap, HashSet};

use super::{Checker, Found, attributes::Strict, rules::Place};
use crate::{Content, Line, Lines, Quote};

/// Goes through a multivariant playlist and reports what breaks a rule.
pub(super) struct Check<'t> {
    base: Checker<'t>,
    /// The `EXT-X-STREAM-INF` whose URI has to come next.
    pending: Option<Line<'t>>,
    groups: HashMap<(&'t str, &'t str), Group<'t>>,
    references: Vec<(Line<'t>, &'static str, &'t str)>,
    /// Whether closed captions are NONE, on the first variant.
    no_captions: Option<bool>,
    session_data: HashSet<(&'t str, Option<&'t str>)>,
    session_keys: HashSet<[Option<&'t str>; 5]>,
}

#[derive(Default)]
struct Group<'t> {
    names: HashSet<&'t str>,
    has_default: bool,
}

impl<'t> Check<'t> {
    pub(super) fn new(base: Checker<'t>) -> Self {
        Self {
            base,
            pending: None,
            groups: HashMap::new(),
            references: Vec::new(),
            no_captions: None,
            session_data: HashSet::new(),
            session_keys: HashSet::new(),
        }
    }

    pub(super) fn run(mut self, lines: Lines<'t>) -> Found {
        for line in lines {
            let attributes = self.base.line(line, Place::Multivariant).map(|(_, attributes)| attributes);
            match line.content {
                Content::Tag { name, value } => {
                    self.end_pending();
                    self.tag(line, name, value, &attributes.unwrap_or_default());
                }
                Content::Uri(uri) => {
                    if self.pending.take().is_none() {
                        self.base.report(line, uri, "4.4.6.2", || {
                            "a URI has no EXT-X-STREAM-INF before it".to_owned()
                        });
                    }
                }
                Content::Blank | Content::Comment => {}
            }
        }
        self.end_pending();
        for (line, kind, group) in std::mem::take(&mut self.references) {
            if !self.groups.contains_key(&(kind, group)) {
                let quote = Quote::new(group);
                self.base.report(line, group, "4.4.6.2", || {
                    format!("there is no EXT-X-MEDIA of TYPE={kind} with the GROUP-ID {quote}")
                });
            }
        }
        self.base.finish()
    }

    fn end_pending(&mut self) {
        if let Some(line) = self.pending.take() {
            self.base
                .report(line, line.raw, "4.4.6.2", || "EXT-X-STREAM-INF is not followed by a URI".to_owned());
        }
    }

    fn tag(&mut self, line: Line<'t>, name: &'t str, value: &'t str, attributes: &Strict<'t>) {
        match name {
            "EXT-X-STREAM-INF" => {
                self.pending = Some(line);
                self.variant(line, attributes);
                let none = attributes.get("CLOSED-CAPTIONS") == Some("NONE");
                if *self.no_captions.get_or_insert(none) != none {
                    self.base.report(line, line.raw, "4.4.6.2", || {
                        "CLOSED-CAPTIONS is NONE on some variants and not on all".to_owned()
                    });
                }
            }
            "EXT-X-I-FRAME-STREAM-INF" => self.variant(line, attributes),
            "EXT-X-MEDIA" => self.rendition(line, attributes),
            "EXT-X-SESSION-DATA" => {
                let (id, language) = (attributes.get("DATA-ID"), attributes.get("LANGUAGE"));
                if attributes.has("VALUE") == attributes.has("URI") {
                    self.base
                        .report(line, value, "4.4.6.4", || "not exactly one of VALUE and URI".to_owned());
                }
                if id.is_some_and(|id| !self.session_data.insert((id, language))) {
                    self.base.report(line, value, "4.4.6.4", || {
                        "another EXT-X-SESSION-DATA has the same DATA-ID and LANGUAGE".to_owned()
                    });
                }
            }
            "EXT-X-SESSION-KEY" => {
                key(&mut self.base, line, value, attributes, "4.4.6.5");
                if attributes.get("METHOD") == Some("NONE") {
                    self.base
                        .report(line, value, "4.4.6.5", || "EXT-X-SESSION-KEY has METHOD=NONE".to_owned());
                }
                let names = ["METHOD", "URI", "IV", "KEYFORMAT", "KEYFORMATVERSIONS"];
                if !self.session_keys.insert(names.map(|name| attributes.get(name))) {
                    self.base.report(line, value, "4.4.6.5", || {
                        "another EXT-X-SESSION-KEY is the same".to_owned()
                    });
                }
            }
            _ => {}
        }
    }

    fn variant(&mut self, line: Line<'t>, attributes: &Strict<'t>) {
        for (attribute, group) in ["AUDIO", "VIDEO", "SUBTITLES"].map(|name| (name, attributes.get(name))) {
            self.references.extend(group.filter(|group| !group.contains("{$")).map(|g| (line, attribute, g)));
        }
        if let Some(group) = attributes.get("CLOSED-CAPTIONS").filter(|g| *g != "NONE" && !g.contains("{$")) {
            self.references.push((line, "CLOSED-CAPTIONS", group));
        }
        let protection = attributes.get("ALLOWED-CPC").filter(|list| !list.contains("{$"));
        if let Some(entry) = protection.and_then(|list| list.split(',').find(|entry| !entry.contains(':'))) {
            let quote = Quote::new(entry);
            self.base
                .report(line, entry, "4.4.6.2", || format!("an entry of ALLOWED-CPC has no colon: {quote}"));
        }
        if let Some(attribute) = attributes.iter().find(|attribute| attribute.name.starts_with("REQ-")) {
            self.base.version.need(12, line.number, "an attribute that begins with REQ-");
            let quote = Quote::new(attribute.name);
            if attribute.name != "REQ-VIDEO-LAYOUT" {
                self.base.report(line, attribute.name, "6.3.1", || {
                    format!("the requirement {quote} is not known")
                });
            }
        }
    }

    fn rendition(&mut self, line: Line<'t>, attributes: &Strict<'t>) {
        let section = "4.4.6.1";
        let (Some(kind), Some(id)) = (attributes.get("TYPE"), attributes.get("GROUP-ID")) else { return };
        let is_captions = kind == "CLOSED-CAPTIONS";
        let has_uri = attributes.has("URI");
        let instream = attributes.get("INSTREAM-ID");
        match kind {
            "CLOSED-CAPTIONS" if has_uri => {
                self.base.report(line, line.raw, section, || "closed captions have a URI".to_owned());
            }
            "CLOSED-CAPTIONS" if instream.is_none() => {
                self.base
                    .report(line, line.raw, section, || "closed captions have no INSTREAM-ID".to_owned());
            }
            "SUBTITLES" if !has_uri => {
                self.base.report(line, line.raw, section, || "subtitles have no URI".to_owned());
            }
            _ => {}
        }
        if kind != "SUBTITLES" && attributes.has("FORCED") {
            self.base
                .report(line, line.raw, section, || format!("FORCED stands on TYPE={}", Quote::new(kind)));
        }
        if attributes.get("DEFAULT") == Some("YES") && attributes.get("AUTOSELECT") == Some("NO") {
            self.base.report(line, line.raw, section, || "DEFAULT is YES, and AUTOSELECT is NO".to_owned());
        }
        match instream {
            Some(_) if !is_captions => {
                self.base.version.need(13, line.number, "INSTREAM-ID outside of captions")
            }
            Some(id) if id.starts_with("SERVICE") => {
                self.base.version.need(7, line.number, "SERVICE captions")
            }
            _ => {}
        }
        let group = self.groups.entry((kind, id)).or_default();
        let same_name = attributes.get("NAME").is_some_and(|name| !group.names.insert(name));
        let is_default = attributes.get("DEFAULT") == Some("YES");
        let second_default = is_default && std::mem::replace(&mut group.has_default, true);
        if same_name {
            self.base.report(line, line.raw, "4.4.6.1.1", || {
                "another rendition of the group has the same NAME".to_owned()
            });
        }
        if second_default {
            self.base
                .report(line, line.raw, "4.4.6.1.1", || "the group has more than one DEFAULT=YES".to_owned());
        }
    }
}

/// Checks a key of a media or a multivariant playlist.
pub(super) fn key<'t>(
    base: &mut Checker<'t>,
    line: Line<'t>,
    value: &'t str,
    attributes: &Strict<'t>,
    section: &'static str,
) {
    let method = attributes.get("METHOD").unwrap_or("");
    if method != "NONE" && !attributes.has("URI") {
        base.report(line, value, section, || "the key has no URI".to_owned());
    }
    if let Some(iv) = attributes.get("IV") {
        base.version.need(2, line.number, "IV");
        if matches!(method, "SAMPLE-AES-CTR" | "AES-256-GCM") {
            base.report(line, iv, section, || format!("IV stands with METHOD={method}"));
        }
        if iv.len() > 34 && !iv.contains("{$") {
            base.report(line, iv, section, || "IV has more than 128 bits".to_owned());
        }
    }
    if attributes.has("KEYFORMAT") || attributes.has("KEYFORMATVERSIONS") {
        base.version.need(5, line.number, "KEYFORMAT or KEYFORMATVERSIONS");
    }
    if method == "SAMPLE-AES" {
        base.version.need(5, line.number, "METHOD=SAMPLE-AES");
    }
}

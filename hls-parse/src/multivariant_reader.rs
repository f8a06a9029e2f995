//! From lines to a multivariant playlist.

use crate::{
    AttributeList, Content, Error, ErrorKind, Line, Lines, Multivariant, Quote, Rendition, RenditionType,
    Variant, WarningKind,
    attribute::Attributes,
    reader::{Reader, bad_value},
    scalar, session_reader as session,
};

/// Reads a multivariant playlist line by line.
#[derive(Debug)]
pub(crate) struct MultivariantReader<'t> {
    reader: Reader<'t>,
    playlist: Multivariant,
    pending: Pending<'t>,
}

/// What the next URI line belongs to.
#[derive(Debug)]
enum Pending<'t> {
    Nothing,
    Variant(Line<'t>, AttributeList),
    /// A variant that section 6.3.1 says to ignore, its URI too.
    Ignored,
}

impl<'t> MultivariantReader<'t> {
    pub(crate) fn new(reader: Reader<'t>) -> Self {
        let playlist = Multivariant {
            version: None,
            independent_segments: false,
            start: None,
            variants: Vec::new(),
            i_frame_variants: Vec::new(),
            renditions: Vec::new(),
            image_variants: Vec::new(),
            session_keys: Vec::new(),
            session_data: Vec::new(),
            content_steering: None,
            variables: Vec::new(),
            base: reader.base.clone(),
            text: reader.text.into(),
        };
        Self { reader, playlist, pending: Pending::Nothing }
    }

    pub(crate) fn read(mut self, lines: Lines<'t>) -> Result<(Multivariant, Reader<'t>), Error> {
        for line in lines {
            self.reader.check_length(line)?;
            match line.content {
                Content::Tag { name, value } => self.tag(line, name, value)?,
                Content::Uri(uri) => self.uri(line, uri)?,
                Content::Blank | Content::Comment => {}
            }
        }
        self.end_pending();
        self.playlist.version = self.reader.version;
        self.playlist.independent_segments = self.reader.independent_segments;
        self.playlist.start = self.reader.start;
        self.playlist.variables = std::mem::take(&mut self.reader.variables).into_vec();
        Ok((self.playlist, self.reader))
    }

    fn tag(&mut self, line: Line<'t>, name: &'t str, value: &'t str) -> Result<(), Error> {
        match name {
            "EXT-X-STREAM-INF" => {
                self.end_pending();
                let attributes = self.reader.attributes(line, value)?;
                self.pending = self.variant_tag(line, "EXT-X-STREAM-INF", &attributes)?;
            }
            "EXT-X-I-FRAME-STREAM-INF" => self.i_frame_variant(line, value)?,
            "EXT-X-MEDIA" => self.rendition(line, value)?,
            "EXT-X-IMAGE-STREAM-INF" => self.image_variant(line, value)?,
            "EXT-X-SESSION-KEY" => {
                self.counted(line, self.playlist.session_keys.len())?;
                let key = session::key(&mut self.reader, line, value)?;
                self.playlist.session_keys.extend(key);
            }
            "EXT-X-SESSION-DATA" => {
                self.counted(line, self.playlist.session_data.len())?;
                let data = session::data(&mut self.reader, line, value)?;
                self.playlist.session_data.extend(data);
            }
            "EXT-X-CONTENT-STEERING" => {
                let steering = session::steering(&mut self.reader, line, value)?;
                self.playlist.content_steering = steering.or(self.playlist.content_steering.take());
            }
            // Either reading would fetch something that the other says is no segment (section 4.1).
            "EXTINF" | "EXT-X-TARGETDURATION" => {
                return Err(self.reader.error(line, line.raw, ErrorKind::Mixed));
            }
            _ => self.reader.common_tag(line, name, value)?,
        }
        Ok(())
    }

    fn variant_tag(
        &mut self,
        line: Line<'t>,
        tag: &'static str,
        attributes: &Attributes<'t>,
    ) -> Result<Pending<'t>, Error> {
        let unknown = attributes
            .0
            .iter()
            .find(|attribute| attribute.name.starts_with("REQ-") && attribute.name != "REQ-VIDEO-LAYOUT");
        if let Some(attribute) = unknown {
            let name = attribute.name;
            self.reader.warn(line, || WarningKind::UnknownRequirement(Quote::new(name)));
            return Ok(Pending::Ignored);
        }
        match attributes.get("BANDWIDTH") {
            Some(text) if scalar::integer(text).is_none() => {
                self.reader.warn(line, || bad_value("BANDWIDTH", text));
            }
            Some(_) => {}
            None => self.reader.warn(line, || WarningKind::Missing { tag, attribute: "BANDWIDTH" }),
        }
        Ok(Pending::Variant(line, self.reader.keep(line, attributes)?))
    }

    fn i_frame_variant(&mut self, line: Line<'t>, value: &'t str) -> Result<(), Error> {
        let limit = self.reader.options.limits.variants;
        if self.playlist.i_frame_variants.len() >= limit {
            return Err(self.reader.limit(line, "I-frame variants", limit));
        }
        let variant = self.variant_with_uri(line, "EXT-X-I-FRAME-STREAM-INF", value)?;
        self.playlist.i_frame_variants.extend(variant);
        Ok(())
    }

    fn image_variant(&mut self, line: Line<'t>, value: &'t str) -> Result<(), Error> {
        let limit = self.reader.options.limits.variants;
        if self.playlist.image_variants.len() >= limit {
            return Err(self.reader.limit(line, "image variants", limit));
        }
        let variant = self.variant_with_uri(line, "EXT-X-IMAGE-STREAM-INF", value)?;
        self.playlist.image_variants.extend(variant);
        Ok(())
    }

    /// Reads a variant whose URI is an attribute.
    fn variant_with_uri(
        &mut self,
        line: Line<'t>,
        tag: &'static str,
        value: &'t str,
    ) -> Result<Option<Variant>, Error> {
        let attributes = self.reader.attributes(line, value)?;
        let Pending::Variant(_, list) = self.variant_tag(line, tag, &attributes)? else { return Ok(None) };
        let Some(uri) = list.get("URI").map(str::to_owned) else {
            self.reader.warn(line, || WarningKind::Missing { tag, attribute: "URI" });
            return Ok(None);
        };
        let url = self.reader.resolve_or_warn(line, &uri);
        Ok(url.map(|url| Variant::new(uri, url, list, line.number)))
    }

    fn uri(&mut self, line: Line<'t>, uri: &'t str) -> Result<(), Error> {
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => self.reader.warn(line, || WarningKind::StrayUri),
            Pending::Ignored => {}
            Pending::Variant(tag, attributes) => {
                let limit = self.reader.options.limits.variants;
                if self.playlist.variants.len() >= limit {
                    return Err(self.reader.limit(line, "variants", limit));
                }
                let uri = self.reader.expand(line, uri)?.into_owned();
                if let Some(url) = self.reader.resolve_or_warn(line, &uri) {
                    self.playlist.variants.push(Variant::new(uri, url, attributes, tag.number));
                }
            }
        }
        Ok(())
    }

    fn rendition(&mut self, line: Line<'t>, value: &'t str) -> Result<(), Error> {
        let attributes = self.reader.attributes(line, value)?;
        let Some(kind) = attributes.get("TYPE").and_then(RenditionType::read) else {
            self.reader.warn(line, || bad_value("TYPE", attributes.get("TYPE").unwrap_or("")));
            return Ok(());
        };
        self.counted(line, self.playlist.renditions.len())?;
        for attribute in ["GROUP-ID", "NAME"] {
            if attributes.get(attribute).is_none() {
                self.reader.warn(line, || WarningKind::Missing { tag: "EXT-X-MEDIA", attribute });
            }
        }
        let uri = attributes.owned("URI");
        let url = match &uri {
            None => None,
            Some(uri) => match self.reader.resolve_or_warn(line, uri) {
                Some(url) => Some(url),
                None => return Ok(()),
            },
        };
        let list = self.reader.keep(line, &attributes)?;
        self.playlist.renditions.push(Rendition {
            kind,
            group: attributes.owned("GROUP-ID").unwrap_or_default(),
            name: attributes.owned("NAME").unwrap_or_default(),
            language: attributes.owned("LANGUAGE"),
            assoc_language: attributes.owned("ASSOC-LANGUAGE"),
            default: attributes.is_yes("DEFAULT"),
            autoselect: attributes.is_yes("AUTOSELECT"),
            forced: attributes.is_yes("FORCED"),
            channels: attributes.owned("CHANNELS"),
            characteristics: attributes.owned("CHARACTERISTICS"),
            bit_depth: attributes.get("BIT-DEPTH").and_then(scalar::integer),
            sample_rate: attributes.get("SAMPLE-RATE").and_then(scalar::integer),
            instream_id: attributes.owned("INSTREAM-ID"),
            stable_id: attributes.owned("STABLE-RENDITION-ID"),
            uri,
            url,
            attributes: list,
            line: line.number,
        });
        Ok(())
    }

    /// Session keys and data are as many as renditions may be.
    fn counted(&self, line: Line<'t>, count: usize) -> Result<(), Error> {
        let limit = self.reader.options.limits.renditions;
        if count >= limit {
            Err(self.reader.limit(line, "renditions or session tags", limit))
        } else {
            Ok(())
        }
    }

    fn end_pending(&mut self) {
        if let Pending::Variant(line, _) = std::mem::replace(&mut self.pending, Pending::Nothing) {
            self.reader.warn(line, || WarningKind::VariantWithoutUri);
        }
    }
}

//! Reading what a multivariant playlist says about the session.

use std::sync::Arc;

use crate::{
    ContentSteering, DataFormat, Error, Key, Line, Method, SessionData, WarningKind,
    key_scope::read_key,
    reader::{Reader, bad_value},
};

/// Reads an `EXT-X-SESSION-KEY` (rfc8216bis-22, section 4.4.6.5).
pub(crate) fn key<'t>(reader: &mut Reader<'t>, line: Line<'t>, value: &'t str) -> Result<Option<Key>, Error> {
    let tag = "EXT-X-SESSION-KEY";
    let attributes = reader.attributes(line, value)?;
    let method = match attributes.get("METHOD").map(Method::read) {
        Some(Method::None) => {
            reader.warn(line, || bad_value(tag, value));
            return Ok(None);
        }
        Some(method) => method,
        None => {
            reader.warn(line, || WarningKind::Missing { tag, attribute: "METHOD" });
            return Ok(None);
        }
    };
    let url = match attributes.get("URI") {
        Some(uri) => match reader.resolve_or_warn(line, uri) {
            Some(url) => Some(Arc::new(url)),
            None => return Ok(None),
        },
        None => {
            reader.warn(line, || WarningKind::Missing { tag, attribute: "URI" });
            None
        }
    };
    Ok(Some(read_key(reader, line, method, url, &attributes)))
}

/// Reads an `EXT-X-SESSION-DATA` (section 4.4.6.4).
pub(crate) fn data<'t>(
    reader: &mut Reader<'t>,
    line: Line<'t>,
    value: &'t str,
) -> Result<Option<SessionData>, Error> {
    let attributes = reader.attributes(line, value)?;
    let attributes = reader.keep(line, &attributes)?;
    let owned = |name| attributes.get(name).map(str::to_owned);
    let Some(id) = owned("DATA-ID") else {
        reader.warn(line, || WarningKind::Missing { tag: "EXT-X-SESSION-DATA", attribute: "DATA-ID" });
        return Ok(None);
    };
    let uri = owned("URI");
    let url = match &uri {
        Some(uri) => match reader.resolve_or_warn(line, uri) {
            Some(url) => Some(url),
            None => return Ok(None),
        },
        None => None,
    };
    Ok(Some(SessionData {
        id,
        value: owned("VALUE"),
        uri,
        url,
        format: if attributes.get("FORMAT") == Some("RAW") { DataFormat::Raw } else { DataFormat::Json },
        language: owned("LANGUAGE"),
        attributes,
        line: line.number,
    }))
}

/// Reads an `EXT-X-CONTENT-STEERING` (section 4.4.6.6).
pub(crate) fn steering<'t>(
    reader: &mut Reader<'t>,
    line: Line<'t>,
    value: &'t str,
) -> Result<Option<ContentSteering>, Error> {
    let attributes = reader.attributes(line, value)?;
    let attributes = reader.keep(line, &attributes)?;
    let Some(uri) = attributes.get("SERVER-URI").map(str::to_owned) else {
        let (tag, attribute) = ("EXT-X-CONTENT-STEERING", "SERVER-URI");
        reader.warn(line, || WarningKind::Missing { tag, attribute });
        return Ok(None);
    };
    let Some(url) = reader.resolve_or_warn(line, &uri) else { return Ok(None) };
    let pathway_id = attributes.get("PATHWAY-ID").map(str::to_owned);
    Ok(Some(ContentSteering { uri, url, pathway_id, attributes, line: line.number }))
}

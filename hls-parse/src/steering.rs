//! Steering manifests: which pathway to take, and which there are besides.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;

use crate::{Limits, Quote, Rendition, Variant};

/// What a steering server answers (rfc8216bis-22, section 7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SteeringManifest {
    /// TTL: when to ask again; 300 seconds where the manifest has none.
    pub ttl: Duration,
    /// RELOAD-URI, resolved against the manifest: where to ask again. Where there is none, the manifest's own.
    pub reload_url: Url,
    /// PATHWAY-PRIORITY: the pathways, the best one first.
    pub pathway_priority: Vec<String>,
    /// PATHWAY-CLONES: pathways that no variant is on, made from others. A later one may be made from an
    /// earlier one.
    pub clones: Vec<PathwayClone>,
}

/// A pathway made from another one (section 7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathwayClone {
    /// BASE-ID: the pathway it is made from.
    pub base_id: String,
    /// ID of the new pathway.
    pub id: String,
    /// HOST, which takes the place of the host in each URI.
    pub host: Option<String>,
    /// PARAMS: query parameters in the order of their names; each is added, or takes the place of one that has
    /// its name.
    pub params: Vec<(String, String)>,
    /// PER-VARIANT-URIS by STABLE-VARIANT-ID; for these variants, host and parameters do not count.
    pub per_variant_urls: Vec<(String, Url)>,
    /// PER-RENDITION-URIS by STABLE-RENDITION-ID; for these renditions, host and parameters do not count.
    pub per_rendition_urls: Vec<(String, Url)>,
}

/// Why a text is no steering manifest; the pathways in use go on as they are then (section 7.4).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SteeringError {
    /// It is larger than [`Limits::steering_bytes`].
    #[error("the steering manifest has more than {limit} bytes")]
    Limit {
        /// The limit.
        limit: usize,
    },
    /// It is no JSON object.
    #[error("the steering manifest is no JSON object: {0}")]
    Json(String),
    /// It is of a version that this crate does not know.
    #[error("the steering manifest is not of version 1")]
    Version,
    /// A field is missing or is not what it has to be.
    #[error("{field} of the steering manifest is missing or wrong")]
    Field {
        /// The field.
        field: Field,
    },
}

/// A field of a steering manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(&'static str);

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const TTL: Duration = Duration::from_secs(300);

impl SteeringManifest {
    /// Reads a manifest that came from `base`, after redirects.
    ///
    /// A clone that can't be read is left out, as nothing depends on it; unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// Where it is no JSON object of version 1 with a list of pathways.
    pub fn parse(json: impl AsRef<[u8]>, base: &Url, limits: &Limits) -> Result<Self, SteeringError> {
        let json = json.as_ref();
        if json.len() > limits.steering_bytes {
            return Err(SteeringError::Limit { limit: limits.steering_bytes });
        }
        let object: Map<String, Value> = serde_json::from_slice(json)
            .map_err(|error| SteeringError::Json(Quote::new(&error.to_string()).to_string()))?;
        if object.get("VERSION").and_then(Value::as_u64) != Some(1) {
            return Err(SteeringError::Version);
        }
        let wrong = |field| SteeringError::Field { field: Field(field) };
        let ttl = match object.get("TTL") {
            None => TTL,
            Some(value) => {
                let seconds = value.as_f64().filter(|seconds| *seconds > 0.0);
                let ttl = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                ttl.ok_or_else(|| wrong("TTL"))?
            }
        };
        let reload_url = match object.get("RELOAD-URI") {
            None => base.clone(),
            Some(value) => {
                let url = value.as_str().and_then(|uri| base.join(uri).ok());
                url.ok_or_else(|| wrong("RELOAD-URI"))?
            }
        };
        let pathways = object.get("PATHWAY-PRIORITY").and_then(Value::as_array);
        let pathways = pathways.into_iter().flatten().map(|value| value.as_str().map(str::to_owned));
        let pathway_priority: Option<Vec<_>> = pathways.collect();
        let pathway_priority = pathway_priority.filter(|pathways| !pathways.is_empty());
        let pathway_priority = pathway_priority.ok_or_else(|| wrong("PATHWAY-PRIORITY"))?;
        let clones = object.get("PATHWAY-CLONES").and_then(Value::as_array);
        let clones =
            clones.into_iter().flatten().filter_map(|value| PathwayClone::read(value, base)).collect();
        Ok(Self { ttl, reload_url, pathway_priority, clones })
    }
}

impl PathwayClone {
    fn read(value: &Value, base: &Url) -> Option<Self> {
        let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let replacement = value.get("URI-REPLACEMENT")?.as_object()?;
        let pairs = |name| replacement.get(name).and_then(Value::as_object).into_iter().flatten();
        let urls = |name| {
            let resolved =
                pairs(name).filter_map(|(id, uri)| Some((id.clone(), base.join(uri.as_str()?).ok()?)));
            resolved.collect()
        };
        let params =
            pairs("PARAMS").filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let mut params: Vec<_> = params.collect();
        params.sort_unstable();
        Some(Self {
            base_id: text("BASE-ID")?,
            id: text("ID")?,
            host: replacement
                .get("HOST")
                .and_then(Value::as_str)
                .filter(|h| !h.is_empty())
                .map(str::to_owned),
            params,
            per_variant_urls: urls("PER-VARIANT-URIS"),
            per_rendition_urls: urls("PER-RENDITION-URIS"),
        })
    }

    /// Returns where a variant of the base pathway is on this one; `None` where its URI can't be made.
    pub fn variant_url(&self, variant: &Variant) -> Option<Url> {
        let id = variant.stable_id.as_deref();
        self.named(&self.per_variant_urls, id).or_else(|| self.replace(&variant.url))
    }

    /// Returns where a rendition of a variant of the base pathway is on this one; `None` where it has no URI, or
    /// none can be made.
    pub fn rendition_url(&self, rendition: &Rendition) -> Option<Url> {
        let id = rendition.stable_id.as_deref();
        self.named(&self.per_rendition_urls, id).or_else(|| self.replace(rendition.url.as_ref()?))
    }

    fn named(&self, urls: &[(String, Url)], id: Option<&str>) -> Option<Url> {
        urls.iter().find(|(known, _)| Some(known.as_str()) == id).map(|(_, url)| url.clone())
    }

    fn replace(&self, url: &Url) -> Option<Url> {
        let mut url = url.clone();
        if let Some(host) = &self.host {
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) if !port.contains(']') => (name, Some(port.parse().ok()?)),
                _ => (host.as_str(), None),
            };
            url.set_host(Some(name)).ok()?;
            if port.is_some() {
                url.set_port(port).ok()?;
            }
        }
        if !self.params.is_empty() {
            url.set_query(Some(&self.query(url.query().unwrap_or(""))));
        }
        Some(url)
    }

    fn query(&self, old: &str) -> String {
        let name_of = |pair: &str| pair.split_once('=').map_or(pair, |(name, _)| name).to_owned();
        let is_replaced = |pair: &str| self.params.iter().any(|(name, _)| encode(name) == name_of(pair));
        let kept = old.split('&').filter(|pair| !pair.is_empty() && !is_replaced(pair)).map(str::to_owned);
        let added = self.params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        kept.chain(added).collect::<Vec<_>>().join("&")
    }
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Playlist;

    fn base() -> Url {
        Url::parse("https://steer.example/a/manifest.json?x=1").expect("a valid URL")
    }

    fn read(json: &str) -> Result<SteeringManifest, SteeringError> {
        SteeringManifest::parse(json, &base(), &Limits::default())
    }

    #[test]
    fn rule_36_manifests() -> Result<(), SteeringError> {
        let manifest = read(
            r#"{"VERSION": 1, "TTL": 12.5, "RELOAD-URI": "b?y=2", "PATHWAY-PRIORITY": ["q", "."], "NEW": {}}"#,
        )?;
        assert_eq!(
            (manifest.ttl, manifest.reload_url.as_str()),
            (Duration::from_millis(12_500), "https://steer.example/a/b?y=2",)
        );
        assert_eq!(manifest.pathway_priority, ["q", "."]);
        let least = read(r#"{"VERSION":1,"PATHWAY-PRIORITY":["a"]}"#)?;
        assert_eq!((least.ttl.as_secs(), least.reload_url), (300, base()));
        Ok(())
    }

    #[test]
    fn rule_36_what_is_no_manifest() {
        fn check(json: &str, expect: &str) {
            let error = read(json).expect_err(json).to_string();
            assert!(error.contains(expect), "{error}");
        }
        check("<html>", "no JSON object");
        check("[1]", "no JSON object");
        check(r#"{"PATHWAY-PRIORITY":["a"]}"#, "not of version 1");
        check(r#"{"VERSION":2,"PATHWAY-PRIORITY":["a"]}"#, "not of version 1");
        check(r#"{"VERSION":1}"#, "PATHWAY-PRIORITY");
        check(r#"{"VERSION":1,"PATHWAY-PRIORITY":[1]}"#, "PATHWAY-PRIORITY");
        check(r#"{"VERSION":1,"TTL":-1,"PATHWAY-PRIORITY":["a"]}"#, "TTL");
        check(r#"{"VERSION":1,"TTL":1e300,"PATHWAY-PRIORITY":["a"]}"#, "TTL");
        check(&"[".repeat(2_000_000), "more than 1048576 bytes");
        check(&"[".repeat(1_000_000), "no JSON object");
    }

    #[test]
    fn rule_36_clones() -> Result<(), Box<dyn std::error::Error>> {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",URI=\"/a.m3u8\",STABLE-RENDITION-ID=\"r1\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"m\",URI=\"/b.m3u8\",STABLE-RENDITION-ID=\"r2\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,STABLE-VARIANT-ID=\"v1\"\nv.m3u8?t=1&u=2\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,STABLE-VARIANT-ID=\"v2\"\nw.m3u8\n";
        let Playlist::Multivariant(playlist) =
            crate::parse(text, &Url::parse("https://h.example:8443/m/i.m3u8")?)?.playlist
        else {
            return Err("not a multivariant playlist".into());
        };
        let manifest = read(
            r#"{"VERSION":1,"PATHWAY-PRIORITY":["c"],"PATHWAY-CLONES":[{"ID":"broken"},
            {"BASE-ID":".","ID":"c","URI-REPLACEMENT":{"HOST":"c.example","PARAMS":{"z":"é ","t":"3"},
             "PER-VARIANT-URIS":{"v2":"https://q.example/w.m3u8"},
             "PER-RENDITION-URIS":{"r2":"https://q.example/b.m3u8"}}},
            {"BASE-ID":"c","ID":"d","URI-REPLACEMENT":{"HOST":"d.example:9"}}]}"#,
        )?;
        assert_eq!(manifest.clones.len(), 2);
        let clone = &manifest.clones[0];
        let variants: Vec<_> =
            playlist.variants.iter().filter_map(|v| clone.variant_url(v)).map(String::from).collect();
        assert_eq!(
            variants,
            ["https://c.example:8443/m/v.m3u8?u=2&t=3&z=%C3%A9%20", "https://q.example/w.m3u8",]
        );
        let renditions: Vec<_> =
            playlist.renditions.iter().filter_map(|r| clone.rendition_url(r)).map(String::from).collect();
        assert_eq!(
            renditions,
            ["https://c.example:8443/a.m3u8?t=3&z=%C3%A9%20", "https://q.example/b.m3u8",]
        );
        let other = manifest.clones[1].variant_url(&playlist.variants[1]).map(String::from);
        assert_eq!(other.as_deref(), Some("https://d.example:9/m/w.m3u8"));
        Ok(())
    }
}

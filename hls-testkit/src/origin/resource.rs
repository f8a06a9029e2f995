//! What an origin serves when it is well.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::judge::sha256;

/// Bytes at a path, with their headers.
///
/// By default: byte ranges, a strong `ETag` made of the bytes, a `Content-Type` by the extension of the path.
#[derive(Clone, Debug)]
pub struct Resource {
    pub(super) body: Bytes,
    pub(super) etag: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) ranges: bool,
    pub(super) headers: Vec<(String, String)>,
}

impl Resource {
    /// Makes a resource of `body`.
    pub fn new(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let etag = format!("\"{}\"", &sha256(&body)[..16]);
        Self {
            body,
            etag: Some(etag),
            content_type: None,
            last_modified: None,
            ranges: true,
            headers: Vec::new(),
        }
    }

    /// Makes a resource of `body`, coded with gzip, whether a client asks for that or not.
    pub fn gzipped(body: &[u8]) -> Self {
        let mut coder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to a vector can't fail.
        let code = coder.write_all(body).and_then(|()| coder.finish()).unwrap_or_default();
        Self::new(code).header("content-encoding", "gzip")
    }

    /// The bytes that it serves.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Serves the whole body whatever range is asked for.
    pub fn no_ranges(mut self) -> Self {
        self.ranges = false;
        self
    }

    /// Sends no `ETag`.
    pub fn no_etag(mut self) -> Self {
        self.etag = None;
        self
    }

    /// Sends this `ETag`, quotes and `W/` included.
    pub fn etag(mut self, value: &str) -> Self {
        self.etag = Some(value.to_owned());
        self
    }

    /// Sends this `Last-Modified`.
    pub fn last_modified(mut self, value: &str) -> Self {
        self.last_modified = Some(value.to_owned());
        self
    }

    /// Sends this `Content-Type`.
    pub fn content_type(mut self, value: &str) -> Self {
        self.content_type = Some(value.to_owned());
        self
    }

    /// Sends one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether `ETag` is one that bytes of two answers may be joined under (RFC 9110, 8.8.3.2).
    pub(super) fn matches_strongly(&self, if_range: &str) -> bool {
        match &self.etag {
            Some(etag) if !etag.starts_with("W/") && etag == if_range => true,
            _ => self.last_modified.as_deref() == Some(if_range),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Resource {
    fn from(body: T) -> Self {
        Self::new(body)
    }
}

pub(crate) fn content_type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "m3u8" => "application/vnd.apple.mpegurl",
        "ts" => "video/mp2t",
        "m4s" => "video/iso.segment",
        "mp4" => "video/mp4",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "vtt" => "text/vtt",
        "json" => "application/json",
        "html" => "text/html",
        _ => "application/octet-stream",
    }
}

//! Whole streams, and the bytes that a right download of them ends with.

mod cipher;
pub(crate) use cipher::encrypt;
mod layout;
mod master;

use bytes::{Bytes, BytesMut};

pub use self::master::{Master, PublishedMaster};
use crate::judge::sha256;
use crate::{Media, Origin, transport};

/// A stream that ends, yet to be published.
#[derive(Clone, Debug)]
pub struct Vod {
    pub(super) segments: Vec<Bytes>,
    pub(super) inits: Vec<Bytes>,
    pub(super) extension: &'static str,
    pub(super) codecs: &'static str,
    pub(super) key: Option<[u8; 16]>,
    pub(super) iv: Iv,
    pub(super) rotate_every: Option<usize>,
    pub(super) none_from: Option<usize>,
    pub(super) map_key: MapKey,
    pub(super) two_maps: bool,
    pub(super) discontinuities: Vec<usize>,
    pub(super) byterange: bool,
    pub(super) media_sequence: u64,
    pub(super) query: String,
    pub(super) absolute: bool,
    pub(super) redirected: bool,
    pub(super) prefix: String,
    pub(super) seconds: f64,
    /// How long the last segment is, where that is another time.
    pub(super) last_seconds: Option<f64>,
    pub(super) ends: bool,
    /// The clear bytes in order, where the segments are slices of one buffer.
    joined: Option<Bytes>,
}

/// Where the initialisation vector of a segment comes from (RFC 8216, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iv {
    /// The media sequence number.
    Implicit,
    /// One `IV` attribute for all segments of a key.
    Explicit,
    /// A `KEY` tag with an `IV` of its own for each segment.
    PerSegment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapKey {
    Clear,
    OfSegment,
    Own,
}

impl Vod {
    /// Makes a transport stream of `n` segments of noise, each of `bytes` rounded down to whole packets.
    ///
    /// It looks like media and can't be played. Every segment differs, and is the same in every run.
    pub fn synthetic(n: usize, bytes: usize) -> Self {
        let size = bytes / transport::PACKET * transport::PACKET;
        let mut joined = BytesMut::with_capacity(n * size);
        let mut counter = 0;
        for index in 0..n {
            joined.extend_from_slice(&transport::synthetic(0x484c_5321, index, size, &mut counter));
        }
        let joined = joined.freeze();
        let segments = (0..n).map(|i| joined.slice(i * size..(i + 1) * size)).collect();
        Self { joined: Some(joined), ..Self::of(segments, "ts") }
    }

    /// Makes a stream of the real media in this crate.
    pub fn from_media(media: Media) -> Self {
        let segments = media.segments().into_iter().map(Bytes::from_static).collect();
        let inits =
            [media.init(), media.second_init()].into_iter().flatten().map(Bytes::from_static).collect();
        Self {
            inits,
            codecs: media.codecs(),
            seconds: Media::SEGMENT_SECONDS,
            last_seconds: media.last_seconds(),
            ..Self::of(segments, media.extension())
        }
    }

    /// Makes a stream that plays [`Media::Ts`] `n` times over, with time stamps that run on.
    pub fn looped(n: usize) -> Self {
        // A little longer than the media, whose sound outlasts its picture.
        const PERIOD: f64 = 12.08;
        let mut vod = Self::from_media(Media::Ts);
        vod.segments = (0..n)
            .flat_map(|round| Media::Ts.segments().map(|s| transport::delayed(s, round as f64 * PERIOD)))
            .collect();
        vod
    }

    /// Makes a stream of these segments, whatever they are.
    pub fn of(segments: Vec<Bytes>, extension: &'static str) -> Self {
        Self {
            segments,
            inits: Vec::new(),
            extension,
            codecs: "avc1.64000c,mp4a.40.2",
            key: None,
            iv: Iv::Implicit,
            rotate_every: None,
            none_from: None,
            map_key: MapKey::Clear,
            two_maps: false,
            discontinuities: Vec::new(),
            byterange: false,
            media_sequence: 0,
            query: String::new(),
            absolute: false,
            redirected: false,
            prefix: "/vod".to_owned(),
            seconds: 6.0,
            last_seconds: None,
            ends: true,
            joined: None,
        }
    }

    /// Puts this initialization section in front of its segments.
    pub fn section(mut self, section: Bytes) -> Self {
        self.inits = vec![section];
        self
    }

    /// Returns the clear segments in order.
    pub fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// Cuts a transport stream so many packets later between its segments: what follows a cut goes on with what was
    /// before it.
    pub fn cut_later(mut self, packets: usize) -> Self {
        let all = self.segments.concat();
        let (mut begin, mut at, last) = (0, 0, self.segments.len().saturating_sub(1));
        let cut = self.segments.iter().enumerate().map(|(n, segment)| {
            at += segment.len();
            let end = if n == last { all.len() } else { (at + packets * transport::PACKET).min(all.len()) };
            Bytes::copy_from_slice(&all[std::mem::replace(&mut begin, end)..end])
        });
        self.segments = cut.collect();
        self.joined = None;
        self
    }

    /// Moves all timestamps of transport streams, which wrap at 33 bits.
    pub fn delayed(mut self, seconds: f64) -> Self {
        self.segments = self.segments.iter().map(|segment| transport::delayed(segment, seconds)).collect();
        self.joined = None;
        self
    }

    /// Adds the segments of another stream behind a discontinuity.
    pub fn then(mut self, other: &Self) -> Self {
        self.discontinuities.push(self.segments.len());
        self.segments.extend(other.segments.iter().cloned());
        self.joined = None;
        self
    }

    /// Encrypts with AES-128, with an implicit IV unless [`iv`](Self::iv) says otherwise.
    pub fn aes128(mut self, key: [u8; 16]) -> Self {
        self.key = Some(key);
        self
    }

    /// Says where the IV comes from.
    pub fn iv(mut self, iv: Iv) -> Self {
        self.iv = iv;
        self
    }

    /// Changes the key every `n` segments.
    pub fn rotate_every(mut self, n: usize) -> Self {
        self.rotate_every = Some(n.max(1));
        self
    }

    /// Leaves segment `i` and those after it clear (`METHOD=NONE`).
    pub fn none_from(mut self, i: usize) -> Self {
        self.none_from = Some(i);
        self
    }

    /// Encrypts the init sections with the key of the segment that follows, and an explicit IV.
    pub fn encrypted_map(mut self) -> Self {
        self.map_key = MapKey::OfSegment;
        self
    }

    /// Encrypts the init sections with a key that no segment has.
    ///
    /// Only a client that uses the key in effect *at the MAP* gets them right.
    pub fn own_map_key(mut self) -> Self {
        self.map_key = MapKey::Own;
        self
    }

    /// Changes to the second init section in the middle.
    pub fn two_maps(mut self) -> Self {
        self.two_maps = true;
        self
    }

    /// Puts a `DISCONTINUITY` before segment `i`.
    pub fn discontinuity_at(mut self, i: usize) -> Self {
        self.discontinuities.push(i);
        self
    }

    /// Puts everything into a single file, with byte ranges whose offsets are implied.
    pub fn byterange(mut self) -> Self {
        self.byterange = true;
        self
    }

    /// Sets the media sequence number of the first segment.
    pub fn media_sequence(mut self, n: u64) -> Self {
        self.media_sequence = n;
        self
    }

    /// Adds this query to every URL.
    pub fn query(mut self, query: &str) -> Self {
        self.query = format!("?{query}");
        self
    }

    /// Writes absolute URLs into the playlist.
    pub fn absolute(mut self) -> Self {
        self.absolute = true;
        self
    }

    /// Hides the playlist behind a redirect from another folder, against which nothing resolves.
    pub fn redirected(mut self) -> Self {
        self.redirected = true;
        self
    }

    /// Sets the folder it is published in, `/vod` by default.
    pub fn prefix(mut self, path: &str) -> Self {
        self.prefix = path.to_owned();
        self
    }

    /// Sets the duration that the playlist claims for each segment.
    pub fn segment_seconds(mut self, seconds: f64) -> Self {
        (self.seconds, self.last_seconds) = (seconds, None);
        self
    }

    /// Leaves `ENDLIST` out, as if it were live.
    pub fn without_end(mut self) -> Self {
        self.ends = false;
        self
    }

    /// Returns the number of clear bytes in all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len() as u64).sum()
    }

    /// Puts playlist, segments and keys on `origin`.
    pub fn publish(&self, origin: &Origin) -> Published {
        let layout = layout::lay_out(self, &origin.base());
        for (path, bytes) in &layout.files {
            origin.put(path, bytes.clone());
        }
        let playlist_path = format!("{}/index.m3u8", self.prefix);
        origin.put(&playlist_path, layout.playlist.clone());
        let mut entrance = format!("{playlist_path}{}", self.query);
        if self.redirected {
            let hop = format!("/hop{playlist_path}");
            origin.redirect(&hop, &entrance);
            entrance = format!("{hop}{}", self.query);
        }
        let expected = match &self.joined {
            Some(joined) => joined.clone(),
            None => layout.expected.concat().into(),
        };
        Published {
            url: origin.url(&entrance),
            sha256: sha256(&expected),
            expected,
            playlist: layout.playlist,
            playlist_path,
            segment_paths: layout.segment_paths,
            init_paths: layout.init_paths,
            key_paths: layout.key_paths,
            files: layout.files,
        }
    }
}

/// A stream on an origin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Published {
    /// URL of the playlist.
    pub url: String,
    /// Decrypted segments in order, each init section before the first segment that needs it.
    pub expected: Bytes,
    /// SHA-256 of `expected` in hex.
    pub sha256: String,
    /// Text of the playlist.
    pub playlist: String,
    /// Path of the playlist.
    pub playlist_path: String,
    /// Path of each segment; all the same with byte ranges.
    pub segment_paths: Vec<String>,
    /// Path of each init section.
    pub init_paths: Vec<String>,
    /// Path of each key, in the order of first use.
    pub key_paths: Vec<String>,
    /// What is served at each path, encrypted where it has to be; the playlist is not among them.
    pub files: Vec<(String, Bytes)>,
}

//! From the description of a stream to its playlist and files.

use bytes::Bytes;

use super::cipher::encrypt;
use super::{Iv, MapKey, Vod};

/// What an origin has to serve, and what a client should end with.
#[derive(Default)]
pub(super) struct Layout {
    pub(super) playlist: String,
    pub(super) files: Vec<(String, Bytes)>,
    pub(super) expected: Vec<Bytes>,
    pub(super) segment_paths: Vec<String>,
    pub(super) init_paths: Vec<String>,
    pub(super) key_paths: Vec<String>,
}

pub(super) fn lay_out(vod: &Vod, base: &str) -> Layout {
    let mut writer =
        Writer { vod, base, out: Layout::default(), key_tag: NO_KEY.to_owned(), single: Vec::new() };
    writer.write();
    writer.out
}

const NO_KEY: &str = "METHOD=NONE";

/// A key as one `KEY` tag gives it.
struct Use {
    name: String,
    key: [u8; 16],
    /// The `IV` attribute.
    iv: Option<[u8; 16]>,
}

struct Writer<'a> {
    vod: &'a Vod,
    base: &'a str,
    out: Layout,
    /// The attributes in effect.
    key_tag: String,
    /// The single file of a stream with byte ranges.
    single: Vec<u8>,
}

impl Writer<'_> {
    fn write(&mut self) {
        let vod = self.vod;
        self.line("#EXTM3U\n#EXT-X-VERSION:7");
        self.line(&format!("#EXT-X-TARGETDURATION:{}", vod.seconds.ceil().max(1.0)));
        self.line(&format!("#EXT-X-MEDIA-SEQUENCE:{}", vod.media_sequence));
        if vod.ends {
            self.line("#EXT-X-PLAYLIST-TYPE:VOD");
        }
        let mut map_in_effect = None;
        // Where an implied offset would point: the end of the segment before, in the same file.
        let mut implied = None;
        for (i, clear) in vod.segments.iter().enumerate() {
            if vod.discontinuities.contains(&i) {
                self.line("#EXT-X-DISCONTINUITY");
            }
            let map = self.map_of(i);
            if map.is_some() && map != map_in_effect {
                self.map(map.unwrap_or_default(), i);
                map_in_effect = map;
            }
            let key = self.key_of(i);
            self.key(key.as_ref());
            let sequence = vod.media_sequence + i as u64;
            let sealed = match key {
                None => clear.clone(),
                Some(key) => encrypt(clear, key.key, key.iv.unwrap_or_else(|| number(sequence))),
            };
            let last = vod.last_seconds.filter(|_| i + 1 == vod.segments.len());
            self.line(&format!("#EXTINF:{:.3},", last.unwrap_or(vod.seconds)));
            if vod.byterange {
                let at = self.single.len();
                let offset = if implied == Some(at) { String::new() } else { format!("@{at}") };
                self.line(&format!("#EXT-X-BYTERANGE:{}{offset}", sealed.len()));
                implied = Some(at + sealed.len());
            }
            let name = self.file(&format!("seg{i:05}.{}", vod.extension), sealed);
            self.line(&self.uri(&name));
            let path = self.path(&name);
            self.out.segment_paths.push(path);
            self.out.expected.push(clear.clone());
        }
        if vod.ends {
            self.line("#EXT-X-ENDLIST");
        }
        if vod.byterange {
            let path = self.path(&self.single_name());
            self.out.files.push((path, std::mem::take(&mut self.single).into()));
        }
    }

    fn map_of(&self, i: usize) -> Option<usize> {
        let second = self.vod.two_maps && i >= self.vod.segments.len() / 2;
        (!self.vod.inits.is_empty()).then_some(usize::from(second && self.vod.inits.len() > 1))
    }

    fn map(&mut self, map: usize, segment: usize) {
        let clear = self.vod.inits[map].clone();
        let key = match self.vod.map_key {
            MapKey::Clear => None,
            MapKey::OfSegment => self.key_of(segment),
            MapKey::Own => {
                self.vod.key.map(|key| Use { name: "map.key".to_owned(), key: numbered(key, 0xff), iv: None })
            }
        };
        // The IV of a section has no sequence number to come from (RFC 8216, 4.3.2.5).
        let key = key.map(|key| Use { iv: Some(key.iv.unwrap_or(number(0x1a1b_1c1d + map as u64))), ..key });
        self.key(key.as_ref());
        let sealed = match key {
            Some(Use { key, iv: Some(iv), .. }) => encrypt(&clear, key, iv),
            _ => clear.clone(),
        };
        let range = match self.vod.byterange {
            true => format!(",BYTERANGE=\"{}@{}\"", sealed.len(), self.single.len()),
            false => String::new(),
        };
        let name = self.file(&format!("init{map}.mp4"), sealed);
        self.line(&format!("#EXT-X-MAP:URI=\"{}\"{range}", self.uri(&name)));
        let path = self.path(&name);
        self.out.init_paths.push(path);
        self.out.expected.push(clear);
    }

    fn key_of(&self, i: usize) -> Option<Use> {
        let vod = self.vod;
        let key = vod.key.filter(|_| vod.none_from.is_none_or(|from| i < from))?;
        let turn = vod.rotate_every.map_or(0, |n| i / n) as u64;
        let iv = match vod.iv {
            Iv::Implicit => None,
            Iv::Explicit => Some(number(0xe0e1_e2e3_e4e5 + turn)),
            Iv::PerSegment => Some(number(0x0abc_0000 + i as u64)),
        };
        Some(Use { name: format!("k{turn}.key"), key: numbered(key, turn), iv })
    }

    /// Brings `key` into effect.
    fn key(&mut self, key: Option<&Use>) {
        let tag = match key {
            None => NO_KEY.to_owned(),
            Some(Use { name, iv, .. }) => {
                let iv = iv.map_or(String::new(), |iv| format!(",IV=0x{:032x}", u128::from_be_bytes(iv)));
                format!("METHOD=AES-128,URI=\"{}\"{iv}", self.uri(name))
            }
        };
        if tag == self.key_tag {
            return;
        }
        self.line(&format!("#EXT-X-KEY:{tag}"));
        self.key_tag = tag;
        if let Some(key) = key {
            let path = self.path(&key.name);
            if !self.out.key_paths.contains(&path) {
                self.out.files.push((path.clone(), Bytes::copy_from_slice(&key.key)));
                self.out.key_paths.push(path);
            }
        }
    }

    /// Stores a file, or appends it to the single one, and returns the name it is found under.
    fn file(&mut self, name: &str, bytes: Bytes) -> String {
        if self.vod.byterange {
            self.single.extend_from_slice(&bytes);
            return self.single_name();
        }
        let path = self.path(name);
        self.out.files.push((path, bytes));
        name.to_owned()
    }

    fn single_name(&self) -> String {
        format!("all.{}", if self.vod.extension == "m4s" { "mp4" } else { self.vod.extension })
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.vod.prefix)
    }

    fn uri(&self, name: &str) -> String {
        let folder =
            if self.vod.absolute { format!("{}{}/", self.base, self.vod.prefix) } else { String::new() };
        format!("{folder}{name}{}", self.vod.query)
    }

    fn line(&mut self, line: &str) {
        self.out.playlist.push_str(line);
        self.out.playlist.push('\n');
    }
}

fn number(n: u64) -> [u8; 16] {
    u128::from(n).to_be_bytes()
}

fn numbered(mut key: [u8; 16], n: u64) -> [u8; 16] {
    key[15] ^= n as u8;
    key[14] ^= (n >> 8) as u8;
    key
}

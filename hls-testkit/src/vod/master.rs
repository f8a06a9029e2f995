//! Multivariant playlists.

use std::fmt::Write;

use super::{Published, Vod};
use crate::Origin;

/// A multivariant playlist, yet to be published: variants, and at most one group of audio renditions and one of subtitles.
#[derive(Clone, Debug)]
pub struct Master {
    prefix: String,
    variants: Vec<Variant>,
    audio: Vec<Rendition>,
    subtitles: Vec<Rendition>,
}

#[derive(Clone, Debug)]
struct Variant {
    bandwidth: u64,
    resolution: (u32, u32),
    vod: Vod,
}

#[derive(Clone, Debug)]
struct Rendition {
    language: String,
    default: bool,
    vod: Vod,
}

impl Master {
    /// Makes an empty one that will be published in the folder `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), variants: Vec::new(), audio: Vec::new(), subtitles: Vec::new() }
    }

    /// Adds a variant.
    pub fn variant(mut self, bandwidth: u64, width: u32, height: u32, vod: Vod) -> Self {
        let vod = vod.prefix(&format!("{}/v{}", self.prefix, self.variants.len()));
        self.variants.push(Variant { bandwidth, resolution: (width, height), vod });
        self
    }

    /// Adds an audio rendition, which every variant then refers to.
    pub fn audio(mut self, language: &str, default: bool, vod: Vod) -> Self {
        let vod = vod.prefix(&format!("{}/a{}", self.prefix, self.audio.len()));
        self.audio.push(Rendition { language: language.to_owned(), default, vod });
        self
    }

    /// Adds subtitles, which every variant then refers to.
    pub fn subtitles(mut self, language: &str, default: bool, vod: Vod) -> Self {
        let vod = vod.prefix(&format!("{}/s{}", self.prefix, self.subtitles.len()));
        self.subtitles.push(Rendition { language: language.to_owned(), default, vod });
        self
    }

    /// Puts everything on `origin`.
    pub fn publish(&self, origin: &Origin) -> PublishedMaster {
        let path = format!("{}/master.m3u8", self.prefix);
        let playlist = self.playlist();
        origin.put(&path, playlist.clone());
        PublishedMaster {
            url: origin.url(&path),
            playlist,
            playlist_path: path,
            variants: self.variants.iter().map(|v| v.vod.publish(origin)).collect(),
            audio: self.audio.iter().map(|a| a.vod.publish(origin)).collect(),
            subtitles: self.subtitles.iter().map(|s| s.vod.publish(origin)).collect(),
        }
    }

    fn playlist(&self) -> String {
        let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        let yes_no = |yes| if yes { "YES" } else { "NO" };
        for (all, kind, group, more) in
            [(&self.audio, "AUDIO", 'a', ",CHANNELS=\"1\""), (&self.subtitles, "SUBTITLES", 's', "")]
        {
            for (i, Rendition { language, default, .. }) in all.iter().enumerate() {
                let default = yes_no(*default);
                // Writing to a string can't fail.
                let _ = writeln!(
                    text,
                    "#EXT-X-MEDIA:TYPE={kind},GROUP-ID=\"{group}\",NAME=\"{language}\",LANGUAGE=\"{language}\",\
                     DEFAULT={default},AUTOSELECT=YES{more},URI=\"{group}{i}/index.m3u8\""
                );
            }
        }
        let mut groups = String::new();
        for (all, group) in [(&self.audio, ",AUDIO=\"a\""), (&self.subtitles, ",SUBTITLES=\"s\"")] {
            groups.push_str(if all.is_empty() { "" } else { group });
        }
        for (i, Variant { bandwidth, resolution: (width, height), vod }) in self.variants.iter().enumerate() {
            let _ = writeln!(
                text,
                "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={},RESOLUTION={width}x{height},\
                 FRAME-RATE=25.000,CODECS=\"{}\"{groups}\nv{i}/index.m3u8",
                bandwidth / 10 * 9,
                vod.codecs
            );
        }
        text
    }
}

/// A multivariant playlist on an origin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishedMaster {
    /// URL of the multivariant playlist.
    pub url: String,
    /// Its text.
    pub playlist: String,
    /// Its path.
    pub playlist_path: String,
    /// The variants, in the order they were added.
    pub variants: Vec<Published>,
    /// The audio renditions, in the order they were added.
    pub audio: Vec<Published>,
    /// The subtitles, in the order they were added.
    pub subtitles: Vec<Published>,
}

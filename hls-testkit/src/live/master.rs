//! The multivariant playlist and the steering manifest.

use std::fmt::Write;
use std::time::Duration;

use super::content::Content;
use super::{Broadcast, SUBTITLES, Track};

impl Broadcast {
    /// The multivariant playlist, as it is at this time of the transmission.
    pub(super) fn master(&self, at: Duration) -> String {
        let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        let token = match self.token_life {
            Some(_) => format!("?token={}", at.as_millis()),
            None => String::new(),
        };
        let steered = !self.events.steering.is_empty();
        if steered {
            text.push_str("#EXT-X-CONTENT-STEERING:SERVER-URI=\"steering.json\",PATHWAY-ID=\"a\"\n");
        }
        for (p, pathway) in self.pathways.iter().enumerate() {
            let is_text = |track: &Track| matches!(track.content, Content::Text);
            for (t, track) in self.tracks.iter().enumerate().skip(1) {
                let (id, uri) = (&pathway.id, self.uri(t, p));
                let name = track.name.strip_prefix(SUBTITLES).unwrap_or(&track.name);
                let kind = if is_text(track) {
                    "TYPE=SUBTITLES,GROUP-ID=\"sub"
                } else {
                    "TYPE=AUDIO,GROUP-ID=\"aud"
                };
                let rest = match is_text(track) {
                    true => "DEFAULT=NO,AUTOSELECT=YES".to_owned(),
                    false => {
                        format!("DEFAULT={},AUTOSELECT=YES,CHANNELS=\"1\"", if t == 1 { "YES" } else { "NO" })
                    }
                };
                // Writing to a string can't fail.
                let _ = writeln!(
                    text,
                    "#EXT-X-MEDIA:{kind}-{id}\",NAME=\"{name}\",LANGUAGE=\"{name}\",{rest},URI=\"{uri}{token}\"",
                );
            }
            let codecs = self.tracks[0].content.codecs();
            let mut group = String::new();
            for (name, id, wanted) in [("AUDIO", "aud", false), ("SUBTITLES", "sub", true)] {
                if self.tracks.iter().skip(1).any(|track| is_text(track) == wanted) {
                    let _ = write!(group, ",{name}=\"{id}-{}\"", pathway.id);
                }
            }
            let id = if steered { format!(",PATHWAY-ID=\"{}\"", pathway.id) } else { String::new() };
            let _ = writeln!(
                text,
                "#EXT-X-STREAM-INF:BANDWIDTH=400000,AVERAGE-BANDWIDTH=360000,RESOLUTION=160x90,FRAME-RATE=25.000,\
                 CODECS=\"{codecs}\"{group}{id}\n{}{token}",
                self.uri(0, p),
            );
        }
        text
    }

    /// The URI of a media playlist as the multivariant one has it.
    fn uri(&self, track: usize, pathway: usize) -> String {
        let path = self.playlist_path(track, pathway);
        match self.pathways[pathway].base.as_str() {
            "" => path.strip_prefix(&format!("{}/", self.prefix)).map_or_else(|| path.clone(), str::to_owned),
            base => format!("{base}{path}"),
        }
    }

    /// The steering manifest (rfc8216bis-22, section 7.2) of this time, if there is one.
    pub(super) fn steering(&self, at: Duration) -> Option<String> {
        let (_, order) = self.events.steering.iter().rfind(|(from, _)| *from <= at)?;
        let order: Vec<_> = order.iter().map(|id| format!("\"{id}\"")).collect();
        let ttl = self.events.steering_ttl.map_or(1.0, |ttl| ttl.as_secs_f64());
        Some(format!("{{\"VERSION\":1,\"TTL\":{ttl},\"PATHWAY-PRIORITY\":[{}]}}\n", order.join(",")))
    }
}

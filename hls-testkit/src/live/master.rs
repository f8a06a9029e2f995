//! The multivariant playlist and the steering manifest.

use std::fmt::Write;
use std::time::Duration;

use super::Broadcast;

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
            for (t, track) in self.tracks.iter().enumerate().skip(1) {
                let default = if t == 1 { "YES" } else { "NO" };
                // Writing to a string can't fail.
                let _ = writeln!(
                    text,
                    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud-{}\",NAME=\"{name}\",LANGUAGE=\"{name}\",\
                     DEFAULT={default},AUTOSELECT=YES,CHANNELS=\"1\",URI=\"{}{token}\"",
                    pathway.id,
                    self.uri(t, p),
                    name = track.name,
                );
            }
            let codecs = self.tracks[0].content.codecs();
            let group = match self.tracks.len() {
                1 => String::new(),
                _ => format!(",AUDIO=\"aud-{}\"", pathway.id),
            };
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
        Some(format!("{{\"VERSION\":1,\"TTL\":1,\"PATHWAY-PRIORITY\":[{}]}}\n", order.join(",")))
    }
}

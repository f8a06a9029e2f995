//! What an initialization section tells of a track before anything else of it is fetched.

use hls_media::{Configuration, Container};

use super::choosing::{Chosen, Role};
use crate::error::{Error, Kind};
use crate::policy::name;
use crate::policy::plan::Unit;
use crate::transfer::attempt::Transport;

impl Chosen {
    /// Whether it is subtitles whose cues are read: WebVTT, as text or in fragmented MP4.
    pub(crate) fn is_text(&self) -> bool {
        self.role == Role::Subtitles && matches!(self.container, Container::WebVtt | Container::Fmp4)
    }

    /// An initialization section is one of fMP4, the tables of a transport stream (rfc8216bis-22, section 3.1.1), or the header
    /// of WebVTT: its bytes tell, where its name does not. Those of subtitles in fMP4 tell which format they have.
    ///
    /// # Errors
    /// Subtitles of a format that can't be read, or whose section is gone; but where they are wanted as they come.
    pub(super) async fn look_into_section(
        &mut self,
        transport: &Transport,
        is_joined: bool,
    ) -> Result<(), Error> {
        let media = self.track.media();
        let Some(first) = media.segments().next() else { return Ok(()) };
        let (Some(map), Ok(url)) = (first.map(), first.url()) else { return Ok(()) };
        let is_named = name::is_fragmented(&map.url) && name::is_fragmented(&url);
        let is_unsure = self.container == Container::Fmp4 && !is_named;
        let is_read = self.role == Role::Subtitles && !is_joined && !name::is_web_vtt(&url);
        if !is_unsure && !is_read {
            return Ok(());
        }
        let Some(unit) = Unit::of(&first, true, None) else { return Ok(()) };
        match transport.section(&self.track, &unit).await {
            Ok((container, section)) => {
                self.container = container;
                match is_read && container == Container::Fmp4 {
                    true => self.judge_subtitles(&section),
                    false => Ok(()),
                }
            }
            Err(error) if is_read && error.kind() == Kind::Refused => Err(error),
            // It is asked for again, as often as it takes.
            Err(_) => Ok(()),
        }
    }

    fn judge_subtitles(&mut self, section: &[u8]) -> Result<(), Error> {
        // What is damaged is told when it is read.
        let Ok(Configuration { tracks, .. }) = Configuration::from_init(section) else { return Ok(()) };
        let has = |handler: &[u8; 4]| tracks.iter().any(|track| track.handler == *handler);
        let formats = || tracks.iter().flat_map(|track| &track.entries).map(|entry| entry.format);
        if formats().any(|format| &format == b"wvtt") {
            return Ok(());
        }
        // Nothing but the name of the output says that these are subtitles.
        if self.source.parent.is_none() && (has(b"vide") || has(b"soun")) {
            (self.role, self.has_pictures) = (Role::Main, has(b"vide"));
            return Ok(());
        }
        let format = formats().next().unwrap_or_default();
        let message = format!("subtitles as {} in MP4 can't be read", format.escape_ascii());
        Err(Error::new(Kind::Playlist, "subtitles.unsupported", message)
            .why("of the formats of subtitles in MP4, wvtt (WebVTT) can be read")
            .next("--format join --subs LANGUAGE -o NAME.m4s keeps them as they come, beside the film"))
    }
}

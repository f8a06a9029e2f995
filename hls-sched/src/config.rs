//! All that a job was told.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hls_fetch::{Fetch, RetryPolicy};
use hls_media::remux::MayLack;
use hls_state::Durability;
use url::Url;

use crate::policy::extension;
use crate::policy::live::LiveConfig;
use crate::policy::name;
use crate::policy::pick::Wishes;
use crate::policy::rendition::Wanted;
use crate::policy::variant::Select;

/// No byte for so long is the end.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);
/// The same of a live stream, which its makers may have to mend first.
const GIVE_UP_LIVE_AFTER: Duration = Duration::from_secs(1800);

/// What an output has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// What the name of the output says: `.mp4`, `.m4v`, `.mov` and `.m4a` become one MP4, `.vtt` and `.srt` one file of
    /// subtitles, where that needs a change at all; other names have to agree with the container that the bytes come in, in
    /// order.
    #[default]
    Auto,
    /// The bytes as they come, whatever the name says.
    Join,
    /// MPEG-TS.
    Ts,
    /// One MP4, whatever the name says.
    Mp4,
}

pub(crate) enum Input {
    Url(Url),
    Text(Vec<u8>, Url),
}

pub(crate) enum Output {
    File(PathBuf),
    /// A path with fields such as `{name}`; without an extension, the right one is added.
    Template(String),
    /// Behind a lock only so that the whole can be shared; it is taken out once.
    Writer(Mutex<Option<Box<dyn Write + Send>>>),
}

pub(crate) struct Config {
    pub(crate) input: Input,
    pub(crate) output: Output,
    /// Who gets the main output too; taken out once.
    pub(crate) also: Mutex<Option<Box<dyn Write + Send>>>,
    pub(crate) fetch: Option<Arc<dyn Fetch>>,
    /// None: the best one, or that of an earlier run.
    pub(crate) selects: Vec<Select>,
    pub(crate) audio: Wanted,
    pub(crate) subtitles: Wanted,
    pub(crate) audio_only: bool,
    pub(crate) video_only: bool,
    pub(crate) format: Format,
    pub(crate) concurrency: Option<usize>,
    /// `None`: nobody has said.
    pub(crate) give_up_after: Option<Option<Duration>>,
    pub(crate) live: LiveConfig,
    pub(crate) rate: Option<u64>,
    pub(crate) policy: RetryPolicy,
    pub(crate) durability: Durability,
    pub(crate) force: bool,
    pub(crate) spared: Vec<PathBuf>,
    pub(crate) restart: bool,
    pub(crate) manifest: bool,
    pub(crate) keep_free: Option<u64>,
    pub(crate) allow_gaps: bool,
    pub(crate) allow_missing_tracks: bool,
    /// What is odd is an error.
    pub(crate) strict: bool,
    pub(crate) options: Vec<String>,
    pub(crate) remembered: Option<Vec<String>>,
    #[cfg(feature = "client")]
    pub(crate) headers: hls_fetch::HeaderRules,
}

impl Config {
    pub(crate) fn url(&self) -> &Url {
        match &self.input {
            Input::Url(url) | Input::Text(_, url) => url,
        }
    }

    /// What the name of the output says, where that is asked.
    fn name_says(&self, what: impl FnOnce(&Path) -> bool) -> bool {
        let name = match &self.output {
            Output::File(path) => Some(path.as_path()),
            Output::Template(template) => Some(Path::new(template)),
            Output::Writer(_) => None,
        };
        self.format == Format::Auto && name.is_some_and(what)
    }

    /// Asked for, or said by the name of the output.
    pub(crate) fn wants_sound_alone(&self) -> bool {
        self.audio_only || self.name_says(extension::is_sound)
    }

    /// Whether there may be several outputs of one kind.
    pub(crate) fn may_have_several(&self) -> bool {
        let several = match &self.subtitles {
            Wanted::All => true,
            Wanted::Languages(languages) => languages.len() > 1,
            _ => false,
        };
        self.selects.len() > 1 || several && self.name_says(extension::is_text)
    }

    pub(crate) fn wishes(&self) -> Wishes {
        Wishes {
            selects: self.selects.clone(),
            audio: self.audio.clone(),
            subtitles: self.subtitles.clone(),
            audio_only: self.wants_sound_alone(),
            video_only: self.video_only,
            subtitles_only: self.name_says(extension::is_text),
        }
    }

    /// What an MP4 may be without, where it can't hold it.
    pub(crate) fn may_lack(&self) -> MayLack {
        match (self.allow_missing_tracks, &self.subtitles) {
            (true, _) => MayLack::Tracks,
            (false, Wanted::None) => MayLack::Subtitles,
            (false, _) => MayLack::Nothing,
        }
    }

    /// How long nothing may come.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.give_up_after.unwrap_or(Some(GIVE_UP_AFTER))
    }

    /// How long nothing new may come of a live stream.
    pub(crate) fn live_patience(&self) -> Option<Duration> {
        self.give_up_after.unwrap_or(Some(GIVE_UP_LIVE_AFTER))
    }

    pub(crate) fn shown_url(&self) -> String {
        hls_fetch::redacted(self.url())
    }

    pub(crate) fn suggested_name(&self) -> String {
        name::suggest(self.url())
    }

    pub(crate) fn host(&self) -> String {
        self.url().host_str().unwrap_or("local").to_owned()
    }
}

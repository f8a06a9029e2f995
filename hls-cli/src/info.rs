//! `hls info`: what is in a stream, and how to get it.

mod check;
mod facts;
mod human;
mod json;
mod reading;
mod reference;
mod symbol;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use hls_fetch::{Fetch, Request};
use hls_parse::{Encryption, Media, Method, Multivariant, Parsed, Playlist, Warning};
use hls_sched::{Error, Kind, Select, load_playlist, read_playlist};
use url::Url;

use crate::args::Info;
use crate::input::Input;
use crate::report::{block, exit_code, plain, print, say};
use crate::request;

const CONNECTIONS: usize = 2;
/// A larger answer is no playlist.
const LARGEST: u64 = 64 << 20;
const STALL: Duration = Duration::from_secs(30);

/// What is known of a stream.
struct Found {
    /// Where the playlist came from, without secrets; a file as it was given.
    url: String,
    /// What stands for the stream in a command, without secrets.
    name: String,
    /// Whether `name` is all that a command needs.
    name_is_whole: bool,
    multivariant: Option<Multivariant>,
    /// Number of the variant that is taken unless told, from 0.
    best: Option<usize>,
    /// The playlist itself, or that of the best variant.
    media: Option<Media>,
    notes: Vec<Note>,
}

/// Something odd.
struct Note {
    line: Option<u32>,
    kind: &'static str,
    message: String,
}

enum Failure {
    Usage(String),
    Job(Error),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Usage(message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Job(error)
    }
}

/// Looks at one stream.
pub(crate) async fn run(args: Info) -> ExitCode {
    if args.reading || args.check {
        return match itself(&args).await {
            Ok((text, true)) => print(&text),
            Ok((text, false)) => match print(&text) {
                ExitCode::SUCCESS => ExitCode::from(exit_code(Kind::Playlist)),
                other => other,
            },
            Err(failure) => failed(failure),
        };
    }
    if args.watch {
        return watch::run(&args).await.unwrap_or_else(failed);
    }
    match look(&args).await {
        Ok(found) => print(&if args.json { json::line(&found) } else { human::page(&found) }),
        Err(failure) => failed(failure),
    }
}

fn failed(failure: Failure) -> ExitCode {
    match failure {
        Failure::Usage(message) => plain(2, "usage", &message),
        Failure::Job(error) => {
            say(&block(&error));
            ExitCode::from(exit_code(error.kind()))
        }
    }
}

fn argument(args: &Info) -> Result<&String, Failure> {
    let mut inputs = args.input.iter().chain(&args.request.url);
    match (inputs.next(), inputs.next()) {
        (Some(argument), None) => Ok(argument),
        _ => Err("one stream at a time".to_owned().into()),
    }
}

/// Looks at the playlist itself, and at nothing that it leads to; tells whether it is as it should be.
async fn itself(args: &Info) -> Result<(String, bool), Failure> {
    let master = args.master.as_ref().map(|path| crate::input::read_file(path, LARGEST));
    let master = master.transpose()?;
    let argument = argument(args)?;
    let input = Input::read(argument, args.base.as_ref())?;
    let (text, base, name) = match input {
        Input::Text { text, base, .. } => (text, base, argument.clone()),
        Input::Url(ref url) => {
            let client = request::client(&args.request, CONNECTIONS, STALL, false)?;
            let fetch = request::transport(&client, &input)?;
            let (text, base) = load(&*fetch, url).await?;
            (text, base, hls_fetch::redacted(url))
        }
    };
    if args.reading {
        return Ok(reading::line(&text, &base, master.as_deref()));
    }
    let violations = match reading::options(master.as_deref(), &base) {
        Ok(options) => hls_parse::check(&text, &base, &options),
        Err(error) => return Err(format!("the multivariant playlist: {error}").into()),
    };
    let text = if args.json { check::line(&name, &violations) } else { check::page(&violations) };
    Ok((text, violations.is_empty()))
}

/// Fetches a playlist as it is.
async fn load(fetch: &dyn Fetch, url: &Url) -> Result<(Vec<u8>, Url), Failure> {
    let text = match fetch.fetch(Request::get(url.clone()).undoing_gzip()).await {
        Ok(answer) => {
            let base = answer.url.clone();
            answer.bytes(LARGEST).await.ok().map(|text| (text.to_vec(), base))
        }
        Err(_) => None,
    };
    if let Some(text) = text {
        return Ok(text);
    }
    // The engine knows what is worth another try, and how to tell what failed.
    let playlist = load_playlist(fetch, url, None).await?.playlist;
    let (base, lines) = match &playlist {
        Playlist::Media(media) => (media.base(), media.lines()),
        Playlist::Multivariant(playlist) => (playlist.base(), playlist.lines()),
    };
    let text: String = lines.map(|line| format!("{}\n", line.raw)).collect();
    Ok((text.into_bytes(), base.clone()))
}

async fn look(args: &Info) -> Result<Found, Failure> {
    let argument = argument(args)?;
    let input = Input::read(argument, args.base.as_ref())?;
    let client = request::client(&args.request, CONNECTIONS, STALL, false)?;
    let fetch = request::transport(&client, &input)?;
    let parsed = match &input {
        Input::Url(url) => load_playlist(&*fetch, url, None).await?,
        Input::Text { text, base, .. } => read_playlist(text, base)?,
    };
    let mut url = hls_fetch::redacted(input.url());
    let (name, name_is_whole) = match (&input, argument.as_str()) {
        (Input::Url(typed), _) => (url.clone(), url == typed.as_str()),
        (_, "-") => ("FILE".to_owned(), false),
        (_, file) => (hls_fetch::escaped(file, usize::MAX), true),
    };
    if let Input::Text { folder: Some(_), .. } = input {
        // Its base is only the folder that its files have to be in.
        url = hls_fetch::escaped(argument, usize::MAX);
    }
    let mut found =
        Found { url, name, name_is_whole, multivariant: None, best: None, media: None, notes: Vec::new() };
    found.take(parsed, &*fetch).await;
    Ok(found)
}

impl Found {
    async fn take(&mut self, parsed: Parsed, fetch: &dyn Fetch) {
        self.note(&parsed.warnings, "");
        let playlist = match parsed.playlist {
            Playlist::Media(media) => {
                self.media = Some(media);
                return;
            }
            Playlist::Multivariant(playlist) => self.multivariant.insert(playlist),
        };
        let odd = |line, message| Note { line, kind: "variant", message };
        let best = match Select::Best.choose(playlist) {
            Ok(best) => best,
            Err(_) => return self.notes.push(odd(None, "there are no variants".to_owned())),
        };
        let line = Some(best.line);
        self.best = playlist.variants.iter().position(|variant| std::ptr::eq(variant, best));
        let label = format!("variant {}", self.best.map_or(0, |n| n + 1));
        match load_playlist(fetch, &best.url, Some(playlist)).await {
            Ok(Parsed { playlist: Playlist::Media(media), warnings, .. }) => {
                self.media = Some(media);
                self.note(&warnings, &format!("in {label}: "));
            }
            Ok(_) => self.notes.push(odd(line, format!("{label} leads to another list of variants"))),
            Err(error) => self.notes.push(odd(line, format!("{label} can't be read: {error}"))),
        }
    }

    fn note(&mut self, warnings: &[Warning], place: &str) {
        self.notes.extend(warnings.iter().map(|warning| Note {
            line: Some(warning.line),
            kind: symbol::of(&warning.kind),
            message: format!("{place}{}", warning.kind),
        }));
    }

    /// The methods in use, each once.
    fn encryption(&self) -> Vec<&Encryption> {
        let mut all: Vec<&Encryption> = Vec::new();
        let Some(media) = &self.media else { return all };
        for one in media.encryptions().chain(media.maps().iter().map(|map| &map.encryption)) {
            if *one != Encryption::Clear && all.iter().all(|known| method(known) != method(one)) {
                all.push(one);
            }
        }
        all
    }
}

fn method(encryption: &Encryption) -> Method {
    match encryption {
        Encryption::Clear => Method::None,
        Encryption::Unsupported { method, .. } => method.clone(),
        _ => Method::Aes128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, parse};
    use hls_testkit::{Master, Media as Clip, Origin, Reply, Vod};

    pub(super) fn found(text: &str, media: Option<&str>) -> Found {
        let base = "https://h/m/index.m3u8?token=secret".parse().unwrap();
        let mut found = Found {
            url: hls_fetch::redacted(&base),
            name: hls_fetch::redacted(&base),
            name_is_whole: false,
            multivariant: None,
            best: None,
            media: None,
            notes: Vec::new(),
        };
        for text in std::iter::once(text).chain(media) {
            let parsed = read_playlist(text.as_bytes(), &base).unwrap();
            found.note(&parsed.warnings, "");
            match parsed.playlist {
                Playlist::Media(media) => found.media = Some(media),
                Playlist::Multivariant(playlist) => found.multivariant = Some(playlist),
            }
        }
        found
    }

    async fn of(words: &[&str]) -> Result<Found, Failure> {
        let words = ["hls", "info"].iter().chain(words).map(Into::into);
        let Ok(Command::Info(info)) = parse(words) else { panic!("an info command") };
        look(&info).await
    }

    fn kind(found: Result<Found, Failure>) -> Option<Kind> {
        match found {
            Err(Failure::Job(error)) => Some(error.kind()),
            _ => None,
        }
    }

    #[tokio::test]
    async fn the_best_variant_tells_the_rest() {
        let origin = Origin::start();
        let vod = || Vod::from_media(Clip::Ts);
        let master = Master::new("/m")
            .variant(500_000, 320, 180, vod())
            .variant(900_000, 640, 360, vod().aes128([7; 16]))
            .audio("en", true, Vod::from_media(Clip::AudioAdts))
            .publish(&origin);
        let found = of(&[&master.url]).await.ok().expect("is found");
        assert_eq!((found.best, found.encryption().len(), found.notes.len()), (Some(1), 1, 0));
        assert_eq!(found.media.as_ref().map(|m| m.segments().len()), Some(6));
        assert!(found.name_is_whole);
        // Only what is needed was asked for.
        assert_eq!(origin.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_variant_that_is_gone_is_a_warning() {
        let origin = Origin::start();
        let master = Master::new("/m").variant(500_000, 320, 180, Vod::from_media(Clip::Ts)).publish(&origin);
        origin.remove(&master.variants[0].playlist_path);
        let found = of(&[&master.url]).await.ok().expect("is found");
        assert!(found.media.is_none());
        assert_eq!(found.notes.iter().map(|n| (n.line, n.kind)).collect::<Vec<_>>(), [(Some(4), "variant")]);
    }

    #[tokio::test]
    async fn what_fails_fails_as_in_get() {
        let origin = Origin::start();
        origin.script("/page", [Reply::html().forever()]);
        assert_eq!(kind(of(&[&origin.url("/none.m3u8")]).await), Some(Kind::Refused));
        assert_eq!(kind(of(&[&origin.url("/page")]).await), Some(Kind::Playlist));
        for usage in [&["ftp://h/x"][..], &["https://h/a", "--url", "https://h/b"]] {
            assert!(matches!(of(usage).await, Err(Failure::Usage(_))), "{usage:?}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.m3u8");
        std::fs::write(&file, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n").unwrap();
        let found = of(&[file.to_str().unwrap()]).await.ok().expect("is found");
        assert_eq!(found.media.map(|m| m.ended), Some(false));
        assert!(found.name_is_whole && found.name == found.url && found.url.ends_with("list.m3u8"));
    }
}

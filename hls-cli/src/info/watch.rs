//! `hls info --watch`: a live playlist as it goes on, and nothing that it names.

mod health;
mod line;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hls_fetch::{Class, Fetch, Request};
use hls_parse::{DateTime, Media, Multivariant, Options, Playlist};
use hls_sched::{Select, load_playlist};
use url::Url;

use self::health::{Health, Report};
use super::{CONNECTIONS, Failure, LARGEST, STALL, argument};
use crate::args::Info;
use crate::input::Input;
use crate::report::{json_line, print};
use crate::request;
use crate::signal::{Asked, Signals, die_by};

/// Where the playlist is that is watched.
struct Place {
    fetch: Arc<dyn Fetch>,
    /// Where the user said it is.
    entrance: Url,
    url: Url,
    within: Option<Multivariant>,
}

/// Why there is no playlist.
struct Missed {
    error: String,
    retry_after: Option<Duration>,
    /// A new link may help.
    is_refusal: bool,
}

/// Watches until the stream or the time is over, or somebody says so.
pub(super) async fn run(args: &Info) -> Result<ExitCode, Failure> {
    let input = Input::read(argument(args)?, args.base.as_ref())?;
    let Input::Url(entrance) = &input else {
        return Err("only what has a URL can be watched".to_owned().into());
    };
    let client = request::client(&args.request, CONNECTIONS, STALL, false)?;
    let fetch = request::transport(&client, &input)?;
    let mut signals = Signals::listen().map_err(|error| error.to_string())?;
    let mut place = Place { fetch, entrance: entrance.clone(), url: entrance.clone(), within: None };
    let stopped = async {
        loop {
            if let Asked::End(signal) = signals.next().await {
                return signal;
            }
        }
    };
    tokio::pin!(stopped);

    // The first load is made as for a download: what can't be had at all is an error.
    let first = tokio::select! {
        first = place.enter() => first?,
        signal = &mut stopped => return Ok(die_by(signal)),
    };
    let began = Instant::now();
    let mut health = Health::new(began);
    health.begin(began);
    let mut teller = Teller { json: args.json, code: ExitCode::SUCCESS };
    if !args.json {
        teller.print(&line::headline(&hls_fetch::redacted(&place.url), Some(&first)));
    }
    teller.tell(&health.loaded(&first, Instant::now(), time_of_day()));
    let end = args.duration.and_then(|lasts| began.checked_add(lasts));
    let mut needs_link = false;
    while !health.has_ended() && teller.code == ExitCode::SUCCESS {
        let due = health.due();
        let is_over = end.is_some_and(|end| end <= due);
        tokio::select! {
            _ = &mut stopped => break,
            () = tokio::time::sleep_until(end.filter(|_| is_over).unwrap_or(due).into()) => {}
        }
        if is_over {
            break;
        }
        health.begin(Instant::now());
        let load = tokio::select! {
            load = place.load(needs_link) => load,
            _ = &mut stopped => break,
        };
        let report = match load {
            Ok(media) => health.loaded(&media, Instant::now(), time_of_day()),
            Err(missed) => {
                needs_link = missed.is_refusal;
                health.failed(missed.error, missed.retry_after, Instant::now())
            }
        };
        needs_link &= report.look == health::Look::Failed;
        teller.tell(&report);
    }
    let (elapsed, sum) = (began.elapsed(), health.sum());
    match args.json {
        true => teller.print(&json_line(&line::total(sum, elapsed, health.has_ended()))),
        false => teller.print(&line::summary(sum, elapsed)),
    }
    Ok(teller.code)
}

/// Prints, and keeps how that went.
struct Teller {
    json: bool,
    code: ExitCode,
}

impl Teller {
    fn tell(&mut self, report: &Report) {
        let text = if self.json { json_line(&line::program(report)) } else { line::person(report) };
        self.print(&text);
    }

    fn print(&mut self, text: &str) {
        if self.code == ExitCode::SUCCESS && !text.is_empty() {
            self.code = print(text);
        }
    }
}

impl Place {
    /// Finds the media playlist that a download would take.
    async fn enter(&mut self) -> Result<Media, Failure> {
        let playlist = match load_playlist(&*self.fetch, &self.entrance, None).await?.playlist {
            Playlist::Media(media) => return Ok(media),
            Playlist::Multivariant(playlist) => playlist,
        };
        self.url = Select::Best.choose(&playlist)?.url.clone();
        let media = load_playlist(&*self.fetch, &self.url, Some(&playlist)).await?.playlist;
        self.within = Some(playlist);
        match media {
            Playlist::Media(media) => Ok(media),
            Playlist::Multivariant(_) => {
                Err("the variant leads to another list of variants".to_owned().into())
            }
        }
    }

    /// Loads it once, by a new link where there is need of one.
    async fn load(&mut self, needs_link: bool) -> Result<Media, Missed> {
        if needs_link && self.within.is_some() {
            let entrance = self.entrance.clone();
            if let Playlist::Multivariant(playlist) = self.once(&entrance, None).await? {
                let found = Select::Best.choose(&playlist).map(|variant| variant.url.clone());
                self.url = found.map_err(|error| Missed::of(error.to_string()))?;
                self.within = Some(playlist);
            }
        }
        match self.once(&self.url, self.within.as_ref()).await? {
            Playlist::Media(media) => Ok(media),
            Playlist::Multivariant(_) => {
                Err(Missed::of("a list of variants in the place of segments".to_owned()))
            }
        }
    }

    /// One attempt: when to try again is what the watch is about.
    async fn once(&self, url: &Url, within: Option<&Multivariant>) -> Result<Playlist, Missed> {
        let failed = |error: hls_fetch::Error| Missed {
            retry_after: error.retry_after(),
            is_refusal: error.class() == Class::Auth,
            error: error.to_string(),
        };
        let mut request = Request::get(url.clone()).undoing_gzip();
        request.parent = within.map(|within| within.base().clone());
        let answer = self.fetch.fetch(request).await.map_err(failed)?;
        let base = answer.url.clone();
        let text = answer.bytes(LARGEST).await.map_err(failed)?;
        let mut options = Options::default();
        options.import = within.map(|within| within.variables.clone()).unwrap_or_default();
        let parsed = options.parse(&text, &base).map_err(|error| Missed::of(error.to_string()))?;
        Ok(parsed.playlist)
    }
}

impl Missed {
    fn of(error: String) -> Self {
        Self { error, retry_after: None, is_refusal: false }
    }
}

fn time_of_day() -> DateTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

//! The command line as it is written.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use hls_fetch::HttpVersion;
use hls_sched::{Durability, Format, Select, Wanted};
use url::Url;

use crate::quantity::{self, Part, Patience, Start, Time};
use crate::rate::RateLimit;

/// Downloads HTTP Live Streaming: in parallel, resumable, every byte verified.
///
/// `hls URL` is `hls get URL`. Exit 0 means that every byte is right.
#[derive(Debug, Parser)]
#[command(
    name = "hls",
    version,
    disable_version_flag = true,
    max_term_width = 80,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print the version; with -v all that a report of a fault needs
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Get(Box<Get>),
    /// Show what is in a stream, with a size and a ready command for each variant
    Info(Box<Info>),
    /// Show what is unfinished in a folder; go on with it, or forget it
    Jobs(Box<Jobs>),
    Verify(Verify),
    /// Write the manual, or the completions of a shell, to standard output
    #[command(hide = true)]
    Generate(Generate),
    /// Version, and what a report of a fault needs; `--version -v`
    #[command(skip)]
    About,
}

/// Download a stream; run again to go on
///
/// A command that was copied from a browser as cURL works with `curl` replaced by `hls get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Playlists: URLs, files, or - for standard input
    #[arg(value_name = "URL", required_unless_present_any = ["url", "input"])]
    pub(crate) inputs: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) choose: ChooseArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
    #[command(flatten)]
    pub(crate) rare: RareArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Where to: a file (.mp4 and .m4a are made of whatever comes, .srt and .vtt of its subtitles), a folder with / at its end,
    /// - for standard output, or a name with {name}, {height}, {lang}, {start}, {host}. Given once more,
    /// - beside a file: what reads standard output may be slow
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Vec<String>,
    /// Replace an output that exists, at the very end (a partial download is discarded by --restart)
    #[arg(long)]
    pub(crate) force: bool,
    /// Do nothing, successfully, where the output exists
    #[arg(long, conflicts_with = "force")]
    pub(crate) skip_existing: bool,
    /// Pause with exit 9 when less than this is free: 500M, 2G; 0 begins even where the size that the playlist foretells
    /// does not fit
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub(crate) keep_free: Option<u64>,
    /// Read more URLs from a file, one a line
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Choose")]
pub(crate) struct ChooseArgs {
    /// best (or that of the run before, unless told), worst, 720p, a number from hls info, or conditions between commas:
    /// height, width, bandwidth, fps with <= >= < > = !=; codec=hevc, range=hdr, name=N; codec, name, uri with ~REGEX at the
    /// end. Given several times, each gives an output (movie.1080p.mp4)
    #[arg(short, long, value_name = "WHICH")]
    pub(crate) select: Vec<Select>,
    /// Audio by language or name, or all; unless told, what the stream says is to be played
    #[arg(long, value_name = "LANG,..|all", conflicts_with = "video_only")]
    pub(crate) audio: Option<Wanted>,
    /// Subtitles by language or name, or all; they go into an MP4, else beside the output. -o NAME.vtt or .srt takes them alone
    #[arg(long, value_name = "LANG,..|all|none")]
    pub(crate) subs: Option<Wanted>,
    /// Take the audio alone, as -o NAME.m4a does by itself
    #[arg(long, conflicts_with = "video_only")]
    pub(crate) audio_only: bool,
    /// Take the pictures alone
    #[arg(long)]
    pub(crate) video_only: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Request (as in curl)")]
pub(crate) struct RequestArgs {
    /// Add a header; @FILE reads them from a file
    #[arg(short = 'H', long, value_name = "K: V|@FILE")]
    pub(crate) header: Vec<String>,
    /// Name the client
    #[arg(short = 'A', long, value_name = "UA")]
    pub(crate) user_agent: Option<String>,
    /// Name the page that leads here
    #[arg(short = 'e', long, value_name = "URL")]
    pub(crate) referer: Option<String>,
    /// Send cookies; without = a cookie file
    #[arg(short = 'b', long, value_name = "K=V|FILE")]
    pub(crate) cookie: Vec<String>,
    /// Go through a proxy: http, https or socks5
    #[arg(short = 'x', long, value_name = "PROXY")]
    pub(crate) proxy: Option<String>,
    /// Accept any certificate
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// Trust these certificates too (PEM)
    #[arg(long, visible_alias = "cacert", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Send a header to this host too; others than User-Agent, Referer, Origin, Accept and Sec-* go to the input's origin alone
    #[arg(long, num_args = 2, value_names = ["HOST", "K: V"])]
    pub(crate) header_for: Vec<String>,
    /// Speak this HTTP over TLS: 1.1, 2, or auto, which is 2 where the server has it; with 2 a cap on the rate is less even
    #[arg(long, value_name = "VERSION", default_value = "1.1", value_parser = http_version)]
    pub(crate) http: HttpVersion,
    /// Let https lead to http
    #[arg(long)]
    pub(crate) allow_http: bool,
    /// Let playlists and redirects lead to loopback, private and link-local addresses; else the input alone may be at one
    #[arg(long)]
    pub(crate) allow_private: bool,
    // What copied commands carry and what is so anyway.
    #[arg(long, hide = true, value_name = "URL")]
    pub(crate) url: Vec<String>,
    #[arg(short = 'L', long, hide = true)]
    pub(crate) location: bool,
    #[arg(long, hide = true)]
    pub(crate) compressed: bool,
    #[arg(short = 'g', long, hide = true)]
    pub(crate) globoff: bool,
    #[arg(short = 'X', long, hide = true, value_name = "METHOD", value_parser = only_get)]
    pub(crate) request: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Fetch so many segments at once; unless told, as many as serve best, from 4 up to 16 for each server
    #[arg(short, long = "jobs", value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<usize>,
    /// Cap the rate of all connections together, in bytes per second: 500K, 2M; @FILE reads it from a file, again whenever
    /// that changes (0 there lifts it)
    #[arg(long, value_name = "RATE|@FILE", value_parser = RateLimit::parse)]
    pub(crate) limit_rate: Option<RateLimit>,
    /// Repeat what may succeed later this many times
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// A transfer under 1 KiB/s for this long has stalled
    #[arg(long, value_name = "DUR", default_value = "30s", value_parser = quantity::duration)]
    pub(crate) stall_timeout: Duration,
    /// End with exit 5 once no byte has come for this long (10m unless told), or never; until then a network that is gone is
    /// waited for. A recording ends well, with exit 14, once its stream has had nothing new for this long (30m)
    #[arg(long, value_name = "DUR|never", value_parser = quantity::patience)]
    pub(crate) give_up_after: Option<Patience>,
}

/// A playlist without an end is recorded until the stream ends, or Ctrl-C. The same command again goes on
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Live")]
pub(crate) struct LiveArgs {
    /// Begin with all that the playlist still holds, near its edge, so much before the edge, or at a time (RFC 3339); unless
    /// told, start, and with -o - live
    #[arg(long, value_name = "start|live|-DUR|TIME", value_parser = quantity::from, allow_hyphen_values = true)]
    pub(crate) from: Option<Start>,
    /// End once the recording is this long
    #[arg(long, value_name = "DUR", value_parser = quantity::duration)]
    pub(crate) duration: Option<Duration>,
    /// End at this time of the stream (RFC 3339; HH:MM is the next one in UTC)
    #[arg(long, value_name = "TIME", value_parser = quantity::time)]
    pub(crate) until: Option<Time>,
    /// Wait for a stream that has not begun
    #[arg(long)]
    pub(crate) wait: bool,
    /// Begin another file, NAME.2.ts and so on, whenever one is this long (1h) or large (2G)
    #[arg(long, value_name = "DUR|SIZE", value_parser = quantity::split)]
    pub(crate) split: Option<Part>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Talk")]
pub(crate) struct TalkArgs {
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// How to show progress
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto, value_name = "HOW")]
    pub(crate) progress: ProgressMode,
    /// Write events to standard output, one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A bar on a terminal, else lines
    Auto,
    Bar,
    /// A line every 30 s or 10 %
    Lines,
    None,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Rare")]
pub(crate) struct RareArgs {
    /// What the output has to be: auto goes by the name (.mp4 and .m4a are made, others keep the container), join takes the
    /// bytes as they come under any name
    #[arg(long, value_enum, default_value_t = FormatArg::Auto, value_name = "FMT")]
    pub(crate) format: FormatArg,
    /// Where a local playlist came from
    #[arg(long, value_name = "URL")]
    pub(crate) base: Option<Url>,
    /// Discard a partial download (an output that exists is replaced by --force)
    #[arg(long)]
    pub(crate) restart: bool,
    /// Finish without segments that can't be had: exit 4, and OUT.gaps.json says which; the same command again fills them
    #[arg(long)]
    pub(crate) allow_gaps: bool,
    /// Take what is odd for an error: segments that are damaged, cut or out of order by what they hold, or of unknown length.
    /// Else those are kept with a warning where the server sends the same bytes again
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write OUT.json beside the output: length and SHA-256 of the file and of every segment, for hls verify
    #[arg(long)]
    pub(crate) manifest: bool,
    /// Keep the whole URL and all options with the unfinished download, secrets included, for hls jobs --resume
    #[arg(long)]
    pub(crate) remember: bool,
    /// What has to survive: safe, a loss of power; fast, only a kill of the process
    #[arg(long, value_enum, default_value_t = DurabilityArg::Safe, value_name = "HOW")]
    pub(crate) durability: DurabilityArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormatArg {
    Auto,
    Join,
    Ts,
    Mp4,
}

impl From<FormatArg> for Format {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::Auto => Self::Auto,
            FormatArg::Join => Self::Join,
            FormatArg::Ts => Self::Ts,
            FormatArg::Mp4 => Self::Mp4,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DurabilityArg {
    Fast,
    Safe,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Self {
        match arg {
            DurabilityArg::Fast => Self::Fast,
            DurabilityArg::Safe => Self::Safe,
        }
    }
}

/// Show what is in a stream, with a size and a ready command for each variant
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// A playlist: URL, file, or - for standard input
    #[arg(value_name = "URL", required_unless_present = "url")]
    pub(crate) input: Option<String>,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where a local playlist came from
    #[arg(long, value_name = "URL")]
    pub(crate) base: Option<Url>,
    /// Write how the playlist itself was read, as JSON: each segment with its URL, byte range, key, vector and map
    ///
    /// Nothing else is fetched. URLs are whole, with their queries. A text that is no playlist gives an
    /// object of the kind "error", and exit code 7.
    #[arg(long, hide_short_help = true, conflicts_with = "json", group = "itself")]
    pub(crate) reading: bool,
    /// List every rule of the HLS specification that the playlist itself breaks; exit 7 where there is one
    #[arg(long, conflicts_with = "reading", group = "itself")]
    pub(crate) check: bool,
    /// Load a live playlist as often as a player does, and tell what comes, what is late and what is missing; Ctrl-C ends it
    ///
    /// No segment is fetched. With --json, one object for each load, and one at the end.
    #[arg(long, conflicts_with = "itself")]
    pub(crate) watch: bool,
    /// With --watch: end after this long
    #[arg(long, value_name = "DUR", value_parser = quantity::duration, requires = "watch")]
    pub(crate) duration: Option<Duration>,
    /// With --reading or --check: the multivariant playlist, for the variables that a media playlist imports
    #[arg(long, value_name = "FILE", hide_short_help = true, requires = "itself")]
    pub(crate) master: Option<PathBuf>,
}

/// Show what is unfinished in a folder; go on with it, or forget it
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Go on with all of them, one after the other; hls get --remember has kept what that takes
    #[arg(long, conflicts_with = "remove")]
    pub(crate) resume: bool,
    /// Delete what there is of these outputs and their state; of all in the folder where none is named
    #[arg(long, value_name = "OUTPUT", num_args = 0..)]
    pub(crate) remove: Option<Vec<PathBuf>>,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

/// Tell whether a file is whole
///
/// With its manifest (hls get --manifest) every byte is compared; without one, its container is checked.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Its manifest, where that is not FILE.json
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write the manual, or the completions of a shell, to standard output
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// What to write
    #[arg(value_enum, value_name = "WHAT")]
    pub(crate) what: Paper,
    /// With man: the command that the page is about
    #[arg(value_name = "COMMAND")]
    pub(crate) about: Option<String>,
}

/// What is made of the definition of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Paper {
    /// A manual page, in roff
    Man,
    Bash,
    Zsh,
    Fish,
    Powershell,
    /// All commands and options, in Markdown
    Markdown,
}

/// Returns the definition of the command line.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// Reads the command line; a first word that is no command belongs to `get`.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let first = words.get(1).map(|w| w.to_string_lossy().into_owned()).unwrap_or_default();
    if asks_for_all_of_the_version(&words[1.min(words.len())..]) {
        return Ok(Command::About);
    }
    let known = ["get", "info", "jobs", "verify", "generate", "help", "-h", "--help", "-V", "--version", ""];
    if !known.contains(&first.as_str()) {
        words.insert(1, "get".into());
    }
    let words = match first.as_str() {
        "help" => words.into_iter().map(|w| if w == "help" { "--help".into() } else { w }).collect(),
        _ => words,
    };
    Cli::try_parse_from(words).map(|cli| cli.command)
}

fn asks_for_all_of_the_version(words: &[OsString]) -> bool {
    let one_of = |names: [&str; 2]| words.iter().any(|word| names.iter().any(|name| word == name));
    match words {
        [word] => word == "-Vv" || word == "-vV",
        [_, _] => one_of(["-V", "--version"]) && one_of(["-v", "--verbose"]),
        _ => false,
    }
}

fn http_version(text: &str) -> Result<HttpVersion, String> {
    match text {
        "1.1" => Ok(HttpVersion::Http1),
        "2" => Ok(HttpVersion::Http2),
        "auto" => Ok(HttpVersion::Auto),
        _ => Err("1.1, 2 or auto".to_owned()),
    }
}

fn only_get(method: &str) -> Result<String, String> {
    match method {
        "GET" => Ok(method.to_owned()),
        _ => Err("a download is a GET".to_owned()),
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=256) => Ok(n),
        _ => Err("a number from 1 to 256".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(line: &str) -> Result<Get, String> {
        let words = line.split('|').map(Into::into);
        match parse(std::iter::once("hls".into()).chain(words)) {
            Ok(Command::Get(get)) => Ok(*get),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_version_has_a_long_form() {
        let check = |line: &str, expect: bool| {
            let words = std::iter::once("hls").chain(line.split('|')).map(Into::into);
            assert_eq!(matches!(parse(words), Ok(Command::About)), expect, "{line}");
        };
        for line in ["--version|-v", "-V|-v", "-v|--version", "-Vv", "-vV", "--verbose|-V"] {
            check(line, true);
        }
        for line in ["--version", "-V", "-v", "-v|-v", "--version|-v|x", "get|-v"] {
            check(line, false);
        }
    }

    #[test]
    fn get_is_understood() {
        assert_eq!(get("https://h/x").unwrap().inputs, ["https://h/x"]);
        assert_eq!(get("-j|3|https://h/x").unwrap().network.jobs, Some(3));
        assert_eq!(get("get|https://h/x|-o|a.ts").unwrap().output.output, ["a.ts"]);
        assert!(get("info|https://h/x").is_err());
        for bad in
            ["--no-such|u", "-j|0|u", "-X|POST|u", "--data|x|u", "-d|x|u", "--limit-rate|fast|u", "get"]
        {
            assert!(get(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commands_copied_from_browsers_are_understood() {
        for copied in [
            // Chrome
            "get|https://h/m.m3u8|-H|accept: */*|-H|sec-ch-ua: \"x\";v=\"1\"|-b|a=1; b=2|-H|if-none-match: W/\"x\"|--compressed",
            // Firefox
            "get|https://h/m.m3u8|--compressed|-H|User-Agent: Mozilla/5.0|-H|Accept-Encoding: gzip, deflate, br|-H|Range: bytes=0-",
            // Safari
            "get|https://h/m.m3u8|-X|GET|-H|Accept: */*|-H|Cookie: a=1|-H|Connection: keep-alive|-H|Host: h",
            "get|--url|https://h/m.m3u8|-L|--globoff|--insecure|--proxy|http://p:1",
            "get|https://h/m.m3u8|--location|-g|-A|x|-e|https://h/|-x|socks5://p:1|-k|--cacert|f.pem",
        ] {
            let got = get(copied).unwrap();
            assert_eq!(got.inputs.len() + got.request.url.len(), 1, "{copied}");
        }
    }
}

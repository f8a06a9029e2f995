//! The words of a command line that the next run of a download needs too.

use std::path::Path;

use hls_fetch::HttpVersion;

use crate::args::{
    ChooseArgs, DurabilityArg, FormatArg, Get, LiveArgs, NetworkArgs, OutputArgs, RareArgs, RequestArgs,
};
use crate::rate::RateLimit;

/// Two versions of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// Without the input, and with secrets left out: for a person to put in.
    pub(crate) shown: Vec<String>,
    /// All of them but the output, where that was asked for.
    pub(crate) remembered: Option<Vec<String>>,
}

/// Takes the words for one input from a command line. How it talks and where it writes is not among them.
pub(crate) fn words(args: &Get, input: &str) -> Result<Words, String> {
    let remembered = match args.rare.remember {
        true if input == "-" => return Err("what came from standard input can't be remembered".to_owned()),
        true => Some(remembered(args, input)?),
        false => None,
    };
    let mut shown = Collected::default();
    collect(args, &mut shown)?;
    Ok(Words { shown: shown.words, remembered })
}

fn remembered(args: &Get, input: &str) -> Result<Vec<String>, String> {
    let mut all = Collected { with_secrets: true, words: Vec::new() };
    collect(args, &mut all)?;
    let is_file = !input.contains("://") && Path::new(input).is_file();
    let input = if is_file { absolute(input)? } else { input.to_owned() };
    all.words.extend(["--".to_owned(), input]);
    Ok(all.words)
}

#[derive(Default)]
struct Collected {
    with_secrets: bool,
    words: Vec<String>,
}

impl Collected {
    fn flag(&mut self, name: &str, is_set: bool) {
        self.words.extend(is_set.then(|| name.to_owned()));
    }

    fn option(&mut self, name: &str, value: Option<impl ToString>) {
        self.words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value.to_string()]));
    }

    /// What only matters for how fast and how patiently it goes.
    fn manner(&mut self, name: &str, value: Option<impl ToString>) {
        if self.with_secrets {
            self.option(name, value);
        }
    }

    fn secret(&mut self, name: &str, value: &str, shown: &str) {
        self.option(name, Some(if self.with_secrets { value } else { shown }));
    }

    fn header(&mut self, name: &str, header: &str) -> Result<(), String> {
        match header.strip_prefix('@') {
            Some(file) => self.option(name, Some(format!("@{}", self.file(file)?))),
            None => {
                let field = header.split(':').next().unwrap_or_default();
                self.secret(name, header, &format!("{field}: …"));
            }
        }
        Ok(())
    }

    /// The next run may start elsewhere.
    fn file(&self, path: &str) -> Result<String, String> {
        if self.with_secrets { absolute(path) } else { Ok(path.to_owned()) }
    }
}

/// Goes through all there is, so that an option that comes to be is not forgotten.
fn collect(args: &Get, to: &mut Collected) -> Result<(), String> {
    let Get { inputs: _, output, choose, request, network, live, talk: _, rare } = args;
    let OutputArgs { output: _, force, skip_existing: _, input: _, keep_free } = output;
    to.flag("--force", *force);
    let ChooseArgs { select, audio, subs, audio_only, video_only } = choose;
    select.iter().for_each(|select| to.option("-s", Some(select)));
    to.option("--audio", audio.as_ref());
    to.option("--subs", subs.as_ref());
    to.flag("--audio-only", *audio_only);
    to.flag("--video-only", *video_only);
    of_request(request, to)?;
    let NetworkArgs { jobs, limit_rate, retries, stall_timeout, give_up_after } = network;
    to.manner("--keep-free", *keep_free);
    to.manner("-j", *jobs);
    match limit_rate {
        Some(RateLimit::File(file)) => {
            to.manner("--limit-rate", Some(format!("@{}", to.file(&file.display().to_string())?)))
        }
        Some(RateLimit::Fixed(rate)) => to.manner("--limit-rate", Some(*rate)),
        None => {}
    }
    to.manner("--retries", *retries);
    to.manner("--stall-timeout", Some(humantime::format_duration(*stall_timeout)));
    to.manner("--give-up-after", *give_up_after);
    let LiveArgs { from, duration, until, wait, split } = live;
    to.option("--from", from.as_ref());
    to.option("--duration", duration.map(humantime::format_duration));
    to.option("--until", until.as_ref());
    to.flag("--wait", *wait);
    to.option("--split", split.as_ref());
    let RareArgs {
        format,
        base,
        restart: _,
        allow_gaps,
        allow_missing_tracks,
        strict,
        manifest,
        remember,
        durability,
    } = rare;
    let format = match format {
        FormatArg::Auto => None,
        FormatArg::Join => Some("join"),
        FormatArg::Ts => Some("ts"),
        FormatArg::Mp4 => Some("mp4"),
    };
    to.option("--format", format);
    if let Some(base) = base {
        to.secret("--base", base.as_str(), &hls_fetch::redacted(base));
    }
    to.flag("--allow-gaps", *allow_gaps);
    to.flag("--allow-missing-tracks", *allow_missing_tracks);
    to.flag("--strict", *strict);
    to.flag("--manifest", *manifest);
    to.flag("--remember", *remember);
    to.option("--durability", matches!(durability, DurabilityArg::Fast).then_some("fast"));
    Ok(())
}

fn of_request(args: &RequestArgs, to: &mut Collected) -> Result<(), String> {
    let RequestArgs {
        header,
        user_agent,
        referer,
        cookie,
        proxy,
        insecure,
        ca,
        header_for,
        http,
        allow_http,
        allow_private,
        ..
    } = args;
    // What copied commands carry says nothing.
    let RequestArgs { url: _, location: _, compressed: _, globoff: _, request: _, .. } = args;
    header.iter().try_for_each(|header| to.header("-H", header))?;
    for (name, value) in [("-A", user_agent), ("-e", referer), ("-x", proxy)] {
        if let Some(value) = value {
            to.secret(name, value, "…");
        }
    }
    for cookie in cookie {
        if cookie.contains('=') {
            to.secret("-b", cookie, "…");
        } else {
            to.option("-b", Some(to.file(cookie)?));
        }
    }
    to.flag("-k", *insecure);
    if let Some(ca) = ca {
        let ca = ca.to_str().ok_or("the name of the file for --ca is not text")?;
        to.option("--ca", Some(to.file(ca)?));
    }
    for pair in header_for.chunks_exact(2) {
        let [host, header] = pair else { continue };
        to.option("--header-for", Some(host));
        let field = header.split(':').next().unwrap_or_default();
        to.words.push(if to.with_secrets { header.clone() } else { format!("{field}: …") });
    }
    match http {
        HttpVersion::Http1 => {}
        HttpVersion::Http2 => to.manner("--http", Some("2")),
        HttpVersion::Auto => to.manner("--http", Some("auto")),
    }
    to.flag("--allow-http", *allow_http);
    to.flag("--allow-private", *allow_private);
    Ok(())
}

fn absolute(path: &str) -> Result<String, String> {
    let whole = std::path::absolute(path).map_err(|e| format!("{path}: {e}"))?;
    whole.into_os_string().into_string().map_err(|_| "the name of the current folder is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, parse};

    fn get(words: &[&str]) -> Get {
        let words = ["hls", "get"].iter().chain(words).map(Into::into);
        match parse(words) {
            Ok(Command::Get(get)) => *get,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_remembered_means_the_same_again() {
        for line in [
            &["https://h/p?t=1"][..],
            &["https://h/p", "-s", "height<=720,fps<30", "--audio-only", "--format", "join", "--force"],
            &["https://h/p", "-H", "x-a: b", "-H", "gone:", "-A", "me", "-e", "https://r/", "-b", "a=1; b=2"],
            &["https://h/p", "-x", "http://u:p@x:1", "-k", "--header-for", "h2", "k: v", "--allow-http"],
            &["https://h/p", "--allow-private", "--http", "2"],
            &["https://h/p", "--http", "auto"],
            &["https://h/p", "-j", "3", "--limit-rate", "1.5M", "--retries", "2", "--stall-timeout", "90s"],
            &[
                "https://h/p",
                "--base",
                "https://b/c?d=e",
                "--durability",
                "fast",
                "--ca",
                "f.pem",
                "--manifest",
            ],
        ] {
            let mut given = get(&[line, &["--remember"]].concat());
            let words = words(&given, &given.inputs[0]).unwrap();
            let kept = words.remembered.unwrap();
            let again = get(&kept.iter().map(String::as_str).collect::<Vec<_>>());
            given.request.ca = given.request.ca.map(|ca| std::path::absolute(ca).unwrap());
            assert_eq!(format!("{given:?}"), format!("{again:?}"), "{kept:?}");
        }
    }

    #[test]
    fn what_is_shown_has_no_secrets_and_all_that_matters() {
        let given = get(&[
            "https://h/p?t=sesame",
            "-s",
            "720p",
            "-H",
            "authorization: sesame",
            "-b",
            "a=sesame",
            "-x",
            "http://u:sesame@x",
            "-e",
            "https://r/?t=sesame",
            "--base",
            "https://b/?t=sesame",
            "-j",
            "3",
            "--header-for",
            "h",
            "k: sesame",
            "-b",
            "cookies.txt",
            "-H",
            "@headers",
        ]);
        let words = words(&given, &given.inputs[0]).unwrap();
        let expect = "-s|720p|-H|authorization: …|-H|@headers|-e|…|-x|…|-b|…|-b|cookies.txt|\
            --header-for|h|k: …|--base|https://b/?t=…";
        assert_eq!((words.shown.join("|").as_str(), words.remembered), (expect, None));
    }
}

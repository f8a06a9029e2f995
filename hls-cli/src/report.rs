//! What is said at the end, and the exit codes, which never change.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use hls_sched::{Error, Kind};

/// The exit code for a kind of end; `docs/errors.md` has the table.
pub(crate) fn exit_code(kind: Kind) -> u8 {
    match kind {
        Kind::Usage => 2,
        Kind::Refused => 3,
        Kind::Temporary => 5,
        Kind::Blocked => 6,
        Kind::Playlist => 7,
        Kind::Content => 8,
        Kind::Full => 9,
        Kind::Local => 10,
        Kind::InUse => 11,
        Kind::Newer => 12,
        Kind::Exists => 13,
        Kind::Stopped => 130,
        Kind::ReaderGone => 141,
        _ => 1,
    }
}

/// Of several ends, the one that a script should act on first: local trouble, then safety, then content, then the rest.
pub(crate) fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    let order = [130, 141, 1, 9, 10, 11, 12, 13, 6, 8, 7, 3, 5, 2, 4];
    let rank = |code: &u8| order.iter().position(|c| c == code).unwrap_or(order.len());
    codes.into_iter().filter(|code| *code != 0).min_by_key(rank).unwrap_or(0)
}

/// Prints a line for a person. A log that can't be written to is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints a result on standard output.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(exit_code(Kind::ReaderGone)),
        Err(error) => {
            let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
            let code = exit_code(if is_full { Kind::Full } else { Kind::Local });
            plain(code, "output", &format!("standard output: {error}"))
        }
    }
}

/// A value as a line of JSON that a terminal may be shown: what JSON itself leaves alone is escaped too.
pub(crate) fn json_line(value: &serde_json::Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        match c {
            c if hls_fetch::is_harmless(c) => line.push(c),
            // None of them needs a surrogate, and none stands outside a string.
            c => line.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    line.push('\n');
    line
}

/// The block of an error: what, where, why, what is kept, what to do next.
pub(crate) fn block(error: &Error) -> String {
    let clean = |text: &str| hls_fetch::escaped(text, usize::MAX);
    let code = exit_code(error.kind());
    let mut block = format!("error[{}] (exit {code}): {}", clean(error.code()), clean(&error.to_string()));
    let lines =
        [("where", error.place()), ("why", error.reason()), ("kept", error.kept()), ("next", error.advice())];
    for (name, text) in lines {
        if let Some(text) = text {
            let label = format!("{name}:");
            block.push_str(&format!("\n  {label:<6} {}", clean(text)));
        }
    }
    block
}

/// An end that has no more to say than this.
pub(crate) fn plain(code: u8, symbol: &str, message: &str) -> ExitCode {
    say(&format!("error[{symbol}] (exit {code}): {}", hls_fetch::escaped(message, 2000)));
    ExitCode::from(code)
}

/// What clap has to say: help on standard output, mistakes in the form of every other error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    let (message, next) = mistake(error);
    say(&format!("error[usage] (exit {code}): {message}\n  next:  {next}"));
    ExitCode::from(code)
}

/// What is wrong with a command line, without what it may have of secrets, and what helps.
fn mistake(error: &clap::Error) -> (String, String) {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let rendered = error.render().to_string();
    let message = match (error.kind(), text(ContextKind::InvalidArg)) {
        (ErrorKind::ValueValidation, Some(option)) => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            format!("bad value for {option}: {why}")
        }
        _ => {
            let lines = rendered.lines().take_while(|line| !line.is_empty()).map(str::trim);
            lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
        }
    };
    let tip = rendered.lines().map(str::trim).find_map(|line| line.strip_prefix("tip: "));
    let next = tip.unwrap_or("hls --help and hls get --help show what there is");
    (hls_fetch::escaped(&message, 2000), hls_fetch::escaped(next, 2000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_without_secrets() {
        for (line, message, next) in [
            ("get --no-such u", "unexpected argument '--no-such' found", "to pass"),
            ("get", "the following required arguments were not provided: <URL>...", "hls --help"),
            (
                "get u --limit-rate x",
                "bad value for --limit-rate <RATE|@FILE>: 'x' is not a size",
                "hls --help",
            ),
            ("get u --base h?token=s", "bad value for --base <URL>: relative URL", "hls --help"),
            (
                "get u --format mkv",
                "invalid value 'mkv' for '--format <FMT>' [possible values: auto, join",
                "hls --help",
            ),
        ] {
            let words = std::iter::once("hls").chain(line.split(' ')).map(Into::into);
            let got = mistake(&crate::args::parse(words).unwrap_err());
            assert!(got.0.starts_with(message) && got.1.starts_with(next), "{line}: {got:?}");
            assert!(!got.0.contains("token"), "{got:?}");
        }
    }

    #[test]
    fn json_is_fit_for_a_terminal() {
        let value = serde_json::json!({"a\u{9b}": "\u{1b}[31m\u{202e}\r\n\u{7f}é\u{1f600}\"\\"});
        let line = json_line(&value);
        assert!(line.trim_end().chars().all(hls_fetch::is_harmless), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn the_worst_end_wins() {
        for (codes, expect) in
            [(vec![], 0), (vec![0, 0], 0), (vec![5, 3, 0], 3), (vec![8, 6, 5], 6), (vec![3, 9], 9)]
        {
            assert_eq!(worst(codes), expect);
        }
    }
}

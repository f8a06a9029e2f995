//! What is said at the end, and the exit codes, which never change.

use std::io::Write as _;
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

/// What clap has to say: help on standard output, mistakes on standard error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_wins() {
        for (codes, expect) in
            [(vec![], 0), (vec![0, 0], 0), (vec![5, 3, 0], 3), (vec![8, 6, 5], 6), (vec![3, 9], 9)]
        {
            assert_eq!(worst(codes), expect);
        }
    }
}

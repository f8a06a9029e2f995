//! `hls generate`: manual, completions and reference, all from the one definition of the command line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{Generate, Paper, definition};
use crate::report;

const NAME: &str = "hls";

const EXAMPLES: [(&str, &str); 6] = [
    (
        "Show variants and sizes, with a ready command for each",
        "hls info https://example.com/show/master.m3u8",
    ),
    (
        "Download the best variant; the same command again goes on",
        "hls get https://example.com/show/master.m3u8 -o show.ts",
    ),
    (
        "Record a live stream, from its edge, for two hours",
        "hls get https://example.com/live.m3u8 -o show.ts --from live --duration 2h",
    ),
    ("Play while it comes", "hls get https://example.com/show/master.m3u8 -o - | mpv -"),
    ("Hold a file to its manifest", "hls verify show.ts"),
    ("Show what is unfinished in this folder", "hls jobs"),
];

/// The first two columns of the table in `docs/errors.md`; a test compares them.
const EXIT_STATUS: [(&str, &str); 17] = [
    ("0", "complete, and every byte verified"),
    ("1", "an error without a class; 101 is a panic, always a defect"),
    ("2", "usage or configuration"),
    ("3", "the server refuses or does not have it"),
    ("4", "finished, and something is missing or wrong, which the lines before it say"),
    ("5", "a failure of network or server that outlasted all attempts"),
    ("6", "blocked for safety: TLS, https to http, scheme, address, limit"),
    ("7", "the playlist is not valid or not supported"),
    ("8", "the content is wrong: key, media, range, changed since"),
    ("9", "disk or quota full, or less free than --keep-free; or the foretold size does not fit"),
    ("10", "input, output or permissions on this machine"),
    ("11", "another process holds this job"),
    ("12", "the state is from a newer version"),
    ("13", "the output exists"),
    ("14", "the live stream ended unexpectedly; the recording plays"),
    ("141", "whoever read the output has gone"),
    ("signal", "INT, TERM, HUP: ends by that signal (130, 143, 129 in a shell)"),
];

const FILES: [(&str, &str); 4] = [
    ("OUT.part", "what there is of an unfinished output; it plays as far as it goes"),
    ("OUT.hls/", "what the next run needs to go on"),
    ("OUT.gaps.json", "which segments are missing, after exit 4"),
    ("OUT.json", "lengths and hashes, where --manifest was given"),
];

pub(crate) fn run(generate: &Generate) -> ExitCode {
    let text = match text(generate.what, generate.about.as_deref()) {
        Ok(text) => text,
        Err(message) => return report::plain(2, "usage", &message),
    };
    match io::stdout().write_all(&text) {
        // Whoever reads no further has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => report::plain(10, "disk.io", &error.to_string()),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn text(what: Paper, about: Option<&str>) -> Result<Vec<u8>, String> {
    let mut command = definition();
    command.build();
    let shell = match what {
        Paper::Man => return page(&command, about),
        Paper::Markdown => return Ok(reference(&command).into_bytes()),
        Paper::Bash => Shell::Bash,
        Paper::Zsh => Shell::Zsh,
        Paper::Fish => Shell::Fish,
        Paper::Powershell => Shell::PowerShell,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definition(), NAME, &mut text);
    Ok(text)
}

fn page(command: &Command, about: Option<&str>) -> Result<Vec<u8>, String> {
    let command = match about {
        None => command,
        Some(name) => commands(command).find(|one| one.get_name() == name).ok_or_else(|| {
            let names: Vec<&str> = commands(command).map(Command::get_name).collect();
            format!("there is no command {name}: {}", names.join(", "))
        })?,
    };
    let mut page = Vec::new();
    render(command, about.is_none(), &mut page).map_err(|error| error.to_string())?;
    Ok(page)
}

fn render(command: &Command, is_first: bool, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(NAME).replace(' ', "-");
    let source = concat!("hls ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title(name).source(source).manual("User Commands").date("");
    man.render_title(page)?;
    man.render_name_section(page)?;
    synopsis(command).to_writer(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if !is_first {
        return Ok(());
    }
    man.render_subcommands_section(page)?;
    listed("EXAMPLES", EXAMPLES.map(|(what, command)| (command, what))).to_writer(page)?;
    listed("EXIT STATUS", EXIT_STATUS).to_writer(page)?;
    listed("FILES", FILES).to_writer(page)
}

/// Writes the usage line; all options of a command in one line help nobody.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text([bold(usage)]);
    roff
}

fn listed<const N: usize>(title: &str, entries: [(&str, &str); N]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (name, what) in entries {
        roff.control("TP", []).text([bold(name)]).text([roman(what)]);
    }
    roff
}

/// Returns the commands that the help lists.
fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}

/// Writes `docs/cli.md`.
fn reference(command: &Command) -> String {
    let mut text =
        "# Command line\n\n<!-- Written by `hls generate markdown`; a test holds it to the program. -->\n"
            .to_owned();
    section(&mut text, command);
    for command in commands(command) {
        section(&mut text, command);
    }
    text
}

fn section(text: &mut String, command: &Command) {
    // What is written to a string is written.
    let _ = writeln!(text, "\n## {}\n", command.get_bin_name().unwrap_or(NAME));
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        let _ = writeln!(text, "{}\n", escaped(&about.to_string()));
    }
    let _ = writeln!(text, "```text\n{}\n```", command.clone().render_usage().to_string().trim_end());
    for command in commands(command) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = write!(text, "\n- `{}`: {}", command.get_bin_name().unwrap_or_default(), escaped(&about));
    }
    if commands(command).next().is_some() {
        text.push('\n');
    }
    let mut heading = None;
    for argument in command.get_arguments().filter(|one| !one.is_hide_set()) {
        let under = argument.get_help_heading().unwrap_or(match argument.is_positional() {
            true => "Arguments",
            false => "Options",
        });
        if heading != Some(under) {
            let _ = writeln!(text, "\n### {under}\n\n| option | what it does |\n|---|---|");
            heading = Some(under);
        }
        let _ = writeln!(text, "| {} | {} |", name(argument), help(argument));
    }
}

/// Returns the forms in which an argument is written, with its value.
fn name(argument: &Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default();
    let value: Vec<String> = value.iter().map(|name| name.replace('|', "\\|")).collect();
    let value = value.join(" ");
    if argument.is_positional() {
        return format!("`{value}`");
    }
    let takes = argument.get_action().takes_values();
    let behind = if takes && !value.is_empty() { format!(" {value}") } else { String::new() };
    let long = argument.get_long_and_visible_aliases().unwrap_or_default();
    let long = long.iter().map(|long| format!("--{long}"));
    let forms: Vec<String> =
        argument.get_short().map(|short| format!("-{short}")).into_iter().chain(long).collect();
    format!("`{}{behind}`", forms.join(", "))
}

fn help(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string);
    let mut text =
        escaped(&help.unwrap_or_default()).replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|");
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| argument.get_action().takes_values() && !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({help})", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(text, "<br>Values: {}", values.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, "<br>Unless told: {}", defaults.join(" "));
    }
    text
}

/// Markdown would take what is in angle brackets for HTML.
fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_paper_names_the_options() {
        for (what, expect) in [
            (Paper::Man, "hls\\-get(1)"),
            (Paper::Bash, "--stall-timeout"),
            (Paper::Zsh, "#compdef hls"),
            (Paper::Fish, "-l stall-timeout"),
            (Paper::Powershell, "--stall-timeout"),
            (Paper::Markdown, "`--stall-timeout DUR`"),
        ] {
            let text = String::from_utf8(text(what, None).unwrap()).unwrap();
            assert!(text.contains(expect), "{what:?}");
            assert!(
                !text.contains("--globoff") || what != Paper::Markdown,
                "{what:?}: what is hidden is told"
            );
        }
        let page = String::from_utf8(text(Paper::Man, Some("get")).unwrap()).unwrap();
        assert!(page.contains(".TH hls-get 1"), "{page}");
        assert!(page.contains("stall\\-timeout"), "{page}");
        assert!(text(Paper::Man, Some("nothing")).unwrap_err().contains("get, info, jobs, verify"));
    }
}

//! Where the bytes go.

use std::fs::File;
use std::io::{IsTerminal as _, Write};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use hls_sched::JobBuilder;

/// What `-o` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    File(PathBuf),
    Template(String),
    Stdout,
    /// A pipe or device that exists: it takes nothing back.
    Special(PathBuf),
}

impl Target {
    /// Reads the option; `several`: more than one stream would go there.
    pub(crate) fn read(option: Option<&str>, several: bool) -> Result<Self, String> {
        let Some(option) = option else { return Ok(Self::Template("{name}".to_owned())) };
        if option.is_empty() {
            return Err("-o needs a name".to_owned());
        }
        if option == "-" {
            return if several {
                Err("several streams can't share standard output".to_owned())
            } else {
                Ok(Self::Stdout)
            };
        }
        let path = Path::new(option);
        let is_folder = option.ends_with(['/', MAIN_SEPARATOR]);
        if is_folder || path.is_dir() {
            let folder = option.trim_end_matches(['/', MAIN_SEPARATOR]);
            return Ok(Self::Template(format!("{folder}/{{name}}")));
        }
        if option.contains('{') {
            return Ok(Self::Template(option.to_owned()));
        }
        if several {
            return Err(
                "several streams can't share one file: use a folder, or a name with {name}".to_owned()
            );
        }
        match std::fs::metadata(path) {
            Ok(meta) if !meta.is_file() => Ok(Self::Special(path.to_owned())),
            _ => Ok(Self::File(path.to_owned())),
        }
    }

    pub(crate) fn is_stdout(&self) -> bool {
        *self == Self::Stdout
    }

    /// Whether it is a file, which can be gone on with.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File(_) | Self::Template(_))
    }

    /// Makes the folder that `option` names as one. What keeps it from being made, the job finds out and says.
    pub(crate) fn make_folder(option: Option<&str>) {
        let folder = option.filter(|o| o.ends_with(['/', MAIN_SEPARATOR]) && !o.contains('{'));
        if let Some(folder) = folder {
            let _ = std::fs::create_dir_all(folder);
        }
    }

    /// Applies it to a job.
    pub(crate) fn apply(&self, job: JobBuilder) -> Result<JobBuilder, String> {
        Ok(match self {
            Self::File(path) => job.output(path),
            Self::Template(template) => job.output_template(template),
            Self::Stdout if std::io::stdout().is_terminal() => {
                return Err("standard output is a terminal; redirect it, or use -o FILE".to_owned());
            }
            Self::Stdout => job.writer(stdout().map_err(|e| format!("standard output: {e}"))?),
            Self::Special(path) => {
                let opened = File::options().write(true).open(path);
                job.writer(opened.map_err(|e| format!("{}: {e}", path.display()))?)
            }
        })
    }
}

/// Standard output without the buffer that looks for line ends.
#[cfg(unix)]
fn stdout() -> std::io::Result<impl Write + Send + 'static> {
    use std::os::fd::AsFd as _;
    std::io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(not(unix))]
fn stdout() -> std::io::Result<impl Write + Send + 'static> {
    Ok(std::io::stdout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let template = |t: &str| Ok(Target::Template(t.to_owned()));
        for (option, several, expect) in [
            (None, true, template("{name}")),
            (Some("a.ts"), false, Ok(Target::File("a.ts".into()))),
            (Some("no-such-folder/"), true, template("no-such-folder/{name}")),
            (Some("src"), true, template("src/{name}")),
            (Some("{name}-{height}.ts"), true, template("{name}-{height}.ts")),
            (Some("-"), false, Ok(Target::Stdout)),
        ] {
            assert_eq!(Target::read(option, several), expect, "{option:?}");
        }
        assert!(Target::read(Some("a.ts"), true).is_err() && Target::read(Some("-"), true).is_err());
        #[cfg(unix)]
        assert_eq!(Target::read(Some("/dev/null"), false), Ok(Target::Special("/dev/null".into())));
    }
}

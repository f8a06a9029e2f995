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
    /// Standard output too.
    Both(Box<Self>),
}

impl Target {
    /// Reads the options; `several`: more than one stream would go there.
    pub(crate) fn read(options: &[String], several: bool) -> Result<Self, String> {
        match options {
            [] => Ok(Self::Template("{name}".to_owned())),
            [one] => Self::read_one(one, several),
            [one, dash] | [dash, one] if dash == "-" && one != "-" => {
                Self::read_one(dash, several)?;
                match Self::read_one(one, several)? {
                    Self::Special(path) => Err(format!("{} is no file to read a copy from", path.display())),
                    file => Ok(Self::Both(Box::new(file))),
                }
            }
            _ => Err("-o is given once, or once with a name and once with -".to_owned()),
        }
    }

    fn read_one(option: &str, several: bool) -> Result<Self, String> {
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
        matches!(self, Self::Stdout | Self::Both(_))
    }

    /// Whether it is a file, which can be gone on with.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File(_) | Self::Template(_) | Self::Both(_))
    }

    /// Makes the folders that `options` name as such. What keeps one from being made, the job finds out and says.
    pub(crate) fn make_folder(options: &[String]) {
        for folder in options.iter().filter(|o| o.ends_with(['/', MAIN_SEPARATOR]) && !o.contains('{')) {
            let _ = std::fs::create_dir_all(folder);
        }
    }

    /// Opens a pipe or device. Returns `None` for any other output. Opening a FIFO blocks until somebody reads it, which may
    /// never happen, so the caller waits for it beside everything else.
    pub(crate) fn opening(&self) -> Option<impl Future<Output = Result<File, String>>> {
        let Self::Special(path) = self else { return None };
        let path = path.clone();
        let (tell, opened) = tokio::sync::oneshot::channel();
        let started = std::thread::Builder::new().name("hls-open".into()).spawn({
            let path = path.clone();
            move || tell.send(File::options().write(true).open(path))
        });
        Some(async move {
            started.map_err(|e| format!("a thread can't be started: {e}"))?;
            let opened = opened.await.map_err(|_| format!("{}: it can't be opened", path.display()))?;
            opened.map_err(|e| format!("{}: {e}", path.display()))
        })
    }

    /// Applies it to a job, with what was [opened](Self::opening).
    pub(crate) fn apply(&self, job: JobBuilder, opened: Option<File>) -> Result<JobBuilder, String> {
        Ok(match self {
            Self::File(path) => job.output(path),
            Self::Template(template) => job.output_template(template),
            Self::Stdout | Self::Both(_) if std::io::stdout().is_terminal() => {
                return Err("standard output is a terminal; redirect it, or use -o FILE".to_owned());
            }
            Self::Stdout => job.writer(stdout().map_err(|e| format!("standard output: {e}"))?),
            Self::Both(file) => {
                file.apply(job, None)?.also(stdout().map_err(|e| format!("standard output: {e}"))?)
            }
            Self::Special(path) => {
                job.writer(opened.ok_or_else(|| format!("{} was not opened", path.display()))?)
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
        let read = |options: &[&str], several| {
            Target::read(&options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>(), several)
        };
        let file = || Target::File("a.ts".into());
        for (options, several, expect) in [
            (&[][..], true, template("{name}")),
            (&["a.ts"], false, Ok(file())),
            (&["no-such-folder/"], true, template("no-such-folder/{name}")),
            (&["src"], true, template("src/{name}")),
            (&["{name}-{height}.ts"], true, template("{name}-{height}.ts")),
            (&["-"], false, Ok(Target::Stdout)),
            (&["-", "a.ts"], false, Ok(Target::Both(Box::new(file())))),
            (&["a.ts", "-"], false, Ok(Target::Both(Box::new(file())))),
        ] {
            assert_eq!(read(options, several), expect, "{options:?}");
        }
        for wrong in [&["a.ts"][..], &["-"], &["a/", "-"]] {
            assert!(read(wrong, true).is_err(), "{wrong:?}");
        }
        for wrong in [&["a.ts", "b.ts"][..], &["-", "-"], &["a.ts", "-", "b.ts"], &[""]] {
            assert!(read(wrong, false).is_err(), "{wrong:?}");
        }
        #[cfg(unix)]
        {
            assert_eq!(read(&["/dev/null"], false), Ok(Target::Special("/dev/null".into())));
            assert!(read(&["/dev/null", "-"], false).is_err());
        }
    }
}

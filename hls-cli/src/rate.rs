//! The cap on the rate: a number, or a file that holds one and may change.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::quantity;

/// How often the file is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A number is not longer, in bytes.
const LONGEST: u64 = 64;

/// What `--limit-rate` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RateLimit {
    /// Bytes per second.
    Fixed(u64),
    /// Where to read them.
    File(PathBuf),
}

impl RateLimit {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some("") => Err("@ is followed by the name of a file".to_owned()),
            Some(file) => Ok(Self::File(file.into())),
            None => quantity::rate(text).map(Self::Fixed),
        }
    }
}

/// Follows the cap while a job runs.
#[derive(Debug)]
pub(crate) struct Cap {
    file: Option<PathBuf>,
    seen: Option<(SystemTime, u64)>,
    rate: Option<u64>,
}

impl Cap {
    /// The cap at the beginning.
    ///
    /// # Errors
    /// A file that can't be read, or holds no rate.
    pub(crate) fn new(limit: Option<&RateLimit>) -> Result<Self, String> {
        match limit {
            None => Ok(Self { file: None, seen: None, rate: None }),
            Some(RateLimit::Fixed(rate)) => Ok(Self { file: None, seen: None, rate: Some(*rate) }),
            Some(RateLimit::File(file)) => {
                let rate = read(file)?;
                Ok(Self { file: Some(file.clone()), seen: stamp(file), rate })
            }
        }
    }

    pub(crate) fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Looks at the file again; `Some`: there is something new, a cap or what is wrong with it (the old one holds then).
    pub(crate) fn look(&mut self) -> Option<Result<Option<u64>, String>> {
        let file = self.file.as_ref()?;
        let stamp = stamp(file);
        if stamp == self.seen {
            return None;
        }
        self.seen = stamp;
        let read = read(file);
        match &read {
            Ok(rate) if *rate == self.rate => return None,
            Ok(rate) => self.rate = *rate,
            Err(_) => {}
        }
        Some(read)
    }
}

fn stamp(file: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// The rate in a file; 0 is no cap.
fn read(file: &Path) -> Result<Option<u64>, String> {
    use std::io::Read as _;
    let shown = || hls_fetch::escaped(&file.display().to_string(), 200);
    let mut text = String::new();
    let opened = std::fs::File::open(file).and_then(|opened| opened.take(LONGEST).read_to_string(&mut text));
    opened.map_err(|e| format!("the rate can't be read from {}: {e}", shown()))?;
    let rate = quantity::size(text.trim()).map_err(|e| format!("{}: {e}", shown()))?;
    Ok((rate > 0).then_some(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_file_holds_from_then_on() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("rate");
        let limit = RateLimit::parse(&format!("@{}", file.display()))?;
        assert!(Cap::new(Some(&limit)).is_err());
        std::fs::write(&file, "2M\n")?;
        let mut cap = Cap::new(Some(&limit))?;
        assert_eq!((cap.rate(), cap.look()), (Some(2 << 20), None));
        for (text, expect) in
            [("500K", Some(Ok(Some(500 * 1024)))), ("0", Some(Ok(None))), ("soon?", Some(Err(())))]
        {
            std::fs::write(&file, text)?;
            let looked = cap.look().map(|found| found.map_err(|_| ()));
            assert_eq!(looked, expect, "{text}");
        }
        // What is wrong changes nothing.
        assert_eq!(cap.rate(), None);
        assert_eq!(
            (RateLimit::parse("1K"), RateLimit::parse("@").is_err()),
            (Ok(RateLimit::Fixed(1024)), true)
        );
        Ok(())
    }
}

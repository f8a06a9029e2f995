//! Judges of a download that know nothing of how it was made.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

/// What a judge says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing to complain about.
    Fine,
    /// What the judge complained about.
    Complaint(String),
    /// The judge is not on this machine.
    Skipped,
}

impl Verdict {
    /// Ends the test with the complaint, if there is one.
    ///
    /// # Panics
    ///
    /// On a complaint; on a judge that is missing where `HLS_CI_STRICT=1`.
    pub fn check(self) {
        match self {
            Self::Fine => {}
            Self::Complaint(text) => assert_eq!(text, "", "the judge complains"),
            Self::Skipped => skip("the judge is not installed"),
        }
    }
}

/// Lets ffmpeg decode the file and returns what it had to say about it.
pub fn ffmpeg_silent(path: impl AsRef<Path>) -> Verdict {
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-v", "error", "-i"])
        .arg(path.as_ref())
        .args(["-f", "null", "-"])
        .stdin(Stdio::null())
        .output();
    match run {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Verdict::Skipped,
        Err(e) => Verdict::Complaint(e.to_string()),
        Ok(run) if run.status.success() && run.stderr.is_empty() && run.stdout.is_empty() => Verdict::Fine,
        Ok(run) => {
            Verdict::Complaint(format!("{}: {}", run.status, String::from_utf8_lossy(&run.stderr).trim_end()))
        }
    }
}

/// What ffmpeg decodes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// A hash of each picture of the first video track, in the order in which they are shown.
    pub pictures: Vec<String>,
    /// A hash of all samples of each audio track.
    pub sounds: Vec<String>,
    /// What ffmpeg had to say about it.
    pub warnings: String,
}

impl Decoded {
    /// Decodes a file that has this many tracks of audio; `None` where there is no ffmpeg.
    ///
    /// # Errors
    ///
    /// ffmpeg fails.
    pub fn of(path: impl AsRef<Path>, has_video: bool, sounds: usize) -> io::Result<Option<Self>> {
        if !has_tool("ffmpeg") {
            return Ok(None);
        }
        let mut decoded = Self::default();
        let mut run = |arguments: &[&str]| {
            let input = Command::new("ffmpeg")
                .args(["-nostdin", "-hide_banner", "-v", "warning", "-i"])
                .arg(path.as_ref())
                .args(arguments)
                .stdin(Stdio::null())
                .output()?;
            decoded.warnings.push_str(&String::from_utf8_lossy(&input.stderr));
            let text = String::from_utf8_lossy(&input.stdout).into_owned();
            let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            let hashes =
                lines.filter_map(|line| line.rsplit([',', '=']).next()).map(|hash| hash.trim().to_owned());
            Ok::<_, io::Error>(hashes.collect::<Vec<_>>())
        };
        if has_video {
            decoded.pictures = run(&["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"])?;
        }
        for number in 0..sounds {
            let hashes = run(&["-map", &format!("0:a:{number}"), "-f", "md5", "-"])?;
            decoded.sounds.extend(hashes);
        }
        Ok(Some(decoded))
    }
}

/// Says that a test is skipped, and why.
///
/// # Panics
///
/// Where `HLS_CI_STRICT=1`: there, every test has what it needs.
pub fn skip(reason: &str) {
    let strict = std::env::var_os("HLS_CI_STRICT").is_some_and(|v| v == "1");
    assert!(!strict, "HLS_CI_STRICT=1 allows no skipped test: {reason}");
    // Not `println!`, which the test harness would swallow. An error means that nobody listens.
    let _ = writeln!(io::stdout(), "SKIPPED {reason}");
}

/// Whether a program of this name can be run.
pub fn has_tool(name: &str) -> bool {
    let probe = Command::new(name).arg("-version").stdin(Stdio::null()).output();
    !matches!(probe, Err(e) if e.kind() == io::ErrorKind::NotFound)
}

/// Returns the SHA-256 of `bytes` in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the SHA-256 of a file in hex.
///
/// # Errors
///
/// The file can't be read.
pub fn sha256_file(path: impl AsRef<Path>) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_nothing() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn ffmpeg_complains_of_what_is_no_media() {
        let verdict = ffmpeg_silent(file!());
        assert_ne!(verdict, Verdict::Fine);
    }
}

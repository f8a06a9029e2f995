//! Media made by ffmpeg when a test runs, and kept for the next run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hls_testkit::judge;

/// The folder of what is made and what comes out.
pub(super) fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("remux");
    std::fs::create_dir_all(&folder).expect("a folder for media");
    folder
}

/// Whether there is an ffmpeg with all that is needed; says that a test is skipped if not.
pub(super) fn has_ffmpeg(encoders: &[&str]) -> bool {
    if !judge::has_tool("ffmpeg") || !judge::has_tool("ffprobe") {
        judge::skip("no ffmpeg");
        return false;
    }
    let run = Command::new("ffmpeg").args(["-hide_banner", "-encoders"]).stdin(Stdio::null()).output();
    let known = String::from_utf8_lossy(&run.expect("ffmpeg runs").stdout).into_owned();
    let missing =
        encoders.iter().find(|encoder| !known.split_ascii_whitespace().any(|word| word == **encoder));
    if let Some(missing) = missing {
        judge::skip(&format!("ffmpeg has no {missing}"));
    }
    missing.is_none()
}

/// Lets ffmpeg make a file of these arguments, if it has not been made before.
pub(super) fn made(extension: &str, arguments: &str) -> PathBuf {
    let mut hash = DefaultHasher::new();
    arguments.hash(&mut hash);
    let path = folder().join(format!("{:016x}.{extension}", hash.finish()));
    if path.exists() {
        return path;
    }
    // Tests run beside each other, and in several processes.
    let fresh = folder().join(format!(
        "{:016x}-{}-{:?}.{extension}",
        hash.finish(),
        std::process::id(),
        std::thread::current().id()
    ));
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-y", "-v", "error"])
        .args(arguments.split_ascii_whitespace())
        .arg(&fresh)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs");
    assert!(run.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    std::fs::rename(&fresh, &path).expect("the file is there");
    path
}

/// Arguments for a picture and a tone: four seconds of both.
pub(super) fn source(size: &str, rate: &str, hertz: u32) -> String {
    format!(
        "-f lavfi -i testsrc2=s={size}:r={rate}:d=4 -f lavfi -i sine=f=440:r={hertz}:d=4 -pix_fmt yuv420p -threads 1"
    )
}

/// Video encoding with B-frames, a keyframe in each second or so.
pub(super) const AVC: &str = "-c:v libx264 -preset veryfast -g 30 -bf 2 -x264-params scenecut=0";

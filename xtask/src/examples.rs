//! `cargo xtask examples`: the programs that `docs/embedding.md` leads to, run, and held to what they should do.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use hls_testkit::judge::{self, Verdict};
use hls_testkit::{Iv, Media, Origin, Reply, Vod};

use crate::workspace;

/// Crates and their examples.
pub(crate) const ALL: [(&str, &str); 6] = [
    ("hls-parse", "segments"),
    ("hls-crypto", "decrypt"),
    ("hls-media", "remux"),
    ("hls-fetch", "fetch"),
    ("hls-state", "resume"),
    ("hls-sched", "download"),
];

pub(crate) fn run() -> Result<()> {
    let stage = Stage::set()?;
    stage.segments()?;
    stage.decrypt()?;
    stage.remux()?;
    stage.fetch()?;
    stage.resume()?;
    stage.download()?;
    println!("examples: {} run, all of them do what they should", ALL.len());
    Ok(())
}

struct Stage {
    programs: PathBuf,
    folder: PathBuf,
}

impl Stage {
    fn set() -> Result<Self> {
        // Of the whole workspace, as `cargo xtask test` builds them: what is there from that is not built again.
        let mut args = vec!["build", "--workspace"];
        args.extend(ALL.iter().flat_map(|(_, example)| ["--example", example]));
        workspace::run(&mut workspace::cargo(&args))?;
        let target = workspace::target()?;
        let folder = target.join("examples");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self { programs: target.join("debug").join("examples"), folder })
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
        command.current_dir(&self.folder).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command
    }

    /// Runs one with this on its standard input; returns what it printed.
    fn ask(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(input)?;
        let Output { status, stdout, stderr } = child.wait_with_output()?;
        ensure!(status.success(), "{command:?}: {status}: {}", String::from_utf8_lossy(&stderr));
        Ok(stdout)
    }

    fn segments(&self) -> Result<()> {
        let playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:5.5,\n#EXT-X-BYTERANGE:100@7\na.ts?x=1\n#EXT-X-ENDLIST\n";
        let said = Self::ask(self.command("segments").arg("https://h/live/index.m3u8"), playlist)?;
        same(&said, b"0 5.500s https://h/live/a.ts?x=1 bytes 7+100\n")?;
        let playlist = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5000,CODECS=\"avc1.640028\"\nhd.m3u8\n";
        let said = Self::ask(self.command("segments").arg("https://h/live/index.m3u8"), playlist)?;
        same(&said, b"https://h/live/hd.m3u8 5000 bit/s, avc1.640028\n")
    }

    fn decrypt(&self) -> Result<()> {
        let ciphertext =
            [0xcb, 0x8f, 0x2c, 0x2e, 0x25, 0xdc, 0xec, 0xe0, 0x76, 0x4a, 0x02, 0x9c, 0x8b, 0x89, 0x67, 0xd0];
        let key_and_iv = ["000102030405060708090a0b0c0d0e0f", "0x00000000000000000000000000000007"];
        same(&Self::ask(self.command("decrypt").args(key_and_iv), &ciphertext)?, b"hello segment")?;
        let other = ["fe0102030405060708090a0b0c0d0e0f", key_and_iv[1]];
        ensure!(
            Self::ask(self.command("decrypt").args(other), &ciphertext).is_err(),
            "a wrong key went unnoticed"
        );
        Ok(())
    }

    fn remux(&self) -> Result<()> {
        fs::write(self.folder.join("in.ts"), Media::Ts.segments().concat())?;
        Self::ask(self.command("remux").args(["out.mp4", "in.ts"]), b"")?;
        let path = self.folder.join("out.mp4");
        ensure!(fs::read(&path)?.get(4..8) == Some(b"ftyp"), "what was made is no MP4");
        match judge::ffmpeg_silent(&path) {
            Verdict::Complaint(text) => anyhow::bail!("ffmpeg says of out.mp4: {text}"),
            Verdict::Fine | Verdict::Skipped => Ok(()),
        }
    }

    /// The connection is lost half way, and the rest is asked for.
    fn fetch(&self) -> Result<()> {
        let origin = Origin::start();
        let body: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        origin.put("/file", body.clone());
        origin.script("/file", [Reply::reset_midway()]);
        let said = Self::ask(self.command("fetch").args([&origin.url("/file"), "file"]), b"")?;
        same(&said, b"1000000 bytes, 2 attempts\n")?;
        same(&fs::read(self.folder.join("file"))?, &body)?;
        let sent = origin.body_bytes_sent();
        ensure!(sent < 1_400_000, "{sent} bytes were sent, so it did not go on where it was");
        Ok(())
    }

    /// Stopped half way, it goes on behind what is there.
    fn resume(&self) -> Result<()> {
        let files: Vec<String> = (0..6).map(|n| format!("unit-{n}")).collect();
        let units: Vec<Vec<u8>> = (0..6_u8).map(|n| vec![n; 100_000 + usize::from(n)]).collect();
        for (file, unit) in files.iter().zip(&units) {
            fs::write(self.folder.join(file), unit)?;
        }
        let command = || {
            let mut command = self.command("resume");
            command.arg("joined").args(&files);
            command
        };
        let said = Self::ask(command().env("STOP_HALF_WAY", "1"), b"")?;
        same(&said, b"0 of 6 units are there\nstopped behind unit-2\n")?;
        ensure!(!self.folder.join("joined").exists(), "the name is there, and the output is not whole");
        same(&Self::ask(&mut command(), b"")?, b"3 of 6 units are there\njoined is whole\n")?;
        same(&fs::read(self.folder.join("joined"))?, &units.concat())
    }

    fn download(&self) -> Result<()> {
        let origin = Origin::start();
        let stream = Vod::synthetic(12, 100_000).aes128([7; 16]).iv(Iv::PerSegment).publish(&origin);
        origin.script(&stream.segment_paths[2], [Reply::status(503)]);
        let said = Self::ask(self.command("download").args([&stream.url, "movie.ts"]), b"")?;
        let said = String::from_utf8_lossy(&said);
        for expect in ["12 segments, 0 there", "again in ", "complete: 12 segments"] {
            ensure!(said.contains(expect), "{expect} is not in {said}");
        }
        ensure!(
            judge::sha256_file(self.folder.join("movie.ts"))? == stream.sha256,
            "movie.ts has other bytes"
        );
        Ok(())
    }
}

fn same(found: &[u8], expect: &[u8]) -> Result<()> {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    ensure!(found == expect, "{:?} instead of {:?}", shown(found), shown(expect));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_guide_leads_to_each() -> Result<()> {
        let guide = fs::read_to_string(workspace::root().join("docs/embedding.md"))?;
        for (package, example) in ALL {
            let path = Path::new(package).join("examples").join(format!("{example}.rs"));
            ensure!(workspace::root().join(&path).is_file(), "there is no {}", path.display());
            ensure!(
                guide.contains(&format!("(../{})", path.display())),
                "the guide does not lead to {}",
                path.display()
            );
        }
        Ok(())
    }
}

//! A Debian package, written without Debian's tools: an ar archive of two tar archives (deb(5)).

use std::collections::BTreeSet;

use anyhow::Result;

use super::archive::{Tar, ar, gzip};
use super::version::Version;

/// A file that a package installs.
pub(crate) struct Installed {
    /// From the root, without a slash before it.
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
}

pub(crate) struct Package<'a> {
    pub(crate) version: Version,
    /// As Debian names it: amd64, arm64.
    pub(crate) architecture: &'a str,
    pub(crate) maintainer: &'a str,
    pub(crate) homepage: Option<&'a str>,
    /// Seconds since 1970.
    pub(crate) time: u64,
}

impl Package<'_> {
    pub(crate) fn write(&self, files: &[Installed]) -> Result<Vec<u8>> {
        let mut control = Tar::new(self.time);
        control.folder("./")?;
        control.file("./control", 0o644, self.control(files).as_bytes())?;
        let mut data = Tar::new(self.time);
        for folder in folders(files) {
            data.folder(&folder)?;
        }
        for file in files {
            data.file(&format!("./{}", file.path), file.mode, &file.content)?;
        }
        let (control, data) = (gzip(&control.finish())?, gzip(&data.finish())?);
        ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.gz", &data)], self.time)
    }

    fn control(&self, files: &[Installed]) -> String {
        let bytes: usize = files.iter().map(|file| file.content.len()).sum();
        let homepage = self.homepage.map(|url| format!("Homepage: {url}\n")).unwrap_or_default();
        // `hfsutils` has a /usr/bin/hls of its own, a lister of HFS volumes.
        format!(
            "Package: hls\nVersion: {}-1\nArchitecture: {}\nMaintainer: {}\nInstalled-Size: {}\n\
             Recommends: ca-certificates\nConflicts: hfsutils\nSection: video\nPriority: optional\n{homepage}\
             Description: downloads and records HTTP Live Streaming\n \
             Many segments at once, resumable, every byte verified: exit 0 means that\n \
             every byte is right. A kill costs seconds and never the download.\n",
            self.version,
            self.architecture,
            self.maintainer,
            bytes.div_ceil(1024)
        )
    }
}

/// Returns the folders above all files, each before what is in it.
fn folders(files: &[Installed]) -> BTreeSet<String> {
    let mut folders = BTreeSet::from(["./".to_owned()]);
    for file in files {
        for (at, _) in file.path.match_indices('/') {
            folders.insert(format!("./{}", &file.path[..=at]));
        }
    }
    folders
}

/// Returns Debian's name for the processor of a target.
pub(crate) fn architecture(target: &str) -> Option<&'static str> {
    match target.split('-').next()? {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        "i686" => Some("i386"),
        "riscv64gc" => Some("riscv64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn package() -> Vec<u8> {
        let file = |path: &str, mode, content: &[u8]| Installed {
            path: path.to_owned(),
            mode,
            content: content.to_vec(),
        };
        let files =
            [file("usr/bin/hls", 0o755, &[1; 3000]), file("usr/share/doc/hls/copyright", 0o644, b"MIT\n")];
        let package = Package {
            version: "0.1.0".parse().unwrap(),
            architecture: "amd64",
            maintainer: "Us <us@localhost>",
            homepage: Some("https://h/hls"),
            time: 1_700_000_000,
        };
        package.write(&files).unwrap()
    }

    #[test]
    fn the_same_twice() {
        let bytes = package();
        assert!(
            bytes.starts_with(b"!<arch>\ndebian-binary   1700000000  0     0     100644  4         `\n2.0\n")
        );
        assert_eq!(bytes, package());
        assert_eq!(architecture("x86_64-unknown-linux-musl"), Some("amd64"));
        assert_eq!(architecture("wasm32-unknown-unknown"), None);
    }

    #[test]
    fn debians_own_tool_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.deb");
        fs::write(&path, package()).unwrap();
        let ask = |args: &[&str]| {
            let output = Command::new("dpkg-deb").args(args).arg(&path).output().ok()?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let Some(fields) = ask(&["--info"]) else {
            return hls_testkit::judge::skip("dpkg-deb is not installed");
        };
        for line in ["Package: hls", "Version: 0.1.0-1", "Conflicts: hfsutils", "Installed-Size: 3"] {
            assert!(fields.contains(line), "{fields}");
        }
        let files = ask(&["--contents"]).unwrap();
        for line in [
            "drwxr-xr-x root/root         0 2023-11-14",
            "-rwxr-xr-x root/root      3000",
            "./usr/share/doc/hls/copyright",
        ] {
            assert!(files.contains(line), "{files}");
        }
    }
}

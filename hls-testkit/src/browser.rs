//! A browser as a judge: what it plays, and what it shows.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{Origin, Resource};

const PAGE: &str = "/a-page-for-the-browser.html";
const REPORT: &str = "/a-report-of-the-browser";

/// Runs a script in a page of `origin` that has a `<video id="video" muted>`, and returns what it reports. `None`: there is
/// no browser on this machine.
///
/// The script is the body of an async function; what it returns is the report, and what it throws too, after `threw: `.
///
/// # Errors
///
/// The browser can't be started, or has reported nothing in time.
pub fn ask(origin: &Origin, script: &str, limit: Duration) -> io::Result<Option<String>> {
    let Some(program) = program() else { return Ok(None) };
    let page = format!(
        "<!doctype html><meta charset=utf-8><video id=video muted></video><script type=module>\n\
         const body = async () => {{\n{script}\n}};\n\
         const told = String(await body().catch((error) => 'threw: ' + error));\n\
         const hex = [...new TextEncoder().encode(told)].map((b) => b.toString(16).padStart(2, '0')).join('');\n\
         const pieces = hex.match(/.{{1,4000}}/g) ?? [''];\n\
         for (let i = 0; i < pieces.length; i++) await fetch('{REPORT}?' + pieces[i]);\n\
         await fetch('{REPORT}?.');\n</script>"
    );
    origin.put(PAGE, Resource::new(page).content_type("text/html"));
    origin.put(REPORT, "");
    let folder = profile();
    let mut running = Running { child: start(&program, &folder, &origin.url(PAGE))?, folder };
    let is_told = |origin: &Origin| origin.requests_for(REPORT).last().is_some_and(|r| r.query == ".");
    if !origin.wait_until(limit, is_told) {
        let state = running.child.try_wait();
        return Err(io::Error::other(format!("the browser has reported nothing in {limit:?}: {state:?}")));
    }
    drop(running);
    let pieces = origin.requests_for(REPORT).into_iter().map(|request| request.query);
    let hex = pieces.filter(|piece| piece != ".").collect::<String>();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = hex.as_bytes().chunks(2).filter_map(byte).collect::<Vec<_>>();
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

struct Running {
    child: Child,
    folder: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its helpers may still write there for a moment.
        for _ in 0..20 {
            if std::fs::remove_dir_all(&self.folder).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn start(program: &Path, folder: &Path, url: &str) -> io::Result<Child> {
    let mut profile = "--user-data-dir=".to_owned();
    let _ = write!(profile, "{}", folder.display());
    Command::new(program)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args([
            "--autoplay-policy=no-user-gesture-required",
            "--disable-background-networking",
            &profile,
            url,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn profile() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("hls-testkit-browser-{}-{number}", std::process::id()))
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

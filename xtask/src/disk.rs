//! `cargo xtask disk`: downloads onto disks that are full, read-only, failing, or of another kind.
//!
//! Small file systems in memory are mounted in a private namespace, which ends with the process; what no file system here
//! does by itself is injected by strace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Gate, Master, Origin, Published, Reply, Step, Vod, judge};

use crate::download::{self, Download, Ended};
use crate::workspace;

const SEGMENTS: u64 = 12;
const SEGMENT: u64 = 256 << 10;
const PLENTY: u64 = 32 << 20;
/// Places where the space ends.
const POINTS: u64 = 10;
/// Milliseconds; what waits for two seconds is moved to disk.
const LATE: u64 = 3000;

pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => {}
        [inside] if inside == "--inside" => return inside_namespace(),
        _ => bail!("usage: cargo xtask disk"),
    }
    let Some(unshare) = private_mounts() else {
        judge::skip("no private namespace for mounts: neither root nor user namespaces");
        return Ok(());
    };
    let mut inside = Command::new("unshare");
    workspace::run(inside.args(unshare).arg(std::env::current_exe()?).args(["disk", "--inside"]))
}

/// What `unshare` needs to be told on this machine.
pub(crate) fn private_mounts() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let works = |way: &&[&str]| {
        let mut trial = Command::new("unshare");
        let trial = trial.args(*way).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        trial.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    ways.into_iter().find(works)
}

fn inside_namespace() -> Result<()> {
    let program = download::build()?;
    let mount = workspace::target()?.join("disk");
    fs::create_dir_all(&mount)?;
    let origin = Origin::start();
    let publish = |vod: Vod, prefix: &str| vod.prefix(prefix).publish(&origin);
    let vod = || Vod::synthetic(SEGMENTS as usize, SEGMENT as usize);
    let [clear, aes] = [publish(vod(), "/clear"), publish(vod().aes128([7; 16]), "/aes")];
    let disk = Disk { program: &program, origin: &origin, output: mount.join("out.ts"), mount };
    let start = Instant::now();
    disk.mount(PLENTY)?;
    disk.full(&clear, &aes)?;
    disk.reserve(&clear)?;
    disk.foretold()?;
    disk.unwritable(&clear)?;
    disk.limits(&clear)?;
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match strace.is_ok_and(|status| status.success()) {
        true => disk.injected(&clear)?,
        false => judge::skip("strace is not installed: no call can be made to fail"),
    }
    println!("no violation, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

struct Disk<'a> {
    program: &'a Path,
    origin: &'a Origin,
    mount: PathBuf,
    output: PathBuf,
}

impl Disk<'_> {
    fn mount(&self, size: u64) -> Result<()> {
        self.call("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
    }

    fn remount(&self, options: &str) -> Result<()> {
        self.call("mount", &["-o", &format!("remount,{options}")])
    }

    fn call(&self, program: &str, args: &[&str]) -> Result<()> {
        workspace::run(Command::new(program).args(args).arg(&self.mount))
    }

    fn download<'a>(&'a self, url: &'a str, connections: u32) -> Download<'a> {
        Download { program: self.program, url, output: &self.output, connections, quiet: false }
    }

    /// An empty disk of this size.
    fn fresh(&self, size: u64) -> Result<()> {
        self.call("umount", &[])?;
        self.mount(size)?;
        self.origin.reset_log();
        Ok(())
    }

    /// The disk fills up at ten places, with units that wait on disk and without.
    fn full(&self, clear: &Published, aes: &Published) -> Result<()> {
        let mut twice = 0;
        for point in 1..=POINTS {
            for (stream, late) in [(clear, false), (aes, false), (clear, point % 3 == 1)] {
                if late {
                    self.is_late(&stream.segment_paths[1], LATE);
                }
                let size = SEGMENTS * SEGMENT * point / (POINTS + 1);
                self.fresh(size)?;
                let at = || format!("{size} bytes of disk, {}", if late { "late" } else { "in time" });
                twice += self.fills_up(stream).with_context(at)?;
            }
        }
        println!("disk full at {POINTS} points, 3 downloads each: exit 9, then 0; {twice} probes");
        Ok(())
    }

    /// Returns how many segments were fetched again that were kept.
    fn fills_up(&self, stream: &Published) -> Result<u64> {
        let download = self.download(&stream.url, 6);
        let ended = download.listen(&[])?;
        ensure!(ended.code()? == 9, "a full disk: {ended}");
        let why = line(&ended, "why:")?;
        ensure!(why.contains("free"), "what is free is not told: {ended}");
        ensure!(!self.output.exists(), "a full disk, and an output");
        let kept = self.kept()?;
        let told = line(&ended, "kept:").unwrap_or("0");
        let told = told.split(' ').next().unwrap_or_default();
        let told: u64 =
            if told == "nothing" { 0 } else { told.parse().with_context(|| ended.to_string())? };
        ensure!(told <= kept, "{told} segments are promised, {kept} are there: {ended}");
        ensure!(told == 0 || why.contains("needed"), "what is needed is not told: {ended}");

        self.remount(&format!("size={PLENTY}"))?;
        self.origin.reset_log();
        // A late answer that is left over would be overtaken by a second request, which is no segment fetched again.
        self.origin.script(&stream.segment_paths[1], []);
        self.ends_right(&download, stream, &[])?;
        let fetched = self.segment_requests(stream);
        let probes = u64::from(kept > 0);
        let looks = self.requests(stream, true);
        ensure!(looks <= kept, "{looks} segments looked at, though {kept} were kept");
        ensure!(
            fetched <= SEGMENTS - kept + probes,
            "{fetched} of {SEGMENTS} fetched, though {kept} were kept"
        );
        Ok((fetched + kept).saturating_sub(SEGMENTS))
    }

    /// Segments that lie on the disk under a record or a name of their own; some do under both. The first ones are placed.
    fn kept(&self) -> Result<u64> {
        let [_, state] = self.download("", 1).companions();
        let placed = Log(fs::read(state.join("written")).unwrap_or_default()).placed();
        let entries = fs::read_dir(&state).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| e.file_name().into_string().ok());
        let aside = names.filter(|name| name.ends_with(".seg"));
        let indices = aside.map(|name| name.split('-').nth(1).and_then(|index| index.parse::<u64>().ok()));
        let indices: Vec<u64> = indices.collect::<Option<_>>().context("a .seg without an index")?;
        Ok(placed + indices.iter().filter(|index| **index >= placed).count() as u64)
    }

    fn segment_requests(&self, stream: &Published) -> u64 {
        self.requests(stream, false)
    }

    /// Counts the requests for segments: those of one byte, which compare validators of what is kept, or the others.
    fn requests(&self, stream: &Published, of_one_byte: bool) -> u64 {
        let requests = self.origin.requests();
        let of_segments = requests.iter().filter(|request| stream.segment_paths.contains(&request.path));
        of_segments.filter(|request| (request.header("range") == Some("bytes=0-0")) == of_one_byte).count()
            as u64
    }

    fn ends_right(&self, download: &Download<'_>, stream: &Published, more: &[&str]) -> Result<Ended> {
        let ended = download.listen(more)?;
        ensure!(ended.code()? == 0, "{ended}");
        ensure!(!ended.said.contains("damaged"), "a record was not true: {ended}");
        download.verify(&stream.sha256)?;
        fs::remove_file(&self.output)?;
        Ok(ended)
    }

    /// `--keep-free` ends the download while there is still room.
    fn reserve(&self, stream: &Published) -> Result<()> {
        self.fresh(8 << 20)?;
        let gate = Gate::new();
        let last = stream.segment_paths.last().context("no segments")?;
        let held = Reply::resource().steps([Step::Wait(gate.clone()), Step::Rest]);
        self.origin.script(last, [held.forever()]);
        let download = self.download(&stream.url, 6);
        let ended = download.listen(&["--keep-free", "6M"])?;
        gate.open();
        ensure!(ended.code()? == 9, "less than --keep-free: {ended}");
        ensure!(line(&ended, "why:")?.contains("are free"), "{ended}");
        self.origin.reset_log();
        self.ends_right(&download, stream, &[])?;
        let fetched = self.segment_requests(stream);
        ensure!(fetched <= 2, "{fetched} segments fetched, where one was missing");
        println!("--keep-free: exit 9, then 0 with {fetched} requests");
        Ok(())
    }

    /// A stream that foretells its size is not begun where it does not fit.
    fn foretold(&self) -> Result<()> {
        self.fresh(4 << 20)?;
        let vod = Vod::synthetic(4, 100_000);
        let master = Master::new("/foretold").variant(8_000_000, 640, 360, vod).publish(self.origin);
        let stream = &master.variants[0];
        let download = self.download(&master.url, 2);
        let ended = download.listen(&[])?;
        ensure!(ended.code()? == 9 && line(&ended, "next:")?.contains("--keep-free 0"), "{ended}");
        ensure!(self.segment_requests(stream) == 0, "segments were asked for");
        ensure!(fs::read_dir(&self.mount)?.next().is_none(), "something is left of a job that did not begin");
        self.ends_right(&download, stream, &["--keep-free", "0"])?;
        println!("a stream that does not fit: exit 9 before its first segment; --keep-free 0 begins it");
        Ok(())
    }

    /// What can't be written to is found out before the first request.
    fn unwritable(&self, stream: &Published) -> Result<()> {
        self.fresh(PLENTY)?;
        self.remount("ro")?;
        let read_only = self.download(&stream.url, 2).listen(&[])?;
        self.remount("rw")?;
        let nowhere = self.mount.join("none").join("out.ts");
        let missing = Download { output: &nowhere, ..self.download(&stream.url, 2) }.listen(&[])?;
        for ended in [read_only, missing] {
            ensure!(ended.code()? == 10, "a folder that can't be written to: {ended}");
        }
        ensure!(self.origin.requests().is_empty(), "something was asked for");
        println!("read-only and missing folders: exit 10 before the first request");
        Ok(())
    }

    /// Limits that the system sets for a process.
    fn limits(&self, stream: &Published) -> Result<()> {
        for size in [1, 100_000, 1_000_000, 3_000_000] {
            self.fresh(PLENTY)?;
            let download = self.download(&stream.url, 6);
            let ended = Ended::of(&mut download.command(&["prlimit", &format!("--fsize={size}")]))?;
            ensure!(ended.code()? == 9, "files of at most {size} bytes: {ended}");
            self.ends_right(&download, stream, &[])?;
        }
        let mut told = 0;
        for descriptors in [12, 16, 20, 24, 32, 40, 64] {
            self.fresh(PLENTY)?;
            let download = self.download(&stream.url, 30);
            let limit = format!("--nofile={descriptors}");
            let ended = Ended::of(&mut download.command(&["prlimit", &limit]))?;
            let code = ended.code()?;
            let warnings = ended.said.matches("files and connections open").count();
            let right = if descriptors < 32 { [0, 10].contains(&code) } else { code == 0 && warnings == 1 };
            ensure!(right, "{descriptors} descriptors: {warnings} warnings, {ended}");
            told += warnings;
            match code {
                0 => download.verify(&stream.sha256).and_then(|()| Ok(fs::remove_file(&self.output)?))?,
                _ => self.ends_right(&download, stream, &[]).map(|_| ())?,
            }
        }
        println!("limits on files: exit 9, then 0; few descriptors: {told} warnings, and on it goes");
        Ok(())
    }

    /// What a call can be made to say that no file system here says.
    fn injected(&self, stream: &Published) -> Result<()> {
        self.fresh(PLENTY)?;
        let download = self.download(&stream.url, 6);
        let with = |injections: &[&str]| {
            let mut words = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
            words.extend(injections.iter().flat_map(|inject| ["-e", inject]));
            words.push("--");
            Ended::of(&mut download.command(&words))
        };
        for (inject, code) in [
            ("inject=pwrite64,pwritev:error=EDQUOT:when=5", 9),
            ("inject=pwrite64,pwritev:error=EIO:when=5", 10),
            ("inject=fdatasync:error=EIO", 10),
        ] {
            let ended = with(&[inject])?;
            ensure!(ended.code()? == code, "{inject}: {ended}");
            ensure!(!self.output.exists(), "{inject}: an output");
            self.ends_right(&download, stream, &[]).with_context(|| inject.to_owned())?;
        }
        for (injections, warnings) in [
            (&["inject=renameat2:error=EINVAL"][..], 0),
            (&["inject=renameat2:error=EINVAL", "inject=link,linkat:error=EPERM"][..], 0),
            (&["inject=flock:error=EOPNOTSUPP"][..], 1),
            (&["inject=chmod,fchmod,fchmodat:error=EPERM"][..], 0),
            (&["inject=fadvise64:error=EINVAL", "inject=statfs:error=ENOSYS"][..], 0),
        ] {
            let ended = with(injections)?;
            ensure!(ended.code()? == 0, "{injections:?}: {ended}");
            download.verify(&stream.sha256).with_context(|| format!("{injections:?}"))?;
            fs::remove_file(&self.output)?;
            let said = ended.said.matches("warning").count();
            ensure!(said == warnings, "{injections:?}: {said} warnings: {ended}");
        }
        println!("quota, input and output errors, other file systems: named or byte-exact");
        self.failed_sync(stream)?;
        self.waiting_files(stream)?;
        self.descriptors(stream)
    }

    /// This segment comes late, and so does a second request for it that is to overtake the first.
    fn is_late(&self, path: &str, milliseconds: u64) {
        self.origin.script(path, [1, 2].map(|_| Reply::resource().delay(milliseconds)));
    }

    /// Runs a download in which a segment is late, so that the one behind it waits in a file of its own; what is injected
    /// hits that file alone.
    fn late(&self, stream: &Published, inject: &str) -> Result<Ended> {
        self.fresh(PLENTY)?;
        // Late enough for the other one to be moved to disk twice.
        self.is_late(&stream.segment_paths[8], 2 * LATE);
        let download = self.download(&stream.url, 3);
        let file = download.companions()[1].join("tmp-0-9");
        let file = file.to_string_lossy();
        let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", &file, "-e", inject, "--"];
        Ended::of(&mut download.command(&words))
    }

    /// A segment in a file that can't be synced is fetched again, once.
    fn waiting_files(&self, stream: &Published) -> Result<()> {
        for (when, code, times) in [(":when=1", 0, 2), ("", 10, 2)] {
            let ended = self.late(stream, &format!("inject=fdatasync:error=EIO{when}"))?;
            ensure!(ended.code()? == code, "a segment that can't be synced: {ended}");
            let fetched = self.origin.requests_for(&stream.segment_paths[9]).len();
            ensure!(fetched == times, "a segment that can't be synced was fetched {fetched} times");
            self.leaves_right(stream, code)?;
        }
        println!("a segment in a file that can't be synced: fetched again once, then exit 10, then 0");
        Ok(())
    }

    /// Descriptors that run out in the middle: one segment at a time, and on it goes.
    fn descriptors(&self, stream: &Published) -> Result<()> {
        for (error, when, code) in
            [("EMFILE", ":when=1..20", 0), ("ENFILE", ":when=1..20", 0), ("EMFILE", "", 10)]
        {
            let ended = self.late(stream, &format!("inject=openat:error={error}{when}"))?;
            self.went_on_narrowly(&ended, code, 1).with_context(|| format!("a file, {error}{when}"))?;
            self.leaves_right(stream, code)?;
        }
        let mut told = 0;
        for (error, when, codes) in
            [("EMFILE", ":when=3..5", &[0][..]), ("ENFILE", ":when=4+", &[0]), ("EMFILE", "", &[10])]
        {
            self.fresh(PLENTY)?;
            let inject = format!("inject=socket:error={error}{when}");
            let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject, "--"];
            let ended = Ended::of(&mut self.download(&stream.url, 6).command(&words))?;
            let code = ended.code()?;
            ensure!(codes.contains(&code), "{inject}: {ended}");
            told += ended.said.matches("one segment at a time").count();
            self.leaves_right(stream, code)?;
        }
        ensure!(told == 2, "{told} of 2 downloads said that they are down to one connection");
        println!("descriptors that run out: one segment at a time, or exit 10, then 0");
        Ok(())
    }

    fn went_on_narrowly(&self, ended: &Ended, code: i32, warnings: usize) -> Result<()> {
        ensure!(ended.code()? == code, "{ended}");
        let told = ended.said.matches("one segment at a time").count();
        ensure!(told == warnings, "{told} warnings: {ended}");
        Ok(())
    }

    /// What an end with this code has left: the right output, or a job that goes on to it.
    fn leaves_right(&self, stream: &Published, code: i32) -> Result<()> {
        let download = self.download(&stream.url, 3);
        if code == 0 {
            download.verify(&stream.sha256)?;
            return Ok(fs::remove_file(&self.output)?);
        }
        ensure!(!self.output.exists(), "exit {code}, and an output");
        self.ends_right(&download, stream, &[]).map(|_| ())
    }

    /// A sync that failed is not tried again, and what it may have lost is cut off.
    fn failed_sync(&self, stream: &Published) -> Result<()> {
        let mut tried = 0;
        for nth in 1..=4 {
            self.fresh(PLENTY)?;
            // Long enough for syncs beside the writing.
            self.is_late(&stream.segment_paths[8], LATE);
            let download = self.download(&stream.url, 3);
            let trace = self.mount.join("trace");
            let inject = format!("inject=fdatasync,fsync:error=EIO:when={nth}");
            let traced = trace.to_string_lossy();
            let mut command = download.command(&[
                "strace",
                "-f",
                "-qq",
                "-y",
                "-o",
                &traced,
                "-e",
                "trace=fdatasync,fsync",
                "-e",
                &inject,
                "--",
            ]);
            let ended = Ended::of(&mut command)?;
            let calls = fs::read_to_string(&trace)?;
            fs::remove_file(&trace)?;
            if ended.code()? == 0 {
                // A segment in a file of its own is fetched again.
                let ours = |call: &str| {
                    call.contains("INJECTED") && !["/index", "/tmp-"].iter().any(|p| call.contains(p))
                };
                ensure!(!calls.lines().any(ours), "sync no. {nth} failed, and exit 0: {calls}");
                fs::remove_file(&self.output)?;
                continue;
            }
            ensure!(ended.code()? == 10, "sync no. {nth} failed: {ended}");
            let of = |call: &str| call.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            // What fails behind the renaming is the sync of the folder: the name may be lost with the power, and all is there.
            let is_named =
                calls.lines().any(|call| call.contains("INJECTED") && Path::new(&of(call)) == self.mount);
            ensure!(
                is_named || !self.output.exists(),
                "sync no. {nth} failed, and there is an output: {ended}\n{calls}"
            );
            let mut failed = Vec::new();
            // The index is not ours to judge: it may vanish.
            for call in calls.lines().filter(|call| !["/index", "/tmp-"].iter().any(|p| call.contains(p))) {
                ensure!(!failed.contains(&of(call)), "synced again after a failure: {calls}");
                if call.contains("INJECTED") {
                    failed.push(of(call));
                }
            }
            tried += failed.len();
            self.ends_right(&download, stream, &[]).with_context(|| format!("sync no. {nth}"))?;
        }
        println!("{tried} failed syncs: exit 10, none tried again, then 0");
        Ok(())
    }
}

/// A log: behind a header of 24 bytes records, each with two bytes of length before it and four of checksum after it.
pub(crate) struct Log(pub(crate) Vec<u8>);

impl Log {
    /// The kind of each record: 1 is a unit in its place, 2 a sync.
    fn kinds(&self) -> Vec<u8> {
        let mut rest = self.0.get(24..).unwrap_or_default();
        let mut all = Vec::new();
        while let [low, high, kind, ..] = *rest {
            all.push(kind);
            let record = 2 + usize::from(u16::from_le_bytes([low, high])) + 4;
            rest = rest.get(record..).unwrap_or_default();
        }
        all
    }

    fn placed(&self) -> u64 {
        self.kinds().iter().filter(|kind| **kind == 1).count() as u64
    }

    /// Units in their place before the sync of this number, from 1; none before the first.
    pub(crate) fn placed_before_sync(&self, number: usize) -> u64 {
        let kinds = self.kinds();
        let syncs = kinds.iter().enumerate().filter(|(_, kind)| **kind == 2).map(|(at, _)| at);
        let at = syncs.take(number).last().unwrap_or(0);
        kinds.iter().take(at).filter(|kind| **kind == 1).count() as u64
    }
}

/// A line of the block of an error.
fn line<'a>(ended: &'a Ended, name: &str) -> Result<&'a str> {
    let lines = ended.said.lines().map(str::trim);
    let line = lines.filter_map(|line| line.strip_prefix(name)).next_back();
    line.map(str::trim).with_context(|| format!("no line {name} in {ended}"))
}

//! `cargo xtask power`: the power fails while a download runs on an ext4 file system in an image.
//!
//! The program is stopped right behind a sync, or at a random moment; the image is copied as it is, without anything that
//! would write out what is in memory; the copy is mounted, which replays its journal, and the same command goes on there.
//! What has to hold: it ends right, and what a sync has acknowledged is not fetched again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Origin, Published, Vod, judge};

use crate::dice::Dice;
use crate::disk::{Log, private_mounts};
use crate::download::{self, Download};
use crate::workspace;

const SEGMENTS: u64 = 12;
const SEGMENT: usize = 256 << 10;
/// Slow enough for several syncs beside the writing.
const RATE: &str = "1M";
const LIMIT: Duration = Duration::from_secs(60);

struct Options {
    /// Syncs of a thread behind which the power fails.
    syncs: u32,
    /// Cuts at random moments.
    random: u32,
    seed: u64,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some((inside, rest)) = args.split_first()
        && inside == "--inside"
    {
        return inside_namespace(&Options::read(rest)?);
    }
    Options::read(args)?;
    let way = private_mounts().filter(|way| way.len() == 1);
    let tools = ["mkfs.ext4", "losetup", "strace"].iter().all(|tool| {
        let version = Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok()
    });
    let Some(unshare) = way.filter(|_| tools) else {
        judge::skip("no image can be mounted: it takes root, loop devices, mkfs.ext4 and strace");
        return Ok(());
    };
    let mut inside = Command::new("unshare");
    workspace::run(inside.args(unshare).arg(std::env::current_exe()?).args(["power", "--inside"]).args(args))
}

/// Where the power fails.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Behind the so-and-so-many-th sync of a thread.
    Sync(u32),
    /// So far into the job.
    Moment(Duration),
    /// When the program has ended.
    End,
}

struct Bench<'a> {
    program: &'a Path,
    origin: &'a Origin,
    folder: PathBuf,
}

fn inside_namespace(options: &Options) -> Result<()> {
    let program = download::build()?;
    let folder = workspace::target()?.join("power");
    fs::create_dir_all(folder.join("mnt"))?;
    let origin = Origin::start();
    let vod = || Vod::synthetic(SEGMENTS as usize, SEGMENT);
    let clear = vod().prefix("/clear").publish(&origin);
    let aes = vod().prefix("/aes").aes128([7; 16]).publish(&origin);
    let bench = Bench { program: &program, origin: &origin, folder };
    bench.make_image()?;

    let start = Instant::now();
    for mode in ["data=ordered", "data=writeback"] {
        let syncs = (1..=options.syncs).map(Cut::Sync);
        let mut dice = Dice::new(options.seed);
        let moments: Vec<_> =
            (0..options.random).map(|_| Cut::Moment(Duration::from_millis(dice.below(4000)))).collect();
        let (mut cuts, mut acknowledged) = (0, 0);
        for (cut, stream) in syncs.chain(moments).chain([Cut::End]).zip([&clear, &aes].into_iter().cycle()) {
            let kept = bench.cut(stream, mode, cut).with_context(|| format!("{mode}, {cut:?}"))?;
            cuts += u32::from(kept.is_some());
            acknowledged += kept.unwrap_or(0);
        }
        println!(
            "{mode}: {cuts} cuts, {acknowledged} segments acknowledged before them, none lost, none wrong"
        );
    }
    println!("no violation, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

impl Bench<'_> {
    fn image(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn make_image(&self) -> Result<()> {
        let image = self.image("empty.img");
        fs::File::create(&image)?.set_len(48 << 20)?;
        workspace::run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))
    }

    fn mount(&self, image: &str, mode: &str) -> Result<()> {
        let options = format!("loop,{mode}");
        let mut mount = Command::new("mount");
        workspace::run(
            mount.args(["-t", "ext4", "-o", &options]).arg(self.image(image)).arg(self.image("mnt")),
        )
    }

    fn unmount(&self) -> Result<()> {
        workspace::run(Command::new("umount").arg(self.image("mnt")))
    }

    /// Returns how many segments were acknowledged before the cut; `None` where the job ended before it.
    fn cut(&self, stream: &Published, mode: &str, cut: Cut) -> Result<Option<u64>> {
        fs::copy(self.image("empty.img"), self.image("live.img"))?;
        self.mount("live.img", mode)?;
        let output = self.image("mnt").join("out.ts");
        let download = Download {
            program: self.program,
            url: &stream.url,
            output: &output,
            connections: 4,
            quiet: true,
        };
        let cut = self.fail(&download, cut);
        self.unmount()?;
        let Some(acknowledged) = cut? else { return Ok(None) };

        self.mount("cut.img", mode)?;
        let again = self.go_on(&download, stream, acknowledged);
        self.unmount()?;
        again.map(|()| Some(acknowledged))
    }

    /// Runs the download until the power fails and copies the image as it is then.
    fn fail(&self, download: &Download<'_>, cut: Cut) -> Result<Option<u64>> {
        let trace = self.image("trace");
        fs::write(&trace, "")?;
        let traced = trace.to_string_lossy();
        let nth = if let Cut::Sync(nth) = cut { nth } else { 60_000 };
        let inject = format!("inject=fsync,fdatasync:signal=STOP:when={nth}");
        // Detached, strace is no parent: what is started here is the program itself.
        let words = [
            "strace",
            "-D",
            "-f",
            "-qq",
            "-y",
            "-o",
            &traced,
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            &inject,
            "--",
        ];
        let mut child =
            download.command(&words).args(["--limit-rate", RATE]).stdout(Stdio::null()).spawn()?;
        let ended = self.until(&mut child, cut)?;
        if ended && !matches!(cut, Cut::End) {
            return Ok(None);
        }
        fs::copy(self.image("live.img"), self.image("cut.img"))?;
        let acknowledged = match ended {
            true => SEGMENTS,
            false => {
                let [_, state] = download.companions();
                let syncs = fs::read_to_string(&trace)?;
                let of_log = |line: &&str| line.contains("/written>") && line.trim_end().ends_with("= 0");
                let log = Log(fs::read(state.join("written")).unwrap_or_default());
                log.placed_before_sync(syncs.lines().filter(of_log).count())
            }
        };
        child.kill()?;
        child.wait()?;
        Ok(Some(acknowledged))
    }

    /// Waits for the moment of the cut; returns whether the program has ended.
    fn until(&self, child: &mut Child, cut: Cut) -> Result<bool> {
        let start = Instant::now();
        let mut stopped = 0;
        loop {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "the download failed: {status}");
                return Ok(true);
            }
            if let Cut::Moment(moment) = cut
                && start.elapsed() >= moment
            {
                workspace::run(Command::new("kill").args(["-STOP", &child.id().to_string()]))?;
            }
            // A single look may fall on a call that is being traced.
            stopped = if is_stopped(child.id()) { stopped + 1 } else { 0 };
            if stopped == 5 {
                return Ok(false);
            }
            if start.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                bail!("neither the cut nor the end has come in {} s", LIMIT.as_secs());
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// The same command on what the power has left.
    fn go_on(&self, download: &Download<'_>, stream: &Published, acknowledged: u64) -> Result<()> {
        if acknowledged == SEGMENTS && download.output.exists() {
            let found = judge::sha256_file(download.output)?;
            ensure!(found == stream.sha256, "exit 0, and wrong bytes after the cut");
        }
        self.origin.reset_log();
        let ended = download.listen(&[])?;
        let code = ended.code()?;
        // 13: the output has its name, and nothing is left to do.
        let finished = code == 13 && download.output.exists();
        ensure!(code == 0 || finished, "after the cut: {ended}");
        let found = judge::sha256_file(download.output)?;
        ensure!(found == stream.sha256, "wrong bytes after the cut: {ended}");
        let is_segment = |path: &String| stream.segment_paths.contains(path);
        let fetched = self.origin.requests().iter().filter(|r| is_segment(&r.path)).count() as u64;
        let probes = if acknowledged == SEGMENTS { 0 } else { 1 };
        ensure!(
            fetched <= SEGMENTS - acknowledged + probes,
            "{fetched} of {SEGMENTS} segments fetched again, though {acknowledged} were acknowledged"
        );
        Ok(())
    }
}

fn is_stopped(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| state.trim_start().to_ascii_lowercase().starts_with('t'))
}

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self { syncs: 12, random: 10, seed: 1 };
        for pair in args.chunks(2) {
            match pair {
                [name, value] if name == "--syncs" => options.syncs = value.parse()?,
                [name, value] if name == "--random" => options.random = value.parse()?,
                [name, value] if name == "--seed" => options.seed = value.parse()?,
                _ => bail!("usage: cargo xtask power [--syncs N] [--random N] [--seed N]"),
            }
        }
        Ok(options)
    }
}

//! `cargo xtask fixture`: an unfinished job of this version, kept so that later versions prove that they go on with it.
//!
//! It lies in `hls-cli/tests/fixtures/state-N`, where N is the number of the format. One that is there already is what
//! others may have on their disks, and is never made anew: a format that changes gets a number and a folder of its own.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Gate, Origin, Reply, Step, Vod};

use crate::damage::copy_folder;
use crate::download::{self, Download};
use crate::workspace;

pub(crate) fn run(args: &[String]) -> Result<()> {
    let [format] = args else { bail!("usage: cargo xtask fixture FORMAT") };
    let kept = workspace::root().join("hls-cli/tests/fixtures").join(format!("state-{format}"));
    ensure!(!kept.exists(), "{} is there already", kept.display());
    let program = download::build()?;
    let work = workspace::target()?.join("fixture");
    fs::create_dir_all(&work)?;
    let output = work.join("out.ts");
    // The tests publish the same stream: see hls-cli/tests/it/leftovers.rs.
    let origin = Origin::start();
    let stream = Vod::synthetic(8, 7520).prefix("/kept").publish(&origin);
    let half = Reply::resource().steps([Step::Bytes(3760), Step::Wait(Gate::new()), Step::Rest]);
    origin.script(&stream.segment_paths[3], [half.forever()]);

    let download =
        Download { program: &program, url: &stream.url, output: &output, connections: 3, quiet: true };
    download.clear()?;
    let state = work.join("out.ts.hls");
    let waiting = || {
        let entries = fs::read_dir(&state).into_iter().flatten().flatten();
        entries.filter(|e| e.path().extension().is_some_and(|x| x == "seg")).count()
    };
    let killed = download.start_and_kill(|| {
        let come = waiting() >= 3;
        if come {
            std::thread::sleep(Duration::from_secs(1));
        }
        come
    })?;
    ensure!(killed, "it ended before it was killed");
    // What may vanish at any time need not be kept, and the lock is of the process that is gone.
    fs::remove_dir_all(state.join("index")).context("no index")?;
    fs::remove_file(state.join("lock"))?;
    copy_folder(&work, &kept)?;
    fs::remove_dir_all(&work)?;
    println!("{}", kept.display());
    Ok(())
}

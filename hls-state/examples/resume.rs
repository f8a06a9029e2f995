//! The resume store only: `resume OUT FILE...` joins files into one, and goes on where a run before it was killed. Each file
//! is a unit here; in a download it would be a segment.

use std::error::Error;
use std::fs;
use std::io::IoSlice;
use std::thread::sleep;
use std::time::Duration;

use hls_state::{DiskStore, Fingerprint, Options, Placed, ResumeStore as _};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().ok_or("usage: resume OUT FILE...")?;
    let files: Vec<String> = arguments.collect();

    let (mut store, recovered) = DiskStore::open(Options::new(vec![output.clone().into()]))?;
    // What tells a unit from others is known before its bytes are had.
    let identity = |file: &str| Fingerprint::of(file.as_bytes()).0;
    let done =
        recovered.outputs[0].iter().zip(&files).take_while(|(unit, file)| unit.identity == identity(file));
    let done: Vec<Placed> = done.map(|(unit, _)| *unit).collect();
    println!("{} of {} units are there", done.len(), files.len());

    let mut offset = done.last().map_or(0, |unit| unit.offset + unit.len);
    store.cut(0, offset)?;
    for (index, file) in files.iter().enumerate().skip(done.len()) {
        let bytes = fs::read(file)?;
        store.write(0, offset, &[IoSlice::new(&bytes)])?;
        let (len, hash) = (bytes.len() as u64, Fingerprint::of(&bytes));
        store.record(Placed {
            output: 0,
            index: index as u64,
            identity: identity(file),
            offset,
            len,
            hash,
        })?;
        // A program that has more to do calls this at least every 100 ms.
        store.maintain()?;
        offset += len;
        if index + 1 == files.len() / 2 && std::env::var_os("STOP_HALF_WAY").is_some() {
            store.close()?;
            println!("stopped behind {file}");
            return Ok(());
        }
    }
    // What was there is hashed meanwhile. A real program has the damaged units again; this one says so.
    loop {
        let checked = store.checked()?;
        if let Some(unit) = checked.damaged.first() {
            return Err(format!("{} was damaged since; start over", files[unit.index as usize]).into());
        }
        if checked.is_done {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    store.finish()?;
    println!("{output} is whole");
    Ok(())
}

//! Makes one MP4 of files: `remux OUT.mp4 IN...`, where each input is a transport stream, fragmented MP4 or packed audio.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::time::Instant;

use hls_media::remux::{Index, Input, Remuxer, Step};

const CHUNK: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let output = arguments.next().ok_or("usage: remux OUT.mp4 IN...")?;
    let mut files = arguments.map(File::open).collect::<Result<Vec<_>, _>>()?;
    let mut buffer = vec![0; CHUNK];

    let start = Instant::now();
    let (mut inputs, mut read) = (Vec::new(), 0);
    for file in &mut files {
        let mut index = Index::new(Input::default());
        loop {
            let len = file.read(&mut buffer)?;
            if len == 0 {
                break;
            }
            read += len;
            index.push(&buffer[..len])?;
        }
        file.rewind()?;
        inputs.push(index.finish()?);
    }
    let first = start.elapsed();
    let samples = inputs.iter().map(|input| input.samples()).sum::<u64>();
    let footprint = inputs.iter().map(|input| input.footprint()).sum::<usize>();

    let mut remuxer = Remuxer::new(inputs, &[])?;
    for finding in &remuxer.report().findings {
        eprintln!("input {} unit {} at {:.3?}: {}", finding.input, finding.unit, finding.at, finding.what);
    }
    // Chunks of audio are small.
    let mut out = BufWriter::with_capacity(CHUNK, File::create(output)?);
    loop {
        match remuxer.step()? {
            Step::Write(bytes) => out.write_all(bytes)?,
            Step::Read(input) => match files[input].read(&mut buffer)? {
                0 => remuxer.end(input)?,
                len => remuxer.push(input, &buffer[..len])?,
            },
            Step::Done => break out.flush()?,
        }
    }
    eprintln!(
        "{read} bytes in {first:.2?}, {samples} samples in {footprint} bytes; {} bytes out in {:.2?}",
        remuxer.len(),
        start.elapsed() - first
    );
    Ok(())
}

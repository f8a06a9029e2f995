//! The engine with a user interface of your own: `download URL OUT`. Enter stops it; the same command goes on.

use std::error::Error;
use std::io;

use hls_sched::{Event, Job};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: download URL OUT".into());
    };
    let mut job = Job::get(url.parse()?).output(output).start();

    let handle = job.handle();
    // A thread that waits for a line does not keep the program from ending.
    std::thread::spawn(move || {
        if io::stdin().read_line(&mut String::new()).is_ok_and(|len| len > 0) {
            handle.stop();
        }
    });
    while let Some(event) = job.next().await {
        match event {
            Event::Plan(plan) => {
                println!(
                    "{}: {} segments, {} there",
                    plan.tracks.join(", "),
                    plan.segments,
                    plan.resumed_segments
                );
            }
            Event::Progress(progress) => {
                let left =
                    progress.eta.map_or_else(String::new, |left| format!(", {} s left", left.as_secs()));
                println!(
                    "{}/{}, {} B/s{left}",
                    progress.segments_done, progress.segments, progress.bytes_per_second
                );
            }
            Event::Retry(retry) => {
                println!("again in {:.1?}: {} ({})", retry.wait, retry.place, retry.message)
            }
            Event::Warning { message, .. } => println!("{message}"),
            _ => {}
        }
    }
    match job.finish().await {
        Ok(done) => println!("complete: {} segments, {} bytes", done.segments, done.bytes),
        Err(error) => return Err(format!("{error} [{}]", error.code()).into()),
    }
    Ok(())
}

//! Fetching only: `fetch URL FILE`. What was lost on the way is asked for again, from where it ended if the server can tell
//! that the rest belongs to the same bytes.

use std::error::Error;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use hls_fetch::{ByteRange, Client, Decision, Fetch as _, Request, RetryPolicy};

/// The status of an answer that is a part.
const PARTIAL: u16 = 206;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fetch URL FILE".into());
    };
    let url: url::Url = url.parse()?;
    let client = Client::builder().header("user-agent", "example/1.0")?.build()?;
    let mut file = File::create(path)?;

    let policy = RetryPolicy::default();
    let (mut attempts, mut etag) = (1, None);
    // Disks are not tried again; what the network does is, as the policy says.
    while let Err(error) = transfer(&client, &url, &mut file, &mut etag).await? {
        let Decision::Retry { after } = policy.decide_now(&error, attempts) else { return Err(error.into()) };
        eprintln!("{error}; again in {after:.1?}");
        tokio::time::sleep(after).await;
        attempts += 1;
    }
    println!("{} bytes, {attempts} attempts", file.stream_position()?);
    Ok(())
}

/// One attempt; the file has the bytes that came before it.
async fn transfer(
    client: &Client,
    url: &url::Url,
    file: &mut File,
    etag: &mut Option<String>,
) -> io::Result<Result<(), hls_fetch::Error>> {
    let mut request = Request::get(url.clone());
    match etag.take() {
        Some(etag) => request = request.range(Some(ByteRange::from(file.stream_position()?))).if_range(etag),
        None => empty(file)?,
    }
    let mut response = match client.fetch(request).await {
        Ok(response) => response,
        Err(error) => return Ok(Err(error)),
    };
    if response.status != PARTIAL {
        // It has changed: what is there belongs to other bytes.
        empty(file)?;
    }
    etag.clone_from(&response.strong_etag);
    loop {
        match response.body.next().await {
            Ok(Some(chunk)) => file.write_all(&chunk)?,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn empty(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()
}

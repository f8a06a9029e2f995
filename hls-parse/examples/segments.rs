//! Parsing only: lists what a playlist is made of. `segments URL < PLAYLIST`, where the URL says where it came from.

use std::error::Error;
use std::io::{self, Read as _};

use hls_parse::Playlist;
use url::Url;

fn main() -> Result<(), Box<dyn Error>> {
    let base: Url = std::env::args().nth(1).ok_or("usage: segments URL < PLAYLIST")?.parse()?;
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;

    let parsed = hls_parse::parse(&text, &base)?;
    for warning in &parsed.warnings {
        eprintln!("{warning}");
    }
    match parsed.playlist {
        Playlist::Multivariant(playlist) => {
            for variant in &playlist.variants {
                let codecs = variant.codecs.as_deref().unwrap_or("of unknown codecs");
                println!("{} {} bit/s, {codecs}", variant.url, variant.bandwidth.unwrap_or_default());
            }
        }
        Playlist::Media(playlist) => {
            for segment in playlist.segments() {
                let range =
                    segment.byte_range().map(|range| format!(" bytes {}+{}", range.offset, range.length));
                println!(
                    "{} {:.3?} {}{}",
                    segment.media_sequence(),
                    segment.duration(),
                    segment.url()?,
                    range.unwrap_or_default()
                );
            }
        }
    }
    Ok(())
}

//! `cargo xtask bench`: what is promised in numbers.

use anyhow::Result;

use crate::workspace;

/// Runs the benchmark of the parser, which fails where it misses its marks.
pub(crate) fn parse() -> Result<()> {
    workspace::run(&mut workspace::cargo(&[
        "run",
        "--release",
        "--package",
        "hls-parse",
        "--features",
        "m3u8-rs",
        "--example",
        "bench",
    ]))
}

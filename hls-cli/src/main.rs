//! The `hls` program.
fn main() {}

//! `hls info`.

use std::io::Write as _;
use std::process::ExitCode;

use crate::args::Info;

pub(crate) async fn run(_: Info) -> ExitCode {
    let _ = std::io::stdout().flush();
    ExitCode::SUCCESS
}

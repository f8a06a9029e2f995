//! The `hls` program: arguments, terminal, exit codes. Everything else is in the libraries.

mod about;
mod args;
mod generate;
mod get;
mod human;
mod info;
mod input;
mod jobs;
mod limits;
mod output;
mod progress;
mod quantity;
mod rate;
mod remember;
mod report;
mod request;
mod signal;
mod verify;

use std::process::ExitCode;

use args::{Command, parse};

fn main() -> ExitCode {
    hush_index();
    let command = match parse(std::env::args_os()) {
        Ok(command) => command,
        Err(usage) => return report::usage(&usage),
    };
    // Attempts are tasks that wait for sockets; the bytes are written on a thread of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::plain(1, "runtime", &error.to_string()),
    };
    let code = match command {
        Command::Get(get) => runtime.block_on(get::run(*get)),
        Command::Info(info) => runtime.block_on(info::run(*info)),
        Command::Verify(verify) => verify::run(&verify),
        Command::Jobs(jobs) => runtime.block_on(jobs::run(*jobs)),
        Command::Generate(generate) => generate::run(&generate),
        Command::About => about::run(),
    };
    // A look-up that hangs must not keep the program from ending.
    runtime.shutdown_background();
    code
}

/// Panics of the index end nothing but the index, and are no news for anyone. All others are told.
fn hush_index() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !std::thread::current().name().is_some_and(hls_state::is_index_thread) {
            tell(panic);
        }
    }));
}

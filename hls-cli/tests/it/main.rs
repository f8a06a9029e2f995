//! The program as its users meet it: arguments in; bytes, words, requests and exit codes out.

mod browser;
mod careless;
mod choose;
mod content;
mod ends;
mod events;
mod generate;
mod headers;
mod info;
mod jobs;
mod leftovers;
mod live;
mod local;
mod names;
mod reading;
mod readme;
mod resume;
mod safety;
#[cfg(unix)]
mod signals;
mod subtitles;
mod support;
mod talk;
mod verify;
mod watch;

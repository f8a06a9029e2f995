//! Tests of the public interface, on small units made here.

mod init;
mod inspect;
mod remux;
mod samples;
mod units;

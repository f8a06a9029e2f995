//! Tests of the public interface, on small units made here.

mod init;
mod remux;
mod units;

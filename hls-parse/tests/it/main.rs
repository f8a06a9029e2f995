//! Tests of the public interface.

mod corpus;
mod laws;
mod reading;

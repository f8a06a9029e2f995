//! What survives a kill: lock, log, segment files and final rename of a resumable job

//! The download engine of hls: planner, pipeline, events

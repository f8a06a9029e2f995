//! An HTTP Live Streaming origin whose every answer can be scripted, and small real media

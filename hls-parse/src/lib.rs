//! HTTP Live Streaming playlists: lossless lines, typed tags, resolved timeline

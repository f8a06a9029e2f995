//! Decryption of HTTP Live Streaming segments: AES-128-CBC, streaming

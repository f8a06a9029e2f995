//! One URL to bytes, and what failed: a pooled HTTP client with classified errors and backoff

//! The server: agent API, operator API, downloads, the decider.

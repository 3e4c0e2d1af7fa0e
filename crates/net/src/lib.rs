//! The network: clock, TLS listen and connect, HTTP client, backoff.

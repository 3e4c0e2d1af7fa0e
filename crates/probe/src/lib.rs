//! Everything that reads a host: the built-in probes.

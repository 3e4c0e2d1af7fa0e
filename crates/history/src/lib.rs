//! Item history on a host.

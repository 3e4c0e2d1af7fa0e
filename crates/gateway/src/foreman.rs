//! Foreman's distributed locks.

//! The successor of Foreman's distributed locks.

//! All decisions as pure functions of (state, now, seed), with their reasons.

//! What only whole processes, whole bundles and whole power cuts can show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bundles;
mod cuts;
mod exec;
mod hostile;
mod idle_lock;
mod kept_bundles;
mod lock;
mod overlays;
mod packages_apt;
mod packages_dnf;
mod packages_parts;
mod process;
mod run_lock;
mod scripts;
mod service;
mod slots;
mod trials;

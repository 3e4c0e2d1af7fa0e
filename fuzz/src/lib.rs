//! What each fuzz target does with its input. See docs/fuzzing.md.

mod files;
mod gateways;

/// Runs a target on one input.
///
/// # Panics
/// If there is no such target, and when a parser does what it must not do.
pub fn run(name: &str, data: &[u8]) {
    let mut all = gateways::TARGETS.iter().chain(files::TARGETS);
    let target = all.find(|(target, _)| *target == name);
    let (_, target) = target.expect("a target of this name is in one of the tables");
    target(data);
}

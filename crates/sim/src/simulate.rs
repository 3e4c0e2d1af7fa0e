//! A rollout before it starts: how long it takes, what the server has to bear, and how many hosts a bad release would
//! reach.
//!
//! What decides is `plan::rollout`, the code that moves a rollout on the server; hosts, network and time are simulated.
//! A million hosts take seconds, because hosts have no names and numbers are kept as they change.
//!
//! [`simulate()`] runs one rollout. [`Healthy`] and [`Exposure`] run many, with a release without fault and with one that
//! breaks some hosts. [`Band`] says how far many runs had come at each time. [`svg::draw`] draws one.

mod band;
mod conductor;
mod curve;
mod dice;
mod downloads;
mod fleet;
mod outcome;
mod ready;
mod risk;
mod settings;
mod standing;
pub mod svg;
mod world;

use lockstep_model::Strategy;

pub use band::Band;
pub use curve::Curve;
pub use downloads::Load;
pub use fleet::{Fleet, Host};
pub use outcome::{Cause, End, Outcome, WaveOutcome};
pub use risk::{CONFIDENCE, Exposure, Healthy, impossible, runs};
pub use settings::{AWAY, Settings, UNWELL};

/// Simulates one rollout. Equal seeds give equal outcomes.
#[must_use]
pub fn simulate(fleet: &Fleet, strategy: &Strategy, settings: &Settings, seed: u64) -> Outcome {
    world::World::new(fleet, strategy, settings, seed, world::Nobody)
        .run()
        .0
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod properties;
